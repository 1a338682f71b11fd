//! What a server counts and tells at `GET /metrics`, as far as it says what a run costs the disk.

use crate::client::{Ask, Client};
use serde::Serialize;

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    pub(super) runs_ended: f64,
    pub(super) runs_started: f64,
    commits: f64,
    facts: f64,
    record_bytes: f64,
}

/// What a run cost the disk while it counted, on average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Disk {
    /// Transactions, each of which is made durable once.
    pub(super) commits: f64,
    pub(super) facts: f64,
    /// Length of the records.
    pub(super) record_bytes: f64,
}

/// What all runs left on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Stored {
    /// Runs since the server was started, those of warm-ups too.
    pub(super) runs: f64,
    /// Length of the data file for each of them, as the server left it.
    pub(super) bytes_each: f64,
    /// The same when it was compacted.
    pub(super) compacted_bytes_each: f64,
}

impl Numbers {
    /// None if the server does not tell them to this client.
    pub(super) fn ask(client: &Client) -> Option<Self> {
        let answer = client.ask(&Ask::get("/metrics")).ok()?;
        Self::read(std::str::from_utf8(&answer.body).ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        Some(Self {
            runs_ended: sum(text, "amends_runs_ended_total"),
            runs_started: sum(text, "amends_runs_started_total"),
            commits: some(text, "amends_commits_total")?,
            facts: some(text, "amends_facts_total")?,
            record_bytes: some(text, "amends_commit_bytes_sum")?,
        })
    }
}

impl Disk {
    /// None if no run ended in between.
    pub(super) fn between(before: &Numbers, behind: &Numbers) -> Option<Self> {
        let runs = behind.runs_ended - before.runs_ended;
        (runs > 0.0).then(|| Self {
            commits: (behind.commits - before.commits) / runs,
            facts: (behind.facts - before.facts) / runs,
            record_bytes: (behind.record_bytes - before.record_bytes) / runs,
        })
    }
}

/// The values of all series of a metric.
fn series<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = f64> + 'a {
    let of_name = move |line: &'a str| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') { rest.rsplit_once("} ")?.1 } else { rest.strip_prefix(' ')? };
        value.split(' ').next()?.parse().ok()
    };
    text.lines().filter_map(of_name)
}

fn sum(text: &str, name: &str) -> f64 {
    series(text, name).sum()
}

fn some(text: &str, name: &str) -> Option<f64> {
    series(text, name).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Levels, Metrics, Tally};
    use std::time::Duration;

    #[test]
    fn what_a_server_tells_is_read_and_compared() {
        let (metrics, tenant) = (Metrics::default(), "acme".parse().expect("a name"));
        let text = || metrics.text(&Levels::default());
        let before = Numbers::read(&text()).expect("it tells them");
        let ended = [("succeeded", 3), ("compensated", 1)].into();
        metrics.happened(&tenant, &Tally { runs_started: 5, runs_ended: ended, ..Tally::default() });
        metrics.committed(40, 2000, Duration::from_millis(1));
        metrics.committed(4, 400, Duration::from_millis(1));
        let behind = Numbers::read(&text()).expect("it tells them");
        assert_eq!((behind.runs_ended, behind.runs_started), (4.0, 5.0));
        let disk = Disk { commits: 0.5, facts: 11.0, record_bytes: 600.0 };
        assert_eq!(Disk::between(&before, &behind), Some(disk));
        assert_eq!(Disk::between(&behind, &behind), None);
        assert_eq!(Numbers::read("amends_runs_ended_total 4"), None);
    }
}
