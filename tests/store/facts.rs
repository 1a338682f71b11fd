//! Facts for the tests of the store and its writer.

use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, AttemptRef, Direction, Ending, Entry, Event, Outcome, Spent, Started, Write};
use amends_domain::id::{StepIndex, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::{RunHead, RunStatus};
use amends_domain::time::Timestamp;

/// What a run that ended well has as its status.
pub(crate) const ENDED: RunStatus = RunStatus::Ended(Outcome::Succeeded);

/// A tenant.
pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a name")
}

/// A head that is recognised by its instant.
pub(crate) fn head(status: RunStatus, at: u64) -> RunHead {
    RunHead {
        saga: "order".parse().expect("a name"),
        version: 1,
        definition: Digest::of(b"order"),
        status,
        started: Timestamp(at),
        ended: None,
        due: (at % 2 == 1).then_some(Timestamp(at + 10)),
        dead_letters: u32::from(at % 5 == 4),
    }
}

/// The first fact of a run.
pub(crate) fn started(at: u64, key: Option<&str>) -> Entry {
    let started = Started {
        saga: "order".parse().expect("a name"),
        version: 1,
        definition: Digest::of(b"order"),
        components: Vec::new(),
        input: Payload::from("{}"),
        key: key.map(str::to_owned),
        parent: None,
    };
    Entry { at: Timestamp(at), event: Event::Started(Box::new(started)) }
}

/// A fact without consequences for any row.
pub(crate) fn adopted(at: u64) -> Entry {
    Entry { at: Timestamp(at), event: Event::Adopted }
}

/// The end of an attempt that wrote to the state.
pub(crate) fn wrote(at: u64, writes: Vec<Write>) -> Entry {
    let attempt = AttemptRef { step: StepIndex(0), direction: Direction::Forward, number: 1 };
    let ending = Ending::Ok { output: Payload::from("null") };
    let ended = AttemptEnded { attempt, ending, spent: Spent::default(), log: Vec::new(), writes };
    Entry { at: Timestamp(at), event: Event::AttemptEnded(Box::new(ended)) }
}

/// A change of one key.
pub(crate) fn write(key: &str, version: u64, value: Option<&'static str>) -> Write {
    Write { key: key.to_owned(), version, value: value.map(Payload::from) }
}
