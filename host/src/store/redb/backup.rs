//! All rows of one snapshot into a backup, and back into a new file. Keys are written in a form of our own, so that a backup does not depend on how
//! redb keeps them.

use super::super::StoreError;
use super::super::backup::{BackupError, Part, Reader, RestoreError, Summary, Writer};
use super::RedbStore;
use super::file::{Draft, FILE_NAME, database, disk_at};
use super::tables::{
    COMPONENTS, DEAD_LETTERS, DEFINITIONS, FILE_FORMAT, GRANTS, KEYS, LANES, META, NumberRow, OPEN_RUNS, PLUGINS, RECORDS,
    RESOLVERS, RUNS, SAGAS, SECRET_GRANTS, SECRETS, STATE, TENANT_FACTS, TENANTS, USAGE, WEBHOOKS, decode, for_every_table,
};
use super::write::FORMAT;
use ::redb::{Database, Key, ReadableDatabase, ReadableTable, Table, TableDefinition, TableHandle, Value};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// As many bytes are inserted in one transaction: 64 MiB, or one row.
const CHUNK_LEN: usize = 64 * 1024 * 1024;
/// What a restored file is called until it is known to be right.
const DRAFT_NAME: &str = "amends.restoring";

/// A key that can be written outside of the data file: in postcard form.
trait Portable: Key + Sized + 'static {
    fn written(key: &Self::SelfType<'_>) -> Vec<u8>;

    /// Inserts a row whose key was written; false if that is none.
    fn insert<V: Value + 'static>(table: &mut Table<'_, Self, V>, key: &[u8], value: &[u8]) -> Result<bool, StoreError>;
}

macro_rules! portable {
    ($($key:ty: $owned:ty, $read:pat => $given:expr;)*) => {$(
        impl Portable for $key {
            fn written(key: &Self::SelfType<'_>) -> Vec<u8> {
                postcard::to_stdvec(key).expect("a vector takes all and every key has a form")
            }

            fn insert<V: Value + 'static>(table: &mut Table<'_, Self, V>, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
                let Ok(($read, [])) = postcard::take_from_bytes::<$owned>(key) else { return Ok(false) };
                table.insert($given, V::from_bytes(value))?;
                Ok(true)
            }
        }
    )*};
}

portable! {
    &'static str: &str, key => key;
    u32: u32, key => key;
    (u32, u32): (u32, u32), key => key;
    (u32, u64): (u32, u64), key => key;
    (u32, u128): (u32, u128), key => key;
    (u32, &'static str): (u32, &str), key => key;
    (u32, &'static str, u32): (u32, &str, u32), key => key;
    (u32, &'static str, &'static str): (u32, &str, &str), key => key;
    (u32, u32, u64, u32): (u32, u32, u64, u32), key => key;
    (u32, &'static [u8; 32]): (u32, [u8; 32]), (no, digest) => (no, &digest);
    &'static [u8; 32]: [u8; 32], digest => &digest;
}

impl RedbStore {
    /// Writes everything that is stored, as it is at one commit, to `out`. Others read and commit meanwhile; what they free is not used again
    /// before this is over, so a backup that takes long makes the file grow.
    pub(super) fn write_backup(&self, out: &mut dyn Write) -> Result<Summary, BackupError> {
        let snapshot = self.read()?;
        let mut writer = Writer::begin(out)?;
        macro_rules! write_all {
            ($($table:ident)*) => {
                $(write_table(&snapshot.table($table)?, $table, &mut writer)?;)*
            };
        }
        for_every_table!(write_all);
        writer.end()
    }
}

fn write_table<K: Portable, V: Value + 'static>(
    table: &impl ReadableTable<K, V>,
    definition: TableDefinition<K, V>,
    writer: &mut Writer<'_>,
) -> Result<(), BackupError> {
    writer.table(definition.name())?;
    for found in table.iter().map_err(StoreError::from)? {
        let (key, value) = found.map_err(StoreError::from)?;
        writer.row(&K::written(&key.value()), V::as_bytes(&value.value()).as_ref())?;
    }
    Ok(())
}

/// A data file made of a backup, which has no name yet. Dropped, it is gone.
#[derive(Debug)]
pub struct Restored {
    /// None: it was kept.
    store: Option<RedbStore>,
    dir: PathBuf,
    /// Locked: of two that restore here, the second finds what the first made.
    folder: File,
    summary: Summary,
}

/// Makes a data file in `dir` of a backup. The backup is read once; what it says was checked against its digest when this returns.
///
/// # Errors
/// [`RestoreError`]; nothing is left but the directory.
pub fn restore(from: impl Read, dir: &Path) -> Result<Restored, RestoreError> {
    let at_dir = |error: std::io::Error| RestoreError::from(disk_at(dir, &error));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at_dir)?;
    let folder = File::open(dir).map_err(at_dir)?;
    folder.lock().map_err(at_dir)?;
    for entry in fs::read_dir(dir).map_err(at_dir)? {
        // What a restore left that was killed.
        if entry.map_err(at_dir)?.file_name() != DRAFT_NAME {
            return Err(RestoreError::NotEmpty(dir.to_owned()));
        }
    }
    let draft = Draft(dir.join(DRAFT_NAME));
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft.0).map_err(at_dir)?;
    let database = database(&draft.0)?;
    let summary = fill(&database, from)?;
    let store = RedbStore::prepared(database)?;
    draft.keep();
    Ok(Restored { store: Some(store), dir: dir.to_owned(), folder, summary })
}

impl Restored {
    /// What the backup held.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Gives the file its name: from now on there is a data directory.
    ///
    /// # Errors
    /// What the disk says; the file is gone.
    pub fn keep(mut self) -> Result<(), StoreError> {
        let store = self.store.take().expect("it is kept once");
        let draft = Draft(self.dir.join(DRAFT_NAME));
        super::super::Store::close(&store)?;
        // Lets go of the file.
        drop(store);
        let disk = |error: std::io::Error| disk_at(&self.dir, &error);
        fs::rename(&draft.0, self.dir.join(FILE_NAME)).map_err(disk)?;
        draft.keep();
        self.folder.sync_all().map_err(disk)
    }
}

impl Deref for Restored {
    type Target = dyn super::super::Store;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref().expect("it is there until it is kept")
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            drop(store);
            drop(Draft(self.dir.join(DRAFT_NAME)));
        }
    }
}

fn fill(database: &Database, from: impl Read) -> Result<Summary, RestoreError> {
    let mut reader = Reader::begin(from)?;
    let mut part = reader.next()?;
    let mut is_known = false;
    loop {
        let name = match part {
            Part::Table(name) => name,
            Part::End(_) if !is_known => return Err(RestoreError::Damaged("it has no table `meta`".to_owned())),
            Part::End(summary) => return Ok(summary),
            Part::Row { .. } => return Err(RestoreError::Damaged("a row belongs to no table".to_owned())),
        };
        if !is_known && name != META.name() {
            return Err(RestoreError::Damaged("its first table is not `meta`".to_owned()));
        }
        macro_rules! fill_the_one {
            ($($table:ident)*) => {
                match name.as_str() {
                    $(name if name == $table.name() => fill_table(database, $table, &mut reader)?,)*
                    _ => return Err(RestoreError::Damaged(format!("it has a table `{name}`, which this release does not know"))),
                }
            };
        }
        part = for_every_table!(fill_the_one);
        if !is_known {
            must_be_known(database)?;
            is_known = true;
        }
    }
}

/// Inserts the rows of one table, and gives what comes behind them.
fn fill_table<K: Portable, V: Value + 'static>(
    database: &Database,
    definition: TableDefinition<K, V>,
    reader: &mut Reader<impl Read>,
) -> Result<Part, RestoreError> {
    loop {
        let transaction = database.begin_write().map_err(StoreError::from)?;
        let behind = {
            let mut table = transaction.open_table(definition).map_err(StoreError::from)?;
            let mut len = 0;
            loop {
                match reader.next()? {
                    Part::Row { key, value } => {
                        if !K::insert(&mut table, &key, &value)? {
                            return Err(RestoreError::Damaged(format!("a row of `{}` has no key", definition.name())));
                        }
                        len += key.len() + value.len();
                        if len >= CHUNK_LEN {
                            break None;
                        }
                    }
                    behind => break Some(behind),
                }
            }
        };
        transaction.commit().map_err(StoreError::from)?;
        if let Some(behind) = behind {
            return Ok(behind);
        }
    }
}

/// Told before the rest is read: rows of a later format would only look damaged.
fn must_be_known(database: &Database) -> Result<(), RestoreError> {
    let meta = database.begin_read().map_err(StoreError::from)?.open_table(META).map_err(StoreError::from)?;
    let Some(format) = meta.get(FORMAT).map_err(StoreError::from)? else {
        return Err(RestoreError::Damaged("it does not say which format it has".to_owned()));
    };
    let NumberRow(found) = decode(format.value(), || "meta format".to_owned())?;
    if found > FILE_FORMAT {
        return Err(StoreError::Format { found, known: FILE_FORMAT }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_has_every_table_of_the_file() {
        let folder = std::env::temp_dir().join(format!("amends-backup-{}", std::process::id()));
        let store = RedbStore::open(&folder).expect("a new data directory");
        let transaction = store.database.begin_read().expect("it can be read");
        let mut there: Vec<_> = transaction.list_tables().expect("it can be read").map(|table| table.name().to_owned()).collect();
        macro_rules! names {
            ($($table:ident)*) => { vec![$($table.name().to_owned()),*] };
        }
        let mut backed_up: Vec<String> = for_every_table!(names);
        there.sort();
        backed_up.sort();
        assert_eq!(backed_up, there);
        drop((transaction, store));
        std::fs::remove_dir_all(folder).expect("it was made here");
    }
}
