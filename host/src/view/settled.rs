//! How demands, resolutions and dead letters are shown.

use super::run::{FaultView, fault};
use super::step::{AttemptView, attempts, ending};
use super::words;
use amends_domain::digest::Digest;
use amends_domain::event::{Confirmation, Demand, Demanded, Direction, Entry, Event, InFlight, Resolution};
use amends_domain::explain::{Advice, DeadLetter, DeadLetterId, dead_letters};
use amends_domain::id::{RunId, SagaName, SignalName, StepId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Effect, Run, Settled};
use amends_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Something that was asked of a run.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Demand")]
pub(super) struct DemandView {
    at: Option<Timestamp>,
    #[schemars(extend("enum" = words::DEMANDS))]
    demand: &'static str,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Cancel: what becomes of attempts that are running.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<InFlight>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<SignalName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    /// Compensate: from which step on.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<StepId>,
    /// Redrive and resolve: which dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<StepId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Payload>,
}

impl DemandView {
    /// All that was asked of a run, oldest first.
    pub(super) fn all(run: &Run, entries: &[Entry]) -> Vec<Self> {
        let demands = entries.iter().filter_map(|entry| match &entry.event {
            Event::Demanded(demanded) => Some(Self::of(run, entry.at, demanded)),
            _ => None,
        });
        demands.collect()
    }

    fn of(run: &Run, at: Timestamp, Demanded { demand, by }: &Demanded) -> Self {
        let step = |index: StepIndex| Some(run.definition().step(index).id.clone());
        let (who, reason, key) = (by.who.clone(), by.why.clone(), by.key.clone());
        let view = Self { at: Some(at), demand: demand.word(), by: who, reason, key, ..Self::default() };
        match demand {
            Demand::Cancel { in_flight } => Self { in_flight: Some(*in_flight), ..view },
            Demand::Signal { name, payload } => Self { signal: Some(name.clone()), payload: Some(payload.clone()), ..view },
            Demand::Compensate { from } => Self { from: from.and_then(step), ..view },
            Demand::Redrive { step: of, component } => Self { step: step(*of), component: *component, ..view },
            Demand::Resolve(resolve) => Self {
                step: step(resolve.step),
                resolution: Some(resolve.resolution),
                confirmation: Some(resolve.confirmation),
                evidence: resolve.evidence.clone(),
                output: resolve.output.clone(),
                ..view
            },
            Demand::Pause | Demand::Resume | Demand::Retry | Demand::Kill => view,
        }
    }
}

/// What a person did about a dead letter, or says that they did.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ResolvedBy")]
pub(super) struct ResolutionView {
    resolution: Resolution,
    at: Timestamp,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Payload>,
}

impl ResolutionView {
    pub(super) fn of(settled: &Settled) -> Self {
        let Settled { resolve, by, confirmed_by, at } = settled;
        Self {
            resolution: resolve.resolution,
            at: *at,
            by: by.who.clone(),
            reason: by.why.clone(),
            confirmed_by: confirmed_by.as_ref().map(|second| second.who.clone()),
            evidence: resolve.evidence.clone(),
            output: resolve.output.clone(),
        }
    }
}

/// A dead letter in a list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub(crate) struct DeadLetterView {
    pub(crate) id: DeadLetterId,
    run: RunId,
    step: StepId,
    pub(crate) saga: SagaName,
    direction: Direction,
    pub(crate) since: Timestamp,
    /// How many, in that direction.
    pub(crate) attempts: u32,
    /// How the last one ended; none if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words::ATTEMPT_RESULTS))]
    result: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultView>,
    /// What one person says; it counts when a second one says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed: Option<ResolutionView>,
    recommended: Advice,
}

impl DeadLetterView {
    /// All dead letters of a run.
    pub(crate) fn all(run: &Run, entries: &[Entry]) -> Vec<Self> {
        dead_letters(run, entries).iter().map(|letter| Self::of(run, letter)).collect()
    }

    /// One of them.
    pub(crate) fn of(run: &Run, letter: &DeadLetter<'_>) -> Self {
        let (result, said) = letter.last.map(ending).map_or((None, None), |(result, fault)| (Some(result.into()), fault));
        Self {
            id: letter.id.clone(),
            run: run.id(),
            step: letter.id.step.clone(),
            saga: run.started().saga.clone(),
            direction: letter.direction,
            since: letter.since,
            attempts: letter.attempts,
            result,
            fault: letter.fault.map(fault).or(said),
            proposed: letter.proposed.map(ResolutionView::of),
            recommended: letter.advice.clone(),
        }
    }

    /// `forward` or `backward`.
    pub(crate) fn way(&self) -> &'static str {
        self.direction.word()
    }

    /// How its last attempt ended, or why there was none.
    pub(crate) fn said(&self) -> String {
        match (&self.result, &self.fault) {
            (Some(result), Some(FaultView { code, message, .. })) if result.replace('-', "_") == *code => {
                format!("{result}: {message}")
            }
            (Some(result), Some(FaultView { code, message, .. })) => format!("{result} {code}: {message}"),
            (None, Some(FaultView { code, message, .. })) => format!("{code}: {message}"),
            (_, None) => "no attempt was made: the time for the way back was over".to_owned(),
        }
    }

    /// What one person says, if that is not enough.
    pub(crate) fn proposal(&self) -> Option<String> {
        let ResolutionView { resolution: word, by, .. } = self.proposed.as_ref()?;
        Some(format!("awaits a second person: {}, says {}", word.word(), by))
    }
}

/// A dead letter and all that is known of it.
#[derive(Debug, Serialize)]
pub(crate) struct LetterDetails {
    #[serde(flatten)]
    letter: DeadLetterView,
    run_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Payload>,
    /// All attempts, in both directions.
    history: Vec<AttemptView>,
    /// What they sent.
    effects: Vec<SentView>,
    /// What to type, the recommended first.
    commands: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SentView {
    direction: Direction,
    attempt: u32,
    call: u32,
    method: String,
    target: String,
    sent_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Payload>,
}

impl LetterDetails {
    pub(crate) fn of(run: &Run, letter: &DeadLetter<'_>, entries: &[Entry], commands: Vec<String>) -> Self {
        let (step, state) = (run.definition().step(letter.step), run.step(letter.step));
        Self {
            letter: DeadLetterView::of(run, letter),
            run_status: run.status().word(),
            handler: step.uses().map(|uses| uses.handler.to_string()),
            component: run.component(letter.step),
            input: state.input.clone(),
            output: state.output.clone(),
            history: attempts(letter.step, entries),
            effects: letter.effects.iter().map(sent).collect(),
            commands,
        }
    }
}

fn sent(effect: &Effect) -> SentView {
    SentView {
        direction: effect.direction,
        attempt: effect.attempt,
        call: effect.call,
        method: effect.method.clone(),
        target: effect.target.clone(),
        sent_at: effect.sent,
        status: effect.answer,
        response: effect.response.clone(),
    }
}
