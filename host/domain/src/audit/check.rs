//! What a chain says must make sense, not only be linked: runs start from sagas that were applied, their facts follow from one another,
//! also after they ended, writes of the state come with versions that grow, and keys are revoked that were created. Apart from the links, because it holds for a chain of
//! any origin: an export, a data file, a backup.
//!
//! Memory: the definitions; the open runs and some of the stuck ones; of each other run 24 bytes; of each key ever written its name, a
//! version and a digest. What a run does after it ended can be checked only if its journal was kept, so a chain in which one was taken
//! back is read a second time, with those runs known (`runs.rs`): see [`Checked::Again`].

use super::removal::Unexplained;
use super::runs::{Before, Kept, Place, Reopened, Runs};
use super::{Body, Break};
use crate::definition::{self, Definition};
use crate::digest::Digest;
use crate::event::{Entry, Event, RemovedRun, RemovedWrite, TenantEntry, TenantEvent, Write};
use crate::id::{Lane, RunId, SagaName};
use crate::payload::Payload;
use crate::run::Run;
use crate::tenant::Tenant;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Longest explanation of a misfit in bytes: it may quote a whole fact.
const WHAT_LEN_MAX: usize = 400;

/// Reads the records of one tenant, lane by lane from lane 0 on (which has the definitions), each lane from its first record on.
#[derive(Debug, Default)]
pub struct Checker {
    sagas: HashMap<(SagaName, u32), (Digest, Arc<Definition>)>,
    state: HashMap<Box<str>, Written>,
    tenant: Tenant,
    runs: Runs,
    lane: LaneCheck,
}

/// What comes of reading the records of a tenant.
#[derive(Debug)]
pub enum Checked {
    /// All that was read makes sense. This is the state that it leaves.
    Done(ImpliedState),
    /// Runs went on after they ended, and whether they could is still to be checked: let this checker read the same records again, from
    /// the first one on. It does not ask for a third time.
    Again(Box<Checker>),
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
    /// Of these, the ones that are no longer kept.
    pub removed: u64,
    /// Facts, those of runs and the tenant's own. Without those of runs that are no longer kept.
    pub facts: u64,
}

/// What is known of the lane that is being read.
#[derive(Debug)]
struct LaneCheck {
    lane: Lane,
    /// The number of the newest record with facts of the tenant itself.
    own_last: u64,
    /// All records up to this number were committed before the one that is being read.
    settled: u64,
    unexplained: Unexplained,
    counts: Counts,
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
        Self { lane, own_last: 0, settled: 0, unexplained: Unexplained::default(), counts: Counts::default() }
    }
}

impl Checker {
    /// For a second reading, after a first one found that `reopened` go on.
    pub(super) fn knowing(reopened: Reopened) -> Self {
        Self { runs: Runs::knowing(reopened), ..Self::default() }
    }

    /// What a second reading must know.
    pub(super) fn into_reopened(self) -> Reopened {
        self.runs.into_reopened()
    }

    /// Goes on with the first record of another lane of the same tenant. A run stays in its lane.
    pub fn begin_lane(&mut self, lane: Lane) {
        self.runs.leave_lane();
        self.lane = LaneCheck::new(lane);
    }

    /// What the lane held so far. Which runs are open is known for sure in the last reading.
    pub fn counts(&self) -> Counts {
        Counts { open: self.runs.open(), ..self.lane.counts }
    }

    /// Takes in that record `seq`, the next one of its lane, has no body any more.
    pub fn take_removed(&mut self, seq: u64) {
        self.lane.unexplained.add(seq);
        self.lane.counts.records += 1;
    }

    /// The lane that is being read ends here.
    ///
    /// # Errors
    /// [`Break`] if something is missing in it.
    pub fn end_lane(&self) -> Result<(), Break> {
        self.lane.unexplained.end()
    }

    /// Whether facts are still to come that say why records have no body: a reader who stops here would find that they are missing.
    pub fn wants_more(&self) -> bool {
        !self.lane.unexplained.is_empty()
    }

    /// Takes in record `seq`, the next one of its lane.
    ///
    /// # Errors
    /// [`Break`] if it cannot follow what was read before; then no more can be taken in, and [`finish`](Self::finish) says whether a
    /// second reading may find that something before it is wrong already.
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

    /// Ends the reading.
    pub fn finish(self) -> Checked {
        let Self { state, runs, .. } = self;
        let reopened = runs.into_reopened();
        if reopened.is_unchecked() {
            return Checked::Again(Box::new(Self::knowing(reopened)));
        }
        let kept = state.into_iter().filter_map(|(key, written)| Some((key, (written.version, written.value?))));
        Checked::Done(ImpliedState(kept.collect()))
    }

    fn take_run(&mut self, seq: u64, run: RunId, previous: u64, entries: &[Entry]) -> Result<(), String> {
        let place = Place { run, seq, previous };
        let mut standing = self.runs.take(place)?;
        self.settle(previous);
        for (at, entry) in entries.iter().enumerate() {
            let senseless =
                |what: String| format!("the journal of {run} does not make sense at fact {} of the record: {what}", at + 1);
            match &mut standing {
                Before::Kept(kept) => kept.run.apply(entry).map_err(|misfit| senseless(misfit.what))?,
                Before::Nothing => standing = Before::Kept(Kept::new(self.start(run, entry).map_err(senseless)?)),
                Before::Ended => {}
            }
            if let Event::AttemptEnded(ended) = &entry.event {
                self.take_writes(seq, &ended.writes)?;
            }
        }
        self.runs.put(place, standing);
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
                TenantEvent::RunsRemoved { runs, writes, .. } => self.take_removal(seq, runs, writes)?,
                TenantEvent::PluginInstalled { .. }
                | TenantEvent::ResolversSet { .. }
                | TenantEvent::HostGranted { .. }
                | TenantEvent::HostRevoked { .. }
                | TenantEvent::SecretSet { .. }
                | TenantEvent::SecretRemoved { .. }
                | TenantEvent::SecretGranted { .. }
                | TenantEvent::SecretWithdrawn { .. }
                | TenantEvent::HostPartChanged { .. }
                | TenantEvent::RequestsDenied { .. } => {}
                TenantEvent::TenantCreated { .. }
                | TenantEvent::LimitsSet { .. }
                | TenantEvent::TenantSuspended { .. }
                | TenantEvent::TenantReopened { .. }
                | TenantEvent::TenantDeleted { .. }
                | TenantEvent::KeyCreated { .. }
                | TenantEvent::KeyRevoked { .. }
                | TenantEvent::PluginPublished { .. }
                | TenantEvent::PluginVersionDeleted { .. }
                | TenantEvent::WebhookSet { .. }
                | TenantEvent::WebhookRemoved { .. }
                | TenantEvent::WebhookKeysSet { .. }
                | TenantEvent::WebhookPaused { .. } => {
                    self.tenant.apply(entry).map_err(|what| format!("a fact of the tenant does not make sense: {what}"))?;
                }
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
            let Some(known) = self.take_version(seq, key, *version, || value.as_ref().map(|value| Digest::of(&value.0))) else {
                continue;
            };
            if *version == known.version || (known.lane == lane && known.seq <= settled) {
                return Err(written_before(key, *version, known));
            }
        }
        Ok(())
    }

    /// The write that is at least as new, if there is one; else this one is the newest by now.
    fn take_version(&mut self, seq: u64, key: &str, version: u64, value: impl FnOnce() -> Option<Digest>) -> Option<&Written> {
        let lane = self.lane.lane;
        let new = || Written { version, lane, seq, value: value() };
        match self.state.entry(key.into()) {
            Slot::Vacant(slot) => {
                slot.insert(new());
                None
            }
            Slot::Occupied(slot) if slot.get().version >= version => Some(slot.into_mut()),
            Slot::Occupied(mut slot) => {
                slot.insert(new());
                None
            }
        }
    }

    /// What the removed records wrote was written before, whatever was written since.
    fn take_removal(&mut self, seq: u64, runs: &[RemovedRun], writes: &[RemovedWrite]) -> Result<(), String> {
        for removed in runs {
            self.lane.unexplained.explain(removed);
            // Whoever reads page by page may have read some of its records before they were removed.
            self.lane.counts.runs += u64::from(!self.runs.forget(removed.run));
            self.lane.counts.removed += 1;
        }
        for RemovedWrite { key, version, value } in writes {
            if let Some(known) = self.take_version(seq, key, *version, || *value)
                && known.version == *version
                && known.value != *value
            {
                return Err(format!("{}, which was another value", written_before(key, *version, known)));
            }
        }
        Ok(())
    }
}

fn written_before(key: &str, version: u64, known: &Written) -> String {
    let Written { lane, seq, version: earlier, .. } = known;
    format!("key `{key}` is written with version {version}, lane {} record {seq} wrote it with version {earlier}", lane.0)
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

    /// The version of each key that there is.
    pub fn versions(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(key, (version, _))| (key.to_string(), *version)).collect()
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
