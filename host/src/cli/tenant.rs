//! `amends tenant`: what holds for all runs of a tenant.

use super::argument::{Data, Tenant as Whose};
use super::asking::who;
use super::error::refused;
use super::hosted::on;
use super::output::{Exit, Format, say, say_json};
use crate::compose::{Host, Reader};
use amends_domain::decide::WHO_LEN_MAX;
use amends_domain::event::Resolvers;
use amends_domain::id::TenantId;
use clap::{Args, Subcommand, ValueEnum};

const RESOLVERS_EXAMPLES: &str = "\
Examples:
  amends tenant resolvers two --data ./data
  amends tenant resolvers one --by anna --data ./data --tenant acme

With two, `amends dead-letter resolve` counts when a second person says the same. Here nobody checks who --by is: two people are as
good as the access to the data directory.";

const SHOW_EXAMPLES: &str = "\
Examples:
  amends tenant show --data ./data
  amends tenant show --data ./data --tenant acme --json";

/// See and set what holds for all runs of a tenant
#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Show the tenant
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Show),
    /// Set how many people it takes to resolve a dead letter
    #[command(after_help = RESOLVERS_EXAMPLES)]
    Resolvers(SetResolvers),
}

/// Arguments of `tenant show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Whose,
}

/// Arguments of `tenant resolvers`.
#[derive(Debug, Args)]
pub(super) struct SetResolvers {
    /// How many
    #[arg(value_enum)]
    people: People,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Whose,
    /// Who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// How many people.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum People {
    /// Whoever resolves it
    One,
    /// One says what was done, another confirms it
    Two,
}

pub(super) fn run(command: &Tenant, format: Format) -> anyhow::Result<Exit> {
    match command {
        Tenant::Show(show) => {
            let resolvers = Reader::open(&show.data.dir)?.resolvers(&show.tenant.id)?;
            tell(&show.tenant.id, resolvers, format)
        }
        Tenant::Resolvers(set) => self::set(set, format),
    }
}

fn set(set: &SetResolvers, format: Format) -> anyhow::Result<Exit> {
    let by = who(set.by.as_deref());
    if !(1..=WHO_LEN_MAX).contains(&by.len()) {
        return Err(refused(
            "who_length",
            format!("the name of whoever says it has {} bytes: 1 to {WHO_LEN_MAX} are allowed", by.len()),
        ));
    }
    let resolvers = match set.people {
        People::One => Resolvers::One,
        People::Two => Resolvers::Two,
    };
    let host = Host::open(&set.data.dir)?;
    on(host, None, async |coordinator| {
        coordinator.set_resolvers(&set.tenant.id, resolvers, by).await?;
        tell(&set.tenant.id, resolvers, format)
    })
}

fn tell(tenant: &TenantId, resolvers: Resolvers, format: Format) -> anyhow::Result<Exit> {
    let word = match resolvers {
        Resolvers::One => "one",
        Resolvers::Two => "two",
    };
    match format {
        Format::Json => say_json(&serde_json::json!({ "tenant": tenant, "resolvers": word }))?,
        Format::Text => {
            say(format_args!("tenant     {tenant}"))?;
            say(format_args!("resolvers  {word}"))?;
        }
    }
    Ok(Exit::Done)
}
