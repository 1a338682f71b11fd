//! `GET …/runs/{run}/events` and `GET …/events`: as a page of JSON, or as a stream that goes on.

use super::id;
use crate::api::Api;
use crate::api::asked::{Path, Query};
use crate::api::auth::Tenant;
use crate::api::contract::{Answer, Operation, Parameter, Shape, get, shapes};
use crate::api::page::{Page, Wanted};
use crate::api::problem::Problem;
use crate::coordinator::{Of, OtherLane, Reader};
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

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let told = || Answer {
        status: 200,
        says: "A page of events; with `Accept: text/event-stream` a stream of them that goes on.",
        content: vec![
            ("application/json", Some(Shape::given::<Page<CloudEvent>>())),
            ("text/event-stream", Some(Shape::given::<String>())),
        ],
        headers: Vec::new(),
    };
    let last = || {
        let says = "The id of the last event that the client has: a stream goes on behind it.";
        let schema = shapes::parameter::<Position>("", "").schema;
        Parameter { name: "Last-Event-ID", says, schema }
    };
    let fails: &[&str] = &["not_acceptable", "event_id_malformed", "too_many_followers", "limit_exceeded", "limit_too_small"];
    vec![
        get("/v1/tenants/{tenant}/runs/{run}/events", "followRun", of_run)
            .says("Events of a run, from the first one or from where somebody left off.")
            .needs(Action::FollowRun)
            .pages::<Position>()
            .headers([last()])
            .answer(told())
            .streams()
            .fails(fails)
            .fails(&["unknown_run"]),
        get("/v1/tenants/{tenant}/events", "followTenant", of_tenant)
            .says("All events of a tenant, from the first one or from where somebody left off.")
            .notes("What the data of each type holds is in docs/events.md.")
            .needs(Action::ReadEvents)
            .pages::<Position>()
            .headers([last()])
            .answer(told())
            .streams()
            .fails(fails),
    ]
}

/// The header that says where a stream broke off.
const LAST: &str = "last-event-id";

async fn of_run(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Path([run]): Path<1>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = id(&run)?;
    let there = api.coordinator().store().run(&tenant, run).map_err(|error| Problem::of(&error))?;
    there.ok_or_else(|| super::unknown(run))?;
    events(&api, &tenant, Of::Run(run), &wanted, &headers)
}

async fn of_tenant(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    events(&api, &tenant, Of::Tenant, &wanted, &headers)
}

fn events(api: &Api, tenant: &TenantId, of: Of, wanted: &Wanted, headers: &HeaderMap) -> Result<Response, Problem> {
    if wanted_form(headers)? == Form::Stream {
        let last = headers.get(LAST).map(|last| last.to_str().unwrap_or_default().parse()).transpose();
        let last = last.map_err(|error| Problem::new("event_id_malformed", format!("`Last-Event-ID`: {error}")))?;
        return stream(api, tenant, reader(api, tenant, of, last.or(wanted.after()?))?);
    }
    let (limit, after) = (wanted.limit()?, wanted.after::<Position>()?);
    let mut reader = reader(api, tenant, of, after)?;
    let mut found: Vec<CloudEvent> = Vec::new();
    while found.len() <= limit {
        match reader.next().map_err(|error| Problem::of(&error))? {
            Some(event) => found.push(event),
            None => break,
        }
    }
    Ok(Json(Page::of(found, limit, |event| event.position.to_string())).into_response())
}

fn reader(api: &Api, tenant: &TenantId, of: Of, after: Option<Position>) -> Result<Reader, Problem> {
    let reader = api.coordinator().events(tenant, of, after);
    reader.map_err(|error: OtherLane| Problem::new("event_id_malformed", error.to_string()))
}

/// In which form somebody wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Stream,
}

/// Whoever says nothing of use gets a page; whoever names other forms only is told which there are.
fn wanted_form(headers: &HeaderMap) -> Result<Form, Problem> {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let kinds: Vec<String> = accepts
        .flat_map(|accept| accept.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .filter(|kind| !kind.is_empty())
        .collect();
    if kinds.iter().any(|kind| kind == "text/event-stream") {
        return Ok(Form::Stream);
    }
    let page = |kind: &String| ["application/json", "application/*", "*/*"].contains(&kind.as_str());
    if kinds.is_empty() || kinds.iter().any(page) {
        return Ok(Form::Page);
    }
    Err(Problem::new("not_acceptable", "events are `application/json` or `text/event-stream`, and `Accept` names neither"))
}

fn stream(api: &Api, tenant: &TenantId, reader: Reader) -> Result<Response, Problem> {
    let follower = api.coordinator().follow(tenant).map_err(|error| Problem::of(&error))?;
    let place = Arc::clone(&api.0.followers).try_acquire_owned();
    let place: OwnedSemaphorePermit = place.map_err(|_| {
        let detail = "as many clients follow something as this host serves: try again later";
        Problem::new("too_many_followers", detail)
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
