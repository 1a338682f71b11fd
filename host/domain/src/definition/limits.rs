//! What one attempt may use. There is no `Default`: whoever runs a guest says how far it may go.

use crate::time::Span;
use serde::{Deserialize, Serialize};

/// What one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Units of deterministic work.
    pub fuel: u64,
    /// Wall time, waiting in the host included.
    pub timeout: Span,
    /// Bytes of all memories and tables together.
    pub memory: u64,
}
