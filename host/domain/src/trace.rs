//! A run as a trace, for those who look at many programs at once (`OpenTelemetry`; the names are those of W3C Trace Context): what followed from what,
//! and how long it took. Made of the facts of the run and nothing else, so that it is the same whoever makes it, and however often the host died
//! meanwhile.

use crate::definition::Definition;
use crate::digest::Digest;
use crate::event::{AttemptRef, Direction, Ending, Entry, Event, Outcome, TraceParent};
use crate::id::{RunId, StepId, StepIndex};
use crate::time::Timestamp;
use std::collections::HashMap;

/// The name of a trace: that of its run, or the one that the run was started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// The name of a span. Follows from what it is, so that a request can carry it before anything is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// Something that took time.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its name.
    pub id: SpanId,
    /// What it is a part of; none: it is a run that nobody else's trace is about.
    pub parent: Option<SpanId>,
    /// For people: a saga, a step, `attempt 2`.
    pub name: String,
    /// When it began.
    pub begun: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// What went wrong, if something did.
    pub failure: Option<String>,
    /// What there is to know, in the order in which it is told.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// Something that is known of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// In words.
    Text(String),
    /// In numbers.
    Number(u64),
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl TraceId {
    /// Of a run, which may be a part of somebody else's trace.
    pub fn of(run: RunId, parent: Option<&TraceParent>) -> Self {
        Self(parent.map_or(run.0.to_be_bytes(), |parent| parent.trace))
    }
}

impl SpanId {
    /// Of a run.
    pub fn of_run(run: RunId) -> Self {
        Self::made(&[b"amends:span:run:1", &run.0.to_be_bytes()])
    }

    /// Of a step of it, in one direction.
    pub fn of_step(run: RunId, step: &StepId, direction: Direction) -> Self {
        Self::made(&[b"amends:span:step:1", &run.0.to_be_bytes(), direction.word().as_bytes(), step.as_str().as_bytes()])
    }

    /// Of an attempt of it.
    pub fn of_attempt(run: RunId, step: &StepId, direction: Direction, number: u32) -> Self {
        let (run, number) = (run.0.to_be_bytes(), number.to_be_bytes());
        Self::made(&[b"amends:span:attempt:1", &run, &number, direction.word().as_bytes(), step.as_str().as_bytes()])
    }

    fn made(parts: &[&[u8]]) -> Self {
        let digest = Digest::of_parts(parts).0;
        Self(*digest.first_chunk().expect("32 bytes have eight"))
    }
}

/// The header `traceparent` of a request that an attempt sends. Sampled whatever those said who started the run: the host tells of all that it runs.
pub fn traceparent(trace: TraceId, span: SpanId) -> String {
    TraceParent { trace: trace.0, span: span.0, sampled: true }.to_string()
}

/// The spans of a run that came to an outcome, the run first. What had not ended by then ends with it.
pub fn spans(run: RunId, definition: &Definition, journal: &[Entry]) -> Vec<Span> {
    let Some(first) = journal.first() else { return Vec::new() };
    let mut trace = Trace { run, definition, spans: Vec::new(), places: HashMap::new() };
    let attributes = vec![("amends.run", run.to_string().into()), ("amends.saga", definition.saga.to_string().into())];
    trace.begin(SpanId::of_run(run), None, definition.saga.to_string(), first.at, attributes);
    for entry in journal {
        trace.take(entry);
    }
    let end = journal.last().map_or(first.at, |last| last.at);
    for span in trace.spans.iter_mut().filter(|span| span.ended < span.begun) {
        span.ended = end;
    }
    trace.spans
}

struct Trace<'a> {
    run: RunId,
    definition: &'a Definition,
    spans: Vec<Span>,
    places: HashMap<SpanId, usize>,
}

impl Trace<'_> {
    fn begin(
        &mut self,
        id: SpanId,
        parent: Option<SpanId>,
        name: String,
        at: Timestamp,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        // Before its beginning: it has not ended.
        let ended = Timestamp(0);
        self.places.insert(id, self.spans.len());
        self.spans.push(Span { id, parent, name, begun: at, ended, failure: None, attributes });
    }

    fn end(&mut self, id: SpanId, at: Timestamp, failure: Option<String>) -> Option<&mut Span> {
        let span = &mut self.spans[*self.places.get(&id)?];
        (span.ended, span.failure) = (at, failure);
        Some(span)
    }

    fn take(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.event {
            Event::Started(started) => {
                let version = ("amends.saga_version", u64::from(started.version).into());
                self.spans[0].attributes.push(version);
                self.spans[0].parent = started.parent.map(|parent| SpanId(parent.span));
            }
            Event::AttemptStarted { attempt, .. } => {
                let (step, direction) = (self.step(attempt.step), attempt.direction);
                self.begin_step(&step, direction, at);
                let parent = SpanId::of_step(self.run, &step, direction);
                let number = ("amends.attempt", u64::from(attempt.number).into());
                self.begin(self.attempt(*attempt), Some(parent), format!("attempt {}", attempt.number), at, vec![number]);
            }
            Event::AttemptEnded(ended) => {
                let (result, failure) = result(&ended.ending);
                let id = self.attempt(ended.attempt);
                if let Some(span) = self.end(id, at, failure.clone()) {
                    span.attributes.push(("amends.result", result.to_owned().into()));
                    span.attributes.push(("amends.fuel", ended.spent.fuel.into()));
                }
                let step = self.step(ended.attempt.step);
                self.end(SpanId::of_step(self.run, &step, ended.attempt.direction), at, failure);
            }
            Event::WaitStarted { step, .. } => self.begin_step(&self.step(*step), Direction::Forward, at),
            Event::WaitEnded { step, .. } => {
                let step = self.step(*step);
                self.end(SpanId::of_step(self.run, &step, Direction::Forward), at, None);
            }
            Event::Ended { outcome, .. } => {
                let failure = match outcome {
                    Outcome::Succeeded => None,
                    Outcome::Compensated | Outcome::Stuck | Outcome::Killed => Some(outcome.word().to_owned()),
                };
                let outcome = ("amends.outcome", outcome.word().to_owned().into());
                let run = SpanId::of_run(self.run);
                if let Some(span) = self.end(run, at, failure) {
                    // One that was stuck and went on has another outcome now.
                    span.attributes.retain(|(name, _)| *name != "amends.outcome");
                    span.attributes.push(outcome);
                }
            }
            Event::Adopted
            | Event::EffectIntended { .. }
            | Event::EffectAnswered { .. }
            | Event::RetryScheduled { .. }
            | Event::StepFailed { .. }
            | Event::CompensationStarted { .. }
            | Event::CompensationOmitted { .. }
            | Event::CompensationFailed { .. }
            | Event::Delayed { .. }
            | Event::StepSkipped { .. }
            | Event::Demanded(_) => {}
        }
    }

    /// A step begins with its first attempt.
    fn begin_step(&mut self, step: &StepId, direction: Direction, at: Timestamp) {
        let id = SpanId::of_step(self.run, step, direction);
        if self.places.contains_key(&id) {
            return;
        }
        let name = match direction {
            Direction::Forward => step.to_string(),
            Direction::Backward => format!("compensate {step}"),
        };
        let attributes = vec![("amends.step", step.to_string().into()), ("amends.direction", direction.word().to_owned().into())];
        self.begin(id, Some(SpanId::of_run(self.run)), name, at, attributes);
    }

    fn step(&self, index: StepIndex) -> StepId {
        self.definition.step(index).id.clone()
    }

    fn attempt(&self, attempt: AttemptRef) -> SpanId {
        SpanId::of_attempt(self.run, &self.step(attempt.step), attempt.direction, attempt.number)
    }
}

/// The word for how an attempt ended, and what went wrong.
fn result(ending: &Ending) -> (&'static str, Option<String>) {
    match ending {
        Ending::Ok { .. } => ("ok", None),
        Ending::Failed { failure, fault, .. } => (failure.word(), Some(format!("{} {}", failure.word(), fault.code))),
        Ending::Halted { halt, .. } => (halt.word(), Some(halt.word().to_owned())),
    }
}
