//! Sagas: applied, listed, shown.

use super::Api;
use super::asked::{Path, Query};
use super::auth::Caller;
use super::body::read;
use super::page::{Page, Wanted};
use super::problem::Problem;
use super::{BODY_LEN_MAX, plugins};
use crate::store::SagaRow;
use crate::view::Kind;
use amends_domain::access::Action;
use amends_domain::definition::{Step, check_handlers};
use amends_domain::digest::Digest;
use amends_domain::id::SagaName;
use amends_domain::payload::Payload;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A version of a saga in a list.
#[derive(Debug, Serialize)]
pub(super) struct SagaView {
    saga: SagaName,
    version: u32,
    definition: Digest,
    /// Where one is shown: the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Payload>,
}

/// Which version.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    version: Option<u32>,
}

pub(super) async fn apply(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, saga)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ApplySaga)?;
    let document = read(body, BODY_LEN_MAX).await?;
    let document = std::str::from_utf8(&document)
        .map_err(|error| Problem::new(Kind::Usage, "body_malformed", format!("the document is not UTF-8: {error}")))?;
    let definition = amends_domain::definition::read(document).map_err(|mistakes| Problem::of(&mistakes))?;
    if definition.saga.as_str() != saga {
        let detail = format!("the document is of saga `{}`, and the path names `{saga}`", definition.saga);
        return Err(Problem::new(Kind::Refused, "saga_name_differs", detail));
    }
    let mut manifests = BTreeMap::new();
    for uses in definition.steps.iter().filter_map(Step::uses) {
        let plugin = &uses.handler.plugin;
        if !manifests.contains_key(plugin)
            && let Some(manifest) = plugins::manifest(&api, &tenant, plugin).await?
        {
            manifests.insert(plugin.clone(), manifest);
        }
    }
    let mistakes = check_handlers(&definition, &manifests);
    if !mistakes.0.is_empty() {
        return Err(Problem::of(&mistakes));
    }
    let (saga, digest) = (definition.saga.clone(), definition.digest);
    let version = api.coordinator().apply_durably(&tenant, &Arc::new(definition)).await.map_err(|error| Problem::of(&error))?;
    let view = SagaView { saga: saga.clone(), version, definition: digest, document: None };
    let location = [("location", format!("/v1/tenants/{tenant}/sagas/{saga}?version={version}"))];
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<SagaView>>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ListSagas)?;
    let (limit, after) = (wanted.limit()?, wanted.after::<SagaName>()?);
    let found = api.coordinator().store().sagas(&tenant, after.as_ref(), limit + 1).map_err(|error| Problem::of(&error))?;
    let view = |(saga, SagaRow { version, definition })| SagaView { saga, version, definition, document: None };
    Ok(Json(Page::of(found.into_iter().map(view).collect(), limit, |saga: &SagaView| saga.saga.to_string())))
}

pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, saga)): Path<(String, String)>,
    Query(Version { version }): Query<Version>,
) -> Result<Json<SagaView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ShowSaga)?;
    let saga: SagaName = saga.parse().map_err(|_| Problem::not_found())?;
    let store = api.coordinator().store();
    let row = match version {
        Some(version) => store.saga_version(&tenant, &saga, version),
        None => store.saga(&tenant, &saga),
    };
    let SagaRow { version, definition } = row.map_err(|error| Problem::of(&error))?.ok_or_else(Problem::not_found)?;
    let document = store.definition(&tenant, definition).map_err(|error| Problem::of(&error))?;
    Ok(Json(SagaView { saga, version, definition, document }))
}
