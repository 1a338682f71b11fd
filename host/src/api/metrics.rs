//! `GET /metrics`: how the host fares, in numbers. Names of tenants are in it, so it wants a token of the host, but where the operator says otherwise.

use super::Api;
use super::contract::{Answer, Operation, get};
use crate::telemetry::CONTENT_TYPE as FORM;
use amends_domain::access::Action;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let numbers = Answer {
        status: 200,
        says: "OpenMetrics 1.0; docs/metrics.md has all of them.",
        content: vec![("application/openmetrics-text", None)],
        headers: Vec::new(),
    };
    vec![get("/metrics", "metrics", metrics).says("How the host fares, in numbers.").needs(Action::ReadMetrics).answer(numbers)]
}

async fn metrics(State(api): State<Api>) -> Response {
    told(&api)
}

/// The same without a token, and nothing else: for an address of its own.
pub(super) fn open_router() -> Router<Api> {
    Router::new().route("/metrics", axum::routing::get(async |State(api): State<Api>| told(&api)))
}

fn told(api: &Api) -> Response {
    let coordinator = api.coordinator();
    let text = coordinator.metrics().text(&coordinator.levels());
    ([(CONTENT_TYPE, FORM)], text).into_response()
}
