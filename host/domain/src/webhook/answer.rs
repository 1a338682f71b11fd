//! What a webhook's other side answered, as far as it matters: the status, and when it wants to be asked again.

use crate::time::{Span, Timestamp};

/// As instants of HTTP name them.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// An answer with this status, and when it says to try again.
    Status {
        /// The status of HTTP.
        status: u16,
        /// `Retry-After`, if there is one that can be read.
        again: Option<Pause>,
    },
    /// None: it could not be reached, or it broke off, or it took too long.
    Nothing,
}

/// When to try again, as the other side says it (RFC 9110 §10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// After so long.
    For(Span),
    /// At this instant.
    Until(Timestamp),
}

impl Pause {
    /// Reads `Retry-After`: seconds, or an instant such as `Sun, 06 Nov 1994 08:49:37 GMT`. None if it is neither; the two old forms of
    /// instants are not read, which nobody writes any more.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse::<u64>().ok().map(|seconds| Self::For(Span(seconds.saturating_mul(1000))));
        }
        let words: Vec<_> = text.split(' ').collect();
        let &[_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
        let month = MONTHS.iter().position(|known| *known == month)? + 1;
        format!("{year}-{month:02}-{day}T{time}Z").parse().ok().map(Self::Until)
    }

    /// How long that is from `now` on.
    pub(super) fn from(self, now: Timestamp) -> Span {
        match self {
            Self::For(span) => span,
            Self::Until(instant) => instant.since(now),
        }
    }
}
