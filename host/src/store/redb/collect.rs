//! Takes components out of the file that nothing uses any more. What uses one says `amends_domain::unused`; here it hears everything that is
//! kept, and what is left over goes.

use super::super::StoreError;
use super::RedbStore;
use super::read::tenant_row;
use super::record;
use super::tables::{COMPONENTS, DigestRow, FactRow, PLUGINS, RECORDS, RUNS, TENANT_FACTS, TENANTS, decode};
use ::redb::{ReadableTable, WriteTransaction};
use amends_domain::audit::Body;
use amends_domain::digest::Digest;
use amends_domain::id::TenantId;
use amends_domain::tenant::Tenant;
use amends_domain::unused::Unused;

/// How every component begins, and nothing that is sealed does, which is kept beside them: that goes when a fact says so.
const WASM: &[u8] = b"\0asm";

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Components.
    pub components: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl RedbStore {
    /// Removes the components that nothing uses.
    ///
    /// Nobody comes between the look and the removal: the store is borrowed alone, and the file is this process's alone, so no run starts and
    /// no upload comes in meanwhile. Both are one transaction: a process that dies on the way leaves all of them or none. It is not for a host
    /// at work: a run that is being started has read what a name means and has noted nothing yet, and what pins a component is
    /// said by journals, all of which would have to be read again and again.
    ///
    /// Reads every record, unless everything has a name.
    ///
    /// # Errors
    /// What the disk says, or what cannot be read: it might use any of them. Nothing was removed.
    pub fn collect(&mut self) -> Result<Collected, StoreError> {
        let transaction = self.begin()?;
        let unused = unused(&transaction)?;
        if unused.is_empty() {
            transaction.abort()?;
            return Ok(Collected::default());
        }
        {
            let mut components = transaction.open_table(COMPONENTS)?;
            for component in unused.components() {
                components.remove(&component.0)?;
            }
        }
        transaction.commit()?;
        Ok(Collected { components: unused.len() as u64, bytes: unused.bytes() })
    }

    /// Whether the bytes of a component are stored. Reads none of them.
    ///
    /// # Errors
    /// What the disk says.
    pub fn has_component(&self, component: Digest) -> Result<bool, StoreError> {
        Ok(self.read()?.table(COMPONENTS)?.get(&component.0)?.is_some())
    }
}

fn unused(transaction: &WriteTransaction) -> Result<Unused, StoreError> {
    let mut unused = all(transaction)?;
    hear_tenants(transaction, &mut unused)?;
    let records = transaction.open_table(RECORDS)?;
    for found in records.iter()? {
        // What is left is mostly nothing, and then this ends at once.
        if unused.is_empty() {
            break;
        }
        let (key, row) = found?;
        let (lane_no, seq) = key.value();
        let damaged = |what: String| StoreError::Damaged { place: format!("records {lane_no} {seq}"), what };
        let (_, body) = record::read(row.value()).map_err(damaged)?;
        // A record without its body is of a run that is no longer kept.
        if let Ok(body) = body.whole() {
            unused.hear(&Body::decode(&body).map_err(|error| damaged(error.to_string()))?);
        }
    }
    Ok(unused)
}

/// All components that there are.
fn all(transaction: &WriteTransaction) -> Result<Unused, StoreError> {
    let mut all = Vec::new();
    for found in transaction.open_table(COMPONENTS)?.iter()? {
        let (key, bytes) = found?;
        if bytes.value().starts_with(WASM) {
            all.push((Digest(*key.value()), bytes.value().len() as u64));
        }
    }
    Ok(Unused::of(all))
}

fn hear_tenants(transaction: &WriteTransaction, unused: &mut Unused) -> Result<(), StoreError> {
    let tenants = transaction.open_table(TENANTS)?;
    for found in tenants.iter()? {
        let (key, row) = found?;
        let name = key.value();
        let damaged = |what: String| StoreError::Damaged { place: format!("tenants {name}"), what };
        let tenant: TenantId = name.parse().map_err(|error: amends_domain::id::NameError| damaged(error.to_string()))?;
        let no = tenant_row(row.value(), &tenant)?.no;
        let named = named(transaction, no, &tenant)?;
        // One is as good as many.
        let runs_kept = transaction.open_table(RUNS)?.range((no, 0)..=(no, u128::MAX))?.take(1).count();
        unused.hear_tenant(&folded(transaction, no, &tenant)?, named, runs_kept);
    }
    Ok(())
}

/// What the names of a tenant's plugins mean.
fn named(transaction: &WriteTransaction, tenant_no: u32, tenant: &TenantId) -> Result<Vec<Digest>, StoreError> {
    let table = transaction.open_table(PLUGINS)?;
    let found = table.range((tenant_no, "")..=(tenant_no, super::NAMES_END))?;
    found
        .map(|found| {
            let (key, row) = found?;
            let row: DigestRow = decode(row.value(), || format!("plugins {tenant} {}", key.value().1))?;
            Ok(row.0)
        })
        .collect()
}

/// What a tenant is.
fn folded(transaction: &WriteTransaction, tenant_no: u32, tenant: &TenantId) -> Result<Tenant, StoreError> {
    let mut folded = Tenant::default();
    let table = transaction.open_table(TENANT_FACTS)?;
    for found in table.range((tenant_no, 0, 0, 0)..=(tenant_no, u32::MAX, u64::MAX, u32::MAX))? {
        let (key, row) = found?;
        let (_, lane, seq, at) = key.value();
        let place = || format!("tenant_facts {tenant} lane {lane} record {seq} {at}");
        let FactRow(fact) = decode(row.value(), place)?;
        folded.apply(&fact).map_err(|what| StoreError::Damaged { place: place(), what })?;
    }
    Ok(folded)
}
