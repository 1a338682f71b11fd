//! What the `data` of events of a tenant holds that are of no run: its sagas, plugins, grants, state, limits and keys; and of the host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

shapes! {
    /// A saga has a new version.
    SagaApplied {
        /// The saga.
        saga: String,
        /// The version.
        version: u32,
        /// The digest of its document.
        definition: String,
    }
    /// A plugin's name means another component.
    PluginInstalled {
        /// The plugin.
        plugin: String,
        /// The component, by digest.
        component: String,
        /// Its size in bytes.
        size: u64,
    }
    /// A plugin has a new version.
    PluginPublished {
        /// The plugin.
        plugin: String,
        /// The version.
        version: String,
        /// The component, by digest.
        component: String,
        /// Its size in bytes.
        size: u64,
        /// Who published it.
        by: String,
    }
    /// A plugin lost a version.
    PluginVersionDeleted {
        /// The plugin.
        plugin: String,
        /// The version.
        version: String,
        /// Who deleted it.
        by: String,
    }
    /// A plugin may send requests to a place.
    HostGranted {
        /// The plugin.
        plugin: String,
        /// `HOST` or `HOST:PORT`.
        place: String,
        /// The methods; none: all but CONNECT and TRACE.
        methods: Vec<String>,
        /// `tls` or `any`.
        transport: String,
        /// `public` or `loopback`.
        reach: String,
        /// Who granted it.
        by: String,
    }
    /// A plugin may no longer send requests to a place.
    HostRevoked {
        /// The plugin.
        plugin: String,
        /// `HOST` or `HOST:PORT`.
        place: String,
        /// Who revoked it.
        by: String,
    }
    /// Requests were denied.
    RequestDenied {
        /// Whose; none: nobody knows, or too many at a time.
        who: Option<String>,
        /// The code that they were told.
        code: String,
        /// How many, since the last such event.
        count: u64,
        /// When the first of them was.
        since: String,
    }
    /// A plugin may use a secret, or no longer.
    SecretGrant {
        /// The secret, by name.
        secret: String,
        /// The plugin.
        plugin: String,
        /// Who says so.
        by: String,
    }
    /// A secret has another value, or is gone.
    Secret {
        /// The secret, by name.
        secret: String,
        /// Who says so.
        by: String,
    }
    /// A key of the state that was changed by hand.
    WrittenKey {
        /// The key.
        key: String,
        /// The version of what is written.
        version: u64,
        /// Whether there is no such key any more.
        removed: bool,
    }
    /// The state was changed by hand.
    StateWritten {
        /// The keys, at most 100 of them.
        keys: Vec<WrittenKey>,
        /// How many there are.
        keys_count: u64,
    }
    /// How many people settle a dead letter.
    ResolversSet {
        /// 1 or 2.
        resolvers: u8,
        /// Who says so.
        by: String,
    }
    /// Something about the tenant, which its type says.
    Tenant {
        /// Who says so.
        by: String,
    }
    /// The tenant has other limits.
    LimitsSet {
        /// Each limit, by its name.
        limits: BTreeMap<String, u64>,
        /// Who says so.
        by: String,
    }
    /// The tenant stands still.
    Suspended {
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
    }
    /// There is a new key.
    KeyCreated {
        /// The key.
        key: String,
        /// Its name.
        name: String,
        /// What it allows.
        role: String,
        /// When it opens nothing any more.
        #[serde(skip_serializing_if = "Option::is_none")] expires: Option<String>,
        /// Who created it.
        by: String,
    }
    /// A key opens nothing any more.
    KeyRevoked {
        /// The key.
        key: String,
        /// Who revoked it.
        by: String,
    }
    /// Runs are no longer kept.
    RunsRemoved {
        /// All of them ended before this instant.
        ended_before: String,
        /// Which, at most 100 of them.
        runs: Vec<String>,
        /// How many there are.
        runs_count: u64,
        /// How many bytes their records had.
        bytes: u64,
    }
    /// A part of the host fares otherwise than before.
    PartChanged {
        /// The part, as `GET /readyz` names it.
        part: String,
        /// `ready` or `failing`.
        state: String,
        /// What is to be said of it.
        says: String,
    }
}
