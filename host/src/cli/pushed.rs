//! `amends plugin push|list|show|delete`: the versions of plugins on a server. Apart from the other verbs of plugins, which look at components
//! here or say what plugins may reach.

use super::again::Looks;
use super::argument::file;
use super::desk::{Server, There};
use super::error::refused;
use super::members;
use super::output::{Exit, Format, plain, remark, say, say_json};
use super::text::{count, size};
use crate::client::{Ask, ClientError, segment};
use amends_domain::id::{PluginName, PluginVersion};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How long a component may take to be checked and compiled, besides what any answer may take.
const COMPILE_MAX: Duration = Duration::from_mins(3);
/// How often it is asked for how far that is.
const LOOKS: Looks = Looks { every: Duration::from_millis(500), max: 360 };

pub(super) const PUSH_EXAMPLES: &str = "\
Examples:
  amends plugin push orders 1.0.0 target/guests/orders.wasm
  amends plugin push orders 1.1.0 orders.wasm --profile production --json

The component is checked and compiled before anything uses it; runs that start then use it, runs that are open keep theirs. Refused (exit code 3)
as by `amends plugin check`, and with version_taken if the version is another component.";

pub(super) const LIST_EXAMPLES: &str = "\
Example:
  amends plugin list --json";

pub(super) const SHOW_EXAMPLES: &str = "\
Example:
  amends plugin show orders

Its versions, the newest last, and the handlers that runs see which start now.";

pub(super) const DELETE_EXAMPLES: &str = "\
Example:
  amends plugin delete orders 1.0.0

Runs that are open keep the component that they pin.";

/// Arguments of `plugin push`.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// The plugin
    plugin: PluginName,
    /// The version, such as 1.0.0
    version: PluginVersion,
    /// The component
    #[arg(value_name = "FILE.wasm")]
    component: PathBuf,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `plugin list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    server: Server,
}

/// Arguments of `plugin show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The plugin
    plugin: PluginName,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `plugin delete`.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The plugin
    plugin: PluginName,
    /// The version
    version: PluginVersion,
    #[command(flatten)]
    server: Server,
}

/// How far a pushed component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Checking,
    Compiling,
    Ready,
    Refused,
}

/// What is shown of a version.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    version: String,
    digest: String,
    status: Status,
    size: Option<usize>,
    published_at: Option<String>,
    by: Option<String>,
    /// Why it is refused.
    reason: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    message: String,
}

/// What is shown of a plugin.
#[derive(Deserialize)]
struct Known {
    plugin: String,
    versions: Vec<Row>,
}

pub(super) fn push(push: &Push, format: Format) -> anyhow::Result<Exit> {
    let component = file(&push.component)?;
    let there = push.server.there()?;
    let len = component.len();
    let said = pushed(&there, &push.plugin, &push.version, component, &|status| match (format, status) {
        (Format::Text, Status::Checking) => Ok(remark("checking")?),
        (Format::Text, Status::Compiling) => Ok(remark("compiling")?),
        (Format::Text, Status::Ready | Status::Refused) | (Format::Json, _) => Ok(()),
    })?;
    match format {
        Format::Json => say_json(&said)?,
        Format::Text => {
            let Push { plugin, version, .. } = push;
            let digest = said["digest"].as_str().unwrap_or_default();
            say(plain(&format!("{plugin} {version}  {}  {digest}", size(len))))?;
        }
    }
    Ok(Exit::Done)
}

/// Pushes a component and waits until it can be used; gives what the server says of it then. `tell` hears how far it is.
pub(super) fn pushed(
    there: &There,
    plugin: &PluginName,
    version: &PluginVersion,
    component: Vec<u8>,
    tell: &dyn Fn(Status) -> anyhow::Result<()>,
) -> anyhow::Result<Value> {
    let path = there.path(&format!("/plugins/{plugin}/{}", segment(version.as_str())))?;
    // Some servers answer when the component can be used, some before, unless they are asked to wait.
    let ask = Ask::put(format!("{path}?wait=60s"), "application/wasm", component).waiting(COMPILE_MAX);
    let mut first = Some(ask);
    let mut told = None;
    let ready = LOOKS.until(|| {
        let said: Value = there.ask(&first.take().unwrap_or_else(|| Ask::get(path.as_str())))?.json()?;
        let stands: Row = serde_json::from_value(said.clone())?;
        match stands.status {
            Status::Ready => return Ok(Some(said)),
            Status::Refused => return Err(no(stands).into()),
            Status::Checking | Status::Compiling if told != Some(stands.status) => tell(stands.status)?,
            Status::Checking | Status::Compiling => {}
        }
        told = Some(stands.status);
        Ok(None)
    })?;
    let not_ready =
        || refused("plugin_not_ready", format!("plugin `{plugin}` {version} is not ready yet: amends plugin show {plugin}"));
    ready.ok_or_else(not_ready)
}

/// Why it is refused, as if the server had said it at once.
fn no(row: Row) -> ClientError {
    let Reason { code, message } =
        row.reason.unwrap_or_else(|| Reason { code: "component_refused".into(), message: "it is refused".into() });
    ClientError::Refused { status: 422, code, detail: message, mistakes: None }
}

pub(super) fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    members::list(&list.server, "plugins", format, |item| {
        let Known { plugin, versions } = serde_json::from_value(item)?;
        let newest = versions.last().map(|newest| newest.version.as_str()).unwrap_or_default();
        Ok(plain(&format!("{plugin:<24}  {newest:<16}  {}", count(versions.len(), "version"))))
    })
}

pub(super) fn show(show: &Show, format: Format) -> anyhow::Result<Exit> {
    let there = show.server.there()?;
    let shown: Value = there.ask(&Ask::get(there.path(&format!("/plugins/{}", show.plugin))?))?.json()?;
    if format == Format::Json {
        say_json(&shown)?;
        return Ok(Exit::Done);
    }
    let Known { plugin, versions } = serde_json::from_value(shown.clone())?;
    say(plain(&format!("plugin   {plugin}")))?;
    for Row { version, digest, size: len, published_at, by, .. } in versions {
        let (at, by) = (published_at.unwrap_or_default(), by.unwrap_or_default());
        say(plain(&format!("version  {version:<16}  {:>8}  {digest}  {at}  {by}", len.map(size).unwrap_or_default())))?;
    }
    for handler in shown["manifest"]["handlers"].as_array().into_iter().flatten() {
        let back = if handler["compensates"] == json!(false) { "  (cannot be compensated)" } else { "" };
        say(plain(&format!("handler  {}{back}", handler["name"].as_str().unwrap_or_default())))?;
    }
    Ok(Exit::Done)
}

pub(super) fn delete(Delete { plugin, version, server }: &Delete, format: Format) -> anyhow::Result<Exit> {
    let there = server.there()?;
    let path = there.path(&format!("/plugins/{plugin}/{}", segment(version.as_str())))?;
    let (deleted, said) =
        (json!({ "deleted": { "plugin": plugin, "version": version } }), format!("{plugin} {version} is deleted"));
    members::take_away(&there, path, format, (&deleted, &said))
}
