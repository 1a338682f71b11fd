//! The limits of a tenant: what each may be, what it is where nobody says, and how people write them. `docs/tenants.md` gives the reasons
//! of the defaults to operators.

use crate::definition::{Mistakes, shown};
use crate::event::LimitName;
use crate::time::Span;
use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// How far a tenant may go. One number for each [`LimitName`], each within [`LimitName::range`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits([u64; LimitName::ALL.len()]);

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things, or fuel.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What there is to know about a limit.
#[derive(Debug, Clone, Copy)]
struct Rule {
    unit: Unit,
    default: u64,
    least: u64,
    most: u64,
}

fn count(default: u64, least: u64, most: u64) -> Rule {
    Rule { unit: Unit::Count, default, least, most }
}

fn bytes(default: u64, least: u64, most: u64) -> Rule {
    Rule { unit: Unit::Bytes, default, least, most }
}

fn seconds(default: u64, least: u64, most: u64) -> Rule {
    Rule { unit: Unit::Seconds, default, least, most }
}

impl LimitName {
    /// None is without end: whoever wants no limit says how much that is. With the smallest values compensations still get through.
    fn rule(self) -> Rule {
        match self {
            // In the middle of its range on a scale of ratios, so that others can be given a hundredth or ten times as much.
            Self::Weight => count(100, 1, 1000),
            // With the default of 64 MiB an attempt that is `live_memory`. Two cores are kept busy by fewer, if they do not wait outside.
            Self::ConcurrentAttempts => count(16, 1, 10_000),
            // Runs that wait for days are open as well. A run of ten steps is about 10 kB of memory when it is driven, none while it rests.
            Self::QueuedRuns => count(10_000, 0, 10_000_000),
            // Ten thousand a second: what runs take is bounded by the other limits, and this one by what a host can note.
            Self::StartsPerMinute => count(600_000, 0, 10_000_000),
            // One core's work: about 10⁹ units a second.
            Self::FuelPerMinute => count(60_000_000_000, 1_000_000, 1_000_000_000_000_000),
            Self::LiveMemory => bytes(GIB, MIB, 64 * TIB),
            // A million runs of ten steps.
            Self::StoredBytes => bytes(10 * GIB, MIB, 1024 * TIB),
            Self::Plugins => count(100, 0, 10_000),
            Self::Sagas => count(1000, 0, 100_000),
            // Compiling is the dearest thing that a tenant can have done: up to a minute of a core for each.
            Self::UploadsPerMinute => count(10, 0, 10_000),
            // A thousand attempts that write all the log that an attempt may write.
            Self::LogBytesPerDay => bytes(256 * MIB, 0, 1024 * TIB),
            // A console in a few browsers, and a few programs.
            Self::EventsFollowers => count(20, 0, 10_000),
            Self::Webhooks => count(10, 0, 1000),
            // A hundred years: what is a tenant's own is not removed before somebody says when.
            Self::EndedRunsKept => seconds(36_500 * DAY, MINUTE, 36_500 * DAY),
        }
    }

    /// What it is where nobody says.
    pub fn default_value(self) -> u64 {
        self.rule().default
    }

    /// What it may be.
    pub fn range(self) -> RangeInclusive<u64> {
        self.rule().least..=self.rule().most
    }

    /// What it counts.
    pub fn unit(self) -> Unit {
        self.rule().unit
    }

    /// An amount of it, for people.
    pub fn shown(self, amount: u64) -> String {
        match self.unit() {
            Unit::Count => amount.to_string(),
            Unit::Bytes => in_whole(amount, &[(TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"), (1, "B")]),
            Unit::Seconds => in_whole(amount, &[(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1, "s")]),
        }
    }
}

/// In the largest unit of which it is a whole number, so that what is written reads as what it is. The last unit is 1.
fn in_whole(amount: u64, units: &[(u64, &str)]) -> String {
    let whole = units.iter().find(|(unit, _)| amount >= *unit && amount.is_multiple_of(*unit)).or(units.last());
    whole.map_or_else(|| amount.to_string(), |(unit, word)| format!("{}{word}", amount / unit))
}

impl Default for TenantLimits {
    fn default() -> Self {
        let mut limits = Self([0; LimitName::ALL.len()]);
        for name in LimitName::ALL {
            limits.0[*name as usize] = name.default_value();
        }
        limits
    }
}

impl TenantLimits {
    /// Without limits, and with the usual share: of a host that has one user.
    pub fn none() -> Self {
        let mut limits = Self([u64::MAX; LimitName::ALL.len()]);
        limits.0[LimitName::Weight as usize] = LimitName::Weight.default_value();
        limits
    }

    /// How much of it there may be.
    pub fn get(&self, name: LimitName) -> u64 {
        self.0[name as usize]
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (LimitName, u64)> {
        LimitName::ALL.iter().map(|name| (*name, self.get(*name)))
    }

    /// These limits, and those of `set` instead of their own. What is outside of its range is brought to the nearest value within: it was
    /// within when it was set, and a release that allows less must not make room that it does not have.
    #[must_use]
    pub fn with(mut self, set: &[(LimitName, u64)]) -> Self {
        for (name, value) in set {
            let range = name.range();
            self.0[*name as usize] = (*value).clamp(*range.start(), *range.end());
        }
        self
    }

    /// Reads an object of the limits that are to change, and checks that there are no others: `{"weight": 200, "live_memory": "2GiB"}`.
    /// Bytes and times are written with a unit or as a whole number.
    ///
    /// # Errors
    /// Every mistake, each with its field and what would be right.
    pub fn patched(self, patch: &Value) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let known: Vec<_> = LimitName::ALL.iter().map(|name| name.word()).collect();
        let mut set = Vec::new();
        if let Some(fields) = mistakes.object("", patch, &known) {
            for name in LimitName::ALL {
                let value = fields.get(name.word()).and_then(|value| read(&mut mistakes, *name, value));
                set.extend(value.map(|value| (*name, value)));
            }
        }
        if mistakes.0.is_empty() { Ok(self.with(&set)) } else { Err(mistakes) }
    }
}

fn read(mistakes: &mut Mistakes, name: LimitName, value: &Value) -> Option<u64> {
    match name.unit() {
        Unit::Count => mistakes.integer(name.word(), value, name.range()),
        Unit::Bytes => {
            let size = value.as_str().map_or(value.as_u64(), |text| text.parse::<ByteSize>().ok().map(|size| size.0));
            within(mistakes, name, value, size, "a size", "512MiB")
        }
        Unit::Seconds => {
            let whole = |span: Span| span.0.is_multiple_of(1000).then_some(span.0 / 1000);
            let time = value.as_str().map_or(value.as_u64(), |text| text.parse::<Span>().ok().and_then(whole));
            within(mistakes, name, value, time, "a time of whole seconds", "30d")
        }
    }
}

/// What was `found` in `value`, if it is in the range of the limit; else a mistake that says what is.
fn within(mistakes: &mut Mistakes, name: LimitName, value: &Value, found: Option<u64>, what: &str, such_as: &str) -> Option<u64> {
    let found = found.filter(|found| name.range().contains(found));
    if found.is_none() {
        let (least, most) = (name.shown(*name.range().start()), name.shown(*name.range().end()));
        mistakes.add(name.word(), format!("is {}: write {what} from {least} to {most}, such as {such_as}", shown(value)));
    }
    found
}

/// An object with a field for each limit, whole numbers.
impl Serialize for TenantLimits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.all().map(|(name, value)| (name.word(), value)))
    }
}

/// As they are shown: every limit, whole numbers.
impl JsonSchema for TenantLimits {
    fn schema_name() -> Cow<'static, str> {
        "TenantLimits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let field = |name: &LimitName| {
            let (least, most) = name.range().into_inner();
            (name.word().to_owned(), serde_json::json!({ "type": "integer", "minimum": least, "maximum": most }))
        };
        let fields: serde_json::Map<_, _> = LimitName::ALL.iter().map(field).collect();
        let names: Vec<_> = LimitName::ALL.iter().map(|name| name.word()).collect();
        json_schema!({ "type": "object", "properties": fields, "required": names, "additionalProperties": false })
    }
}

/// As somebody changes them: those that are named; bytes and times with a unit or as a whole number.
#[derive(Debug)]
pub struct LimitsPatch;

impl JsonSchema for LimitsPatch {
    fn schema_name() -> Cow<'static, str> {
        "LimitsPatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let field = |name: &LimitName| {
            let (least, most) = name.range().into_inner();
            let number = serde_json::json!({ "type": "integer", "minimum": least, "maximum": most });
            let size = serde_json::json!({ "type": "string", "examples": [name.shown(name.default_value())] });
            let field = match name.unit() {
                Unit::Count => number,
                Unit::Bytes | Unit::Seconds => serde_json::json!({ "anyOf": [number, size] }),
            };
            (name.word().to_owned(), field)
        };
        let fields: serde_json::Map<_, _> = LimitName::ALL.iter().map(field).collect();
        json_schema!({ "type": "object", "properties": fields, "additionalProperties": false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_limits_of_nobody_in_particular_are_within_their_ranges() {
        let limits = TenantLimits::default();
        for (name, value) in limits.all() {
            assert!(name.range().contains(&value), "{name:?}");
            assert_eq!(serde_json::to_value(name).expect("a word"), json!(name.word()));
        }
        assert_eq!(limits.get(LimitName::Weight), 100);
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let patched =
            TenantLimits::default().patched(&json!({"weight": 7, "live_memory": "2GiB", "stored_bytes": 3_000_000, "plugins": 0}));
        let patched = patched.expect("it is right");
        let expected = [
            (LimitName::Weight, 7),
            (LimitName::LiveMemory, 2 * GIB),
            (LimitName::StoredBytes, 3_000_000),
            (LimitName::Plugins, 0),
        ];
        assert_eq!(patched, TenantLimits::default().with(&expected));
        let changed = patched.all().zip(TenantLimits::default().all()).filter(|(now, before)| now != before).count();
        assert_eq!(changed, expected.len());
        assert_eq!(patched.patched(&json!({})).expect("nothing is wrong with it"), patched);
    }

    #[test]
    fn what_is_written_reads_as_what_it_is() {
        let limits = TenantLimits::default().with(&[(LimitName::StoredBytes, 1_234_567)]);
        let written = serde_json::to_value(limits).expect("it has a form");
        assert_eq!(TenantLimits::default().patched(&written).expect("it is right"), limits);
        for (name, value) in limits.all() {
            let shown = name.shown(value);
            let field = json!({ name.word(): match name.unit() { Unit::Count => json!(value), Unit::Bytes | Unit::Seconds => json!(shown) } });
            assert_eq!(limits.patched(&field).expect("it is right"), limits, "{field}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_what_would_be_right() {
        let wrong = json!({"weight": 0, "wieght": 3, "live_memory": "much", "stored_bytes": "3KiB", "plugins": -1, "sagas": 12});
        let mistakes = TenantLimits::default().patched(&wrong).expect_err("most of it is wrong");
        assert_eq!(
            mistakes.to_string(),
            "5 mistakes\
             \n  wieght: unknown field; did you mean `weight`?\
             \n  weight: is 0: write a whole number from 1 to 1000\
             \n  live_memory: is \"much\": write a size from 1MiB to 64TiB, such as 512MiB\
             \n  stored_bytes: is \"3KiB\": write a size from 1MiB to 1024TiB, such as 512MiB\
             \n  plugins: is -1: write a whole number from 0 to 10000"
        );
        let list = TenantLimits::default().patched(&json!([1])).expect_err("a list");
        assert!(list.to_string().contains("is a list: write an object"), "{list}");
    }

    #[test]
    fn what_was_stored_outside_of_the_range_is_brought_into_it() {
        let limits = TenantLimits::default().with(&[(LimitName::Weight, 0), (LimitName::Webhooks, u64::MAX)]);
        assert_eq!((limits.get(LimitName::Weight), limits.get(LimitName::Webhooks)), (1, 1000));
    }
}
