//! What an open run that rests waits for. A host may sleep until an instant, but nothing but a person ends a pause, and waiting for a
//! signal is waiting for somebody, whatever else the clock would do about it in the end.

use crate::event::Direction;
use crate::id::{SignalName, StepId, StepIndex};
use crate::run::{Phase, Run, StepRun, TrackState};
use crate::time::Timestamp;
use std::fmt;

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing: it can go on, or has ended.
    Nothing,
    /// An instant.
    Time {
        /// Which.
        until: Timestamp,
        /// What comes then.
        moment: Moment,
    },
    /// One of these signals: nothing else is to be done, unless none comes in time.
    Signals {
        /// At least one, in the order of the steps that wait for them, each once.
        names: Vec<SignalName>,
        /// When something happens if none comes: a timeout, or the deadline of the run.
        until: Option<Timestamp>,
    },
    /// That somebody has it go on: it is paused.
    Resume,
}

/// What comes at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// The run begins.
    Beginning,
    /// A wait of this step is over.
    WaitOver(StepId),
    /// The next attempt of this step.
    Attempt(StepId, Direction),
    /// The time for a whole direction is over, or for a signal.
    TimeOver,
}

/// What `run` waits for. As a host goes by it, it is judged by the run alone and not by the time: an instant may have passed.
pub fn awaited(run: &Run) -> Awaited {
    let Some(due) = run.head().due.filter(|_| !matches!(run.phase(), Phase::Ended(_))) else { return Awaited::Nothing };
    if run.wishes().paused {
        return Awaited::Resume;
    }
    if due == run.begins_at() && run.begins_at() > run.started_at() && run.steps().all(|(_, step)| !step.was_begun()) {
        return Awaited::Time { until: due, moment: Moment::Beginning };
    }
    let timers: Vec<(Timestamp, Moment)> = run.front().filter_map(|(index, step)| timer(run, index, step)).collect();
    let names = signals(run);
    let until = Some(due).filter(|due| due.0 < u64::MAX);
    match (timers.is_empty(), names.is_empty(), until) {
        (true, false, until) => Awaited::Signals { names, until },
        (_, _, Some(until)) => {
            let moment = timers.into_iter().find(|(at, _)| *at == until).map_or(Moment::TimeOver, |(_, moment)| moment);
            Awaited::Time { until, moment }
        }
        (_, _, None) => Awaited::Nothing,
    }
}

/// What the clock alone does about a step.
fn timer(run: &Run, index: StepIndex, step: &StepRun) -> Option<(Timestamp, Moment)> {
    let definition = run.definition().step(index);
    match (step.forward.state, step.backward.state) {
        (_, TrackState::Retrying(at)) => Some((at, Moment::Attempt(definition.id.clone(), Direction::Backward))),
        (TrackState::Retrying(at), _) => Some((at, Moment::Attempt(definition.id.clone(), Direction::Forward))),
        (TrackState::Waiting(Some(at)), _) if definition.signal().is_none() => Some((at, Moment::WaitOver(definition.id.clone()))),
        _ => None,
    }
}

fn signals(run: &Run) -> Vec<SignalName> {
    let mut names: Vec<SignalName> = Vec::new();
    for (index, _) in run.front().filter(|(_, step)| matches!(step.forward.state, TrackState::Waiting(_))) {
        if let Some(name) = run.definition().step(index).signal().filter(|name| !names.contains(name)) {
            names.push(name.clone());
        }
    }
    names
}

/// As the rest of a sentence: ``for signal `approved`, until 2026-01-31T09:00:00.000Z``.
impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("for nothing"),
            Self::Resume => f.write_str("for somebody to resume it"),
            Self::Time { until, moment } => match moment {
                Moment::Beginning => write!(f, "until {until}, when it begins"),
                Moment::WaitOver(step) => write!(f, "until {until}, when `{step}` is over"),
                Moment::Attempt(step, Direction::Forward) => write!(f, "until {until} for the next attempt of `{step}`"),
                Moment::Attempt(step, Direction::Backward) => write!(f, "until {until} for the next compensation of `{step}`"),
                Moment::TimeOver => write!(f, "until {until}, when its time is over"),
            },
            Self::Signals { names, until } => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "for {} {}", if names.len() == 1 { "signal" } else { "one of the signals" }, names.join(", "))?;
                until.map_or(Ok(()), |until| write!(f, ", until {until}"))
            }
        }
    }
}
