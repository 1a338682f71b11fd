//! Everything that can be asked: one list, which the router, the checks before each handler and the description of the API are made of.

use super::contract::{Answer, Operation, document, get};
use super::guard::guard;
use super::request::{note, surround};
use super::{
    Api, audit, backup, grants, health, keys, letters, metrics, plugins, problem, resolvers, runs, sagas, secrets, state, tenants,
    usage, webhooks,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;

/// All of them.
fn operations() -> Vec<Operation> {
    let description = get("/openapi.json", "describe", description).says("This description.").answer(Answer {
        status: 200,
        says: "OpenAPI 3.1, made of the code that answers.",
        content: vec![("application/json", None)],
        headers: Vec::new(),
    });
    [
        health::operations(),
        vec![description],
        metrics::operations(),
        backup::operations(),
        problem::operations(),
        tenants::operations(),
        usage::operations(),
        keys::operations(),
        resolvers::operations(),
        plugins::operations(),
        grants::operations(),
        secrets::operations(),
        webhooks::operations(),
        sagas::operations(),
        runs::operations(),
        letters::operations(),
        state::operations(),
        audit::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The description of all of them.
pub(super) fn described() -> Bytes {
    let mut described = document(&operations());
    // It is the one answer whose form is not ours.
    described["paths"]["/openapi.json"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] =
        serde_json::json!({ "type": "object", "required": ["openapi", "info", "paths"] });
    Bytes::from(described.to_string())
}

async fn description(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, "application/json")], api.0.described.clone()).into_response()
}

/// A router of all of them. What is asked for and is not there is told like what is not theirs to know.
pub(super) fn router(api: &Api) -> Router {
    let route = |router: Router<Api>, operation: Operation| {
        let (path, handler, operation) = (operation.path, operation.handler(), Arc::new(operation));
        let (api, of_guard) = (api.clone(), Arc::clone(&operation));
        let guarded = from_fn(move |request: Request, next: Next| guard(api.clone(), Arc::clone(&of_guard), request, next));
        let noted = from_fn(move |request: Request, next: Next| note(Arc::clone(&operation), request, next));
        router.route(path, handler.route_layer(guarded).route_layer(noted))
    };
    let router = operations().into_iter().fold(Router::new(), route);
    // Each handler that takes a body bounds it itself.
    let router = router.fallback(health::nothing).method_not_allowed_fallback(health::not_so).layer(DefaultBodyLimit::disable());
    router.layer(from_fn_with_state(api.clone(), surround)).with_state(api.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_operation_has_a_name_of_its_own_a_place_and_an_answer() {
        let operations = operations();
        let names: HashSet<_> = operations.iter().map(|operation| operation.id).collect();
        let places: HashSet<_> = operations.iter().map(|operation| (operation.method.word(), operation.path)).collect();
        assert_eq!((names.len(), places.len()), (operations.len(), operations.len()));
        for operation in &operations {
            assert!(!operation.summary.is_empty() && !operation.answers.is_empty(), "{}", operation.id);
        }
    }

    #[test]
    fn whatever_is_about_a_tenant_needs_a_right() {
        use crate::api::contract::Needs;
        for operation in operations() {
            let of_tenant = operation.path.starts_with("/v1/tenants");
            assert!(!of_tenant || matches!(operation.needs, Needs::Right(_)), "{}", operation.id);
        }
    }

    #[test]
    fn what_the_description_refers_to_is_in_it() {
        let described = described();
        let text = std::str::from_utf8(&described).expect("it is JSON");
        let document: serde_json::Value = serde_json::from_slice(&described).expect("it is JSON");
        let refers: HashSet<_> = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(refers.len() > 20, "{refers:?}");
        for place in refers {
            assert!(document.pointer(place).is_some(), "{place}");
        }
    }
}
