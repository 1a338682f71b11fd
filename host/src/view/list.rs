//! Runs in a list, and how one stands after something was asked of it.

use super::{AwaitsView, words};
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, SagaName};
use amends_domain::run::{Phase, Run, RunHead, RunStatus};
use amends_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How a run may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "RunFilterStatus")]
pub(crate) enum Status {
    /// Without an outcome.
    Open,
    /// Going forward.
    Running,
    /// Going forward, and all that is live waits.
    Waiting,
    /// Standing still until somebody has it go on.
    Paused,
    /// Going backward.
    Compensating,
    /// Every step completed.
    Succeeded,
    /// Everything that was done was taken back.
    Compensated,
    /// A compensation ran out of attempts.
    Stuck,
    /// Ended without compensation.
    Killed,
}

impl Status {
    /// Whether a run that stands so is among them.
    pub(crate) fn is(self, status: RunStatus) -> bool {
        match self {
            Self::Open => !matches!(status, RunStatus::Ended(_)),
            Self::Waiting => status == RunStatus::Waiting,
            Self::Paused => status == RunStatus::Paused,
            Self::Running => status == RunStatus::Running,
            Self::Compensating => status == RunStatus::Compensating,
            Self::Succeeded => status == RunStatus::Ended(Outcome::Succeeded),
            Self::Compensated => status == RunStatus::Ended(Outcome::Compensated),
            Self::Stuck => status == RunStatus::Ended(Outcome::Stuck),
            Self::Killed => status == RunStatus::Ended(Outcome::Killed),
        }
    }
}

/// Which runs. Without anything: all of them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct RunFilter {
    /// Those that stand so.
    pub(crate) status: Option<Status>,
    /// Those of this saga.
    pub(crate) saga: Option<SagaName>,
    /// Started at this instant or later.
    pub(crate) since: Option<Timestamp>,
    /// Started before this instant.
    pub(crate) until: Option<Timestamp>,
}

impl RunFilter {
    /// Whether a run is among them.
    pub(crate) fn fits(&self, head: &RunHead) -> bool {
        self.status.is_none_or(|status| status.is(head.status))
            && self.saga.as_ref().is_none_or(|saga| *saga == head.saga)
            && self.since.is_none_or(|since| head.started >= since)
            && self.until.is_none_or(|until| head.started < until)
    }

    /// Whether neither this run nor an older one is among them.
    pub(crate) fn is_over(&self, head: &RunHead) -> bool {
        self.since.is_some_and(|since| head.started < since)
    }
}

/// A run in a list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RunRow {
    pub(crate) id: RunId,
    pub(crate) saga: SagaName,
    pub(crate) version: u32,
    #[schemars(extend("enum" = words::RUN_STATUSES))]
    pub(crate) status: Cow<'static, str>,
    pub(crate) started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// How many of its steps wait for a person.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) dead_letters: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes so")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

impl RunRow {
    /// A run by its head.
    pub(crate) fn of(id: RunId, head: &RunHead) -> Self {
        let RunHead { saga, version, status, started, ended, dead_letters, .. } = head;
        let (saga, status) = (saga.clone(), status.word().into());
        Self { id, saga, version: *version, status, started_at: *started, ended_at: *ended, dead_letters: *dead_letters }
    }
}

/// How a run stands after something was asked of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Stands")]
pub(crate) struct StandsView {
    run: RunId,
    #[schemars(extend("enum" = words::RUN_STATUSES))]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    /// Whether it was new; else it was so already.
    noted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    awaits: Option<AwaitsView>,
}

impl StandsView {
    /// A run as it stands; whether what was asked was `noted`.
    pub(crate) fn of(run: &Run, noted: bool) -> Self {
        let outcome = match run.phase() {
            Phase::Ended(ended) => Some(ended.outcome),
            Phase::Forward | Phase::Backward(_) => None,
        };
        Self { run: run.id(), status: run.status().word(), outcome, noted, awaits: AwaitsView::of(run) }
    }
}
