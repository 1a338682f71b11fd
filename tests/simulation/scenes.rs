//! The attempts that guests really make, whatever the journal will know of them: which run now, which have begun, what they answered.

use crate::books::Books;
use crate::invariants::attempts::{self, Caution};
use crate::invariants::effects::TakenBack;
use crate::invariants::{Checked, Invariant, hold};
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptRef, Direction, Ending};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of guests.
#[derive(Default)]
pub(crate) struct Scenes {
    replies: BTreeMap<(RunId, AttemptRef), Settled>,
    life: Life,
}

/// What is known of this life of the host.
#[derive(Default)]
struct Life {
    running: BTreeMap<u64, (RunId, AttemptRef)>,
    begun: u64,
    /// Steps that guests began to take back.
    taken_back: BTreeSet<(RunId, StepIndex)>,
    /// Attempts that answered.
    answered: BTreeSet<(RunId, AttemptRef)>,
    /// Runs that were open when it began.
    found: BTreeSet<RunId>,
    /// Components that are ready.
    ready: BTreeSet<Digest>,
}

/// Keys and the versions that were found.
pub(crate) type Reads = Vec<(String, u64)>;
/// Keys and what was written; none removes one.
pub(crate) type Writes = Vec<(String, Option<Payload>)>;

/// What a guest answered.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) ending: Ending,
    pub(crate) reads: Reads,
    pub(crate) writes: Writes,
}

impl Scenes {
    pub(crate) fn begin_life(&mut self, books: &Books) {
        let found = books.runs.values().filter(|run| run.ended.is_none()).map(|run| run.id).collect();
        self.life = Life { found, ..Life::default() };
    }

    /// A guest begins; gives its number.
    pub(crate) fn begin(&mut self, books: &Books, run: RunId, attempt: AttemptRef) -> (u64, Checked) {
        let life = &mut self.life;
        let has_answered = life.answered.range((run, FIRST)..).next().is_some_and(|(answered, _)| *answered == run);
        let caution = if life.found.contains(&run) && !has_answered { Caution::Yes } else { Caution::No };
        let checked = attempts::runs(books.runs.get(&run), attempt, caution).and_then(|()| life.fences(run, attempt));
        life.begun += 1;
        life.running.insert(life.begun, (run, attempt));
        if attempt.direction == Direction::Backward {
            life.taken_back.insert((run, attempt.step));
        }
        (life.begun, checked)
    }

    /// Whether it has answered before in this life, and another run was in its way.
    pub(crate) fn is_repeated(&self, run: RunId, attempt: AttemptRef) -> bool {
        self.life.answered.contains(&(run, attempt))
    }

    /// Whether a guest of the run is at work.
    pub(crate) fn is_running(&self, run: RunId) -> bool {
        self.life.running.values().any(|(other, _)| *other == run)
    }

    /// It is over, or was dropped.
    pub(crate) fn end(&mut self, number: u64) {
        self.life.running.remove(&number);
    }

    pub(crate) fn answered(&mut self, run: RunId, attempt: AttemptRef, settled: Settled) {
        self.life.answered.insert((run, attempt));
        self.replies.insert((run, attempt), settled);
    }

    /// What the guest of an attempt answered last.
    pub(crate) fn reply(&self, run: RunId, attempt: AttemptRef) -> Option<&Settled> {
        self.replies.get(&(run, attempt))
    }

    pub(crate) fn taken_back(&self, run: RunId, step: StepIndex) -> TakenBack {
        if self.life.taken_back.contains(&(run, step)) { TakenBack::Begun } else { TakenBack::Not }
    }

    pub(crate) fn is_ready(&self, component: Digest) -> bool {
        self.life.ready.contains(&component)
    }

    pub(crate) fn make_ready(&mut self, component: Digest) {
        self.life.ready.insert(component);
    }
}

const FIRST: AttemptRef = AttemptRef { step: StepIndex(0), direction: Direction::Forward, number: 0 };

impl Life {
    /// Never forward and backward at once, never backward and then forward, never one attempt twice at a time.
    fn fences(&self, run: RunId, attempt: AttemptRef) -> Checked {
        let beside = self.running.values().filter(|(other, _)| *other == run).map(|(_, other)| *other);
        let in_the_way = beside.into_iter().find(|other| *other == attempt || other.direction != attempt.direction);
        hold(in_the_way.is_none(), Invariant::NoLateEffect, || format!("{run}: {attempt:?} begins while {in_the_way:?} runs"))?;
        let goes_back = self.taken_back.range((run, StepIndex(0))..).next().is_some_and(|(other, _)| *other == run);
        hold(attempt.direction == Direction::Backward || !goes_back, Invariant::NoLateEffect, || {
            format!("{run}: {attempt:?} begins after a compensation of the run")
        })
    }
}
