//! `amends state`: the tenant's keys and values, read and written by hand. What is written is in the audit chain like everything else.

use super::argument::{JsonSource, json, text_file};
use super::desk::{At, StateValue};
use super::error::{misuse, refused};
use super::output::{Exit, Format, plain, remark, say, say_json};
use super::text::{WIDTH, count, cut};
use amends_domain::payload::{Payload, check_state_key};
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// Widest column of keys; longer keys push their own value only.
const KEY_COLUMNS_MAX: usize = 24;
/// So much of a value is shown, however long its key is.
const VALUE_COLUMNS_MIN: usize = 60;

const LIST_EXAMPLES: &str = "\
Examples:
  amends state list --prefix stock/
  amends state list --data ./data --tenant acme --prefix stock/ --json";

const GET_EXAMPLES: &str = "\
Examples:
  amends state get account/anna
  amends state get account/anna --data ./data --tenant acme

Exit code 3 if there is no such key.";

const SET_EXAMPLES: &str = "\
Examples:
  amends state set account/anna '{\"balance_cents\":50000}'
  amends state set carriers @carriers.json --data ./data --tenant acme
  amends state set --file state.json --data ./data      # one object: each of its fields is a key";

const REMOVE_EXAMPLES: &str = "\
Example:
  amends state remove account/anna --data ./data";

/// Read and write the tenant's keys and values
#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// List keys and values in the order of the keys
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Print the value of a key
    #[command(after_help = GET_EXAMPLES)]
    Get(Get),
    /// Write one key, or many from a file
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// Remove a key
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Remove),
}

/// Arguments of `state list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    at: At,
    /// Only keys that begin so
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Most keys to list
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Arguments of `state get`.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// The key
    key: String,
    #[command(flatten)]
    at: At,
}

/// Arguments of `state set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// The key, 1 to 512 bytes
    #[arg(required_unless_present = "file", requires = "value")]
    key: Option<String>,
    /// The value: JSON, @FILE, or @- for standard input
    #[arg(value_name = "JSON|@FILE", allow_negative_numbers = true)]
    value: Option<JsonSource>,
    /// A file with one JSON object: each of its fields is a key
    #[arg(long, value_name = "FILE.json", conflicts_with = "key")]
    file: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

/// Arguments of `state remove`.
#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The key
    key: String,
    #[command(flatten)]
    at: At,
}

pub(super) fn run(command: &State, format: Format) -> anyhow::Result<Exit> {
    match command {
        State::List(list) => self::list(list, format),
        State::Get(get) => self::get(get, format),
        State::Set(set) => self::set(set, format),
        State::Remove(remove) => self::remove(remove, format),
    }
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let limit = list.limit as usize;
    let found = list.at.desk()?.values(&list.prefix, limit)?;
    match format {
        Format::Json => {
            let values: Map<String, Json> = found.items.into_iter().map(|value| (value.key, value.value.readable())).collect();
            say_json(&values)?;
        }
        Format::Text => say_values(&found.items)?,
    }
    if found.more {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
}

fn say_values(values: &[StateValue]) -> anyhow::Result<()> {
    if values.is_empty() {
        return Ok(remark("no keys")?);
    }
    let keys: Vec<_> = values.iter().map(|value| plain(&value.key)).collect();
    let columns = keys.iter().map(|key| key.chars().count()).filter(|len| *len <= KEY_COLUMNS_MAX).max().unwrap_or_default();
    for (key, value) in keys.iter().zip(values) {
        let room = WIDTH.saturating_sub(key.chars().count().max(columns) + 2).max(VALUE_COLUMNS_MIN);
        say(format_args!("{key:<columns$}  {}", cut(&plain(&value.value.readable().to_string()), room)))?;
    }
    Ok(())
}

fn get(get: &Get, format: Format) -> anyhow::Result<Exit> {
    let desk = get.at.desk()?;
    let Some(value) = desk.value(&get.key)? else {
        return Err(refused("unknown_key", format!("the state of tenant `{}` has no key `{}`", desk.tenant()?, get.key)));
    };
    match format {
        Format::Json => say_json(&serde_json::json!({ "key": value.key, "version": value.version, "value": value.value }))?,
        Format::Text => say_json(&value.value)?,
    }
    Ok(Exit::Done)
}

fn set(set: &Set, format: Format) -> anyhow::Result<Exit> {
    let values = match (&set.key, &set.value, &set.file) {
        (_, _, Some(file)) => values_of(file)?,
        (Some(key), Some(value), None) => vec![(checked(key)?, Some(value.read("the value")?))],
        (_, _, None) => return Err(misuse("nothing_to_set", "give a key and its value, or --file")),
    };
    let keys = values.len();
    set.at.desk()?.write(values, &|| {
        match format {
            Format::Json => say_json(&serde_json::json!({ "set": keys }))?,
            Format::Text => say(format_args!("{} set", count(keys, "key")))?,
        }
        Ok(Exit::Done)
    })
}

fn remove(remove: &Remove, format: Format) -> anyhow::Result<Exit> {
    let key = checked(&remove.key)?;
    let desk = remove.at.desk()?;
    let found = desk.value(&key)?.is_some();
    let told = || {
        match (format, found) {
            (Format::Json, _) => say_json(&serde_json::json!({ "removed": usize::from(found) }))?,
            (Format::Text, true) => say("1 key removed")?,
            (Format::Text, false) => say("there was no such key")?,
        }
        Ok(Exit::Done)
    };
    if found { desk.write(vec![(key, None)], &told) } else { told() }
}

pub(super) fn values_of(file: &Path) -> anyhow::Result<Vec<(String, Option<Payload>)>> {
    let text = text_file(file)?;
    let read: Result<Map<String, Json>, _> = serde_json::from_str(&text);
    let fields = read.map_err(|error| refused("input_not_json", format!("{} is not a JSON object: {error}", file.display())))?;
    fields
        .iter()
        .map(|(key, value)| Ok((checked(key)?, Some(json(&value.to_string().into(), &format!("the value of `{key}`"))?))))
        .collect()
}

/// The rules that plugins are held to as well.
fn checked(key: &str) -> anyhow::Result<String> {
    check_state_key(key).map_err(|error| refused(error.code(), error.to_string()))?;
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::error::message;
    use super::*;

    #[test]
    fn keys_are_held_to_the_rules_that_plugins_have() {
        for good in ["a", "stock/BOOK-1", "ä b", &"x".repeat(512)] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for (bad, says) in [("", "0 bytes"), (&*"x".repeat(513), "513 bytes"), ("a\nb", "control characters")] {
            assert!(checked(bad).is_err_and(|error| message(&error).contains(says)), "{bad}");
        }
    }
}
