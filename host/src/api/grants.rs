//! Where plugins may send requests: granted, listed, revoked.

use super::Api;
use super::asked::Path;
use super::auth::{Caller, Tenant};
use super::body::Given;
use super::contract::{Must, Operation, delete, get, put};
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::event::{HostGrant, Reach, Transport};
use amends_domain::id::PluginName;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const ALL: &str = "/v1/tenants/{tenant}/plugins/{plugin}/grants";
const ONE: &str = "/v1/tenants/{tenant}/plugins/{plugin}/grants/{place}";

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get(ALL, "listGrants", list)
            .says("Where a plugin may send requests.")
            .notes("The plugin need not be there: what is granted counts when it comes.")
            .needs(Action::ListGrants)
            .answers::<Grants>(200, "The grants, at most 64."),
        put(ONE, "grantHost", grant)
            .says("Lets a plugin send requests to a place; replaces what was granted for it before.")
            .notes("Counts for every attempt that starts from now on. Only operators grant what reaches this machine itself (`loopback`).")
            .needs(Action::GrantHost)
            .json::<Granted>(Must::NotBe)
            .answers::<GrantView>(200, "The grant.")
            .fails(&["grant_refused", "grants_too_many"]),
        delete(ONE, "revokeHost", revoke)
            .says("Takes a place away from a plugin.")
            .needs(Action::RevokeHost)
            .empty(204, "Attempts that start from now on send nothing there.")
            .fails(&["grant_refused", "not_granted"]),
    ]
}

/// All grants of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
struct Grants {
    items: Vec<GrantView>,
}

/// A place that a plugin may send requests to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
struct GrantView {
    /// As paths name it.
    place: String,
    host: String,
    /// That of the scheme without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// None: all but CONNECT and TRACE.
    methods: Vec<String>,
    transport: Transport,
    reach: Reach,
}

/// How a place is granted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GrantHost")]
struct Granted {
    /// Such as `POST`; all but CONNECT and TRACE without any.
    #[serde(default)]
    #[schemars(length(max = 16))]
    methods: Vec<String>,
    /// `tls` without it.
    transport: Option<Transport>,
    /// `public` without it.
    reach: Option<Reach>,
}

fn view(grant: HostGrant) -> GrantView {
    let place = grant.place();
    let HostGrant { host, port, methods, transport, reach } = grant;
    GrantView { place, host, port, methods, transport, reach }
}

fn name(plugin: &str) -> Result<PluginName, Problem> {
    plugin.parse().map_err(|_| Problem::not_found())
}

async fn list(State(api): State<Api>, Tenant(tenant): Tenant, Path([plugin]): Path<1>) -> Result<Json<Grants>, Problem> {
    let grants = api.coordinator().store().grants(&tenant, &name(&plugin)?).map_err(|error| Problem::of(&error))?;
    Ok(Json(Grants { items: grants.into_iter().map(view).collect() }))
}

async fn grant(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([plugin, place]): Path<2>,
    Given(Granted { methods, transport, reach }): Given<Granted>,
) -> Result<Json<GrantView>, Problem> {
    let (plugin, reach) = (name(&plugin)?, reach.unwrap_or(Reach::Public));
    match reach {
        Reach::Public => {}
        // What listens on this machine is not the tenant's.
        Reach::Loopback => caller.may(&api, Some(&tenant), Action::GrantLoopback)?,
    }
    let grant = HostGrant::read(&place, &methods, transport.unwrap_or(Transport::Tls), reach);
    let grant = grant.map_err(|error| Problem::new("grant_refused", error.to_string()))?;
    let granted = api.coordinator().grant(&tenant, &plugin, grant.clone(), caller.who()).await;
    granted.map_err(|error| Problem::of(&error))?;
    Ok(Json(view(grant)))
}

async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([plugin, place]): Path<2>,
) -> Result<StatusCode, Problem> {
    let plugin = name(&plugin)?;
    // Read as a grant is, so that it need not be written in small letters here.
    let place = HostGrant::read(&place, &[], Transport::Tls, Reach::Public);
    let place = place.map_err(|error| Problem::new("grant_refused", error.to_string()))?.place();
    let revoked = api.coordinator().revoke(&tenant, &plugin, &place, caller.who()).await;
    if revoked.map_err(|error| Problem::of(&error))? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new("not_granted", format!("{place} is not granted to plugin `{plugin}`")))
}
