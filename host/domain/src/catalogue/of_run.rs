//! The facts of a run as events. A fact names steps by number and does not say whether there is doubt; both follow from what came before, so
//! this listens to a journal from its beginning.

use super::data::{self, By, Cost};
use super::inline::{Inline, text};
use super::{CloudEvent, Data, Origin, Position};
use crate::definition::{Definition, Kind};
use crate::event::{
    AttemptEnded, AttemptRef, Author, Cause, Confirmation, Demand, Demanded, Direction, Ending, Entry, Event, Fault, InFlight,
    Omission, Outcome, Resolve, Started, WaitEnd,
};
use crate::id::{RunId, StepIndex};
use crate::payload::Payload;
use crate::run::{Effect, raises_doubt};
use std::sync::Arc;

/// Tells the facts of one run, which must all come by, in order.
#[derive(Debug, Clone)]
pub struct Teller {
    run: RunId,
    definition: Option<Arc<Definition>>,
    /// What attempts sent that are running, so as many as these may send.
    sent: Vec<(StepIndex, Effect)>,
}

impl Teller {
    /// For a run of this definition. Without one, steps are named by their numbers: `#3`.
    pub fn new(run: RunId, definition: Option<Arc<Definition>>) -> Self {
        Self { run, definition, sent: Vec::new() }
    }

    /// Takes in a fact that was told before.
    pub fn hear(&mut self, entry: &Entry) {
        match &entry.event {
            Event::EffectIntended { attempt, call, method, .. } => {
                let AttemptRef { step, direction, number: attempt } = *attempt;
                let (call, method, target) = (*call, method.clone(), String::new());
                self.sent.push((
                    step,
                    Effect { direction, attempt, call, method, target, sent: entry.at, answer: None, response: None },
                ));
            }
            Event::EffectAnswered { attempt, call, status, .. } => {
                let is_it = |(step, effect): &&mut (StepIndex, Effect)| {
                    *step == attempt.step && effect.is_of(*attempt) && effect.call == *call
                };
                if let Some((_, effect)) = self.sent.iter_mut().find(is_it) {
                    effect.answer = Some(*status);
                }
            }
            Event::AttemptEnded(ended) => {
                self.sent.retain(|(step, effect)| *step != ended.attempt.step || !effect.is_of(ended.attempt));
            }
            Event::Started(_)
            | Event::Adopted
            | Event::AttemptStarted { .. }
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
            | Event::Demanded(_) => {}
        }
    }

    /// The events that a fact gives, at least one. `fact`: its number in the record, from 1.
    pub fn tell(&mut self, origin: &Origin<'_>, fact: u32, entry: &Entry) -> Vec<CloudEvent> {
        let told = self.of_fact(&entry.event);
        self.hear(entry);
        let event = |(part, (step, data)): (u8, (Option<StepIndex>, Data))| CloudEvent {
            source: origin.tenant.clone(),
            position: Position { lane: origin.lane, seq: origin.seq, fact, part },
            subject: Some(step.map_or_else(|| self.run.to_string(), |step| format!("{}/{}", self.run, self.name(step)))),
            time: entry.at,
            audithash: origin.link,
            data,
        };
        (1..).zip(told).map(event).collect()
    }

    fn of_fact(&self, event: &Event) -> Vec<(Option<StepIndex>, Data)> {
        let run = || self.run.to_string();
        let of_step = |step: StepIndex, data| vec![(Some(step), data)];
        match event {
            Event::Started(started) => vec![(None, self.started(started))],
            Event::Delayed { until } => {
                vec![(None, Data::SagaDelayed(data::RunUntil { run: run(), until: until.to_string() }))]
            }
            Event::Adopted => vec![(None, Data::HostAdopted(data::Run { run: run() }))],
            Event::AttemptStarted { attempt, input } => of_step(attempt.step, self.attempt_started(*attempt, input.as_ref())),
            Event::EffectIntended { attempt, call, method, target } => {
                let (run, step, direction) = self.place(*attempt);
                let (attempt_number, call, method, target) = (attempt.number, *call, text(method), text(target));
                let intended = data::EffectIntended { run, step, direction, attempt: attempt_number, call, method, target };
                of_step(attempt.step, Data::EffectIntended(intended))
            }
            Event::EffectAnswered { attempt, call, status, response } => {
                of_step(attempt.step, self.answered(*attempt, *call, *status, response.as_ref()))
            }
            Event::AttemptEnded(ended) => {
                self.attempt_ended(ended).into_iter().map(|data| (Some(ended.attempt.step), data)).collect()
            }
            Event::RetryScheduled { step, direction, due } => {
                let (direction, due) = (direction.word().to_owned(), due.to_string());
                let scheduled = data::RetryScheduled { run: run(), step: self.name(*step), direction, due };
                of_step(*step, Data::StepRetryScheduled(scheduled))
            }
            Event::StepFailed { step, fault } => of_step(*step, Data::StepFailed(self.given_up(*step, fault.as_ref()))),
            Event::CompensationFailed { step } => of_step(*step, Data::StepCompensationFailed(self.given_up(*step, None))),
            Event::CompensationStarted { cause } => vec![(None, self.turned_around(cause))],
            Event::CompensationOmitted { step, reason } => {
                let reason = word_of_omission(*reason).to_owned();
                of_step(*step, Data::StepCompensationNotNeeded(data::NotNeeded { run: run(), step: self.name(*step), reason }))
            }
            Event::Ended { outcome, output, fault } => {
                self.ended(*outcome, output.as_ref(), fault.as_ref()).into_iter().map(|data| (None, data)).collect()
            }
            Event::StepSkipped { step } => of_step(*step, Data::StepSkipped(self.step(*step))),
            Event::WaitStarted { step, due } => {
                let due = due.map(|due| due.to_string());
                of_step(*step, Data::StepWaiting(data::StepWaiting { run: run(), step: self.name(*step), due }))
            }
            Event::WaitEnded { step, end } => self.waited(*step, *end).into_iter().map(|data| (Some(*step), data)).collect(),
            Event::Demanded(demanded) => vec![self.demanded(demanded)],
        }
    }

    fn name(&self, step: StepIndex) -> String {
        let known = self.definition.as_ref().and_then(|definition| definition.steps.get(step.at()));
        known.map_or_else(|| format!("#{}", step.0), |step| step.id.to_string())
    }

    fn step(&self, step: StepIndex) -> data::Step {
        data::Step { run: self.run.to_string(), step: self.name(step) }
    }

    fn place(&self, attempt: AttemptRef) -> (String, String, String) {
        (self.run.to_string(), self.name(attempt.step), attempt.direction.word().to_owned())
    }

    /// Where what is too long can be read.
    fn journal(&self) -> String {
        format!("the journal of {}", self.run)
    }

    fn started(&self, started: &Started) -> Data {
        let mut inline = Inline::default();
        let input = inline.value("input", &started.input, &self.journal());
        Data::SagaStarted(data::SagaStarted {
            run: self.run.to_string(),
            saga: started.saga.to_string(),
            version: started.version,
            definition: started.definition.to_string(),
            components: started.components.iter().map(|(plugin, digest)| (plugin.to_string(), digest.to_string())).collect(),
            input,
            idempotency_key: started.key.as_deref().map(text),
            traceparent: started.parent.map(|parent| parent.to_string()),
            cut: inline.cut,
        })
    }

    fn attempt_started(&self, attempt: AttemptRef, input: Option<&Payload>) -> Data {
        let mut inline = Inline::default();
        let input = input.and_then(|input| inline.value("input", input, &self.journal()));
        let (run, step, _) = self.place(attempt);
        let started = data::AttemptStarted { run, step, attempt: attempt.number, input, cut: inline.cut };
        match attempt.direction {
            Direction::Forward => Data::StepStarted(started),
            Direction::Backward => Data::StepCompensating(started),
        }
    }

    fn answered(&self, attempt: AttemptRef, call: u32, status: u16, response: Option<&Payload>) -> Data {
        let mut inline = Inline::default();
        let response = response.and_then(|response| inline.value("response", response, &self.journal()));
        let (run, step, direction) = self.place(attempt);
        let cut = inline.cut;
        Data::EffectAnswered(data::EffectAnswered { run, step, direction, attempt: attempt.number, call, status, response, cut })
    }

    fn attempt_ended(&self, ended: &AttemptEnded) -> Vec<Data> {
        match &ended.ending {
            Ending::Ok { output } => vec![self.done(ended, output)],
            Ending::Failed { failure, fault, retry_after } => {
                let failed =
                    data::StepFailed { retry_after_ms: retry_after.map(|span| span.0), ..self.of_fault(ended.attempt.step, fault) };
                self.failed(ended, failure.word(), failed)
            }
            Ending::Halted { halt, message } => {
                let failed = self.of_fault(ended.attempt.step, &Fault::new(halt.word(), message));
                self.failed(ended, halt.word(), failed)
            }
        }
    }

    fn done(&self, ended: &AttemptEnded, output: &Payload) -> Data {
        let (run, step, _) = self.place(ended.attempt);
        let (attempt, cost, mut inline) = (Some(ended.attempt.number), Some(cost(ended)), Inline::default());
        match ended.attempt.direction {
            Direction::Forward => {
                let output = inline.value("output", output, &self.journal());
                Data::StepCompleted(data::StepDone { run, step, attempt, output, cost, cut: inline.cut })
            }
            // A compensation gives nothing.
            Direction::Backward => {
                Data::StepCompensated(data::StepDone { run, step, attempt, output: None, cost, cut: inline.cut })
            }
        }
    }

    fn failed(&self, ended: &AttemptEnded, result: &str, failed: data::StepFailed) -> Vec<Data> {
        let attempt = ended.attempt;
        let failed = data::StepFailed {
            given_up: false,
            attempt: Some(attempt.number),
            result: Some(result.to_owned()),
            cost: Some(cost(ended)),
            ..failed
        };
        match attempt.direction {
            Direction::Backward => vec![Data::StepCompensationFailed(failed)],
            Direction::Forward if self.is_in_doubt(ended) => {
                let (run, step, _) = self.place(attempt);
                let doubt = data::StepInDoubt { run, step, attempt: attempt.number, result: result.to_owned() };
                vec![Data::StepFailed(failed), Data::StepInDoubt(doubt)]
            }
            Direction::Forward => vec![Data::StepFailed(failed)],
        }
    }

    /// As the fold of the run says it.
    fn is_in_doubt(&self, ended: &AttemptEnded) -> bool {
        let step = ended.attempt.step;
        let definition = self.definition.as_ref().and_then(|definition| definition.steps.get(step.at()));
        let read_only = definition.is_some_and(|step| step.kind() == Kind::ReadOnly);
        let own = self.sent.iter().filter(|(of, effect)| *of == step && effect.is_of(ended.attempt));
        !read_only && raises_doubt(&ended.ending, own.map(|(_, effect)| effect))
    }

    fn given_up(&self, step: StepIndex, fault: Option<&Fault>) -> data::StepFailed {
        let without = || data::StepFailed {
            run: self.run.to_string(),
            step: self.name(step),
            given_up: true,
            attempt: None,
            result: None,
            code: None,
            message: None,
            details: None,
            retry_after_ms: None,
            cost: None,
            cut: Vec::new(),
        };
        fault.map_or_else(without, |fault| self.of_fault(step, fault))
    }

    fn of_fault(&self, step: StepIndex, fault: &Fault) -> data::StepFailed {
        let mut inline = Inline::default();
        let details = fault.details.as_ref().and_then(|details| inline.value("details", details, &self.journal()));
        let (code, message, cut) = (Some(text(&fault.code)), Some(text(&fault.message)), inline.cut);
        data::StepFailed { code, message, details, cut, ..self.given_up(step, None) }
    }

    fn turned_around(&self, cause: &Cause) -> Data {
        let (cause, step) = match cause {
            Cause::StepFailed(step) => ("step-failed", Some(*step)),
            Cause::DeadlinePassed => ("deadline-passed", None),
            Cause::Cancelled => ("cancelled", None),
            Cause::Requested { from } => ("requested", *from),
        };
        let step = step.map(|step| self.name(step));
        Data::SagaCompensating(data::SagaCompensating { run: self.run.to_string(), cause: cause.to_owned(), step })
    }

    fn ended(&self, outcome: Outcome, output: Option<&Payload>, fault: Option<&Fault>) -> Vec<Data> {
        let run = self.run.to_string();
        let failed = || Data::SagaFailed(data::SagaFailed { run: run.clone(), outcome: outcome.word().to_owned() });
        match outcome {
            Outcome::Succeeded => {
                let mut inline = Inline::default();
                let output = output.and_then(|output| inline.value("output", output, &self.journal()));
                let (code, message) = (fault.map(|fault| text(&fault.code)), fault.map(|fault| text(&fault.message)));
                vec![Data::SagaCompleted(data::SagaCompleted { run, output, code, message, cut: inline.cut })]
            }
            Outcome::Compensated => vec![failed()],
            Outcome::Stuck => vec![failed(), Data::SagaStuck(data::Run { run: run.clone() })],
            Outcome::Killed => vec![Data::SagaKilled(data::Run { run })],
        }
    }

    fn waited(&self, step: StepIndex, end: WaitEnd) -> Vec<Data> {
        let (run, name, cut) = (self.run.to_string(), self.name(step), Vec::new());
        let completed = Data::StepCompleted(data::StepDone { run, step: name, attempt: None, output: None, cost: None, cut });
        match end {
            WaitEnd::Elapsed => vec![completed],
            WaitEnd::Signalled => vec![Data::StepSignalled(self.step(step)), completed],
            WaitEnd::TimedOut => vec![Data::StepTimedOut(self.step(step)), completed],
        }
    }

    fn demanded(&self, demanded: &Demanded) -> (Option<StepIndex>, Data) {
        let (run, by) = (self.run.to_string(), by(&demanded.by));
        match &demanded.demand {
            Demand::Cancel { in_flight } => {
                let in_flight = word_of_in_flight(*in_flight).to_owned();
                (None, Data::SagaCancelled(data::Cancelled { run, in_flight, by }))
            }
            Demand::Pause => (None, Data::SagaPaused(data::Demand { run, by })),
            Demand::Resume => (None, Data::SagaResumed(data::Demand { run, by })),
            Demand::Signal { name, payload } => {
                let mut inline = Inline::default();
                let payload = inline.value("payload", payload, &self.journal());
                (None, Data::SagaSignalled(data::SagaSignalled { run, name: name.to_string(), payload, by, cut: inline.cut }))
            }
            Demand::Retry => (None, Data::SagaRetryDemanded(data::Demand { run, by })),
            Demand::Compensate { from } => {
                let from = from.map(|from| self.name(from));
                (None, Data::SagaCompensationDemanded(data::CompensationDemanded { run, from, by }))
            }
            Demand::Redrive { step, component } => {
                let component = component.map(|component| component.to_string());
                (Some(*step), Data::StepRedriven(data::StepRedriven { run, step: self.name(*step), component, by }))
            }
            Demand::Resolve(resolve) => (Some(resolve.step), self.resolved(resolve, by)),
            Demand::Kill => (None, Data::SagaKillDemanded(data::Demand { run, by })),
        }
    }

    fn resolved(&self, resolve: &Resolve, by: By) -> Data {
        let mut inline = Inline::default();
        let evidence = resolve.evidence.as_ref().and_then(|evidence| inline.value("evidence", evidence, &self.journal()));
        let output = resolve.output.as_ref().and_then(|output| inline.value("output", output, &self.journal()));
        let (run, step, resolution) = (self.run.to_string(), self.name(resolve.step), resolve.resolution.word().to_owned());
        let resolved = data::StepResolved { run, step, resolution, evidence, output, by, cut: inline.cut };
        match resolve.confirmation {
            Confirmation::Awaited => Data::StepResolutionProposed(resolved),
            Confirmation::NotNeeded | Confirmation::Given => Data::StepResolved(resolved),
        }
    }
}

fn cost(ended: &AttemptEnded) -> Cost {
    Cost {
        fuel: ended.spent.fuel,
        micros: ended.spent.micros,
        conflicts: ended.spent.conflicts,
        log_lines: ended.log.len() as u64,
        written_keys: ended.writes.len() as u64,
    }
}

fn by(author: &Author) -> By {
    By { who: text(&author.who), why: author.why.as_deref().map(text) }
}

fn word_of_omission(reason: Omission) -> &'static str {
    match reason {
        Omission::ProvenClean => "proven-clean",
        Omission::NotDeclared => "not-declared",
        Omission::OnlyWaited => "only-waited",
    }
}

fn word_of_in_flight(in_flight: InFlight) -> &'static str {
    match in_flight {
        InFlight::MayEnd => "may-end",
        InFlight::EndNow => "end-now",
    }
}
