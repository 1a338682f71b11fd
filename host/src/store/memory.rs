//! The store in memory: maps that are obviously right. For tests, and as the model that the file is compared with.

use super::rows::{CursorChange, OpenChange, SecretUse, TenantRows, derive, goes_on, head_behind, part_of_journal};
use super::{Commit, LaneRow, OpenRun, PAGE_LEN_MAX, RunRecord, SagaRow, Store, StoreError, Value, WebhookCursor};
use amends_domain::audit::{Head, Kept, Sealed};
use amends_domain::digest::Digest;
use amends_domain::event::{HostGrant, RemovedRun, Resolvers, TenantEntry};
use amends_domain::id::{Lane, PluginName, RunId, SagaName, SecretName, TenantId, WebhookName};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::RunHead;
use amends_domain::time::Timestamp;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What really became of a commit that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not there.
    Lost,
    /// It is there; only its caller does not know.
    Kept,
}

/// A store that ends with its process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    commits: AtomicU64,
}

/// While it lives, every commit and every answer waits.
#[derive(Debug)]
#[expect(dead_code, reason = "it is there to be dropped")]
pub struct Hold<'a>(MutexGuard<'a, Tables>);

#[derive(Debug, Default)]
struct Tables {
    phase: Phase,
    tenants: BTreeMap<TenantId, Tenant>,
    components: BTreeMap<Digest, Bytes>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Phase {
    #[default]
    Open,
    /// The next commit fails.
    Failing(Fate),
    Closed,
}

#[derive(Debug, Default)]
struct Tenant {
    lanes: BTreeMap<Lane, Vec<Sealed>>,
    state_version: u64,
    /// Lane, number of the last record, head.
    runs: BTreeMap<RunId, (Lane, u64, RunHead)>,
    open_runs: BTreeMap<RunId, Option<Timestamp>>,
    runs_with_dead_letters: BTreeSet<RunId>,
    resolvers: Resolvers,
    state: BTreeMap<String, Value>,
    keys: BTreeMap<String, (RunId, Digest)>,
    sagas: BTreeMap<(SagaName, u32), Digest>,
    definitions: BTreeMap<Digest, Payload>,
    plugins: BTreeMap<PluginName, Digest>,
    facts: BTreeMap<(Lane, u64, u32), TenantEntry>,
    grants: BTreeMap<(PluginName, String), HostGrant>,
    secrets: BTreeMap<SecretName, Digest>,
    secret_grants: BTreeSet<(SecretName, PluginName)>,
    webhooks: BTreeMap<WebhookName, WebhookCursor>,
    usage: Usage,
}

impl MemoryStore {
    /// A store without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next commit give an error, whatever becomes of it.
    pub fn fail_next_commit(&self, fate: Fate) {
        self.tables().phase = Phase::Failing(fate);
    }

    /// Makes commits wait, as a slow disk does.
    pub fn hold(&self) -> Hold<'_> {
        Hold(self.tables())
    }

    /// How many commits were begun.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `answer` says about a tenant; nothing if the tenant has nothing.
    fn of_tenant<T: Default>(&self, tenant: &TenantId, answer: impl FnOnce(&Tenant) -> T) -> T {
        self.tables().tenants.get(tenant).map(answer).unwrap_or_default()
    }
}

impl Store for MemoryStore {
    fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.commits.fetch_add(1, Ordering::AcqRel);
        let mut tables = self.tables();
        let phase = tables.phase;
        match phase {
            Phase::Open => {}
            Phase::Failing(_) => tables.phase = Phase::Open,
            Phase::Closed => panic!("nothing is committed to a store that was closed"),
        }
        if phase != Phase::Failing(Fate::Lost) {
            tables.apply(commit)?;
        }
        match phase {
            Phase::Failing(_) => Err(StoreError::Disk("this commit was told to fail".into())),
            Phase::Open | Phase::Closed => Ok(()),
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        self.tables().phase = Phase::Closed;
        Ok(())
    }

    fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        let tables = self.tables();
        let rows = tables.tenants.iter().flat_map(|(tenant, rows)| {
            rows.lanes.keys().map(|lane| LaneRow {
                tenant: tenant.clone(),
                lane: *lane,
                head: rows.head(tenant, *lane),
                state_version: rows.state_version,
            })
        });
        Ok(rows.collect())
    }

    fn open_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<OpenRun>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.of_tenant(tenant, |rows| {
            let range = rows.open_runs.range((from, Bound::Unbounded)).take(limit.min(PAGE_LEN_MAX));
            range.map(|(run, due)| OpenRun { run: *run, due: *due }).collect()
        }))
    }

    fn runs_with_dead_letters(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.of_tenant(tenant, |rows| {
            rows.runs_with_dead_letters.range((from, Bound::Unbounded)).take(limit.min(PAGE_LEN_MAX)).copied().collect()
        }))
    }

    fn resolvers(&self, tenant: &TenantId) -> Result<Resolvers, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.resolvers))
    }

    fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunHead>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.runs.get(&run).map(|row| row.2.clone())))
    }

    fn runs(&self, tenant: &TenantId, before: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.of_tenant(tenant, |rows| {
            let range = rows.runs.range((Bound::Unbounded, to)).rev().take(limit.min(PAGE_LEN_MAX));
            range.map(|(run, row)| (*run, row.2.clone())).collect()
        }))
    }

    fn oldest_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.of_tenant(tenant, |rows| {
            let range = rows.runs.range((from, Bound::Unbounded)).take(limit.min(PAGE_LEN_MAX));
            range.map(|(run, row)| (*run, row.2.clone())).collect()
        }))
    }

    fn last_record(&self, tenant: &TenantId, run: RunId) -> Result<Option<u64>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.runs.get(&run).map(|row| row.1)))
    }

    fn records_of_run(&self, tenant: &TenantId, run: RunId) -> Result<Vec<RunRecord>, StoreError> {
        let found = self.of_tenant(tenant, |rows| rows.runs.get(&run).map(|(lane, last, _)| (*lane, *last)));
        let Some((lane, last)) = found else { return Ok(Vec::new()) };
        let damaged =
            |seq: u64, what: String| StoreError::Damaged { place: format!("{tenant} lane {} record {seq}", lane.0), what };
        let mut parts = Vec::new();
        let mut next = Some(last);
        while let Some(seq) = next {
            let record = self.records(tenant, lane, seq, 1)?.pop().ok_or_else(|| damaged(seq, "it is missing".to_owned()))?;
            let part =
                part_of_journal(run, seq, record.kept.body().map_or(&[][..], |body| body)).map_err(|what| damaged(seq, what))?;
            next = part.previous;
            parts.push(RunRecord { seq, len: record.kept.body_len(), entries: part.entries });
        }
        parts.reverse();
        Ok(parts)
    }

    fn records(&self, tenant: &TenantId, lane: Lane, from: u64, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| {
            let chain = rows.lanes.get(&lane).map_or(&[][..], Vec::as_slice);
            // Record n is at place n - 1.
            let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
            chain.iter().skip(skipped).take(limit.min(PAGE_LEN_MAX)).cloned().collect()
        }))
    }

    fn state(&self, tenant: &TenantId, key: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.state.get(key).cloned()))
    }

    fn states(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.of_tenant(tenant, |rows| {
            let range = rows.state.range::<str, _>((from, Bound::Unbounded)).take(limit.min(PAGE_LEN_MAX));
            range.map(|(key, value)| (key.clone(), value.clone())).collect()
        }))
    }

    fn run_of_key(&self, tenant: &TenantId, key: &str) -> Result<Option<(RunId, Digest)>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.keys.get(key).copied()))
    }

    fn saga(&self, tenant: &TenantId, saga: &SagaName) -> Result<Option<SagaRow>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| {
            let newest = rows.sagas.iter().rfind(|((name, _), _)| name == saga);
            newest.map(|((_, version), definition)| SagaRow { version: *version, definition: *definition })
        }))
    }

    fn saga_version(&self, tenant: &TenantId, saga: &SagaName, version: u32) -> Result<Option<SagaRow>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| {
            let found = rows.sagas.get(&(saga.clone(), version));
            found.map(|definition| SagaRow { version, definition: *definition })
        }))
    }

    fn sagas(&self, tenant: &TenantId, after: Option<&SagaName>, limit: usize) -> Result<Vec<(SagaName, SagaRow)>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| {
            let behind = rows.sagas.iter().filter(|((name, _), _)| after.is_none_or(|after| name > after));
            let newest: BTreeMap<&SagaName, SagaRow> = behind
                .map(|((name, version), definition)| (name, SagaRow { version: *version, definition: *definition }))
                .collect();
            newest.into_iter().take(limit.min(PAGE_LEN_MAX)).map(|(name, row)| (name.clone(), row)).collect()
        }))
    }

    fn definition(&self, tenant: &TenantId, digest: Digest) -> Result<Option<Payload>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.definitions.get(&digest).cloned()))
    }

    fn grants(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<HostGrant>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| {
            let of_plugin = rows.grants.iter().filter(|((of, _), _)| of == plugin);
            of_plugin.map(|(_, grant)| grant.clone()).collect()
        }))
    }

    fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Digest)>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.secrets.iter().map(|(name, sealed)| (name.clone(), *sealed)).collect()))
    }

    fn secret_grants(&self, tenant: &TenantId) -> Result<Vec<(SecretName, PluginName)>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.secret_grants.iter().cloned().collect()))
    }

    fn plugin(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Digest>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.plugins.get(plugin).copied()))
    }

    fn plugins(
        &self,
        tenant: &TenantId,
        after: Option<&PluginName>,
        limit: usize,
    ) -> Result<Vec<(PluginName, Digest)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.of_tenant(tenant, |rows| {
            let range = rows.plugins.range::<PluginName, _>((from, Bound::Unbounded)).take(limit.min(PAGE_LEN_MAX));
            range.map(|(plugin, component)| (plugin.clone(), *component)).collect()
        }))
    }

    fn tenant_facts(&self, tenant: &TenantId) -> Result<Vec<TenantEntry>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.facts.values().cloned().collect()))
    }

    fn webhook_cursors(&self, tenant: &TenantId) -> Result<Vec<(WebhookName, WebhookCursor)>, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.webhooks.iter().map(|(name, cursor)| (name.clone(), *cursor)).collect()))
    }

    fn keep_webhook_cursors(&self, cursors: &[(TenantId, WebhookName, WebhookCursor)]) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for (tenant, webhook, cursor) in cursors {
            let stored = tables.tenants.get_mut(tenant).and_then(|rows| rows.webhooks.get_mut(webhook));
            if let Some(stored) = stored.filter(|stored| goes_on(stored, cursor)) {
                *stored = *cursor;
            }
        }
        Ok(())
    }

    fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        Ok(self.of_tenant(tenant, |rows| rows.usage))
    }

    fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.tables().components.get(&digest).cloned())
    }
}

impl Tables {
    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let none = Tenant::default();
        for lane in &commit.lanes {
            let head = self.tenants.get(&lane.tenant).unwrap_or(&none).head(&lane.tenant, lane.lane);
            head_behind(head, lane)?;
        }
        for lane in &commit.lanes {
            let chain = self.tenants.entry(lane.tenant.clone()).or_default().lanes.entry(lane.lane).or_default();
            chain.extend(lane.records.iter().map(|(sealed, _)| sealed.clone()));
        }
        for (digest, bytes) in &commit.components {
            self.components.entry(*digest).or_insert_with(|| bytes.clone());
        }
        for (tenant, rows) in derive(commit) {
            self.tenants.entry(tenant.clone()).or_default().apply(&rows);
            rows.destroyed.iter().for_each(|sealed| drop(self.components.remove(sealed)));
        }
        Ok(())
    }
}

impl Tenant {
    fn remove(&mut self, lane: Lane, removed: &RemovedRun) {
        self.runs.remove(&removed.run);
        self.runs_with_dead_letters.remove(&removed.run);
        self.keys.retain(|_, (run, _)| *run != removed.run);
        let chain = self.lanes.get_mut(&lane).expect("the fact of it is in the lane");
        for record in chain.iter_mut().filter(|record| removed.records.contains(&record.seq)) {
            record.kept = Kept::Digest(record.kept.digest());
        }
    }

    fn head(&self, tenant: &TenantId, lane: Lane) -> Head {
        let last = self.lanes.get(&lane).and_then(|chain| chain.last());
        last.map_or_else(|| Head::genesis(tenant, lane), |record| Head { seq: record.seq, link: record.link })
    }

    fn apply(&mut self, rows: &TenantRows<'_>) {
        self.resolvers = rows.resolvers.unwrap_or(self.resolvers);
        self.state_version = self.state_version.max(rows.state_version);
        self.usage += rows.usage;
        for (run, change) in &rows.runs {
            self.runs.insert(*run, (change.lane, change.last, change.head.clone()));
            match change.open {
                OpenChange::Put(due) => drop(self.open_runs.insert(*run, due)),
                OpenChange::Remove | OpenChange::Never => drop(self.open_runs.remove(run)),
            }
            if change.has_dead_letters {
                self.runs_with_dead_letters.insert(*run);
            } else {
                self.runs_with_dead_letters.remove(run);
            }
        }
        for write in rows.writes.values() {
            if self.state.get(&write.key).is_some_and(|stored| stored.version >= write.version) {
                continue;
            }
            match &write.value {
                Some(value) => self.state.insert(write.key.clone(), Value { version: write.version, value: value.clone() }),
                None => self.state.remove(&write.key),
            };
        }
        for (key, found) in &rows.keys {
            self.keys.entry((*key).to_owned()).or_insert(*found);
        }
        self.sagas.extend(rows.sagas.iter().map(|(saga, version, definition)| (((*saga).clone(), *version), *definition)));
        self.definitions.extend(rows.definitions.iter().map(|(digest, document)| (*digest, (*document).clone())));
        for (plugin, component) in &rows.plugins {
            match component {
                Some(component) => self.plugins.insert((*plugin).clone(), *component),
                None => self.plugins.remove(*plugin),
            };
        }
        for (lane, removed) in &rows.removed {
            self.remove(*lane, removed);
        }
        self.facts.extend(rows.facts.iter().map(|(place, entry)| (*place, (*entry).clone())));
        for (name, sealed) in &rows.secrets {
            match sealed {
                Some(sealed) => self.secrets.insert((*name).clone(), *sealed),
                None => self.secrets.remove(*name),
            };
        }
        for ((secret, plugin), usage) in &rows.secret_grants {
            let grant = ((*secret).clone(), (*plugin).clone());
            match usage {
                SecretUse::Granted => self.secret_grants.insert(grant),
                SecretUse::Withdrawn => self.secret_grants.remove(&grant),
            };
        }
        for (webhook, change) in &rows.webhooks {
            match change {
                CursorChange::Begin(cursor) => drop(self.webhooks.entry((*webhook).clone()).or_insert(*cursor)),
                CursorChange::BeginAnew(cursor) => drop(self.webhooks.insert((*webhook).clone(), *cursor)),
                CursorChange::Remove => drop(self.webhooks.remove(*webhook)),
            }
        }
        for ((plugin, place), grant) in &rows.grants {
            let key = ((*plugin).clone(), place.clone());
            match grant {
                Some(grant) => drop(self.grants.insert(key, (*grant).clone())),
                None => drop(self.grants.remove(&key)),
            }
        }
    }
}
