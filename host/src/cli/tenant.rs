//! `amends tenant`: tenants of a server, for its operators; and what holds for all runs of a tenant.

use super::asking::{named, nobody_said};
use super::desk::{At, Desk, Server, There};
use super::error::misuse;
use super::hosted::on;
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::client::{Ask, segment};
use crate::compose::{Host, Reader};
use amends_domain::event::Resolvers;
use amends_domain::id::TenantId;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

const CREATE_EXAMPLES: &str = "\
Examples:
  amends tenant create acme
  amends tenant create acme --limit live_memory=2GiB --limit weight=200

For operators. Then: amends key create NAME --role tenant-admin --tenant acme";

const LIST_EXAMPLES: &str = "\
Example:
  amends tenant list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  amends tenant show
  amends tenant show --tenant acme --json
  amends tenant show --data ./data";

const LIMIT_EXAMPLES: &str = "\
Example:
  amends tenant limit acme live_memory=2GiB queued_runs=1000

For operators. Limits that are not named stay as they are; docs/tenants.md has all of them. Refused (exit code 3) with all mistakes at once.";

const SUSPEND_EXAMPLES: &str = "\
Example:
  amends tenant suspend acme --reason unpaid

For operators. It starts nothing and changes nothing; it can be looked at. `amends tenant reopen acme` has it go on.";

const REOPEN_EXAMPLES: &str = "\
Example:
  amends tenant reopen acme";

const DELETE_EXAMPLES: &str = "\
Example:
  amends tenant delete acme --yes

For operators. Refused (exit code 3) while runs are open: tenant_has_open_runs. Its name is not given again, its chain stays.";

const RESOLVERS_EXAMPLES: &str = "\
Examples:
  amends tenant resolvers two
  amends tenant resolvers one --by anna --data ./data --tenant acme

With two, `amends dead-letter resolve` counts when a second person says the same. With --data nobody checks who --by is: two people are
as good as the access to the data directory; a server knows them by their keys.";

/// Manage tenants, and see and set what holds for all runs of one
#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Create a tenant on a server
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List the tenants of a server
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Show the tenant
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Show),
    /// Change limits of a tenant
    #[command(after_help = LIMIT_EXAMPLES)]
    Limit(Limit),
    /// Have a tenant stand still
    #[command(after_help = SUSPEND_EXAMPLES)]
    Suspend(Suspend),
    /// Have a suspended tenant go on
    #[command(after_help = REOPEN_EXAMPLES)]
    Reopen(Reopen),
    /// Delete a tenant
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(Delete),
    /// Set how many people it takes to resolve a dead letter
    #[command(after_help = RESOLVERS_EXAMPLES)]
    Resolvers(SetResolvers),
}

/// Arguments of `tenant create`.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its name
    id: TenantId,
    /// A limit that is not the default
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `tenant list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Most tenants to list
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `tenant show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    at: At,
}

/// Arguments of `tenant limit`.
#[derive(Debug, Args)]
pub(super) struct Limit {
    /// The tenant
    id: TenantId,
    /// Limits
    #[arg(value_name = "NAME=VALUE", required = true)]
    limits: Vec<String>,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `tenant suspend`.
#[derive(Debug, Args)]
pub(super) struct Suspend {
    /// The tenant
    id: TenantId,
    /// Why; it stays on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `tenant reopen`.
#[derive(Debug, Args)]
pub(super) struct Reopen {
    /// The tenant
    id: TenantId,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `tenant delete`.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The tenant
    id: TenantId,
    /// That it is meant
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `tenant resolvers`.
#[derive(Debug, Args)]
pub(super) struct SetResolvers {
    /// How many
    #[arg(value_enum)]
    people: People,
    #[command(flatten)]
    at: At,
    /// With --data: who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
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
        Tenant::Create(create) => {
            let mut body = json!({ "id": create.id });
            if !create.limits.is_empty() {
                body["limits"] = limits(&create.limits)?;
            }
            shown(&create.server.there()?, &Ask::post("/v1/tenants", &body), format)
        }
        Tenant::List(list) => self::list(list, format),
        Tenant::Show(show) => self::show(show, format),
        Tenant::Limit(limit) => {
            let body = limits(&limit.limits)?.to_string();
            shown(&limit.server.there()?, &Ask::put(format!("{}/limits", path(&limit.id)), "application/json", body), format)
        }
        Tenant::Suspend(suspend) => {
            let ask = Ask::post(format!("{}/suspend", path(&suspend.id)), &json!({ "reason": suspend.reason }));
            shown(&suspend.server.there()?, &ask, format)
        }
        Tenant::Reopen(reopen) => {
            shown(&reopen.server.there()?, &Ask::post(format!("{}/reopen", path(&reopen.id)), &json!({})), format)
        }
        Tenant::Delete(delete) => self::delete(delete, format),
        Tenant::Resolvers(set) => self::set(set, format),
    }
}

fn path(tenant: &TenantId) -> String {
    format!("/v1/tenants/{}", segment(tenant.as_str()))
}

/// Limits as the server reads them: numbers as numbers, quantities with units as texts.
fn limits(said: &[String]) -> anyhow::Result<Value> {
    let mut limits = Map::new();
    for said in said {
        let (name, value) = said.split_once('=').ok_or_else(|| {
            misuse("limit_malformed", format!("`{said}` is no limit: write NAME=VALUE, such as live_memory=2GiB"))
        })?;
        limits.insert(name.to_owned(), value.parse::<u64>().map_or_else(|_| Value::from(value), Value::from));
    }
    Ok(Value::Object(limits))
}

/// Asks something that is answered with the tenant, and shows it.
fn shown(there: &There, ask: &Ask, format: Format) -> anyhow::Result<Exit> {
    let tenant: Value = there.ask(ask)?.json()?;
    match format {
        Format::Json => say_json(&tenant)?,
        Format::Text => tell_tenant(&tenant)?,
    }
    Ok(Exit::Done)
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let limit = list.limit as usize;
    let found = list.server.there()?.items::<Value>("/v1/tenants", limit)?;
    match format {
        Format::Json => say_json(&json!({ "tenants": found.items, "more": found.more }))?,
        Format::Text if found.items.is_empty() => remark("no tenants")?,
        Format::Text => {
            for tenant in &found.items {
                let (id, standing) = (word(&tenant["id"]), word(&tenant["standing"]));
                say(plain(&format!("{id:<32}  {standing:<9}  created {}", word(&tenant["created_at"]))))?;
            }
        }
    }
    if found.more && format == Format::Text {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
}

fn show(show: &Show, format: Format) -> anyhow::Result<Exit> {
    if let Some((data, tenant)) = show.at.here() {
        let resolvers = Reader::open(data)?.resolvers(&tenant)?;
        return tell(&tenant, resolvers, format);
    }
    let there = show.at.there()?;
    let path = path(&there.tenant()?);
    shown(&there, &Ask::get(path), format)
}

fn delete(delete: &Delete, format: Format) -> anyhow::Result<Exit> {
    if !delete.yes {
        return Err(misuse(
            "not_meant",
            format!("a tenant that is deleted does not come back: say --yes to delete `{}`", delete.id),
        ));
    }
    delete.server.there()?.ask(&Ask::delete(path(&delete.id)))?;
    match format {
        Format::Json => say_json(&json!({ "deleted": delete.id }))?,
        Format::Text => say(format_args!("tenant `{}` is deleted", delete.id))?,
    }
    Ok(Exit::Done)
}

fn tell_tenant(tenant: &Value) -> anyhow::Result<()> {
    say(plain(&format!("tenant     {}", word(&tenant["id"]))))?;
    say(plain(&format!("standing   {}", word(&tenant["standing"]))))?;
    if let Some(suspension) = tenant.get("suspension") {
        let (by, reason) = (word(&suspension["by"]), word(&suspension["reason"]));
        say(plain(&format!("suspended  {} by {by}: {reason}", word(&suspension["since"]))))?;
    }
    say(plain(&format!("created    {}", word(&tenant["created_at"]))))?;
    for (place, (name, limit)) in tenant["limits"].as_object().into_iter().flatten().enumerate() {
        let title = if place == 0 { "limits" } else { "" };
        say(plain(&format!("{title:<9}  {name:<22}  {}", word(limit))))?;
    }
    Ok(())
}

/// A text without its quotes, and anything else as JSON.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn set(set: &SetResolvers, format: Format) -> anyhow::Result<Exit> {
    let (resolvers, word) = match set.people {
        People::One => (Resolvers::One, "one"),
        People::Two => (Resolvers::Two, "two"),
    };
    let Some((data, tenant)) = set.at.here() else {
        nobody_said(set.by.as_deref())?;
        let there = set.at.there()?;
        there.ask(&Ask::put(there.path("/resolvers")?, "application/json", json!({ "resolvers": word }).to_string()))?;
        return tell(&there.tenant()?, resolvers, format);
    };
    let by = named(set.by.as_deref())?;
    on(Host::open(data)?, None, async |coordinator| {
        coordinator.set_resolvers(&tenant, resolvers, by).await?;
        tell(&tenant, resolvers, format)
    })
}

fn tell(tenant: &TenantId, resolvers: Resolvers, format: Format) -> anyhow::Result<Exit> {
    let word = match resolvers {
        Resolvers::One => "one",
        Resolvers::Two => "two",
    };
    match format {
        Format::Json => say_json(&json!({ "tenant": tenant, "resolvers": word }))?,
        Format::Text => {
            say(format_args!("tenant     {tenant}"))?;
            say(format_args!("resolvers  {word}"))?;
        }
    }
    Ok(Exit::Done)
}
