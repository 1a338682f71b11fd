//! Wrong ways of doing: starts, conditions, waits, deadlines, the pivot.

use super::{Plant, ROW, at_rest, decided, find, instead, is_backward, map_starts, rewrite, start, without};
use crate::world::Rule;
use amends_domain::decide::Command;
use amends_domain::event::{Cause, Direction, Ending, Event, Outcome, WaitEnd};
use amends_domain::id::StepIndex;
use amends_domain::payload::Payload;
use amends_domain::run::{Caution, TrackState, Verdict};

const LINK: &str = "gap: a skipped link between two steps";
const PIVOT: &str = "pivot: joins two branches, a demand, a crash";
const HELD: &str = "pivot: cannot be taken back, a deadline";
const SIGNAL: &str = "wait: a signal or failure";
const CLOCK: &str = "clock: retries and a deadline";

pub(super) fn plants() -> Vec<Plant> {
    [attempts(), graphs(), pivots(), waits(), clocks()].into_iter().flatten().collect()
}

fn attempts() -> Vec<Plant> {
    vec![
        decided("a failed step is retried without end", ROW, Rule::Attempts, |run, _, commands| {
            rewrite(commands, |event| match event {
                Event::StepFailed { step, .. } if tried(run.step(step).forward.state) && !is_backward(run) => {
                    Event::RetryScheduled { step, direction: Direction::Forward, due: run.started_at() }
                }
                other => other,
            })
        }),
        decided("a step is given up though it may be tried again", ROW, Rule::Attempts, |_, _, commands| {
            rewrite(commands, |event| match event {
                Event::RetryScheduled { step, direction: Direction::Forward, .. } => Event::StepFailed { step, fault: None },
                other => other,
            })
        }),
        decided("a lost attempt does not count", ROW, Rule::Fold, |run, _, commands| {
            // The attempt after a crash takes the number of the lost one.
            let adopted = run.caution() == Caution::DurableStarts;
            map_starts(commands, |mut start| {
                start.attempt.number -= u32::from(adopted && start.attempt.number > 1);
                Command::Start(start)
            })
        }),
        decided(
            "starts after a crash are not made durable first",
            "row: reverse, continue, two crashes",
            Rule::Attempts,
            |_, _, commands| {
                map_starts(commands, |mut start| {
                    start.caution = Caution::None;
                    Command::Start(start)
                })
            },
        ),
        decided("an interrupted attempt is called ok", ROW, Rule::Truth, |_, _, commands| {
            rewrite(commands, |event| match event {
                Event::AttemptEnded(mut ended) => {
                    ended.ending = Ending::Ok { output: Payload::default() };
                    Event::AttemptEnded(ended)
                }
                other => other,
            })
        }),
        decided(
            "nothing follows a failure",
            ROW,
            Rule::Progress,
            |run, _, commands| if is_backward(run) { Vec::new() } else { commands },
        ),
        decided("a retry comes before it is due", CLOCK, Rule::Time, |run, _, commands| {
            at_rest(commands, || {
                find(run, |step| matches!(step.forward.state, TrackState::Retrying(_)))
                    .map(|step| start(run, step, Direction::Forward))
            })
        }),
        decided("a retry is scheduled at once", CLOCK, Rule::Time, |_, now, commands| {
            rewrite(commands, |event| match event {
                Event::RetryScheduled { step, direction, .. } => Event::RetryScheduled { step, direction, due: now },
                other => other,
            })
        }),
    ]
}

fn tried(state: TrackState) -> bool {
    matches!(state, TrackState::Undecided(Verdict::Retryable { .. }))
}

fn graphs() -> Vec<Plant> {
    const DIAMOND: &str = "diamond: two demands, a crash";
    vec![
        decided("the run goes on forward after a step failed", ROW, Rule::Order, |run, _, commands| {
            instead(
                commands,
                |event| matches!(event, Event::CompensationStarted { .. }),
                || find(run, |step| step.forward.state == TrackState::Idle).map(|step| start(run, step, Direction::Forward)),
            )
        }),
        decided("a step starts when one of the branches before it is done", DIAMOND, Rule::Order, |run, _, commands| {
            let joined = |step: &(StepIndex, &amends_domain::run::StepRun)| {
                let after = &run.definition().step(step.0).after;
                step.1.forward.state == TrackState::Idle && after.iter().any(|earlier| run.step(*earlier).forward.is_over())
            };
            let next = run.steps().find(joined).map(|(step, _)| step).filter(|_| !is_backward(run));
            at_rest(commands, || next.map(|step| start(run, step, Direction::Forward)))
        }),
        decided("a condition is not asked", LINK, Rule::Truth, |run, _, commands| {
            instead(
                commands,
                |event| matches!(event, Event::StepSkipped { .. }),
                || find(run, |step| step.forward.state == TrackState::Idle).map(|step| start(run, step, Direction::Forward)),
            )
        }),
        decided("a step is skipped though its condition holds", LINK, Rule::Truth, |run, _, commands| {
            let first = commands.iter().find_map(|c| if let Command::Start(start) = c { Some(start.attempt) } else { None });
            match first {
                Some(attempt) if !is_backward(run) => vec![Command::Record(Event::StepSkipped { step: attempt.step })],
                _ => commands,
            }
        }),
        decided(
            "a condition that fails counts as one that does not hold",
            "gap: a condition that fails",
            Rule::Truth,
            |_, _, commands| {
                rewrite(commands, |event| match event {
                    Event::StepFailed { step, fault: Some(_) } => Event::StepSkipped { step },
                    other => other,
                })
            },
        ),
        decided("a run that was taken back is called succeeded", ROW, Rule::Truth, |_, _, commands| {
            rewrite(commands, |event| match event {
                Event::Ended { outcome: Outcome::Compensated, output, fault } => {
                    Event::Ended { outcome: Outcome::Succeeded, output, fault }
                }
                other => other,
            })
        }),
    ]
}

fn pivots() -> Vec<Plant> {
    vec![
        decided("a step given up behind the pivot turns the run around", PIVOT, Rule::Pivot, |run, _, commands| {
            turned_instead_of_stuck(commands, find(run, |step| step.forward.state == TrackState::GivenUp))
        }),
        decided("a pivot in doubt that cannot be taken back turns the run around", HELD, Rule::Pivot, |run, _, commands| {
            turned_instead_of_stuck(commands, run.definition().pivot.filter(|_| run.is_held_by_pivot()))
        }),
        decided("a cancel does not wait for the pivot", PIVOT, Rule::Pivot, |run, _, commands| {
            let runs = run.definition().pivot.is_some_and(|pivot| run.step(pivot).forward.state == TrackState::Running);
            let cancelled = runs && run.wishes().cancel.is_some();
            at_rest(commands, || cancelled.then_some(Command::Record(Event::CompensationStarted { cause: Cause::Cancelled })))
        }),
        decided("a deadline counts behind the pivot", HELD, Rule::Pivot, |run, now, commands| {
            let passed = run.definition().deadline.is_some_and(|span| run.begins_at().plus(span) <= now);
            let behind = passed && run.is_past_pivot();
            at_rest(commands, || behind.then_some(Command::Record(Event::CompensationStarted { cause: Cause::DeadlinePassed })))
        }),
        decided("a pivot in doubt is given up at the deadline", HELD, Rule::Attempts, |run, now, commands| {
            let passed = run.definition().deadline.is_some_and(|span| run.begins_at().plus(span) <= now);
            match run.definition().pivot {
                Some(step)
                    if passed && run.is_held_by_pivot() && matches!(run.step(step).forward.state, TrackState::Retrying(_)) =>
                {
                    vec![Command::Record(Event::StepFailed { step, fault: None })]
                }
                _ => commands,
            }
        }),
    ]
}

fn turned_instead_of_stuck(commands: Vec<Command>, cause: Option<StepIndex>) -> Vec<Command> {
    instead(
        commands,
        |event| matches!(event, Event::Ended { outcome: Outcome::Stuck, .. }),
        || cause.map(|step| Command::Record(Event::CompensationStarted { cause: Cause::StepFailed(step) })),
    )
}

fn waits() -> Vec<Plant> {
    vec![
        decided("a wait does not end when its time is over", SIGNAL, Rule::Progress, |run, _, commands| {
            without(commands, |event| matches!(event, Event::StepFailed { .. }) && run.signals_len() == 0)
        }),
        decided("a signal that came too late is taken", SIGNAL, Rule::Time, |run, _, commands| {
            rewrite(commands, |event| match event {
                Event::StepFailed { step, .. } if run.signals_len() > 0 && is_waiting(run.step(step).forward.state) => {
                    Event::WaitEnded { step, end: WaitEnd::Signalled }
                }
                other => other,
            })
        }),
        decided("a signal that came is not taken", "wait: a signal without an end", Rule::Progress, |_, _, commands| {
            without(commands, |event| matches!(event, Event::WaitEnded { end: WaitEnd::Signalled, .. }))
        }),
        decided(
            "a signal that did not come fails a step that may do without",
            "wait: a signal or going on, beside a step",
            Rule::Attempts,
            |_, _, commands| {
                rewrite(commands, |event| match event {
                    Event::WaitEnded { step, end: WaitEnd::TimedOut } => Event::StepFailed { step, fault: None },
                    other => other,
                })
            },
        ),
        decided("a wait is over before its time", "wait: a span and an instant", Rule::Time, |run, _, commands| {
            at_rest(commands, || {
                let step = find(run, |step| is_waiting(step.forward.state))?;
                Some(Command::Record(Event::WaitEnded { step, end: WaitEnd::Elapsed }))
            })
        }),
        decided("timers fire in any order", "wait: a span and an instant", Rule::Time, |_, _, mut commands| {
            commands.reverse();
            commands
        }),
        decided(
            "a deadline comes before what was over in time",
            "wait: a span and an instant",
            Rule::Time,
            |run, now, commands| {
                let passed = run.deadline().is_some_and(|deadline| deadline <= now) && !is_backward(run);
                instead(
                    commands,
                    |event| passed && matches!(event, Event::WaitEnded { .. }),
                    || Some(Command::Record(Event::CompensationStarted { cause: Cause::DeadlinePassed })),
                )
            },
        ),
        decided("a wait lasts as long as it likes", SIGNAL, Rule::Time, |_, now, commands| {
            rewrite(commands, |event| match event {
                Event::WaitStarted { step, .. } => Event::WaitStarted { step, due: Some(now) },
                other => other,
            })
        }),
    ]
}

fn is_waiting(state: TrackState) -> bool {
    matches!(state, TrackState::Waiting(_))
}

fn clocks() -> Vec<Plant> {
    const DELAYED: &str = "clock: a delayed beginning";
    vec![
        decided("nothing follows the deadline", CLOCK, Rule::Progress, |_, _, commands| {
            without(commands, |event| matches!(event, Event::CompensationStarted { cause: Cause::DeadlinePassed }))
        }),
        decided("the deadline comes early", CLOCK, Rule::Demand, |run, _, commands| {
            let early = run.deadline().is_some() && !is_backward(run);
            at_rest(commands, || early.then_some(Command::Record(Event::CompensationStarted { cause: Cause::DeadlinePassed })))
        }),
        decided("a delayed run begins at once", DELAYED, Rule::Time, |run, now, commands| {
            let early = now < run.begins_at() && !is_backward(run);
            at_rest(commands, || early.then(|| start(run, StepIndex(0), Direction::Forward)))
        }),
    ]
}
