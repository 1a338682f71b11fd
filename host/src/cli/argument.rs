//! What several commands take: a data directory, a tenant, plugins, JSON. Apart, so that they are written and refused alike.

use super::error::{misuse, refused};
use amends_domain::id::{PluginName, TenantId};
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload};
use bytes::Bytes;
use clap::Args;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Largest file that is read: 256 MiB. Tighter limits are those of what is in it.
const FILE_LEN_MAX: u64 = 256 * 1024 * 1024;

/// Where everything is kept.
#[derive(Debug, Args)]
pub(super) struct Data {
    /// The data directory
    #[arg(long = "data", value_name = "DIR")]
    pub(super) dir: PathBuf,
}

/// Whose it is.
#[derive(Debug, Args)]
pub(super) struct Tenant {
    /// The tenant
    #[arg(long = "tenant", value_name = "TENANT", default_value = "local")]
    pub(super) id: TenantId,
}

/// A plugin and the file with its component, written `NAME=FILE.wasm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PluginFile {
    name: PluginName,
    path: PathBuf,
}

impl FromStr for PluginFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text.split_once('=').ok_or("write NAME=FILE.wasm, such as orders=target/guests/orders.wasm")?;
        if path.is_empty() {
            return Err(format!("no file for plugin `{name}`: write NAME=FILE.wasm"));
        }
        Ok(Self { name: PluginName::new(name).map_err(|error| error.to_string())?, path: path.into() })
    }
}

/// Reads the components of `plugins`.
pub(super) fn components(plugins: &[PluginFile]) -> anyhow::Result<BTreeMap<PluginName, Bytes>> {
    let mut components = BTreeMap::new();
    for PluginFile { name, path } in plugins {
        if components.insert(name.clone(), file(path)?.into()).is_some() {
            return Err(misuse("plugin_named_twice", format!("plugin `{name}` is named twice: name it once")));
        }
    }
    Ok(components)
}

/// JSON on the command line: itself, `@FILE`, or `@-` for standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JsonSource {
    /// It stands there.
    Text(String),
    /// It is in a file.
    File(PathBuf),
    /// It comes from standard input.
    Stdin,
}

impl FromStr for JsonSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix('@') {
            Some("-") => Self::Stdin,
            Some(path) => Self::File(path.into()),
            None => Self::Text(text.to_owned()),
        })
    }
}

impl JsonSource {
    /// Reads it. `what` names it in errors.
    pub(super) fn read(&self, what: &str) -> anyhow::Result<Payload> {
        let bytes = match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::File(path) => file(path)?,
            Self::Stdin => bounded(std::io::stdin(), Path::new("standard input"))?,
        };
        json(&bytes.into(), what)
    }
}

/// Checks that `text` is JSON and no longer than a payload may be. The space around it is left out.
pub(super) fn json(text: &Bytes, what: &str) -> anyhow::Result<Payload> {
    let payload = Payload(text.slice_ref(text.trim_ascii()));
    if payload.len() > PAYLOAD_LEN_MAX {
        let found = payload.len();
        return Err(refused("input_too_long", format!("{what} has {found} bytes: {PAYLOAD_LEN_MAX} are allowed")));
    }
    match payload.json() {
        Ok(_) => Ok(payload),
        Err(error) => Err(refused("input_not_json", format!("{what} is not JSON: {error}; a text needs quotes: '\"like this\"'"))),
    }
}

/// The text in a file.
pub(super) fn text_file(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(file(path)?).map_err(|error| misuse("file_not_text", format!("{} is not text: {error}", path.display())))
}

/// The bytes in a file.
pub(super) fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    bounded(File::open(path).map_err(|error| unreadable(path, &error))?, path)
}

fn bounded(source: impl Read, path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(misuse("file_too_large", format!("{} has more than {FILE_LEN_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> anyhow::Error {
    misuse("file_not_readable", format!("failed to read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::error::message;
    use super::*;

    #[test]
    fn a_plugin_is_a_name_and_a_file() {
        let orders = |path: &str| Ok(PluginFile { name: "orders".parse().expect("a name"), path: path.into() });
        assert_eq!("orders=a/b.wasm".parse(), orders("a/b.wasm"));
        assert_eq!("orders=a=b.wasm".parse(), orders("a=b.wasm"));
        for (bad, says) in
            [("orders.wasm", "NAME=FILE"), ("orders=", "no file"), ("Orders=o.wasm", "not a name"), ("=o.wasm", "not a name")]
        {
            assert!(bad.parse::<PluginFile>().is_err_and(|error| error.contains(says)), "{bad}");
        }
    }

    #[test]
    fn json_is_given_as_it_is_or_in_a_file() {
        let source = |text: &str| text.parse::<JsonSource>().expect("any text is a source");
        assert_eq!(source("@-"), JsonSource::Stdin);
        assert_eq!(source("@a.json"), JsonSource::File("a.json".into()));
        assert_eq!(source(" {\"a\": 1}\n").read("the input").expect("it is JSON"), Payload::from("{\"a\": 1}"));
        for (bad, says) in [("{", "the input is not JSON"), ("@/nowhere/at/all", "failed to read /nowhere/at/all"), ("", "EOF")] {
            let error = source(bad).read("the input").expect_err(bad);
            assert!(message(&error).contains(says), "{error}");
        }
    }

    #[test]
    fn a_payload_has_a_limit() {
        let text = |len: usize| Bytes::from(format!("\"{}\"", "x".repeat(len - 2)));
        assert!(json(&text(PAYLOAD_LEN_MAX), "it").is_ok());
        assert!(json(&text(PAYLOAD_LEN_MAX + 1), "it").is_err_and(|error| message(&error).contains("262145 bytes")));
    }
}
