//! Keys of a tenant: created, listed, revoked. A token is told once, when its key is created.

use super::Api;
use super::asked::Path;
use super::auth::Caller;
use super::body::Given;
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::event::{Role, TenantEvent};
use amends_domain::id::{KeyId, KeyName};
use amends_domain::tenant::Key;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

/// A key, without its token.
#[derive(Debug, Serialize)]
pub(super) struct KeyView {
    id: KeyId,
    name: KeyName,
    role: Role,
    created_at: Timestamp,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// Since this host was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

/// A new key and its token.
#[derive(Serialize)]
pub(super) struct NewKey {
    #[serde(flatten)]
    key: KeyView,
    /// Nobody can show it again.
    token: String,
}

/// All keys of a tenant.
#[derive(Debug, Serialize)]
pub(super) struct Keys {
    items: Vec<KeyView>,
}

/// A key that is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    name: KeyName,
    role: Role,
    expires_at: Option<Timestamp>,
}

impl KeyView {
    fn of(api: &Api, key: &Key) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            role: key.role,
            created_at: key.created,
            by: key.by.clone(),
            expires_at: key.expires,
            revoked_at: key.revoked,
            last_used_at: api.coordinator().last_used(key.id),
        }
    }
}

pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Given(Create { name, role, expires_at }): Given<Create>,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    let tenant = caller.may(&api, &tenant, Action::create_key(role))?;
    let token = api.coordinator().create_key(&tenant, name, role, expires_at, caller.who()).await?;
    let now = api.coordinator().tenant(&tenant);
    let key = now.key(token.key()).ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, Json(NewKey { key: KeyView::of(&api, key), token: token.reveal() })))
}

pub(super) async fn list(State(api): State<Api>, caller: Caller, Path(tenant): Path<String>) -> Result<Json<Keys>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ListKeys)?;
    let now = api.coordinator().tenant(&tenant);
    Ok(Json(Keys { items: now.keys().map(|key| KeyView::of(&api, key)).collect() }))
}

pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let known = tenant.parse().map(|tenant| api.coordinator().tenant(&tenant)).ok();
    let key: Option<KeyId> = key.parse().ok();
    let role = known.zip(key).and_then(|(tenant, key)| tenant.key(key).map(|key| key.role));
    // The key of whom it is decides who may; of one that there is not, whoever may revoke the least.
    let tenant = caller.may(&api, &tenant, role.map_or(Action::RevokeKey, Action::revoke_key))?;
    let key = key.ok_or_else(Problem::not_found)?;
    api.coordinator().alter(&tenant, TenantEvent::KeyRevoked { key, by: caller.who() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
