//! What a tenant used, added up: what it is billed by. Apart from the limits, which forget; these sums only grow.

use serde::{Deserialize, Serialize};

/// Sums since the tenant was created, or of a part of that. They stop at the largest number there is and do not begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Runs that were started.
    pub runs: u64,
    /// Attempts forward that ended.
    pub attempts: u64,
    /// Attempts backward that ended.
    pub compensations: u64,
    /// Fuel of both.
    pub fuel: u64,
    /// Their wall time in microseconds.
    pub micros: u64,
    /// Bytes that were written to the records, the state and the components.
    pub written_bytes: u64,
    /// Requests that left.
    pub requests: u64,
    /// Bytes that left with them.
    pub sent_bytes: u64,
    /// Bytes that came back.
    pub received_bytes: u64,
    /// Bytes of log.
    pub log_bytes: u64,
}

impl Usage {
    /// This and `more`.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            runs: self.runs.saturating_add(more.runs),
            attempts: self.attempts.saturating_add(more.attempts),
            compensations: self.compensations.saturating_add(more.compensations),
            fuel: self.fuel.saturating_add(more.fuel),
            micros: self.micros.saturating_add(more.micros),
            written_bytes: self.written_bytes.saturating_add(more.written_bytes),
            requests: self.requests.saturating_add(more.requests),
            sent_bytes: self.sent_bytes.saturating_add(more.sent_bytes),
            received_bytes: self.received_bytes.saturating_add(more.received_bytes),
            log_bytes: self.log_bytes.saturating_add(more.log_bytes),
        }
    }
}
