//! Facts of a tenant that belong to no run.

use super::{HostGrant, LimitName, Outcome, Role, Write};
use crate::digest::Digest;
use crate::id::{KeyId, KeyName, PluginName, PluginVersion, RunId, SagaName, SecretName, WebhookName};
use crate::payload::Payload;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact of a tenant that belongs to no run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantEvent {
    /// A new version of a saga.
    SagaApplied {
        /// Its name.
        saga: SagaName,
        /// Its version, from 1.
        version: u32,
        /// The digest of `document`.
        definition: Digest,
        /// The document as it was given, as JSON.
        document: Payload,
    },
    /// A plugin's name now means this component.
    PluginInstalled {
        /// The name.
        plugin: PluginName,
        /// The component.
        component: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// Somebody changed the state by hand.
    StateWritten {
        /// What was changed.
        writes: Vec<Write>,
    },
    /// From now on so many people must agree that a dead letter is settled.
    ResolversSet {
        /// How many.
        resolvers: Resolvers,
        /// Who says so.
        by: String,
    },
    /// A plugin may send requests to a place outside. Replaces what was granted for that place before.
    HostGranted {
        /// Which.
        plugin: PluginName,
        /// Where to, and how.
        grant: HostGrant,
        /// Who says so.
        by: String,
    },
    /// A plugin may no longer send requests to a place outside.
    HostRevoked {
        /// Which.
        plugin: PluginName,
        /// `HOST` or `HOST:PORT`, as in the grant.
        place: String,
        /// Who says so.
        by: String,
    },
    /// A secret has this value from now on. What it is stands sealed beside the records, so that it can be destroyed.
    SecretSet {
        /// Its name.
        secret: SecretName,
        /// The digest of what is sealed.
        sealed: Digest,
        /// What was sealed before, which is destroyed.
        replaces: Option<Digest>,
        /// Who says so.
        by: String,
    },
    /// There is no such secret any more.
    SecretRemoved {
        /// Its name.
        secret: SecretName,
        /// What was sealed, which is destroyed.
        sealed: Digest,
        /// Who says so.
        by: String,
    },
    /// A plugin may use a secret.
    SecretGranted {
        /// Its name.
        secret: SecretName,
        /// Which plugin.
        plugin: PluginName,
        /// Who says so.
        by: String,
    },
    /// A plugin may no longer use a secret.
    SecretWithdrawn {
        /// Its name.
        secret: SecretName,
        /// Which plugin.
        plugin: PluginName,
        /// Who says so.
        by: String,
    },
    /// There is such a tenant from now on. The tenant of a host without tenants has no such fact.
    TenantCreated {
        /// Who says so.
        by: String,
    },
    /// How much the tenant may take from now on.
    LimitsSet {
        /// All limits that the release knew which wrote this; others are at their defaults.
        limits: Vec<(LimitName, u64)>,
        /// Who says so.
        by: String,
    },
    /// The tenant stands still.
    TenantSuspended {
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
    },
    /// The tenant goes on.
    TenantReopened {
        /// Who says so.
        by: String,
    },
    /// There is no such tenant any more, and there never will be another one of this name.
    TenantDeleted {
        /// Who says so.
        by: String,
    },
    /// Whoever shows the token of this key has its role.
    KeyCreated {
        /// Its id, which its token names.
        key: KeyId,
        /// Its name, for people.
        name: KeyName,
        /// What it allows.
        role: Role,
        /// What is kept of its token: see `access::TokenDigest`.
        token: Digest,
        /// When it opens nothing any more; none: when it is revoked.
        expires: Option<Timestamp>,
        /// Who says so.
        by: String,
    },
    /// A key opens nothing any more.
    KeyRevoked {
        /// Which.
        key: KeyId,
        /// Who says so.
        by: String,
    },
    /// A plugin has this version.
    PluginPublished {
        /// Which plugin.
        plugin: PluginName,
        /// The version. It means this component as long as there is such a version.
        version: PluginVersion,
        /// The component.
        component: Digest,
        /// Its size in bytes.
        size: u64,
        /// Who says so.
        by: String,
    },
    /// A plugin no longer has this version. Runs that pin its component keep it.
    PluginVersionDeleted {
        /// Which plugin.
        plugin: PluginName,
        /// Which version.
        version: PluginVersion,
        /// Who says so.
        by: String,
    },
    /// Events are sent to this place. Replaces what the webhook was before.
    WebhookSet {
        /// Its name.
        webhook: WebhookName,
        /// Where to.
        url: String,
        /// Which types of events, such as `workflow.saga.failed` or `workflow.*`; none: all.
        types: Vec<String>,
        /// The secret that what is sent is signed with.
        secret: Option<SecretName>,
        /// Who says so.
        by: String,
    },
    /// Events are no longer sent there.
    WebhookRemoved {
        /// Its name.
        webhook: WebhookName,
        /// Who says so.
        by: String,
    },
    /// A part of the host fares otherwise than before. In the chain of the host itself.
    HostPartChanged {
        /// Which: `disk`, `writer`.
        part: String,
        /// How it fares from now on.
        state: PartState,
        /// What is to be said of it.
        says: String,
    },
    /// Runs that ended long ago are no longer kept. Of their records, which stand before this one in the same lane, the links and the
    /// digests of the bodies stay.
    RunsRemoved {
        /// All of them ended before this instant.
        ended_before: Timestamp,
        /// Which.
        runs: Vec<RemovedRun>,
        /// What their records wrote to the state and what nothing newer had replaced by then.
        writes: Vec<RemovedWrite>,
        /// What their records said was used.
        used: RemovedUsage,
    },
    /// What is sent to a webhook is signed with these keys from now on. What each is stands sealed beside the records, so that it can be
    /// destroyed.
    WebhookKeysSet {
        /// Its name.
        webhook: WebhookName,
        /// The keys, the newest first; none: it is about to be removed.
        keys: Vec<WebhookKey>,
        /// What was sealed of others, which is destroyed.
        destroyed: Vec<Digest>,
        /// Who says so.
        by: String,
    },
    /// Nothing is sent to a webhook until it is set again.
    WebhookPaused {
        /// Its name.
        webhook: WebhookName,
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
    },
    /// Requests of somebody were denied, who is of this tenant; in the chain of the host also those of whom nobody knows who they were.
    RequestsDenied {
        /// Who; none: nobody knows, or too many at a time.
        who: Option<String>,
        /// The stable code that they were told.
        code: String,
        /// How many, since the last such fact.
        count: u64,
        /// When the first of them was.
        since: Timestamp,
    },
}

/// A run that is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedRun {
    /// Which.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// The numbers of its records, growing.
    pub records: Vec<u64>,
}

/// A write to the state whose record is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedWrite {
    /// The key.
    pub key: String,
    /// The version of the write.
    pub version: u64,
    /// The digest of the value; none: it removed the key.
    pub value: Option<Digest>,
}

/// What records that are no longer kept said was used: see `quota::Usage`. Sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RemovedUsage {
    /// Runs.
    pub runs: u64,
    /// Attempts forward that ended.
    pub attempts: u64,
    /// Attempts backward that ended.
    pub compensations: u64,
    /// Fuel of both.
    pub fuel: u64,
    /// Their wall time in microseconds.
    pub micros: u64,
    /// Bytes of the bodies.
    pub stored_bytes: u64,
    /// Requests.
    pub requests: u64,
    /// Bytes of log.
    pub log_bytes: u64,
}

/// What something that is sent to a webhook is signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookKey {
    /// The digest of what is sealed.
    pub sealed: Digest,
    /// When it is used no longer; none: when there is another one.
    pub until: Option<Timestamp>,
}

/// How a part of the host fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// As it should.
    Ready,
    /// It does not do all that it should.
    Failing,
}

impl PartState {
    /// The word for it, everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failing => "failing",
        }
    }
}

/// How many people it takes to settle a dead letter by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolvers {
    /// One.
    #[default]
    One,
    /// Two: the second one confirms what the first one says.
    Two,
}

/// One fact of a tenant and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantEntry {
    /// Host time.
    pub at: Timestamp,
    /// The fact.
    pub event: TenantEvent,
}
