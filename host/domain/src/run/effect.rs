//! What an attempt did outside the host.

use crate::event::{AttemptRef, Direction};
use crate::payload::Payload;
use crate::time::Timestamp;

/// A request that an attempt sent, or was about to send when it was last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Of an attempt forward or of a compensation.
    pub direction: Direction,
    /// Which attempt in that direction.
    pub attempt: u32,
    /// Which request of that attempt, from 1.
    pub call: u32,
    /// HTTP method.
    pub method: String,
    /// Where to.
    pub target: String,
    /// When its intent was noted.
    pub sent: Timestamp,
    /// The status of the answer, if there was one.
    pub answer: Option<u16>,
    /// The beginning of the answer's body.
    pub response: Option<Payload>,
}

impl Effect {
    /// Whether this attempt sent it.
    pub fn is_of(&self, attempt: AttemptRef) -> bool {
        self.direction == attempt.direction && self.attempt == attempt.number
    }

    /// Whether it can have changed anything.
    pub fn raises_doubt(&self) -> bool {
        !is_safe(&self.method)
    }
}

/// Whether requests with this method change nothing (RFC 9110 §9.2.1).
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}
