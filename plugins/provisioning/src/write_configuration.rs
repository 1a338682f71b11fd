//! `write-configuration`: a hostname leads to a database and to storage. The hostname is unique, and takes a route of the region.

use std::collections::BTreeSet;

use amends_sdk::{Failure, JsonSchema, Step, json, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::pools::{self, Resource};

/// Longest hostname in bytes (RFC 1035 §2.3.4 allows a label that much).
const HOSTNAME_LEN_MAX: usize = 63;

/// What is to be configured.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationWanted {
    /// Where the hostname is routed.
    pub region: String,
    /// 1 to 63 of `a-z 0-9 -`, unique.
    pub hostname: String,
    /// The id of the database.
    pub database: String,
    /// The id of the storage.
    pub storage: String,
    /// What is switched on.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// The id of the configuration: the key of its record in the state.
    pub configuration: String,
    /// Where the customer finds the product.
    pub hostname: String,
}

/// What is recorded of a configuration.
#[derive(Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) region: String,
    pub(crate) hostname: String,
    pub(crate) database: String,
    pub(crate) storage: String,
    pub(crate) features: BTreeSet<String>,
}

/// Routes a hostname to a database and storage; takes it off the routes when the run fails.
#[derive(Debug)]
pub struct WriteConfiguration;

impl Step for WriteConfiguration {
    const NAME: &'static str = "write-configuration";
    const DOC: &'static str = "Routes a hostname to a database and storage; takes it off the routes when the run fails.";
    type Input = ConfigurationWanted;
    type Output = Configuration;

    fn execute(wanted: ConfigurationWanted) -> Result<Configuration, Failure> {
        let ConfigurationWanted { region, hostname, database, storage, features, rehearse } = wanted;
        let mut configuration = write(Entry { region, hostname, database, storage, features })?;
        rehearse::forward(&rehearse, &mut configuration.hostname)?;
        Ok(configuration)
    }

    fn compensate(wanted: ConfigurationWanted, _configuration: Option<Configuration>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&wanted.rehearse)
    }
}

/// The key at which a hostname says whose it is: the id of a configuration.
pub(crate) fn hostname_key(hostname: &str) -> String {
    ["hostname", hostname].join("/")
}

fn write(entry: Entry) -> Result<Configuration, Failure> {
    let key = pools::own_key("configuration");
    if let Some(Entry { hostname, .. }) = state::get(&key)? {
        return Ok(Configuration { configuration: key, hostname });
    }
    check_hostname(&entry.hostname)?;
    check_features(&entry.features)?;
    check_parts(&entry)?;
    let hostname_key = hostname_key(&entry.hostname);
    if state::get::<String>(&hostname_key)?.is_some() {
        return Err(Failure::rejected("hostname_taken", format!("`{}` leads to somebody else", entry.hostname)));
    }
    pools::take(Resource::Routes, &entry.region, 1)?;
    state::set(&hostname_key, &key)?;
    state::set(&key, &entry)?;
    Ok(Configuration { configuration: key, hostname: entry.hostname })
}

fn take_back() -> Result<(), Failure> {
    let key = pools::own_key("configuration");
    let Some(Entry { region, hostname, .. }) = state::get(&key)? else { return Ok(()) };
    pools::give_back(Resource::Routes, &region, 1)?;
    state::remove(&hostname_key(&hostname));
    state::remove(&key);
    Ok(())
}

/// A hostname becomes part of a key: what is none must not become another key.
fn check_hostname(hostname: &str) -> Result<(), Failure> {
    let is_plain = hostname.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if is_plain && (1..=HOSTNAME_LEN_MAX).contains(&hostname.len()) {
        return Ok(());
    }
    Err(Failure::rejected("invalid_hostname", format!("a hostname has 1 to {HOSTNAME_LEN_MAX} of a-z, 0-9 and `-`")))
}

fn check_features(wanted: &BTreeSet<String>) -> Result<(), Failure> {
    let known: BTreeSet<String> = state::get("features")?.unwrap_or_default();
    match wanted.difference(&known).next() {
        None => Ok(()),
        Some(unknown) => Err(Failure::rejected("unknown_feature", format!("there is no feature `{unknown}`"))
            .with_details(json!({ "feature": unknown, "known": known }))),
    }
}

fn check_parts(entry: &Entry) -> Result<(), Failure> {
    for (resource, key) in [(Resource::Database, &entry.database), (Resource::Storage, &entry.storage)] {
        if pools::share(resource, key)?.is_none() {
            return Err(Failure::rejected("unknown_part", format!("`{key}` is no {}", resource.word())));
        }
    }
    Ok(())
}
