//! Runs that are no longer kept, taken out of the file: their rows go, and of their records the links and the digests of the bodies stay. In
//! the transaction that stores the fact of it.

use super::super::StoreError;
use super::read::lane_row;
use super::record;
use super::tables::{DEAD_LETTERS, KEYS, KeyRow, LANES, RECORDS, RUNS, decode};
use ::redb::{ReadableTable, Table, WriteTransaction};
use amends_domain::audit::Body;
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Event, RemovedRun};
use amends_domain::id::{Lane, RunId, TenantId};

type Records<'t> = Table<'t, (u32, u64), &'static [u8]>;

/// Takes out `removed` of a tenant, each with the lane that has its records.
pub(super) fn remove_runs(
    transaction: &WriteTransaction,
    tenant_no: u32,
    tenant: &TenantId,
    removed: &[(Lane, &RemovedRun)],
) -> Result<(), StoreError> {
    if removed.is_empty() {
        return Ok(());
    }
    let lanes = transaction.open_table(LANES)?;
    let mut records = transaction.open_table(RECORDS)?;
    let mut runs = transaction.open_table(RUNS)?;
    let mut dead_letters = transaction.open_table(DEAD_LETTERS)?;
    let mut keys = transaction.open_table(KEYS)?;
    for (lane, removed) in removed {
        let stored = lanes.get((tenant_no, lane.0))?.expect("the fact of it is in the lane");
        let lane_no = lane_row(stored.value(), tenant, *lane)?.no;
        for key in thin(&mut records, lane_no, removed)? {
            if run_of(&keys, tenant_no, &key)? == Some(removed.run) {
                keys.remove((tenant_no, key.as_str()))?;
            }
        }
        runs.remove((tenant_no, removed.run.0))?;
        dead_letters.remove((tenant_no, removed.run.0))?;
    }
    Ok(())
}

/// Takes the bodies out of a run's records, and gives the keys in them: the one that it was started with.
fn thin(records: &mut Records<'_>, lane_no: u32, removed: &RemovedRun) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for seq in &removed.records {
        let damaged = |what: String| StoreError::Damaged { place: format!("records {lane_no} {seq}"), what };
        let thinned = {
            let row = records.get((lane_no, *seq))?.ok_or_else(|| damaged("it is missing".to_owned()))?;
            let (link, body) = record::read(row.value()).map_err(damaged)?;
            let body = body.whole().map_err(damaged)?;
            keys.extend(keys_of(removed.run, &body).map_err(damaged)?);
            record::removed(&link, &Digest::of(&body))
        };
        records.insert((lane_no, *seq), &thinned[..])?;
    }
    Ok(keys)
}

/// The keys in a record of a run.
fn keys_of(run: RunId, body: &[u8]) -> Result<Vec<String>, String> {
    let (of, entries) = match Body::decode(body).map_err(|error| error.to_string())? {
        Body::Run { run: of, entries, .. } => (of, entries),
        Body::Tenant { .. } => return Err(format!("it belongs to the tenant and not to {run}")),
    };
    if of != run {
        return Err(format!("it belongs to {of} and not to {run}"));
    }
    let key = |entry: Entry| if let Event::Started(started) = entry.event { started.key } else { None };
    Ok(entries.into_iter().filter_map(key).collect())
}

fn run_of(
    keys: &impl ReadableTable<(u32, &'static str), &'static [u8]>,
    tenant_no: u32,
    key: &str,
) -> Result<Option<RunId>, StoreError> {
    let Some(row) = keys.get((tenant_no, key))? else { return Ok(None) };
    let row: KeyRow = decode(row.value(), || format!("keys {tenant_no} {key}"))?;
    Ok(Some(row.run))
}
