//! Which components nothing uses any more: no name means them, no version of a plugin is one, and no run that is kept pins one. Apart, because
//! whoever removes them goes by nothing else, and what is removed wrongly does not come back.

use crate::access::Standing;
use crate::audit::Body;
use crate::digest::Digest;
use crate::event::{Demand, Event};
use crate::tenant::Tenant;
use std::collections::BTreeMap;

/// Components of which nothing was heard yet that uses them. Whoever has heard everything that is kept has those that nothing uses.
///
/// Only what uses a component is taken in, never that something stopped doing so: so the order does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unused(BTreeMap<Digest, u64>);

impl Unused {
    /// Of all components that there are, each with its length in bytes.
    pub fn of(components: impl IntoIterator<Item = (Digest, u64)>) -> Self {
        Self(components.into_iter().collect())
    }

    /// Whether everything is used: then nothing else needs to be heard.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> u64 {
        self.0.values().sum()
    }

    /// Which.
    pub fn components(&self) -> impl Iterator<Item = Digest> {
        self.0.keys().copied()
    }

    /// A tenant: `named` is what the names of its plugins mean, `runs_kept` how many of its runs are kept, counted as far as it matters.
    ///
    /// A tenant that was deleted starts no run. As long as it keeps one, a dead letter of it may be tried again with what a name means.
    pub fn hear_tenant(&mut self, tenant: &Tenant, named: impl IntoIterator<Item = Digest>, runs_kept: usize) {
        match (tenant.standing(), runs_kept) {
            (Standing::Deleted, 0) => {}
            (Standing::Absent | Standing::Open | Standing::Suspended | Standing::Deleted, _) => {
                let published = tenant.plugins().flat_map(|(_, versions)| versions).map(|version| version.component);
                named.into_iter().chain(published).for_each(|component| self.is_used(component));
            }
        }
    }

    /// A record that is kept whole.
    pub fn hear(&mut self, body: &Body) {
        match body {
            Body::Run { entries, .. } => entries.iter().for_each(|entry| self.hear_fact(&entry.event)),
            // What they say of components was so once. What is so now are the tenant and its names.
            Body::Tenant { .. } => {}
        }
    }

    /// Whatever a run ever pinned counts as long as it is kept: one that has ended may still be taken back.
    fn hear_fact(&mut self, event: &Event) {
        match event {
            Event::Started(started) => started.components.iter().for_each(|(_, component)| self.is_used(*component)),
            Event::Demanded(demanded) => match &demanded.demand {
                Demand::Redrive { component, .. } => component.iter().for_each(|component| self.is_used(*component)),
                Demand::Cancel { .. }
                | Demand::Pause
                | Demand::Resume
                | Demand::Signal { .. }
                | Demand::Retry
                | Demand::Compensate { .. }
                | Demand::Resolve(_)
                | Demand::Kill => {}
            },
            Event::Adopted
            | Event::AttemptStarted { .. }
            | Event::EffectIntended { .. }
            | Event::EffectAnswered { .. }
            | Event::AttemptEnded(_)
            | Event::RetryScheduled { .. }
            | Event::StepFailed { .. }
            | Event::CompensationStarted { .. }
            | Event::CompensationOmitted { .. }
            | Event::CompensationFailed { .. }
            | Event::Ended { .. }
            | Event::Delayed { .. }
            | Event::StepSkipped { .. }
            | Event::WaitStarted { .. }
            | Event::WaitEnded { .. } => {}
        }
    }

    fn is_used(&mut self, component: Digest) {
        self.0.remove(&component);
    }
}
