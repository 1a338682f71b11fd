//! `GET /metrics`: how the host fares, in numbers. Names of tenants are in it, so it wants a token of the host, but where the operator says otherwise.

use super::Api;
use super::auth::Caller;
use super::problem::Problem;
use crate::telemetry::CONTENT_TYPE as FORM;
use amends_domain::access::Action;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub(super) async fn metrics(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.may_host(Action::ReadMetrics)?;
    Ok(told(&api))
}

/// The same without a token, and nothing else: for an address of its own.
pub(super) fn open_router() -> Router<Api> {
    Router::new().route("/metrics", get(async |State(api): State<Api>| told(&api)))
}

fn told(api: &Api) -> Response {
    let coordinator = api.coordinator();
    let text = coordinator.metrics().text(&coordinator.levels());
    ([(CONTENT_TYPE, FORM)], text).into_response()
}
