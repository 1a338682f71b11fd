//! Checks the ends of the chains: that each record follows from the one before it, and that the lane's row names the last one.
//! Apart from the stores, because it asks them only what anybody may ask.

use super::{LaneRow, PAGE_LEN_MAX, Store, StoreError};
use amends_domain::audit::Head;

/// Records of each lane that are checked on an open after an unclean end. What a crash can have damaged is at the end.
pub const VERIFY_TAIL_LEN: u64 = 1024;

/// Checks the last `len` records of every lane; the whole chains with `u64::MAX`. Others may commit meanwhile: what they add is not
/// checked.
///
/// # Errors
/// [`StoreError::Damaged`] with the lane and the record where a chain is broken, or what the store says.
pub fn verify_tail(store: &dyn Store, len: u64) -> Result<(), StoreError> {
    store.lanes()?.iter().try_for_each(|row| verify_lane(store, row, len))
}

/// Checks the last `len` records of one lane, which is at `row` or has gone on.
///
/// # Errors
/// As [`verify_tail`].
pub fn verify_lane(store: &dyn Store, row: &LaneRow, len: u64) -> Result<(), StoreError> {
    let mut head = head_before(store, row, row.head.seq.saturating_sub(len) + 1)?;
    while head.seq < row.head.seq {
        let left = usize::try_from(row.head.seq - head.seq).unwrap_or(PAGE_LEN_MAX);
        let records = store.records(&row.tenant, row.lane, head.seq + 1, left.min(PAGE_LEN_MAX))?;
        if records.is_empty() {
            return Err(damaged(row, head.seq, format!("the chain ends here, the row of the lane says at {}", row.head.seq)));
        }
        for record in &records {
            head.check(record).map_err(|e| damaged(row, e.seq, e.what))?;
        }
    }
    if head.link != row.head.link {
        return Err(damaged(row, head.seq, format!("its link is {}, the row of the lane says {}", head.link, row.head.link)));
    }
    nothing_behind(store, row)
}

/// A record behind the one that the lane's row names is there only if a commit came meanwhile, and then the row has moved.
fn nothing_behind(store: &dyn Store, row: &LaneRow) -> Result<(), StoreError> {
    let behind = store.records(&row.tenant, row.lane, row.head.seq + 1, 1)?;
    if behind.is_empty() || !store.lanes()?.contains(row) {
        return Ok(());
    }
    Err(damaged(row, row.head.seq + 1, format!("it is there, and the row of the lane ends the chain at {}", row.head.seq)))
}

/// The head in front of record `from`. Its link is taken as given: it is where the check begins.
fn head_before(store: &dyn Store, row: &LaneRow, from: u64) -> Result<Head, StoreError> {
    if from == 1 {
        return Ok(Head::genesis(&row.tenant, row.lane));
    }
    match store.records(&row.tenant, row.lane, from - 1, 1)?.first() {
        Some(record) if record.seq == from - 1 => Ok(Head { seq: record.seq, link: record.link }),
        Some(_) | None => Err(damaged(row, from - 1, "it is missing".to_owned())),
    }
}

fn damaged(row: &LaneRow, seq: u64, what: String) -> StoreError {
    StoreError::Damaged { place: format!("{} lane {} record {seq}", row.tenant, row.lane.0), what }
}
