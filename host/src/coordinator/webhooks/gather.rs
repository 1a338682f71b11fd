//! Which events go together, read from the chain: those that a webhook wants, behind those that it has. Reads the store, so it is done where
//! nobody waits for an answer.

use crate::coordinator::telling::Reader;
use crate::store::StoreError;
use amends_domain::catalogue::{Position, selects};
use amends_domain::webhook::Batch;

/// Most events that are looked at for one batch, which takes milliseconds: others wait for their turn. Behind so many that nobody wants, the
/// cursor is moved.
const LOOKS_MAX: usize = 512;

/// What is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Types, or beginnings of them; none: all.
    pub(super) types: Vec<String>,
    /// Most events.
    pub(super) len_max: usize,
    /// The last event, where the same is to be sent again; none: as many as there are.
    pub(super) to: Option<Position>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) batch: Batch,
    /// The last event that was looked at; none: there was nothing new.
    pub(super) until: Option<Position>,
}

/// Gathers the next events from where `reader` is.
pub(super) fn gather(reader: &mut Reader, wanted: &Wanted) -> Result<Gathered, StoreError> {
    let wants = |name: &str| wanted.types.is_empty() || wanted.types.iter().any(|pattern| selects(pattern, name));
    let (mut batch, mut until) = (Batch::new(wanted.len_max), None);
    for _ in 0..LOOKS_MAX {
        let Some(event) = reader.next()? else { break };
        let position = event.position;
        if wants(event.data.type_name()) {
            let json = serde_json::to_vec(&event).expect("an event is JSON");
            if !batch.put(position, &json) {
                reader.put_back(event);
                break;
            }
        }
        until = Some(position);
        if batch.is_full() || wanted.to.is_some_and(|to| position >= to) {
            break;
        }
    }
    Ok(Gathered { batch, until })
}
