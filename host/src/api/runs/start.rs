//! `POST …/runs`: starts a run, and may wait for its end.

use super::stored;
use crate::api::Api;
use crate::api::asked::{Path, Query};
use crate::api::auth::Caller;
use crate::api::body::{Given, payload};
use crate::api::problem::Problem;
use crate::coordinator::{Driven, StartRun, StartedRun};
use crate::view::{Kind, RunView};
use amends_domain::access::Action;
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::{Span, Timestamp};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

/// Longest `?wait=`.
const WAIT_MAX: Span = Span(60_000);
/// The header with the key that makes a start safe to repeat.
const KEY: &str = "idempotency-key";
/// The header of an answer to a start that was made before.
const REPLAYED: &str = "idempotent-replayed";

/// What is to be started.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Wanted {
    saga: SagaName,
    version: Option<u32>,
    input: Option<Box<RawValue>>,
    begins_at: Option<Timestamp>,
}

/// How long to wait for the end.
#[derive(Deserialize)]
pub(in crate::api) struct Waiting {
    wait: Option<String>,
}

pub(in crate::api) async fn start(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(waiting): Query<Waiting>,
    headers: HeaderMap,
    Given(wanted): Given<Wanted>,
) -> Result<Response, Problem> {
    let tenant = caller.may(&api, &tenant, Action::StartRun)?;
    let wait = patience(waiting.wait)?;
    let key = headers.get(KEY).map(|key| key.to_str().map(str::to_owned)).transpose();
    let key = key.map_err(|_| Problem::new(Kind::Usage, "key_malformed", "`Idempotency-Key` has characters that are not ASCII"))?;
    let Wanted { saga, version, input, begins_at: begin } = wanted;
    let input = input.map_or_else(Payload::null, payload);
    let start = StartRun { tenant: tenant.clone(), saga, version, input, key, begin };
    let started = api.coordinator().start(start).await.map_err(|error| Problem::of(&error))?;
    match started {
        StartedRun::New(driven) => {
            let run = driven.run;
            // Told when it is durable, or when it has come to an end, which is later.
            if let Some(wait) = wait {
                let _ = timeout(wait.to_std(), rest(driven.clone())).await;
            }
            driven.accepted().await.map_err(|error| Problem::of(&error))?;
            tell(&api, &tenant, run, Fresh::New)
        }
        StartedRun::Existing(run) => {
            let driven = api.coordinator().adopt(&tenant, run).map_err(|error| Problem::of(&error))?;
            if let (Some(wait), Some(driven)) = (wait, driven) {
                let _ = timeout(wait.to_std(), rest(driven)).await;
            }
            tell(&api, &tenant, run, Fresh::Replayed)
        }
    }
}

async fn rest(driven: Driven) {
    // Whatever it was, the run is shown as it is stored.
    let _ = driven.rests().await;
}

fn patience(wait: Option<String>) -> Result<Option<Span>, Problem> {
    let read = |wait: String| {
        wait.parse().map_err(|error| Problem::new(Kind::Usage, "wait_malformed", format!("`wait` is `{wait}`: {error}")))
    };
    match wait.map(read).transpose()? {
        Some(wait) if wait > WAIT_MAX => {
            let detail = format!("`wait` is {wait}: at most {WAIT_MAX} are allowed; follow the events of the run for longer");
            Err(Problem::new(Kind::Usage, "wait_too_long", detail))
        }
        wait => Ok(wait),
    }
}

#[derive(Clone, Copy)]
enum Fresh {
    New,
    Replayed,
}

fn tell(api: &Api, tenant: &TenantId, run: RunId, fresh: Fresh) -> Result<Response, Problem> {
    let stored = stored(api, tenant, &run.to_string())?;
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
