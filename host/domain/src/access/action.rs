//! Everything that people may ask of a host, and whose it is to ask. The table of rights, and nothing else.

use crate::event::Role;
use std::fmt;

/// Who may: the roles, and whether for a tenant or for the whole host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// What it is about.
    pub reach: Reach,
    /// Whose it is.
    pub roles: &'static [Role],
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// All tenants at once, or the machine.
    Host,
    /// One tenant.
    Tenant(Touch),
}

/// What an action does to its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Touch {
    /// Looks.
    Reads,
    /// Looks at what remains of a tenant for ever: that it was, what it used, what it did.
    ReadsForGood,
    /// Alters something.
    Changes,
}

use Role::{Developer, Operator, Starter, TenantAdmin, Viewer};

const OPERATORS: &[Role] = &[Operator];
const WATCHERS: &[Role] = &[Operator, Viewer];
/// Keys, and what may leave the host: whoever writes a plugin does not decide where it may send what it reads.
const ADMINS: &[Role] = &[Operator, TenantAdmin];
const MAKERS: &[Role] = &[Operator, TenantAdmin, Developer];
/// Those who run sagas.
const RUNNERS: &[Role] = &[Operator, TenantAdmin, Developer, Starter];
/// Those who look at how things are made.
const READERS: &[Role] = &[Operator, TenantAdmin, Developer, Viewer];
const ALL: &[Role] = &Role::ALL;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident, $words:literal, $reach:expr, $roles:ident;)*) => {
        /// What somebody asks of the host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What it is, for people: `start a run`.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }

            /// Who may.
            pub fn right(self) -> Right {
                match self { $(Self::$name => Right { reach: $reach, roles: $roles }),* }
            }
        }
    };
}

const HOST: Reach = Reach::Host;
const READ: Reach = Reach::Tenant(Touch::Reads);
const FOR_GOOD: Reach = Reach::Tenant(Touch::ReadsForGood);
const CHANGE: Reach = Reach::Tenant(Touch::Changes);

actions! {
    /// A new tenant.
    CreateTenant, "create a tenant", HOST, OPERATORS;
    /// Which tenants there are.
    ListTenants, "list tenants", HOST, WATCHERS;
    /// How the host fares.
    ReadMetrics, "read metrics", HOST, WATCHERS;
    /// A copy of all that is stored.
    Backup, "back up", HOST, OPERATORS;
    /// Make the data file as small as what is in it.
    Compact, "compact", HOST, OPERATORS;

    /// How a tenant stands, and its limits.
    ShowTenant, "show a tenant", FOR_GOOD, ALL;
    /// Give a tenant more room or less.
    LimitTenant, "limit a tenant", CHANGE, OPERATORS;
    /// Have a tenant stand still.
    SuspendTenant, "suspend a tenant", CHANGE, OPERATORS;
    /// Have a suspended tenant go on.
    ReopenTenant, "reopen a tenant", CHANGE, OPERATORS;
    /// Be done with a tenant.
    DeleteTenant, "delete a tenant", CHANGE, OPERATORS;
    /// How many people settle a dead letter.
    SetResolvers, "say how many people settle a dead letter", CHANGE, ADMINS;
    /// What a tenant used and may use.
    ReadUsage, "read usage", FOR_GOOD, READERS;

    /// A key of a role that is the tenant's own to give.
    CreateKey, "create a key", CHANGE, ADMINS;
    /// A key for an operator: nobody gives what they do not have.
    CreateOperatorKey, "create a key for an operator", CHANGE, OPERATORS;
    /// Which keys there are, without their tokens.
    ListKeys, "list keys", READ, ADMINS;
    /// Have a key open nothing any more.
    RevokeKey, "revoke a key", CHANGE, ADMINS;
    /// The same for the key of an operator.
    RevokeOperatorKey, "revoke the key of an operator", CHANGE, OPERATORS;

    /// A new version of a plugin.
    PushPlugin, "push a plugin", CHANGE, MAKERS;
    /// Which plugins there are.
    ListPlugins, "list plugins", READ, READERS;
    /// What a plugin has.
    ShowPlugin, "show a plugin", READ, READERS;
    /// Take a version of a plugin away.
    DeletePlugin, "delete a plugin", CHANGE, MAKERS;

    /// A new version of a saga.
    ApplySaga, "apply a saga", CHANGE, MAKERS;
    /// Which sagas there are.
    ListSagas, "list sagas", READ, ALL;
    /// What a saga is.
    ShowSaga, "show a saga", READ, ALL;

    /// A new run.
    StartRun, "start a run", CHANGE, RUNNERS;
    /// Which runs there are.
    ListRuns, "list runs", READ, ALL;
    /// How a run stands.
    ShowRun, "show a run", READ, ALL;
    /// Hear of a run as it goes.
    FollowRun, "follow a run", READ, ALL;
    /// Have a run taken back.
    CancelRun, "cancel a run", CHANGE, RUNNERS;
    /// Have a run stand still.
    PauseRun, "pause a run", CHANGE, MAKERS;
    /// Have a run go on.
    ResumeRun, "resume a run", CHANGE, MAKERS;
    /// Tell a run what it waits for.
    SignalRun, "signal a run", CHANGE, RUNNERS;
    /// Have a run try again now.
    RetryRun, "retry a run", CHANGE, MAKERS;
    /// Have a run that succeeded taken back.
    CompensateRun, "compensate a run", CHANGE, MAKERS;
    /// End a run as it stands. Leaves effects behind for ever, so it is the operators' alone.
    KillRun, "kill a run", CHANGE, OPERATORS;

    /// What waits for a person.
    ListDeadLetters, "list dead letters", READ, READERS;
    /// What there is to know about one.
    ShowDeadLetter, "show a dead letter", READ, READERS;
    /// Have one tried again.
    RedriveDeadLetter, "redrive a dead letter", CHANGE, MAKERS;
    /// Say what was done about one by hand.
    ResolveDeadLetter, "resolve a dead letter", CHANGE, MAKERS;

    /// Keys and values of a tenant.
    ReadState, "read state", READ, READERS;
    /// Change them by hand.
    SetState, "set state", CHANGE, MAKERS;

    /// Where plugins may send requests, and which secrets they may use.
    ListGrants, "list grants", READ, READERS;
    /// Let a plugin send requests to a host.
    GrantHost, "grant a host", CHANGE, ADMINS;
    /// The same for a host whose requests reach this machine itself: what listens there is the operators'.
    GrantLoopback, "grant a host on this machine", CHANGE, OPERATORS;
    /// No longer.
    RevokeHost, "revoke a host", CHANGE, ADMINS;
    /// Names of secrets.
    ListSecrets, "list secrets", READ, READERS;
    /// Give a secret its value, or remove it.
    SetSecret, "set a secret", CHANGE, ADMINS;
    /// Let a plugin use a secret.
    GrantSecret, "grant a secret", CHANGE, ADMINS;
    /// No longer.
    WithdrawSecret, "withdraw a secret", CHANGE, ADMINS;

    /// Hear of all that happens in a tenant.
    ReadEvents, "read events", READ, READERS;
    /// Where events are sent.
    ListWebhooks, "list webhooks", READ, READERS;
    /// Have events sent somewhere, or no longer.
    SetWebhook, "set a webhook", CHANGE, ADMINS;
    /// Records and what proves them.
    ReadAudit, "read the audit chain", FOR_GOOD, READERS;
}

impl Action {
    /// What giving a key of this role is.
    pub fn create_key(role: Role) -> Self {
        match role {
            Operator => Self::CreateOperatorKey,
            TenantAdmin | Developer | Starter | Viewer => Self::CreateKey,
        }
    }

    /// What taking a key of this role away is.
    pub fn revoke_key(role: Role) -> Self {
        match role {
            Operator => Self::RevokeOperatorKey,
            TenantAdmin | Developer | Starter | Viewer => Self::RevokeKey,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
