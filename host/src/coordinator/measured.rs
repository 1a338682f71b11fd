//! What is counted of what becomes durable, and how things stand. Apart from those who drive: they wait for nobody who counts.

use super::Coordinator;
use super::news::News;
use super::traced::Outcomes;
use crate::store::Commit;
use crate::store::writer::Witness;
use crate::telemetry::{Levels, Metrics, Tally};
use amends_domain::audit::Body;
use amends_domain::event::{Ending, Event};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Counts facts when they are durable, and calls those who follow them: what a crash takes back was never counted and never told.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// None: nobody counts.
    metrics: OnceLock<Arc<Metrics>>,
    outcomes: Arc<Outcomes>,
    news: Arc<News>,
}

impl Counting {
    pub(super) fn new(outcomes: &Arc<Outcomes>, news: &Arc<News>) -> Self {
        Self { metrics: OnceLock::new(), outcomes: Arc::clone(outcomes), news: Arc::clone(news) }
    }

    fn count(&self, metrics: &Metrics, commit: &Commit, took: Duration) {
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
                            metrics.untraced(1);
                        }
                        for entry in entries {
                            add(&mut tally, &entry.event);
                        }
                    }
                }
            }
            if tally != Tally::default() {
                metrics.happened(&lane.tenant, &tally);
            }
        }
        metrics.committed(facts, bytes, took);
    }
}

impl Witness for Counting {
    fn committed(&self, commit: &Commit, took: Duration) {
        self.news.told(commit);
        if let Some(metrics) = self.metrics.get() {
            self.count(metrics, commit, took);
        }
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
    /// If it has metrics already, or it has begun to drive.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.parts.counting.metrics.set(Arc::clone(&metrics)).expect("a coordinator is given metrics once");
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
        let webhooks = self.webhooks_tallied();
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
            webhooks: webhooks.all,
            webhooks_failing: webhooks.failing,
            webhook_records_behind_max: webhooks.records_behind_max,
            data_bytes: counts.file_len,
            disk_free_bytes,
            disk_low,
        }
    }
}
