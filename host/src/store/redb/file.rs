//! The data file as a file: made, opened, compacted. Apart from what is in it.

use super::super::{Store, StoreError, VERIFY_TAIL_LEN, verify_tail};
use super::RedbStore;
use super::tables::Ending;
use ::redb::{Builder, Database, DatabaseError, StorageBackend};
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The name of the data file in its directory.
pub(super) const FILE_NAME: &str = "amends.redb";

/// Memory for pages of the file: 256 MiB. More only helps where the open runs and the state are larger than that.
const CACHE_LEN_MAX: usize = 256 * 1024 * 1024;

/// Most passes of one compaction: each halves what is left to gain, or ends it.
const COMPACT_PASSES_MAX: usize = 16;

/// What compacting a data file gave: its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// Now.
    pub after: u64,
}

impl RedbStore {
    /// Opens the data file in `dir`; makes both, for their owner's eyes only, where there is none. If the last process that had it
    /// open died, the file is repaired (which reads all of it) and the ends of the chains are checked.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a process has it open, [`StoreError::Format`] if a later release wrote it, [`StoreError::Damaged`]
    /// with lane and record if a chain is broken, [`StoreError::Disk`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| disk_at(dir, &e))?;
        let path = dir.join(FILE_NAME);
        let folder = File::open(dir).map_err(|e| disk_at(dir, &e))?;
        if !path.exists() {
            make(&folder, &path)?;
        }
        // A file whose name is not on the disk is lost with the power, whatever was synced into it. At every open: whoever made it may
        // have died before this.
        folder.sync_all().map_err(|e| disk_at(dir, &e))?;
        Ok(Self { path: Some(path.clone()), ..Self::prepared(database(&path)?)? })
    }

    /// As [`RedbStore::open`], over something else than a file: a disk that a simulation takes the power from.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn over(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::prepared(Builder::new().set_cache_size(CACHE_LEN_MAX).create_with_backend(backend)?)
    }

    pub(super) fn prepared(database: Database) -> Result<Self, StoreError> {
        let store = Self { database, path: None, closed: AtomicBool::new(false) };
        if store.prepare()? == Ending::Unclean {
            verify_tail(&store, VERIFY_TAIL_LEN)?;
        }
        Ok(store)
    }

    /// Makes the file as small as what is in it, and says how long it was and is, in bytes. Reads and writes all of it; a process that dies
    /// meanwhile leaves it whole.
    ///
    /// # Errors
    /// What the disk says.
    pub fn compact(&mut self) -> Result<Compacted, StoreError> {
        let before = self.counts()?.file_len;
        // One pass moves what it can; what it freed is moved into by the next.
        for _ in 0..COMPACT_PASSES_MAX {
            if !self.database.compact().map_err(|error| StoreError::Disk(Box::new(error)))? {
                break;
            }
        }
        Ok(Compacted { before, after: self.counts()?.file_len })
    }
}

/// Makes an empty data file. It gets its name when it is whole: a process that dies meanwhile leaves a draft, which the next one drops.
fn make(folder: &File, path: &Path) -> Result<(), StoreError> {
    let disk = |error: std::io::Error| disk_at(path, &error);
    // Of two processes that find nothing, the second waits, and finds the file of the first.
    folder.lock().map_err(disk)?;
    if path.exists() {
        return Ok(());
    }
    let draft = path.with_extension("draft");
    // Made here and not by redb, which would leave its mode to the umask.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(disk)?;
    drop(database(&draft)?);
    std::fs::rename(&draft, path).map_err(disk)?;
    folder.unlock().map_err(disk)
}

pub(super) fn database(path: &Path) -> Result<Database, StoreError> {
    Builder::new().set_cache_size(CACHE_LEN_MAX).create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError::InUse(path.display().to_string()),
        error => error.into(),
    })
}

pub(super) fn disk_at(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Disk(Box::new(std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))))
}
