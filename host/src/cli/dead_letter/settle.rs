//! `amends dead-letter redrive` and `resolve`: the two ways out.

use super::super::argument::{JsonSource, PluginFile, components};
use super::super::desk::{Wish, With};
use super::super::error::refused;
use super::super::output::{Exit, Format};
use super::super::run::{About, Ask, demand};
use amends_domain::event::Resolution;
use amends_domain::explain::DeadLetterId;
use clap::Args;

pub(super) const REDRIVE_EXAMPLES: &str = "\
Examples:
  amends dead-letter redrive run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment
  amends dead-letter redrive run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --plugin orders=corrected.wasm --data ./data
  amends dead-letter redrive run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --latest --follow

Without --plugin or --latest with the component that the run pins. A corrected component is installed, which is what new runs use, and
takes the place of the pinned one for this step; it must have the handler. Exit code 0 if it is noted, however it ends; 3 if refused.";

pub(super) const RESOLVE_EXAMPLES: &str = "\
Examples:
  amends dead-letter resolve run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --undone \\
         --reason 'refunded by hand' --evidence '{\"refund\":\"R-17\"}' --data ./data
  amends dead-letter resolve run_01kb0v7m4q8r5t2x9y3z6w1a0c.send-invoice --done --output @invoice.json \\
         --reason 'sent by post' --data ./data

--undone: whatever the step did is taken back, or it did nothing; the default where a compensation failed. --done: what the step should
do is done. Where the tenant wants two people (`amends tenant resolvers two`), it counts when a second --by says the same.";

/// Which dead letter, and who asks.
#[derive(Debug, Args)]
pub(in crate::cli) struct Letter {
    /// The dead letter: its run and its step
    #[arg(value_name = "RUN.STEP")]
    dead_letter: DeadLetterId,
    #[command(flatten)]
    ask: Ask,
}

/// Arguments of `dead-letter redrive`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Redrive {
    #[command(flatten)]
    letter: Letter,
    /// With --data: with this component, which is installed for the plugin that the step uses
    #[arg(long, value_name = "NAME=FILE.wasm", conflicts_with = "latest")]
    plugin: Option<PluginFile>,
    /// With the component that the plugin's name means now
    #[arg(long)]
    latest: bool,
}

/// Arguments of `dead-letter resolve`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Resolve {
    #[command(flatten)]
    letter: Letter,
    /// Whatever the step did is taken back, or it did nothing
    #[arg(long, conflicts_with = "done")]
    undone: bool,
    /// What the step should do is done
    #[arg(long)]
    done: bool,
    /// What shows it: JSON, @FILE, or @- for standard input
    #[arg(long, value_name = "JSON|@FILE")]
    evidence: Option<JsonSource>,
    /// What the step gives, if it is done: JSON, @FILE, or @-; without it, null
    #[arg(long, value_name = "JSON|@FILE", requires = "done")]
    output: Option<JsonSource>,
}

pub(super) fn redrive(redrive: &Redrive, format: Format) -> anyhow::Result<Exit> {
    let with = with(redrive)?;
    settle(&redrive.letter, |id| Wish::Redrive { step: id.step.clone(), with }, format)
}

fn with(redrive: &Redrive) -> anyhow::Result<With> {
    if redrive.latest {
        return Ok(With::Latest);
    }
    let Some(plugin) = &redrive.plugin else { return Ok(With::Pinned) };
    let component = components(std::slice::from_ref(plugin))?.pop_first();
    Ok(component.map_or(With::Pinned, |(plugin, bytes)| With::Component { plugin, bytes }))
}

pub(super) fn resolve(resolve: &Resolve, format: Format) -> anyhow::Result<Exit> {
    let read = |source: &Option<JsonSource>, what| source.as_ref().map(|source| source.read(what)).transpose();
    let (evidence, output) = (read(&resolve.evidence, "the evidence")?, read(&resolve.output, "the output")?);
    let resolution = match (resolve.undone, resolve.done) {
        (_, true) => Some(Resolution::Done),
        (true, false) => Some(Resolution::Undone),
        (false, false) => None,
    };
    settle(&resolve.letter, |id| Wish::Resolve { step: id.step.clone(), resolution, evidence, output }, format)
}

fn settle(letter: &Letter, wish: impl FnOnce(&DeadLetterId) -> Wish, format: Format) -> anyhow::Result<Exit> {
    let Letter { dead_letter: id, ask } = letter;
    let about = About { wish: wish(id), step: Some(id.step.clone()) };
    demand(id.run, ask, about, format)
}

/// The dead letter with this id.
pub(super) fn no_letter(id: &DeadLetterId, stands: &str) -> anyhow::Error {
    refused("not_a_dead_letter", format!("{id} is no dead letter: {stands}"))
}
