//! Every fact as an event for others (`CloudEvents` 1.0): one table of types, a JSON Schema for the data of each, and the words of
//! `docs/events.md`. Apart from the facts, whose form is stored for ever: this form is for consumers, who need names instead of numbers.
//!
//! A fact gives one event or several. Type names are relied on from outside and never change their meaning.

pub mod data;
mod envelope;
mod heard;
mod inline;
mod of_run;
mod of_tenant;

pub use envelope::{CloudEvent, Origin, Position, PositionError, ReadError};
pub use heard::{Listener, Unheard, started};
pub use inline::{INLINE_LEN_MAX, KEYS_SHOWN_MAX};
pub use of_run::Teller;
pub use of_tenant::{place_of, tell};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

/// A type of events.
#[derive(Debug)]
pub struct EventType {
    /// Its name, such as `workflow.saga.started`.
    pub name: &'static str,
    /// When there is such an event.
    pub when: &'static str,
    /// The JSON Schema of its `data`.
    pub schema: fn() -> Schema,
}

macro_rules! types {
    ($($variant:ident, $name:literal, $shape:ident, $when:literal;)*) => {
        /// What an event says. Its type is the variant.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "`TYPES` has the words for each")]
        pub enum Data {
            $($variant(data::$shape),)*
        }

        impl Data {
            /// The name of its type.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),* }
            }

            /// What an event of the type `name` says; none if this release knows no such type.
            fn read(name: &str, data: Value) -> Option<Result<Self, serde_json::Error>> {
                match name {
                    $($name => Some(serde_json::from_value(data).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }

        /// Every type that there is.
        pub const TYPES: &[EventType] =
            &[$(EventType { name: $name, when: $when, schema: schema_of::<data::$shape> }),*];
    };
}

types! {
    SagaStarted, "workflow.saga.started", SagaStarted, "A run was accepted.";
    SagaDelayed, "workflow.saga.delayed", RunUntil, "It was started to do nothing before an instant.";
    SagaCompensating, "workflow.saga.compensating", SagaCompensating, "It turned around: from here on it goes backward.";
    SagaCompleted, "workflow.saga.completed", SagaCompleted, "It succeeded.";
    SagaFailed, "workflow.saga.failed", SagaFailed, "It ended otherwise: compensated, or stuck.";
    SagaStuck, "workflow.saga.stuck", Run, "It ended stuck: dead letters wait for a person. Comes with `workflow.saga.failed`.";
    SagaKilled, "workflow.saga.killed", Run, "An operator ended it, and nothing was taken back.";
    SagaCancelled, "workflow.saga.cancelled", Cancelled, "Somebody cancelled it.";
    SagaPaused, "workflow.saga.paused", Demand, "Somebody has it stand still.";
    SagaResumed, "workflow.saga.resumed", Demand, "Somebody has it go on.";
    SagaSignalled, "workflow.saga.signalled", SagaSignalled, "A signal came for it.";
    SagaRetryDemanded, "workflow.saga.retry-demanded", Demand, "Somebody has it try again now.";
    SagaCompensationDemanded, "workflow.saga.compensation-demanded", CompensationDemanded, "Somebody wants it taken back after it succeeded.";
    SagaKillDemanded, "workflow.saga.kill-demanded", Demand, "An operator wants it ended as it stands.";
    StepStarted, "workflow.step.started", AttemptStarted, "An attempt of a step begins.";
    StepCompleted, "workflow.step.completed", StepDone, "A step is done.";
    StepFailed, "workflow.step.failed", StepFailed, "An attempt failed (`given_up` is false), or the step is given up (`given_up` is true).";
    StepInDoubt, "workflow.step.in-doubt", StepInDoubt, "An attempt that failed may have had effects. Comes with `workflow.step.failed`.";
    StepRetryScheduled, "workflow.step.retry-scheduled", RetryScheduled, "Another attempt will start.";
    StepSkipped, "workflow.step.skipped", Step, "The condition of a step does not hold.";
    StepWaiting, "workflow.step.waiting", StepWaiting, "A step waits for a time or a signal.";
    StepSignalled, "workflow.step.signalled", Step, "The signal came that a step waited for. Comes with `workflow.step.completed`.";
    StepTimedOut, "workflow.step.timed-out", Step, "The signal did not come, and the run goes on. Comes with `workflow.step.completed`.";
    StepCompensating, "workflow.step.compensating", AttemptStarted, "An attempt begins to take a step back.";
    StepCompensated, "workflow.step.compensated", StepDone, "A step is taken back.";
    StepCompensationFailed, "workflow.step.compensation-failed", StepFailed, "An attempt to take a step back failed (`given_up` is false), or the step is a dead letter (`given_up` is true).";
    StepCompensationNotNeeded, "workflow.step.compensation-not-needed", NotNeeded, "There is nothing to take back of a step.";
    StepRedriven, "workflow.step.redriven", StepRedriven, "Somebody has a dead letter tried again.";
    StepResolutionProposed, "workflow.step.resolution-proposed", StepResolved, "Somebody says what was done about a dead letter, and a second person must confirm it.";
    StepResolved, "workflow.step.resolved", StepResolved, "A dead letter is settled by hand.";
    EffectIntended, "workflow.effect.intended", EffectIntended, "A request is about to leave the host; durable before it does.";
    EffectAnswered, "workflow.effect.answered", EffectAnswered, "An answer to a request came back.";
    HostAdopted, "host.run-adopted", Run, "A host found the run open and goes on with it.";
    HostPartChanged, "host.part-changed", PartChanged, "A part of the host fares otherwise than before: an event of the tenant `host`.";
    SagaApplied, "saga.applied", SagaApplied, "A saga has a new version.";
    PluginInstalled, "plugin.installed", PluginInstalled, "A plugin's name means another component.";
    PluginPublished, "plugin.published", PluginPublished, "A plugin has a new version.";
    PluginVersionDeleted, "plugin.version-deleted", PluginVersionDeleted, "A plugin lost a version.";
    PluginHostGranted, "plugin.host-granted", HostGranted, "A plugin may send requests to a place.";
    PluginHostRevoked, "plugin.host-revoked", HostRevoked, "A plugin may no longer send requests to a place.";
    PluginSecretGranted, "plugin.secret-granted", SecretGrant, "A plugin may use a secret.";
    PluginSecretWithdrawn, "plugin.secret-withdrawn", SecretGrant, "A plugin may no longer use a secret.";
    TenantCreated, "tenant.created", Tenant, "There is such a tenant.";
    TenantLimitsSet, "tenant.limits-set", LimitsSet, "It has other limits.";
    TenantSuspended, "tenant.suspended", Suspended, "It stands still.";
    TenantReopened, "tenant.reopened", Tenant, "It goes on.";
    TenantDeleted, "tenant.deleted", Tenant, "There is no such tenant any more.";
    TenantResolversSet, "tenant.resolvers-set", ResolversSet, "So many people settle a dead letter from now on.";
    TenantStateWritten, "tenant.state-written", StateWritten, "Its state was changed by hand.";
    TenantRunsRemoved, "tenant.runs-removed", RunsRemoved, "Runs that ended long ago are no longer kept.";
    TenantSecretSet, "tenant.secret-set", Secret, "A secret has another value.";
    TenantSecretRemoved, "tenant.secret-removed", Secret, "A secret is gone.";
    TenantWebhookSet, "tenant.webhook-set", WebhookSet, "Events are sent to a place.";
    TenantWebhookRemoved, "tenant.webhook-removed", WebhookRemoved, "Events are no longer sent there.";
    TenantWebhookKeysSet, "tenant.webhook-keys-set", WebhookKeysSet, "What is sent to a webhook is signed with other keys.";
    TenantWebhookPaused, "tenant.webhook-paused", WebhookPaused, "Nothing is sent to a webhook until it is set again.";
    KeyCreated, "key.created", KeyCreated, "There is a new key.";
    KeyRevoked, "key.revoked", KeyRevoked, "A key opens nothing any more.";
    RequestDenied, "request.denied", RequestDenied, "Requests were denied. What is alike is told at most once a minute, added up.";
}

/// As it is written, not as it might be read: what is left out where it has nothing to say is not required. Other fields are not forbidden,
/// since there may be more of them later.
fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// Whether `pattern` means events of the type `name`: it is that name, or the beginning of it up to a dot and `*`, or `*` alone.
pub fn selects(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => (beginning.is_empty() || beginning.ends_with('.')) && name.starts_with(beginning),
        None => pattern == name,
    }
}
