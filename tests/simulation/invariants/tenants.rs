//! Invariant 9: No tenant can observe another. Whatever a tenant's inputs, outputs, values and signals are made of has the tenant's name in it, so
//! that one finds where it does not belong.

use super::{Checked, Invariant, broken};
use amends_domain::id::TenantId;

/// Bytes that `owner` has or sees: no other name is in them.
pub(crate) fn own<'t>(bytes: &[u8], owner: &TenantId, all: impl Iterator<Item = &'t TenantId>) -> Checked {
    for other in all.filter(|other| *other != owner) {
        let name = other.as_str().as_bytes();
        if bytes.windows(name.len()).any(|part| part == name) {
            let text = String::from_utf8_lossy(bytes);
            return broken(Invariant::Tenants, format!("{owner} sees something of {other}: {text}"));
        }
    }
    Ok(())
}
