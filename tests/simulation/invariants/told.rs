//! Nothing is told to anybody before it is durable: what is in an answer is in the books when the answer is heard.

use super::{Checked, Invariant, broken, hold};
use crate::books::{Books, RunBook};
use amends_domain::event::{Author, Demand, Demanded, Event, Outcome};
use amends_domain::id::RunId;

/// A run that somebody was told of.
pub(crate) fn run(books: &Books, run: RunId) -> Result<&RunBook, super::Violation> {
    match books.runs.get(&run) {
        Some(book) => Ok(book),
        None => broken(Invariant::Told, format!("{run} was told of and is not durable")),
    }
}

/// An outcome that somebody was told.
pub(crate) fn outcome(book: &RunBook, outcome: Outcome) -> Checked {
    let durable = book.entries.iter().any(|entry| matches!(&entry.event, Event::Ended { outcome: ended, .. } if *ended == outcome));
    hold(durable, Invariant::Told, || format!("{} was told to be {} and is not", book.id, outcome.word()))
}

/// A demand that somebody was told is noted.
pub(crate) fn demand(book: &RunBook, demand: &Demand, by: &Author) -> Checked {
    let digest = demand.digest();
    let is_it = |demanded: &Demanded| demanded.demand.digest() == digest && demanded.by == *by;
    let durable = book.entries.iter().any(|entry| matches!(&entry.event, Event::Demanded(demanded) if is_it(demanded)));
    hold(durable, Invariant::Told, || format!("{}: {} was told to be noted and is not", book.id, demand.word()))
}

/// A refusal that names a state: the run was in it.
pub(crate) fn refusal(book: &RunBook, code: &str) -> Checked {
    let was = match code {
        "run_ended" => book.entries.iter().any(|entry| matches!(entry.event, Event::Ended { .. })),
        "past_pivot" => book.is_past_pivot(),
        _ => true,
    };
    hold(was, Invariant::Told, || format!("{}: somebody was told {code}, which is not durable", book.id))
}
