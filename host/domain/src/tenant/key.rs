//! Keys: who may come in as what, until when.

use crate::access::{Principal, Role, Scope, Token, TokenDigest};
use crate::digest::Digest;
use crate::id::{KeyId, KeyName};
use crate::time::Timestamp;

/// A key of a tenant, without its token, which nobody keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Its name. No other key that opens something has it.
    pub name: KeyName,
    /// What it allows.
    pub role: Role,
    /// When it was created.
    pub created: Timestamp,
    /// By whom.
    pub by: String,
    /// When it opens nothing any more.
    pub expires: Option<Timestamp>,
    /// Since when it opens nothing any more.
    pub revoked: Option<Timestamp>,
    /// What is kept of its token.
    pub(super) token: Digest,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// There is no such key, or this is not its token. Not told apart: whoever guesses learns nothing.
    #[error("the token belongs to no key")]
    Unknown,
    /// Somebody took it away.
    #[error("the key was revoked at {0}: ask for another one")]
    Revoked(Timestamp),
    /// Its time is over.
    #[error("the key expired at {0}: ask for another one")]
    Expired(Timestamp),
}

impl KeyRefused {
    /// The stable code for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "key_unknown",
            Self::Revoked(_) => "key_revoked",
            Self::Expired(_) => "key_expired",
        }
    }
}

impl Key {
    /// Whether it opens anything at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.void_since().is_none_or(|since| now < since)
    }

    /// Whether `token` opens something at `now`. That a key is revoked or expired is told only to whoever has its token.
    ///
    /// # Errors
    /// [`KeyRefused`].
    pub fn check(&self, token: &Token, now: Timestamp) -> Result<(), KeyRefused> {
        match (TokenDigest(self.token).is_of(token), self.revoked, self.expires) {
            (false, _, _) => Err(KeyRefused::Unknown),
            (true, Some(revoked), _) => Err(KeyRefused::Revoked(revoked)),
            (true, None, Some(expires)) if expires <= now => Err(KeyRefused::Expired(expires)),
            (true, None, _) => Ok(()),
        }
    }

    /// Who comes in with it. Records name the key and its id, since names are given again.
    ///
    /// # Panics
    /// Never: a name and an id are short enough.
    pub fn principal(&self, scope: Scope) -> Principal {
        Principal::new(format!("{} ({})", self.name, self.id), scope, self.role).expect("a name and an id are short")
    }

    /// When it became void, or will.
    pub(super) fn void_since(&self) -> Option<Timestamp> {
        self.revoked.into_iter().chain(self.expires).min()
    }
}
