//! One commit, one transaction. Apart, because everything that changes the file is here.

use super::super::rows::{CursorChange, OpenChange, SecretUse, TenantRows, goes_on, head_behind};
use super::super::{Commit, LaneCommit, StoreError, WebhookCursor};
use super::RedbStore;
use super::read::{lane_row, tenant_row, value};
use super::record;
use super::removal::remove_runs;
use super::tables::{
    COMPONENTS, CursorRow, DEAD_LETTERS, DEFINITIONS, DigestRow, Ending, FILE_FORMAT, FactRow, GRANTS, GrantRow, KEYS, KeyRow,
    LANES, LaneStored, META, NumberRow, OPEN_RUNS, OpenRow, PLUGINS, RECORDS, RESOLVERS, RUNS, ResolversRow, RunRow, SAGAS,
    SECRET_GRANTS, SECRETS, STATE, StateRow, TENANT_FACTS, TENANTS, TenantRow, USAGE, UsageRow, WEBHOOKS, decode, decode_run,
    decode_usage, encode, encode_run, encode_usage,
};
use ::redb::{Durability, ReadableTable, WriteTransaction};
use amends_domain::audit::{Body, Head, usage_of};
use amends_domain::event::{Outcome, Write};
use amends_domain::id::{RunId, TenantId, WebhookName};
use amends_domain::quota::Usage;
use amends_domain::run::RunStatus;
use std::collections::BTreeMap;

// The rows of META.
pub(super) const FORMAT: &str = "format";
const ENDING: &str = "ending";
const LAST_NO: &str = "last_no";

impl RedbStore {
    /// Makes the tables of a new file, checks the format of an old one, says how its last process left it and notes that it is open.
    pub(super) fn prepare(&self) -> Result<Ending, StoreError> {
        let transaction = self.begin()?;
        let ending = {
            let mut meta = transaction.open_table(META)?;
            let format = meta.get(FORMAT)?.map(|row| decode::<NumberRow>(row.value(), || place(FORMAT))).transpose()?;
            let ending = meta.get(ENDING)?.map(|row| decode::<Ending>(row.value(), || place(ENDING))).transpose()?;
            match format {
                Some(NumberRow(found)) if found > FILE_FORMAT => return Err(StoreError::Format { found, known: FILE_FORMAT }),
                Some(NumberRow(found)) => bring_up(&transaction, found)?,
                None => make_tables(&transaction)?,
            }
            meta.insert(FORMAT, &encode(&NumberRow(FILE_FORMAT))[..])?;
            meta.insert(ENDING, &encode(&Ending::Unclean)[..])?;
            // A new file has nothing to check.
            ending.unwrap_or(Ending::Clean)
        };
        transaction.commit()?;
        Ok(ending)
    }

    /// Notes how this process leaves the file.
    pub(super) fn mark(&self, ending: Ending) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        transaction.open_table(META)?.insert(ENDING, &encode(&ending)[..])?;
        Ok(transaction.commit()?)
    }

    /// Writes a commit and the rows that follow from it. A transaction that is dropped on the way leaves nothing.
    pub(super) fn write(&self, commit: &Commit, rows: &BTreeMap<&TenantId, TenantRows<'_>>) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        for (tenant, rows) in rows {
            let no = tenant_no(&transaction, tenant, rows.state_version)?;
            for lane in commit.lanes.iter().filter(|lane| lane.tenant == **tenant) {
                write_records(&transaction, no, lane)?;
            }
            write_runs(&transaction, no, rows)?;
            write_state(&transaction, no, tenant, rows)?;
            write_names(&transaction, no, rows)?;
            write_facts(&transaction, no, rows)?;
            write_cursors(&transaction, no, rows)?;
            add_usage(&transaction, no, rows.usage)?;
            remove_runs(&transaction, no, tenant, &rows.removed)?;
        }
        if !commit.components.is_empty() {
            let mut table = transaction.open_table(COMPONENTS)?;
            for (digest, bytes) in &commit.components {
                if table.get(&digest.0)?.is_none() {
                    table.insert(&digest.0, &bytes[..])?;
                }
            }
        }
        let destroyed: Vec<_> = rows.values().flat_map(|rows| &rows.destroyed).collect();
        if !destroyed.is_empty() {
            let mut table = transaction.open_table(COMPONENTS)?;
            for sealed in destroyed {
                table.remove(&sealed.0)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Notes how far webhooks are: those that there are, and never back. A transaction of its own, which whoever commits waits for.
    pub(super) fn keep_cursors(&self, cursors: &[(TenantId, WebhookName, WebhookCursor)]) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        {
            let tenants = transaction.open_table(TENANTS)?;
            let mut table = transaction.open_table(WEBHOOKS)?;
            for (tenant, webhook, cursor) in cursors {
                let Some(row) = tenants.get(tenant.as_str())?.map(|row| tenant_row(row.value(), tenant)).transpose()? else {
                    continue;
                };
                let key = (row.no, webhook.as_str());
                let place = || format!("webhooks {tenant} {webhook}");
                let stored = table.get(key)?.map(|row| decode::<CursorRow>(row.value(), place)).transpose()?;
                if stored.is_some_and(|stored| goes_on(&stored.into(), cursor)) {
                    table.insert(key, &encode(&CursorRow::from(cursor))[..])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    pub(super) fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate).expect("a transaction without savepoints takes any durability");
        Ok(transaction)
    }
}

/// Every table is there from the start, so that no read meets a missing one.
fn make_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(TENANTS)?;
    transaction.open_table(LANES)?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(RUNS)?;
    transaction.open_table(OPEN_RUNS)?;
    transaction.open_table(STATE)?;
    transaction.open_table(KEYS)?;
    transaction.open_table(SAGAS)?;
    transaction.open_table(DEFINITIONS)?;
    transaction.open_table(PLUGINS)?;
    transaction.open_table(COMPONENTS)?;
    transaction.open_table(DEAD_LETTERS)?;
    transaction.open_table(RESOLVERS)?;
    transaction.open_table(USAGE)?;
    transaction.open_table(WEBHOOKS)?;
    make_tables_of_tenants(transaction)
}

/// Makes what a file of an older format does not have.
fn bring_up(transaction: &WriteTransaction, format: u32) -> Result<(), StoreError> {
    if format < 2 {
        find_dead_letters(transaction)?;
    }
    if format < 3 {
        make_tables_of_tenants(transaction)?;
    }
    if format < 4 {
        add_up_usage(transaction)?;
    }
    if format < 6 {
        // Opening a table that is not there makes it. No release before this format had webhooks set.
        transaction.open_table(WEBHOOKS)?;
    }
    Ok(())
}

/// The tables that format 3 brought. Opening a table that is not there makes it.
fn make_tables_of_tenants(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(GRANTS)?;
    transaction.open_table(SECRETS)?;
    transaction.open_table(SECRET_GRANTS)?;
    transaction.open_table(TENANT_FACTS)?;
    Ok(())
}

/// What a file of format 1 does not have: the tables of dead letters and of who settles them. A run that was stuck then has one.
fn find_dead_letters(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(RESOLVERS)?;
    let mut table = transaction.open_table(DEAD_LETTERS)?;
    for found in transaction.open_table(RUNS)?.iter()? {
        let (key, row) = found?;
        let (tenant_no, run) = key.value();
        let row = decode_run(row.value(), || format!("runs {tenant_no} {}", RunId(run)))?;
        if row.head.status == RunStatus::Ended(Outcome::Stuck) {
            table.insert((tenant_no, run), ())?;
        }
    }
    Ok(())
}

/// What a file before format 4 does not have: what each tenant used. Reads all records.
fn add_up_usage(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(USAGE)?;
    let records = transaction.open_table(RECORDS)?;
    for lane in transaction.open_table(LANES)?.iter()? {
        let (key, row) = lane?;
        let (tenant_no, lane) = key.value();
        let LaneStored { no, .. } = decode(row.value(), || format!("lanes {tenant_no} {lane}"))?;
        let mut sum = Usage::default();
        for found in records.range((no, 0)..=(no, u64::MAX))? {
            let (key, row) = found?;
            let place = || format!("records {no} {}", key.value().1);
            let damaged = |what| StoreError::Damaged { place: place(), what };
            let body = record::read(row.value()).and_then(|(_, body)| body.whole()).map_err(damaged)?;
            let read = Body::decode(&body).map_err(|error| damaged(error.to_string()))?;
            sum += usage_of(&read, body.len());
        }
        add_usage(transaction, tenant_no, sum)?;
    }
    Ok(())
}

/// Adds what was used to what a tenant used before.
fn add_usage(transaction: &WriteTransaction, tenant_no: u32, used: Usage) -> Result<(), StoreError> {
    let mut table = transaction.open_table(USAGE)?;
    let before = table.get(tenant_no)?.map(|row| decode_usage(row.value(), || format!("usage {tenant_no}"))).transpose()?;
    let sum = before.map_or(used, |UsageRow(before)| before.plus(used));
    table.insert(tenant_no, &encode_usage(&UsageRow(sum))[..])?;
    Ok(())
}

/// The number of a tenant, new or old, whose state has seen `state_version`.
fn tenant_no(transaction: &WriteTransaction, tenant: &TenantId, state_version: u64) -> Result<u32, StoreError> {
    let mut table = transaction.open_table(TENANTS)?;
    let stored = table.get(tenant.as_str())?.map(|row| tenant_row(row.value(), tenant)).transpose()?;
    let row = match stored {
        Some(row) if row.state_version >= state_version => return Ok(row.no),
        Some(row) => TenantRow { no: row.no, state_version },
        None => TenantRow { no: next_no(transaction)?, state_version },
    };
    table.insert(tenant.as_str(), &encode(&row)[..])?;
    Ok(row.no)
}

/// A number that no tenant and no lane has had.
fn next_no(transaction: &WriteTransaction) -> Result<u32, StoreError> {
    let mut meta = transaction.open_table(META)?;
    let last = meta.get(LAST_NO)?.map(|row| decode::<NumberRow>(row.value(), || place(LAST_NO))).transpose()?;
    let no = last.map_or(0, |row| row.0).checked_add(1).ok_or_else(|| StoreError::Damaged {
        place: place(LAST_NO),
        what: "there are no numbers left for tenants and lanes".to_owned(),
    })?;
    meta.insert(LAST_NO, &encode(&NumberRow(no))[..])?;
    Ok(no)
}

fn write_records(transaction: &WriteTransaction, tenant_no: u32, lane: &LaneCommit) -> Result<(), StoreError> {
    let mut lanes = transaction.open_table(LANES)?;
    let stored = lanes.get((tenant_no, lane.lane.0))?.map(|row| lane_row(row.value(), &lane.tenant, lane.lane)).transpose()?;
    let LaneStored { no, head } = match stored {
        Some(row) => row,
        None => LaneStored { no: next_no(transaction)?, head: Head::genesis(&lane.tenant, lane.lane) },
    };
    let head = head_behind(head, lane)?;
    let mut records = transaction.open_table(RECORDS)?;
    let mut row = Vec::new();
    for (sealed, _) in &lane.records {
        record::write(&mut row, &sealed.link, sealed.kept.body().expect("a new record has its body"));
        records.insert((no, sealed.seq), &row[..])?;
    }
    lanes.insert((tenant_no, lane.lane.0), &encode(&LaneStored { no, head })[..])?;
    Ok(())
}

fn write_runs(transaction: &WriteTransaction, tenant_no: u32, rows: &TenantRows<'_>) -> Result<(), StoreError> {
    if rows.runs.is_empty() {
        return Ok(());
    }
    let mut runs = transaction.open_table(RUNS)?;
    let mut open_runs = transaction.open_table(OPEN_RUNS)?;
    let mut dead_letters = transaction.open_table(DEAD_LETTERS)?;
    for (run, change) in &rows.runs {
        let row = RunRow { lane: change.lane.0, last: change.last, head: change.head.clone() };
        runs.insert((tenant_no, run.0), &encode_run(&row)[..])?;
        match change.open {
            OpenChange::Put(due) => drop(open_runs.insert((tenant_no, run.0), &encode(&OpenRow { due })[..])?),
            OpenChange::Remove => drop(open_runs.remove((tenant_no, run.0))?),
            OpenChange::Never => {}
        }
        if change.has_dead_letters {
            dead_letters.insert((tenant_no, run.0), ())?;
        } else if change.open != OpenChange::Never {
            dead_letters.remove((tenant_no, run.0))?;
        }
    }
    Ok(())
}

fn write_state(transaction: &WriteTransaction, tenant_no: u32, tenant: &TenantId, rows: &TenantRows<'_>) -> Result<(), StoreError> {
    if rows.writes.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(STATE)?;
    for (key, Write { version, value: new, .. }) in &rows.writes {
        let stored = table.get((tenant_no, *key))?.map(|row| value(row.value(), tenant, key)).transpose()?;
        if stored.is_some_and(|stored| stored.version >= *version) {
            continue;
        }
        match new {
            Some(new) => {
                let row = StateRow { version: *version, value: new.clone() };
                table.insert((tenant_no, *key), &encode(&row)[..])?;
            }
            None => drop(table.remove((tenant_no, *key))?),
        }
    }
    Ok(())
}

/// What names mean: idempotency keys, sagas, plugins, and documents by digest.
fn write_names(transaction: &WriteTransaction, tenant_no: u32, rows: &TenantRows<'_>) -> Result<(), StoreError> {
    if !rows.keys.is_empty() {
        let mut table = transaction.open_table(KEYS)?;
        for (key, (run, input)) in &rows.keys {
            if table.get((tenant_no, *key))?.is_none() {
                table.insert((tenant_no, *key), &encode(&KeyRow { run: *run, input: *input })[..])?;
            }
        }
    }
    if !rows.sagas.is_empty() {
        let mut sagas = transaction.open_table(SAGAS)?;
        for (saga, version, definition) in &rows.sagas {
            sagas.insert((tenant_no, saga.as_str(), *version), &encode(&DigestRow(*definition))[..])?;
        }
        let mut definitions = transaction.open_table(DEFINITIONS)?;
        for (digest, document) in &rows.definitions {
            definitions.insert((tenant_no, &digest.0), &document.0[..])?;
        }
    }
    if !rows.plugins.is_empty() {
        let mut table = transaction.open_table(PLUGINS)?;
        for (plugin, component) in &rows.plugins {
            match component {
                Some(component) => drop(table.insert((tenant_no, plugin.as_str()), &encode(&DigestRow(*component))[..])?),
                None => drop(table.remove((tenant_no, plugin.as_str()))?),
            }
        }
    }
    if !rows.grants.is_empty() {
        let mut table = transaction.open_table(GRANTS)?;
        for ((plugin, place), grant) in &rows.grants {
            let key = (tenant_no, plugin.as_str(), place.as_str());
            match grant {
                Some(grant) => drop(table.insert(key, &encode(&GrantRow((*grant).clone()))[..])?),
                None => drop(table.remove(key)?),
            }
        }
    }
    write_secrets(transaction, tenant_no, rows)?;
    if let Some(resolvers) = rows.resolvers {
        transaction.open_table(RESOLVERS)?.insert(tenant_no, &encode(&ResolversRow(resolvers))[..])?;
    }
    Ok(())
}

/// What makes the tenant what it is. Never changed, never removed: who looks at a tenant folds them all.
fn write_facts(transaction: &WriteTransaction, tenant_no: u32, rows: &TenantRows<'_>) -> Result<(), StoreError> {
    if rows.facts.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(TENANT_FACTS)?;
    for ((lane, seq, at), entry) in &rows.facts {
        table.insert((tenant_no, lane.0, *seq, *at), &encode(&FactRow((*entry).clone()))[..])?;
    }
    Ok(())
}

/// Where webhooks begin, and that there are none any more.
fn write_cursors(transaction: &WriteTransaction, tenant_no: u32, rows: &TenantRows<'_>) -> Result<(), StoreError> {
    if rows.webhooks.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(WEBHOOKS)?;
    for (webhook, change) in &rows.webhooks {
        let key = (tenant_no, webhook.as_str());
        match change {
            CursorChange::Begin(_) if table.get(key)?.is_some() => {}
            CursorChange::Begin(cursor) | CursorChange::BeginAnew(cursor) => {
                table.insert(key, &encode(&CursorRow::from(cursor))[..])?;
            }
            CursorChange::Remove => drop(table.remove(key)?),
        }
    }
    Ok(())
}

fn write_secrets(transaction: &WriteTransaction, tenant_no: u32, rows: &TenantRows<'_>) -> Result<(), StoreError> {
    if rows.secrets.is_empty() && rows.secret_grants.is_empty() {
        return Ok(());
    }
    let mut secrets = transaction.open_table(SECRETS)?;
    for (name, sealed) in &rows.secrets {
        match sealed {
            Some(sealed) => drop(secrets.insert((tenant_no, name.as_str()), &encode(&DigestRow(*sealed))[..])?),
            None => drop(secrets.remove((tenant_no, name.as_str()))?),
        }
    }
    let mut grants = transaction.open_table(SECRET_GRANTS)?;
    for ((secret, plugin), usage) in &rows.secret_grants {
        let key = (tenant_no, secret.as_str(), plugin.as_str());
        match usage {
            SecretUse::Granted => drop(grants.insert(key, ())?),
            SecretUse::Withdrawn => drop(grants.remove(key)?),
        }
    }
    Ok(())
}

fn place(row: &str) -> String {
    format!("meta {row}")
}
