//! Names and numbers that identify things. Apart, so that a function can ask for a `TenantId` and not for a string.

mod number;

pub use number::{KeyId, KeyIdError, RequestId, RequestIdError, RunId, RunIdError};
pub(crate) use number::{bits, digits};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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

/// What [`check_name`] lets through, for others.
fn name_schema() -> Schema {
    json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" })
}

fn check_name(name: &str) -> Result<(), NameError> {
    let fits = (1..=NAME_LEN_MAX).contains(&name.len());
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if fits && starts && plain { Ok(()) } else { Err(NameError { name: name.chars().take(80).collect() }) }
}

/// Why a version is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{version}` is not a version: use 1 to {NAME_LEN_MAX} letters, digits, `.`, `-` or `+`, such as 1.4.0")]
pub struct VersionError {
    /// The version as given, cut to 80 characters.
    pub version: String,
}

/// What [`check_version`] lets through, for others: dots alone are a path.
fn version_schema() -> Schema {
    json_schema!({ "type": "string", "pattern": "^\\.*[A-Za-z0-9+-][A-Za-z0-9.+-]*$", "maxLength": NAME_LEN_MAX })
}

fn check_version(version: &str) -> Result<(), VersionError> {
    let fits = (1..=NAME_LEN_MAX).contains(&version.len());
    // `.` and `..` mean something else in a path of a URL.
    let is_path = version.bytes().all(|b| b == b'.');
    let plain = version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    if fits && plain && !is_path { Ok(()) } else { Err(VersionError { version: version.chars().take(80).collect() }) }
}

macro_rules! names {
    ($check:ident, $schema:ident, $error:ident: $($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// If it is empty, too long or has other characters than are allowed.
            pub fn new(name: &str) -> Result<Self, $error> {
                $check(name).map(|()| Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $error;
            fn from_str(name: &str) -> Result<Self, $error> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(name: String) -> Result<Self, $error> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
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
                $schema()
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

names! { check_name, name_schema, NameError:
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
    /// The name of a key, for people: `ci`, `ada`.
    KeyName;
    /// The name of a webhook, such as `billing`.
    WebhookName;
}

names! { check_version, version_schema, VersionError:
    /// A version of a plugin, such as `1.4.0` or `2026.1-rc.1+g77`. A word, not a number: which one is the latest is a matter of when.
    PluginVersion;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Lane(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

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
    fn versions_are_words_and_the_refused_one_is_named() {
        for good in ["1", "1.4.0", "v2", "2026.1-rc.1+g77", "A.B", &"9".repeat(64)] {
            assert_eq!(PluginVersion::new(good).map(|v| v.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", "1/2", "1 2", "1_2", "ä", "1\n", &"9".repeat(65)] {
            let error = PluginVersion::new(bad).expect_err(bad).to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
    }
}
