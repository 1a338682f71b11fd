//! A run as JSON: the shape that programs rely on, the same wherever a run is shown. Apart from the rules, whose types may change.

use super::journal::Journal;
use super::timeline::{failure, halt};
use amends_domain::event::{AttemptEnded, AttemptRef, Cause, Direction, Ending, Entry, Event, Fault, LogLine, Outcome};
use amends_domain::id::{RunId, SagaName, StepId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Ended, Phase, Run, StepStatus};
use amends_domain::time::Timestamp;
use serde::Serialize;

/// A run and all its attempts.
#[derive(Debug, Serialize)]
pub(super) struct RunView {
    id: RunId,
    saga: SagaName,
    version: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    input: Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Payload>,
    /// Why it did not succeed, or gives no output.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FaultView>,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    steps: Vec<StepView>,
    /// Why it went backward.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseView>,
}

/// The same as the answer of a command that waited for the end: what one looks for first stands first, and is always there.
#[derive(Debug, Serialize)]
pub(super) struct EndedView {
    run: RunId,
    outcome: Option<Outcome>,
    output: Option<Payload>,
    #[serde(flatten)]
    rest: RunView,
}

#[derive(Debug, Serialize)]
struct StepView {
    id: StepId,
    status: StepStatus,
    kind: &'static str,
    attempts: Vec<AttemptView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Payload>,
}

#[derive(Debug, Serialize)]
struct AttemptView {
    direction: Direction,
    number: u32,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultView>,
    fuel: u64,
    took_us: u64,
    /// How often it was repeated because another run had changed what it read.
    conflicts: u32,
    effects: Vec<EffectView>,
    log_lines: Vec<LogLine>,
}

#[derive(Debug, Clone, Serialize)]
struct FaultView {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Payload>,
}

#[derive(Debug, Serialize)]
struct EffectView {
    call: u32,
    method: String,
    target: String,
    sent_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Payload>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum CauseView {
    StepFailed {
        step: StepId,
    },
    DeadlinePassed,
    Cancelled,
    Requested {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<StepId>,
    },
}

impl RunView {
    /// The run that `journal` tells of.
    pub(super) fn of(journal: &Journal) -> anyhow::Result<Self> {
        let run = journal.replay()?;
        let ended = match run.phase() {
            Phase::Ended(ended) => Some(ended.clone()),
            Phase::Forward | Phase::Backward(_) => None,
        };
        let cause = journal.entries.iter().find_map(cause);
        let steps = run.definition().indexed().map(|(index, _)| step(&run, index, &journal.entries)).collect();
        let started = run.started();
        Ok(Self {
            id: run.id(),
            saga: started.saga.clone(),
            version: started.version,
            status: run.head().status.word(),
            outcome: ended.as_ref().map(|ended| ended.outcome),
            input: started.input.clone(),
            output: ended.as_ref().and_then(|ended| ended.output.clone()),
            error: error(ended.as_ref(), cause, &journal.entries),
            started_at: run.started_at(),
            ended_at: ended.map(|ended| ended.at),
            steps,
            cause: cause.map(|cause| match cause {
                Cause::StepFailed(step) => CauseView::StepFailed { step: run.definition().step(*step).id.clone() },
                Cause::DeadlinePassed => CauseView::DeadlinePassed,
                Cause::Cancelled => CauseView::Cancelled,
                Cause::Requested { from } => CauseView::Requested { from: from.map(|step| run.definition().step(step).id.clone()) },
            }),
        })
    }

    /// The run as the answer of a command that waited for its end.
    pub(super) fn ended(mut self) -> EndedView {
        EndedView { run: self.id, outcome: self.outcome.take(), output: self.output.take(), rest: self }
    }
}

fn cause(entry: &Entry) -> Option<&Cause> {
    if let Event::CompensationStarted { cause } = &entry.event { Some(cause) } else { None }
}

fn error(ended: Option<&Ended>, cause: Option<&Cause>, entries: &[Entry]) -> Option<FaultView> {
    let of_output = ended.and_then(|ended| ended.fault.as_ref()).map(fault);
    of_output.or_else(|| match cause? {
        Cause::StepFailed(step) => step_fault(*step, entries),
        Cause::DeadlinePassed => Some(FaultView {
            code: "deadline_passed".to_owned(),
            message: "the run did not get through before its deadline".to_owned(),
            details: None,
        }),
        Cause::Cancelled | Cause::Requested { .. } => None,
    })
}

/// Why a step was given up: what was said when it was, or else how its last attempt ended.
fn step_fault(step: StepIndex, entries: &[Entry]) -> Option<FaultView> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::StepFailed { step: found, fault: Some(said) } if *found == step => Some(fault(said)),
        Event::AttemptEnded(ended) if ended.attempt.step == step && ended.attempt.direction == Direction::Forward => {
            ending(ended).1
        }
        _ => None,
    })
}

fn step(run: &Run, index: StepIndex, entries: &[Entry]) -> StepView {
    let attempts = entries.iter().filter_map(|entry| match &entry.event {
        Event::AttemptStarted { attempt, .. } if attempt.step == index => Some(attempt_view(*attempt, entry.at, entries)),
        _ => None,
    });
    StepView {
        id: run.definition().step(index).id.clone(),
        status: run.status_of(index),
        kind: run.definition().step(index).kind().word(),
        attempts: attempts.collect(),
        output: run.step(index).output.clone(),
    }
}

fn attempt_view(attempt: AttemptRef, started_at: Timestamp, entries: &[Entry]) -> AttemptView {
    let ended = entries.iter().find_map(|entry| match &entry.event {
        Event::AttemptEnded(ended) if ended.attempt == attempt => Some((entry.at, ended)),
        _ => None,
    });
    let (result, fault) = ended.map_or(("running", None), |(_, ended)| ending(ended));
    let spent = ended.map(|(_, ended)| ended.spent).unwrap_or_default();
    AttemptView {
        direction: attempt.direction,
        number: attempt.number,
        started_at,
        ended_at: ended.map(|(at, _)| at),
        result,
        fault,
        fuel: spent.fuel,
        took_us: spent.micros,
        conflicts: spent.conflicts,
        effects: effects(attempt, entries),
        log_lines: ended.map(|(_, ended)| ended.log.clone()).unwrap_or_default(),
    }
}

fn ending(ended: &AttemptEnded) -> (&'static str, Option<FaultView>) {
    match (&ended.ending, ended.attempt.direction) {
        (Ending::Ok { .. }, Direction::Forward) => ("completed", None),
        (Ending::Ok { .. }, Direction::Backward) => ("compensated", None),
        (Ending::Failed { failure: kind, fault: said, .. }, _) => (failure(*kind), Some(fault(said))),
        (Ending::Halted { halt: kind, message }, _) => {
            let code = halt(*kind);
            (code, Some(FaultView { code: code.replace('-', "_"), message: message.clone(), details: None }))
        }
    }
}

fn effects(attempt: AttemptRef, entries: &[Entry]) -> Vec<EffectView> {
    let mut effects: Vec<EffectView> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::EffectIntended { attempt: of, call, method, target } if *of == attempt => effects.push(EffectView {
                call: *call,
                method: method.clone(),
                target: target.clone(),
                sent_at: entry.at,
                status: None,
                response: None,
            }),
            Event::EffectAnswered { attempt: of, call, status, response } if *of == attempt => {
                for effect in effects.iter_mut().filter(|effect| effect.call == *call) {
                    (effect.status, effect.response) = (Some(*status), response.clone());
                }
            }
            _ => {}
        }
    }
    effects
}

fn fault(fault: &Fault) -> FaultView {
    FaultView { code: fault.code.clone(), message: fault.message.clone(), details: fault.details.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{BACKWARD, FORWARD, attempt, end, failed, journal, ok, start};
    use super::*;
    use amends_domain::event::{Failure, Halt, Omission};
    use serde_json::{Value, json};

    fn view(events: Vec<Event>) -> Value {
        serde_json::to_value(RunView::of(&journal(events)).expect("a journal that makes sense")).expect("it is JSON")
    }

    #[test]
    fn a_run_has_the_shape_that_programs_rely_on() {
        let trap = Ending::Halted { halt: Halt::OutOfMemory, message: "wanted 2".into() };
        let found = view(vec![
            start(0, FORWARD, 1),
            Event::EffectIntended { attempt: attempt(0, FORWARD, 1), call: 1, method: "GET".into(), target: "https://a/".into() },
            Event::EffectAnswered { attempt: attempt(0, FORWARD, 1), call: 1, status: 200, response: Some(Payload::from("[1]")) },
            end(0, FORWARD, 1, ok(), &["said"]),
            start(1, FORWARD, 1),
            end(1, FORWARD, 1, trap, &[]),
            Event::StepFailed { step: StepIndex(1), fault: None },
            Event::CompensationStarted { cause: Cause::StepFailed(StepIndex(1)) },
            Event::CompensationOmitted { step: StepIndex(1), reason: Omission::ProvenClean },
            start(0, BACKWARD, 1),
            end(0, BACKWARD, 1, ok(), &[]),
            Event::Ended { outcome: Outcome::Compensated, output: None, fault: None },
        ]);
        let at = |ms: u64| format!("1970-01-01T00:00:01.{ms:03}Z");
        let fault = json!({"code": "out_of_memory", "message": "wanted 2"});
        let attempt = |direction: &str, start, end, result: &str| {
            json!({"direction": direction, "number": 1, "started_at": at(start), "ended_at": at(end), "result": result, "fuel": 48_213,
                "took_us": 312, "conflicts": 0, "effects": [], "log_lines": []})
        };
        let mut forward = attempt("forward", 1, 4, "completed");
        forward["effects"] =
            json!([{"call": 1, "method": "GET", "target": "https://a/", "sent_at": at(2), "status": 200, "response": [1]}]);
        forward["log_lines"] = json!([{"level": "info", "message": "said"}]);
        let mut failed = attempt("forward", 5, 6, "out-of-memory");
        failed["fault"] = fault.clone();
        assert_eq!(
            found,
            json!({"id": "run_00000000000000000000000007", "saga": "s", "version": 1, "status": "compensated", "outcome": "compensated",
                "input": {}, "error": fault, "started_at": at(0), "ended_at": at(12), "cause": {"reason": "step-failed", "step": "pay"},
                "steps": [
                    {"id": "take-stock", "status": "compensated", "kind": "compensatable", "output": {},
                        "attempts": [forward, attempt("backward", 10, 11, "compensated")]},
                    {"id": "pay", "status": "compensation-not-needed", "kind": "compensatable", "attempts": [failed]},
                    {"id": "ship", "status": "pending", "kind": "compensatable", "attempts": []}]})
        );
    }

    #[test]
    fn what_has_not_happened_is_left_out_but_the_answer_of_a_command_always_has_an_output() {
        let open = view(vec![start(0, FORWARD, 1), end(0, FORWARD, 1, failed(Failure::Uncertain, "c", "m"), &[])]);
        for field in ["outcome", "output", "error", "ended_at", "cause"] {
            assert_eq!(open.get(field), None, "{field}");
        }
        assert_eq!((&open["status"], &open["steps"][0]["attempts"][0]["result"]), (&json!("running"), &json!("uncertain")));
        let ended = RunView::of(&journal(vec![])).expect("a journal that makes sense").ended();
        let ended = serde_json::to_value(ended).expect("it is JSON");
        assert_eq!((&ended["run"], ended.get("output")), (&json!("run_00000000000000000000000007"), Some(&Value::Null)));
    }
}
