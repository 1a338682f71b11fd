//! How a row is found and read in one snapshot of the file. Apart, so that the answers of the store read as what they answer.

use super::super::{SagaRow, StoreError, Value};
use super::tables::{DigestRow, LANES, LaneStored, RUNS, RunRow, StateRow, TENANTS, TenantRow, decode, decode_run};
use ::redb::{Key, ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, Value as Stored};
use amends_domain::digest::Digest;
use amends_domain::id::{Lane, RunId, SagaName, TenantId};
use bytes::Bytes;

/// The file as it was at one commit.
pub(super) struct Snapshot {
    transaction: ReadTransaction,
}

impl Snapshot {
    pub(super) fn new(transaction: ReadTransaction) -> Self {
        Self { transaction }
    }

    pub(super) fn table<K: Key, V: Stored>(&self, table: TableDefinition<K, V>) -> Result<ReadOnlyTable<K, V>, StoreError> {
        Ok(self.transaction.open_table(table)?)
    }

    /// The number of a tenant; none if nothing was ever written for it.
    pub(super) fn tenant_no(&self, tenant: &TenantId) -> Result<Option<u32>, StoreError> {
        let found = self.table(TENANTS)?.get(tenant.as_str())?;
        found.map(|row| tenant_row(row.value(), tenant).map(|row| row.no)).transpose()
    }

    /// Every tenant, in the order of their names.
    pub(super) fn tenants(&self) -> Result<Vec<(TenantId, TenantRow)>, StoreError> {
        self.table(TENANTS)?
            .iter()?
            .map(|found| {
                let (key, row) = found?;
                let name = key.value();
                let damaged = |what: String| StoreError::Damaged { place: format!("tenants {name}"), what };
                let tenant = TenantId::new(name).map_err(|e| damaged(e.to_string()))?;
                let row = tenant_row(row.value(), &tenant)?;
                Ok((tenant, row))
            })
            .collect()
    }

    pub(super) fn lane_no(&self, tenant_no: u32, tenant: &TenantId, lane: Lane) -> Result<Option<u32>, StoreError> {
        let found = self.table(LANES)?.get((tenant_no, lane.0))?;
        found.map(|row| lane_row(row.value(), tenant, lane).map(|row| row.no)).transpose()
    }

    pub(super) fn run(&self, tenant_no: u32, tenant: &TenantId, run: RunId) -> Result<Option<RunRow>, StoreError> {
        let found = self.table(RUNS)?.get((tenant_no, run.0))?;
        found.map(|row| run_row(row.value(), tenant, run)).transpose()
    }
}

pub(super) fn tenant_row(bytes: &[u8], tenant: &TenantId) -> Result<TenantRow, StoreError> {
    decode(bytes, || format!("tenants {tenant}"))
}

pub(super) fn lane_row(bytes: &[u8], tenant: &TenantId, lane: Lane) -> Result<LaneStored, StoreError> {
    decode(bytes, || format!("lanes {tenant} {}", lane.0))
}

pub(super) fn run_row(bytes: &[u8], tenant: &TenantId, run: RunId) -> Result<RunRow, StoreError> {
    decode_run(bytes, || format!("runs {tenant} {run}"))
}

/// The newest version of a saga in the table of sagas.
pub(super) fn newest_saga(
    table: &ReadOnlyTable<(u32, &str, u32), &[u8]>,
    tenant_no: u32,
    tenant: &TenantId,
    saga: &SagaName,
) -> Result<Option<SagaRow>, StoreError> {
    let name = saga.as_str();
    let Some(newest) = table.range((tenant_no, name, 0)..=(tenant_no, name, u32::MAX))?.next_back() else { return Ok(None) };
    let (key, row) = newest?;
    let version = key.value().2;
    let row: DigestRow = decode(row.value(), || format!("sagas {tenant} {saga} {version}"))?;
    Ok(Some(SagaRow { version, definition: row.0 }))
}

pub(super) fn value(bytes: &[u8], tenant: &TenantId, key: &str) -> Result<Value, StoreError> {
    let row: StateRow = decode(bytes, || format!("state {tenant} {key}"))?;
    Ok(Value { version: row.version, value: row.value })
}

/// Bytes that are named by their digest. Checked, because what they say will be run.
pub(super) fn named_bytes(bytes: &[u8], digest: Digest, table: &str) -> Result<Bytes, StoreError> {
    match Digest::of(bytes) {
        found if found == digest => Ok(Bytes::copy_from_slice(bytes)),
        found => {
            Err(StoreError::Damaged { place: format!("{table} {digest}"), what: format!("the bytes there have digest {found}") })
        }
    }
}
