//! `amends saga`: definitions.

use super::applied;
use super::argument::{PluginFile, components};
use super::hosted::{check, definition, install, on};
use super::output::{Exit, Format, plain, remark, say, say_json};
use super::text::count;
use crate::compose::Host;
use crate::view::kind;
use amends_domain::definition::Definition;
use amends_domain::id::TenantId;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const CHECK_EXAMPLES: &str = "\
Examples:
  amends saga check saga.yaml
  amends saga check saga.yaml --plugin orders=target/guests/orders.wasm

Without plugins, what can be checked without them. All mistakes are told at once, each with its place; exit code 3 if there are any.";

/// Check sagas, and apply them on a server
#[derive(Debug, Subcommand)]
pub(super) enum Saga {
    /// Check a saga, and whether it fits its plugins
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Make a saga the newest version on a server
    #[command(after_help = applied::APPLY_EXAMPLES)]
    Apply(applied::Apply),
    /// List the sagas of a tenant on a server
    #[command(after_help = applied::LIST_EXAMPLES)]
    List(applied::List),
    /// Show a version of a saga on a server, or what differs between two
    #[command(after_help = applied::SHOW_EXAMPLES)]
    Show(applied::Show),
}

/// Arguments of `saga check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The saga: YAML or JSON
    #[arg(value_name = "SAGA.yaml")]
    saga: PathBuf,
    /// A plugin that the saga uses and its component; all of them, or none
    #[arg(long = "plugin", value_name = "NAME=FILE.wasm")]
    plugins: Vec<PluginFile>,
}

pub(super) fn run(command: &Saga, format: Format) -> anyhow::Result<Exit> {
    match command {
        Saga::Check(check) => self::checked(check, format),
        Saga::Apply(apply) => applied::apply(apply, format),
        Saga::List(list) => applied::list(list, format),
        Saga::Show(show) => applied::show(show, format),
    }
}

fn checked(args: &Check, format: Format) -> anyhow::Result<Exit> {
    let definition = definition(&args.saga)?;
    let components = components(&args.plugins)?;
    if !components.is_empty() {
        let nobody = TenantId::new("local").expect("a name");
        let exit = on(Host::in_memory()?, None, async |coordinator| {
            let manifests = install(&coordinator, &nobody, &definition, &components).await?;
            check(&definition, &manifests)?;
            Ok(Exit::Done)
        })?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    say_good(&definition, components.len(), format)
}

fn say_good(definition: &Definition, plugins: usize, format: Format) -> anyhow::Result<Exit> {
    let Definition { saga, steps, digest, .. } = definition;
    match format {
        Format::Json => {
            let steps: Vec<_> =
                steps.iter().map(|step| serde_json::json!({ "id": step.id, "uses": step.uses().map(|uses| uses.handler.to_string()), "kind": kind(step) })).collect();
            let checked = plugins > 0;
            say_json(&serde_json::json!({ "saga": saga, "digest": digest, "steps": steps, "plugins_checked": checked }))?;
        }
        Format::Text => {
            let title = definition.title.as_ref().map(|title| format!(" ({})", plain(title))).unwrap_or_default();
            say(format_args!("{saga}{title}: {}, no mistakes", count(steps.len(), "step")))?;
            if plugins == 0 {
                remark("its plugins were not looked at: name them with --plugin NAME=FILE.wasm")?;
            }
        }
    }
    Ok(Exit::Done)
}
