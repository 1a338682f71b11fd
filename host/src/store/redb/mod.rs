//! The store in one redb file. Here: closing and the answers; how the file is opened is in `file`, what is written in `write`, how a row is found in `read`,
//! what a row looks like in `tables` and `record`, how all of it leaves and comes back in `backup`, how less of it is left in `removal`, `collect` and `compact`.

mod backup;
mod collect;
mod compact;
mod file;
mod read;
mod record;
mod removal;
mod tables;
mod write;

pub use backup::{Restored, restore};
pub use collect::Collected;
pub use compact::Compacted;

use super::backup::{BackupError, Summary};
use super::rows::part_of_journal;
use super::{Commit, Counts, LaneRow, OpenRun, PAGE_LEN_MAX, RunRecord, SagaRow, Store, StoreError, Value, WebhookCursor, rows};
use ::redb::{AccessGuard, Database, ReadableDatabase, ReadableTableMetadata, StorageError};
use amends_domain::audit::{Head, Sealed};
use amends_domain::digest::Digest;
use amends_domain::event::{HostGrant, Resolvers, TenantEntry};
use amends_domain::id::{Lane, NameError, PluginName, RunId, SagaName, SecretName, TenantId, WebhookName};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::RunHead;
use bytes::Bytes;
use file::{FILE_NAME, disk_at};
use read::Snapshot;
use std::io::Write;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tables::{
    COMPONENTS, DEAD_LETTERS, DEFINITIONS, Ending, GRANTS, KEYS, LANES, OPEN_RUNS, PLUGINS, RECORDS, RESOLVERS, RUNS, SAGAS,
    SECRET_GRANTS, SECRETS, STATE, TENANT_FACTS, USAGE, WEBHOOKS, decode,
};

/// Behind every name and every place that is granted: they are visible ASCII.
const NAMES_END: &str = "\u{7f}";

/// The store in one file, `amends.redb` in its directory.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    /// None: it is over something else than a file.
    path: Option<PathBuf>,
    closed: AtomicBool,
}

impl RedbStore {
    fn read(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.database.begin_read()?))
    }
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

    fn counts(&self) -> Result<Counts, StoreError> {
        let snapshot = self.read()?;
        let file = self.path.as_ref().map(|path| path.metadata().map_err(|error| disk_at(path, &error))).transpose()?;
        Ok(Counts {
            open_runs: snapshot.table(OPEN_RUNS)?.len()?,
            runs_with_dead_letters: snapshot.table(DEAD_LETTERS)?.len()?,
            file_len: file.map_or(0, |file| file.len()),
        })
    }

    fn back_up(&self, out: &mut dyn Write) -> Result<Summary, BackupError> {
        self.write_backup(out)
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

    fn head(&self, tenant: &TenantId, lane: Lane) -> Result<Head, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Head::genesis(tenant, lane)) };
        let Some(row) = snapshot.table(LANES)?.get((no, lane.0))? else { return Ok(Head::genesis(tenant, lane)) };
        Ok(decode::<tables::LaneStored>(row.value(), || format!("lanes {tenant} {}", lane.0))?.head)
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
        range.rev().take(limit.min(PAGE_LEN_MAX)).map(|found| head_of(found?, tenant)).collect()
    }

    fn oldest_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let Some(from) = after.map_or(Some(0), |run| run.0.checked_add(1)) else { return Ok(Vec::new()) };
        let table = snapshot.table(RUNS)?;
        let found = table.range((no, from)..=(no, u128::MAX))?.take(limit.min(PAGE_LEN_MAX));
        found.map(|found| head_of(found?, tenant)).collect()
    }

    fn last_record(&self, tenant: &TenantId, run: RunId) -> Result<Option<u64>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(None) };
        Ok(snapshot.run(no, tenant, run)?.map(|row| row.last))
    }

    fn records_of_run(&self, tenant: &TenantId, run: RunId) -> Result<Vec<RunRecord>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let Some(row) = snapshot.run(no, tenant, run)? else { return Ok(Vec::new()) };
        let damaged =
            |seq: u64, what: String| StoreError::Damaged { place: format!("{tenant} lane {} record {seq}", row.lane), what };
        let lane_no =
            snapshot.lane_no(no, tenant, Lane(row.lane))?.ok_or_else(|| damaged(row.last, "there is no such lane".to_owned()))?;
        let table = snapshot.table(RECORDS)?;
        let mut parts = Vec::new();
        let mut next = Some(row.last);
        while let Some(seq) = next {
            let found = table.get((lane_no, seq))?.ok_or_else(|| damaged(seq, format!("it is missing in the journal of {run}")))?;
            let body = record::read(found.value()).and_then(|(_, body)| body.whole()).map_err(|what| damaged(seq, what))?;
            let part = part_of_journal(run, seq, &body).map_err(|what| damaged(seq, what))?;
            next = part.previous;
            parts.push(RunRecord { seq, len: body.len(), entries: part.entries });
        }
        parts.reverse();
        Ok(parts)
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
                let place = || format!("{tenant} lane {} record {seq}", lane.0);
                let (link, body) = record::read(row.value()).map_err(|what| StoreError::Damaged { place: place(), what })?;
                Ok(Sealed { seq, link, kept: body.kept() })
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

    fn webhook_cursors(&self, tenant: &TenantId) -> Result<Vec<(WebhookName, WebhookCursor)>, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Vec::new()) };
        let table = snapshot.table(WEBHOOKS)?;
        let found = table.range((no, "")..=(no, NAMES_END))?;
        found
            .map(|found| {
                let (key, row) = found?;
                let name = key.value().1;
                let place = || format!("webhooks {tenant} {name}");
                let row: tables::CursorRow = decode(row.value(), place)?;
                Ok((named(name, place)?, row.into()))
            })
            .collect()
    }

    fn keep_webhook_cursors(&self, cursors: &[(TenantId, WebhookName, WebhookCursor)]) -> Result<(), StoreError> {
        // What comes behind the end is sent again by the next process.
        if cursors.is_empty() || self.closed.load(Ordering::Acquire) { Ok(()) } else { self.keep_cursors(cursors) }
    }

    fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        let snapshot = self.read()?;
        let Some(no) = snapshot.tenant_no(tenant)? else { return Ok(Usage::default()) };
        let Some(row) = snapshot.table(USAGE)?.get(no)? else { return Ok(Usage::default()) };
        Ok(tables::decode_usage(row.value(), || format!("usage {tenant}"))?.0)
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

/// The run of a row in the table of runs, and its head.
fn head_of(
    (key, row): (AccessGuard<'_, (u32, u128)>, AccessGuard<'_, &[u8]>),
    tenant: &TenantId,
) -> Result<(RunId, RunHead), StoreError> {
    let run = RunId(key.value().1);
    Ok((run, read::run_row(row.value(), tenant, run)?.head))
}
