//! Secrets: set, listed by name, granted to plugins, removed. What one is, nobody is told.

use super::Api;
use super::asked::Path;
use super::auth::{Caller, Tenant};
use super::body::Given;
use super::contract::{Must, Operation, delete, get, put};
use super::problem::Problem;
use crate::coordinator::SECRET_LEN_MAX;
use amends_domain::access::Action;
use amends_domain::id::{PluginName, SecretName};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SECRET: &str = "/v1/tenants/{tenant}/secrets/{secret}";
const USER: &str = "/v1/tenants/{tenant}/secrets/{secret}/plugins/{plugin}";

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let sealing: &[&str] =
        &["master_key_missing", "master_key_not_readable", "master_key_malformed", "secret_of_other_key", "secret_altered"];
    vec![
        get("/v1/tenants/{tenant}/secrets", "listSecrets", list)
            .says("The names of a tenant's secrets, and which plugins may use each.")
            .needs(Action::ListSecrets)
            .answers::<Secrets>(200, "The secrets, at most 1000, without what they are."),
        put(SECRET, "setSecret", set)
            .says("Sets a secret, or sets it again.")
            .notes("Attempts that start from now on get this one. Nobody is shown it again.")
            .needs(Action::SetSecret)
            .json::<Set>(Must::Be)
            .empty(204, "It is set.")
            .fails(sealing)
            .fails(&["secret_name", "secret_length", "secret_not_plain", "secrets_too_many"]),
        delete(SECRET, "removeSecret", remove)
            .says("Removes a secret and all grants of it.")
            .needs(Action::SetSecret)
            .empty(204, "What was sealed is gone.")
            .fails(&["unknown_secret"]),
        put(USER, "grantSecret", grant)
            .says("Lets a plugin use a secret.")
            .needs(Action::GrantSecret)
            .empty(204, "It may use it.")
            .fails(&["unknown_secret"]),
        delete(USER, "withdrawSecret", withdraw)
            .says("Has a plugin use a secret no longer.")
            .needs(Action::WithdrawSecret)
            .empty(204, "It may not use it any more.")
            .fails(&["unknown_secret", "not_granted"]),
    ]
}

/// All secrets of a tenant.
#[derive(Debug, Serialize, JsonSchema)]
struct Secrets {
    items: Vec<SecretView>,
}

/// A secret, without what it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Secret")]
struct SecretView {
    name: SecretName,
    /// Which plugins may use it.
    plugins: Vec<PluginName>,
}

/// What a secret is. Without `Debug`: it must not reach a log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetSecret")]
struct Set {
    /// Visible text.
    #[schemars(length(min = 1, max = SECRET_LEN_MAX))]
    value: String,
}

async fn list(State(api): State<Api>, Tenant(tenant): Tenant) -> Result<Json<Secrets>, Problem> {
    let secrets = api.coordinator().secrets(&tenant).map_err(|error| Problem::of(&error))?;
    Ok(Json(Secrets { items: secrets.into_iter().map(|(name, plugins)| SecretView { name, plugins }).collect() }))
}

async fn set(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([secret]): Path<1>,
    Given(Set { value }): Given<Set>,
) -> Result<StatusCode, Problem> {
    let name: SecretName = secret.parse().map_err(|error| Problem::new("secret_name", format!("{error}")))?;
    api.coordinator().set_secret(&tenant, &name, &value, caller.who()).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn name(secret: &str) -> Result<SecretName, Problem> {
    secret.parse().map_err(|_| Problem::not_found())
}

fn user(plugin: &str) -> Result<PluginName, Problem> {
    plugin.parse().map_err(|_| Problem::not_found())
}

async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([secret]): Path<1>,
) -> Result<StatusCode, Problem> {
    api.coordinator().remove_secret(&tenant, &name(&secret)?, caller.who()).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn grant(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([secret, plugin]): Path<2>,
) -> Result<StatusCode, Problem> {
    let (secret, plugin) = (name(&secret)?, user(&plugin)?);
    api.coordinator().grant_secret(&tenant, &secret, &plugin, caller.who()).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn withdraw(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([secret, plugin]): Path<2>,
) -> Result<StatusCode, Problem> {
    let (secret, plugin) = (name(&secret)?, user(&plugin)?);
    let withdrawn = api.coordinator().withdraw_secret(&tenant, &secret, &plugin, caller.who()).await;
    if withdrawn.map_err(|error| Problem::of(&error))? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new("not_granted", format!("plugin `{plugin}` was not granted secret `{secret}`")))
}
