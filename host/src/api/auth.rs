//! Who asks, and whether they may: every handler asks here, and what is decided is decided in `access`.

use super::Api;
use super::problem::Problem;
use amends_domain::access::{Action, Principal, Target, Token, decide};
use amends_domain::event::Author;
use amends_domain::id::TenantId;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

/// Somebody whom the host knows.
#[derive(Debug, Clone)]
pub(super) struct Caller(Principal);

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let shown = parts.headers.get(AUTHORIZATION).ok_or_else(|| {
            Problem::unauthenticated("token_missing", "the request has no token: send the header `Authorization: Bearer amt_…`")
        })?;
        let token = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| {
            Problem::unauthenticated("token_malformed", "the header `Authorization` does not begin with `Bearer`")
        })?;
        let token: Token = token.parse().map_err(|error| Problem::unauthenticated("token_malformed", format!("{error}")))?;
        let principal = api.coordinator().who(&token).map_err(|error| {
            tracing::info!(key = %token.key(), code = error.code(), "a token was refused");
            Problem::unauthenticated(error.code(), error.to_string())
        })?;
        Ok(Self(principal))
    }
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

    /// Lets through who may do `action` to the whole host.
    pub(super) fn may_host(&self, action: Action) -> Result<(), Problem> {
        Ok(decide(&self.0, Target::Host, action)?)
    }

    /// Lets through who may do `action` to a tenant, and reads its name. What is no name is told like what nobody has.
    pub(super) fn may(&self, api: &Api, tenant: &str, action: Action) -> Result<TenantId, Problem> {
        let tenant: TenantId = tenant.parse().map_err(|_| Problem::not_found())?;
        let standing = api.coordinator().tenant(&tenant).standing();
        if let Err(denied) = decide(&self.0, Target::Tenant(&tenant, standing), action) {
            tracing::info!(who = self.0.who(), %tenant, %action, code = denied.code(), "denied");
            return Err(denied.into());
        }
        Ok(tenant)
    }
}
