//! What a chain says must make sense, not only be linked: runs start from sagas that were applied, their facts follow from one another,
//! and writes of the state come with versions that grow. Apart from the links, because it holds for a chain of any origin: an export, a
//! data file, a backup.
//!
//! Memory: the definitions, the open runs, and of each key ever written its name, a version and a digest. Runs that ended are forgotten;
//! so a second run with the id of an ended one would pass as a new run.

use super::{Body, Break};
use crate::definition::{self, Definition};
use crate::digest::Digest;
use crate::event::{Entry, Event, TenantEntry, TenantEvent, Write};
use crate::id::{Lane, RunId, SagaName};
use crate::payload::Payload;
use crate::run::{Phase, Run};
use std::collections::HashMap;
use std::sync::Arc;

/// Longest explanation of a misfit in bytes: it may quote a whole fact.
const WHAT_LEN_MAX: usize = 400;

/// Reads the records of one tenant, lane by lane from lane 0 on (which has the definitions), each lane from its first record on.
#[derive(Debug, Default)]
pub struct Checker {
    sagas: HashMap<(SagaName, u32), (Digest, Arc<Definition>)>,
    state: HashMap<Box<str>, Written>,
    lane: LaneCheck,
}

/// What a lane held so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Runs that started.
    pub runs: u64,
    /// Of these, the ones without an outcome.
    pub open: u64,
    /// Facts, those of runs and the tenant's own.
    pub facts: u64,
}

/// What is known of the lane that is being read.
#[derive(Debug)]
struct LaneCheck {
    lane: Lane,
    open: HashMap<RunId, Open>,
    /// The number of the newest record with facts of the tenant itself.
    own_last: u64,
    /// All records up to this number were committed before the one that is being read.
    settled: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Open {
    run: Run,
    /// The number of its newest record.
    last: u64,
}

/// The write to a key that has the highest version so far.
#[derive(Debug)]
struct Written {
    version: u64,
    lane: Lane,
    seq: u64,
    /// Of the value; none if the key was removed. A removed key is remembered: facts of a commit may stand in another order than
    /// they happened in, and an older write behind it must not bring the key back.
    value: Option<Digest>,
}

impl Default for LaneCheck {
    fn default() -> Self {
        Self::new(Lane(0))
    }
}

impl LaneCheck {
    fn new(lane: Lane) -> Self {
        Self { lane, open: HashMap::new(), own_last: 0, settled: 0, counts: Counts::default() }
    }
}

impl Checker {
    /// Goes on with the first record of another lane of the same tenant. A run stays in its lane: those still open are forgotten.
    pub fn begin_lane(&mut self, lane: Lane) {
        self.lane = LaneCheck::new(lane);
    }

    /// What the lane held so far.
    pub fn counts(&self) -> Counts {
        Counts { open: self.lane.open.len() as u64, ..self.lane.counts }
    }

    /// Takes in record `seq`, the next one of its lane.
    ///
    /// # Errors
    /// [`Break`] if it cannot follow what was read before; then the checker must not be used any more.
    pub fn take(&mut self, seq: u64, body: &Body) -> Result<(), Break> {
        let facts = match body {
            Body::Run { run, previous, entries } => self.take_run(seq, *run, *previous, entries).map(|()| entries.len()),
            Body::Tenant { entries } => self.take_own(seq, entries).map(|()| entries.len()),
        };
        match facts {
            Ok(0) => Err(Break { seq, what: "it holds no facts".to_owned() }),
            Ok(facts) => {
                self.lane.counts.records += 1;
                self.lane.counts.facts += facts as u64;
                Ok(())
            }
            Err(mut what) => {
                what.truncate(what.floor_char_boundary(WHAT_LEN_MAX));
                Err(Break { seq, what })
            }
        }
    }

    /// What the writes that were read leave of the tenant's state.
    pub fn into_state(self) -> ImpliedState {
        let kept = self.state.into_iter().filter_map(|(key, written)| Some((key, (written.version, written.value?))));
        ImpliedState(kept.collect())
    }

    fn take_run(&mut self, seq: u64, run: RunId, previous: u64, entries: &[Entry]) -> Result<(), String> {
        let mut folded = match self.lane.open.remove(&run) {
            Some(open) if open.last == previous => Some(open.run),
            Some(open) => {
                return Err(format!("it names record {previous} as the one of {run} before it, which is record {}", open.last));
            }
            None if previous == 0 => None,
            None => return Err(format!("it goes on with {run}, which is not open here: it has ended or never started")),
        };
        self.settle(previous);
        for (at, entry) in entries.iter().enumerate() {
            let senseless =
                |what: String| format!("the journal of {run} does not make sense at fact {} of the record: {what}", at + 1);
            match &mut folded {
                Some(folded) => folded.apply(entry).map_err(|misfit| senseless(misfit.what))?,
                None => folded = Some(self.start(run, entry).map_err(senseless)?),
            }
            if let Event::AttemptEnded(ended) = &entry.event {
                self.take_writes(seq, &ended.writes)?;
            }
        }
        match folded {
            Some(folded) if !matches!(folded.phase(), Phase::Ended(_)) => {
                self.lane.open.insert(run, Open { run: folded, last: seq });
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn start(&mut self, run: RunId, entry: &Entry) -> Result<Run, String> {
        let Event::Started(started) = &entry.event else {
            return Err("it does not begin with `started`".to_owned());
        };
        let (saga, version) = (&started.saga, started.version);
        let (digest, definition) = self
            .sagas
            .get(&(saga.clone(), version))
            .ok_or_else(|| format!("saga {saga} version {version} was not applied before it"))?;
        if *digest != started.definition {
            return Err(format!("saga {saga} version {version} was applied as {digest}, it pins {}", started.definition));
        }
        self.lane.counts.runs += 1;
        Ok(Run::new(run, Arc::clone(definition), Arc::new(started.as_ref().clone()), entry.at))
    }

    fn take_own(&mut self, seq: u64, entries: &[TenantEntry]) -> Result<(), String> {
        self.settle(self.lane.own_last);
        self.lane.own_last = seq;
        for entry in entries {
            match &entry.event {
                TenantEvent::SagaApplied { saga, version, definition, document } => {
                    self.apply_saga(saga, *version, *definition, document)
                        .map_err(|what| format!("saga {saga} version {version}: {what}"))?;
                }
                TenantEvent::StateWritten { writes } => self.take_writes(seq, writes)?,
                TenantEvent::PluginInstalled { .. } => {}
            }
        }
        Ok(())
    }

    fn apply_saga(&mut self, saga: &SagaName, version: u32, digest: Digest, document: &Payload) -> Result<(), String> {
        let found = Digest::of(&document.0);
        if found != digest {
            return Err(format!("its document has the digest {found}, the fact says {digest}"));
        }
        let text = std::str::from_utf8(&document.0).map_err(|e| format!("its document is not text: {e}"))?;
        let definition = definition::read(text).map_err(|mistakes| format!("its document cannot be read: {mistakes}"))?;
        if definition.saga != *saga {
            return Err(format!("its document defines {}", definition.saga));
        }
        match self.sagas.insert((saga.clone(), version), (digest, Arc::new(definition))) {
            Some((earlier, _)) => Err(format!("it was applied before, as {earlier}")),
            None => Ok(()),
        }
    }

    // A record is all that one run, or the tenant itself, did between two commits: with the next one of the same run another commit
    // has begun. That is all that a chain shows of its commits.
    fn settle(&mut self, previous: u64) {
        self.lane.settled = self.lane.settled.max(previous);
    }

    /// Of two commits that write the same key the later one has the higher version; inside a commit facts are gathered by run, so
    /// there any order will do.
    fn take_writes(&mut self, seq: u64, writes: &[Write]) -> Result<(), String> {
        let (lane, settled) = (self.lane.lane, self.lane.settled);
        for Write { key, version, value } in writes {
            let new = || Written { version: *version, lane, seq, value: value.as_ref().map(|value| Digest::of(&value.0)) };
            let Some(known) = self.state.get_mut(key.as_str()) else {
                self.state.insert(key.as_str().into(), new());
                continue;
            };
            if *version > known.version {
                *known = new();
            } else if *version == known.version || (known.lane == lane && known.seq <= settled) {
                return Err(format!(
                    "key `{key}` is written with version {version}, lane {} record {} wrote it with version {}",
                    known.lane.0, known.seq, known.version
                ));
            }
        }
        Ok(())
    }
}

/// The tenant's state as its chains imply it; values are known by their digests.
#[derive(Debug)]
pub struct ImpliedState(HashMap<Box<str>, (u64, Digest)>);

impl ImpliedState {
    /// Compares with a key of a stored state and ticks it off.
    ///
    /// # Errors
    /// How the two differ.
    pub fn tick_off(&mut self, key: &str, version: u64, value: &Payload) -> Result<(), String> {
        match self.0.remove(key) {
            None => Err(format!("key `{key}` is stored with version {version}, the chain does not have it")),
            Some((implied, _)) if implied != version => {
                Err(format!("key `{key}` is stored with version {version}, the chain has version {implied}"))
            }
            Some((_, digest)) if digest != Digest::of(&value.0) => {
                Err(format!("key `{key}` is stored with another value than its version {version} has in the chain"))
            }
            Some(_) => Ok(()),
        }
    }

    /// All that is stored was ticked off.
    ///
    /// # Errors
    /// The first key that the chain has and the stored state has not.
    pub fn finish(self) -> Result<(), String> {
        match self.0.into_iter().min() {
            None => Ok(()),
            Some((key, (version, _))) => Err(format!("key `{key}` is not stored, the chain has it with version {version}")),
        }
    }
}
