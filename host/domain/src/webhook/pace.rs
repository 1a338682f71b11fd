//! What follows from an answer: on, again later, or no more. Waits double up to a limit and are spread, so that webhooks that failed together
//! do not come back together; whoever fails for days is left alone until somebody looks.

use super::answer::{Answered, Pause};
use crate::digest::Digest;
use crate::time::{Span, Timestamp};

/// Longest that the other side may have the next attempt put off.
pub const RETRY_AFTER_MAX: Span = Span(3_600_000);

/// How attempts are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait after the first attempt that failed.
    pub first: Span,
    /// Longest wait, unless the other side asks for more.
    pub max: Span,
    /// Given up when nothing has been delivered for so long though it was tried.
    pub give_up_after: Span,
}

/// That nothing is delivered at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// When the first of the attempts was that failed one behind the other.
    pub since: Timestamp,
    /// How many there were, from 1.
    pub attempts: u32,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken: on to the next.
    Delivered,
    /// The same again, at this instant.
    Again {
        /// When.
        at: Timestamp,
        /// How it stands.
        failing: Failing,
    },
    /// No more, until somebody sets it again.
    Pause {
        /// What to say of it.
        reason: String,
    },
}

impl Pace {
    /// What follows from an answer at `now`. `failing`: how it stood before. `salt`: what is different for each webhook, so that they spread.
    pub fn judge(&self, answered: &Answered, failing: Option<Failing>, now: Timestamp, salt: &str) -> Verdict {
        let again = match answered {
            Answered::Status { status: 200..=299, .. } => return Verdict::Delivered,
            Answered::Status { status: 410, .. } => {
                return Verdict::Pause { reason: "it answered 410: it wants no more events".to_owned() };
            }
            Answered::Status { again, .. } => *again,
            Answered::Nothing => None,
        };
        let failing = match failing {
            Some(Failing { since, attempts }) => Failing { since, attempts: attempts.saturating_add(1) },
            None => Failing { since: now, attempts: 1 },
        };
        if now.since(failing.since) >= self.give_up_after {
            let reason = format!("nothing was delivered for {} in {} attempts", self.give_up_after, failing.attempts);
            return Verdict::Pause { reason };
        }
        Verdict::Again { at: now.plus(self.wait(failing.attempts, again, now, salt)), failing }
    }

    /// `min(max, first · 2^(attempts-1))`, or what the other side asks for if that is more; then up to a quarter more.
    fn wait(&self, attempts: u32, again: Option<Pause>, now: Timestamp, salt: &str) -> Span {
        let doubled = 1_u64.checked_shl(attempts.saturating_sub(1)).map_or(u64::MAX, |times| self.first.0.saturating_mul(times));
        let own = doubled.min(self.max.0);
        let asked = again.map_or(0, |again| again.from(now).min(RETRY_AFTER_MAX).0);
        let wait = own.max(asked);
        let Digest(chance) = Digest::of_parts(&[salt.as_bytes(), &attempts.to_be_bytes(), &now.0.to_be_bytes()]);
        let chance = u64::from_be_bytes(*chance.first_chunk().expect("32 bytes have a first 8"));
        Span(wait.saturating_add(chance % (wait / 4 + 1)))
    }
}
