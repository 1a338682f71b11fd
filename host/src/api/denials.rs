//! Who was denied what, counted: for those who look after the host. Nothing of it is a fact of a tenant, since whoever guesses tokens could then
//! fill its chain.

use super::auth::Permit;
use super::problem::Problem;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub(super) struct Denials {
    unknown_key: AtomicU64,
    not_allowed: AtomicU64,
    suspended: AtomicU64,
    not_there: AtomicU64,
}

/// How many requests were denied, since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Denied {
    /// Whoever asked showed no token, or one that opens nothing.
    pub unknown_key: u64,
    /// Their role does not allow it.
    pub not_allowed: u64,
    /// Their tenant is suspended.
    pub suspended: u64,
    /// The tenant does not exist, or it is not theirs.
    pub not_there: u64,
}

impl Denials {
    /// Counts a problem, if it is one of these. What is not there within one's own tenant is no denial.
    pub(super) fn note(&self, problem: &Problem, permit: Option<&Permit>) {
        let counter = match problem.code() {
            "token_missing" | "token_malformed" | "key_unknown" | "key_revoked" | "key_expired" => &self.unknown_key,
            "not_allowed" => &self.not_allowed,
            "tenant_suspended" => &self.suspended,
            "not_found" if permit.is_none() => &self.not_there,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub(super) fn counts(&self) -> Denied {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Denied {
            unknown_key: read(&self.unknown_key),
            not_allowed: read(&self.not_allowed),
            suspended: read(&self.suspended),
            not_there: read(&self.not_there),
        }
    }
}
