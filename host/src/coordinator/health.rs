//! How the parts of a host fare, looked at again and again: told to whoever asks, noted when it changes, and, where the disk is almost full, acted
//! on before anything breaks: nothing new is taken, and what is open has the room that is left.

use super::Coordinator;
use super::error::DriveError;
use super::tenants::host_tenant;
use crate::disk::{FreeMin, Room, Space};
use crate::store::verify_lane;
use amends_domain::event::{PartState, TenantEvent};
use amends_domain::id::TenantId;
use amends_domain::time::{Span, Timestamp};
use futures_util::FutureExt;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// A fact that waits longer for the disk is told of.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A part fares otherwise when it has for so many looks: one that hiccups is not worth a fact.
const LOOKS_MIN: u32 = 3;
/// One chain is checked in so many looks, each in turn.
const LOOKS_PER_CHAIN: u32 = 60;
/// As many records at the end of a chain.
const CHAIN_TAIL_LEN: u64 = 1024;
/// What is new is let in by a look that is no older: a fast disk writes a few megabytes meanwhile.
const LOOK_AGE_MAX: Span = Span(20);
/// New work is taken again when there is a quarter more than the least: else it would be stopped and begun with every run.
const RELEASE: u64 = 4;

/// How a host is watched.
#[derive(Debug, Clone)]
pub struct KeepWatch {
    /// Where its data is.
    pub space: Arc<dyn Space>,
    /// With less free space, nothing new is taken.
    pub free_min: FreeMin,
    /// Between two looks.
    pub every: Span,
}

/// How a part of the host fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReport {
    /// Which.
    pub name: &'static str,
    /// How.
    pub state: PartState,
    /// What is to be said of it, if anything.
    pub says: Option<String>,
    /// What does not go on while it fails.
    pub holds: Holds,
}

/// What does not go on while a part fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Nothing: somebody must look.
    Nothing,
    /// What is new.
    NewWork,
    /// Everything.
    Everything,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Health {
    seen: Mutex<Seen>,
    /// Parts that the coordinator does not know, and how to ask them what is wrong.
    others: Mutex<Vec<Other>>,
}

struct Other {
    name: &'static str,
    wrong: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

#[derive(Debug, Default)]
struct Seen {
    /// How it is watched, and when it was looked at last; none: nobody watches.
    watch: Option<(KeepWatch, Timestamp)>,
    room: Option<Room>,
    /// Why the room is not known.
    blind: Option<String>,
    /// The least that there should be, while there is less.
    low: Option<u64>,
    /// What is wrong with a chain; stays.
    broken: Option<String>,
    parts: HashMap<&'static str, Told>,
}

/// What was told last of a part.
#[derive(Debug, Clone, Copy)]
struct Told {
    state: PartState,
    /// For how many looks it has been otherwise.
    otherwise: u32,
}

impl Health {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn others(&self) -> Vec<PartReport> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.iter().map(|other| failing_if(other.name, (other.wrong)(), Holds::Nothing)).collect()
    }

    /// Free space, and whether that is too little.
    pub(super) fn space(&self) -> (u64, bool) {
        let seen = self.seen();
        (seen.room.map_or(0, |room| room.free), seen.low.is_some())
    }
}

impl Seen {
    fn look_at(&mut self, watch: &KeepWatch, now: Timestamp) {
        self.watch = Some((watch.clone(), now));
        match watch.space.room() {
            Ok(None) => (self.room, self.blind, self.low) = (None, None, None),
            Ok(Some(room)) => {
                let min = watch.free_min.of(room.total);
                let enough = if self.low.is_some() { min.saturating_add(min / RELEASE) } else { min };
                (self.room, self.blind, self.low) = (Some(room), None, (room.free < enough).then_some(min));
            }
            // Whether there is room is found out by whoever writes.
            Err(error) => (self.blind, self.low) = (Some(error.to_string()), None),
        }
    }

    /// Whether a part fares otherwise than was told, for long enough.
    fn has_changed(&mut self, part: &PartReport) -> bool {
        let told = self.parts.entry(part.name).or_insert(Told { state: PartState::Ready, otherwise: 0 });
        if part.state == told.state {
            told.otherwise = 0;
            return false;
        }
        told.otherwise += 1;
        // The disk has its own way of not going to and fro, and what follows from it follows at once.
        let has_changed = told.otherwise >= LOOKS_MIN || part.holds == Holds::NewWork;
        if has_changed {
            *told = Told { state: part.state, otherwise: 0 };
        }
        has_changed
    }

    fn disk(&self) -> PartReport {
        let (state, says) = match (&self.blind, self.low, self.room) {
            (Some(error), _, _) => (PartState::Failing, Some(format!("its free space is not known: {error}"))),
            (None, Some(min), Some(room)) => {
                let says = format!("{} bytes of {} are free, less than {min}: nothing new is taken", room.free, room.total);
                (PartState::Failing, Some(says))
            }
            (None, None, Some(_)) | (None, _, None) => (PartState::Ready, None),
        };
        PartReport { name: "disk", state, says, holds: Holds::NewWork }
    }
}

impl Coordinator {
    /// Has one more part of the host watched, which says what is wrong with it, if anything. Nothing else waits for it.
    pub fn watch_also(&self, name: &'static str, wrong: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let other = Other { name, wrong: Box::new(wrong) };
        self.parts.health.others.lock().unwrap_or_else(PoisonError::into_inner).push(other);
    }

    /// Looks at the parts of the host again and again, for ever. Dropping the future is safe: what was seen last stays.
    pub async fn keep_watch(&self, watch: KeepWatch) -> Infallible {
        let (mut looks, mut chains) = (0_u32, 0);
        loop {
            self.look(&watch);
            if looks.is_multiple_of(LOOKS_PER_CHAIN) {
                self.check_chain(chains).await;
                chains += 1;
            }
            looks = looks.wrapping_add(1);
            sleep(watch.every.to_std()).await;
        }
    }

    /// Whether something new may be taken. Looks at the disk, if that was not done just before.
    ///
    /// # Errors
    /// [`DriveError::DiskLow`].
    pub(super) fn has_room(&self) -> Result<(), DriveError> {
        let now = self.parts.clock.now();
        let changed = {
            let mut seen = self.parts.health.seen();
            match seen.watch.clone().filter(|(_, at)| now.since(*at) >= LOOK_AGE_MAX) {
                Some((watch, _)) => {
                    seen.look_at(&watch, now);
                    let disk = seen.disk();
                    seen.has_changed(&disk).then_some(disk)
                }
                None => None,
            }
        };
        if let Some(disk) = changed {
            self.note_part(disk);
        }
        let seen = self.parts.health.seen();
        match (seen.low, seen.room) {
            (Some(min), Some(room)) => Err(DriveError::DiskLow { free: room.free, min }),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Whether there is room for a fact that can wait.
    pub fn may_note(&self) -> bool {
        self.has_room().is_ok()
    }

    /// Has it noted that requests of somebody were denied. Does not wait for the disk.
    pub fn note_denied(&self, chain: &TenantId, fact: TenantEvent) {
        self.parts.lanes.of(chain).note(fact, self.parts.clock.now());
    }

    /// Looks once, and notes what fares otherwise than before.
    pub fn look(&self, watch: &KeepWatch) {
        self.parts.health.seen().look_at(watch, self.parts.clock.now());
        for part in self.fares() {
            if self.parts.health.seen().has_changed(&part) {
                self.note_part(part);
            }
        }
    }

    fn note_part(&self, part: PartReport) {
        let PartReport { name, state, says, .. } = part;
        let says = says.unwrap_or_default();
        match state {
            PartState::Failing => tracing::error!(part = name, says, "a part of the host fails"),
            PartState::Ready => tracing::warn!(part = name, "a part of the host is as it should be again"),
        }
        let event = TenantEvent::HostPartChanged { part: name.to_owned(), state, says };
        self.parts.lanes.of(&host_tenant()).note(event, self.parts.clock.now());
    }

    /// How the parts of the host fare, as far as it has looked.
    pub fn fares(&self) -> Vec<PartReport> {
        let chain = {
            let seen = self.parts.health.seen();
            let state = if seen.broken.is_some() { PartState::Failing } else { PartState::Ready };
            let chain = PartReport { name: "chain", state, says: seen.broken.clone(), holds: Holds::Nothing };
            [seen.disk(), chain]
        };
        [self.writer(), self.reader(), self.pool(), self.compiler()]
            .into_iter()
            .chain(chain)
            .chain(self.parts.health.others())
            .collect()
    }

    fn writer(&self) -> PartReport {
        let backlog = self.parts.writer.backlog();
        let says = match self.parts.writer.room().now_or_never() {
            Some(Err(error)) => Some(error.to_string()),
            None => Some("its queue is full".to_owned()),
            Some(Ok(())) if backlog.age > WAIT_MAX => {
                Some(format!("the oldest of {} facts has waited for the disk for {} s", backlog.facts, backlog.age.as_secs()))
            }
            Some(Ok(())) => None,
        };
        failing_if("writer", says, Holds::Everything)
    }

    fn reader(&self) -> PartReport {
        failing_if("store", self.parts.store.counts().err().map(|error| error.to_string()), Holds::Everything)
    }

    /// That all places are taken is no failure: who waits has its turn.
    fn pool(&self) -> PartReport {
        let levels = self.parts.components.levels();
        let says = || format!("{} attempts wait for one of {} places", levels.waiting, levels.places);
        let says = (levels.waiting > 0).then(says);
        PartReport { name: "pool", state: PartState::Ready, says, holds: Holds::Nothing }
    }

    /// Runs whose components are compiled already go on without it.
    fn compiler(&self) -> PartReport {
        failing_if("compiler", self.parts.components.compiler_wrong(), Holds::Nothing)
    }

    /// Checks the end of one chain, that of lane number `turn` of all.
    async fn check_chain(&self, turn: usize) {
        let store = Arc::clone(&self.parts.store);
        let check = move || {
            let lanes = store.lanes()?;
            match lanes.get(turn.checked_rem(lanes.len()).unwrap_or_default()) {
                Some(lane) => verify_lane(&*store, lane, CHAIN_TAIL_LEN),
                None => Ok(()),
            }
        };
        let broken = match tokio::task::spawn_blocking(check).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.parts.health.seen().broken.get_or_insert(broken);
    }
}

fn failing_if(name: &'static str, says: Option<String>, holds: Holds) -> PartReport {
    let state = if says.is_some() { PartState::Failing } else { PartState::Ready };
    PartReport { name, state, says, holds }
}
