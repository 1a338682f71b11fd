//! What a token says of whoever shows it, and what that makes of them here: a role, and a tenant or the whole host. A token that does not say both
//! makes nobody of them: what is left out must never mean more than what is said.

use super::{Refused, Settings, principal};
use amends_domain::access::{Principal, Role, Scope};
use amends_domain::id::TenantId;
use amends_domain::time::{Span, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::str::FromStr;

/// The tenant that is the host itself, as it is for keys.
const HOST: &str = "host";
/// Most values that are mapped to roles.
const ROLES_MAX: usize = 64;
/// Most values of the claim of roles that are looked at.
const VALUES_MAX: usize = 256;
/// The last instant that has a form: the end of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// What a token says. What it may say besides is read where it is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// Seconds since 1970, perhaps with a fraction (RFC 7519 §2).
    exp: f64,
    nbf: Option<f64>,
    sub: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Where in a token something is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Of this name.
    Named(String),
    /// At this place (a JSON pointer, RFC 6901).
    At(String),
}

/// Which roles the values of a claim mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleMap(Vec<(String, Role)>);

impl FromStr for Claim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("it names no claim".to_owned()),
            text if text.starts_with('/') => Ok(Self::At(text.to_owned())),
            text => Ok(Self::Named(text.to_owned())),
        }
    }
}

impl Claim {
    fn of<'c>(&self, claims: &'c Claims) -> Option<&'c Value> {
        match self {
            Self::Named(name) if name == "sub" => None,
            Self::Named(name) => claims.rest.get(name),
            Self::At(place) => {
                let (first, rest) = place[1..].split_once('/').map_or((&place[1..], None), |(first, rest)| (first, Some(rest)));
                let value = claims.rest.get(&first.replace("~1", "/").replace("~0", "~"))?;
                rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
            }
        }
    }
}

impl FromStr for RoleMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let roles = pairs.map(read).collect::<Result<Vec<_>, _>>()?;
        match roles.len() {
            1..=ROLES_MAX => Ok(Self(roles)),
            0 => Err("no value means a role: write such as `amends-admins=tenant-admin, everybody=viewer`".to_owned()),
            many => Err(format!("{many} values mean roles: at most {ROLES_MAX} are allowed")),
        }
    }
}

fn read(pair: &str) -> Result<(String, Role), String> {
    let (value, word) = pair.rsplit_once('=').ok_or_else(|| format!("`{pair}` is no pair: write VALUE=ROLE"))?;
    let role = Role::ALL.into_iter().find(|role| role.word() == word.trim());
    let known = || Role::ALL.map(Role::word).join(", ");
    let role = role.ok_or_else(|| format!("`{}` is no role: known are {}", word.trim(), known()))?;
    if value.trim().is_empty() { Err(format!("`{pair}` has no value")) } else { Ok((value.trim().to_owned(), role)) }
}

impl RoleMap {
    /// The first of the roles, in the order of [`Role::ALL`], that these values mean.
    fn role(&self, values: &[&str]) -> Option<Role> {
        self.0.iter().filter(|(value, _)| values.contains(&value.as_str())).map(|(_, role)| *role).min()
    }
}

impl Claims {
    /// When it expires, if it is valid at `now`.
    pub(super) fn valid(&self, now: Timestamp, leeway: Span) -> Result<Timestamp, Refused> {
        let expires = instant(self.exp).ok_or_else(|| Refused::Token("its `exp` is no instant".to_owned()))?;
        let begins = self.nbf.map(instant).map(|nbf| nbf.ok_or_else(|| Refused::Token("its `nbf` is no instant".to_owned())));
        if begins.transpose()?.is_some_and(|begins| begins.0 > now.0.saturating_add(leeway.0)) {
            return Err(Refused::Token("it is not valid yet".to_owned()));
        }
        let over = expires.0.saturating_add(leeway.0) <= now.0;
        if over { Err(Refused::Expired(expires)) } else { Ok(expires) }
    }

    /// Whom it makes of whoever shows it.
    pub(super) fn principal(&self, settings: &Settings) -> Result<Principal, Refused> {
        let unmapped = |why: &str| Refused::Unmapped(format!("the token is right, and {why}"));
        let values = settings.role_claim.of(self).map(texts).unwrap_or_default();
        let role = settings.roles.role(&values).ok_or_else(|| unmapped("none of its roles means one here"))?;
        let scope = match (settings.tenant_claim.of(self), role) {
            (Some(Value::String(name)), _) if name == HOST => Scope::Host,
            (None, Role::Operator) => Scope::Host,
            (Some(_), Role::Operator) => return Err(unmapped("a tenant has no operators")),
            (Some(Value::String(name)), Role::TenantAdmin | Role::Developer | Role::Starter | Role::Viewer) => {
                let tenant: TenantId = name.parse().map_err(|_| unmapped("what it calls a tenant is the name of none"))?;
                Scope::Tenant(tenant)
            }
            (Some(_) | None, Role::TenantAdmin | Role::Developer | Role::Starter | Role::Viewer) => {
                return Err(unmapped("it names no tenant"));
            }
        };
        principal(&settings.issuer, &self.sub, (scope, role))
    }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().take(VALUES_MAX).filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn instant(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within what has a form")]
    (0.0..=SECONDS_MAX).contains(&seconds).then_some(Timestamp((seconds * 1000.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::KeysAt;
    use serde_json::json;

    fn settings() -> Settings {
        Settings {
            issuer: "https://id.example.com/".to_owned(),
            audience: "amends".to_owned(),
            keys: KeysAt::File("/nowhere".into()),
            keys_age_max: Span(1),
            keys_pause_min: Span(1),
            tenant_claim: "tenant".parse().expect("a claim"),
            role_claim: "/realm_access/roles".parse().expect("a claim"),
            roles: "ops = operator, a=b=tenant-admin, dev=developer,all=viewer".parse().expect("roles"),
            leeway: Span(30_000),
        }
    }

    fn claims(tenant: &Value, roles: &Value) -> Claims {
        let mut claims = json!({ "exp": 100, "sub": "alice", "realm_access": { "roles": roles } });
        if !tenant.is_null() {
            claims["tenant"] = tenant.clone();
        }
        serde_json::from_value(claims).expect("claims")
    }

    #[test]
    fn whoever_has_a_role_and_a_tenant_is_somebody_and_nobody_else() {
        let of = |tenant: Value, roles: Value| {
            let principal = claims(&tenant, &roles).principal(&settings());
            principal.map(|principal| (principal.role(), principal.scope().clone())).map_err(|refused| refused.code())
        };
        let acme = || Scope::Tenant("acme".parse().expect("a name"));
        assert_eq!(of(json!("acme"), json!("dev")), Ok((Role::Developer, acme())));
        assert_eq!(of(json!("acme"), json!(["x", "all", "a=b"])), Ok((Role::TenantAdmin, acme())), "the first in their order");
        assert_eq!(of(json!("host"), json!(["all"])), Ok((Role::Viewer, Scope::Host)));
        assert_eq!(of(json!(null), json!(["ops"])), Ok((Role::Operator, Scope::Host)));
        for (tenant, roles) in [
            (json!(null), json!("dev")),
            (json!("acme"), json!("ops")),
            (json!("acme"), json!([])),
            (json!("acme"), json!("Dev")),
            (json!("acme"), json!({ "dev": true })),
            (json!(["acme"]), json!("dev")),
            (json!("No Name"), json!("dev")),
        ] {
            assert_eq!(of(tenant.clone(), roles.clone()), Err("identity_unmapped"), "{tenant} {roles}");
        }
        let alice = claims(&json!("acme"), &json!("dev")).principal(&settings()).expect("somebody");
        assert_eq!(alice.who(), "oidc:id.example.com/alice");
    }

    #[test]
    fn a_token_is_valid_between_its_instants_give_or_take_the_leeway() {
        let of = |said: Value, now: u64| {
            let claims: Claims = serde_json::from_value(said).expect("claims");
            claims.valid(Timestamp(now), Span(1_000)).map(|at| at.0).map_err(|refused| refused.code())
        };
        assert_eq!(of(json!({ "exp": 10.5, "sub": "a" }), 11_499), Ok(10_500));
        assert_eq!(of(json!({ "exp": 10.5, "sub": "a" }), 11_500), Err("token_expired"));
        assert_eq!(of(json!({ "exp": 10, "nbf": 5, "sub": "a" }), 4_000), Ok(10_000));
        assert_eq!(of(json!({ "exp": 10, "nbf": 5, "sub": "a" }), 3_999), Err("token_refused"));
        for wrong in
            [json!({ "exp": -1, "sub": "a" }), json!({ "exp": 1e300, "sub": "a" }), json!({ "exp": 9, "nbf": -1, "sub": "a" })]
        {
            assert_eq!(of(wrong.clone(), 0), Err("token_refused"), "{wrong}");
        }
    }

    #[test]
    fn roles_are_written_as_pairs_and_every_mistake_is_told() {
        for (text, says) in
            [("", "no value means"), ("a", "is no pair"), ("a=boss", "`boss` is no role"), ("=viewer", "has no value")]
        {
            let problem = text.parse::<RoleMap>().expect_err("it is wrong");
            assert!(problem.contains(says), "{text}: {problem}");
        }
    }
}
