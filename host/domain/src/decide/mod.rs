//! What a run does next. A pure function of the run and the time: the same journal gives the same orders, on any host, at any replay.
//!
//! Orders are never stored; facts are. Where a decision is itself a fact (a retry is due then, a step is given up, the run goes backward),
//! the order is to note it, and nothing else is ordered until it is noted.

mod backward;
mod forward;

use crate::definition::Policy;
use crate::event::{AttemptEnded, AttemptRef, Direction, Ending, Event, Halt, Spent};
use crate::id::StepIndex;
use crate::payload::Payload;
use crate::retry::Pause;
use crate::run::{Caution, Phase, Run, TrackState, Verdict};
use crate::time::Timestamp;

/// What a host is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Note this fact.
    Record(Event),
    /// Note the start of an attempt and run it.
    Start(StartAttempt),
    /// Ask again at this instant, unless an attempt ends before.
    WaitUntil(Timestamp),
}

/// An attempt to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartAttempt {
    /// Which.
    pub attempt: AttemptRef,
    /// What the guest gets.
    pub input: Payload,
    /// Backward: what the step gave, if it completed.
    pub output: Option<Payload>,
    /// Whether the start must be durable before the guest runs.
    pub caution: Caution,
}

impl StartAttempt {
    /// The fact to note before it runs.
    pub fn event(&self) -> Event {
        let first = self.attempt.number == 1 && self.attempt.direction == Direction::Forward;
        Event::AttemptStarted { attempt: self.attempt, input: first.then(|| self.input.clone()) }
    }
}

/// What `run` does at `now`. Empty: nothing until an attempt ends, or for ever if the run has ended.
///
/// Either all commands are [`Command::Record`], to be noted and asked again; or none is.
pub fn decide(run: &Run, now: Timestamp) -> Vec<Command> {
    match run.phase() {
        Phase::Ended(_) => Vec::new(),
        Phase::Forward => or_else(lost(run), || forward::decide(run, now)),
        Phase::Backward(_) => or_else(lost(run), || backward::decide(run, now)),
    }
}

fn or_else(commands: Vec<Command>, otherwise: impl FnOnce() -> Vec<Command>) -> Vec<Command> {
    if commands.is_empty() { otherwise() } else { commands }
}

/// The ends of attempts that were running when a host went away. All the recovery there is.
fn lost(run: &Run) -> Vec<Command> {
    let tracks = run.steps().flat_map(|(step, s)| [(step, Direction::Forward, s.forward), (step, Direction::Backward, s.backward)]);
    tracks
        .filter(|(_, _, track)| track.state == TrackState::Interrupted)
        .map(|(step, direction, track)| {
            Command::Record(Event::AttemptEnded(Box::new(AttemptEnded {
                attempt: AttemptRef { step, direction, number: track.attempts },
                ending: Ending::Halted { halt: Halt::Lost, message: "the host went away while it ran".to_owned() },
                spent: Spent::default(),
                log: Vec::new(),
                writes: Vec::new(),
            })))
        })
        .collect()
}

/// What follows a failed attempt: another one, or the end of trying.
fn after_failure(run: &Run, step: StepIndex, direction: Direction, verdict: Verdict, policy: &Policy) -> Command {
    let attempts = match direction {
        Direction::Forward => run.step(step).forward.attempts,
        Direction::Backward => run.step(step).backward.attempts,
    };
    match verdict {
        Verdict::Retryable { ended, not_before } if attempts < policy.retry.attempts => {
            let wait = policy.retry.wait(&Pause { run: run.id(), step, direction, failed: attempts });
            Command::Record(Event::RetryScheduled { step, direction, due: ended.plus(wait).max(not_before) })
        }
        Verdict::Retryable { .. } | Verdict::Final => Command::Record(match direction {
            Direction::Forward => Event::StepFailed { step, fault: None },
            Direction::Backward => Event::CompensationFailed { step },
        }),
    }
}

/// The earliest of the instants at which something is to be done.
fn wait(dues: impl Iterator<Item = Timestamp>) -> Option<Command> {
    dues.min().map(Command::WaitUntil)
}
