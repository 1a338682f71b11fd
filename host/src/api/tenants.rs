//! Tenants: created, listed, shown, limited, suspended, deleted. For operators, but for looking at one's own.

use super::Api;
use super::asked::{Path, Query};
use super::auth::Caller;
use super::body::Given;
use super::page::{Page, Wanted};
use super::problem::Problem;
use crate::view::Kind;
use amends_domain::access::{Action, Standing};
use amends_domain::event::TenantEvent;
use amends_domain::id::TenantId;
use amends_domain::tenant::{Tenant, TenantLimits};
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tenant.
#[derive(Debug, Serialize)]
pub(super) struct TenantView {
    id: TenantId,
    /// `open` or `suspended`; operators see `deleted` ones, too.
    standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    limits: TenantLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspension: Option<SuspensionView>,
}

#[derive(Debug, Serialize)]
struct SuspensionView {
    since: Timestamp,
    reason: String,
    by: String,
}

/// A tenant that is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    id: TenantId,
    limits: Option<Value>,
}

/// Why a tenant is to stand still.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suspend {
    reason: String,
}

impl TenantView {
    fn of(id: TenantId, tenant: &Tenant) -> Self {
        let standing = match tenant.standing() {
            Standing::Absent => "absent",
            Standing::Open => "open",
            Standing::Suspended => "suspended",
            Standing::Deleted => "deleted",
        };
        let suspension = tenant.suspension().map(|suspension| SuspensionView {
            since: suspension.since,
            reason: suspension.reason.clone(),
            by: suspension.by.clone(),
        });
        Self { id, standing, created_at: tenant.created(), limits: *tenant.limits(), suspension }
    }

    fn now(api: &Api, id: TenantId) -> Self {
        let tenant = api.coordinator().tenant(&id);
        Self::of(id, &tenant)
    }
}

pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Given(Create { id, limits }): Given<Create>,
) -> Result<Response, Problem> {
    caller.may_host(Action::CreateTenant)?;
    let limits = limits.map(|patch| patched(TenantLimits::default(), &patch)).transpose()?;
    api.coordinator().alter(&id, TenantEvent::TenantCreated { by: caller.who() }).await?;
    if let Some(limits) = limits {
        let limits = limits.all().collect();
        api.coordinator().alter(&id, TenantEvent::LimitsSet { limits, by: caller.who() }).await?;
    }
    let location = [("location", format!("/v1/tenants/{id}"))];
    Ok((StatusCode::CREATED, location, Json(TenantView::now(&api, id))).into_response())
}

fn patched(limits: TenantLimits, patch: &Value) -> Result<TenantLimits, Problem> {
    limits.patched(patch).map_err(|mistakes| Problem::of_mistakes("limits_refused", &mistakes))
}

pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<TenantView>>, Problem> {
    caller.may_host(Action::ListTenants)?;
    let (limit, after) = (wanted.limit()?, wanted.after::<TenantId>()?);
    let found = api.coordinator().tenants(after.as_ref(), limit + 1);
    let views = found.into_iter().map(|(id, tenant)| TenantView::of(id, &tenant)).collect();
    Ok(Json(Page::of(views, limit, |tenant: &TenantView| tenant.id.to_string())))
}

pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(tenant): Path<String>) -> Result<Json<TenantView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ShowTenant)?;
    Ok(Json(TenantView::now(&api, tenant)))
}

pub(super) async fn limit(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Given(patch): Given<Value>,
) -> Result<Json<TenantView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::LimitTenant)?;
    let limits = patched(*api.coordinator().tenant(&tenant).limits(), &patch)?;
    let limits = limits.all().collect();
    api.coordinator().alter(&tenant, TenantEvent::LimitsSet { limits, by: caller.who() }).await?;
    Ok(Json(TenantView::now(&api, tenant)))
}

pub(super) async fn suspend(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Given(Suspend { reason }): Given<Suspend>,
) -> Result<Json<TenantView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::SuspendTenant)?;
    api.coordinator().alter(&tenant, TenantEvent::TenantSuspended { reason, by: caller.who() }).await?;
    Ok(Json(TenantView::now(&api, tenant)))
}

pub(super) async fn reopen(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<TenantView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ReopenTenant)?;
    api.coordinator().alter(&tenant, TenantEvent::TenantReopened { by: caller.who() }).await?;
    Ok(Json(TenantView::now(&api, tenant)))
}

pub(super) async fn delete(State(api): State<Api>, caller: Caller, Path(tenant): Path<String>) -> Result<StatusCode, Problem> {
    let tenant = caller.may(&api, &tenant, Action::DeleteTenant)?;
    let open = api.coordinator().store().open_runs(&tenant, None, 1).map_err(|error| Problem::of(&error))?;
    if let Some(open) = open.first() {
        let detail = format!("{} of the tenant is open: cancel or kill its runs first", open.run);
        return Err(Problem::new(Kind::Conflict, "tenant_has_open_runs", detail));
    }
    api.coordinator().alter(&tenant, TenantEvent::TenantDeleted { by: caller.who() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
