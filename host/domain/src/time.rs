//! Instants and spans, as milliseconds. The rules are told what time it is; they never look.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

/// An instant of host time: milliseconds since the Unix epoch. Shown as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// What [`Serialize`] wrote, and any RFC 3339.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// Instants before 1970 are none of ours.
impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "pattern": "^(19[7-9]|[2-9][0-9]{2})[0-9]-" })
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

impl FromStr for Timestamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("`{text}` is not an instant: write RFC 3339, such as 2026-01-31T09:00:00Z or 2026-01-31T10:00:00+01:00");
        let (local, offset_ms) = offset(text).ok_or_else(refuse)?;
        let instant = humantime::parse_rfc3339(&format!("{local}Z")).map_err(|_| refuse())?;
        let since = instant.duration_since(UNIX_EPOCH).map_err(|_| refuse())?;
        let local_ms = i64::try_from(since.as_millis()).map_err(|_| refuse())?;
        u64::try_from(local_ms - offset_ms).map(Self).map_err(|_| refuse())
    }
}

/// The text without its offset from UTC, and that offset in ms.
fn offset(text: &str) -> Option<(&str, i64)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local, 0));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let two = |text: &str, max: i64| text.parse::<u8>().ok().map(i64::from).filter(|n| *n <= max);
    let ms = (two(hours, 23)? * 60 + two(minutes, 59)?) * 60_000;
    match offset.chars().next()? {
        '+' => Some((local, ms)),
        '-' => Some((local, -ms)),
        _ => None,
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

/// Days are the longest unit: a month of 30.44 days is nobody's idea of a month.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_MS: u64 = 24 * 3_600_000;
        let rest = humantime::format_duration(Duration::from_millis(self.0 % DAY_MS));
        match (self.0 / DAY_MS, self.0 % DAY_MS) {
            (0, _) => write!(f, "{rest}"),
            (1, 0) => f.write_str("1day"),
            (1, _) => write!(f, "1day {rest}"),
            (days, 0) => write!(f, "{days}days"),
            (days, _) => write!(f, "{days}days {rest}"),
        }
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
    fn an_instant_is_read_as_it_is_written() {
        let instant = Timestamp(1_764_000_000_123);
        let json = serde_json::to_string(&instant).expect("it has a form");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("it is one"), instant, "{json}");
        assert!(serde_json::from_str::<Timestamp>("1764000000123").is_err());
        let stored = postcard::to_stdvec(&instant).expect("it has a form");
        assert_eq!(postcard::from_bytes::<Timestamp>(&stored).expect("it is one"), instant);
        assert_eq!(stored, postcard::to_stdvec(&instant.0).expect("a number has a form"));
    }

    #[test]
    fn spans_are_written_with_units() {
        for (text, ms) in [("250ms", 250), ("10s", 10_000), ("1m 30s", 90_000), ("5m", 300_000), ("48h", 172_800_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Span(ms)));
            assert_eq!(Span(ms).to_string().parse(), Ok(Span(ms)));
        }
        for (ms, text) in [
            (31_536_000_000, "365days"),
            (86_400_000, "1day"),
            (90_000_000, "1day 1h"),
            (172_800_250, "2days 250ms"),
            (86_399_999, "23h 59m 59s 999ms"),
        ] {
            assert_eq!((Span(ms).to_string().as_str(), text.parse()), (text, Ok(Span(ms))));
        }
        for bad in ["", "10", "ten", "-1s", "10us", "0.1ms", "99999999999999y"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn instants_are_read_with_any_offset() {
        let noon = Ok(Timestamp(1_764_000_000_123));
        for text in ["2025-11-24T16:00:00.123Z", "2025-11-24T17:30:00.123+01:30", "2025-11-24T08:00:00.123-08:00"] {
            assert_eq!(text.parse(), noon, "{text}");
        }
        for bad in ["", "now", "2025-11-24", "2025-11-24T16:00:00", "1969-12-31T23:59:59Z", "2025-11-24T16:00:00+25:00", "é-08:00"]
        {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn instants_are_texts_where_people_read_and_numbers_where_they_do_not() {
        let at = Timestamp(1_764_000_000_123);
        assert_eq!(serde_json::to_string(&at).ok().as_deref(), Some("\"2025-11-24T16:00:00.123Z\""));
        assert_eq!(serde_json::from_str::<Timestamp>("\"2025-11-24T17:00:00.123+01:00\"").ok(), Some(at));
        assert!(serde_json::from_str::<Timestamp>("1764000000123").is_err());
        let stored = postcard::to_stdvec(&at).expect("it has a form");
        assert_eq!(postcard::from_bytes(&stored), Ok(at));
    }

    #[test]
    fn instants_are_rfc_3339_and_never_overflow() {
        assert_eq!(Timestamp(1_764_000_000_123).to_string(), "2025-11-24T16:00:00.123Z");
        assert_eq!(Timestamp(u64::MAX).plus(Span(1)).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(1).since(Timestamp(2)), Span(0));
    }
}
