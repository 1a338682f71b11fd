//! A disk under the data file: what was written since the last sync may be there after a crash, or not, or in part, in any order.

use crate::dice::Dice;
use crate::plants::Plant;
use redb::StorageBackend;
use std::io::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is written at once: a disk tears a longer write only between two of them (drives write a logical block whole).
const SECTOR_LEN: usize = 512;

/// A disk.
#[derive(Debug, Default)]
pub(crate) struct Platter(Mutex<Sectors>);

#[derive(Debug, Default)]
struct Sectors {
    /// What is there after a crash in any case.
    synced: Vec<u8>,
    /// What was there after the crash before, for a disk that forgets.
    older: Option<Vec<u8>>,
    /// What the host sees.
    seen: Vec<u8>,
    /// What was done since the last sync, oldest first.
    pending: Vec<Pending>,
    /// How many writes it still takes before the power fails; none: it does not.
    writes_left: Option<u64>,
    /// Whether there is a file.
    named: bool,
    /// Which host may use it: whoever had it before a crash cannot.
    life: u64,
}

#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

/// The disk as one life of the host has it.
#[derive(Debug)]
pub(crate) struct Inserted {
    platter: Arc<Platter>,
    life: u64,
}

impl Platter {
    /// Gives it to a new life.
    pub(crate) fn insert(self: &Arc<Self>) -> Inserted {
        Inserted { platter: Arc::clone(self), life: self.sectors().life }
    }

    /// Makes an empty data file where there is none. It gets its name when it is whole, as that of a host does: until then a crash
    /// leaves nothing.
    pub(crate) fn make(self: &Arc<Self>) {
        if self.sectors().named {
            return;
        }
        if let Ok(database) = redb::Builder::new().create_with_backend(self.insert()) {
            drop(database);
            let mut sectors = self.sectors();
            sectors.named = sectors.writes_left != Some(0) && sectors.pending.is_empty();
        }
    }

    /// The power fails after as many more writes and syncs.
    pub(crate) fn fail_after(&self, writes: u64) {
        self.sectors().writes_left = Some(writes);
    }

    /// The power is gone: of what was not synced, some is there.
    pub(crate) fn crash(&self, dice: &mut Dice, plant: Option<Plant>) {
        let sectors = &mut *self.sectors();
        if !sectors.named {
            *sectors = Sectors { life: sectors.life + 1, ..Sectors::default() };
            return;
        }
        let kept = *dice.one(&[0, 50, 90, 100]);
        for pending in std::mem::take(&mut sectors.pending) {
            match pending {
                // A file system keeps its own book on lengths: they change in order.
                Pending::SetLen(len) => sectors.synced.resize(len, 0),
                Pending::Write(offset, data) => {
                    for (at, sector) in cut(offset, &data) {
                        if dice.hits(kept) {
                            put(&mut sectors.synced, at, sector);
                        }
                    }
                }
            }
        }
        if plant == Some(Plant::OlderDisk)
            && let Some(older) = sectors.older.replace(sectors.synced.clone())
        {
            sectors.synced = older;
        }
        sectors.seen = sectors.synced.clone();
        sectors.writes_left = None;
        sectors.life += 1;
    }

    fn sectors(&self) -> MutexGuard<'_, Sectors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a write that fall into one sector each.
fn cut(offset: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let left = data.get(from..).filter(|left| !left.is_empty())?;
        let len = (SECTOR_LEN - (offset + from) % SECTOR_LEN).min(left.len());
        let part = (offset + from, &left[..len]);
        from += len;
        Some(part)
    })
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a small file")
}

impl Inserted {
    /// The disk, if it is there.
    fn sectors(&self) -> Result<MutexGuard<'_, Sectors>> {
        let sectors = self.platter.sectors();
        if sectors.life == self.life { Ok(sectors) } else { Err(Error::other("the power is gone")) }
    }

    /// As for what changes something.
    fn powered(&self) -> Result<MutexGuard<'_, Sectors>> {
        let mut sectors = self.sectors()?;
        match &mut sectors.writes_left {
            Some(0) => return Err(Error::other("the power is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(sectors)
    }
}

impl StorageBackend for Inserted {
    fn len(&self) -> Result<u64> {
        Ok(self.sectors()?.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let sectors = self.sectors()?;
        let from = place(offset);
        let found = sectors.seen.get(from..from + out.len()).ok_or_else(|| Error::other("behind the end of the file"))?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut sectors = self.powered()?;
        sectors.seen.resize(place(len), 0);
        sectors.pending.push(Pending::SetLen(place(len)));
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut sectors = self.powered()?;
        let sectors = &mut *sectors;
        for pending in sectors.pending.drain(..) {
            match pending {
                Pending::SetLen(len) => sectors.synced.resize(len, 0),
                Pending::Write(offset, data) => put(&mut sectors.synced, offset, &data),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut sectors = self.powered()?;
        put(&mut sectors.seen, place(offset), data);
        sectors.pending.push(Pending::Write(place(offset), data.to_vec()));
        Ok(())
    }
}
