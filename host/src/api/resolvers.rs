//! How many people it takes to settle a dead letter of a tenant.

use super::Api;
use super::auth::{Caller, Tenant};
use super::body::Given;
use super::contract::{Must, Operation, get, put};
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::event::Resolvers;
use amends_domain::id::TenantId;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const PATH: &str = "/v1/tenants/{tenant}/resolvers";

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get(PATH, "showResolvers", show)
            .says("How many people it takes to settle a dead letter.")
            .needs(Action::ListDeadLetters)
            .answers::<ResolversView>(200, "How many."),
        put(PATH, "setResolvers", set)
            .says("Says how many people it takes to settle a dead letter from now on.")
            .needs(Action::SetResolvers)
            .json::<ResolversView>(Must::Be)
            .answers::<ResolversView>(200, "How many."),
    ]
}

/// How many people it takes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Resolvers")]
struct ResolversView {
    resolvers: Number,
}

/// `one`, or `two`: the second confirms what the first says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Number {
    One,
    Two,
}

fn now(api: &Api, tenant: &TenantId) -> Result<Json<ResolversView>, Problem> {
    let resolvers = match api.coordinator().store().resolvers(tenant).map_err(|error| Problem::of(&error))? {
        Resolvers::One => Number::One,
        Resolvers::Two => Number::Two,
    };
    Ok(Json(ResolversView { resolvers }))
}

async fn show(State(api): State<Api>, Tenant(tenant): Tenant) -> Result<Json<ResolversView>, Problem> {
    now(&api, &tenant)
}

async fn set(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Given(ResolversView { resolvers }): Given<ResolversView>,
) -> Result<Json<ResolversView>, Problem> {
    let resolvers = match resolvers {
        Number::One => Resolvers::One,
        Number::Two => Resolvers::Two,
    };
    api.coordinator().set_resolvers(&tenant, resolvers, caller.who()).await.map_err(|error| Problem::of(&error))?;
    now(&api, &tenant)
}
