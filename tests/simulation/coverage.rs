//! Where the simulation was: how often each thing happened, so that one sees that it really goes there, and a floor below those that
//! matter.

use amends_domain::event::{Ending, Entry, Event, Failure, Halt};
use std::collections::BTreeMap;
use std::fmt;

/// Counts by what was counted: `crash: in a commit`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Coverage(BTreeMap<String, u64>);

/// What must have happened in any five thousand worlds.
const NEEDED: &[&str] = &[
    "crash: at an instant",
    "crash: between two deeds",
    "crash: before the commit in flight",
    "crash: behind the commit in flight",
    "crash: in the middle of a write to the disk",
    "crash: while the file was opened",
    "commit found after a crash",
    "stopped",
    "read failed",
    "host failed",
    "commit failed: lost",
    "commit failed: kept",
    "demand admitted: cancel",
    "demand admitted: pause",
    "demand admitted: resume",
    "demand admitted: signal",
    "demand admitted: retry",
    "demand admitted: compensate",
    "demand admitted: redrive",
    "demand admitted: resolve",
    "demand admitted: kill",
    "demand already: pause",
    "demand: nobody waited for the answer",
    "start: nobody waited for the answer",
    "demand refused: past_pivot",
    "demand refused: run_ended",
    "demand refused: not_a_dead_letter",
    "demand refused: second_person_needed",
    "demand refused: key_reused",
    "demand of another tenant: unknown run",
    "ended: succeeded",
    "ended: compensated",
    "ended: stuck",
    "ended: killed",
    "attempt ended: ok",
    "attempt ended: rejected",
    "attempt ended: unavailable",
    "attempt ended: uncertain",
    "attempt ended: trap",
    "attempt ended: timeout",
    "attempt ended: lost",
    "attempt ended: cancelled",
    "attempt repeated: conflict",
    "attempt dropped",
    "effect: applied",
    "effect: repeated",
    "effect: refused",
    "effect: never answered",
    "effect: taken back",
    "start: delayed",
    "start: key repeated",
    "start: key reused",
    "run adopted",
    "run rests",
    "driver failed",
    "step skipped",
    "wait ended",
    "compensation omitted",
    "state written from outside",
    "run removed",
    "demand of a removed run: unknown run",
];

/// What a fact is counted as, if it is.
pub(crate) fn of_fact(entry: &Entry) -> Option<String> {
    let what = match &entry.event {
        Event::Adopted => "run adopted".to_owned(),
        Event::Delayed { .. } => "start: delayed".to_owned(),
        Event::AttemptEnded(ended) => format!("attempt ended: {}", ending(&ended.ending)),
        Event::StepSkipped { .. } => "step skipped".to_owned(),
        Event::WaitEnded { .. } => "wait ended".to_owned(),
        Event::CompensationOmitted { .. } => "compensation omitted".to_owned(),
        Event::Ended { outcome, .. } => format!("ended: {}", outcome.word()),
        Event::Started(_)
        | Event::AttemptStarted { .. }
        | Event::EffectIntended { .. }
        | Event::EffectAnswered { .. }
        | Event::RetryScheduled { .. }
        | Event::StepFailed { .. }
        | Event::CompensationStarted { .. }
        | Event::CompensationFailed { .. }
        | Event::WaitStarted { .. }
        | Event::Demanded(_) => return None,
    };
    Some(what)
}

fn ending(ending: &Ending) -> &'static str {
    match ending {
        Ending::Ok { .. } => "ok",
        Ending::Failed { failure: Failure::Rejected, .. } => "rejected",
        Ending::Failed { failure: Failure::Unavailable, .. } => "unavailable",
        Ending::Failed { failure: Failure::Uncertain, .. } => "uncertain",
        Ending::Halted { halt: Halt::Trap | Halt::OutOfFuel | Halt::OutOfMemory | Halt::Oversized, .. } => "trap",
        Ending::Halted { halt: Halt::Timeout, .. } => "timeout",
        Ending::Halted { halt: Halt::Lost, .. } => "lost",
        Ending::Halted { halt: Halt::Cancelled, .. } => "cancelled",
    }
}

impl Coverage {
    pub(crate) fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &str, times: u64) {
        match self.0.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.0.insert(what.to_owned(), times)),
        }
    }

    pub(crate) fn take_in(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }

    /// What never happened and should have.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        NEEDED.iter().filter(|what| !self.0.contains_key(**what)).copied().collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "  {times:>12}  {what}"))
    }
}
