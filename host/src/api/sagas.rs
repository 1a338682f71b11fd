//! Sagas: applied, listed, shown, compared.

use super::Api;
use super::asked::{Path, Query};
use super::auth::Tenant;
use super::body::read;
use super::conditional::{Conditions, failed, shown, tag};
use super::contract::codes::COMPONENT;
use super::contract::{DOCUMENT, Must, Operation, Takes, get, put, shapes};
use super::page::{Page, Wanted};
use super::problem::Problem;
use super::{BODY_LEN_MAX, plugins};
use crate::store::SagaRow;
use amends_domain::access::Action;
use amends_domain::definition::{Change, Definition, Step, changes, check_handlers};
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::plugin::Manifest;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/tenants/{tenant}/sagas", "listSagas", list)
            .says("The newest version of each saga of a tenant, by name.")
            .needs(Action::ListSagas)
            .pages::<SagaName>()
            .answers::<Page<SagaView>>(200, "A page of sagas."),
        put("/v1/tenants/{tenant}/sagas/{saga}", "applySaga", apply)
            .says("Makes a document the newest version of a saga, unless it is already.")
            .notes("Refused with all mistakes at once. `changes` says what is different from the version before.")
            .needs(Action::ApplySaga)
            .headers([shapes::if_match(), shapes::if_none_match()])
            .takes(Takes { media: DOCUMENT, shape: None, must: Must::Be })
            .answers::<SagaView>(201, "The version that the document is.")
            .telling(&shapes::etag(), &[201])
            .telling(&shapes::location(), &[201])
            .fails(COMPONENT)
            .fails(&["body_malformed", "saga_refused", "saga_name_differs", "precondition_malformed", "precondition_failed"])
            .fails(&["definition_not_readable", "disk_low", "limit_exceeded", "limit_too_small"]),
        get("/v1/tenants/{tenant}/sagas/{saga}", "showSaga", show)
            .says("A version of a saga and its document.")
            .needs(Action::ShowSaga)
            .query([shapes::parameter::<u32>("version", "Which version; the newest without it.")])
            .headers([shapes::if_none_match(), shapes::if_match()])
            .answers::<SagaView>(200, "The saga.")
            .empty(304, "The client has it.")
            .telling(&shapes::etag(), &[200, 304])
            .fails(&["precondition_malformed", "precondition_failed"]),
        get("/v1/tenants/{tenant}/sagas/{saga}/diff", "compareSaga", compare)
            .says("What is different between two versions of a saga.")
            .needs(Action::ShowSaga)
            .query([
                shapes::parameter::<u32>("from", "The earlier version; the one before `to` without it."),
                shapes::parameter::<u32>("to", "The later version; the newest without it."),
            ])
            .answers::<Compared>(200, "What is different.")
            .fails(&["definition_not_readable", "unknown_version"]),
    ]
}

/// A version of a saga.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Saga")]
struct SagaView {
    saga: SagaName,
    version: u32,
    /// The digest of the document.
    definition: Digest,
    /// Where one is shown: the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Payload>,
    /// Where one was applied and is new: what is different from the version before.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Change>>,
}

/// Two versions of a saga.
#[derive(Debug, Serialize, JsonSchema)]
struct Compared {
    saga: SagaName,
    from: u32,
    to: u32,
    /// Whether any of the changes breaks something.
    breaking: bool,
    changes: Vec<Change>,
}

/// Which version.
#[derive(Debug, Deserialize)]
struct Version {
    version: Option<u32>,
}

/// Which versions.
#[derive(Debug, Deserialize)]
struct Versions {
    from: Option<u32>,
    to: Option<u32>,
}

async fn apply(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Path([saga]): Path<1>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let conditions = Conditions::read(&headers)?;
    let document = read(body, BODY_LEN_MAX).await?;
    let document = std::str::from_utf8(&document)
        .map_err(|error| Problem::new("body_malformed", format!("the document is not UTF-8: {error}")))?;
    let definition = amends_domain::definition::read(document).map_err(|mistakes| Problem::of(&mistakes))?;
    if definition.saga.as_str() != saga {
        let detail = format!("the document is of saga `{}`, and the path names `{saga}`", definition.saga);
        return Err(Problem::new("saga_name_differs", detail));
    }
    let mistakes = check_handlers(&definition, &manifests(&api, &tenant, &definition).await?);
    if !mistakes.0.is_empty() {
        return Err(Problem::of(&mistakes));
    }
    let (saga, digest, definition) = (definition.saga.clone(), definition.digest, Arc::new(definition));
    let mut found = None;
    let fits = |newest: Option<u32>| {
        found = newest.map(|version| version.to_string());
        conditions.hold(found.as_deref())
    };
    let applied = api.coordinator().apply_if(&tenant, &definition, fits).await.map_err(|error| Problem::of(&error))?;
    let applied = applied.ok_or_else(|| failed(found.as_deref()))?;
    let version = applied.version;
    let before = applied.before.filter(|before| before.version != version);
    let before = before.map(|before| api.coordinator().definition(&tenant, before.definition)).transpose();
    let before = before.map_err(|error| Problem::of(&error))?;
    let changes = before.map(|before| changes(&before, &definition));
    let view = SagaView { saga: saga.clone(), version, definition: digest, document: None, changes };
    let location = [("location", format!("/v1/tenants/{tenant}/sagas/{saga}?version={version}"))];
    Ok((StatusCode::CREATED, tag(&version.to_string()), location, Json(view)).into_response())
}

/// What the plugins of a definition have.
async fn manifests(api: &Api, tenant: &TenantId, definition: &Definition) -> Result<BTreeMap<PluginName, Manifest>, Problem> {
    let mut manifests = BTreeMap::new();
    for uses in definition.steps.iter().filter_map(Step::uses) {
        let plugin = &uses.handler.plugin;
        if !manifests.contains_key(plugin)
            && let Some(manifest) = plugins::manifest(api, tenant, plugin).await?
        {
            manifests.insert(plugin.clone(), manifest);
        }
    }
    Ok(manifests)
}

async fn list(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<SagaView>>, Problem> {
    let (limit, after) = (wanted.limit()?, wanted.after::<SagaName>()?);
    let found = api.coordinator().store().sagas(&tenant, after.as_ref(), limit + 1).map_err(|error| Problem::of(&error))?;
    let view = |(saga, SagaRow { version, definition })| SagaView { saga, version, definition, document: None, changes: None };
    Ok(Json(Page::of(found.into_iter().map(view).collect(), limit, |saga: &SagaView| saga.saga.to_string())))
}

/// One version; none: the newest.
fn row(api: &Api, tenant: &TenantId, saga: &SagaName, version: Option<u32>) -> Result<Option<SagaRow>, Problem> {
    let store = api.coordinator().store();
    let row = match version {
        Some(version) => store.saga_version(tenant, saga, version),
        None => store.saga(tenant, saga),
    };
    row.map_err(|error| Problem::of(&error))
}

async fn show(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Path([saga]): Path<1>,
    Query(Version { version }): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let saga: SagaName = saga.parse().map_err(|_| Problem::not_found())?;
    let conditions = Conditions::read(&headers)?;
    let SagaRow { version, definition } = row(&api, &tenant, &saga, version)?.ok_or_else(Problem::not_found)?;
    let document = api.coordinator().store().definition(&tenant, definition).map_err(|error| Problem::of(&error))?;
    let view = SagaView { saga, version, definition, document, changes: None };
    shown(&conditions, &version.to_string(), Json(view))
}

async fn compare(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Path([saga]): Path<1>,
    Query(Versions { from, to }): Query<Versions>,
) -> Result<Json<Compared>, Problem> {
    let saga: SagaName = saga.parse().map_err(|_| Problem::not_found())?;
    let newest = row(&api, &tenant, &saga, None)?.ok_or_else(Problem::not_found)?.version;
    let to = to.unwrap_or(newest);
    let from = from.unwrap_or_else(|| to.saturating_sub(1));
    let read = |version| {
        let unknown = || {
            let detail = format!("saga `{saga}` has no version {version}: the newest one is {newest}");
            Problem::new("unknown_version", detail)
        };
        let row = row(&api, &tenant, &saga, Some(version))?.ok_or_else(unknown)?;
        api.coordinator().definition(&tenant, row.definition).map_err(|error| Problem::of(&error))
    };
    let changes = changes(&*read(from)?, &*read(to)?);
    Ok(Json(Compared { saga: saga.clone(), from, to, breaking: changes.iter().any(Change::is_breaking), changes }))
}
