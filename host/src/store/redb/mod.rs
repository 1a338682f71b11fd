//! The store in one redb file. Here: opening, closing and the answers; what is written is in `write`, how a row is found in `read`,
//! what a row looks like in `tables`.

mod read;
mod tables;
mod write;

use super::rows::part_of_journal;
use super::{Commit, LaneRow, OpenRun, PAGE_LEN_MAX, SagaRow, Store, StoreError, VERIFY_TAIL_LEN, Value, rows, verify_tail};
use ::redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError};
use amends_domain::audit::{Head, Sealed};
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, HostGrant, Resolvers, TenantEntry};
use amends_domain::id::{Lane, NameError, PluginName, RunId, SagaName, SecretName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::RunHead;
use bytes::Bytes;
use read::Snapshot;
use std::fs::{DirBuilder, File, OpenOptions};
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tables::{
    COMPONENTS, DEAD_LETTERS, DEFINITIONS, Ending, GRANTS, KEYS, LANES, OPEN_RUNS, PLUGINS, RECORDS, RESOLVERS, RUNS, SAGAS,
    SECRET_GRANTS, SECRETS, STATE, TENANT_FACTS, USAGE, decode,
};

/// The name of the data file in its directory.
const FILE_NAME: &str = "amends.redb";

/// Behind every name and every place that is granted: they are visible ASCII.
const NAMES_END: &str = "\u{7f}";

/// Memory for pages of the file: 256 MiB. More only helps where the open runs and the state are larger than that.
const CACHE_LEN_MAX: usize = 256 * 1024 * 1024;

/// The store in one file, `amends.redb` in its directory.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    closed: AtomicBool,
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
        Self::prepared(database(&path)?)
    }

    /// As [`RedbStore::open`], over something else than a file: a disk that a simulation takes the power from.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn over(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::prepared(Builder::new().set_cache_size(CACHE_LEN_MAX).create_with_backend(backend)?)
    }

    fn prepared(database: Database) -> Result<Self, StoreError> {
        let store = Self { database, closed: AtomicBool::new(false) };
        if store.prepare()? == Ending::Unclean {
            verify_tail(&store, VERIFY_TAIL_LEN)?;
        }
        Ok(store)
    }

    fn read(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.database.begin_read()?))
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

fn database(path: &Path) -> Result<Database, StoreError> {
    Builder::new().set_cache_size(CACHE_LEN_MAX).create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError::InUse(path.display().to_string()),
        error => error.into(),
    })
}

impl Store for RedbStore {
    fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        assert!(!self.closed.load(Ordering::Acquire), "nothing is committed to a store that was closed");
        self.write(commit, &rows::derive(commit))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::Release);
        self.mark(Ending::Clean)
    }

    fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        let snapshot = self.read()?;
        let mut rows = Vec::new();
        for (tenant, tenant_row) in snapshot.tenants()? {
            for found in snapshot.table(LANES)?.range((tenant_row.no, 0)..=(tenant_row.no, u32::MAX))? {
                let (key, row) = found?;
                let lane = key.value().1;
                let head: Head = decode::<tables::LaneStored>(row.value(), || format!("lanes {tenant} {lane}"))?.head;
                rows.push(LaneRow { tenant: tenant.clone(), lane: Lane(lane), head, state_version: tenant_row.state_version });
            }
        }
        Ok(rows)
    }

    fn open_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<OpenRun>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        // The greatest id has none behind it.
        let Some(from) = after.map_or(Some(0), |run| run.0.checked_add(1)) else { return Ok(Vec::new()) };
        let table = snapshot.table(OPEN_RUNS)?;
        let found = table.range((no, from)..=(no, u128::MAX))?.take(limit.min(PAGE_LEN_MAX));
        found
            .map(|found| {
                let (key, row) = found?;
                let run = RunId(key.value().1);
                let row: tables::OpenRow = decode(row.value(), || format!("open_runs {tenant} {run}"))?;
                Ok(OpenRun { run, due: row.due })
            })
            .collect()
    }

    fn runs_with_dead_letters(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let Some(from) = after.map_or(Some(0), |run| run.0.checked_add(1)) else { return Ok(Vec::new()) };
        let table = snapshot.table(DEAD_LETTERS)?;
        let found = table.range((no, from)..=(no, u128::MAX))?.take(limit.min(PAGE_LEN_MAX));
        found.map(|found| Ok(RunId(found?.0.value().1))).collect()
    }

    fn resolvers(&self, tenant: &TenantId) -> Result<Resolvers, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Resolvers::default()) };
        let Some(row) = snapshot.table(RESOLVERS)?.get(no)? else { return Ok(Resolvers::default()) };
        Ok(decode::<tables::ResolversRow>(row.value(), || format!("resolvers {tenant}"))?.0)
    }

    fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunHead>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        Ok(snapshot.run(no, tenant, run)?.map(|row| row.head))
    }

    fn runs(&self, tenant: &TenantId, before: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(RUNS)?;
        let range = match before {
            Some(run) => table.range((no, 0)..(no, run.0))?,
            None => table.range((no, 0)..=(no, u128::MAX))?,
        };
        range
            .rev()
            .take(limit.min(PAGE_LEN_MAX))
            .map(|found| {
                let (key, row) = found?;
                let run = RunId(key.value().1);
                Ok((run, read::run_row(row.value(), tenant, run)?.head))
            })
            .collect()
    }

    fn last_record(&self, tenant: &TenantId, run: RunId) -> Result<Option<u64>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        Ok(snapshot.run(no, tenant, run)?.map(|row| row.last))
    }

    fn journal(&self, tenant: &TenantId, run: RunId) -> Result<Option<Vec<Entry>>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        let Some(row) = snapshot.run(no, tenant, run)? else { return Ok(None) };
        let damaged =
            |seq: u64, what: String| StoreError::Damaged { place: format!("{tenant} lane {} record {seq}", row.lane), what };
        let lane_no =
            snapshot.lane_no(no, tenant, Lane(row.lane))?.ok_or_else(|| damaged(row.last, "there is no such lane".to_owned()))?;
        let table = snapshot.table(RECORDS)?;
        let mut parts = Vec::new();
        let mut next = Some(row.last);
        while let Some(seq) = next {
            let found = table.get((lane_no, seq))?.ok_or_else(|| damaged(seq, format!("it is missing in the journal of {run}")))?;
            let (_, body) = read::record(found.value()).ok_or_else(|| damaged(seq, "it is shorter than a link".to_owned()))?;
            let part = part_of_journal(run, seq, body).map_err(|what| damaged(seq, what))?;
            next = part.previous;
            parts.push(part.entries);
        }
        Ok(Some(parts.into_iter().rev().flatten().collect()))
    }

    fn records(&self, tenant: &TenantId, lane: Lane, from: u64, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let Some(lane_no) = snapshot.lane_no(no, tenant, lane)? else { return Ok(Vec::new()) };
        let table = snapshot.table(RECORDS)?;
        let found = table.range((lane_no, from)..=(lane_no, u64::MAX))?.take(limit.min(PAGE_LEN_MAX));
        found
            .map(|found| {
                let (key, row) = found?;
                let seq = key.value().1;
                let (link, body) = read::record(row.value()).ok_or_else(|| StoreError::Damaged {
                    place: format!("{tenant} lane {} record {seq}", lane.0),
                    what: "it is shorter than a link".to_owned(),
                })?;
                Ok(Sealed { seq, link, body: Bytes::copy_from_slice(body) })
            })
            .collect()
    }

    fn state(&self, tenant: &TenantId, key: &str) -> Result<Option<Value>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        let found = snapshot.table(STATE)?.get((no, key))?;
        found.map(|row| read::value(row.value(), tenant, key)).transpose()
    }

    fn states(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(STATE)?;
        // No key is between the last key of a tenant and the empty key of the next number.
        let Some(end) = no.checked_add(1) else { return Ok(Vec::new()) };
        let from = after.map_or(Bound::Included((no, "")), |key| Bound::Excluded((no, key)));
        table
            .range::<(u32, &str)>((from, Bound::Excluded((end, ""))))?
            .take(limit.min(PAGE_LEN_MAX))
            .map(|found| {
                let (key, row) = found?;
                let key = key.value().1;
                Ok((key.to_owned(), read::value(row.value(), tenant, key)?))
            })
            .collect()
    }

    fn run_of_key(&self, tenant: &TenantId, key: &str) -> Result<Option<(RunId, Digest)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        let Some(row) = snapshot.table(KEYS)?.get((no, key))? else { return Ok(None) };
        let row: tables::KeyRow = decode(row.value(), || format!("keys {tenant} {key}"))?;
        Ok(Some((row.run, row.input)))
    }

    fn saga(&self, tenant: &TenantId, saga: &SagaName) -> Result<Option<SagaRow>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        read::newest_saga(&snapshot.table(SAGAS)?, no, tenant, saga)
    }

    fn saga_version(&self, tenant: &TenantId, saga: &SagaName, version: u32) -> Result<Option<SagaRow>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        let Some(row) = snapshot.table(SAGAS)?.get((no, saga.as_str(), version))? else { return Ok(None) };
        let row: tables::DigestRow = decode(row.value(), || format!("sagas {tenant} {saga} {version}"))?;
        Ok(Some(SagaRow { version, definition: row.0 }))
    }

    fn sagas(&self, tenant: &TenantId, after: Option<&SagaName>, limit: usize) -> Result<Vec<(SagaName, SagaRow)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(SAGAS)?;
        let mut sagas: Vec<(SagaName, SagaRow)> = Vec::new();
        while sagas.len() < limit.min(PAGE_LEN_MAX) {
            // From name to name: a saga may have thousands of versions, of which only the newest is asked for.
            let last = sagas.last().map(|(name, _)| name.as_str()).or(after.map(SagaName::as_str));
            let from = last.map_or(Bound::Included((no, "", 0)), |name| Bound::Excluded((no, name, u32::MAX)));
            let to = Bound::Excluded((no, NAMES_END, 0));
            let Some(next) = table.range::<(u32, &str, u32)>((from, to))?.next() else { break };
            let (key, _) = next?;
            let saga: SagaName = named(key.value().1, || format!("sagas {tenant} {}", key.value().1))?;
            let newest = read::newest_saga(&table, no, tenant, &saga)?.expect("the snapshot has a version of it");
            sagas.push((saga, newest));
        }
        Ok(sagas)
    }

    fn definition(&self, tenant: &TenantId, digest: Digest) -> Result<Option<Payload>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        let found = snapshot.table(DEFINITIONS)?.get((no, &digest.0))?;
        found.map(|document| read::named_bytes(document.value(), digest, "definitions").map(Payload)).transpose()
    }

    fn grants(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<HostGrant>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(GRANTS)?;
        let name = plugin.as_str();
        let found = table.range((no, name, "")..=(no, name, NAMES_END))?;
        found
            .map(|found| {
                let (key, row) = found?;
                let row: tables::GrantRow = decode(row.value(), || format!("grants {tenant} {plugin} {}", key.value().2))?;
                Ok(row.0)
            })
            .collect()
    }

    fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Digest)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(SECRETS)?;
        let found = table.range((no, "")..=(no, NAMES_END))?;
        found
            .map(|found| {
                let (key, row) = found?;
                let name = key.value().1;
                let place = || format!("secrets {tenant} {name}");
                let sealed: tables::DigestRow = decode(row.value(), place)?;
                Ok((named(name, place)?, sealed.0))
            })
            .collect()
    }

    fn secret_grants(&self, tenant: &TenantId) -> Result<Vec<(SecretName, PluginName)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(SECRET_GRANTS)?;
        let found = table.range((no, "", "")..=(no, NAMES_END, ""))?;
        found
            .map(|found| {
                let key = found?.0;
                let (_, secret, plugin) = key.value();
                let place = || format!("secret_grants {tenant} {secret} {plugin}");
                Ok((named(secret, place)?, named(plugin, place)?))
            })
            .collect()
    }

    fn plugin(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Digest>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        let Some(row) = snapshot.table(PLUGINS)?.get((no, plugin.as_str()))? else { return Ok(None) };
        Ok(Some(decode::<tables::DigestRow>(row.value(), || format!("plugins {tenant} {plugin}"))?.0))
    }

    fn plugins(
        &self,
        tenant: &TenantId,
        after: Option<&PluginName>,
        limit: usize,
    ) -> Result<Vec<(PluginName, Digest)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let from = after.map_or(Bound::Included((no, "")), |plugin| Bound::Excluded((no, plugin.as_str())));
        let table = snapshot.table(PLUGINS)?;
        let found = table.range::<(u32, &str)>((from, Bound::Included((no, NAMES_END))))?.take(limit.min(PAGE_LEN_MAX));
        found
            .map(|found| {
                let (key, row) = found?;
                let name = key.value().1;
                let place = || format!("plugins {tenant} {name}");
                let component: tables::DigestRow = decode(row.value(), place)?;
                Ok((named(name, place)?, component.0))
            })
            .collect()
    }

    fn tenant_facts(&self, tenant: &TenantId) -> Result<Vec<TenantEntry>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(TENANT_FACTS)?;
        let found = table.range((no, 0, 0, 0)..=(no, u32::MAX, u64::MAX, u32::MAX))?;
        found
            .map(|found| {
                let (key, row) = found?;
                let (_, lane, seq, at) = key.value();
                let row: tables::FactRow = decode(row.value(), || format!("tenant_facts {tenant} lane {lane} record {seq} {at}"))?;
                Ok(row.0)
            })
            .collect()
    }

    fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Usage::default()) };
        let Some(row) = snapshot.table(USAGE)?.get(no)? else { return Ok(Usage::default()) };
        Ok(decode::<tables::UsageRow>(row.value(), || format!("usage {tenant}"))?.0)
    }

    fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        let found = self.read()?.table(COMPONENTS)?.get(&digest.0)?;
        found.map(|component| read::named_bytes(component.value(), digest, "components")).transpose()
    }
}

/// A name in a key.
fn named<T: std::str::FromStr<Err = NameError>>(name: &str, place: impl FnOnce() -> String) -> Result<T, StoreError> {
    name.parse().map_err(|error: NameError| StoreError::Damaged { place: place(), what: error.to_string() })
}

fn disk_at(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Disk(Box::new(std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))))
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupted(what) => Self::Damaged { place: FILE_NAME.to_owned(), what },
            error => Self::Disk(Box::new(error)),
        }
    }
}

macro_rules! disk_errors {
    ($($error:ident)*) => {$(
        impl From<::redb::$error> for StoreError {
            fn from(error: ::redb::$error) -> Self {
                match error {
                    ::redb::$error::Storage(error) => error.into(),
                    error => Self::Disk(Box::new(error)),
                }
            }
        }
    )*};
}

disk_errors! { CommitError DatabaseError TableError TransactionError }
