//! How a step stands by the facts of it that are durable.

use amends_domain::event::{AttemptEnded, AttemptRef, Direction, Ending, Failure};
use amends_domain::run::is_safe;
use amends_domain::time::Timestamp;

/// One step of a run.
#[derive(Debug, Default)]
pub(crate) struct StepBook {
    pub(crate) forward: Forward,
    pub(crate) backward: Backward,
    /// Attempts that started, by direction.
    pub(crate) attempts: [u32; 2],
    /// Those that had before this life of the host.
    pub(crate) attempts_before: [u32; 2],
    /// Those since a person had it tried again.
    pub(crate) counted: [u32; 2],
    /// When the first of those started.
    pub(crate) since: [Option<Timestamp>; 2],
    /// One that has started and not ended.
    pub(crate) open: Option<AttemptRef>,
    pub(crate) retry: Option<Timestamp>,
    pub(crate) intents: Vec<IntentBook>,
    /// Whether an attempt forward may have had effects.
    pub(crate) doubt: bool,
    /// The run is taken back from a later step on.
    pub(crate) stands: bool,
    /// A person found it undone, or saw to that, before the run turned around.
    pub(crate) undone: bool,
}

/// A request whose intent is durable.
#[derive(Debug)]
pub(crate) struct IntentBook {
    pub(crate) attempt: AttemptRef,
    pub(crate) call: u32,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Forward {
    #[default]
    Idle,
    Begun,
    Waiting(Option<Timestamp>),
    Done,
    Skipped,
    GivenUp,
    Resolved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Backward {
    #[default]
    Idle,
    Begun,
    Done,
    Omitted,
    DeadLetter,
    Resolved,
}

pub(crate) fn way(direction: Direction) -> usize {
    match direction {
        Direction::Forward => 0,
        Direction::Backward => 1,
    }
}

impl StepBook {
    /// What comes after it may start.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.forward, Forward::Done | Forward::Skipped | Forward::Resolved)
    }

    /// Whether anything was done.
    pub(crate) fn was_begun(&self) -> bool {
        !matches!(self.forward, Forward::Idle | Forward::Skipped)
    }

    /// Whether it is not in the way of what it was built on.
    pub(crate) fn is_settled(&self) -> bool {
        let over = !matches!(self.backward, Backward::Idle | Backward::Begun);
        over || self.stands || self.undone || !self.was_begun()
    }

    pub(crate) fn started(&mut self, attempt: AttemptRef, at: Timestamp) {
        let way = way(attempt.direction);
        self.attempts[way] += 1;
        self.counted[way] += 1;
        self.since[way] = self.since[way].or(Some(at));
        self.open = Some(attempt);
        self.retry = None;
        match attempt.direction {
            Direction::Forward => self.forward = Forward::Begun,
            Direction::Backward => self.backward = Backward::Begun,
        }
    }

    pub(crate) fn ended(&mut self, ended: &AttemptEnded) {
        self.open = None;
        let ok = matches!(ended.ending, Ending::Ok { .. });
        match ended.attempt.direction {
            Direction::Forward if ok => self.forward = Forward::Done,
            Direction::Backward if ok => self.backward = Backward::Done,
            Direction::Forward => self.doubt |= self.is_doubtful(ended),
            Direction::Backward => {}
        }
    }

    /// A guest that says that nothing happened is believed, but for requests that nobody answered.
    fn is_doubtful(&self, ended: &AttemptEnded) -> bool {
        let mut sent = self.intents.iter().filter(|intent| intent.attempt == ended.attempt && !is_safe(&intent.method));
        match &ended.ending {
            Ending::Ok { .. } => false,
            Ending::Failed { failure: Failure::Uncertain, .. } => true,
            Ending::Failed { failure: Failure::Rejected | Failure::Unavailable, .. } => sent.any(|intent| !intent.answered),
            Ending::Halted { .. } => sent.next().is_some(),
        }
    }

    /// A person has it tried again.
    pub(crate) fn redriven(&mut self, at: Timestamp) {
        let direction = if self.backward == Backward::DeadLetter { Direction::Backward } else { Direction::Forward };
        let way = way(direction);
        (self.counted[way], self.since[way]) = (0, None);
        self.retry = (self.attempts[way] > 0).then_some(at);
        match direction {
            Direction::Forward if self.attempts[way] == 0 => self.forward = Forward::Idle,
            Direction::Forward => self.forward = Forward::Begun,
            Direction::Backward => self.backward = if self.attempts[way] == 0 { Backward::Idle } else { Backward::Begun },
        }
    }
}
