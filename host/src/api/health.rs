//! Whether the host lives and is ready, who asks, and what is told where nothing is.

use super::Api;
use super::auth::Caller;
use super::problem::Problem;
use crate::coordinator::{Holds, PartReport};
use crate::view::Kind;
use amends_domain::access::Scope;
use amends_domain::event::{PartState, Role};
use amends_domain::id::TenantId;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

/// How the host fares.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    ready: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    /// `ready` or `failing`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub(super) struct Asker {
    who: String,
    role: Role,
    /// The tenant of its key; none: the whole host.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
}

/// It answers, so it lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Readiness>) {
    let parts = api.coordinator().fares();
    // One that only keeps new work out must not keep those away who have to do with what is open.
    let ready = !parts.iter().any(|part| part.state == PartState::Failing && part.holds == Holds::Everything);
    let parts = parts.into_iter().map(|PartReport { name, state, says, .. }| Part { name, state: state.word(), says }).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, parts }))
}

pub(super) async fn whoami(caller: Caller) -> Json<Asker> {
    let principal = caller.principal();
    let tenant = match principal.scope() {
        Scope::Host => None,
        Scope::Tenant(tenant) => Some(tenant.clone()),
    };
    Json(Asker { who: caller.who(), role: principal.role(), tenant })
}

pub(super) async fn nothing() -> Problem {
    Problem::not_found()
}

pub(super) async fn not_so() -> Problem {
    Problem::new(Kind::Usage, "method_not_allowed", "this is there, and not to be asked so: look at the documentation of the API")
        .in_status(StatusCode::METHOD_NOT_ALLOWED)
}
