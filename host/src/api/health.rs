//! Whether the host lives and is ready, who asks, and what is told where nothing is.

use super::Api;
use super::auth::{Caller, Means};
use super::contract::{Answer, Operation, Shape, get};
use super::problem::Problem;
use crate::coordinator::{Holds, PartReport};
use amends_domain::access::Scope;
use amends_domain::event::{PartState, Role};
use amends_domain::id::TenantId;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let lives = Answer { status: 200, says: "It lives.", content: vec![("text/plain", None)], headers: Vec::new() };
    let shape = vec![("application/json", Some(Shape::given::<Readiness>()))];
    let not_ready = Answer { status: 503, says: "Some part is not ready.", content: shape, headers: Vec::new() };
    vec![
        get("/healthz", "health", healthz).says("Whether the host lives.").answer(lives),
        get("/readyz", "readiness", readyz)
            .says("Whether the host is ready, and what is not.")
            .answers::<Readiness>(200, "All parts are ready.")
            .answer(not_ready),
        get("/v1/whoami", "whoami", whoami).says("Who asks.").with_key().answers::<Asker>(200, "Whom the token is of."),
    ]
}

/// How the host fares.
#[derive(Debug, Serialize, JsonSchema)]
struct Readiness {
    ready: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Part {
    name: &'static str,
    /// `ready` or `failing`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
}

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
struct Asker {
    who: String,
    role: Role,
    /// Of which tenant; none: of the whole host.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    by: By,
    /// When the token of the identity provider opens nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// Who says so.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum By {
    /// This host, which gave a key.
    Key,
    /// The identity provider.
    Provider,
}

/// It answers, so it lives.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Readiness>) {
    let parts = api.coordinator().fares();
    // One that only keeps new work out must not keep those away who have to do with what is open.
    let ready = !parts.iter().any(|part| part.state == PartState::Failing && part.holds == Holds::Everything);
    let parts = parts.into_iter().map(|PartReport { name, state, says, .. }| Part { name, state: state.word(), says }).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, parts }))
}

async fn whoami(caller: Caller) -> Json<Asker> {
    let principal = caller.principal();
    let tenant = match principal.scope() {
        Scope::Host => None,
        Scope::Tenant(tenant) => Some(tenant.clone()),
    };
    let (by, expires_at) = match caller.means() {
        Means::Key => (By::Key, None),
        Means::Provider(expires) => (By::Provider, Some(expires)),
    };
    Json(Asker { who: caller.who(), role: principal.role(), tenant, by, expires_at })
}

pub(super) async fn nothing() -> Problem {
    Problem::not_found()
}

pub(super) async fn not_so() -> Problem {
    Problem::new("method_not_allowed", "this is there, and not to be asked so: the header `Allow` names the methods that there are")
}
