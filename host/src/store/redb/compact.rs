//! The data file made as small as what is in it: all rows, in the order of their keys, into a new file that takes the place of the old one. Pages are
//! left half empty where keys came in any other order, and only a copy fills them.

use super::super::{Store, StoreError};
use super::RedbStore;
use super::file::{Draft, FILE_NAME, database, disk_at};
use super::tables::{
    COMPONENTS, DEAD_LETTERS, DEFINITIONS, GRANTS, KEYS, LANES, META, OPEN_RUNS, PLUGINS, RECORDS, RESOLVERS, RUNS, SAGAS,
    SECRET_GRANTS, SECRETS, STATE, TENANT_FACTS, TENANTS, USAGE, WEBHOOKS, for_every_table,
};
use ::redb::{Database, Key, ReadableTable, TableDefinition, Value};
use std::fs::{File, OpenOptions, rename};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What the new file is called until it is whole.
pub(super) const DRAFT_NAME: &str = "amends.compacting";

/// As many bytes are inserted in one transaction: 64 MiB, or one row.
const CHUNK_LEN: usize = 64 * 1024 * 1024;

/// What compacting a data file gave: its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// Now.
    pub after: u64,
}

impl RedbStore {
    /// Makes the data file in `dir`, which this is, as small as what is in it, and says how long it was and is. Reads and writes all of it, and needs as
    /// much room again as it will have. A process that dies meanwhile leaves the old file or the new one.
    ///
    /// # Errors
    /// What the disk says; the old file stays.
    pub fn compact(self, dir: &Path) -> Result<Compacted, StoreError> {
        // This one is locked until the new one has its name.
        let compacted = self.replace(dir);
        self.close()?;
        compacted
    }

    fn replace(&self, dir: &Path) -> Result<Compacted, StoreError> {
        let path = dir.join(FILE_NAME);
        let disk = |error: std::io::Error| disk_at(&path, &error);
        let len = || path.metadata().map(|found| found.len()).map_err(disk);
        let before = len()?;
        let draft = Draft(dir.join(DRAFT_NAME));
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft.0).map_err(disk)?;
        let mut copy = database(&draft.0)?;
        self.copy_into(&copy)?;
        // What the transactions of the copy left behind.
        copy.compact().map_err(|error| StoreError::Disk(Box::new(error)))?;
        Self::prepared(copy)?.close()?;
        rename(&draft.0, &path).map_err(disk)?;
        draft.keep();
        File::open(dir).and_then(|folder| folder.sync_all()).map_err(disk)?;
        Ok(Compacted { before, after: len()? })
    }

    fn copy_into(&self, copy: &Database) -> Result<(), StoreError> {
        let snapshot = self.read()?;
        macro_rules! copy_all {
            ($($table:ident)*) => {
                $(copy_table(&snapshot.table($table)?, $table, copy)?;)*
            };
        }
        for_every_table!(copy_all);
        Ok(())
    }
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &impl ReadableTable<K, V>,
    definition: TableDefinition<K, V>,
    copy: &Database,
) -> Result<(), StoreError> {
    let mut rows = from.iter()?;
    let mut is_whole = false;
    while !is_whole {
        let transaction = copy.begin_write()?;
        let mut table = transaction.open_table(definition)?;
        let mut len = 0;
        is_whole = loop {
            let Some(row) = rows.next() else { break true };
            let (key, value) = row?;
            len += K::as_bytes(&key.value()).as_ref().len() + V::as_bytes(&value.value()).as_ref().len();
            table.insert(key.value(), value.value())?;
            if len >= CHUNK_LEN {
                break false;
            }
        };
        drop(table);
        transaction.commit()?;
    }
    Ok(())
}
