//! What a run does next. A pure function of the run and the time: the same journal gives the same orders, on any host, at any replay.
//!
//! Orders are never stored; facts are. Where a decision is itself a fact (a retry is due then, a step is given up, the run goes backward),
//! the order is to note it, and nothing else is ordered until it is noted.

mod admit;
mod backward;
mod forward;
mod waits;

pub use admit::{Admission, REASON_LEN_MAX, Unfit, WHO_LEN_MAX, admit};

use crate::definition::Policy;
use crate::event::{AttemptEnded, AttemptRef, Direction, Ending, Event, Halt, Outcome, Spent};
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
    /// End this attempt now: destroy its instance first, then note how it ended. Ordered again until that is noted.
    Fence(AttemptRef),
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

/// What `run` does at `now`. Empty: nothing until an attempt ends or somebody demands something, or for ever if the run has ended.
///
/// Either all commands are [`Command::Record`], to be noted and asked again; or none is.
pub fn decide(run: &Run, now: Timestamp) -> Vec<Command> {
    if matches!(run.phase(), Phase::Ended(_)) {
        return Vec::new();
    }
    let lost = lost(run);
    if !lost.is_empty() {
        return lost;
    }
    match run.phase() {
        _ if run.wishes().kill => kill(run),
        Phase::Forward => forward::decide(run, now),
        Phase::Backward(_) => backward::decide(run, now),
        Phase::Ended(_) => Vec::new(),
    }
}

/// The end of a run that nobody wants any more: what runs is ended, nothing is taken back.
fn kill(run: &Run) -> Vec<Command> {
    let running: Vec<Command> =
        tracks(run).filter(|(_, state)| *state == TrackState::Running).map(|(a, _)| Command::Fence(a)).collect();
    if running.is_empty() {
        return vec![Command::Record(Event::Ended { outcome: Outcome::Killed, output: None, fault: None })];
    }
    running
}

/// The newest attempt of each step in each direction, and how it stands.
fn tracks(run: &Run) -> impl Iterator<Item = (AttemptRef, TrackState)> {
    let both = run.steps().flat_map(|(step, s)| [(step, Direction::Forward, s.forward), (step, Direction::Backward, s.backward)]);
    both.map(|(step, direction, track)| (AttemptRef { step, direction, number: track.attempts }, track.state))
}

/// The ends of attempts that were running when a host went away. All the recovery there is.
fn lost(run: &Run) -> Vec<Command> {
    if run.caution() == Caution::None {
        // Nothing was interrupted since an attempt last ended.
        return Vec::new();
    }
    tracks(run)
        .filter(|(_, state)| *state == TrackState::Interrupted)
        .map(|(attempt, _)| {
            Command::Record(Event::AttemptEnded(Box::new(AttemptEnded {
                attempt,
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
    let track = match direction {
        Direction::Forward => run.step(step).forward,
        Direction::Backward => run.step(step).backward,
    };
    if let Verdict::Retryable { ended, not_before } = verdict
        && policy.retry.attempts.is_none_or(|attempts| track.counted < attempts)
    {
        let wait = policy.retry.wait(&Pause { run: run.id(), step, direction, failed: track.counted });
        let due = ended.plus(wait).max(not_before);
        let end = policy.retry.total.zip(track.since).map(|(total, since)| since.plus(total));
        if end.is_none_or(|end| due <= end) {
            return Command::Record(Event::RetryScheduled { step, direction, due });
        }
    }
    Command::Record(match direction {
        Direction::Forward => Event::StepFailed { step, fault: None },
        Direction::Backward => Event::CompensationFailed { step },
    })
}

/// The earliest of the instants at which something is to be done.
fn wait(dues: impl Iterator<Item = Timestamp>) -> Option<Command> {
    dues.min().map(Command::WaitUntil)
}
