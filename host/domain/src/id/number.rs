//! Ids that a host makes: a prefix that says of what, then 26 digits that grow with time. Apart from names, which people choose.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Crockford's base 32: no I, L, O, U, so that an id read aloud is not mistaken.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_DIGITS: usize = 26;

/// Writes `bits`, the last five of them last, as `N` digits.
pub(crate) fn digits<const N: usize>(mut bits: u128) -> [u8; N] {
    let mut text = [b'0'; N];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    text
}

/// Reads what [`digits`] wrote, at most 25 digits and one more below 8; none if one of them is no digit.
pub(crate) fn bits(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |bits, digit| {
        let value = ALPHABET.iter().position(|a| a == digit)?;
        Some((bits << 5) | value as u128)
    })
}

/// The id behind a prefix. The first of 26 digits has room for 3 of the 128 bits only.
fn id_of(digits: &[u8]) -> Option<u128> {
    if digits.len() != ID_DIGITS || !matches!(digits[0], b'0'..=b'7') { None } else { bits(digits) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal, $(#[$error_doc:meta])* $error:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u128);

        impl $name {
            /// Joins the time of birth in ms since the Unix epoch and 80 bits of chance.
            pub fn from_parts(born_ms: u64, chance: [u8; 10]) -> Self {
                let mut low = [0_u8; 16];
                low[6..].copy_from_slice(&chance);
                Self((u128::from(born_ms & 0xffff_ffff_ffff) << 80) | u128::from_be_bytes(low))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text: [u8; ID_DIGITS] = digits(self.0);
                write!(f, concat!($prefix, "{}"), std::str::from_utf8(&text).expect("the alphabet is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        /// Text where people read (JSON), 16 bytes where they do not (records).
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.to_be_bytes().serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(|bytes| Self(u128::from_be_bytes(bytes)))
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$") })
            }
        }

        $(#[$error_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("`{0}` is not a {what} id: one looks like {prefix}01kb0v7m4q8r5t2x9y3z6w1a0c", what = $what, prefix = $prefix)]
        pub struct $error(String);

        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                let id = text.strip_prefix($prefix).and_then(|digits| id_of(digits.as_bytes()));
                id.map(Self).ok_or_else(|| $error(text.chars().take(80).collect()))
            }
        }
    )*};
}

ids! {
    /// A run. Grows with time (48 bits of milliseconds, then 80 bits of chance), so that keys in the store grow too.
    RunId, "run_", "run",
    /// Why a text is not a run id.
    RunIdError;

    /// A key: what a token of a person or a program is known by. Grows with time, as runs do.
    KeyId, "key_", "key",
    /// Why a text is not a key id.
    KeyIdError;

    /// A request over HTTP that came without an id of its own.
    RequestId, "req_", "request",
    /// Why a text is not a request id.
    RequestIdError;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_grow_with_time() {
        assert!(RunId::from_parts(2, [0; 10]) > RunId::from_parts(1, [255; 10]));
        assert!(KeyId::from_parts(2, [0; 10]) > KeyId::from_parts(1, [255; 10]));
    }

    #[test]
    fn an_id_of_one_thing_is_not_one_of_another() {
        let (run, key) = (RunId(7).to_string(), KeyId(7).to_string());
        assert_eq!((run[3..].parse::<KeyId>().is_err(), key.parse()), (true, Ok(KeyId(7))));
        let error = run.parse::<KeyId>().expect_err("a run").to_string();
        assert_eq!(error, format!("`{run}` is not a key id: one looks like key_01kb0v7m4q8r5t2x9y3z6w1a0c"));
        for bad in ["", "key_", "key_8zzzzzzzzzzzzzzzzzzzzzzzzz", "key_0000000000000000000000000u", "key_000000000000000000000000"]
        {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_id_reads_as_written(id: u128) {
            prop_assert_eq!(RunId(id).to_string().parse::<RunId>(), Ok(RunId(id)));
            prop_assert_eq!(KeyId(id).to_string().parse::<KeyId>(), Ok(KeyId(id)));
        }
    }
}
