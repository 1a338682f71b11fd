//! Wrong policies, each as a change to what is decided. A rule whose breach nobody finds is not proved.

use super::Bug;
use amends_domain::decide::Command;
use amends_domain::event::{AttemptRef, Direction, Ending, Event, Omission, Outcome};
use amends_domain::id::StepIndex;
use amends_domain::run::{Caution, Phase, Run, TrackState};

/// All of them, by name.
pub(super) const BUGS: &[(&str, Bug)] = &[
    ("a later rejection takes doubt back", |run, commands| forget(run, commands, |step| step.doubt && last_was_final(step))),
    ("an exhausted step in doubt is called clean", |run, commands| forget(run, commands, |step| step.doubt)),
    ("a completed step is not taken back", |run, commands| forget(run, commands, |step| step.forward.state == TrackState::Done)),
    ("a failed step is retried without end", |run, commands| {
        rewrite(commands, |event| match event {
            Event::StepFailed { step, .. } if matches!(run.step(step).forward.state, TrackState::Undecided(_)) => {
                Event::RetryScheduled { step, direction: Direction::Forward, due: run.started_at() }
            }
            other => other,
        })
    }),
    ("a lost attempt does not count", |run, commands| {
        // The attempt after a crash takes the number of the lost one.
        let adopted = run.caution() == Caution::DurableStarts;
        map_starts(commands, |mut start| {
            start.attempt.number -= u32::from(adopted && start.attempt.number > 1);
            start
        })
    }),
    ("starts after a crash are not made durable first", |_, commands| {
        map_starts(commands, |mut start| {
            start.caution = Caution::None;
            start
        })
    }),
    ("the run goes on forward after a step failed", |run, commands| {
        let next = run.steps().find(|(_, step)| step.forward.state == TrackState::Idle).map(|(index, _)| index);
        commands.into_iter().map(|command| onward(command, next)).collect()
    }),
    ("compensation in the order of the steps", |run, commands| {
        let first = run.steps().find(|(_, step)| !step.is_settled() && step.may_have_effects()).map(|(index, _)| index);
        map_starts(commands, |mut start| {
            if let (Direction::Backward, Some(first)) = (start.attempt.direction, first) {
                start.attempt = AttemptRef { step: first, number: run.step(first).backward.attempts + 1, ..start.attempt };
            }
            start
        })
    }),
    ("a failed compensation is called compensated", |_, commands| {
        rewrite(commands, |event| match event {
            Event::Ended { outcome: Outcome::Stuck, output, fault } => {
                Event::Ended { outcome: Outcome::Compensated, output, fault }
            }
            other => other,
        })
    }),
    ("a run that was taken back is called succeeded", |_, commands| {
        rewrite(commands, |event| match event {
            Event::Ended { outcome: Outcome::Compensated, output, fault } => {
                Event::Ended { outcome: Outcome::Succeeded, output, fault }
            }
            other => other,
        })
    }),
    ("a clean step is taken back", |run, commands| commands.into_iter().map(|command| take_back_clean(run, command)).collect()),
    ("an interrupted attempt is called ok", |_, commands| {
        rewrite(commands, |event| match event {
            Event::AttemptEnded(mut ended) => {
                ended.ending = Ending::Ok { output: amends_domain::payload::Payload::default() };
                Event::AttemptEnded(ended)
            }
            other => other,
        })
    }),
    ("nothing follows a failure", |run, commands| if matches!(run.phase(), Phase::Backward(_)) { Vec::new() } else { commands }),
];

fn last_was_final(step: &amends_domain::run::StepRun) -> bool {
    step.forward.attempts == super::ATTEMPTS
}

fn rewrite(commands: Vec<Command>, change: impl Fn(Event) -> Event) -> Vec<Command> {
    let changed = commands.into_iter().map(|command| match command {
        Command::Record(event) => Command::Record(change(event)),
        other => other,
    });
    changed.collect()
}

fn map_starts(
    commands: Vec<Command>,
    change: impl Fn(amends_domain::decide::StartAttempt) -> amends_domain::decide::StartAttempt,
) -> Vec<Command> {
    let changed = commands.into_iter().map(|command| match command {
        Command::Start(start) => Command::Start(change(start)),
        other => other,
    });
    changed.collect()
}

/// Leaves out the compensation of steps that `forgets` picks, as if they were proven clean.
fn forget(run: &Run, commands: Vec<Command>, forgets: impl Fn(&amends_domain::run::StepRun) -> bool) -> Vec<Command> {
    let changed = commands.into_iter().map(|command| match command {
        Command::Start(start)
            if start.attempt.direction == Direction::Backward
                && start.attempt.number == 1
                && forgets(run.step(start.attempt.step)) =>
        {
            Command::Record(Event::CompensationOmitted { step: start.attempt.step, reason: Omission::ProvenClean })
        }
        other => other,
    });
    changed.collect()
}

fn onward(command: Command, next: Option<StepIndex>) -> Command {
    match (command, next) {
        (Command::Record(Event::CompensationStarted { .. }), Some(step)) => Command::Start(amends_domain::decide::StartAttempt {
            attempt: AttemptRef { step, direction: Direction::Forward, number: 1 },
            input: amends_domain::payload::Payload::default(),
            output: None,
            caution: Caution::None,
        }),
        (command, _) => command,
    }
}

fn take_back_clean(run: &Run, command: Command) -> Command {
    match command {
        Command::Record(Event::CompensationOmitted { step, reason: Omission::ProvenClean }) => {
            Command::Start(amends_domain::decide::StartAttempt {
                attempt: AttemptRef { step, direction: Direction::Backward, number: run.step(step).backward.attempts + 1 },
                input: amends_domain::payload::Payload::default(),
                output: None,
                caution: Caution::None,
            })
        }
        command => command,
    }
}
