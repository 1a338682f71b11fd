//! What a tenant used, and how much of what it may take it takes now.

use super::Api;
use super::auth::Tenant;
use super::contract::{Operation, get};
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::quota::{Filled, Usage};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/tenants/{tenant}/usage", "showUsage", show)
            .says("What a tenant used, and how much of what it may take it takes now.")
            .needs(Action::ReadUsage)
            .answers::<UsageView>(200, "What it used and takes."),
    ]
}

/// What a tenant used and takes.
#[derive(Debug, Serialize, JsonSchema)]
struct UsageView {
    /// Since it was created. Of what is durable.
    total: Usage,
    /// How each limit stands now.
    limits: Vec<Filled>,
}

async fn show(State(api): State<Api>, Tenant(tenant): Tenant) -> Result<Json<UsageView>, Problem> {
    let total = api.coordinator().usage(&tenant).map_err(|error| Problem::of(&error))?;
    let limits = api.coordinator().filled(&tenant).map_err(|error| Problem::of(&error))?;
    Ok(Json(UsageView { total, limits }))
}
