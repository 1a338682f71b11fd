//! The two kinds of limits, as numbers: a level that things come and go under, and a rate. Whole numbers only, so that nothing drifts.

use crate::time::{Span, Timestamp};

/// How much of something there is at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Level {
    used: u64,
}

/// How much of something there was lately. A bucket that leaks: what was taken runs out evenly, as much as is allowed in a period during
/// each period. It holds what was taken and not what is left, so that a limit that is set counts at once and forgets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    period_ms: u64,
    /// What was taken and has not run out, times `period_ms`: in a millisecond runs out what is allowed in a period, and that is whole.
    owed: u128,
    /// When `owed` was right.
    at: Timestamp,
}

impl Level {
    pub(super) fn of(used: u64) -> Self {
        Self { used }
    }

    pub(super) fn used(self) -> u64 {
        self.used
    }

    pub(super) fn fits(self, amount: u64, allowed: u64) -> bool {
        self.used.checked_add(amount).is_some_and(|used| used <= allowed)
    }

    pub(super) fn add(&mut self, amount: u64) {
        self.used = self.used.saturating_add(amount);
    }

    /// Panics if more is given back than was taken: then whoever keeps the account is wrong, and every later answer would be.
    pub(super) fn give_back(&mut self, amount: u64) {
        let used = self.used.checked_sub(amount);
        self.used = used.unwrap_or_else(|| panic!("{amount} are given back where {} are used", self.used));
    }
}

impl Rate {
    pub(super) fn new(period: Span) -> Self {
        Self { period_ms: period.0, owed: 0, at: Timestamp(0) }
    }

    /// Lets run out what has run out by `now`. A clock that was set back gives nothing and takes nothing: time goes on from there.
    pub(super) fn run_out(&mut self, allowed: u64, now: Timestamp) {
        let elapsed = now.since(self.at);
        self.owed = self.owed.saturating_sub(u128::from(allowed) * u128::from(elapsed.0));
        self.at = now;
    }

    /// What has not run out, rounded up.
    pub(super) fn used(&self) -> u64 {
        u64::try_from(self.owed.div_ceil(u128::from(self.period_ms))).unwrap_or(u64::MAX)
    }

    pub(super) fn fits(&self, amount: u64, allowed: u64) -> bool {
        self.owed.checked_add(self.scaled(amount)).is_some_and(|owed| owed <= self.scaled(allowed))
    }

    /// When `amount` fits, if nothing else is taken; none if it never does.
    pub(super) fn free_at(&self, amount: u64, allowed: u64) -> Option<Timestamp> {
        if amount > allowed || allowed == 0 {
            return None;
        }
        let room = self.scaled(allowed - amount);
        let wait_ms = self.owed.saturating_sub(room).div_ceil(u128::from(allowed));
        u64::try_from(wait_ms).ok().and_then(|wait_ms| self.at.0.checked_add(wait_ms)).map(Timestamp)
    }

    pub(super) fn add(&mut self, amount: u64) {
        self.owed = self.owed.saturating_add(self.scaled(amount));
    }

    /// What was taken for nothing. Some of it may have run out meanwhile.
    pub(super) fn give_back(&mut self, amount: u64) {
        self.owed = self.owed.saturating_sub(self.scaled(amount));
    }

    /// 64 bits each, so it fits.
    fn scaled(&self, amount: u64) -> u128 {
        u128::from(amount) * u128::from(self.period_ms)
    }
}
