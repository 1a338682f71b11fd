//! Tokens of an identity provider (`OpenID` Connect): whose they are, and what its claims make of them here. Apart from the tokens of keys, which
//! this host gives itself. Gives an identity and decides nothing: who may do what is in `access`.
//!
//! A token is verified with a public key that the provider publishes ([`keys`]), which is read from where it stands ([`source`]) again and again;
//! [`claims`] says whom it makes of whoever shows it.

mod claims;
mod fetch;
mod keys;
mod source;
mod verify;

pub use claims::{Claim, RoleMap};
pub use fetch::check as check_url;
pub use source::{KeysAt, KeysError};

use amends_domain::access::{Principal, Scope};
use amends_domain::time::{Span, Timestamp};
use claims::Claims;
use jsonwebtoken::{Validation, decode, decode_header};
use keys::{Key, KeySet};
use source::{Source, Tried};
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::sleep;

/// Longest token that is looked at, bytes.
pub const TOKEN_LEN_MAX: usize = 16 * 1024;
/// How often it is looked whether keys have to be read again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whom to believe, and what to make of what is said.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provider, as its tokens name it.
    pub issuer: String,
    /// This host, as tokens for it name it.
    pub audience: String,
    /// Where the provider's keys are.
    pub keys: KeysAt,
    /// Keys from a URL are read again when they are so old.
    pub keys_age_max: Span,
    /// Between two times that they are read, whatever tokens come.
    pub keys_pause_min: Span,
    /// The claim that names the tenant.
    pub tenant_claim: Claim,
    /// The claim that names the role, or several.
    pub role_claim: Claim,
    /// Which roles its values mean.
    pub roles: RoleMap,
    /// How wrong clocks may be.
    pub leeway: Span,
}

/// Somebody whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What they are here.
    pub principal: Principal,
    /// When the token opens nothing any more.
    pub expires: Timestamp,
}

/// Why a token opens nothing. What is told of it says no more than its code; the rest is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none, or not to be believed.
    #[error("the token of the identity provider is refused: {0}")]
    Token(String),
    /// It is over.
    #[error("the token expired at {0}")]
    Expired(Timestamp),
    /// It is right, and makes nobody of whoever shows it.
    #[error("{0}")]
    Unmapped(String),
    /// No key of the provider is known yet.
    #[error("no key of the identity provider is known yet: {0}")]
    NoKeys(String),
}

impl Refused {
    /// The stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(_) => "token_refused",
            Self::Expired(_) => "token_expired",
            Self::Unmapped(_) => "identity_unmapped",
            Self::NoKeys(_) => "identity_unavailable",
        }
    }
}

/// An identity provider, and its keys as far as they are known.
#[derive(Debug)]
pub struct Oidc {
    settings: Settings,
    source: Source,
    known: RwLock<Known>,
    /// Whoever reads the keys has it: they are read once, however many ask for one that is not known.
    reading: Mutex<()>,
}

/// What is known of the keys.
#[derive(Debug, Default)]
struct Known {
    keys: Arc<KeySet>,
    /// When they were read last and were right.
    read: Option<Timestamp>,
    /// When somebody tried last.
    tried: Option<Timestamp>,
    /// Why they could not be read the last time.
    failure: Option<String>,
}

impl Oidc {
    /// A provider, with its keys. Those that are at a URL which does not answer are not there yet: that is told by [`Oidc::fares`].
    ///
    /// # Errors
    /// [`KeysError`] if the keys are in a file and cannot be read, or the URL can never be asked.
    pub async fn open(settings: Settings, now: Timestamp) -> Result<Self, KeysError> {
        verify::install();
        let source = Source::new(settings.keys.clone())?;
        let oidc = Self { settings, source, known: RwLock::default(), reading: Mutex::default() };
        let read = oidc.source.read().await;
        if let (Err(error), KeysAt::File(_)) = (&read, &oidc.settings.keys) {
            return Err(error.clone());
        }
        oidc.take(read, now);
        Ok(oidc)
    }

    /// Who shows a token. One that names a key which is not known has the keys read again, if that was not done just before.
    ///
    /// Dropping the future is safe.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn who(&self, token: &str, now: Timestamp) -> Result<Identity, Refused> {
        let refused = |error: jsonwebtoken::errors::Error| Refused::Token(error.to_string());
        if token.len() > TOKEN_LEN_MAX {
            return Err(Refused::Token(format!("it has more than {TOKEN_LEN_MAX} bytes")));
        }
        let header = decode_header(token).map_err(refused)?;
        if header.crit.is_some() {
            return Err(Refused::Token("its header has `crit`: no extension is understood".to_owned()));
        }
        let key = match self.key(&header) {
            Some(key) => key,
            None => self.key_read_again(&header, now).await?,
        };
        // When it is valid is judged below, by the clock that everything here goes by.
        let mut validation = Validation::new(header.alg);
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(token, key.decoding(), &validation).map_err(refused)?.claims;
        let expires = claims.valid(now, self.settings.leeway)?;
        Ok(Identity { principal: claims.principal(&self.settings)?, expires })
    }

    fn key(&self, header: &jsonwebtoken::Header) -> Option<Key> {
        self.known().keys.find(header.kid.as_deref(), header.alg).cloned()
    }

    async fn key_read_again(&self, header: &jsonwebtoken::Header, now: Timestamp) -> Result<Key, Refused> {
        let _reading = self.reading.lock().await;
        if let Some(key) = self.key(header) {
            return Ok(key);
        }
        if self.may_try(now) {
            self.take(self.source.read().await, now);
        }
        self.key(header).ok_or_else(|| {
            let known = self.known();
            match (&known.failure, known.read) {
                (Some(failure), None) => Refused::NoKeys(failure.clone()),
                (Some(_) | None, _) => Refused::Token("no known key has its `kid` and `alg`".to_owned()),
            }
        })
    }

    /// Whether the keys were not read just before.
    fn may_try(&self, now: Timestamp) -> bool {
        self.known().tried.is_none_or(|tried| now.since(tried) >= self.settings.keys_pause_min || now < tried)
    }

    fn take(&self, read: Result<Tried, KeysError>, now: Timestamp) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tried = Some(now);
        match read {
            Ok(Tried::Same) => (known.read, known.failure) = (Some(now), None),
            Ok(Tried::New(keys)) => {
                tracing::info!(keys = keys.len(), from = %self.settings.keys, "the identity provider's keys were read");
                (known.keys, known.read, known.failure) = (Arc::new(keys), Some(now), None);
            }
            // Those that are known are as good as they were.
            Err(error) => {
                tracing::warn!(%error, "the identity provider's keys cannot be read: those that are known are kept");
                known.failure = Some(error.to_string());
            }
        }
    }

    /// Reads the keys again when they are old, or their file has changed, for ever. Dropping the future is safe.
    pub async fn keep_keys(&self, now: impl Fn() -> Timestamp) -> Infallible {
        loop {
            sleep(LOOK_EVERY).await;
            let at = now();
            if self.is_due(at) {
                let _reading = self.reading.lock().await;
                self.take(self.source.read().await, at);
            }
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let known = self.known();
        match &self.settings.keys {
            // To look costs nothing: what has not changed is not read into keys again.
            KeysAt::File(_) => self.source.has_changed() && (known.failure.is_none() || self.may_try(now)),
            KeysAt::Url { .. } => {
                let is_old = known.read.is_none_or(|read| now.since(read) >= self.settings.keys_age_max);
                (is_old || known.failure.is_some()) && self.may_try(now)
            }
        }
    }

    /// What is wrong, if something is: the keys could not be read the last time.
    pub fn fares(&self) -> Option<String> {
        let known = self.known();
        let failure = known.failure.as_ref()?;
        Some(match known.read {
            Some(read) => format!("the identity provider's keys are those of {read}: {failure}"),
            None => format!("no key of the identity provider is known: {failure}"),
        })
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a token may be one of a provider's: three parts between dots.
pub fn may_be_one(token: &str) -> bool {
    token.split('.').count() == 3
}

/// The name of somebody, as records have it: `oidc:`, the host of the provider, and who they are there.
fn who(issuer: &str, subject: &str) -> String {
    let place = issuer.split_once("://").map_or(issuer, |(_, place)| place).trim_end_matches('/');
    format!("oidc:{place}/{subject}")
}

/// A principal of this name; a subject that records cannot have is nobody.
fn principal(issuer: &str, subject: &str, of: (Scope, amends_domain::access::Role)) -> Result<Principal, Refused> {
    Principal::new(who(issuer, subject), of.0, of.1).map_err(|error| Refused::Token(error.to_string()))
}
