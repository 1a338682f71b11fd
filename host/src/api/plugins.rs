//! Plugins: pushed, listed, shown, deleted. A component is checked and compiled before it is anything, behind the answer if nobody waits.

use super::Api;
use super::asked::{Path, Query};
use super::auth::{Caller, Tenant};
use super::body::read;
use super::conditional::{Conditions, failed, shown, tag};
use super::contract::codes::COMPONENT;
use super::contract::{Must, Operation, Takes, WASM, delete, get, put, shapes};
use super::page::patience;
use super::problem::Problem;
use super::pushes::{Place, Push, Pushed, Stage};
use crate::sandbox::COMPONENT_LEN_MAX;
use amends_domain::access::Action;
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, PluginVersion, TenantId};
use amends_domain::plugin::Manifest;
use amends_domain::tenant::Published;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::time::timeout;

const VERSION: &str = "/v1/tenants/{tenant}/plugins/{plugin}/{version}";

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/tenants/{tenant}/plugins", "listPlugins", list)
            .says("All plugins of a tenant and their versions.")
            .needs(Action::ListPlugins)
            .answers::<Plugins>(200, "The plugins, which are at most as many as the tenant's limit allows."),
        get("/v1/tenants/{tenant}/plugins/{plugin}", "showPlugin", show)
            .says("A plugin, its versions and its handlers.")
            .needs(Action::ShowPlugin)
            .answers::<PluginView>(200, "The plugin.")
            .fails(COMPONENT),
        put(VERSION, "pushPlugin", push)
            .says("Pushes a version of a plugin.")
            .notes(
                "The component is checked and compiled behind the answer; `?wait=` waits for that. A version means one component: the same one \
                 again changes nothing. The version that was published last is what the plugin's name means to runs that start.",
            )
            .needs(Action::PushPlugin)
            .query([shapes::wait()])
            .headers([shapes::if_match(), shapes::if_none_match()])
            .takes(Takes { media: WASM, shape: None, must: Must::Be })
            .answers::<VersionView>(200, "The version was there, with this component.")
            .answers::<VersionView>(201, "The version is ready.")
            .answers::<VersionView>(202, "The component is being checked and compiled: ask for the version again.")
            .telling(&shapes::etag(), &[200, 201])
            .telling(&shapes::location(), &[201, 202])
            .fails(COMPONENT)
            .fails(&["plugin_name", "plugin_version", "wait_malformed", "wait_too_long", "precondition_malformed"])
            .fails(&["precondition_failed", "too_many_uploads", "too_many_pushes", "version_being_pushed"])
            .fails(&["version_exists", "too_many_versions", "too_many_plugins", "text_length", "version_unknown"])
            .fails(&["disk_low", "limit_exceeded", "limit_too_small"]),
        get(VERSION, "showPluginVersion", show_version)
            .says("A version of a plugin, or how far its push has come.")
            .notes("What became of a push that was refused is known until the host stops.")
            .needs(Action::ShowPlugin)
            .headers([shapes::if_none_match(), shapes::if_match()])
            .answers::<VersionView>(200, "The version.")
            .empty(304, "The client has it.")
            .telling(&shapes::etag(), &[304])
            .fails(&["version_unknown", "precondition_malformed", "precondition_failed"]),
        delete(VERSION, "deletePlugin", remove)
            .says("Takes a version of a plugin away.")
            .needs(Action::DeletePlugin)
            .empty(204, "There is no such version any more.")
            .fails(&["version_unknown", "version_pinned", "text_length", "journal_not_readable", "definition_not_readable"]),
    ]
}

/// A version of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PluginVersion")]
struct VersionView {
    plugin: PluginName,
    version: PluginVersion,
    /// The component.
    digest: Digest,
    /// Its size in bytes.
    size: u64,
    /// When it became ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<Timestamp>,
    by: String,
    status: Status,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// How far a version has come.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Status {
    /// It is looked at whether there may be such a version.
    Checking,
    /// The component is checked and compiled.
    Compiling,
    /// Runs that start use it.
    Ready,
    /// It is not there.
    Refused,
}

/// Why a version is refused: what a problem would say.
#[derive(Debug, Serialize, JsonSchema)]
struct Reason {
    code: &'static str,
    message: String,
}

/// A plugin and its versions, the newest one last.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Plugin")]
struct PluginView {
    plugin: PluginName,
    versions: Vec<VersionView>,
    /// What it has, as runs that start now see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
}

/// All plugins of a tenant.
#[derive(Debug, Serialize, JsonSchema)]
struct Plugins {
    items: Vec<PluginView>,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    wait: Option<String>,
}

fn published_view(plugin: &PluginName, published: &Published) -> VersionView {
    let Published { version, component, size, at, by } = published;
    VersionView {
        plugin: plugin.clone(),
        version: version.clone(),
        digest: *component,
        size: *size,
        published_at: Some(*at),
        by: by.clone(),
        status: Status::Ready,
        reason: None,
    }
}

fn push_view(place: &Place, push: &Push) -> VersionView {
    let (status, reason) = match push.now() {
        Stage::Checking => (Status::Checking, None),
        Stage::Compiling => (Status::Compiling, None),
        Stage::Ready(published) => return published_view(&place.plugin, &published),
        Stage::Refused(problem) => (Status::Refused, Some(Reason { code: problem.code(), message: problem.detail().to_owned() })),
    };
    VersionView {
        plugin: place.plugin.clone(),
        version: place.version.clone(),
        digest: push.digest,
        size: push.size,
        published_at: None,
        by: push.by.clone(),
        status,
        reason,
    }
}

/// What a plugin has; none if there is no such plugin.
pub(super) async fn manifest(api: &Api, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Manifest>, Problem> {
    api.coordinator().installed(tenant, plugin).await.map_err(|error| Problem::of(&error))
}

async fn push(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([plugin, version]): Path<2>,
    Query(Waiting { wait }): Query<Waiting>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let plugin: PluginName = plugin.parse().map_err(|error| wrong("plugin_name", &error))?;
    let version: PluginVersion = version.parse().map_err(|error| wrong("plugin_version", &error))?;
    let (wait, conditions) = (patience(wait)?, Conditions::read(&headers)?);
    let upload = Arc::clone(&api.0.uploads).try_acquire_owned().map_err(|_| {
        Problem::new("too_many_uploads", "as many components come in as this host takes at a time: try again later")
    })?;
    let component = read(body, COMPONENT_LEN_MAX).await?;
    let place = Place { tenant, plugin, version };
    let known = api.coordinator().tenant(&place.tenant).version(&place.plugin, &place.version).cloned();
    let now = known.as_ref().map(|known| known.component.hex());
    if !conditions.hold(now.as_deref()) {
        return Err(failed(now.as_deref()));
    }
    let was_there = known.is_some_and(|known| known.component == Digest::of(&component));
    let pushed = Pushed { place: place.clone(), component, by: caller.who() };
    let mut push = api.0.pushes.begin(api.coordinator(), pushed, upload)?;
    if let Some(wait) = wait {
        // Whatever came of it is told below.
        let _ = timeout(wait.to_std(), push.over()).await;
    }
    let location = [("location", path(&place))];
    match push.now() {
        Stage::Checking | Stage::Compiling => Ok((StatusCode::ACCEPTED, location, Json(push_view(&place, &push))).into_response()),
        Stage::Refused(problem) => Err(problem),
        Stage::Ready(published) => {
            let (tag, view) = (tag(&published.component.hex()), || Json(published_view(&place.plugin, &published)));
            let created = || (StatusCode::CREATED, tag.clone(), location.clone(), view()).into_response();
            Ok(if was_there { (StatusCode::OK, tag.clone(), view()).into_response() } else { created() })
        }
    }
}

fn path(Place { tenant, plugin, version }: &Place) -> String {
    // A `+` of a version stands for itself in a path.
    format!("/v1/tenants/{tenant}/plugins/{plugin}/{version}")
}

fn wrong(code: &'static str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(code, error.to_string())
}

async fn list(State(api): State<Api>, Tenant(tenant): Tenant) -> Json<Plugins> {
    let tenant = api.coordinator().tenant(&tenant);
    let view = |(plugin, versions): (&PluginName, &[Published])| PluginView {
        plugin: plugin.clone(),
        versions: versions.iter().map(|published| published_view(plugin, published)).collect(),
        manifest: None,
    };
    Json(Plugins { items: tenant.plugins().map(view).collect() })
}

async fn show(State(api): State<Api>, Tenant(tenant): Tenant, Path([plugin]): Path<1>) -> Result<Json<PluginView>, Problem> {
    let plugin: PluginName = plugin.parse().map_err(|_| Problem::not_found())?;
    let manifest = manifest(&api, &tenant, &plugin).await?.ok_or_else(Problem::not_found)?;
    let versions = api.coordinator().tenant(&tenant);
    let versions = versions.versions(&plugin).iter().map(|published| published_view(&plugin, published)).collect();
    Ok(Json(PluginView { plugin, versions, manifest: Some(manifest) }))
}

fn place(tenant: TenantId, plugin: &str, version: &str) -> Result<Place, Problem> {
    let plugin = plugin.parse().map_err(|_| Problem::not_found())?;
    let version = version.parse().map_err(|_| Problem::not_found())?;
    Ok(Place { tenant, plugin, version })
}

async fn show_version(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Path([plugin, version]): Path<2>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (place, conditions) = (place(tenant, &plugin, &version)?, Conditions::read(&headers)?);
    if let Some(published) = api.coordinator().tenant(&place.tenant).version(&place.plugin, &place.version) {
        return shown(&conditions, &published.component.hex(), Json(published_view(&place.plugin, published)));
    }
    let Some(push) = api.0.pushes.of(&place) else {
        let detail = format!("plugin `{plugin}` has no version {version}, and none is being pushed");
        return Err(Problem::new("version_unknown", detail));
    };
    Ok(Json(push_view(&place, &push)).into_response())
}

async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([plugin, version]): Path<2>,
) -> Result<StatusCode, Problem> {
    let place = place(tenant, &plugin, &version)?;
    let Place { tenant, plugin, version } = &place;
    api.coordinator().unpublish(tenant, plugin, version, caller.who()).await.map_err(|error| Problem::of(&error))?;
    api.0.pushes.forget(&place);
    Ok(StatusCode::NO_CONTENT)
}
