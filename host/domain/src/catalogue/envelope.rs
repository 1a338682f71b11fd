//! The envelope that every event comes in: `CloudEvents` 1.0.

use super::Data;
use crate::digest::Digest;
use crate::id::{Lane, TenantId};
use crate::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Where a record stands, and what proves it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Its lane.
    pub lane: Lane,
    /// Its number there.
    pub seq: u64,
    /// Its link.
    pub link: Digest,
}

/// Where an event stands: grows in its lane, and is what a consumer names to go on from. Written `LANE-RECORD-FACT-PART`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The lane.
    pub lane: Lane,
    /// The record, from 1.
    pub seq: u64,
    /// The fact in that record, from 1.
    pub fact: u32,
    /// Which of the events that this fact gives, from 1.
    pub part: u8,
}

/// One event. As JSON it is the structured mode of `CloudEvents` 1.0 (`application/cloudevents+json`).
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    /// The tenant: `source`.
    pub source: TenantId,
    /// `id` and `sequence`.
    pub position: Position,
    /// What it is about: a run, a step of one as `RUN/STEP`, `plugin/NAME` …; none: the tenant itself.
    pub subject: Option<String>,
    /// When the fact was noted.
    pub time: Timestamp,
    /// The link of the record that the fact is in: an event can be checked against an export.
    pub audithash: Digest,
    /// `type` and `data`.
    pub data: Data,
}

impl Position {
    /// As a text that sorts as positions of one lane do.
    pub fn sequence(&self) -> String {
        format!("{:020}.{:06}.{}", self.seq, self.fact, self.part)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}-{}", self.lane.0, self.seq, self.fact, self.part)
    }
}

/// Why a text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an event: one looks like 0-42-1-1")]
pub struct PositionError(String);

impl FromStr for Position {
    type Err = PositionError;
    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parts: Vec<_> = text.split('-').collect();
        let read = || {
            let &[lane, seq, fact, part] = parts.as_slice() else { return None };
            Some(Self {
                lane: Lane(lane.parse().ok()?),
                seq: seq.parse().ok()?,
                fact: fact.parse().ok()?,
                part: part.parse().ok()?,
            })
        };
        // One form only: `+1` and `01` are numbers as well.
        let position = read().filter(|position| position.to_string() == text);
        position.ok_or_else(|| PositionError(text.chars().take(80).collect()))
    }
}

/// Why a text is no event of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Its form is another one.
    #[error("an event that cannot be read: {0}")]
    Malformed(String),
    /// A later release told it.
    #[error("an event of the type `{0}`, which this release does not know: use the release of the server")]
    UnknownType(String),
}

/// The attributes that are read; the others say the same in other words.
#[derive(Deserialize)]
struct Attributes {
    id: String,
    source: TenantId,
    #[serde(rename = "type")]
    name: String,
    subject: Option<String>,
    time: Timestamp,
    audithash: String,
    data: Value,
}

impl CloudEvent {
    /// Reads an event as it is written.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(json: &[u8]) -> Result<Self, ReadError> {
        let malformed = |error: &dyn fmt::Display| ReadError::Malformed(error.to_string());
        let Attributes { id, source, name, subject, time, audithash, data } =
            serde_json::from_slice(json).map_err(|error| malformed(&error))?;
        let position = id.parse().map_err(|error: PositionError| malformed(&error))?;
        let audithash = format!("sha256:{audithash}").parse().map_err(|error: String| malformed(&error))?;
        let data = Data::read(&name, data).ok_or(ReadError::UnknownType(name))?.map_err(|error| malformed(&error))?;
        Ok(Self { source, position, subject, time, audithash, data })
    }
}

/// As it is written: a lane, a record, a fact and a part.
impl JsonSchema for Position {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Position".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = "(0|[1-9][0-9]{0,8})";
        json_schema!({ "type": "string", "pattern": format!("^0-{number}-{number}-(0|[1-9][0-9]?)$") })
    }
}

impl JsonSchema for CloudEvent {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let types: Vec<_> = super::TYPES.iter().map(|kind| kind.name).collect();
        json_schema!({
            "description": "One event: the structured mode of CloudEvents 1.0.",
            "type": "object",
            "properties": {
                "specversion": { "const": "1.0" },
                "id": generator.subschema_for::<Position>(),
                "source": generator.subschema_for::<TenantId>(),
                "type": { "enum": types },
                "subject": { "type": "string" },
                "time": generator.subschema_for::<Timestamp>(),
                "datacontenttype": { "const": "application/json" },
                "sequence": { "type": "string", "pattern": "^[0-9]{20}[.][0-9]{6}[.][0-9]+$" },
                "audithash": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                "data": { "type": "object" },
            },
            "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "sequence", "audithash", "data"],
        })
    }
}

impl Serialize for CloudEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &self.position.to_string())?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", self.data.type_name())?;
        if let Some(subject) = &self.subject {
            map.serialize_entry("subject", subject)?;
        }
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("datacontenttype", "application/json")?;
        map.serialize_entry("sequence", &self.position.sequence())?;
        map.serialize_entry("audithash", &self.audithash.hex())?;
        map.serialize_entry("data", &self.data)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_read_as_written_and_sort_as_their_sequences(one: (u64, u32, u8), other: (u64, u32, u8)) {
            let position = |(seq, fact, part)| Position { lane: Lane(3), seq, fact: fact % 1_000_000, part: part % 10 };
            let (one, other) = (position(one), position(other));
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(one.cmp(&other), one.sequence().cmp(&other.sequence()));
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        assert_eq!("0-42-1-1".parse(), Ok(Position { lane: Lane(0), seq: 42, fact: 1, part: 1 }));
        for bad in ["", "42", "0-42-1", "0-42-1-1-1", "0-+42-1-1", "0-042-1-1", "0--1-1-1", "x-1-1-1", "0-18446744073709551616-1-1"]
        {
            assert!(bad.parse::<Position>().is_err_and(|error| error.to_string().contains(&format!("`{bad}`"))), "{bad}");
        }
    }
}
