//! The tenant's state: read, and written from outside any run.

use super::Api;
use super::asked::Query;
use super::auth::Tenant;
use super::body::{Given, payload};
use super::contract::{Must, Operation, get, patch};
use super::page::{Page, Wanted};
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload, check_state_key};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Most keys that are written at once: with how things are, or not at all.
const WRITES_MAX: usize = 1000;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/tenants/{tenant}/state", "listState", list)
            .says("Keys and values of a tenant, by key.")
            .needs(Action::ReadState)
            .pages::<String>()
            .answers::<Page<ValueView>>(200, "A page of values."),
        patch("/v1/tenants/{tenant}/state", "writeState", write)
            .says("Writes keys of the state: null removes one; all or none.")
            .needs(Action::SetState)
            .json::<BTreeMap<String, Value>>(Must::NotBe)
            .empty(204, "It is written.")
            .fails(&["too_many_keys_at_once", "value_too_long", "key_length", "key_not_plain"])
            .fails(&["limit_exceeded", "limit_too_small"]),
    ]
}

/// A key and its value.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Value")]
struct ValueView {
    key: String,
    value: Payload,
    /// Grows with each write.
    version: u64,
}

async fn list(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<ValueView>>, Problem> {
    let (limit, after) = (wanted.limit()?, wanted.after::<String>()?);
    let found = api.coordinator().store().states(&tenant, after.as_deref(), limit + 1).map_err(|error| Problem::of(&error))?;
    let view = |(key, value): (String, crate::store::Value)| ValueView { key, value: value.value, version: value.version };
    Ok(Json(Page::of(found.into_iter().map(view).collect(), limit, |value: &ValueView| value.key.clone())))
}

/// Each field of the body is a key; null removes it. All of them or none.
async fn write(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Given(values): Given<BTreeMap<String, Option<Box<RawValue>>>>,
) -> Result<StatusCode, Problem> {
    if values.len() > WRITES_MAX {
        let detail = format!("{} keys at once: {WRITES_MAX} are allowed", values.len());
        return Err(Problem::new("too_many_keys_at_once", detail));
    }
    let values: Result<Vec<_>, Problem> = values.into_iter().map(|(key, value)| Ok((checked(key)?, value.map(payload)))).collect();
    let values = values?;
    if let Some((key, value)) = values
        .iter()
        .find_map(|(key, value)| value.as_ref().filter(|value| value.len() > PAYLOAD_LEN_MAX).map(|value| (key, value)))
    {
        let detail = format!("the value of `{key}` has {} bytes: {PAYLOAD_LEN_MAX} are allowed", value.len());
        return Err(Problem::new("value_too_long", detail));
    }
    api.coordinator().write_state(&tenant, values).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(key: String) -> Result<String, Problem> {
    check_state_key(&key).map_err(|error| Problem::new(error.code(), format!("`{}`: {error}", key.escape_default())))?;
    Ok(key)
}
