//! The tables of the data file and the stored form of their rows. Apart, because a file written today must open for ever: what is
//! here changes by a new format beside the old one, never in place.

use super::super::{StoreError, WebhookCursor};
use ::redb::TableDefinition;
use amends_domain::audit::Head;
use amends_domain::catalogue::Position;
use amends_domain::digest::Digest;
use amends_domain::event::{HostGrant, Resolvers, TenantEntry};
use amends_domain::id::{Lane, RunId};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::RunHead;
use amends_domain::time::Timestamp;
use amends_domain::webhook::Failing;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The format of the file as a whole: which tables there are. 2 has `dead_letters` and `resolvers`, 3 has
/// `grants`, `secrets`, `secret_grants` and `tenant_facts`, 4 has `usage`, 5 has records without their bodies, 6 has `webhooks`,
/// 7 has records with packed bodies.
pub(super) const FILE_FORMAT: u32 = 7;

/// The stored form of rows that this release writes; the first byte of every row.
const ROW_FORMAT: u8 = 1;

/// The stored form of [`RunRow`] that this release writes. 1 had no `dead_letters` at the end of the head.
const RUN_ROW_FORMAT: u8 = 2;

/// The stored form of [`UsageRow`] that this release writes. 1 had no `removed_bytes` at the end.
const USAGE_ROW_FORMAT: u8 = 2;

// Tenants and lanes are numbered as they come, so that keys are short and fixed. A number is never given twice.

/// `format`, `ending`, `last_no` → a row each.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// tenant → [`TenantRow`].
pub(super) const TENANTS: TableDefinition<&str, &[u8]> = TableDefinition::new("tenants");
/// (tenant no, lane) → [`LaneStored`].
pub(super) const LANES: TableDefinition<(u32, u32), &[u8]> = TableDefinition::new("lanes");
/// (lane no, seq) → what `record` makes of a record.
pub(super) const RECORDS: TableDefinition<(u32, u64), &[u8]> = TableDefinition::new("records");
/// (tenant no, run) → [`RunRow`]. By tenant and not by lane: whoever looks for a run does not know its lane.
pub(super) const RUNS: TableDefinition<(u32, u128), &[u8]> = TableDefinition::new("runs");
/// (tenant no, run) → [`OpenRow`].
pub(super) const OPEN_RUNS: TableDefinition<(u32, u128), &[u8]> = TableDefinition::new("open_runs");
/// (tenant no, run) → nothing: the runs in which a step waits for a person.
pub(super) const DEAD_LETTERS: TableDefinition<(u32, u128), ()> = TableDefinition::new("dead_letters");
/// tenant no → [`ResolversRow`]; without a row one person settles a dead letter.
pub(super) const RESOLVERS: TableDefinition<u32, &[u8]> = TableDefinition::new("resolvers");
/// (tenant no, key) → [`StateRow`].
pub(super) const STATE: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("state");
/// (tenant no, idempotency key) → [`KeyRow`].
pub(super) const KEYS: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("keys");
/// (tenant no, saga, version) → [`DigestRow`].
pub(super) const SAGAS: TableDefinition<(u32, &str, u32), &[u8]> = TableDefinition::new("sagas");
/// (tenant no, digest) → the document, as it is: its key names its bytes.
pub(super) const DEFINITIONS: TableDefinition<(u32, &[u8; 32]), &[u8]> = TableDefinition::new("definitions");
/// (tenant no, plugin) → [`DigestRow`].
pub(super) const PLUGINS: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("plugins");
/// (tenant no, plugin, place) → [`GrantRow`].
pub(super) const GRANTS: TableDefinition<(u32, &str, &str), &[u8]> = TableDefinition::new("grants");
/// (tenant no, secret) → [`DigestRow`] of what is sealed, which is among the components.
pub(super) const SECRETS: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("secrets");
/// (tenant no, secret, plugin) → nothing: who may use which secret.
pub(super) const SECRET_GRANTS: TableDefinition<(u32, &str, &str), ()> = TableDefinition::new("secret_grants");
/// (tenant no, lane, seq, place in the record) → [`FactRow`]: what makes the tenant what it is.
pub(super) const TENANT_FACTS: TableDefinition<(u32, u32, u64, u32), &[u8]> = TableDefinition::new("tenant_facts");
/// tenant no → [`UsageRow`].
pub(super) const USAGE: TableDefinition<u32, &[u8]> = TableDefinition::new("usage");
/// (tenant no, webhook) → [`CursorRow`].
pub(super) const WEBHOOKS: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("webhooks");
/// digest → the component, as it is: its key names its bytes.
pub(super) const COMPONENTS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("components");

/// Every table of the data file. `meta` first: whoever reads a backup knows from it whether they can read the rest.
macro_rules! for_every_table {
    ($do:ident) => {
        $do!(
            META TENANTS LANES RECORDS RUNS OPEN_RUNS DEAD_LETTERS RESOLVERS STATE KEYS SAGAS DEFINITIONS PLUGINS GRANTS SECRETS
            SECRET_GRANTS TENANT_FACTS USAGE WEBHOOKS COMPONENTS
        )
    };
}
pub(super) use for_every_table;

/// A number in [`META`].
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NumberRow(pub(super) u32);

/// How the last process that had the file open left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ending {
    /// It has it open, or died.
    Unclean,
    /// It said that nothing would follow.
    Clean,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct TenantRow {
    pub(super) no: u32,
    /// The highest version that any write to the state has had.
    pub(super) state_version: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LaneStored {
    pub(super) no: u32,
    pub(super) head: Head,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunRow {
    /// Which lane of the tenant has its records.
    pub(super) lane: u32,
    /// The number of its last record.
    pub(super) last: u64,
    pub(super) head: RunHead,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenRow {
    pub(super) due: Option<Timestamp>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StateRow {
    pub(super) version: u64,
    pub(super) value: Payload,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct GrantRow(pub(super) HostGrant);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyRow {
    pub(super) run: RunId,
    /// Of the input.
    pub(super) input: Digest,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DigestRow(pub(super) Digest);

/// In the form that it has in its record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FactRow(pub(super) TenantEntry);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ResolversRow(pub(super) Resolvers);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct UsageRow(pub(super) Usage);

/// How far a webhook is: the position of an event, and since when nothing is delivered and how often it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CursorRow {
    lane: u32,
    seq: u64,
    fact: u32,
    part: u8,
    failing: Option<(Timestamp, u32)>,
}

impl From<&WebhookCursor> for CursorRow {
    fn from(cursor: &WebhookCursor) -> Self {
        let Position { lane, seq, fact, part } = cursor.position;
        Self { lane: lane.0, seq, fact, part, failing: cursor.failing.map(|failing| (failing.since, failing.attempts)) }
    }
}

impl From<CursorRow> for WebhookCursor {
    fn from(row: CursorRow) -> Self {
        let CursorRow { lane, seq, fact, part, failing } = row;
        let failing = failing.map(|(since, attempts)| Failing { since, attempts });
        Self { position: Position { lane: Lane(lane), seq, fact, part }, failing }
    }
}

/// The stored form of a row: a format byte, then postcard.
pub(super) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    encode_as(ROW_FORMAT, row)
}

/// The stored form of a run's row.
pub(super) fn encode_run(row: &RunRow) -> Vec<u8> {
    encode_as(RUN_ROW_FORMAT, row)
}

/// The stored form of what a tenant used.
pub(super) fn encode_usage(row: &UsageRow) -> Vec<u8> {
    encode_as(USAGE_ROW_FORMAT, row)
}

fn encode_as<T: Serialize>(format: u8, row: &T) -> Vec<u8> {
    postcard::to_extend(row, vec![format]).expect("a vector takes all and every row has a stored form")
}

/// Reads the stored form of a row; `place` names it if it is damaged.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], place: impl FnOnce() -> String) -> Result<T, StoreError> {
    decode_as(ROW_FORMAT, bytes, place)
}

/// Reads the stored form of a run's row.
pub(super) fn decode_run(bytes: &[u8], place: impl FnOnce() -> String) -> Result<RunRow, StoreError> {
    decode_grown(RUN_ROW_FORMAT, bytes, place)
}

/// Reads the stored form of what a tenant used.
pub(super) fn decode_usage(bytes: &[u8], place: impl FnOnce() -> String) -> Result<UsageRow, StoreError> {
    decode_grown(USAGE_ROW_FORMAT, bytes, place)
}

/// Reads a row that had one number less at its end in its first format, where it would be zero.
fn decode_grown<T: DeserializeOwned>(known: u8, bytes: &[u8], place: impl FnOnce() -> String) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&ROW_FORMAT, rest)) => decode_as(known, &[&[known], rest, &[0]].concat(), place),
        Some(_) | None => decode_as(known, bytes, place),
    }
}

fn decode_as<T: DeserializeOwned>(known: u8, bytes: &[u8], place: impl FnOnce() -> String) -> Result<T, StoreError> {
    let what = match bytes.split_first() {
        Some((format, rest)) if *format == known => match postcard::take_from_bytes(rest) {
            Ok((row, [])) => return Ok(row),
            Ok((_, left)) => format!("the row has {} bytes too many", left.len()),
            Err(error) => format!("the row does not decode: {error}"),
        },
        Some((format, _)) => format!("the row has format {format}, this release reads format {known}"),
        None => "the row is empty".to_owned(),
    };
    Err(StoreError::Damaged { place: place(), what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_domain::event::{Outcome, Reach, TenantEvent, Transport};
    use amends_domain::run::RunStatus;
    use std::fmt::{Debug, Write};

    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(row: &T, stored: &str) {
        let bytes = encode(row);
        let hex = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all");
            text
        });
        assert_eq!(hex, stored, "{row:?}");
        assert_eq!(&decode::<T>(&bytes, String::new).expect("it reads as written"), row);
        for len in 0..bytes.len() {
            assert!(decode::<T>(&bytes[..len], String::new).is_err(), "{row:?} cut to {len} bytes");
        }
        let later = [&[ROW_FORMAT + 1], &bytes[1..]].concat();
        let error = decode::<T>(&later, || "runs 7".to_owned()).expect_err("a later format").to_string();
        assert_eq!(error, "runs 7: the row has format 2, this release reads format 1");
        assert!(decode::<T>(&[&bytes[..], &[0]].concat(), String::new).is_err());
    }

    /// Written once and never changed: a file of any release must open.
    #[test]
    fn rows_have_the_stored_form_that_they_always_had() {
        let digest = Digest([0xab; 32]);
        let ab = "ab".repeat(32);
        check(&NumberRow(300), "01ac02");
        check(&Ending::Unclean, "0100");
        check(&Ending::Clean, "0101");
        check(&TenantRow { no: 1, state_version: 2 }, "010102");
        check(&LaneStored { no: 1, head: Head { seq: 5, link: digest } }, &format!("010105{ab}"));
        check(&OpenRow { due: None }, "0100");
        check(&OpenRow { due: Some(Timestamp(7)) }, "010107");
        check(&StateRow { version: 3, value: Payload::from("{}") }, "0103027b7d");
        check(&KeyRow { run: RunId(1), input: digest }, &format!("01{}01{ab}", "00".repeat(15)));
        check(&DigestRow(digest), &format!("01{ab}"));
        let head = RunHead {
            saga: "s".parse().expect("a name"),
            version: 1,
            definition: digest,
            status: RunStatus::Ended(Outcome::Compensated),
            started: Timestamp(2),
            ended: Some(Timestamp(3)),
            due: None,
            dead_letters: 0,
        };
        check(&ResolversRow(Resolvers::Two), "0101");
        let usage = Usage {
            runs: 1,
            attempts: 2,
            compensations: 3,
            fuel: 4,
            micros: 5,
            stored_bytes: 300,
            requests: 7,
            log_bytes: 8,
            removed_bytes: 0,
        };
        let first = [1, 1, 2, 3, 4, 5, 0xac, 2, 7, 8];
        assert_eq!(decode_usage(&first, String::new).expect("a row of a known format"), UsageRow(usage));
        let usage = UsageRow(Usage { removed_bytes: 9, ..usage });
        assert_eq!(encode_usage(&usage), [2, 1, 2, 3, 4, 5, 0xac, 2, 7, 8, 9]);
        assert_eq!(decode_usage(&encode_usage(&usage), String::new).expect("it reads as written"), usage);
        let (transport, reach) = (Transport::Any, Reach::Loopback);
        let grant = HostGrant { host: "h".into(), port: Some(300), methods: vec!["GET".into()], transport, reach };
        check(&GrantRow(grant), "01016801ac0201034745540101");
        let created = TenantEntry { at: Timestamp(7), event: TenantEvent::TenantCreated { by: "op".into() } };
        check(&FactRow(created), "01070a026f70");
        let position = Position { lane: Lane(1), seq: 300, fact: 2, part: 3 };
        let delivering = WebhookCursor { position, failing: None };
        check(&CursorRow::from(&delivering), "0101ac02020300");
        let failing = WebhookCursor { failing: Some(Failing { since: Timestamp(7), attempts: 300 }), ..delivering };
        check(&CursorRow::from(&failing), "0101ac0202030107ac02");
        assert_eq!(WebhookCursor::from(CursorRow::from(&failing)), failing);
        let row = RunRow { lane: 0, last: 9, head };
        let read = |hex: &str| {
            let bytes: Vec<u8> =
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits")).collect();
            decode_run(&bytes, String::new).expect("a row of a known format")
        };
        let first = format!("0009017301{ab}0201020103");
        assert_eq!(read(&format!("01{first}00")), row, "as the first format has it");
        let stuck = RunRow { head: RunHead { dead_letters: 3, ..row.head.clone() }, ..row };
        assert_eq!(read(&format!("02{first}0003")), stuck);
        assert_eq!(decode_run(&encode_run(&stuck), String::new).expect("it reads as written"), stuck);
    }
}
