//! Instants and spans, as milliseconds. The rules are told what time it is; they never look.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

/// An instant of host time: milliseconds since the Unix epoch. Shown as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This instant and `span`; the end of time if it does not fit.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long it is since `earlier`; nothing if that lies ahead (clocks are set back).
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 where people read (JSON), milliseconds where they do not (records).
impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

/// The last instant that RFC 3339 can write: the end of the year 9999.
const RFC3339_MAX_MS: u64 = 253_402_300_799_999;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = UNIX_EPOCH + Duration::from_millis(self.0.min(RFC3339_MAX_MS));
        write!(f, "{}", humantime::format_rfc3339_millis(instant))
    }
}

/// A span of time in milliseconds. Written with units: `250ms`, `10s`, `1m 30s`, `48h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Span(pub u64);

impl Span {
    /// As the standard library's duration.
    pub fn to_std(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.to_std()))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not a span of time: write a number and a unit, such as `250ms`, `10s` or `5m`");
        let span = humantime::parse_duration(text).map_err(|_| refuse())?;
        if span.subsec_nanos() % 1_000_000 != 0 {
            return Err(format!("`{text}` is finer than a millisecond, the smallest span there is"));
        }
        u64::try_from(span.as_millis()).map(Span).map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_with_units() {
        for (text, ms) in [("250ms", 250), ("10s", 10_000), ("1m 30s", 90_000), ("5m", 300_000), ("48h", 172_800_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Span(ms)));
            assert_eq!(Span(ms).to_string().parse(), Ok(Span(ms)));
        }
        for bad in ["", "10", "ten", "-1s", "10us", "0.1ms", "99999999999999y"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn instants_are_rfc_3339_and_never_overflow() {
        assert_eq!(Timestamp(1_764_000_000_123).to_string(), "2025-11-24T16:00:00.123Z");
        assert_eq!(Timestamp(u64::MAX).plus(Span(1)).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(1).since(Timestamp(2)), Span(0));
    }
}
