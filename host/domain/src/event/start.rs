//! What the first fact of a run says. Apart, because it was stored before it could say in which trace the run was started: what is stored now
//! reads what was stored then, and is the same bytes where nothing new is said.

use crate::digest::{Digest, hex};
use crate::id::{PluginName, SagaName};
use crate::payload::Payload;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What a run is and what it is bound to. Pinned, so that replacing a plugin or a saga never changes a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Which saga.
    pub saga: SagaName,
    /// Which version of it.
    pub version: u32,
    /// The digest of that definition's document.
    pub definition: Digest,
    /// The component of each plugin that the definition uses.
    pub components: Vec<(PluginName, Digest)>,
    /// What the run was started with.
    pub input: Payload,
    /// The idempotency key of the start, if there was one.
    pub key: Option<String>,
    /// The span in somebody else's trace that the start was a part of, if they said so.
    pub parent: Option<TraceParent>,
}

/// A span in a trace of somebody else, as the header `traceparent` names it (W3C Trace Context, version 00).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never all zeros.
    pub trace: [u8; 16],
    /// The span; never all zeros.
    pub span: [u8; 8],
    /// Whether they may have recorded it.
    pub sampled: bool,
}

/// A text is no `traceparent` that anybody may go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no traceparent: 00-TRACE-SPAN-FLAGS, lower-case hexadecimal digits, none all zeros")]
pub struct NoTraceParent;

/// As the header is written.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace), hex(&self.span), u8::from(self.sampled))
    }
}

/// W3C Trace Context §3.2: a later version is read as far as version 00 goes, and of the flags only the one that is known is kept.
impl FromStr for TraceParent {
    type Err = NoTraceParent;
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut parts = text.splitn(5, '-');
        let mut part = || parts.next().ok_or(NoTraceParent);
        let [version] = bytes(part()?)?;
        let (trace, span) = (bytes(part()?)?, bytes(part()?)?);
        let [flags] = bytes(part()?)?;
        let is_longer = parts.next().is_some();
        if version == 0xff || (version == 0 && is_longer) || trace == [0; 16] || span == [0; 8] {
            return Err(NoTraceParent);
        }
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

fn bytes<const N: usize>(digits: &str) -> Result<[u8; N], NoTraceParent> {
    let is_one = digits.len() == 2 * N && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate().filter(|_| is_one) {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| NoTraceParent)?;
    }
    if is_one { Ok(bytes) } else { Err(NoTraceParent) }
}

/// What is stored. Its last field was an `Option<String>`, whose two forms the first two of [`Origin`] have.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    saga: Cow<'a, SagaName>,
    version: u32,
    definition: Digest,
    components: Cow<'a, [(PluginName, Digest)]>,
    input: Cow<'a, Payload>,
    origin: Origin<'a>,
}

#[derive(Serialize, Deserialize)]
enum Origin<'a> {
    Nothing,
    Key(Cow<'a, str>),
    Parent(ParentBytes),
    Both(Cow<'a, str>, ParentBytes),
}

/// Trace, span, whether it is sampled.
type ParentBytes = ([u8; 16], [u8; 8], bool);

/// What people read.
#[derive(Serialize, Deserialize)]
struct Readable<'a> {
    saga: Cow<'a, SagaName>,
    version: u32,
    definition: Digest,
    components: Cow<'a, [(PluginName, Digest)]>,
    input: Cow<'a, Payload>,
    key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

impl Serialize for Started {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { saga, version, definition, components, input, key, parent } = self;
        let (saga, components, input) = (Cow::Borrowed(saga), Cow::Borrowed(components.as_slice()), Cow::Borrowed(input));
        let (version, definition, key) = (*version, *definition, key.as_deref().map(Cow::Borrowed));
        if serializer.is_human_readable() {
            let traceparent = parent.map(|parent| parent.to_string());
            return Readable { saga, version, definition, components, input, key, traceparent }.serialize(serializer);
        }
        let origin = match (key, parent.map(|TraceParent { trace, span, sampled }| (trace, span, sampled))) {
            (None, None) => Origin::Nothing,
            (Some(key), None) => Origin::Key(key),
            (None, Some(parent)) => Origin::Parent(parent),
            (Some(key), Some(parent)) => Origin::Both(key, parent),
        };
        Stored { saga, version, definition, components, input, origin }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Started {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Readable { saga, version, definition, components, input, key, traceparent } = Readable::deserialize(deserializer)?;
            let parent = traceparent.map(|parent| parent.parse()).transpose().map_err(serde::de::Error::custom)?;
            let (saga, components, input) = (saga.into_owned(), components.into_owned(), input.into_owned());
            return Ok(Self { saga, version, definition, components, input, key: key.map(Cow::into_owned), parent });
        }
        let Stored { saga, version, definition, components, input, origin } = Stored::deserialize(deserializer)?;
        let (saga, components, input) = (saga.into_owned(), components.into_owned(), input.into_owned());
        let (key, parent) = match origin {
            Origin::Nothing => (None, None),
            Origin::Key(key) => (Some(key.into_owned()), None),
            Origin::Parent(parent) => (None, Some(parent)),
            Origin::Both(key, parent) => (Some(key.into_owned()), Some(parent)),
        };
        let parent = parent.map(|(trace, span, sampled)| TraceParent { trace, span, sampled });
        Ok(Self { saga, version, definition, components, input, key, parent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says_and_nothing_else_is() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        for (text, written) in [
            (format!("{good}-01"), Some("01")),
            (format!("{good}-00"), Some("00")),
            // Flags that nobody knows are not passed on.
            (format!("{good}-ff"), Some("01")),
            (format!("{good}-02"), Some("00")),
            // What a later version adds is not read.
            (good.replacen("00", "cc", 1) + "-01-more-of-it", Some("01")),
            (good.replacen("00", "01", 1) + "-01", Some("01")),
            (format!("{good}-01-more"), None),
            (format!("{good}-01-"), None),
            (good.replacen("00", "cc", 1) + "-01more", None),
            (good.replacen("00", "ff", 1) + "-01", None),
            (good.to_owned(), None),
            (format!("{good}-1"), None),
            (format!("{good}-+1"), None),
            (format!("{good}-01").to_uppercase(), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{}-{}-01", "1".repeat(32), "0".repeat(16)), None),
            (format!("00-{}-{}-01", "1".repeat(31), "1".repeat(17)), None),
            (format!("00-{}é-{}-01", "1".repeat(30), "1".repeat(16)), None),
            (String::new(), None),
        ] {
            let read = text.parse::<TraceParent>().ok().map(|parent| parent.to_string());
            assert_eq!(read, written.map(|flags| format!("{good}-{flags}")), "{text}");
        }
    }

    #[test]
    fn a_start_is_read_as_it_was_written_and_one_that_says_nothing_new_has_the_form_that_it_had() {
        #[derive(Serialize)]
        struct Before<'a>(&'a str, u32, Digest, Vec<(PluginName, Digest)>, Payload, Option<String>);
        let parent = || "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse::<TraceParent>().ok();
        for (key, parent) in [(None, None), (Some("k"), None), (None, parent()), (Some("k"), parent())] {
            let components = vec![("p".parse().expect("a name"), Digest::of(b"c"))];
            let (saga, key, input) = ("s".parse().expect("a name"), key.map(str::to_owned), Payload::from("1"));
            let started = Started { saga, version: 300, definition: Digest::of(b"d"), components, input, key, parent };
            let stored = postcard::to_stdvec(&started).expect("it has a form");
            assert_eq!(postcard::from_bytes(&stored), Ok(started.clone()));
            let text = serde_json::to_string(&started).expect("it has a form");
            assert_eq!(serde_json::from_str::<Started>(&text).ok().as_ref(), Some(&started), "{text}");
            let Started { version, definition, components, input, key, .. } = started;
            let before = postcard::to_stdvec(&Before("s", version, definition, components, input, key)).expect("it has a form");
            assert_eq!(stored == before, parent.is_none());
        }
    }
}
