//! The chain of a tenant: where it ends, its records as an export has them, and what leads from one record to the end. So that whoever keeps a
//! head somewhere else can check what this host tells, without its data.

use super::Api;
use super::asked::Query;
use super::auth::Tenant;
use super::contract::{Operation, get, shapes};
use super::problem::Problem;
use crate::store::StoreError;
use amends_domain::access::Action;
use amends_domain::audit::export::record_line;
use amends_domain::audit::{Head, Sealed};
use amends_domain::id::{Lane, TenantId};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The only lane that there is by now.
const LANE: Lane = Lane(0);
/// Most records of a page: each may have megabytes.
const RECORDS_MAX: usize = 100;
/// A page ends behind the record with which it has so many bytes of bodies.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most links of one proof; a longer way is walked in parts.
const LINKS_MAX: usize = 1000;
/// Records that are read at a time.
const READ_LEN: usize = 64;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let number = || serde_json::json!({ "type": "integer", "minimum": 1, "maximum": u64::MAX });
    let from = super::contract::Parameter { name: "from", says: "The number of the first record; 1 without it.", schema: number() };
    let record =
        super::contract::Parameter { name: "record", says: "The number of the record; the last one without it.", schema: number() };
    let mut limit = shapes::limit();
    limit.schema["maximum"] = RECORDS_MAX.into();
    vec![
        get("/v1/tenants/{tenant}/audit/head", "showHead", head)
            .says("Where the chain of a tenant ends: it stands for every byte of every record before it.")
            .needs(Action::ReadAudit)
            .answers::<HeadView>(200, "The head."),
        get("/v1/tenants/{tenant}/audit/records", "listRecords", records)
            .says("Records of the chain, oldest first, as they stand in an export.")
            .notes("docs/audit-export.md says what a record is. A page ends behind 4 MiB, so it may be short and still have a next one.")
            .needs(Action::ReadAudit)
            .query([from, limit])
            .answers::<Records>(200, "A page of records.")
            .fails(&["limit_out_of_range"]),
        get("/v1/tenants/{tenant}/audit/proof", "proveRecord", proof)
            .says("A record, and what leads from it to the head.")
            .notes(
                "link(n) = SHA-256(\"amends:link:1\" ‖ link(n-1) ‖ n as 8 bytes ‖ SHA-256(body n)). Begin with `before` and the body of `record`, \
                 go on with `digests`, which are those of the bodies behind it, and you have the link of `to`. Where `to` is before `head`, go \
                 on with the proof of the record behind `to`, whose `before` is the link that you have.",
            )
            .needs(Action::ReadAudit)
            .query([record])
            .answers::<Proof>(200, "The proof.")
            .fails(&["unknown_record"]),
    ]
}

/// Where a chain ends.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditHead")]
struct HeadView {
    tenant: TenantId,
    lane: Lane,
    /// How many records there are.
    records: u64,
    /// The link of the last one: 64 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    head: String,
}

/// Records of a chain.
#[derive(Debug, Serialize, JsonSchema)]
struct Records {
    #[schemars(with = "Vec<Record>")]
    items: Vec<Box<RawValue>>,
    /// The number of the record behind the last one; none: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_from: Option<u64>,
}

/// A record as it stands in an export.
#[derive(Debug, Serialize, JsonSchema)]
struct Record {
    /// Its number, from 1.
    seq: u64,
    /// Its link.
    link: String,
    /// What is stored, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The digest of the body where that was removed with its run: there is no `body` then, and nothing that it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<String>,
    /// The run that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<amends_domain::id::RunId>,
    /// The number of the run's record before; 0: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<u64>,
    /// What the body says.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Vec<Value>>,
}

/// A record and what leads from it on.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditProof")]
struct Proof {
    tenant: TenantId,
    lane: Lane,
    /// The link in front of the record.
    before: String,
    #[schemars(with = "Record")]
    record: Box<RawValue>,
    /// The SHA-256 of each body behind it, up to `to`.
    digests: Vec<String>,
    to: Place,
    head: Place,
}

/// A record by its number and its link.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditPlace")]
struct Place {
    seq: u64,
    link: String,
}

#[derive(Debug, Deserialize)]
struct From {
    from: Option<u64>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Which {
    record: Option<u64>,
}

fn of(error: &StoreError) -> Problem {
    Problem::of(error)
}

fn now(api: &Api, tenant: &TenantId) -> Result<Head, Problem> {
    api.coordinator().store().head(tenant, LANE).map_err(|error| of(&error))
}

fn read(api: &Api, tenant: &TenantId, from: u64, limit: usize) -> Result<Vec<Sealed>, Problem> {
    api.coordinator().store().records(tenant, LANE, from, limit).map_err(|error| of(&error))
}

fn line(tenant: &TenantId, record: &Sealed) -> Result<Box<RawValue>, Problem> {
    let damaged = |what: String| of(&StoreError::Damaged { place: format!("{tenant} record {}", record.seq), what });
    let line = record_line(record).map_err(|error| damaged(error.to_string()))?;
    RawValue::from_string(line).map_err(|error| damaged(error.to_string()))
}

fn place(head: Head) -> Place {
    Place { seq: head.seq, link: head.link.hex() }
}

async fn head(State(api): State<Api>, Tenant(tenant): Tenant) -> Result<Json<HeadView>, Problem> {
    let Head { seq, link } = now(&api, &tenant)?;
    Ok(Json(HeadView { tenant, lane: LANE, records: seq, head: link.hex() }))
}

async fn records(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(From { from, limit }): Query<From>,
) -> Result<Json<Records>, Problem> {
    let limit = limit.unwrap_or(RECORDS_MAX);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(Problem::new("limit_out_of_range", format!("`limit` is {limit}: 1 to {RECORDS_MAX} are allowed")));
    }
    let from = from.unwrap_or(1);
    if from == 0 {
        return Err(Problem::new("query_malformed", "`from` is 0: records are numbered from 1"));
    }
    let (last, mut next, mut bytes, mut items) = (now(&api, &tenant)?.seq, from, 0, Vec::new());
    while next <= last && items.len() < limit && bytes < PAGE_BYTES_MAX {
        let found = read(&api, &tenant, next, (limit - items.len()).min(READ_LEN))?;
        if found.is_empty() {
            break;
        }
        for record in found.iter().filter(|record| record.seq <= last) {
            items.push(line(&tenant, record)?);
            (bytes, next) = (bytes + record.kept.body_len(), record.seq + 1);
            if bytes >= PAGE_BYTES_MAX {
                break;
            }
        }
    }
    Ok(Json(Records { items, next_from: Some(next).filter(|next| *next <= last) }))
}

async fn proof(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(Which { record }): Query<Which>,
) -> Result<Json<Proof>, Problem> {
    let head = now(&api, &tenant)?;
    let seq = record.unwrap_or(head.seq);
    let unknown = || Problem::new("unknown_record", format!("there is no record {seq}: the last one is {}", head.seq));
    if !(1..=head.seq).contains(&seq) {
        return Err(unknown());
    }
    let before = match seq {
        1 => Head::genesis(&tenant, LANE).link,
        _ => read(&api, &tenant, seq - 1, 1)?.first().ok_or_else(unknown)?.link,
    };
    let proved = read(&api, &tenant, seq, 1)?.pop().ok_or_else(unknown)?;
    let (mut to, mut digests) = (Head { seq: proved.seq, link: proved.link }, Vec::new());
    while to.seq < head.seq && digests.len() < LINKS_MAX {
        let found = read(&api, &tenant, to.seq + 1, READ_LEN.min(LINKS_MAX - digests.len()))?;
        if found.is_empty() {
            break;
        }
        for record in found.iter().filter(|record| record.seq <= head.seq) {
            digests.push(record.kept.digest().hex());
            to = Head { seq: record.seq, link: record.link };
        }
        // A long way is a lot of hashing, and others want this thread.
        tokio::task::yield_now().await;
    }
    let record = line(&tenant, &proved)?;
    Ok(Json(Proof { tenant, lane: LANE, before: before.hex(), record, digests, to: place(to), head: place(head) }))
}
