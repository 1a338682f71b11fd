//! The world outside the host: what requests did there, by their idempotency keys, and whether it was taken back. It forgets nothing,
//! whatever happens to the host.

use amends_domain::event::{AttemptRef, Direction};
use amends_domain::id::{RunId, StepIndex};
use std::collections::BTreeMap;

/// The world.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    things: BTreeMap<(RunId, StepIndex, String), Thing>,
}

/// What became of what a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    There,
    TakenBack,
}

/// A request that left the host.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) run: RunId,
    pub(crate) attempt: AttemptRef,
    pub(crate) call: u32,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Forward, what it is known by; backward, the key of the request that it takes back.
    pub(crate) key: String,
}

/// What a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Read,
    Applied,
    Repeated,
    TakenBack,
    /// It comes behind the one that took it back.
    TooLate,
}

impl Deed {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Read | Self::Applied | Self::Repeated | Self::TakenBack => 200,
            Self::TooLate => 410,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "effect: read",
            Self::Applied => "effect: applied",
            Self::Repeated => "effect: repeated",
            Self::TakenBack => "effect: taken back",
            Self::TooLate => "effect: refused",
        }
    }
}

impl Outside {
    /// A request arrives.
    pub(crate) fn apply(&mut self, request: &Request) -> Deed {
        let thing = (request.run, request.attempt.step, request.key.clone());
        let before = self.things.get(&thing).copied();
        match (request.method.as_str(), request.attempt.direction, before) {
            ("GET", ..) => Deed::Read,
            (_, Direction::Backward, _) => {
                self.things.insert(thing, Thing::TakenBack);
                Deed::TakenBack
            }
            (_, Direction::Forward, None) => {
                self.things.insert(thing, Thing::There);
                Deed::Applied
            }
            (_, Direction::Forward, Some(Thing::There)) => Deed::Repeated,
            (_, Direction::Forward, Some(Thing::TakenBack)) => Deed::TooLate,
        }
    }

    /// A person takes back what a step did.
    pub(crate) fn take_back_by_hand(&mut self, run: RunId, step: StepIndex) {
        let of_step = self.things.iter_mut().filter(|((r, s, _), _)| (*r, *s) == (run, step));
        of_step.for_each(|(_, thing)| *thing = Thing::TakenBack);
    }

    /// Whether something that the step did is still there.
    pub(crate) fn has_left(&self, run: RunId, step: StepIndex) -> bool {
        self.of_run(run).any(|((_, s, _), thing)| *s == step && *thing == Thing::There)
    }

    /// What the run did that is still there, for people.
    pub(crate) fn left(&self, run: RunId) -> String {
        let left: Vec<&str> =
            self.of_run(run).filter(|(_, thing)| **thing == Thing::There).map(|((_, _, key), _)| key.as_str()).collect();
        left.join(", ")
    }

    fn of_run(&self, run: RunId) -> impl Iterator<Item = (&(RunId, StepIndex, String), &Thing)> {
        self.things.range((run, StepIndex(0), String::new())..).take_while(move |((r, _, _), _)| *r == run)
    }
}
