//! Keys of a tenant: created, listed, revoked. A token is told once, when its key is created.

use super::Api;
use super::asked::Path;
use super::auth::{Caller, Tenant};
use super::body::Given;
use super::contract::{Must, Operation, delete, get, post};
use super::problem::Problem;
use amends_domain::access::Action;
use amends_domain::event::{Role, TenantEvent};
use amends_domain::id::{KeyId, KeyName};
use amends_domain::tenant::Key;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        post("/v1/tenants/{tenant}/keys", "createKey", create)
            .says("Creates a key and tells its token, once.")
            .notes("A key with the role `operator` is created by operators, for the tenant `host`.")
            .needs(Action::CreateKey)
            .json::<Create>(Must::Be)
            .answers::<NewKey>(201, "The key and its token.")
            .fails(&["key_name_taken", "too_many_keys", "expiry_passed", "role_not_of_tenant", "key_exists", "text_length"]),
        get("/v1/tenants/{tenant}/keys", "listKeys", list)
            .says("All keys of a tenant, without their tokens.")
            .needs(Action::ListKeys)
            .answers::<Keys>(200, "The keys, those that open nothing any more among them."),
        delete("/v1/tenants/{tenant}/keys/{key}", "revokeKey", revoke)
            .says("Has a key open nothing any more.")
            .needs(Action::RevokeKey)
            .empty(204, "It opens nothing from now on.")
            .fails(&["unknown_key"]),
    ]
}

/// A key, without its token.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Key")]
struct KeyView {
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
#[derive(Serialize, JsonSchema)]
struct NewKey {
    #[serde(flatten)]
    key: KeyView,
    /// Nobody can show it again.
    token: String,
}

/// All keys of a tenant.
#[derive(Debug, Serialize, JsonSchema)]
struct Keys {
    items: Vec<KeyView>,
}

/// A key that is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CreateKey")]
struct Create {
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

async fn create(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Given(Create { name, role, expires_at }): Given<Create>,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    caller.may(&api, Some(&tenant), Action::create_key(role))?;
    let token = api.coordinator().create_key(&tenant, name, role, expires_at, caller.who()).await?;
    let now = api.coordinator().tenant(&tenant);
    let key = now.key(token.key()).ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, Json(NewKey { key: KeyView::of(&api, key), token: token.reveal() })))
}

async fn list(State(api): State<Api>, Tenant(tenant): Tenant) -> Json<Keys> {
    let now = api.coordinator().tenant(&tenant);
    Json(Keys { items: now.keys().map(|key| KeyView::of(&api, key)).collect() })
}

async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([key]): Path<1>,
) -> Result<StatusCode, Problem> {
    let key: KeyId = key.parse().map_err(|_| Problem::not_found())?;
    let known = api.coordinator().tenant(&tenant).key(key).map(|key| key.role);
    let role = known.ok_or_else(|| Problem::new("unknown_key", format!("there is no key {key}")))?;
    // The key of whom it is decides who may.
    caller.may(&api, Some(&tenant), Action::revoke_key(role))?;
    api.coordinator().alter(&tenant, TenantEvent::KeyRevoked { key, by: caller.who() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
