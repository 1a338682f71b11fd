//! How a run stands, in one line or in a few fields: what commands say at their end.

use super::output::{Exit, plain, remark, say};
use amends_domain::event::{Entry, Outcome};
use amends_domain::explain::{Awaited, awaited, dead_letters};
use amends_domain::id::SignalName;
use amends_domain::run::{Phase, Run, RunStatus};
use std::path::Path;

/// The outcome, if the run has one.
pub(super) fn outcome(run: &Run) -> Option<Outcome> {
    match run.phase() {
        Phase::Ended(ended) => Some(ended.outcome),
        Phase::Forward | Phase::Backward(_) => None,
    }
}

/// 0 for a run that succeeded; 1 for any other, and for one that is open still.
pub(super) fn exit(run: &Run) -> Exit {
    match outcome(run) {
        Some(Outcome::Succeeded) => Exit::Done,
        Some(Outcome::Compensated | Outcome::Stuck | Outcome::Killed) | None => Exit::NotSucceeded,
    }
}

/// `succeeded`; ``waiting for signal `approved`, until …``; `paused`.
pub(super) fn standing(run: &Run) -> String {
    let status = run.status();
    match (status, awaited(run)) {
        (RunStatus::Ended(_) | RunStatus::Paused, _) | (_, Awaited::Nothing) => status.word().to_owned(),
        (RunStatus::Compensating, awaited) => format!("{}, waiting {awaited}", status.word()),
        (RunStatus::Running | RunStatus::Waiting, awaited) => format!("waiting {awaited}"),
    }
}

/// Why a run is left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It waits for longer than the command does, or for somebody to signal.
    Waiting,
    /// Somebody must have it go on.
    Paused,
}

impl Left {
    /// Why `run`, which is open, is left so.
    pub(super) fn of(run: &Run) -> Self {
        if run.status() == RunStatus::Paused { Self::Paused } else { Self::Waiting }
    }

    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Paused => "paused",
        }
    }
}

/// The last lines of a command that drove a run: its output and outcome, or what it waits for and how to go on.
pub(super) fn tell_end(run: &Run, journal: &[Entry], data: &Path) -> anyhow::Result<Exit> {
    let Phase::Ended(ended) = run.phase() else {
        remark(plain(&how_to_go_on(run, data)))?;
        let left = format!("{} {}", Left::of(run).word(), run.id());
        match awaited(run) {
            Awaited::Nothing | Awaited::Resume => say(left)?,
            awaited @ (Awaited::Time { .. } | Awaited::Signals { .. }) => say(format_args!("{left} {awaited}"))?,
        }
        return Ok(exit(run));
    };
    if let Some(output) = &ended.output {
        say(format_args!("output {}", plain(&output.readable().to_string())))?;
    }
    remark_dead_letters(run, journal, data)?;
    say(format_args!("outcome {}", ended.outcome.word()))?;
    Ok(exit(run))
}

/// Says where to read about the steps that wait for a person, if any do.
pub(super) fn remark_dead_letters(run: &Run, journal: &[Entry], data: &Path) -> anyhow::Result<()> {
    for letter in dead_letters(run, journal) {
        let id = letter.id;
        remark(plain(&format!("a person must decide about {id}: amends dead-letter show {id} --data {}", data.display())))?;
    }
    Ok(())
}

/// The command that moves an open run.
fn how_to_go_on(run: &Run, data: &Path) -> String {
    let (id, data) = (run.id(), data.display());
    let resume = format!("amends resume --data {data}");
    match awaited(run) {
        Awaited::Signals { names, .. } => {
            let name = names.first().map_or("NAME", SignalName::as_str);
            format!("to go on: amends run signal {id} {name} --data {data}")
        }
        Awaited::Resume => format!("to go on: amends run resume {id} --data {data}"),
        Awaited::Time { .. } | Awaited::Nothing => format!("to go on: {resume}"),
    }
}
