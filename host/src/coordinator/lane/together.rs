//! Several facts about a tenant itself that are one wish: all of them are noted, in one record, or none is. Apart from the lane, which is long.

use super::{Append, Lane, LaneId, What};
use crate::coordinator::tenants::Book;
use crate::store::writer::Position;
use amends_domain::decide::Unfit;
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEntry, TenantEvent};
use amends_domain::tenant::{Admitted, Tenant};
use amends_domain::time::Timestamp;
use bytes::Bytes;
use std::sync::Arc;

/// Facts that belong together, and what is sealed that they speak of.
#[derive(Debug, Default)]
pub(in crate::coordinator) struct Together {
    pub(in crate::coordinator) events: Vec<TenantEvent>,
    pub(in crate::coordinator) sealed: Vec<(Digest, Bytes)>,
}

impl Lane {
    /// Judges what `wish` makes of the tenant as it is, fact by fact, and queues what is new of it. What becomes of it is told when everything up
    /// to the position is durable: a refusal goes by what the tenant is, and that may still be on its way to the disk.
    pub(in crate::coordinator) fn alter_together<E: From<Unfit>>(
        self: &Arc<Self>,
        book: &Book,
        at: Timestamp,
        wish: impl FnOnce(&Tenant) -> Result<Together, E>,
    ) -> (Result<(), E>, Position) {
        let _order = self.newest();
        let (before, last) = self.known().now();
        let Together { events, sealed } = match wish(&before) {
            Ok(together) => together,
            Err(refused) => return (Err(refused), last),
        };
        let (mut after, mut entries) = (Tenant::clone(&before), Vec::new());
        for event in events {
            match after.admit(&event, at) {
                Err(unfit) => return (Err(unfit.into()), last),
                Ok(Admitted::Already) => {}
                Ok(Admitted::New) => {
                    let entry = TenantEntry { at, event };
                    after.apply(&entry).expect("what is admitted fits");
                    entries.push(entry);
                }
            }
        }
        if entries.is_empty() {
            return (Ok(()), last);
        }
        let what = What::Tenant { entries, components: sealed };
        let position = self.writer.append(Append { tenant: self.tenant.clone(), lane: LaneId(0), what });
        let after = Arc::new(after);
        book.note(self, &before, &after);
        self.allowance.tenant_is(&after);
        self.known().change(after, position, self.writer.durable_mark());
        (Ok(()), position)
    }
}
