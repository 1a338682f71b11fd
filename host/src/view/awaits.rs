//! What an open run waits for.

use amends_domain::explain::{Awaited, awaited};
use amends_domain::id::SignalName;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// What an open run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[schemars(rename = "Awaits")]
pub(crate) enum AwaitsView {
    /// The clock.
    Time { until: Timestamp },
    /// One of these.
    Signal {
        signals: Vec<SignalName>,
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// That somebody has it go on.
    Resume,
}

impl AwaitsView {
    /// None if it waits for nothing.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        match awaited(run) {
            Awaited::Nothing => None,
            Awaited::Time { until, .. } => Some(Self::Time { until }),
            Awaited::Signals { names, until } => Some(Self::Signal { signals: names, until }),
            Awaited::Resume => Some(Self::Resume),
        }
    }
}
