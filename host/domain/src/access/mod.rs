//! Who may do what to whom. The only place that decides it: faces ask here and add nothing.

mod action;
mod token;

pub use action::{Action, Reach, Right, Touch};
pub use token::{TOKEN_LEN, Token, TokenDigest, TokenError};

pub use crate::event::Role;

use crate::decide::WHO_LEN_MAX;
use crate::id::TenantId;
use std::fmt;

/// Somebody whom the host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    who: String,
    scope: Scope,
    role: Role,
}

/// What somebody's rights are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The host and every tenant.
    Host,
    /// One tenant.
    Tenant(TenantId),
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// No tenant.
    Host,
    /// One tenant, and how it stands.
    Tenant(&'a TenantId, Standing),
}

/// How a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// There never was such a tenant.
    Absent,
    /// At work.
    Open,
    /// Standing still: it is looked at, and only operators change anything.
    Suspended,
    /// Gone. What it did and used is known for ever, and told to those who look after the whole host.
    Deleted,
}

/// A name that nobody has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of whoever asks has {found} bytes or control characters: 1 to {WHO_LEN_MAX} bytes without any are allowed")]
pub struct WhoError {
    /// How long it is, bytes.
    pub found: usize,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// To be answered as if there were no such thing: what is another tenant's is not even known to exist.
    Unknown,
    /// It is theirs to know, not to do.
    NotAllowed {
        /// What they wanted.
        action: Action,
        /// Who may.
        needed: Right,
    },
    /// They may, but not while the tenant stands still.
    Suspended {
        /// What they wanted.
        action: Action,
    },
}

impl Principal {
    /// Somebody of this name.
    ///
    /// # Errors
    /// [`WhoError`] for a name that records cannot have.
    pub fn new(who: impl Into<String>, scope: Scope, role: Role) -> Result<Self, WhoError> {
        let who = who.into();
        let fits = (1..=WHO_LEN_MAX).contains(&who.len()) && !who.chars().any(char::is_control);
        if fits { Ok(Self { who, scope, role }) } else { Err(WhoError { found: who.len() }) }
    }

    /// As records name them.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// What their rights are about.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What they are there.
    pub fn role(&self) -> Role {
        self.role
    }

    fn knows(&self, tenant: &TenantId) -> bool {
        match &self.scope {
            Scope::Host => true,
            Scope::Tenant(own) => own == tenant,
        }
    }
}

/// Whether somebody may do `action` to `target`.
///
/// # Errors
/// [`Denied`]. Whatever the answer is about another tenant, it is the same whether that tenant exists or not.
///
/// # Panics
/// If an action on a tenant names none: the one who asks us is wrong, not whoever asks the host.
pub fn decide(principal: &Principal, target: Target<'_>, action: Action) -> Result<(), Denied> {
    let needed = action.right();
    let has_role = needed.roles.contains(&principal.role);
    let Reach::Tenant(touch) = needed.reach else {
        return if has_role && principal.scope == Scope::Host { Ok(()) } else { Err(Denied::NotAllowed { action, needed }) };
    };
    let Target::Tenant(tenant, standing) = target else { panic!("to {action} is about a tenant, and none was named") };
    if !principal.knows(tenant) {
        return Err(Denied::Unknown);
    }
    match (standing, touch, &principal.scope) {
        (Standing::Open | Standing::Suspended, _, _) | (Standing::Deleted, Touch::ReadsForGood, Scope::Host) => {}
        (Standing::Absent, _, _)
        | (Standing::Deleted, Touch::ReadsForGood, Scope::Tenant(_))
        | (Standing::Deleted, Touch::Reads | Touch::Changes, _) => return Err(Denied::Unknown),
    }
    if !has_role {
        return Err(Denied::NotAllowed { action, needed });
    }
    let stands_still = standing == Standing::Suspended && touch == Touch::Changes && principal.role != Role::Operator;
    if stands_still { Err(Denied::Suspended { action }) } else { Ok(()) }
}

impl Denied {
    /// The stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "not_found",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Suspended { .. } => "tenant_suspended",
        }
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such thing here"),
            Self::NotAllowed { action, needed } => {
                let roles: Vec<_> = needed.roles.iter().map(|role| role.word()).collect();
                let of = match needed.reach {
                    Reach::Host => " of the whole host",
                    Reach::Tenant(_) => "",
                };
                write!(f, "to {action} needs a key with the role {}{of}", roles.join(" or "))
            }
            Self::Suspended { action } => {
                write!(f, "the tenant is suspended: to {action} an operator has to reopen it first")
            }
        }
    }
}
