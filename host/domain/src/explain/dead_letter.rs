//! Dead letters: the steps of a run that wait for a person, each with its cause, its attempts and what may be done about it.

use super::advice::{Advice, advice};
use crate::event::{AttemptEnded, Direction, Entry, Event, Fault};
use crate::id::{NameError, RunId, RunIdError, StepId, StepIndex};
use crate::run::{Effect, Run, Settled, TrackState};
use crate::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Names a dead letter: `run_….step`. A step is one at a time, so its run and its id are enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterId {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
}

/// Why a text names no dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterIdError {
    /// There is no step in it.
    #[error(
        "`{0}` names no step: the id of a dead letter is its run and its step, such as run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment"
    )]
    NoStep(String),
    /// The part before the first dot is no run id.
    #[error(transparent)]
    Run(#[from] RunIdError),
    /// What is behind it is no name.
    #[error(transparent)]
    Step(#[from] NameError),
}

impl FromStr for DeadLetterId {
    type Err = DeadLetterIdError;

    /// A step's id may have dots, a run's has none.
    fn from_str(text: &str) -> Result<Self, DeadLetterIdError> {
        let (run, step) = text.split_once('.').ok_or_else(|| DeadLetterIdError::NoStep(text.chars().take(80).collect()))?;
        Ok(Self { run: run.parse()?, step: step.parse()? })
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.run, self.step)
    }
}

impl Serialize for DeadLetterId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeadLetterId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeadLetterId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DeadLetterId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^run_[0-7][0-9a-hjkmnp-tv-z]{25}[.][a-z0-9][a-z0-9._-]{0,63}$" })
    }
}

/// A step that waits for a person.
#[derive(Debug, Clone)]
pub struct DeadLetter<'a> {
    /// Its name.
    pub id: DeadLetterId,
    /// Which step.
    pub step: StepIndex,
    /// Forward: the pivot that may have happened, or a step behind it. Backward: a compensation.
    pub direction: Direction,
    /// Since when.
    pub since: Timestamp,
    /// How often it was tried in that direction.
    pub attempts: u32,
    /// How the last of those attempts ended; none if there was none.
    pub last: Option<&'a AttemptEnded>,
    /// Why it was given up, where no attempt says so.
    pub fault: Option<&'a Fault>,
    /// What all its attempts sent, in both directions.
    pub effects: &'a [Effect],
    /// What one person says was done about it; a second one must say the same.
    pub proposed: Option<&'a Settled>,
    /// What may be done about it.
    pub advice: Advice,
}

/// The dead letters of a run, in the order of the steps. `journal` is that of the run.
pub fn dead_letters<'a>(run: &'a Run, journal: &'a [Entry]) -> Vec<DeadLetter<'a>> {
    if run.head().dead_letters == 0 {
        return Vec::new();
    }
    let dead = run.definition().indexed().filter(|(index, _)| run.is_dead_letter(*index));
    dead.map(|(index, step)| dead_letter(run, index, &step.id, journal)).collect()
}

fn dead_letter<'a>(run: &'a Run, index: StepIndex, step: &StepId, journal: &'a [Entry]) -> DeadLetter<'a> {
    let state = run.step(index);
    let (direction, track) = match state.backward.state {
        TrackState::GivenUp => (Direction::Backward, state.backward),
        _ => (Direction::Forward, state.forward),
    };
    let last = journal.iter().rev().find_map(|entry| match &entry.event {
        Event::AttemptEnded(ended) if ended.attempt.step == index && ended.attempt.direction == direction => Some(&**ended),
        _ => None,
    });
    let since =
        journal.iter().rev().find(|entry| gives_up(&entry.event, index, direction)).map_or(run.started_at(), |entry| entry.at);
    let fault = state.fault.as_ref().filter(|_| direction == Direction::Forward);
    DeadLetter {
        id: DeadLetterId { run: run.id(), step: step.clone() },
        step: index,
        direction,
        since,
        attempts: track.attempts,
        last,
        fault,
        effects: &state.effects,
        proposed: state.proposed.as_deref(),
        advice: advice(run, index, direction, last, fault),
    }
}

fn gives_up(event: &Event, of: StepIndex, direction: Direction) -> bool {
    match event {
        Event::CompensationFailed { step } => *step == of && direction == Direction::Backward,
        Event::StepFailed { step, .. } => *step == of && direction == Direction::Forward,
        _ => false,
    }
}
