//! Who asks, and whether they may: asked before each handler by what its operation needs, and decided in `access`.

use super::Api;
use super::contract::{Needs, Operation};
use super::problem::Problem;
use amends_domain::access::{Action, Principal, Reach, Target, Token, decide};
use amends_domain::event::Author;
use amends_domain::id::TenantId;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::sync::Arc;

/// Somebody whom the host knows.
#[derive(Debug, Clone)]
pub(super) struct Caller(Principal);

/// The tenant that an operation is about, which its caller may know.
#[derive(Debug, Clone)]
pub(super) struct Tenant(pub(super) TenantId);

/// Somebody who may do what is asked.
#[derive(Debug, Clone)]
pub(super) struct Permit(Arc<(Caller, Option<TenantId>)>);

impl Permit {
    /// Whose.
    pub(super) fn who(&self) -> &str {
        self.0.0.0.who()
    }

    /// About which tenant.
    pub(super) fn tenant(&self) -> Option<&TenantId> {
        self.0.1.as_ref()
    }
}

/// Lets through who may ask for `operation`; none where anybody may.
pub(super) fn permit(api: &Api, operation: &Operation, parts: &Parts, path: &RawPathParams) -> Result<Option<Permit>, Problem> {
    let permit = |caller, tenant| Some(Permit(Arc::new((caller, tenant))));
    match operation.needs {
        Needs::Nothing => Ok(None),
        Needs::Key => Ok(permit(caller(api, parts)?, None)),
        Needs::Right(action) => {
            let caller = caller(api, parts)?;
            let tenant = match action.right().reach {
                Reach::Host => {
                    caller.may(api, None, action)?;
                    None
                }
                Reach::Tenant(_) => Some(of_path(api, &caller, path, action)?),
            };
            Ok(permit(caller, tenant))
        }
    }
}

/// The tenant in the path. What is no name is told like what nobody has.
fn of_path(api: &Api, caller: &Caller, path: &RawPathParams, action: Action) -> Result<TenantId, Problem> {
    let named = path.iter().find(|(name, _)| *name == "tenant").map(|(_, tenant)| tenant);
    let named = named.expect("what is about a tenant has one in its path");
    let tenant: TenantId = named.parse().map_err(|_| Problem::not_found())?;
    caller.may(api, Some(&tenant), action)?;
    Ok(tenant)
}

fn caller(api: &Api, parts: &Parts) -> Result<Caller, Problem> {
    let shown = parts
        .headers
        .get(AUTHORIZATION)
        .ok_or_else(|| Problem::new("token_missing", "the request has no token: send the header `Authorization: Bearer amt_…`"))?;
    let token = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.ok_or_else(|| Problem::new("token_malformed", "the header `Authorization` does not begin with `Bearer`"))?;
    let token: Token = token.parse().map_err(|error| Problem::new("token_malformed", format!("{error}")))?;
    let principal = api.coordinator().who(&token).map_err(|error| {
        tracing::info!(key = %token.key(), code = error.code(), "a token was refused");
        Problem::new(error.code(), error.to_string())
    })?;
    Ok(Caller(principal))
}

impl Caller {
    /// Who it is, as records name them.
    pub(super) fn who(&self) -> String {
        self.0.who().to_owned()
    }

    /// Who it is and why, as records name them.
    pub(super) fn author(&self, why: Option<String>, key: Option<String>) -> Author {
        Author { who: self.who(), why, key }
    }

    /// What it is.
    pub(super) fn principal(&self) -> &Principal {
        &self.0
    }

    /// Lets through who may do `action` to a tenant; none: to the whole host. Asked by a handler where what its operation needs depends on
    /// what the body says.
    pub(super) fn may(&self, api: &Api, tenant: Option<&TenantId>, action: Action) -> Result<(), Problem> {
        let target = match tenant {
            None => Target::Host,
            Some(tenant) => Target::Tenant(tenant, api.coordinator().tenant(tenant).standing()),
        };
        decide(&self.0, target, action).map_err(|denied| {
            let tenant = tenant.map(tracing::field::display);
            tracing::info!(who = self.0.who(), tenant, %action, code = denied.code(), "denied");
            denied.into()
        })
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let permit = parts.extensions.get::<Permit>();
        Ok(permit.expect("whoever needs a caller says so in its operation").0.0.clone())
    }
}

impl FromRequestParts<Api> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let permit = parts.extensions.get::<Permit>();
        let tenant = permit.and_then(|permit| permit.0.1.clone());
        Ok(Self(tenant.expect("whoever needs a tenant says so in its operation")))
    }
}
