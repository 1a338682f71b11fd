//! A run and all its attempts.

use super::awaits::AwaitsView;
use super::settled::{DeadLetterView, DemandView};
use super::step::{StepView, ending};
use super::words;
use amends_domain::event::{Cause, Direction, Entry, Event, Fault, Outcome};
use amends_domain::id::{RunId, SagaName, StepId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Ended, Phase, Run};
use amends_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A run and all its attempts: the shape that programs rely on.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run")]
pub(crate) struct RunView {
    id: RunId,
    saga: SagaName,
    version: u32,
    #[schemars(extend("enum" = words::RUN_STATUSES))]
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
    /// The idempotency key of its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The span in somebody else's trace that its start was a part of (W3C Trace Context).
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// Where its start was delayed: until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    begins_at: Option<Timestamp>,
    /// What it waits for, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    awaits: Option<AwaitsView>,
    /// What people asked of it, oldest first.
    demands: Vec<DemandView>,
    /// The steps that wait for a person.
    dead_letters: Vec<DeadLetterView>,
}

/// The same as the answer of a command that waited for the end: what one looks for first stands first, and is always there.
#[derive(Debug, Serialize)]
pub(crate) struct EndedView {
    run: RunId,
    outcome: Option<Outcome>,
    output: Option<Payload>,
    #[serde(flatten)]
    rest: RunView,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Fault")]
pub(crate) struct FaultView {
    pub(super) code: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Payload>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[schemars(rename = "Cause")]
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
    /// A run as `entries`, all its facts, leave it.
    pub(crate) fn of(run: &Run, entries: &[Entry]) -> Self {
        let ended = match run.phase() {
            Phase::Ended(ended) => Some(ended.clone()),
            Phase::Forward | Phase::Backward(_) => None,
        };
        let cause = entries.iter().rev().find_map(cause);
        let steps = run.definition().indexed().map(|(index, _)| StepView::of(run, index, entries)).collect();
        let started = run.started();
        Self {
            id: run.id(),
            saga: started.saga.clone(),
            version: started.version,
            status: run.head().status.word(),
            outcome: ended.as_ref().map(|ended| ended.outcome),
            input: started.input.clone(),
            output: ended.as_ref().and_then(|ended| ended.output.clone()),
            error: error(run, ended.as_ref(), cause, entries),
            started_at: run.started_at(),
            ended_at: ended.map(|ended| ended.at),
            steps,
            cause: cause.map(|cause| match cause {
                Cause::StepFailed(step) => CauseView::StepFailed { step: run.definition().step(*step).id.clone() },
                Cause::DeadlinePassed => CauseView::DeadlinePassed,
                Cause::Cancelled => CauseView::Cancelled,
                Cause::Requested { from } => CauseView::Requested { from: from.map(|step| run.definition().step(step).id.clone()) },
            }),
            key: started.key.clone(),
            traceparent: started.parent.map(|parent| parent.to_string()),
            begins_at: Some(run.begins_at()).filter(|begins| *begins > run.started_at()),
            awaits: AwaitsView::of(run),
            demands: DemandView::all(run, entries),
            dead_letters: DeadLetterView::all(run, entries),
        }
    }

    /// The run as the answer of a command that waited for its end.
    pub(crate) fn ended(mut self) -> EndedView {
        EndedView { run: self.id, outcome: self.outcome.take(), output: self.output.take(), rest: self }
    }
}

fn cause(entry: &Entry) -> Option<&Cause> {
    if let Event::CompensationStarted { cause } = &entry.event { Some(cause) } else { None }
}

fn error(run: &Run, ended: Option<&Ended>, cause: Option<&Cause>, entries: &[Entry]) -> Option<FaultView> {
    let of_output = ended.and_then(|ended| ended.fault.as_ref()).map(fault);
    // Stuck on its way forward: what the first step says that waits for a person.
    let stuck = || run.steps().find(|(index, _)| run.is_dead_letter(*index)).and_then(|(index, _)| step_fault(index, entries));
    let Some(cause) = cause else { return of_output.or_else(stuck) };
    of_output.or_else(|| match cause {
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

pub(super) fn fault(fault: &Fault) -> FaultView {
    FaultView { code: fault.code.clone(), message: fault.message.clone(), details: fault.details.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{BACKWARD, FORWARD, attempt, demanded, end, failed, journal, journal_of, ok, start};
    use super::*;
    use amends_domain::event::{Confirmation, Demand, Ending, Failure, Halt, Omission, Resolution, Resolve, WaitEnd};
    use serde_json::{Value, json};

    fn view_of(steps: &str, events: Vec<Event>) -> Value {
        serde_json::to_value(journal_of(steps, events).view()).expect("it is JSON")
    }

    fn view(events: Vec<Event>) -> Value {
        serde_json::to_value(journal(events).view()).expect("it is JSON")
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
                    {"id": "take-stock", "status": "compensated", "kind": "compensatable", "uses": "p/a", "output": {},
                        "attempts": [forward, attempt("backward", 10, 11, "compensated")]},
                    {"id": "pay", "status": "compensation-not-needed", "kind": "compensatable", "uses": "p/b", "attempts": [failed],
                        "proof": {"reason": "proven-clean", "read_only": false, "attempts": 1, "requests": 0, "safe_requests": 0,
                            "text": "1 attempt, no request sent"}},
                    {"id": "ship", "status": "pending", "kind": "compensatable", "uses": "p/c", "attempts": []}],
                "demands": [], "dead_letters": []})
        );
    }

    #[test]
    fn what_has_not_happened_is_left_out_but_the_answer_of_a_command_always_has_an_output() {
        let open = view(vec![start(0, FORWARD, 1), end(0, FORWARD, 1, failed(Failure::Uncertain, "c", "m"), &[])]);
        for field in ["outcome", "output", "error", "ended_at", "cause"] {
            assert_eq!(open.get(field), None, "{field}");
        }
        assert_eq!((&open["status"], &open["steps"][0]["attempts"][0]["result"]), (&json!("running"), &json!("uncertain")));
        let ended = journal(vec![]).view().ended();
        let ended = serde_json::to_value(ended).expect("it is JSON");
        assert_eq!((&ended["run"], ended.get("output")), (&json!("run_00000000000000000000000007"), Some(&Value::Null)));
    }

    #[test]
    fn what_people_asked_and_what_waits_for_them_is_there() {
        let steps = r#"{"id":"ask","wait":{"signal":"go"}},{"id":"pay","uses":"p/b"},{"id":"ship","uses":"p/c"}"#;
        let signal = Demand::Signal { name: "go".parse().expect("a name"), payload: Payload::from("[1]") };
        let told = Resolve {
            step: StepIndex(1),
            resolution: Resolution::Undone,
            evidence: Some(Payload::from("7")),
            output: None,
            confirmation: Confirmation::Awaited,
        };
        let waiting = view_of(steps, vec![Event::WaitStarted { step: StepIndex(0), due: None }]);
        assert_eq!(waiting["awaits"], json!({"what": "signal", "signals": ["go"]}));
        let found = view_of(
            steps,
            vec![
                demanded(signal, Some("by phone")),
                Event::WaitStarted { step: StepIndex(0), due: None },
                Event::WaitEnded { step: StepIndex(0), end: WaitEnd::Signalled },
                start(1, FORWARD, 1),
                end(1, FORWARD, 1, ok(), &[]),
                start(2, FORWARD, 1),
                end(2, FORWARD, 1, failed(Failure::Rejected, "no", "no"), &[]),
                Event::StepFailed { step: StepIndex(2), fault: None },
                Event::CompensationStarted { cause: Cause::StepFailed(StepIndex(2)) },
                Event::CompensationOmitted { step: StepIndex(2), reason: Omission::ProvenClean },
                start(1, BACKWARD, 1),
                end(1, BACKWARD, 1, failed(Failure::Rejected, "closed", "it is closed"), &[]),
                Event::CompensationFailed { step: StepIndex(1) },
                Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
                demanded(Demand::Resolve(Box::new(told)), Some("refunded")),
            ],
        );
        assert_eq!(
            found["demands"],
            json!([
                {"at": "1970-01-01T00:00:01.001Z", "demand": "signal", "by": "anna", "reason": "by phone", "signal": "go", "payload": [1]},
                {"at": "1970-01-01T00:00:01.015Z", "demand": "resolve", "by": "anna", "reason": "refunded", "step": "pay",
                    "resolution": "undone", "confirmation": "awaited", "evidence": 7},
            ])
        );
        assert_eq!((&found["steps"][0]["kind"], &found["steps"][0]["wait"]["end"]), (&json!("wait"), &json!("signalled")));
        let letter = &found["dead_letters"][0];
        assert_eq!(letter["id"], "run_00000000000000000000000007.pay");
        assert_eq!(
            (&letter["direction"], &letter["attempts"], &letter["fault"]["code"]),
            (&json!("backward"), &json!(1), &json!("closed"))
        );
        assert_eq!((&letter["proposed"]["by"], &letter["recommended"]["action"]), (&json!("anna"), &json!("resolve-undone")));
    }
}
