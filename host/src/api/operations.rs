//! Everything that can be asked: the one table that the router is made of.

use super::Api;
use super::{backup, health, keys, letters, metrics, plugins, runs, sagas, state, tenants, usage};
use crate::telemetry::Metrics;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use std::sync::Arc;

/// An operation: what it is called, where it is, and what does it.
struct Operation {
    id: &'static str,
    path: &'static str,
    handler: fn() -> MethodRouter<Api>,
}

macro_rules! operations {
    ($($method:ident $path:literal $id:literal $handler:expr;)*) => {
        /// All of them.
        const OPERATIONS: &[Operation] = &[$(Operation { id: $id, path: $path, handler: || $method($handler) }),*];
    };
}

operations! {
    get "/healthz" "health" health::healthz;
    get "/readyz" "readiness" health::readyz;
    get "/metrics" "metrics" metrics::metrics;
    get "/v1/whoami" "whoami" health::whoami;

    post "/v1/backup" "backUp" backup::back_up;

    post "/v1/tenants" "createTenant" tenants::create;
    get "/v1/tenants" "listTenants" tenants::list;
    get "/v1/tenants/{tenant}" "showTenant" tenants::show;
    delete "/v1/tenants/{tenant}" "deleteTenant" tenants::delete;
    get "/v1/tenants/{tenant}/usage" "showUsage" usage::show;
    put "/v1/tenants/{tenant}/limits" "limitTenant" tenants::limit;
    post "/v1/tenants/{tenant}/suspend" "suspendTenant" tenants::suspend;
    post "/v1/tenants/{tenant}/reopen" "reopenTenant" tenants::reopen;

    post "/v1/tenants/{tenant}/keys" "createKey" keys::create;
    get "/v1/tenants/{tenant}/keys" "listKeys" keys::list;
    delete "/v1/tenants/{tenant}/keys/{key}" "revokeKey" keys::revoke;

    get "/v1/tenants/{tenant}/plugins" "listPlugins" plugins::list;
    get "/v1/tenants/{tenant}/plugins/{plugin}" "showPlugin" plugins::show;
    put "/v1/tenants/{tenant}/plugins/{plugin}/{version}" "pushPlugin" plugins::push;
    delete "/v1/tenants/{tenant}/plugins/{plugin}/{version}" "deletePlugin" plugins::delete;

    get "/v1/tenants/{tenant}/sagas" "listSagas" sagas::list;
    get "/v1/tenants/{tenant}/sagas/{saga}" "showSaga" sagas::show;
    put "/v1/tenants/{tenant}/sagas/{saga}" "applySaga" sagas::apply;

    post "/v1/tenants/{tenant}/runs" "startRun" runs::start::start;
    get "/v1/tenants/{tenant}/runs" "listRuns" runs::list::list;
    get "/v1/tenants/{tenant}/runs/{run}" "showRun" runs::list::show;
    get "/v1/tenants/{tenant}/runs/{run}/events" "followRun" runs::events::of_run;
    post "/v1/tenants/{tenant}/runs/{run}/cancel" "cancelRun" runs::demand::cancel;
    post "/v1/tenants/{tenant}/runs/{run}/pause" "pauseRun" runs::demand::pause;
    post "/v1/tenants/{tenant}/runs/{run}/resume" "resumeRun" runs::demand::resume;
    post "/v1/tenants/{tenant}/runs/{run}/retry" "retryRun" runs::demand::retry;
    post "/v1/tenants/{tenant}/runs/{run}/compensate" "compensateRun" runs::demand::compensate;
    post "/v1/tenants/{tenant}/runs/{run}/kill" "killRun" runs::demand::kill;
    post "/v1/tenants/{tenant}/runs/{run}/signals/{name}" "signalRun" runs::demand::signal;

    get "/v1/tenants/{tenant}/dead-letters" "listDeadLetters" letters::list;
    get "/v1/tenants/{tenant}/dead-letters/{letter}" "showDeadLetter" letters::show;
    post "/v1/tenants/{tenant}/dead-letters/{letter}/redrive" "redriveDeadLetter" letters::redrive;
    post "/v1/tenants/{tenant}/dead-letters/{letter}/resolve" "resolveDeadLetter" letters::resolve;

    get "/v1/tenants/{tenant}/state" "listState" state::list;
    patch "/v1/tenants/{tenant}/state" "writeState" state::write;

    get "/v1/tenants/{tenant}/events" "followTenant" runs::events::of_tenant;
}

/// A router of all of them. What is asked for and is not there is told like what is not theirs to know.
pub(super) fn router(api: &Api) -> Router<Api> {
    let route = |router: Router<Api>, operation: &'static Operation| {
        let metrics = Arc::clone(api.coordinator().metrics());
        let logged = from_fn(move |request: Request, next: Next| logged(operation.id, Arc::clone(&metrics), request, next));
        router.route(operation.path, (operation.handler)().layer(logged))
    };
    let router = OPERATIONS.iter().fold(Router::new(), route);
    // Each handler that takes a body bounds it itself.
    router.fallback(health::nothing).method_not_allowed_fallback(health::not_so).layer(DefaultBodyLimit::disable())
}

/// Notes what was asked and how it went; who asked and for what is noted where it is decided.
async fn logged(operation: &'static str, metrics: Arc<Metrics>, request: Request, next: Next) -> Response {
    let begun = tokio::time::Instant::now();
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    metrics.answered(operation, status, took);
    tracing::info!(operation, status, took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX), "answered");
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_a_place() {
        let names: HashSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(names.len(), OPERATIONS.len());
        // Making the router panics where two have one place.
        drop(OPERATIONS.iter().fold(Router::<Api>::new(), |router, operation| router.route(operation.path, (operation.handler)())));
    }
}
