//! What a key allows whoever holds its token. Only the stored form: what a role may do is in `access`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody is to a tenant, or to the whole host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the host: gives tenants their room and takes it away.
    Operator,
    /// Answers for a tenant: its keys, what its plugins may reach, and all that developers may do.
    TenantAdmin,
    /// Makes plugins and sagas, and looks after their runs.
    Developer,
    /// Starts runs and hears what becomes of them: a program that uses sagas.
    Starter,
    /// Looks on.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Operator, Self::TenantAdmin, Self::Developer, Self::Starter, Self::Viewer];

    /// The word for it, as the interfaces write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::TenantAdmin => "tenant-admin",
            Self::Developer => "developer",
            Self::Starter => "starter",
            Self::Viewer => "viewer",
        }
    }
}
