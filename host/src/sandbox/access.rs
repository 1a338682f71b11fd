//! What an attempt is told and what it may ask of the host, as words that know nothing of guests: whoever drives runs implements the
//! handles here, the imports use them. Apart from the call, which names compiled code, so that neither needs the other.

use amends_domain::id::{HandlerName, RunId, SagaName, StepId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use amends_domain::trace::TraceId;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a guest may ask about its attempt.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose run.
    pub tenant: TenantId,
    /// Of which saga.
    pub saga: SagaName,
    /// Which run.
    pub run: RunId,
    /// Of which trace the run is a part.
    pub trace: TraceId,
    /// Which step.
    pub step: StepId,
    /// Which implementation inside the plugin; the guest reads it and dispatches.
    pub handler: HandlerName,
    /// 1 for the first attempt in this direction.
    pub attempt: u32,
    /// The same for all attempts of the step in this direction.
    pub idempotency_key: Arc<str>,
    /// What the guest is told about when the clock will end it. What ends it is `limits.timeout`.
    pub deadline: Timestamp,
}

/// What stands for a secret, before its name and a closing brace.
const MARK: &str = "{secret:";
/// Shorter secrets are not looked for in what guests say.
const HIDDEN_LEN_MIN: usize = 6;

/// Values by name, only those granted. Does not show them in logs.
#[derive(Clone, Default)]
pub struct Secrets(pub Arc<BTreeMap<String, String>>);

impl Secrets {
    /// `text` with every `{secret:NAME}` replaced; none if a name is not granted.
    pub(super) fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(MARK) {
            let (name, after) = behind.split_once('}')?;
            filled.push_str(before);
            filled.push_str(self.0.get(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    /// Puts `{secret:NAME}` in the place of every secret in `text`. Short ones are left: they would be found everywhere.
    pub(super) fn hide(&self, text: &mut String) {
        for (name, secret) in self.0.iter().filter(|(_, secret)| secret.len() >= HIDDEN_LEN_MIN) {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), &format!("{MARK}{name}}}"));
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a step may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The tenant's state and the world outside.
    ReadWrite,
    /// Nothing: a write to the state traps, and so does a request whose method is not safe (RFC 9110 §9.2.1).
    ReadOnly,
}

/// How an attempt reads the state of its tenant. Made for one tenant by whoever drives the run; the sandbox knows no store.
pub trait StateAccess: Send + Sync {
    /// The value of `key` and its version; none if there is no such key. Each key is asked for at most once in an attempt.
    /// Dropping the future must be safe: an attempt that runs out of time or is fenced does so.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>>;
}

/// A value of the state as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateValue {
    /// The version of the write that made it, from 1.
    pub version: u64,
    /// The value.
    pub value: Payload,
}

/// How an attempt notes the requests that it sends. Made for one attempt by whoever drives the run. Asked for one request after the
/// other, never for two at a time.
pub trait EffectAccess: Send + Sync {
    /// Notes that a request is about to leave. Gives its number within the attempt, from 1, and not before the note is durable: the
    /// request leaves when this future is ready.
    ///
    /// Dropping the future must be safe: then the request never leaves, and the note may stay.
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<u32, EffectError>>;

    /// Notes what came back, before the guest hears of it. Need not wait for the disk.
    ///
    /// Dropping the future must be safe.
    fn answered(&self, answer: Answer) -> BoxFuture<'_, Result<(), EffectError>>;
}

/// A request that is about to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// HTTP method, upper case, at most 32 bytes.
    pub method: String,
    /// Where to: visible ASCII characters, at most 2048.
    pub target: String,
}

/// What came back for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number that [`EffectAccess::intend`] gave.
    pub call: u32,
    /// HTTP status.
    pub status: u16,
    /// The beginning of the body, if it is kept.
    pub response: Option<Payload>,
}

/// The tenant's state could not be read. The host's fault, never the guest's.
#[derive(Debug, thiserror::Error)]
#[error("the tenant's state cannot be read: {0}")]
pub struct StateError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A request, or its answer, could not be noted. The host's fault, never the guest's.
#[derive(Debug, thiserror::Error)]
#[error("an effect cannot be noted: {0}")]
pub struct EffectError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What the host owed to an attempt and could not do.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// See [`StateError`].
    #[error(transparent)]
    State(StateError),
    /// See [`EffectError`].
    #[error(transparent)]
    Effect(EffectError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_filled_with_what_is_granted_and_secrets_are_hidden_again() {
        let named = [("token", "s3cret-1"), ("pin", "12")].map(|(name, secret)| (name.to_owned(), secret.to_owned()));
        let secrets = Secrets(Arc::new(BTreeMap::from(named)));
        for (text, filled) in [
            ("Bearer {secret:token}", Some("Bearer s3cret-1")),
            ("{secret:token}{secret:pin}.", Some("s3cret-112.")),
            ("nothing", Some("nothing")),
            ("{secret:other}", None),
            ("{secret:token", None),
            ("{secret:}", None),
            ("{secrets:token}", Some("{secrets:token}")),
        ] {
            assert_eq!(secrets.fill(text).as_deref(), filled, "{text}");
        }
        let mut said = "s3cret-1 and s3cret-1, 12".to_owned();
        secrets.hide(&mut said);
        assert_eq!(said, "{secret:token} and {secret:token}, 12");
    }
}
