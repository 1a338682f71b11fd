//! Who asks, and whether they may: asked before each handler by what its operation needs, and decided in `access`.

use super::Api;
use super::contract::{Needs, Operation};
use super::problem::{Problem, code};
use crate::clock::{Clock, SystemClock};
use crate::oidc::{Identity, Oidc, may_be_one};
use amends_domain::access::{Action, Principal, Reach, Target, Token, decide};
use amends_domain::event::Author;
use amends_domain::id::TenantId;
use amends_domain::time::Timestamp;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::sync::Arc;

/// Somebody whom the host knows.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    principal: Principal,
    means: Means,
}

/// How somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// With a key of this host.
    Key,
    /// An identity provider vouches for them, until this instant.
    Provider(Timestamp),
}

/// The tenant that an operation is about, which its caller may know.
#[derive(Debug, Clone)]
pub(super) struct Tenant(pub(super) TenantId);

/// Somebody who may do what is asked.
#[derive(Debug, Clone)]
pub(super) struct Permit(Arc<(Caller, Option<TenantId>)>);

impl Permit {
    /// Whose.
    pub(super) fn who(&self) -> &str {
        self.0.0.principal.who()
    }

    /// Who it is.
    pub(super) fn caller(&self) -> &Caller {
        &self.0.0
    }

    /// About which tenant.
    pub(super) fn tenant(&self) -> Option<&TenantId> {
        self.0.1.as_ref()
    }
}

/// Lets through who may ask for `operation`; none where anybody may.
///
/// # Errors
/// What is told to whoever may not, and who that is, if that is known.
pub(super) async fn permit(
    api: &Api,
    operation: &Operation,
    parts: &Parts,
    path: &RawPathParams,
) -> Result<Option<Permit>, (Problem, Option<Caller>)> {
    let action = match operation.needs {
        Needs::Nothing => return Ok(None),
        Needs::Key => None,
        Needs::Right(action) => Some(action),
    };
    let caller = caller(api, parts).await.map_err(|problem| (problem, None))?;
    let tenant = match action.map(|action| (action, action.right().reach)) {
        None => Ok(None),
        Some((action, Reach::Host)) => caller.may(api, None, action).map(|()| None),
        Some((action, Reach::Tenant(_))) => of_path(api, &caller, path, action).map(Some),
    };
    match tenant {
        Ok(tenant) => Ok(Some(Permit(Arc::new((caller, tenant))))),
        Err(problem) => Err((problem, Some(caller))),
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

async fn caller(api: &Api, parts: &Parts) -> Result<Caller, Problem> {
    let shown = parts
        .headers
        .get(AUTHORIZATION)
        .ok_or_else(|| Problem::new("token_missing", "the request has no token: send the header `Authorization: Bearer amt_…`"))?;
    let token = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.ok_or_else(|| Problem::new("token_malformed", "the header `Authorization` does not begin with `Bearer`"))?;
    if let Some(oidc) = api.identities().filter(|_| may_be_one(token)) {
        return of_provider(oidc, token).await;
    }
    let token: Token = token.parse().map_err(|error| Problem::new("token_malformed", format!("{error}")))?;
    let principal = api.coordinator().who(&token).map_err(|error| {
        tracing::info!(key = %token.key(), code = error.code(), "a token was refused");
        Problem::new(error.code(), error.to_string())
    })?;
    Ok(Caller { principal, means: Means::Key })
}

/// Whom an identity provider vouches for. What is told of a token that is refused is the same whatever is wrong with it: the log says more.
async fn of_provider(oidc: &Oidc, token: &str) -> Result<Caller, Problem> {
    let identity = oidc.who(token, SystemClock.now()).await.map_err(|refused| {
        tracing::info!(code = refused.code(), why = %refused, "a token of the identity provider was refused");
        let title = code(refused.code()).map_or("", |code| code.title);
        Problem::new(refused.code(), title)
    })?;
    let Identity { principal, expires } = identity;
    Ok(Caller { principal, means: Means::Provider(expires) })
}

impl Caller {
    /// Who it is, as records name them.
    pub(super) fn who(&self) -> String {
        self.principal.who().to_owned()
    }

    /// Who it is and why, as records name them.
    pub(super) fn author(&self, why: Option<String>, key: Option<String>) -> Author {
        Author { who: self.who(), why, key }
    }

    /// What it is.
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// How they came in.
    pub(super) fn means(&self) -> Means {
        self.means
    }

    /// Lets through who may do `action` to a tenant; none: to the whole host. Asked by a handler where what its operation needs depends on
    /// what the body says.
    pub(super) fn may(&self, api: &Api, tenant: Option<&TenantId>, action: Action) -> Result<(), Problem> {
        let target = match tenant {
            None => Target::Host,
            Some(tenant) => Target::Tenant(tenant, api.coordinator().tenant(tenant).standing()),
        };
        decide(&self.principal, target, action).map_err(|denied| {
            let tenant = tenant.map(tracing::field::display);
            tracing::info!(who = self.principal.who(), tenant, %action, code = denied.code(), "denied");
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
