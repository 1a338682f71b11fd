//! How many events go together: as many as there are while the one before is on its way, up to a length. One event that is longer goes alone.

use super::answer::Answered;
use crate::catalogue::Position;
use crate::digest::Digest;
use crate::id::{TenantId, WebhookName};

/// Most events of one request.
pub const BATCH_LEN_MAX: usize = 256;
/// Most bytes of one request, but for one event that is longer.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Events that are sent together, as the JSON list that `application/cloudevents-batch+json` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    body: Vec<u8>,
    len: usize,
    len_max: usize,
    first: Option<Position>,
    last: Option<Position>,
}

impl Batch {
    /// An empty one, for at most `len_max` events, and [`BATCH_LEN_MAX`].
    pub fn new(len_max: usize) -> Self {
        Self { body: Vec::new(), len: 0, len_max: len_max.clamp(1, BATCH_LEN_MAX), first: None, last: None }
    }

    /// Puts an event in, if there is room for it; false if it has to wait for the next one. `event`: its JSON.
    pub fn put(&mut self, position: Position, event: &[u8]) -> bool {
        // The commas and brackets count as well.
        let over = self.body.len() + event.len() + 2 > BATCH_BYTES_MAX;
        if self.len == self.len_max || (over && self.len > 0) {
            return false;
        }
        self.body.push(if self.len == 0 { b'[' } else { b',' });
        self.body.extend_from_slice(event);
        self.len += 1;
        self.first.get_or_insert(position);
        self.last = Some(position);
        true
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is room for none more.
    pub fn is_full(&self) -> bool {
        self.len == self.len_max || self.body.len() + 2 >= BATCH_BYTES_MAX
    }

    /// The first and the last of its events; none if it is empty.
    pub fn ends(&self) -> Option<(Position, Position)> {
        self.first.zip(self.last)
    }

    /// What is sent.
    pub fn into_body(mut self) -> Vec<u8> {
        if self.is_empty() {
            self.body.push(b'[');
        }
        self.body.push(b']');
        self.body
    }
}

/// How many events the next request has at most: half as many behind one that was too large (413), twice as many behind one that was taken.
/// `len`: how many that one had.
pub fn len_max_after(answered: &Answered, len: usize, len_max: usize) -> usize {
    match answered {
        Answered::Status { status: 413, .. } => (len / 2).max(1),
        Answered::Status { status: 200..=299, .. } => len_max.saturating_mul(2).min(BATCH_LEN_MAX),
        Answered::Status { .. } | Answered::Nothing => len_max,
    }
}

/// The id of what is sent, the same when it is sent again: it follows from whose it is, to which webhook, and its first and last event. Without
/// dots, since what is signed has them between its parts.
pub fn message_id(tenant: &TenantId, webhook: &WebhookName, (first, last): (Position, Position)) -> String {
    let named = format!("{tenant} {webhook} {first} {last}");
    format!("msg_{}", &Digest::of(named.as_bytes()).hex()[..32])
}
