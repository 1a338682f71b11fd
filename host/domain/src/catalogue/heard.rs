//! The way back: the facts of a run from its events, for whoever follows it from elsewhere and wants to see it as the host does. Events leave
//! out what is long, what an attempt logged and what it wrote, so these facts are for showing and not for deciding.

use super::data::{self, By, Cut};
use super::{CloudEvent, Data};
use crate::definition::Definition;
use crate::event::{
    AttemptEnded, AttemptRef, Author, Cause, Confirmation, Demand, Demanded, Direction, Ending, Entry, Event, Failure, Fault, Halt,
    InFlight, Omission, Outcome, Resolution, Resolve, Spent, Started, WaitEnd,
};
use crate::id::StepIndex;
use crate::payload::Payload;
use crate::time::Span;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

/// Why an event gives no fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event}: {what}")]
pub struct Unheard {
    /// Its id.
    pub event: String,
    /// What is wrong with it.
    pub what: String,
}

/// Hears the events of one run, which must all come by, in order.
#[derive(Debug)]
pub struct Listener {
    definition: Arc<Definition>,
    /// What one person says about a dead letter, which another may confirm.
    proposed: BTreeMap<StepIndex, (Resolution, String)>,
}

/// Reads the first event of a run, which says what it runs.
///
/// # Errors
/// [`Unheard`] if it is another one.
pub fn started(event: &CloudEvent) -> Result<Entry, Unheard> {
    let read = match &event.data {
        Data::SagaStarted(started) => of_start(started),
        other => Err(format!("a run does not begin with `{}`", other.type_name())),
    };
    let started = read.map_err(|what| Unheard { event: event.position.to_string(), what })?;
    Ok(Entry { at: event.time, event: Event::Started(Box::new(started)) })
}

impl Listener {
    /// For a run of this definition.
    pub fn new(definition: Arc<Definition>) -> Self {
        Self { definition, proposed: BTreeMap::new() }
    }

    /// The fact that an event is about; none if an event before it was about the same.
    ///
    /// # Errors
    /// [`Unheard`] if it is about no fact of a run, or of another saga.
    pub fn hear(&mut self, event: &CloudEvent) -> Result<Option<Entry>, Unheard> {
        if event.position.part > 1 {
            return Ok(None);
        }
        let fact = self.fact(&event.data).map_err(|what| Unheard { event: event.position.to_string(), what })?;
        Ok(Some(Entry { at: event.time, event: fact }))
    }

    fn fact(&mut self, data: &Data) -> Result<Event, String> {
        Ok(match data {
            Data::SagaStarted(started) => Event::Started(Box::new(of_start(started)?)),
            Data::SagaDelayed(delayed) => Event::Delayed { until: read(&delayed.until)? },
            Data::HostAdopted(_) => Event::Adopted,
            Data::SagaCompensating(turned) => Event::CompensationStarted { cause: self.cause(turned)? },
            Data::SagaCompleted(done) => {
                let (output, fault) =
                    (value(done.output.as_ref(), "output", &done.cut), fault(done.code.as_ref(), done.message.as_ref()));
                Event::Ended { outcome: Outcome::Succeeded, output, fault }
            }
            Data::SagaFailed(failed) => Event::Ended { outcome: word(&failed.outcome)?, output: None, fault: None },
            Data::SagaStuck(_) => Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
            Data::SagaKilled(_) => Event::Ended { outcome: Outcome::Killed, output: None, fault: None },
            Data::StepStarted(started) => self.attempt_started(started, Direction::Forward)?,
            Data::StepCompensating(started) => self.attempt_started(started, Direction::Backward)?,
            Data::StepCompleted(done) if done.attempt.is_none() => self.waited(&done.step, WaitEnd::Elapsed)?,
            Data::StepCompleted(done) => self.done(done, Direction::Forward)?,
            Data::StepCompensated(done) => self.done(done, Direction::Backward)?,
            Data::StepFailed(failed) if failed.given_up => {
                let details = value(failed.details.as_ref(), "details", &failed.cut);
                let fault = fault(failed.code.as_ref(), failed.message.as_ref()).map(|fault| Fault { details, ..fault });
                Event::StepFailed { step: self.step(&failed.step)?, fault }
            }
            Data::StepFailed(failed) => self.failed(failed, Direction::Forward)?,
            Data::StepCompensationFailed(failed) if failed.given_up => Event::CompensationFailed { step: self.step(&failed.step)? },
            Data::StepCompensationFailed(failed) => self.failed(failed, Direction::Backward)?,
            Data::StepRetryScheduled(later) => {
                Event::RetryScheduled { step: self.step(&later.step)?, direction: word(&later.direction)?, due: read(&later.due)? }
            }
            Data::StepSkipped(skipped) => Event::StepSkipped { step: self.step(&skipped.step)? },
            Data::StepWaiting(waits) => {
                Event::WaitStarted { step: self.step(&waits.step)?, due: waits.due.as_deref().map(read).transpose()? }
            }
            Data::StepSignalled(waited) => self.waited(&waited.step, WaitEnd::Signalled)?,
            Data::StepTimedOut(waited) => self.waited(&waited.step, WaitEnd::TimedOut)?,
            Data::StepCompensationNotNeeded(left) => {
                let reason: Omission = omission(&left.reason)?;
                Event::CompensationOmitted { step: self.step(&left.step)?, reason }
            }
            Data::EffectIntended(sent) => Event::EffectIntended {
                attempt: self.attempt(&sent.step, word(&sent.direction)?, sent.attempt)?,
                call: sent.call,
                method: sent.method.clone(),
                target: sent.target.clone(),
            },
            Data::EffectAnswered(answered) => Event::EffectAnswered {
                attempt: self.attempt(&answered.step, word(&answered.direction)?, answered.attempt)?,
                call: answered.call,
                status: answered.status,
                response: value(answered.response.as_ref(), "response", &answered.cut),
            },
            demanded => self.demanded(demanded)?,
        })
    }

    fn demanded(&mut self, data: &Data) -> Result<Event, String> {
        let (demand, by) = match data {
            Data::SagaCancelled(cancelled) => {
                let in_flight: InFlight = word(&cancelled.in_flight)?;
                (Demand::Cancel { in_flight }, &cancelled.by)
            }
            Data::SagaPaused(asked) => (Demand::Pause, &asked.by),
            Data::SagaResumed(asked) => (Demand::Resume, &asked.by),
            Data::SagaSignalled(signal) => {
                let payload = value(signal.payload.as_ref(), "payload", &signal.cut).unwrap_or_else(Payload::null);
                (Demand::Signal { name: read(&signal.name)?, payload }, &signal.by)
            }
            Data::SagaRetryDemanded(asked) => (Demand::Retry, &asked.by),
            Data::SagaCompensationDemanded(asked) => {
                (Demand::Compensate { from: asked.from.as_deref().map(|step| self.step(step)).transpose()? }, &asked.by)
            }
            Data::SagaKillDemanded(asked) => (Demand::Kill, &asked.by),
            Data::StepRedriven(redriven) => {
                let step = self.step(&redriven.step)?;
                self.proposed.remove(&step);
                let component = redriven.component.as_deref().map(read).transpose()?;
                (Demand::Redrive { step, component }, &redriven.by)
            }
            Data::StepResolutionProposed(said) => (self.resolve(said, Said::First)?, &said.by),
            Data::StepResolved(said) => (self.resolve(said, Said::Last)?, &said.by),
            other => return Err(format!("`{}` is no fact of a run", other.type_name())),
        };
        Ok(Event::Demanded(Box::new(Demanded { demand, by: author(by) })))
    }

    fn resolve(&mut self, said: &data::StepResolved, which: Said) -> Result<Demand, String> {
        let (step, resolution): (_, Resolution) = (self.step(&said.step)?, word(&said.resolution)?);
        let confirmation = match (which, self.proposed.remove(&step)) {
            (Said::First, _) => {
                self.proposed.insert(step, (resolution, said.by.who.clone()));
                Confirmation::Awaited
            }
            // Whoever says the same as somebody else before them confirms it.
            (Said::Last, Some((before, who))) if before == resolution && who != said.by.who => Confirmation::Given,
            (Said::Last, _) => Confirmation::NotNeeded,
        };
        let evidence = value(said.evidence.as_ref(), "evidence", &said.cut);
        let output = value(said.output.as_ref(), "output", &said.cut);
        Ok(Demand::Resolve(Box::new(Resolve { step, resolution, evidence, output, confirmation })))
    }

    fn cause(&self, turned: &data::SagaCompensating) -> Result<Cause, String> {
        let step = turned.step.as_deref().map(|step| self.step(step)).transpose()?;
        match (turned.cause.as_str(), step) {
            ("step-failed", Some(step)) => Ok(Cause::StepFailed(step)),
            ("deadline-passed", _) => Ok(Cause::DeadlinePassed),
            ("cancelled", _) => Ok(Cause::Cancelled),
            ("requested", from) => Ok(Cause::Requested { from }),
            (other, _) => Err(format!("`{other}` is no cause")),
        }
    }

    fn attempt_started(&self, started: &data::AttemptStarted, direction: Direction) -> Result<Event, String> {
        let attempt = self.attempt(&started.step, direction, started.attempt)?;
        Ok(Event::AttemptStarted { attempt, input: value(started.input.as_ref(), "input", &started.cut) })
    }

    fn done(&self, done: &data::StepDone, direction: Direction) -> Result<Event, String> {
        let attempt = self.attempt(&done.step, direction, done.attempt.unwrap_or_default())?;
        // Backward the output is empty, and is not told.
        let output = value(done.output.as_ref(), "output", &done.cut).unwrap_or_default();
        Ok(ended(attempt, Ending::Ok { output }, done.cost.as_ref()))
    }

    fn failed(&self, failed: &data::StepFailed, direction: Direction) -> Result<Event, String> {
        let attempt = self.attempt(&failed.step, direction, failed.attempt.unwrap_or_default())?;
        let result = failed.result.as_deref().unwrap_or_default();
        let message = failed.message.clone().unwrap_or_default();
        let ending = match word::<Failure>(result) {
            Ok(failure) => {
                let (code, details) =
                    (failed.code.clone().unwrap_or_default(), value(failed.details.as_ref(), "details", &failed.cut));
                Ending::Failed { failure, fault: Fault { code, message, details }, retry_after: failed.retry_after_ms.map(Span) }
            }
            Err(_) => Ending::Halted { halt: word::<Halt>(result)?, message },
        };
        Ok(ended(attempt, ending, failed.cost.as_ref()))
    }

    fn waited(&self, step: &str, end: WaitEnd) -> Result<Event, String> {
        Ok(Event::WaitEnded { step: self.step(step)?, end })
    }

    fn attempt(&self, step: &str, direction: Direction, number: u32) -> Result<AttemptRef, String> {
        Ok(AttemptRef { step: self.step(step)?, direction, number })
    }

    /// The step with this name, or `#` and its number.
    fn step(&self, name: &str) -> Result<StepIndex, String> {
        let numbered = || name.strip_prefix('#').and_then(|number| number.parse().ok()).map(StepIndex);
        let known = self.definition.index_of(name).or_else(numbered);
        known.filter(|step| step.at() < self.definition.steps.len()).ok_or_else(|| format!("the saga has no step `{name}`"))
    }
}

/// Which of two people speaks.
#[derive(Clone, Copy)]
enum Said {
    First,
    Last,
}

fn of_start(started: &data::SagaStarted) -> Result<Started, String> {
    let components = started.components.iter().map(|(plugin, digest)| Ok((read(plugin)?, read(digest)?)));
    Ok(Started {
        saga: read(&started.saga)?,
        version: started.version,
        definition: read(&started.definition)?,
        components: components.collect::<Result<_, String>>()?,
        input: value(started.input.as_ref(), "input", &started.cut).unwrap_or_else(Payload::null),
        key: started.idempotency_key.clone(),
        parent: started.traceparent.as_deref().map(read).transpose()?,
    })
}

fn ended(attempt: AttemptRef, ending: Ending, cost: Option<&data::Cost>) -> Event {
    let spent = cost.map(|cost| Spent { fuel: cost.fuel, micros: cost.micros, conflicts: cost.conflicts }).unwrap_or_default();
    Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log: Vec::new(), writes: Vec::new() }))
}

fn author(by: &By) -> Author {
    Author { who: by.who.clone(), why: by.why.clone(), key: None }
}

fn fault(code: Option<&String>, message: Option<&String>) -> Option<Fault> {
    Some(Fault { code: code?.clone(), message: message.cloned().unwrap_or_default(), details: None })
}

/// A value that is there, or what is told in its place.
fn value(value: Option<&Value>, field: &str, cut: &[Cut]) -> Option<Payload> {
    let too_long = |cut: &Cut| Payload::from(&json!({ "too_long": { "bytes": cut.bytes, "digest": cut.digest } }));
    value.map(Payload::from).or_else(|| cut.iter().find(|cut| cut.field == field).map(too_long))
}

fn omission(word: &str) -> Result<Omission, String> {
    match word {
        "proven-clean" => Ok(Omission::ProvenClean),
        "not-declared" => Ok(Omission::NotDeclared),
        "only-waited" => Ok(Omission::OnlyWaited),
        other => Err(format!("`{other}` is no reason to leave a compensation out")),
    }
}

/// One of our own words.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
}

fn read<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
