//! Invariant 10: The same journal, the same decisions: every fact that the rules decide is what they decide from the facts before it, and what a
//! live run says of itself is what a replay says.

use super::{Checked, Invariant, broken, hold};
use crate::books::RunBook;
use amends_domain::decide::{Command, decide};
use amends_domain::event::{Ending, Entry, Event, Halt};
use amends_domain::run::{Run, RunHead};

/// A fact.
pub(crate) fn fact(run: &mut RunBook, entry: &Entry) -> Checked {
    if is_decided(&entry.event) {
        if !order(&mut run.ordered, &entry.event) {
            run.ordered = decide(&run.replayed, entry.at);
            let ordered = order(&mut run.ordered, &entry.event);
            hold(ordered, Invariant::Replay, || {
                format!("{}: {:?} at {} where a replay decides {:?}", run.id, entry.event, entry.at.0, run.ordered)
            })?;
        }
    } else {
        run.ordered.clear();
    }
    let applied = run.replayed.apply(entry);
    applied.or_else(|misfit| broken(Invariant::Replay, format!("{}: {misfit}: {:?}", run.id, entry.event)))
}

/// Whether a fact is decided by the rules; others come from outside.
fn is_decided(event: &Event) -> bool {
    match event {
        Event::AttemptEnded(ended) => matches!(ended.ending, Ending::Halted { halt: Halt::Lost, .. }),
        Event::AttemptStarted { .. }
        | Event::RetryScheduled { .. }
        | Event::StepFailed { .. }
        | Event::CompensationStarted { .. }
        | Event::CompensationOmitted { .. }
        | Event::CompensationFailed { .. }
        | Event::Ended { .. }
        | Event::StepSkipped { .. }
        | Event::WaitStarted { .. }
        | Event::WaitEnded { .. } => true,
        Event::Started(_)
        | Event::Adopted
        | Event::EffectIntended { .. }
        | Event::EffectAnswered { .. }
        | Event::Delayed { .. }
        | Event::Demanded(_) => false,
    }
}

/// Whether `event` is among what is ordered; it is crossed off.
fn order(ordered: &mut Vec<Command>, event: &Event) -> bool {
    let is_it = |command: &Command| match command {
        Command::Record(ordered) => ordered == event,
        Command::Start(start) => start.event() == *event,
        Command::WaitUntil(_) | Command::Fence(_) => false,
    };
    let found = ordered.iter().position(is_it);
    found.map(|at| ordered.swap_remove(at)).is_some()
}

/// What a live run wrote of itself beside its facts.
pub(crate) fn head(run: &RunBook, stored: Option<&RunHead>) -> Checked {
    let replayed = run.replayed.head();
    hold(stored == Some(&replayed), Invariant::Replay, || {
        format!("{}: its head is {stored:?}, a replay gives {replayed:?}", run.id)
    })
}

/// A live run that was seen.
pub(crate) fn live(book: &RunBook, run: &Run) -> Checked {
    if book.replayed == *run {
        return Ok(());
    }
    // Somebody may have had it go on since.
    let mut replayed = Run::new(book.id, book.saga.definition.clone(), book.replayed.started().clone(), book.entries[0].at);
    for entry in &book.entries[1..] {
        if replayed == *run {
            return Ok(());
        }
        replayed.apply(entry).expect("it was applied before");
    }
    broken(Invariant::Replay, format!("{}: no replay gives the run that was live: {run:?}", book.id))
}
