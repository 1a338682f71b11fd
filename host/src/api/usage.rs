//! What a tenant used, and how much of what it may take it takes now.

use super::Api;
use super::asked::Path;
use super::auth::Caller;
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::quota::{Filled, Usage};
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// What a tenant used and takes.
#[derive(Debug, Serialize)]
pub(super) struct UsageView {
    /// Since it was created. Of what is durable.
    total: Usage,
    /// How each limit stands now.
    limits: Vec<Filled>,
}

pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(tenant): Path<String>) -> Result<Json<UsageView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ReadUsage)?;
    let total = api.coordinator().usage(&tenant).map_err(|error| Problem::of(&error))?;
    let limits = api.coordinator().filled(&tenant).map_err(|error| Problem::of(&error))?;
    Ok(Json(UsageView { total, limits }))
}
