//! What a tenant used, added up: what it is billed by. It follows from the facts alone, so it is as exact and as lasting as they are, and
//! anybody who has the chain can add it up again. Apart from the limits, which forget; these sums only grow.

use crate::event::{AttemptEnded, Direction, Event, LogLine, TenantEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sums since the tenant was created, or of a part of that. They stop at the largest number there is and do not begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Runs that were started.
    pub runs: u64,
    /// Attempts forward that ended.
    pub attempts: u64,
    /// Attempts backward that ended.
    pub compensations: u64,
    /// Fuel of both.
    pub fuel: u64,
    /// Their wall time in microseconds.
    pub micros: u64,
    /// Bytes that were to be kept: records and versions of plugins.
    pub stored_bytes: u64,
    /// Requests that were about to leave: each is noted before it does.
    pub requests: u64,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Of `stored_bytes`, those that are no longer kept, because runs were removed.
    pub removed_bytes: u64,
}

impl Usage {
    /// What a fact of a run says was used. The bytes of its record are not in it.
    pub fn of_run(event: &Event) -> Self {
        match event {
            Event::Started(_) => Self { runs: 1, ..Self::default() },
            Event::AttemptEnded(ended) => Self::of_attempt(ended),
            Event::EffectIntended { .. } => Self { requests: 1, ..Self::default() },
            Event::Adopted
            | Event::AttemptStarted { .. }
            | Event::EffectAnswered { .. }
            | Event::RetryScheduled { .. }
            | Event::StepFailed { .. }
            | Event::CompensationStarted { .. }
            | Event::CompensationOmitted { .. }
            | Event::CompensationFailed { .. }
            | Event::Ended { .. }
            | Event::Delayed { .. }
            | Event::StepSkipped { .. }
            | Event::WaitStarted { .. }
            | Event::WaitEnded { .. }
            | Event::Demanded(_) => Self::default(),
        }
    }

    /// What a fact of the tenant says was used. The bytes of its record are not in it.
    pub fn of_tenant(event: &TenantEvent) -> Self {
        match event {
            TenantEvent::PluginPublished { size, .. } => Self::stored(*size),
            TenantEvent::RunsRemoved { used, .. } => Self { removed_bytes: used.stored_bytes, ..Self::default() },
            TenantEvent::TenantCreated { .. }
            | TenantEvent::LimitsSet { .. }
            | TenantEvent::TenantSuspended { .. }
            | TenantEvent::TenantReopened { .. }
            | TenantEvent::TenantDeleted { .. }
            | TenantEvent::KeyCreated { .. }
            | TenantEvent::KeyRevoked { .. }
            | TenantEvent::PluginVersionDeleted { .. }
            | TenantEvent::WebhookSet { .. }
            | TenantEvent::WebhookRemoved { .. }
            | TenantEvent::WebhookKeysSet { .. }
            | TenantEvent::WebhookPaused { .. }
            | TenantEvent::SagaApplied { .. }
            | TenantEvent::PluginInstalled { .. }
            | TenantEvent::StateWritten { .. }
            | TenantEvent::ResolversSet { .. }
            | TenantEvent::HostGranted { .. }
            | TenantEvent::HostRevoked { .. }
            | TenantEvent::SecretSet { .. }
            | TenantEvent::SecretRemoved { .. }
            | TenantEvent::SecretGranted { .. }
            | TenantEvent::SecretWithdrawn { .. }
            | TenantEvent::HostPartChanged { .. }
            | TenantEvent::RequestsDenied { .. } => Self::default(),
        }
    }

    /// So many bytes that are kept.
    pub fn stored(bytes: u64) -> Self {
        Self { stored_bytes: bytes, ..Self::default() }
    }

    /// Bytes that are kept.
    pub fn kept_bytes(&self) -> u64 {
        self.stored_bytes.saturating_sub(self.removed_bytes)
    }

    /// Bytes of these lines.
    pub fn log_of(log: &[LogLine]) -> u64 {
        log.iter().map(|line| line.message.len() as u64).sum()
    }

    fn of_attempt(ended: &AttemptEnded) -> Self {
        let (attempts, compensations) = match ended.attempt.direction {
            Direction::Forward => (1, 0),
            Direction::Backward => (0, 1),
        };
        let (fuel, micros) = (ended.spent.fuel, ended.spent.micros);
        Self { attempts, compensations, fuel, micros, log_bytes: Self::log_of(&ended.log), ..Self::default() }
    }

    /// This and `more`.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            runs: self.runs.saturating_add(more.runs),
            attempts: self.attempts.saturating_add(more.attempts),
            compensations: self.compensations.saturating_add(more.compensations),
            fuel: self.fuel.saturating_add(more.fuel),
            micros: self.micros.saturating_add(more.micros),
            stored_bytes: self.stored_bytes.saturating_add(more.stored_bytes),
            requests: self.requests.saturating_add(more.requests),
            log_bytes: self.log_bytes.saturating_add(more.log_bytes),
            removed_bytes: self.removed_bytes.saturating_add(more.removed_bytes),
        }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        *self = self.plus(more);
    }
}
