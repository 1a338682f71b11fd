//! The tenant's state: read, and written from outside any run.

use super::Api;
use super::asked::{Path, Query};
use super::auth::Caller;
use super::body::{Given, payload};
use super::page::{Page, Wanted};
use super::problem::Problem;
use crate::view::Kind;
use amends_domain::access::Action;
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload, check_state_key};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Most keys that are written at once: with how things are, or not at all.
const WRITES_MAX: usize = 1000;

/// A key and its value.
#[derive(Debug, Serialize)]
pub(super) struct ValueView {
    key: String,
    value: Payload,
    /// Grows with each write.
    version: u64,
}

pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<ValueView>>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ReadState)?;
    let (limit, after) = (wanted.limit()?, wanted.after::<String>()?);
    let found = api.coordinator().store().states(&tenant, after.as_deref(), limit + 1).map_err(|error| Problem::of(&error))?;
    let view = |(key, value): (String, crate::store::Value)| ValueView { key, value: value.value, version: value.version };
    Ok(Json(Page::of(found.into_iter().map(view).collect(), limit, |value: &ValueView| value.key.clone())))
}

/// Each field of the body is a key; null removes it. All of them or none.
pub(super) async fn write(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Given(values): Given<BTreeMap<String, Option<Box<RawValue>>>>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.may(&api, &tenant, Action::SetState)?;
    if values.len() > WRITES_MAX {
        let detail = format!("{} keys at once: {WRITES_MAX} are allowed", values.len());
        return Err(Problem::new(Kind::TooLarge, "too_many_keys_at_once", detail));
    }
    let values: Result<Vec<_>, Problem> = values.into_iter().map(|(key, value)| Ok((checked(key)?, value.map(payload)))).collect();
    let values = values?;
    if let Some((key, value)) = values
        .iter()
        .find_map(|(key, value)| value.as_ref().filter(|value| value.len() > PAYLOAD_LEN_MAX).map(|value| (key, value)))
    {
        let detail = format!("the value of `{key}` has {} bytes: {PAYLOAD_LEN_MAX} are allowed", value.len());
        return Err(Problem::new(Kind::TooLarge, "value_too_long", detail));
    }
    api.coordinator().write_state(&tenant, values).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(key: String) -> Result<String, Problem> {
    check_state_key(&key)
        .map_err(|error| Problem::new(Kind::Refused, error.code(), format!("`{}`: {error}", key.escape_default())))?;
    Ok(key)
}
