//! Bytes that belong to tenants: inputs, outputs, values. Passed on as bytes; parsed only where a mapping asks.

use crate::digest::hex;
use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Largest payload unless a limit says less: 256 KiB.
pub const PAYLOAD_LEN_MAX: usize = 256 * 1024;

/// JSON (RFC 8259) unless the handler's manifest names another media type. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(pub Bytes);

impl Payload {
    /// What a step gives that has nothing to give.
    pub fn null() -> Self {
        Self::from("null")
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads it as JSON.
    ///
    /// # Errors
    /// What is not JSON about it, with line and column.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// For a person or an export: the JSON value, or text under `text`, or hexadecimal digits under `hex`.
    pub fn readable(&self) -> serde_json::Value {
        self.json().unwrap_or_else(|_| match std::str::from_utf8(&self.0) {
            Ok(text) => serde_json::json!({ "text": text }),
            Err(_) => serde_json::json!({ "hex": hex(&self.0) }),
        })
    }
}

/// A JSON value where people read, bytes where they do not (records).
impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { self.readable().serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

/// What [`Serialize`] wrote. Where people read, what was not JSON comes back as the JSON that stands for it.
impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            serde_json::Value::deserialize(deserializer).map(|value| Self::from(&value))
        } else {
            Bytes::deserialize(deserializer).map(Self)
        }
    }
}

/// Whatever is JSON.
impl JsonSchema for Payload {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::from(true)
    }
}

impl From<&serde_json::Value> for Payload {
    fn from(value: &serde_json::Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::from(bytes))
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0[..self.0.len().min(120)]))
    }
}

/// Longest key of the state, bytes.
pub const STATE_KEY_LEN_MAX: usize = 512;

/// Why a text is no key of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateKeyError {
    /// It is empty or too long.
    #[error("a key of {0} bytes: 1 to {STATE_KEY_LEN_MAX} are allowed")]
    Length(usize),
    /// Whoever reads it would not see what it is.
    #[error("a key has control characters")]
    NotPlain,
}

impl StateKeyError {
    /// The stable code for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length(_) => "key_length",
            Self::NotPlain => "key_not_plain",
        }
    }
}

/// Whether the state can have such a key: the same for plugins and for people.
///
/// # Errors
/// [`StateKeyError`].
pub fn check_state_key(key: &str) -> Result<(), StateKeyError> {
    if !(1..=STATE_KEY_LEN_MAX).contains(&key.len()) {
        return Err(StateKeyError::Length(key.len()));
    }
    if key.chars().any(char::is_control) { Err(StateKeyError::NotPlain) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_is_still_shown() {
        assert_eq!(Payload::from("{\"a\":1}").readable(), serde_json::json!({"a": 1}));
        assert_eq!(Payload::from("plain").readable(), serde_json::json!({"text": "plain"}));
        assert_eq!(Payload::from(vec![0xff, 0x00]).readable(), serde_json::json!({"hex": "ff00"}));
    }
}
