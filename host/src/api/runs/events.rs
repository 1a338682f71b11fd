//! `GET …/runs/{run}/events` and `GET …/events`: as a page of JSON, or as a stream that goes on.

use super::id;
use crate::api::Api;
use crate::api::asked::{Path, Query};
use crate::api::auth::Caller;
use crate::api::page::{Page, Wanted};
use crate::api::problem::Problem;
use crate::api::stream::{Of, Reader};
use crate::view::Kind;
use amends_domain::access::Action;
use amends_domain::catalogue::{CloudEvent, Position};
use amends_domain::id::TenantId;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// The header that says where a stream broke off.
const LAST: &str = "last-event-id";

pub(in crate::api) async fn of_run(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, run)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = caller.may(&api, &tenant, Action::FollowRun)?;
    let run = id(&run)?;
    let there = api.coordinator().store().run(&tenant, run).map_err(|error| Problem::of(&error))?;
    there.ok_or_else(|| super::unknown(run))?;
    events(&api, &tenant, Of::Run(run), &wanted, &headers)
}

pub(in crate::api) async fn of_tenant(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ReadEvents)?;
    events(&api, &tenant, Of::Tenant, &wanted, &headers)
}

fn events(api: &Api, tenant: &TenantId, of: Of, wanted: &Wanted, headers: &HeaderMap) -> Result<Response, Problem> {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/event-stream") {
        let last = headers.get(LAST).map(|last| last.to_str().unwrap_or_default().parse()).transpose();
        let last = last.map_err(|error| Problem::new(Kind::Usage, "event_id_malformed", format!("`Last-Event-ID`: {error}")))?;
        return stream(api, tenant, Reader::new(api, tenant, of, last.or(wanted.after()?))?);
    }
    let (limit, after) = (wanted.limit()?, wanted.after::<Position>()?);
    let mut reader = Reader::new(api, tenant, of, after)?;
    let mut found: Vec<CloudEvent> = Vec::new();
    while found.len() <= limit {
        match reader.next().map_err(|error| Problem::of(&error))? {
            Some(event) => found.push(event),
            None => break,
        }
    }
    Ok(Json(Page::of(found, limit, |event| event.position.to_string())).into_response())
}

fn stream(api: &Api, tenant: &TenantId, reader: Reader) -> Result<Response, Problem> {
    let follower = api.coordinator().follow(tenant).map_err(|error| Problem::of(&error))?;
    let place = Arc::clone(&api.0.followers).try_acquire_owned();
    let place: OwnedSemaphorePermit = place.map_err(|_| {
        let detail = "as many clients follow something as this host serves: try again later";
        Problem::new(Kind::Unavailable, "too_many_followers", detail)
    })?;
    // A client that cannot be told any more reads this end, and goes on from the last event that it has.
    let events = unfold((reader, place, follower), async |(mut reader, place, follower)| match reader.wait().await {
        Ok(event) => Some((Ok::<_, Infallible>(line(&event)), (reader, place, follower))),
        Err(error) => {
            tracing::error!(%error, "a stream of events ends");
            None
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn line(event: &CloudEvent) -> Event {
    let line = Event::default().id(event.position.to_string()).event(event.data.type_name());
    line.json_data(event).expect("an event is JSON")
}
