//! Plugins: pushed, listed, shown, deleted. A component is checked and compiled before it is anything.

use super::Api;
use super::asked::Path;
use super::auth::Caller;
use super::body::read;
use super::problem::Problem;
use crate::sandbox::COMPONENT_LEN_MAX;
use crate::view::Kind;
use amends_domain::access::Action;
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, PluginVersion, TenantId};
use amends_domain::plugin::Manifest;
use amends_domain::tenant::Published;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

/// A version of a plugin.
#[derive(Debug, Serialize)]
pub(super) struct VersionView {
    plugin: PluginName,
    version: PluginVersion,
    digest: Digest,
    size: u64,
    published_at: Timestamp,
    by: String,
    status: &'static str,
}

/// A plugin and its versions, the newest one last.
#[derive(Debug, Serialize)]
pub(super) struct PluginView {
    plugin: PluginName,
    versions: Vec<VersionView>,
    /// What it has, as runs that start now see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
}

/// All plugins of a tenant, which are at most as many as its limit allows.
#[derive(Debug, Serialize)]
pub(super) struct Plugins {
    items: Vec<PluginView>,
}

fn version_view(plugin: &PluginName, published: &Published) -> VersionView {
    let Published { version, component, size, at, by } = published;
    let (version, by) = (version.clone(), by.clone());
    VersionView { plugin: plugin.clone(), version, digest: *component, size: *size, published_at: *at, by, status: "ready" }
}

/// What a plugin has; none if there is no such plugin.
pub(super) async fn manifest(api: &Api, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Manifest>, Problem> {
    api.coordinator().installed(tenant, plugin).await.map_err(|error| Problem::of(&error))
}

pub(super) async fn push(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, plugin, version)): Path<(String, String, String)>,
    body: Body,
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let tenant = caller.may(&api, &tenant, Action::PushPlugin)?;
    let plugin: PluginName = plugin.parse().map_err(|error| wrong("plugin_name", &error))?;
    let version: PluginVersion = version.parse().map_err(|error| wrong("plugin_version", &error))?;
    let _place = api.0.uploads.try_acquire().map_err(|_| {
        Problem::new(
            Kind::Unavailable,
            "too_many_uploads",
            "as many components come in as this host takes at a time: try again later",
        )
    })?;
    let component = read(body, COMPONENT_LEN_MAX).await?;
    let published = api.coordinator().publish(&tenant, &plugin, version, component, caller.who()).await;
    let published = published.map_err(|error| Problem::of(&error))?;
    Ok((StatusCode::CREATED, Json(version_view(&plugin, &published))))
}

fn wrong(code: &'static str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Kind::Usage, code, error.to_string())
}

pub(super) async fn list(State(api): State<Api>, caller: Caller, Path(tenant): Path<String>) -> Result<Json<Plugins>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ListPlugins)?;
    let tenant = api.coordinator().tenant(&tenant);
    let view = |(plugin, versions): (&PluginName, &[Published])| PluginView {
        plugin: plugin.clone(),
        versions: versions.iter().map(|published| version_view(plugin, published)).collect(),
        manifest: None,
    };
    Ok(Json(Plugins { items: tenant.plugins().map(view).collect() }))
}

pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, plugin)): Path<(String, String)>,
) -> Result<Json<PluginView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ShowPlugin)?;
    let plugin: PluginName = plugin.parse().map_err(|_| Problem::not_found())?;
    let manifest = manifest(&api, &tenant, &plugin).await?.ok_or_else(Problem::not_found)?;
    let versions = api.coordinator().tenant(&tenant);
    let versions = versions.versions(&plugin).iter().map(|published| version_view(&plugin, published)).collect();
    Ok(Json(PluginView { plugin, versions, manifest: Some(manifest) }))
}

pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, plugin, version)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.may(&api, &tenant, Action::DeletePlugin)?;
    let plugin: PluginName = plugin.parse().map_err(|_| Problem::not_found())?;
    let version: PluginVersion = version.parse().map_err(|_| Problem::not_found())?;
    api.coordinator().unpublish(&tenant, &plugin, &version, caller.who()).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
