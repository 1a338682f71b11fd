//! `POST …/runs`: starts a run, and may wait for its end.

use super::stored_or;
use crate::api::Api;
use crate::api::asked::Query;
use crate::api::auth::Tenant;
use crate::api::body::{Given, payload, whole};
use crate::api::contract::codes::JOURNAL;
use crate::api::contract::{Must, Operation, Parameter, post, shapes};
use crate::api::page::patience;
use crate::api::problem::Problem;
use crate::coordinator::{Driven, Rest, START_KEY_LEN_MAX, StartRun, StartedRun};
use crate::view::RunView;
use amends_domain::access::Action;
use amends_domain::event::TraceParent;
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::timeout;

/// The header with the key that makes a start safe to repeat.
const KEY: &str = "idempotency-key";
/// The header with the span that a start is a part of (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";
/// The header of an answer to a start that was made before.
const REPLAYED: &str = "idempotent-replayed";

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let traceparent = Parameter {
        name: TRACEPARENT,
        says: "The span that the start is a part of (W3C Trace Context); one that is malformed is ignored.",
        schema: json!({ "type": "string" }),
    };
    let key = Parameter {
        name: "Idempotency-Key",
        says: "The same key and input again give the same run.",
        schema: json!({ "type": "string", "minLength": 1, "maxLength": START_KEY_LEN_MAX, "pattern": "^[!-~]([ -~]*[!-~])?$" }),
    };
    let replayed = Parameter {
        name: REPLAYED,
        says: "The run was started before, with this key.",
        schema: json!({ "type": "string", "const": "true" }),
    };
    vec![
        post("/v1/tenants/{tenant}/runs", "startRun", start)
            .says("Starts a run, and may wait for its end.")
            .needs(Action::StartRun)
            .query([shapes::wait()])
            .headers([key, traceparent])
            .json::<Wanted>(Must::Be)
            .answers::<RunView>(200, "The run, which was started with this key before and has ended.")
            .answers::<RunView>(201, "The run, which has ended.")
            .answers::<RunView>(202, "The run, which has not ended.")
            .telling(&shapes::location(), &[200, 201, 202])
            .telling(&replayed, &[200])
            .fails(JOURNAL)
            .fails(&["wait_malformed", "wait_too_long", "key_malformed", "key_length", "key_reused"])
            .fails(&["unknown_saga", "unknown_version", "unknown_plugin", "input_too_long", "input_not_json", "begin_too_late"])
            .fails(&["draining", "disk_low", "run_waits", "limit_exceeded", "limit_too_small"]),
    ]
}

/// What is to be started.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StartRun")]
struct Wanted {
    saga: SagaName,
    /// Left out: the newest.
    #[serde(default, deserialize_with = "whole")]
    version: Option<u32>,
    /// What the run is given. Left out: null.
    #[schemars(with = "Option<Value>")]
    input: Option<Box<RawValue>>,
    /// It does nothing before this instant.
    begins_at: Option<Timestamp>,
}

/// How long to wait for the end.
#[derive(Deserialize)]
struct Waiting {
    wait: Option<String>,
}

/// Nothing where it is malformed, or there are two: then this is the beginning of a trace (W3C Trace Context §3.2).
fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut said = headers.get_all(TRACEPARENT).iter();
    let parent = said.next()?.to_str().ok()?.parse().ok()?;
    said.next().is_none().then_some(parent)
}

async fn start(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(waiting): Query<Waiting>,
    headers: HeaderMap,
    Given(wanted): Given<Wanted>,
) -> Result<Response, Problem> {
    let wait = patience(waiting.wait)?;
    let key = headers.get(KEY).map(|key| key.to_str().map(str::to_owned)).transpose();
    let key = key.map_err(|_| Problem::new("key_malformed", "`Idempotency-Key` has characters that are not ASCII"))?;
    let parent = parent(&headers);
    let Wanted { saga, version, input, begins_at: begin } = wanted;
    let input = input.map_or_else(Payload::null, payload);
    let start = StartRun { tenant: tenant.clone(), saga, version, input, key, parent, begin };
    let started = api.coordinator().start(start).await.map_err(|error| Problem::of(&error))?;
    match started {
        StartedRun::New(driven) => {
            let run = driven.run;
            // Told when it is durable, or when it has come to an end, which is later.
            let ended = match wait {
                Some(wait) => timeout(wait.to_std(), rest(driven.clone())).await.ok().flatten(),
                None => None,
            };
            driven.accepted().await.map_err(|error| Problem::of(&error))?;
            tell(&api, &tenant, run, Fresh::New, ended)
        }
        StartedRun::Existing(run) => {
            let driven = api.coordinator().adopt(&tenant, run).map_err(|error| Problem::of(&error))?;
            if let (Some(wait), Some(driven)) = (wait, driven) {
                let _ = timeout(wait.to_std(), rest(driven)).await;
            }
            tell(&api, &tenant, run, Fresh::Replayed, None)
        }
    }
}

/// Waits until a run rests, and gives it if it has ended. Whatever else there is to say of it, it is shown as it is stored.
async fn rest(driven: Driven) -> Option<Run> {
    match driven.rests().await {
        Ok(Rest::Ended(run)) => Some(run),
        Ok(Rest::Waiting(_)) | Err(_) => None,
    }
}

#[derive(Clone, Copy)]
enum Fresh {
    New,
    Replayed,
}

fn tell(api: &Api, tenant: &TenantId, run: RunId, fresh: Fresh, ended: Option<Run>) -> Result<Response, Problem> {
    let stored = stored_or(api, tenant, run, ended)?;
    let ended = stored.run.head().ended.is_some();
    let status = match (ended, fresh) {
        (true, Fresh::New) => StatusCode::CREATED,
        (true, Fresh::Replayed) => StatusCode::OK,
        (false, _) => StatusCode::ACCEPTED,
    };
    let view: Json<RunView> = Json(stored.view());
    let location = [("location", format!("/v1/tenants/{tenant}/runs/{run}"))];
    Ok(match fresh {
        Fresh::New => (status, location, view).into_response(),
        Fresh::Replayed => (status, location, [(REPLAYED, "true")], view).into_response(),
    })
}
