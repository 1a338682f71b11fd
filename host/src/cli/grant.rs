//! `amends plugin grant|grants|revoke`: where a plugin may send requests. Apart from the other verbs of plugins, which look at components.

use super::asking::{named, nobody_said};
use super::desk::{At, There};
use super::error::refused;
use super::hosted::on;
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::client::{Ask, segment};
use crate::compose::{Host, Reader};
use amends_domain::event::{HostGrant, Reach, Transport};
use amends_domain::id::PluginName;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

pub(super) const GRANT_EXAMPLES: &str = "\
Examples:
  amends plugin grant payments --host api.example.com
  amends plugin grant payments --host '*.example.com:8443' --method POST --method GET --data ./data --tenant acme
  amends plugin grant payments --host 127.0.0.1:8080 --http --allow-loopback --data ./data

A `*` stands for one label. Without a port only that of the scheme is granted, without methods all but CONNECT and TRACE. A grant for the
same place replaces the one before. It counts for every attempt that starts from then on. Private addresses are never reached.
On a server only operators grant what reaches its own machine.";

pub(super) const GRANTS_EXAMPLES: &str = "\
Examples:
  amends plugin grants payments
  amends plugin grants payments --data ./data --tenant acme";

pub(super) const REVOKE_EXAMPLES: &str = "\
Example:
  amends plugin revoke payments --host api.example.com

The place is written as in the grant. Attempts that start from then on do not reach it; runs that were started before are no exception.
Exit code 3 if it was not granted.";

/// Arguments of `plugin grant`.
#[derive(Debug, Args)]
pub(super) struct Grant {
    /// The plugin; it need not be installed yet
    plugin: PluginName,
    /// Where to: a name, `*.` and a name, or an address
    #[arg(long, value_name = "HOST[:PORT]")]
    host: String,
    /// A method, in capital letters
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// Requests may travel in the clear, as http
    #[arg(long)]
    http: bool,
    /// The host may be this machine itself
    #[arg(long)]
    allow_loopback: bool,
    #[command(flatten)]
    at: At,
    /// With --data: who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Arguments of `plugin grants`.
#[derive(Debug, Args)]
pub(super) struct Grants {
    /// The plugin
    plugin: PluginName,
    #[command(flatten)]
    at: At,
}

/// Arguments of `plugin revoke`.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The plugin
    plugin: PluginName,
    /// The place, as it was granted
    #[arg(long, value_name = "HOST[:PORT]")]
    host: String,
    #[command(flatten)]
    at: At,
    /// With --data: who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

pub(super) fn grant(grant: &Grant, format: Format) -> anyhow::Result<Exit> {
    let Grant { plugin, host, methods, http, allow_loopback, at, by } = grant;
    let transport = if *http { Transport::Any } else { Transport::Tls };
    let reach = if *allow_loopback { Reach::Loopback } else { Reach::Public };
    let granted = HostGrant::read(host, methods, transport, reach);
    let granted = granted.map_err(|error| refused("grant_refused", error.to_string()))?;
    let told = || {
        match format {
            Format::Json => say_json(&json(&granted))?,
            Format::Text => say(format_args!("{plugin}  {}", line(&granted)))?,
        }
        Ok(Exit::Done)
    };
    let Some((data, tenant)) = at.here() else {
        nobody_said(by.as_deref())?;
        let there = at.there()?;
        let body = serde_json::json!({ "methods": granted.methods, "transport": transport, "reach": reach });
        there.ask(&Ask::put(path(&there, plugin, Some(&granted.place()))?, "application/json", body.to_string()))?;
        return told();
    };
    let by = named(by.as_deref())?;
    on(Host::open(data)?, None, async |coordinator| {
        coordinator.grant(&tenant, plugin, granted.clone(), by).await?;
        told()
    })
}

/// Where a server has the grants of a plugin, or one of them.
fn path(there: &There, plugin: &PluginName, place: Option<&str>) -> anyhow::Result<String> {
    let place = place.map(|place| format!("/{}", segment(place))).unwrap_or_default();
    there.path(&format!("/plugins/{plugin}/grants{place}"))
}

pub(super) fn grants(grants: &Grants, format: Format) -> anyhow::Result<Exit> {
    let found = match grants.at.here() {
        Some((data, tenant)) => Reader::open(data)?.grants(&tenant, &grants.plugin)?,
        None => of_server(&grants.at.there()?, &grants.plugin)?,
    };
    match format {
        Format::Json => say_json(&found.iter().map(json).collect::<Vec<_>>())?,
        Format::Text if found.is_empty() => remark("nothing is granted")?,
        Format::Text => found.iter().try_for_each(|grant| say(line(grant)))?,
    }
    Ok(Exit::Done)
}

fn of_server(there: &There, plugin: &PluginName) -> anyhow::Result<Vec<HostGrant>> {
    let granted: Granted = there.ask(&Ask::get(path(there, plugin, None)?))?.json()?;
    Ok(granted.items)
}

/// What a server says is granted.
#[derive(Deserialize)]
struct Granted {
    items: Vec<HostGrant>,
}

pub(super) fn revoke(revoke: &Revoke, format: Format) -> anyhow::Result<Exit> {
    let Revoke { plugin, host, at, by } = revoke;
    // Read as a grant is, so that it need not be written in small letters here.
    let place = HostGrant::read(host, &[], Transport::Tls, Reach::Public);
    let place = place.map_err(|error| refused("grant_refused", error.to_string()))?.place();
    let told = || {
        match format {
            Format::Json => say_json(&serde_json::json!({ "revoked": place }))?,
            Format::Text => say(format_args!("{place} is revoked"))?,
        }
        Ok(Exit::Done)
    };
    let Some((data, tenant)) = at.here() else {
        nobody_said(by.as_deref())?;
        let there = at.there()?;
        there.ask(&Ask::delete(path(&there, plugin, Some(&place))?))?;
        return told();
    };
    let by = named(by.as_deref())?;
    on(Host::open_existing(data)?, None, async |coordinator| {
        if !coordinator.revoke(&tenant, plugin, &place, by).await? {
            return Err(refused("not_granted", format!("{place} is not granted to plugin `{plugin}` of tenant `{tenant}`")));
        }
        told()
    })
}

fn line(grant: &HostGrant) -> String {
    let methods = if grant.methods.is_empty() { "all methods".to_owned() } else { grant.methods.join(" ") };
    let transport = match grant.transport {
        Transport::Tls => "https",
        Transport::Any => "https and http",
    };
    let reach = match grant.reach {
        Reach::Public => "",
        Reach::Loopback => ", this machine too",
    };
    plain(&format!("{}  {methods}  {transport}{reach}", grant.place()))
}

fn json(grant: &HostGrant) -> Value {
    let HostGrant { host, port, methods, transport, reach } = grant;
    serde_json::json!({ "host": host, "port": port, "methods": methods, "transport": transport, "reach": reach })
}
