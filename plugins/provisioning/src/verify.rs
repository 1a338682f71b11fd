//! `verify`: is all there, and does the region answer. The last step, so that its failure takes everything back. Reads only, so a saga may
//! say `kind: read-only`.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::pools::{self, Resource};
use crate::write_configuration::{Entry, hostname_key};

/// What is to be verified.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The id of the configuration.
    pub configuration: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Where the customer finds the product.
    pub hostname: String,
    /// How much the customer has of database and storage together.
    pub size_gib: u64,
}

/// How a region is, at `health/<region>`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Up,
    /// Not yet, or not at the moment.
    Slow,
    Down,
}

/// Checks that a configuration leads to what was created and that its region answers; changes nothing.
#[derive(Debug)]
pub struct Verify;

impl Step for Verify {
    const NAME: &'static str = "verify";
    const DOC: &'static str = "Checks that a configuration leads to what was created and that its region answers; changes nothing.";
    const COMPENSATES: bool = false;
    type Input = Subject;
    type Output = Finding;

    fn execute(subject: Subject) -> Result<Finding, Failure> {
        let mut finding = verify(&subject.configuration)?;
        rehearse::forward(&subject.rehearse, &mut finding.hostname)?;
        Ok(finding)
    }
}

fn verify(key: &str) -> Result<Finding, Failure> {
    let configuration = key.starts_with("configuration/").then(|| state::get::<Entry>(key)).transpose()?.flatten();
    let Some(Entry { region, hostname, database, storage, .. }) = configuration else {
        return Err(broken(format!("`{key}` is no configuration")));
    };
    if state::get::<String>(&hostname_key(&hostname))?.as_deref() != Some(key) {
        return Err(broken(format!("`{hostname}` does not lead to `{key}`")));
    }
    let mut size_gib = 0_u64;
    for (resource, key) in [(Resource::Database, database), (Resource::Storage, storage)] {
        let share = pools::share(resource, &key)?.ok_or_else(|| broken(format!("`{key}` is no {}", resource.word())))?;
        size_gib = size_gib.saturating_add(share.size_gib);
    }
    match state::get(&["health", &region].join("/"))? {
        Some(Health::Up) => Ok(Finding { hostname, size_gib }),
        Some(Health::Slow) | None => Err(Failure::unavailable("not_ready", format!("`{region}` does not answer yet"))),
        Some(Health::Down) => Err(Failure::rejected("unhealthy", format!("`{region}` is down"))),
    }
}

fn broken(message: String) -> Failure {
    Failure::rejected("broken_configuration", message)
}
