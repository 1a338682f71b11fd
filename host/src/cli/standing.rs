//! How a run stands, in one line or in a few fields: what commands say at their end.

use super::desk::{Desk, Stood};
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::view::AwaitsView;
use amends_domain::event::{Entry, Outcome};
use amends_domain::explain::{Awaited, awaited, dead_letters};
use amends_domain::id::{RunId, SignalName, StepId, TenantId};
use amends_domain::run::{Phase, Run, RunStatus};
use serde::Serialize;

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

/// The last lines of a command that stayed with a run: its output and outcome, or what it waits for and how to go on. `place`: what commands say
/// to come here again.
pub(super) fn tell_end(run: &Run, journal: &[Entry], place: &str) -> anyhow::Result<Exit> {
    let Phase::Ended(ended) = run.phase() else {
        remark(plain(&how_to_go_on(run, place)))?;
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
    remark_dead_letters(run, journal, place)?;
    say(format_args!("outcome {}", ended.outcome.word()))?;
    Ok(exit(run))
}

/// Says where to read about the steps that wait for a person, if any do.
fn remark_dead_letters(run: &Run, journal: &[Entry], place: &str) -> anyhow::Result<()> {
    for letter in dead_letters(run, journal) {
        let id = letter.id;
        remark(plain(&format!("a person must decide about {id}: amends dead-letter show {id}{place}")))?;
    }
    Ok(())
}

/// The command that moves an open run.
fn how_to_go_on(run: &Run, place: &str) -> String {
    let id = run.id();
    match awaited(run) {
        Awaited::Signals { names, .. } => {
            let name = names.first().map_or("NAME", SignalName::as_str);
            format!("to go on: amends run signal {id} {name}{place}")
        }
        Awaited::Resume => format!("to go on: amends run resume {id}{place}"),
        Awaited::Time { .. } | Awaited::Nothing => format!("to go on: amends resume{place}"),
    }
}

/// What commands say at their end that asked something of a run.
pub(super) struct Standing<'a> {
    pub(super) desk: &'a dyn Desk,
    /// The dead letter that it was about.
    pub(super) step: Option<StepId>,
    pub(super) format: Format,
}

/// How a run stands, as JSON.
#[derive(Debug, Serialize)]
struct StandsView {
    run: RunId,
    tenant: TenantId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    noted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    awaits: Option<AwaitsView>,
    /// What was said counts when a second person says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_person: Option<&'static str>,
}

impl Standing<'_> {
    /// Says how the run stands. What was asked is done, however it ends.
    pub(super) fn tell(&self, stood: &Stood) -> anyhow::Result<Exit> {
        let run = stood.journal.replay()?;
        match self.format {
            Format::Json => say_json(&self.view(&run, stood.noted)?)?,
            Format::Text => {
                remark_dead_letters(&run, &stood.journal.entries, &self.desk.place())?;
                say(self.text(&run, stood.noted))?;
            }
        }
        Ok(Exit::Done)
    }

    /// Says how the run ended that was looked at.
    pub(super) fn tell_followed(&self, stood: &Stood) -> anyhow::Result<Exit> {
        tell_end(&stood.journal.replay()?, &stood.journal.entries, &self.desk.place())
    }

    fn view(&self, run: &Run, noted: bool) -> anyhow::Result<StandsView> {
        Ok(StandsView {
            run: run.id(),
            tenant: self.desk.tenant()?,
            status: run.status().word(),
            outcome: outcome(run),
            noted,
            awaits: AwaitsView::of(run),
            second_person: self.awaits_second(run).map(|_| "awaited"),
        })
    }

    fn text(&self, run: &Run, noted: bool) -> String {
        let already = if noted { "" } else { " (it was so already)" };
        let second = match self.awaits_second(run) {
            Some(step) => format!(": {}.{step} awaits a second person", run.id()),
            None => String::new(),
        };
        format!("run {} {}{already}{second}", run.id(), standing(run))
    }

    /// The step about which one person has said something that a second one must confirm.
    fn awaits_second(&self, run: &Run) -> Option<&StepId> {
        let step = run.definition().index_of(self.step.as_ref()?.as_str())?;
        self.step.as_ref().filter(|_| run.is_dead_letter(step) && run.step(step).proposed.is_some())
    }
}
