//! What is asked: starts of runs of one saga, waited for; and where.

use super::super::desk::{Desk, There};
use super::super::error::misuse;
use super::Bench;
use crate::client::Client;
use crate::client::load::{Shot, Target, Workload};
use amends_domain::id::{SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;

/// Longest wait for the end of a run.
const WAIT: &str = "30s";

/// What the runs begin with.
pub(super) struct Inputs {
    good: Payload,
    /// Of runs that fail, and how many of a hundred these are.
    failing: Option<(Payload, u32)>,
}

impl Inputs {
    pub(super) fn of(bench: &Bench) -> anyhow::Result<Self> {
        let failing = bench.failing.as_ref().map(|failing| failing.read("the input of runs that fail")).transpose()?;
        Ok(Self { good: bench.input.read("the input")?, failing: failing.map(|input| (input, bench.failing_percent)) })
    }
}

/// A server, and who asks there.
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) tenant: TenantId,
    pub(super) saga: SagaName,
    /// Somebody who may see the numbers of the server, or not.
    pub(super) watcher: Client,
}

impl Place {
    /// The server that the command line names.
    pub(super) fn there(bench: &Bench) -> anyhow::Result<Self> {
        let saga = bench.saga.parse().map_err(|error| misuse("saga_name", format!("{error}; a file is for --local")))?;
        let (profile, authorities) = bench.server.reach()?;
        let client = || Client::new(&profile.url, profile.token.as_deref(), &authorities);
        let tenant = There::new(client()?, profile.tenant.clone(), String::new()).tenant()?;
        let target = Target::new(&profile.url, &authorities)?;
        Ok(Self { target, watcher: client()?, url: profile.url, token: profile.token, tenant, saga })
    }

    /// The runs that are to be started.
    pub(super) fn workload(&self, inputs: &Inputs) -> anyhow::Result<Workload> {
        let good = self.shot("success", &inputs.good, "succeeded")?;
        let Some((failing, percent)) = &inputs.failing else { return Ok(Workload { usual: good, other: None }) };
        let failing = self.shot("compensation", failing, "compensated")?;
        let failing = Shot { look: Some(back), ..failing };
        Ok(match *percent {
            100 => Workload { usual: failing, other: None },
            percent => Workload { usual: good, other: Some((failing, percent)) },
        })
    }

    fn shot(&self, name: &'static str, input: &Payload, outcome: &str) -> anyhow::Result<Shot> {
        let body = format!("{{\"saga\":\"{}\",\"input\":{}}}", self.saga, input.readable());
        let path = format!("/v1/tenants/{}/runs?wait={WAIT}", self.tenant);
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        // Stands in an answer before anything that a tenant wrote.
        let wants = Bytes::from(format!("\"status\":\"{outcome}\""));
        Ok(Shot { name, shape: self.target.post(&path, &headers, body)?, wants, look: None })
    }
}

#[derive(Deserialize)]
struct Ended {
    ended_at: Timestamp,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    direction: String,
    ended_at: Option<Timestamp>,
}

/// How long a run took from its failure, which is the end of its last attempt forward, until it was compensated. It notes milliseconds: the mean of
/// many is right, and a quantile off by one at most.
fn back(answer: &[u8]) -> Option<Duration> {
    let run: Ended = serde_json::from_slice(answer).ok()?;
    let attempts = run.steps.iter().flat_map(|step| &step.attempts);
    let failed = attempts.filter(|attempt| attempt.direction == "forward").filter_map(|attempt| attempt.ended_at).max()?;
    Some(Duration::from_millis(run.ended_at.0.saturating_sub(failed.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_begins_with_the_end_of_the_last_attempt_forward() {
        let at = |ms: u32| format!("2026-01-31T09:00:00.{ms:03}Z");
        let attempt = |direction: &str, ms| format!(r#"{{"direction":"{direction}","number":1,"ended_at":"{}"}}"#, at(ms));
        let (a, b) = ([attempt("forward", 1), attempt("backward", 9)].join(","), attempt("forward", 4));
        let run = format!(r#"{{"ended_at":"{}","steps":[{{"attempts":[{a}]}},{{"attempts":[{b}]}}]}}"#, at(11));
        assert_eq!(back(run.as_bytes()), Some(Duration::from_millis(7)));
        assert_eq!(back(b"{}"), None);
    }
}
