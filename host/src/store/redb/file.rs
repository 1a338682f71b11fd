//! The data file as a file: made and opened. Apart from what is in it.

use super::super::{StoreError, VERIFY_TAIL_LEN, verify_tail};
use super::RedbStore;
use super::compact::DRAFT_NAME;
use super::tables::Ending;
use ::redb::{Builder, Database, DatabaseError, StorageBackend};
use std::fs::{DirBuilder, File, OpenOptions, remove_file};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// The name of the data file in its directory.
pub(super) const FILE_NAME: &str = "amends.redb";

/// Memory for pages of the file: 64 MiB. What is written is read again at once or, behind the end of a run, seldom; and what is not here the system has.
const CACHE_LEN_MAX: usize = 64 * 1024 * 1024;

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
        let database = the_one_called(&path, database)?;
        // Who has the file open is the only one who could still be writing it.
        if let Err(error) = remove_file(dir.join(DRAFT_NAME))
            && error.kind() != ErrorKind::NotFound
        {
            return Err(disk_at(&dir.join(DRAFT_NAME), &error));
        }
        Ok(Self { path: Some(path.clone()), ..Self::prepared(database)? })
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

/// Opens the file that has the name when it is locked: whoever compacts puts another one in its place, and what is written to one without a name is lost.
fn the_one_called<T>(path: &Path, open: impl Fn(&Path) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let no = || path.metadata().map(|found| found.ino()).map_err(|error| disk_at(path, &error));
    loop {
        let before = no()?;
        let opened = open(path)?;
        if no()? == before {
            return Ok(opened);
        }
    }
}

/// A file that is removed when it is dropped.
pub(super) struct Draft(pub(super) PathBuf);

impl Draft {
    /// It has another name now.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = remove_file(&self.0) {
            tracing::warn!(%error, "{} is left over and can be removed", self.0.display());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_file_that_loses_its_name_while_it_is_opened_is_not_the_one() {
        let at = |name: &str| std::env::temp_dir().join(format!("amends-{name}-{}", std::process::id()));
        let (path, new) = (at("old"), at("new"));
        std::fs::write(&path, "old").expect("there is room");
        std::fs::write(&new, "new").expect("there is room");
        let opened = Cell::new(0);
        let read = the_one_called(&path, |path| {
            let text = std::fs::read_to_string(path).expect("it is there");
            if opened.replace(opened.get() + 1) == 0 {
                std::fs::rename(&new, path).expect("both are there");
            }
            Ok(text)
        });
        assert_eq!((read.expect("it is there").as_str(), opened.get()), ("new", 2));
        remove_file(path).expect("it was made here");
    }
}
