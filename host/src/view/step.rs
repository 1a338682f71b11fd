//! How the steps of a run are shown: each with its attempts in both directions, what they sent, and why it needs no compensation.

use super::run::{FaultView, fault};
use super::settled::ResolutionView;
use super::words;
use amends_domain::definition::{Node, Step};
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, AttemptRef, Direction, Ending, Entry, Event, LogLine, WaitEnd};
use amends_domain::explain::{Proof, proof};
use amends_domain::id::{SignalName, StepId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Run, StepStatus};
use amends_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(super) struct StepView {
    id: StepId,
    status: StepStatus,
    /// Its kind, or `wait`.
    #[schemars(extend("enum" = words::STEP_KINDS))]
    kind: &'static str,
    attempts: Vec<AttemptView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Payload>,
    /// `plugin/handler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<String>,
    /// What its next attempts use instead of what the run pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<WaitView>,
    /// What shows that it needs no compensation.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofView>,
    /// What a person did about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<ResolutionView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Wait")]
struct WaitView {
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<SignalName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// When it is over, or has lasted too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<WaitEnd>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Proof")]
struct ProofView {
    #[serde(flatten)]
    proof: Proof,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub(super) struct AttemptView {
    direction: Direction,
    number: u32,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[schemars(extend("enum" = words::ATTEMPT_RESULTS))]
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

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Effect")]
pub(super) struct EffectView {
    call: u32,
    method: String,
    target: String,
    sent_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Payload>,
}

impl StepView {
    pub(super) fn of(run: &Run, index: StepIndex, entries: &[Entry]) -> Self {
        let (step, state) = (run.definition().step(index), run.step(index));
        Self {
            id: step.id.clone(),
            status: run.status_of(index),
            kind: kind(step),
            attempts: attempts(index, entries),
            output: state.output.clone(),
            uses: step.uses().map(|uses| uses.handler.to_string()),
            component: state.component,
            wait: match &step.node {
                Node::Uses(_) => None,
                Node::Wait(_) => Some(wait(index, step.signal().cloned(), entries)),
            },
            proof: proof(run, index).map(|proof| ProofView { proof, text: proof.to_string() }),
            resolved: state.settled.as_deref().map(ResolutionView::of),
        }
    }
}

/// Its kind, or `wait`.
pub(crate) fn kind(step: &Step) -> &'static str {
    match &step.node {
        Node::Uses(uses) => uses.kind.word(),
        Node::Wait(_) => "wait",
    }
}

fn wait(index: StepIndex, signal: Option<SignalName>, entries: &[Entry]) -> WaitView {
    let mut view = WaitView { signal, started_at: None, until: None, ended_at: None, end: None };
    for entry in entries {
        match &entry.event {
            Event::WaitStarted { step, due } if *step == index => (view.started_at, view.until) = (Some(entry.at), *due),
            Event::WaitEnded { step, end } if *step == index => (view.ended_at, view.end) = (Some(entry.at), Some(*end)),
            _ => {}
        }
    }
    view
}

/// All attempts of a step, in both directions, in the order of their starts.
pub(super) fn attempts(step: StepIndex, entries: &[Entry]) -> Vec<AttemptView> {
    let started = entries.iter().filter_map(|entry| match &entry.event {
        Event::AttemptStarted { attempt, .. } if attempt.step == step => Some(attempt_view(*attempt, entry.at, entries)),
        _ => None,
    });
    started.collect()
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

pub(super) fn ending(ended: &AttemptEnded) -> (&'static str, Option<FaultView>) {
    match (&ended.ending, ended.attempt.direction) {
        (Ending::Ok { .. }, Direction::Forward) => ("completed", None),
        (Ending::Ok { .. }, Direction::Backward) => ("compensated", None),
        (Ending::Failed { failure: kind, fault: said, .. }, _) => (kind.word(), Some(fault(said))),
        (Ending::Halted { halt: kind, message }, _) => {
            let code = kind.word();
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
