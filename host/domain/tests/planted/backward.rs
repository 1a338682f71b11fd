//! Wrong ways of taking back: what, in which order, how often, and what is said of it.

use super::{Plant, ROW, at_rest, decided, find, instead, is_backward, is_ready_to_go_back, map_starts, rewrite, start, without};
use crate::world::Rule;
use amends_domain::decide::Command;
use amends_domain::event::{Direction, Event, Omission, Outcome};
use amends_domain::id::StepIndex;
use amends_domain::run::{Run, StepRun, TrackState};

const DIAMOND: &str = "diamond: two demands, a crash";
const LINK: &str = "gap: a skipped link between two steps";
const NONE: &str = "gap: a read-only step and one without compensation";
const HALT: &str = "diamond: halt, three demands, a crash";
const CLOCK: &str = "clock: a deadline of the way back";

pub(super) fn plants() -> Vec<Plant> {
    [doubts(), orders(), kinds(), letters()].into_iter().flatten().collect()
}

fn doubts() -> Vec<Plant> {
    vec![
        decided("a later rejection takes doubt back", ROW, Rule::Truth, |run, _, commands| {
            forget(run, commands, |step| step.doubt && step.forward.attempts == 2)
        }),
        decided("an exhausted step in doubt is called clean", ROW, Rule::Truth, |run, _, commands| {
            forget(run, commands, |step| step.doubt)
        }),
        decided("a completed step is not taken back", ROW, Rule::Truth, |run, _, commands| {
            forget(run, commands, |step| step.forward.state == TrackState::Done)
        }),
        decided(
            "doubt is forgotten in a branch beside the one that failed",
            "diamond: two attempts, a crash",
            Rule::Truth,
            |run, _, commands| {
                let failed = run.steps().filter(|(_, step)| step.forward.state == TrackState::GivenUp).count();
                forget(run, commands, |step| step.doubt && failed > 1)
            },
        ),
        decided("a clean step is taken back", ROW, Rule::Truth, |run, _, commands| take_back(run, commands, Omission::ProvenClean)),
        decided("a step is taken back twice", ROW, Rule::Truth, |run, _, commands| {
            let done = find(run, |step| step.backward.state == TrackState::Done);
            instead(
                commands,
                |event| matches!(event, Event::Ended { .. }),
                || done.map(|step| start(run, step, Direction::Backward)),
            )
        }),
        decided("a failed compensation is called compensated", ROW, Rule::Truth, |run, _, commands| {
            rewrite(commands, |event| match event {
                Event::Ended { outcome: Outcome::Stuck, output, fault } if is_backward(run) => {
                    Event::Ended { outcome: Outcome::Compensated, output, fault }
                }
                other => other,
            })
        }),
    ]
}

fn orders() -> Vec<Plant> {
    vec![
        decided("compensation in the order of the steps", ROW, Rule::Order, |run, _, commands| {
            let first = find(run, |step| !step.is_settled() && is_ready_to_go_back(step));
            map_starts(commands, |begun| match (begun.attempt.direction, first) {
                (Direction::Backward, Some(first)) => start(run, first, Direction::Backward),
                _ => Command::Start(begun),
            })
        }),
        decided("a skipped step hides what comes after it", LINK, Rule::Order, |run, _, commands| {
            let hidden = run.steps().find(|(index, step)| {
                is_ready_to_go_back(step) && run.definition().step(*index).before.iter().all(|later| run.step(*later).is_settled())
            });
            let hidden = hidden.map(|(index, _)| index).filter(|_| is_backward(run) && !any_forward_runs(run));
            at_rest(commands, || hidden.map(|step| start(run, step, Direction::Backward)))
        }),
        decided("one branch taken back is enough", DIAMOND, Rule::Order, |run, _, commands| {
            let enough = run.steps().find(|(index, step)| {
                is_ready_to_go_back(step)
                    && run.definition().step(*index).before.iter().any(|later| run.step(*later).backward.is_over())
            });
            at_rest(commands, || enough.map(|(step, _)| start(run, step, Direction::Backward)))
        }),
        decided("a compensation does not wait for what still runs forward", DIAMOND, Rule::Fence, |run, _, commands| {
            let early = is_backward(run) && any_forward_runs(run);
            at_rest(commands, || {
                find(run, |step| early && is_ready_to_go_back(step)).map(|step| start(run, step, Direction::Backward))
            })
        }),
        decided("a dead letter does not halt the run", HALT, Rule::Order, |run, _, commands| {
            instead(
                commands,
                |event| matches!(event, Event::Ended { outcome: Outcome::Stuck, .. }),
                || {
                    find(run, |step| is_ready_to_go_back(step) && !step.is_settled())
                        .map(|step| start(run, step, Direction::Backward))
                },
            )
        }),
        decided(
            "a dead letter leaves undone what has begun",
            "diamond: halt, two attempts, a crash",
            Rule::Progress,
            |run, _, commands| {
                let halted = is_backward(run) && run.dead_letters() > 0;
                let begun = find(run, |step| matches!(step.backward.state, TrackState::Retrying(_)));
                let runs = find(run, |step| step.backward.state == TrackState::Running);
                match (halted, begun, runs) {
                    (true, Some(_), None) => {
                        vec![Command::Record(Event::Ended { outcome: Outcome::Stuck, output: None, fault: None })]
                    }
                    _ => commands,
                }
            },
        ),
    ]
}

fn any_forward_runs(run: &Run) -> bool {
    find(run, |step| step.forward.state == TrackState::Running).is_some()
}

fn kinds() -> Vec<Plant> {
    vec![
        decided("a read-only step is taken back", NONE, Rule::Kind, |run, _, commands| {
            take_back(run, commands, Omission::ProvenClean)
        }),
        decided("a step without a compensation is taken back", NONE, Rule::Kind, |run, _, commands| {
            take_back(run, commands, Omission::NotDeclared)
        }),
        decided("a wait is taken back", "wait: a signal without an end", Rule::Kind, |run, _, commands| {
            take_back(run, commands, Omission::OnlyWaited)
        }),
        decided("a step is left out because it only waited", NONE, Rule::Truth, |_, _, commands| {
            map_starts(commands, |start| match start.attempt.direction {
                Direction::Forward => Command::Start(start),
                Direction::Backward => omitted(start.attempt.step, Omission::OnlyWaited),
            })
        }),
        decided("a step is left out as if it had no compensation", NONE, Rule::Truth, |_, _, commands| {
            map_starts(commands, |start| match start.attempt.direction {
                Direction::Forward => Command::Start(start),
                Direction::Backward => omitted(start.attempt.step, Omission::NotDeclared),
            })
        }),
    ]
}

fn omitted(step: StepIndex, reason: Omission) -> Command {
    Command::Record(Event::CompensationOmitted { step, reason })
}

fn letters() -> Vec<Plant> {
    const REDRIVEN: &str = "clock: branches that retry";
    vec![
        decided("a redrive is without limit", REDRIVEN, Rule::Attempts, |run, now, commands| {
            rewrite(commands, |event| match event {
                Event::CompensationFailed { step } if run.step(step).backward.attempts > run.step(step).backward.counted => {
                    Event::RetryScheduled { step, direction: Direction::Backward, due: now.plus(amends_domain::time::Span(1000)) }
                }
                other => other,
            })
        }),
        decided("a redrive gives no attempt", REDRIVEN, Rule::Attempts, |run, _, commands| {
            let redriven = find(run, |step| matches!(step.backward.state, TrackState::Retrying(_)) && step.backward.counted == 0);
            redriven.map_or(commands, |step| vec![Command::Record(Event::CompensationFailed { step })])
        }),
        decided("the deadline of the way back does not count", CLOCK, Rule::Progress, |run, _, commands| {
            let untried = |event: &Event| matches!(event, Event::CompensationFailed { step } if !matches!(run.step(*step).backward.state, TrackState::Undecided(_)));
            without(commands, untried)
        }),
        decided("the deadline of the way back comes early", CLOCK, Rule::Attempts, |run, _, commands| {
            let left = find(run, is_ready_to_go_back).filter(|_| is_backward(run) && !any_forward_runs(run));
            at_rest(commands, || left.map(|step| Command::Record(Event::CompensationFailed { step })))
        }),
        decided("the host turns in a circle when the way back has lasted too long", CLOCK, Rule::Time, |run, now, commands| {
            let passed = run.compensation_deadline().filter(|deadline| *deadline <= now && is_backward(run));
            at_rest(commands, || passed.map(Command::WaitUntil))
        }),
    ]
}

/// Leaves out the compensation of steps that `forgets` picks, as if they were proven clean.
fn forget(run: &Run, commands: Vec<Command>, forgets: impl Fn(&StepRun) -> bool) -> Vec<Command> {
    let is_forgotten = |start: &amends_domain::decide::StartAttempt| {
        let step = run.step(start.attempt.step);
        start.attempt.direction == Direction::Backward && start.attempt.number == 1 && forgets(step)
    };
    let forgotten: Vec<Command> = commands
        .iter()
        .filter_map(|command| match command {
            Command::Start(start) if is_forgotten(start) => Some(omitted(start.attempt.step, Omission::ProvenClean)),
            _ => None,
        })
        .collect();
    if forgotten.is_empty() { commands } else { forgotten }
}

/// Takes back what needs not be for this reason.
fn take_back(run: &Run, commands: Vec<Command>, needless: Omission) -> Vec<Command> {
    let found = commands.iter().find_map(|command| match command {
        Command::Record(Event::CompensationOmitted { step, reason }) if *reason == needless => Some(*step),
        _ => None,
    });
    found.map_or(commands, |step| vec![start(run, step, Direction::Backward)])
}
