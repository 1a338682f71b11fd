//! Tenants: created, listed, shown, limited, suspended, deleted. For operators, but for looking at one's own.

use super::Api;
use super::asked::Query;
use super::auth::{Caller, Tenant as Of};
use super::body::Given;
use super::contract::{Must, Operation, delete, get, post, put, shapes};
use super::page::{Page, Wanted};
use super::problem::Problem;
use amends_domain::access::{Action, Standing};
use amends_domain::decide::REASON_LEN_MAX;
use amends_domain::event::TenantEvent;
use amends_domain::id::TenantId;
use amends_domain::tenant::{LimitsPatch, Tenant, TenantLimits};
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        post("/v1/tenants", "createTenant", create)
            .says("Creates a tenant.")
            .needs(Action::CreateTenant)
            .json::<Create>(Must::Be)
            .answers::<TenantView>(201, "The tenant.")
            .telling(&shapes::location(), &[201])
            .fails(&["tenant_exists", "tenant_deleted", "limits_refused", "text_length", "durability_unknown", "closed"]),
        get("/v1/tenants", "listTenants", list)
            .says("All tenants by name, those that were deleted among them.")
            .needs(Action::ListTenants)
            .pages::<TenantId>()
            .answers::<Page<TenantView>>(200, "A page of tenants."),
        get("/v1/tenants/{tenant}", "showTenant", show)
            .says("How a tenant stands, and its limits.")
            .needs(Action::ShowTenant)
            .answers::<TenantView>(200, "The tenant."),
        delete("/v1/tenants/{tenant}", "deleteTenant", remove)
            .says("Is done with a tenant. Its name is not used again.")
            .needs(Action::DeleteTenant)
            .empty(204, "It is gone.")
            .fails(&["tenant_has_open_runs", "tenant_is_host", "text_length"]),
        put("/v1/tenants/{tenant}/limits", "limitTenant", limit)
            .says("Sets limits of a tenant; those that are not named stay.")
            .needs(Action::LimitTenant)
            .json::<LimitsPatch>(Must::NotBe)
            .answers::<TenantView>(200, "The tenant.")
            .fails(&["limits_refused", "text_length"]),
        post("/v1/tenants/{tenant}/suspend", "suspendTenant", suspend)
            .says("Has a tenant stand still.")
            .needs(Action::SuspendTenant)
            .json::<Suspend>(Must::Be)
            .answers::<TenantView>(200, "The tenant.")
            .fails(&["text_length", "tenant_is_host", "tenant_standing"]),
        post("/v1/tenants/{tenant}/reopen", "reopenTenant", reopen)
            .says("Has a suspended tenant go on.")
            .needs(Action::ReopenTenant)
            .answers::<TenantView>(200, "The tenant.")
            .fails(&["text_length", "tenant_standing"]),
    ]
}

/// A tenant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
struct TenantView {
    id: TenantId,
    /// `open` or `suspended`; operators see `deleted` ones, too.
    #[schemars(extend("enum" = ["open", "suspended", "deleted"]))]
    standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    limits: TenantLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspension: Option<SuspensionView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Suspension")]
struct SuspensionView {
    since: Timestamp,
    reason: String,
    by: String,
}

/// A tenant that is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CreateTenant")]
struct Create {
    id: TenantId,
    /// Those that are not the default.
    #[schemars(with = "Option<LimitsPatch>")]
    limits: Option<Value>,
}

/// Why a tenant is to stand still.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Suspend {
    #[schemars(length(min = 1, max = REASON_LEN_MAX))]
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

async fn create(State(api): State<Api>, caller: Caller, Given(Create { id, limits }): Given<Create>) -> Result<Response, Problem> {
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

async fn list(State(api): State<Api>, Query(wanted): Query<Wanted>) -> Result<Json<Page<TenantView>>, Problem> {
    let (limit, after) = (wanted.limit()?, wanted.after::<TenantId>()?);
    let found = api.coordinator().tenants(after.as_ref(), limit + 1);
    let views = found.into_iter().map(|(id, tenant)| TenantView::of(id, &tenant)).collect();
    Ok(Json(Page::of(views, limit, |tenant: &TenantView| tenant.id.to_string())))
}

async fn show(State(api): State<Api>, Of(tenant): Of) -> Json<TenantView> {
    Json(TenantView::now(&api, tenant))
}

async fn limit(
    State(api): State<Api>,
    caller: Caller,
    Of(tenant): Of,
    Given(patch): Given<Value>,
) -> Result<Json<TenantView>, Problem> {
    let limits = patched(*api.coordinator().tenant(&tenant).limits(), &patch)?;
    let limits = limits.all().collect();
    api.coordinator().alter(&tenant, TenantEvent::LimitsSet { limits, by: caller.who() }).await?;
    Ok(Json(TenantView::now(&api, tenant)))
}

async fn suspend(
    State(api): State<Api>,
    caller: Caller,
    Of(tenant): Of,
    Given(Suspend { reason }): Given<Suspend>,
) -> Result<Json<TenantView>, Problem> {
    api.coordinator().alter(&tenant, TenantEvent::TenantSuspended { reason, by: caller.who() }).await?;
    Ok(Json(TenantView::now(&api, tenant)))
}

async fn reopen(State(api): State<Api>, caller: Caller, Of(tenant): Of) -> Result<Json<TenantView>, Problem> {
    api.coordinator().alter(&tenant, TenantEvent::TenantReopened { by: caller.who() }).await?;
    Ok(Json(TenantView::now(&api, tenant)))
}

async fn remove(State(api): State<Api>, caller: Caller, Of(tenant): Of) -> Result<StatusCode, Problem> {
    let open = api.coordinator().store().open_runs(&tenant, None, 1).map_err(|error| Problem::of(&error))?;
    if let Some(open) = open.first() {
        let detail = format!("{} of the tenant is open: cancel or kill its runs first", open.run);
        return Err(Problem::new("tenant_has_open_runs", detail));
    }
    api.coordinator().alter(&tenant, TenantEvent::TenantDeleted { by: caller.who() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
