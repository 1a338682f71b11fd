//! What commands do alike with what a server has several of, plugins, keys or webhooks: list them all, and take one away.

use super::desk::{Server, There};
use super::output::{Exit, Format, remark, say, say_json};
use crate::client::Ask;
use serde::Deserialize;
use serde_json::{Value, json};

/// Lists all `things` of a tenant: what they are called in the path, in JSON, and where there are none. `line` shows one to people.
pub(super) fn list(
    server: &Server,
    things: &str,
    format: Format,
    line: impl Fn(Value) -> anyhow::Result<String>,
) -> anyhow::Result<Exit> {
    #[derive(Deserialize)]
    struct Members {
        items: Vec<Value>,
    }
    let there = server.there()?;
    let Members { items } = there.ask(&Ask::get(there.path(&format!("/{things}"))?))?.json()?;
    match format {
        Format::Json => say_json(&json!({ things: items }))?,
        Format::Text if items.is_empty() => remark(format_args!("no {things}"))?,
        Format::Text => items.into_iter().try_for_each(|item| anyhow::Ok(say(line(item)?)?))?,
    }
    Ok(Exit::Done)
}

/// Takes away what is at `path`, and says so: in JSON or to people.
pub(super) fn take_away(there: &There, path: String, format: Format, said: (&Value, &str)) -> anyhow::Result<Exit> {
    there.ask(&Ask::delete(path))?;
    match format {
        Format::Json => say_json(said.0)?,
        Format::Text => say(said.1)?,
    }
    Ok(Exit::Done)
}
