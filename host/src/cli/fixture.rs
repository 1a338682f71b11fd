//! A run for tests of what is printed of it.

pub(super) use crate::view::fixture::{BACKWARD, FORWARD, attempt, demanded, end, failed, ok, start};

use super::journal::Journal;
use crate::view::fixture::{self, Told};
use amends_domain::event::Event;

/// See [`fixture::journal`].
pub(super) fn journal(events: Vec<Event>) -> Journal {
    read(fixture::journal(events))
}

/// See [`fixture::journal_of`].
pub(super) fn journal_of(steps: &str, events: Vec<Event>) -> Journal {
    read(fixture::journal_of(steps, events))
}

fn read(Told { run, entries, definition }: Told) -> Journal {
    Journal { run, entries, definition }
}
