//! Names and numbers that identify things. Apart, so that a function can ask for a `TenantId` and not for a string.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name in bytes. Names are in every record and every log line.
pub const NAME_LEN_MAX: usize = 64;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a name: use 1 to {NAME_LEN_MAX} lower-case letters, digits, `-`, `_` or `.`, starting with a letter or a digit"
)]
pub struct NameError {
    /// The name as given, cut to 80 characters.
    pub name: String,
}

fn check_name(name: &str) -> Result<(), NameError> {
    let fits = (1..=NAME_LEN_MAX).contains(&name.len());
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if fits && starts && plain { Ok(()) } else { Err(NameError { name: name.chars().take(80).collect() }) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, too long or has other characters than names have.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check_name(name).map(|()| Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}

names! {
    /// Who owns runs, plugins, sagas and state; nothing is read without one.
    TenantId;
    /// The name of a saga, such as `order.fulfillment`.
    SagaName;
    /// The name of a step inside a saga, such as `charge-payment`.
    StepId;
    /// The name under which a tenant installed a component, such as `orders`.
    PluginName;
    /// A value that plugins need and nobody should read.
    SecretName;
    /// The name of a step implementation inside a plugin.
    HandlerName;
    /// The name of a signal that runs wait for, such as `approved`.
    SignalName;
}

/// Which implementation a step uses: `plugin/handler` in a definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HandlerRef {
    /// The plugin that has the handler.
    pub plugin: PluginName,
    /// The handler inside it.
    pub handler: HandlerName,
}

impl fmt::Display for HandlerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.handler)
    }
}

impl FromStr for HandlerRef {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (plugin, handler) = text.split_once('/').ok_or_else(|| format!("`{text}` names no handler: write `plugin/handler`"))?;
        Ok(Self {
            plugin: plugin.parse().map_err(|e: NameError| e.to_string())?,
            handler: handler.parse().map_err(|e: NameError| e.to_string())?,
        })
    }
}

/// Position of a step in its definition. Records carry this and not the name: it is one byte long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepIndex(pub u16);

impl StepIndex {
    /// As a place in a list.
    pub fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// One chain of records of a tenant. A tenant has lane 0; large tenants may get more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane(pub u32);

/// A run. Grows with time (48 bits of milliseconds, then 80 bits of chance), so that keys in the store grow too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u128);

/// Crockford's base 32: no I, L, O, U, so that an id read aloud is not mistaken.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_DIGITS: usize = 26;

impl RunId {
    /// Joins the time of birth in ms since the Unix epoch and 80 bits of chance.
    pub fn from_parts(born_ms: u64, chance: [u8; 10]) -> Self {
        let mut low = [0_u8; 16];
        low[6..].copy_from_slice(&chance);
        Self((u128::from(born_ms & 0xffff_ffff_ffff) << 80) | u128::from_be_bytes(low))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; ID_DIGITS];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        write!(f, "run_{}", std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text where people read (JSON), 16 bytes where they do not (records).
impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.to_be_bytes().serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(|bytes| Self(u128::from_be_bytes(bytes)))
        }
    }
}

/// Why a text is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: one looks like run_01kb0v7m4q8r5t2x9y3z6w1a0c")]
pub struct RunIdError(String);

impl FromStr for RunId {
    type Err = RunIdError;
    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let refuse = || RunIdError(text.chars().take(80).collect());
        let digits = text.strip_prefix("run_").ok_or_else(refuse)?.as_bytes();
        // The first of 26 digits has room for 3 of the 128 bits only.
        if digits.len() != ID_DIGITS || !matches!(digits[0], b'0'..=b'7') {
            return Err(refuse());
        }
        let mut id = 0_u128;
        for digit in digits {
            let value = ALPHABET.iter().position(|a| a == digit).ok_or_else(refuse)?;
            id = (id << 5) | value as u128;
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_checked_and_the_refused_one_is_named() {
        for good in ["a", "0", "order.fulfillment", "reserve-inventory", "a_b", &"x".repeat(64)] {
            assert!(StepId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", ".a", "a b", "ä", "a/b", "a\u{202e}", &"x".repeat(65)] {
            let error = StepId::new(bad).expect_err(bad).to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
    }

    #[test]
    fn a_handler_is_named_by_its_plugin() {
        assert_eq!("orders/reserve".parse::<HandlerRef>().map(|h| h.to_string()), Ok("orders/reserve".into()));
        assert!("orders".parse::<HandlerRef>().is_err_and(|e| e.contains("plugin/handler")));
        assert!("orders/A".parse::<HandlerRef>().is_err());
    }

    #[test]
    fn run_ids_grow_with_time() {
        assert!(RunId::from_parts(2, [0; 10]) > RunId::from_parts(1, [255; 10]));
    }

    proptest! {
        #[test]
        fn a_run_id_reads_as_written(id: u128) {
            prop_assert_eq!(RunId(id).to_string().parse::<RunId>(), Ok(RunId(id)));
        }
    }
}
