//! What the `data` of an event holds. Fields are only ever added: consumers ignore those that they do not know. Doc comments here are the
//! words of `docs/events.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field:meta])* $value:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct $name { $($(#[$field])* pub $value: $kind,)* }
    )*};
}

shapes! {
    /// A value that is too long to stand here.
    Cut {
        /// The field that it would stand in.
        field: String,
        /// How long it is, bytes.
        bytes: u64,
        /// Its SHA-256.
        digest: String,
        /// Where to find it.
        note: String,
    }
    /// Who demanded something.
    By {
        /// Who.
        who: String,
        /// Why, in their own words.
        #[serde(skip_serializing_if = "Option::is_none")] why: Option<String>,
    }
    /// What an attempt cost.
    Cost {
        /// Units of fuel.
        fuel: u64,
        /// Wall time in microseconds.
        micros: u64,
        /// How often it was repeated because another run had changed what it read.
        conflicts: u32,
        /// How many lines it wrote to its log.
        log_lines: u64,
        /// How many keys of the state it changed.
        written_keys: u64,
    }
}

mod runs;
mod tenants;
mod webhooks;
pub use runs::*;
pub use tenants::*;
pub use webhooks::*;
