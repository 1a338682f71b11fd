//! What is counted of what becomes durable, and how things stand. Apart from those who drive: they wait for nobody who counts.

use super::Coordinator;
use super::traced::Outcomes;
use crate::store::Commit;
use crate::store::writer::Witness;
use crate::telemetry::{Levels, Metrics, Tally};
use amends_domain::audit::Body;
use amends_domain::event::{Ending, Event};
use std::sync::Arc;
use std::time::Duration;

/// Counts facts when they are durable: what a crash takes back was never counted.
#[derive(Debug)]
struct Counting {
    metrics: Arc<Metrics>,
    outcomes: Arc<Outcomes>,
}

impl Witness for Counting {
    fn committed(&self, commit: &Commit, took: Duration) {
        let (mut facts, mut bytes) = (0, commit.components.iter().map(|(_, bytes)| bytes.len()).sum());
        for lane in &commit.lanes {
            let mut tally = Tally::default();
            for (sealed, body) in &lane.records {
                bytes += sealed.kept.body_len();
                match body {
                    Body::Tenant { entries } => facts += entries.len() as u64,
                    Body::Run { run, entries, .. } => {
                        facts += entries.len() as u64;
                        let is_over = entries.iter().any(|entry| matches!(entry.event, Event::Ended { .. }));
                        if is_over && !self.outcomes.reached(&lane.tenant, *run) {
                            self.metrics.untraced(1);
                        }
                        for entry in entries {
                            add(&mut tally, &entry.event);
                        }
                    }
                }
            }
            if tally != Tally::default() {
                self.metrics.happened(&lane.tenant, &tally);
            }
        }
        self.metrics.committed(facts, bytes, took);
    }
}

fn add(tally: &mut Tally, event: &Event) {
    match event {
        Event::Started(_) => tally.runs_started += 1,
        Event::Ended { outcome, .. } => *tally.runs_ended.entry(outcome.word()).or_default() += 1,
        Event::EffectIntended { .. } => tally.requests_intended += 1,
        Event::AttemptEnded(ended) => {
            let kind = (ended.attempt.direction.word(), result(&ended.ending));
            tally.attempts_ended.entry(kind).or_default().push(Duration::from_micros(ended.spent.micros));
            tally.fuel = tally.fuel.saturating_add(ended.spent.fuel);
        }
        Event::Adopted
        | Event::AttemptStarted { .. }
        | Event::EffectAnswered { .. }
        | Event::RetryScheduled { .. }
        | Event::StepFailed { .. }
        | Event::CompensationStarted { .. }
        | Event::CompensationOmitted { .. }
        | Event::CompensationFailed { .. }
        | Event::Delayed { .. }
        | Event::StepSkipped { .. }
        | Event::WaitStarted { .. }
        | Event::WaitEnded { .. }
        | Event::Demanded(_) => {}
    }
}

/// How an attempt ended, in a word.
fn result(ending: &Ending) -> &'static str {
    match ending {
        Ending::Ok { .. } => "ok",
        Ending::Failed { failure, .. } => failure.word(),
        Ending::Halted { halt, .. } => halt.word(),
    }
}

impl Coordinator {
    /// The same coordinator; what becomes durable from now on is counted in `metrics`.
    ///
    /// # Panics
    /// If something else looks at what becomes durable, or it has begun to drive.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        let outcomes = Arc::clone(&self.parts.outcomes);
        self.parts.writer.witnessed_by(Arc::new(Counting { metrics: Arc::clone(&metrics), outcomes }));
        Arc::get_mut(&mut self.parts).expect("metrics are given before anything is driven").metrics = metrics;
        self
    }

    /// Where others count as well.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// How things stand. Reads the store.
    pub fn levels(&self) -> Levels {
        let backlog = self.parts.writer.backlog();
        let guests = self.parts.components.levels();
        let (disk_free_bytes, disk_low) = self.parts.health.space();
        // That it cannot be read is told where that matters.
        let counts = self.parts.store.counts().unwrap_or_default();
        Levels {
            queue_facts: backlog.facts,
            queue_bytes: backlog.bytes,
            queue_age: backlog.age,
            runs_open: counts.open_runs,
            runs_stuck: counts.runs_with_dead_letters,
            runs_driven: self.parts.under_way.driven(),
            runs_scheduled: self.parts.under_way.scheduled(),
            guests_running: guests.running,
            guests_waiting: guests.waiting,
            guests_max: guests.places,
            compilations: guests.compilations,
            compilations_refused: guests.compilations_refused,
            data_bytes: counts.file_len,
            disk_free_bytes,
            disk_low,
        }
    }
}
