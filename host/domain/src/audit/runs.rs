//! What a checker keeps of a tenant's runs while it reads their records. Apart from the checker because it is about memory: a chain may
//! hold more runs than fit there, and any of them may go on long after it ended, when somebody has it taken back.
//!
//! Open runs are kept as they stand. Of one that ended only its id and the number of its newest record are kept: 24 bytes, with their
//! room in the table 29 to 57. That is enough to check which record a record goes on from, and that no other run has the id; it is not
//! enough to check what the record says. So a run that goes on is noted, and the chain is read a second time: then exactly the noted
//! runs are kept as they stand, each until its last record. A run that is stuck waits to go on; the first [`STUCK_MAX`] of them are kept
//! at once, so that most chains are read once.
//!
//! Refused: to fetch the journal of such a run at once, by walking back. It takes every record's place in the file.

use crate::event::Outcome;
use crate::id::RunId;
use crate::run::{Phase, Run};
use std::collections::HashMap;

/// Most stuck runs that a first reading keeps as they stand.
const STUCK_MAX: usize = 1024;

/// Stands for the newest record of a run of another lane.
const ELSEWHERE: u64 = 0;

/// A run's id as bytes: as a number it would widen each row of the table from 24 bytes to 32.
type Id = [u8; 16];

/// The runs of one tenant, lane by lane.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Runs of the lane as they stand.
    kept: HashMap<RunId, Box<Kept>>,
    /// The number of the newest record of every other run.
    ended: HashMap<Id, u64>,
    reading: Reading,
    open: u64,
    /// How many are kept because they are stuck.
    stuck: usize,
}

/// A run as it stands.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) run: Run,
    /// The number of its newest record.
    last: u64,
}

impl Kept {
    /// A run whose first record is being read.
    pub(super) fn new(run: Run) -> Box<Self> {
        Box::new(Self { run, last: 0 })
    }
}

/// What is known of the runs before they are read.
#[derive(Debug)]
enum Reading {
    /// Nothing; what a second reading must know is gathered.
    First(Reopened),
    /// Which of them go on after they ended.
    Second(Reopened),
}

impl Default for Reading {
    fn default() -> Self {
        Self::First(Reopened::default())
    }
}

/// The runs that went on after they ended, each with the number of its newest record. Lanes need not be told apart: a run is in one.
#[derive(Debug, Default)]
pub(super) struct Reopened {
    last: HashMap<RunId, u64>,
    /// Whether one of them was not kept when it went on.
    unchecked: bool,
}

impl Reopened {
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Whether facts are left that only a second reading can check.
    pub(super) fn is_unchecked(&self) -> bool {
        self.unchecked
    }
}

/// Where a record of a run stands in its lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) run: RunId,
    pub(super) seq: u64,
    /// The record that it names as the run's one before it.
    pub(super) previous: u64,
}

/// A run in front of a record of it.
#[derive(Debug)]
pub(super) enum Before {
    /// There was none: it begins here.
    Nothing,
    /// It stood so.
    Kept(Box<Kept>),
    /// It had ended, and what it does here is checked when all is read again.
    Ended,
}

impl Runs {
    /// For a second reading, after a first one found that `reopened` go on.
    pub(super) fn knowing(reopened: Reopened) -> Self {
        Self { reading: Reading::Second(reopened), ..Self::default() }
    }

    /// What a second reading must know. Empty if this was one.
    pub(super) fn into_reopened(self) -> Reopened {
        match self.reading {
            Reading::First(reopened) => reopened,
            Reading::Second(_) => Reopened::default(),
        }
    }

    /// The runs so far are those of another lane.
    pub(super) fn leave_lane(&mut self) {
        self.ended.extend(self.kept.drain().map(|(run, _)| (id(run), ELSEWHERE)));
        self.ended.values_mut().for_each(|last| *last = ELSEWHERE);
        (self.open, self.stuck) = (0, 0);
    }

    /// How many of the lane's runs are open.
    pub(super) fn open(&self) -> u64 {
        self.open
    }

    /// The run in front of its record at `place`, to be [`put`](Self::put) back behind it.
    pub(super) fn take(&mut self, place: Place) -> Result<Before, String> {
        let Place { run, previous, .. } = place;
        if let Some(kept) = self.kept.remove(&run) {
            follows(place, kept.last)?;
            self.goes_on(place, &kept.run);
            return Ok(Before::Kept(kept));
        }
        match self.ended.get(&id(run)).copied() {
            None if previous == 0 => Ok(Before::Nothing),
            None => Err(format!("it goes on with {run}, which never started here")),
            Some(ELSEWHERE) => Err(format!("{run} is a run of another lane")),
            Some(last) => follows(place, last).and_then(|()| self.goes_on_unchecked(place)),
        }
    }

    /// Puts back the run of the record at `place`.
    pub(super) fn put(&mut self, place: Place, after: Before) {
        let Place { run, seq, .. } = place;
        match after {
            Before::Nothing => {}
            Before::Kept(mut kept) if self.keeps(&kept.run, seq) => {
                kept.last = seq;
                self.kept.insert(run, kept);
            }
            Before::Kept(_) | Before::Ended => {
                self.ended.insert(id(run), seq);
            }
        }
    }

    /// Forgets a run that was removed. False if none of its records was there.
    pub(super) fn forget(&mut self, run: RunId) -> bool {
        let Some(kept) = self.kept.remove(&run) else { return self.ended.remove(&id(run)).is_some() };
        match kept.run.phase() {
            Phase::Forward | Phase::Backward(_) => self.open -= 1,
            Phase::Ended(_) => self.stuck -= usize::from(matches!(self.reading, Reading::First(_))),
        }
        true
    }

    fn goes_on(&mut self, place: Place, run: &Run) {
        let ended = match run.phase() {
            Phase::Forward | Phase::Backward(_) => false,
            Phase::Ended(_) => true,
        };
        self.open -= u64::from(!ended);
        if let Reading::First(reopened) = &mut self.reading {
            self.stuck -= usize::from(ended);
            if ended || reopened.last.contains_key(&place.run) {
                reopened.last.insert(place.run, place.seq);
            }
        }
    }

    fn goes_on_unchecked(&mut self, place: Place) -> Result<Before, String> {
        match &mut self.reading {
            Reading::First(reopened) => {
                reopened.last.insert(place.run, place.seq);
                reopened.unchecked = true;
                Ok(Before::Ended)
            }
            // Everything is checked in a second reading, or refused.
            Reading::Second(_) => {
                Err(format!("{} goes on here and did not when this was first read: it is being changed", place.run))
            }
        }
    }

    /// Whether the run stays as it stands behind its record `seq`. Counts it.
    fn keeps(&mut self, run: &Run, seq: u64) -> bool {
        let outcome = match run.phase() {
            Phase::Forward | Phase::Backward(_) => {
                self.open += 1;
                return true;
            }
            Phase::Ended(ended) => ended.outcome,
        };
        match &self.reading {
            Reading::First(_) => {
                let kept = outcome == Outcome::Stuck && self.stuck < STUCK_MAX;
                self.stuck += usize::from(kept);
                kept
            }
            Reading::Second(reopened) => reopened.last.get(&run.id()).is_some_and(|last| *last > seq),
        }
    }
}

/// Whether the record names the right one before it.
fn follows(place: Place, last: u64) -> Result<(), String> {
    let Place { run, previous, .. } = place;
    match previous {
        _ if previous == last => Ok(()),
        0 => Err(format!("it starts {run}, which started before: its newest record is {last}")),
        _ => Err(format!("it names record {previous} as the one of {run} before it, which is record {last}")),
    }
}

fn id(run: RunId) -> Id {
    run.0.to_be_bytes()
}
