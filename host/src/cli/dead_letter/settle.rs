//! `amends dead-letter redrive` and `resolve`: the two ways out.

use super::super::argument::{JsonSource, PluginFile, components};
use super::super::error::{misuse, refused};
use super::super::journal::Journal;
use super::super::output::{Exit, Format};
use super::super::run::{Ask, Wanted, demand, step_of};
use crate::coordinator::{Coordinator, Correction};
use amends_domain::event::{Confirmation, Demand, Direction, Resolution, Resolve as Resolved};
use amends_domain::explain::{DeadLetterId, dead_letters};
use amends_domain::id::StepIndex;
use clap::Args;

pub(super) const REDRIVE_EXAMPLES: &str = "\
Examples:
  amends dead-letter redrive run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --data ./data
  amends dead-letter redrive run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --plugin orders=corrected.wasm --data ./data
  amends dead-letter redrive run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --latest --data ./data

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
    /// With this component, which is installed for the plugin that the step uses
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
    let Letter { dead_letter: id, ask } = &redrive.letter;
    let correction = correction(redrive)?;
    let wanted = async |coordinator: &Coordinator| {
        let (_, step) = found(coordinator, &redrive.letter)?;
        let component = match correction {
            None => None,
            Some(correction) => Some(coordinator.correct(&ask.tenant.id, id.run, step, correction).await?),
        };
        Ok(Wanted { demand: Demand::Redrive { step, component }, step: Some(step) })
    };
    demand(id.run, ask, wanted, format)
}

fn correction(redrive: &Redrive) -> anyhow::Result<Option<Correction>> {
    if redrive.latest {
        return Ok(Some(Correction::Latest));
    }
    let Some(plugin) = &redrive.plugin else { return Ok(None) };
    let component = components(std::slice::from_ref(plugin))?.pop_first();
    Ok(component.map(|(plugin, bytes)| Correction::Component { plugin, bytes }))
}

pub(super) fn resolve(resolve: &Resolve, format: Format) -> anyhow::Result<Exit> {
    let Letter { dead_letter: id, ask } = &resolve.letter;
    let read = |source: &Option<JsonSource>, what| source.as_ref().map(|source| source.read(what)).transpose();
    let (evidence, output) = (read(&resolve.evidence, "the evidence")?, read(&resolve.output, "the output")?);
    let wanted = async |coordinator: &Coordinator| {
        let (journal, step) = found(coordinator, &resolve.letter)?;
        let resolution = resolution(resolve, &journal, step)?;
        let resolved = Resolved { step, resolution, evidence, output, confirmation: Confirmation::NotNeeded };
        Ok(Wanted { demand: Demand::Resolve(Box::new(resolved)), step: Some(step) })
    };
    demand(id.run, ask, wanted, format)
}

/// A compensation that failed can be settled one way only, so it need not be said; of anything else nobody may guess.
fn resolution(resolve: &Resolve, journal: &Journal, step: StepIndex) -> anyhow::Result<Resolution> {
    match (resolve.undone, resolve.done) {
        (_, true) => return Ok(Resolution::Done),
        (true, false) => return Ok(Resolution::Undone),
        (false, false) => {}
    }
    let run = journal.replay()?;
    let letter = dead_letters(&run, &journal.entries).into_iter().find(|letter| letter.step == step);
    match letter.map(|letter| letter.direction) {
        Some(Direction::Forward) => {
            Err(misuse("resolution_missing", "the step went forward: say --done if what it should do is done, --undone if not"))
        }
        Some(Direction::Backward) | None => Ok(Resolution::Undone),
    }
}

fn found(coordinator: &Coordinator, letter: &Letter) -> anyhow::Result<(Journal, StepIndex)> {
    let Letter { dead_letter: id, ask } = letter;
    let journal = Journal::read(&**coordinator.store(), &ask.tenant.id, id.run)?;
    let step = step_of(&journal.definition, &id.step)?;
    Ok((journal, step))
}

/// The dead letter with this id.
pub(super) fn no_letter(id: &DeadLetterId, stands: &str) -> anyhow::Error {
    refused("not_a_dead_letter", format!("{id} is no dead letter: {stands}"))
}
