//! Wrong ways of listening to people: demands that are not done, or done too well, or admitted where they do not fit.

use super::{Plant, admitted, at_rest, decided, find, is_backward, note, rewrite, start, without};
use crate::naive::is_killed;
use crate::world::Rule;
use amends_domain::decide::{Admission, Command};
use amends_domain::event::{AttemptRef, Cause, Confirmation, Demand, Demanded, Direction, Event, InFlight, Outcome, WaitEnd};
use amends_domain::id::StepIndex;
use amends_domain::run::{Phase, Run, TrackState};

const DIAMOND: &str = "diamond: two demands, a crash";
const SIGNAL: &str = "wait: a signal or failure";
const PAIR: &str = "pair: two people settle a dead letter";
const PIVOT: &str = "pivot: cannot be taken back, demands";

pub(super) fn plants() -> Vec<Plant> {
    [wishes(), ends(), scopes(), verdicts(), persons()].into_iter().flatten().collect()
}

fn wishes() -> Vec<Plant> {
    vec![
        decided("an attempt starts in a pause", DIAMOND, Rule::Demand, |run, _, commands| {
            let free = run.front().find(|(_, step)| step.forward.state == TrackState::Idle).map(|(step, _)| step);
            let paused = run.wishes().paused && !is_backward(run);
            at_rest(commands, || free.filter(|_| paused).map(|step| start(run, step, Direction::Forward)))
        }),
        decided("a compensation starts in a pause", DIAMOND, Rule::Demand, |run, _, commands| {
            let free = run.front().find(|(_, step)| step.backward.state == TrackState::Idle && step.may_have_effects());
            let paused = run.wishes().paused && is_backward(run);
            at_rest(commands, || free.filter(|_| paused).map(|(step, _)| start(run, step, Direction::Backward)))
        }),
        decided("a wait is over in a pause", SIGNAL, Rule::Demand, |run, _, commands| {
            let waits = find(run, |step| matches!(step.forward.state, TrackState::Waiting(_))).filter(|_| run.signals_len() > 0);
            let over = |step| Command::Record(Event::WaitEnded { step, end: WaitEnd::Signalled });
            at_rest(commands, || waits.filter(|_| run.wishes().paused && !is_backward(run)).map(over))
        }),
        decided("a run turns around in a pause", DIAMOND, Rule::Demand, |run, _, commands| {
            let cancelled = run.wishes().paused && run.wishes().cancel.is_some() && !is_backward(run);
            at_rest(commands, || cancelled.then_some(Command::Record(Event::CompensationStarted { cause: Cause::Cancelled })))
        }),
        decided("a cancelled run goes on", "clock: a delayed beginning", Rule::Demand, |run, _, commands| {
            let cancelled = |event: &Event| matches!(event, Event::CompensationStarted { cause: Cause::Cancelled });
            let free = run.front().find(|(_, step)| step.forward.state == TrackState::Idle).map(|(step, _)| step);
            super::instead(commands, cancelled, || free.map(|step| start(run, step, Direction::Forward)))
        }),
        decided("a run turns around that nobody cancelled", DIAMOND, Rule::Demand, |run, _, commands| {
            let early = !is_backward(run);
            at_rest(commands, || early.then_some(Command::Record(Event::CompensationStarted { cause: Cause::Cancelled })))
        }),
    ]
}

fn ends() -> Vec<Plant> {
    let unfenced: super::Decided = |_, _, commands| commands.into_iter().filter(|c| !matches!(c, Command::Fence(_))).collect();
    vec![
        decided("who cannot wait has to", DIAMOND, Rule::Demand, unfenced),
        decided("who can wait need not", DIAMOND, Rule::Demand, |run, _, commands| {
            let may_end = run.wishes().cancel == Some(InFlight::MayEnd);
            at_rest(commands, || running(run, Direction::Forward).filter(|_| may_end).map(Command::Fence))
        }),
        decided("who cannot wait ends compensations", DIAMOND, Rule::Demand, |run, _, commands| {
            let at_once = run.wishes().cancel == Some(InFlight::EndNow);
            at_rest(commands, || running(run, Direction::Backward).filter(|_| at_once).map(Command::Fence))
        }),
        decided("a killed run leaves attempts running", DIAMOND, Rule::Truth, |run, _, commands| {
            if run.wishes().kill && !matches!(run.phase(), Phase::Ended(_)) { vec![killed()] } else { commands }
        }),
        decided("a killed run is compensated first", DIAMOND, Rule::Demand, |run, _, commands| {
            let back = find(run, super::is_ready_to_go_back).filter(|_| run.wishes().kill && is_backward(run));
            super::instead(commands, is_killing, || back.map(|step| start(run, step, Direction::Backward)))
        }),
        decided("a killed run is called compensated", DIAMOND, Rule::Demand, |_, _, commands| {
            rewrite(commands, |event| match event {
                Event::Ended { outcome: Outcome::Killed, output, fault } => {
                    Event::Ended { outcome: Outcome::Compensated, output, fault }
                }
                other => other,
            })
        }),
        decided("a run is killed by nobody", DIAMOND, Rule::Demand, |_, _, commands| {
            rewrite(commands, |event| match event {
                Event::Ended { outcome: Outcome::Stuck, output, fault } => Event::Ended { outcome: Outcome::Killed, output, fault },
                other => other,
            })
        }),
        decided("a kill is forgotten", DIAMOND, Rule::Progress, |_, _, commands| without(commands, is_killing)),
    ]
}

fn is_killing(event: &Event) -> bool {
    matches!(event, Event::Ended { outcome: Outcome::Killed, .. })
}

fn killed() -> Command {
    Command::Record(Event::Ended { outcome: Outcome::Killed, output: None, fault: None })
}

fn running(run: &Run, direction: Direction) -> Option<AttemptRef> {
    run.steps().find_map(|(step, state)| {
        let track = match direction {
            Direction::Forward => state.forward,
            Direction::Backward => state.backward,
        };
        (track.state == TrackState::Running).then_some(AttemptRef { step, direction, number: track.attempts })
    })
}

fn scopes() -> Vec<Plant> {
    vec![
        decided("more is taken back than was asked for", DIAMOND, Rule::Demand, |_, _, commands| from(commands, |_| None)),
        decided("less is taken back than was asked for", DIAMOND, Rule::Truth, |_, _, commands| {
            from(commands, |_| Some(StepIndex(3)))
        }),
        decided("the other branch is taken back", DIAMOND, Rule::Demand, |_, _, commands| {
            from(commands, |asked| Some(StepIndex(if asked == StepIndex(1) { 2 } else { 1 })))
        }),
        decided("a run that was to be taken back is called succeeded", DIAMOND, Rule::Demand, |_, _, commands| {
            let requested =
                |event: &Event| matches!(event, Event::CompensationStarted { cause: Cause::Requested { from: Some(_) } });
            super::instead(commands, requested, || {
                Some(Command::Record(Event::Ended { outcome: Outcome::Succeeded, output: None, fault: None }))
            })
        }),
    ]
}

/// Takes back from another step on than was asked for.
fn from(commands: Vec<Command>, change: impl Fn(StepIndex) -> Option<StepIndex>) -> Vec<Command> {
    rewrite(commands, |event| match event {
        Event::CompensationStarted { cause: Cause::Requested { from: Some(from) } } => {
            Event::CompensationStarted { cause: Cause::Requested { from: change(from) } }
        }
        other => other,
    })
}

fn verdicts() -> Vec<Plant> {
    vec![
        admitted("a demand reopens a killed run", DIAMOND, Rule::Demand, |run, demand, by, verdict| match demand {
            Demand::Redrive { .. } if is_killed(run) => Ok(note(demand, by)),
            _ => verdict,
        }),
        admitted("a run is cancelled past its pivot", PIVOT, Rule::Demand, |run, demand, by, verdict| match demand {
            Demand::Cancel { .. } if run.is_past_pivot() => Ok(note(demand, by)),
            _ => verdict,
        }),
        admitted("a cancel is not noted", DIAMOND, Rule::Demand, |_, demand, _, verdict| match demand {
            Demand::Cancel { .. } => Ok(Admission::Already),
            _ => verdict,
        }),
        admitted("a kill is noted each time", DIAMOND, Rule::Demand, |run, demand, by, verdict| match (demand, run.phase()) {
            (Demand::Kill, Phase::Forward | Phase::Backward(_)) => Ok(note(demand, by)),
            _ => verdict,
        }),
        admitted("what is no dead letter is redriven", DIAMOND, Rule::Demand, |run, demand, by, verdict| match demand {
            Demand::Redrive { .. } if is_backward(run) => Ok(note(demand, by)),
            _ => verdict,
        }),
        admitted("a signal is admitted after its wait", SIGNAL, Rule::Demand, |run, demand, by, verdict| {
            match (demand, run.phase()) {
                (Demand::Signal { .. }, Phase::Forward) => Ok(note(demand, by)),
                _ => verdict,
            }
        }),
        admitted("a dead letter past the pivot is called undone", PIVOT, Rule::Demand, |run, demand, by, verdict| match demand {
            Demand::Resolve(resolve) if run.is_past_pivot() && run.is_dead_letter(resolve.step) => Ok(note(demand, by)),
            _ => verdict,
        }),
    ]
}

fn persons() -> Vec<Plant> {
    vec![
        admitted("one person is enough where two are asked for", PAIR, Rule::Truth, |_, _, _, verdict| match verdict {
            Ok(Admission::Note(Event::Demanded(demanded))) => Ok(Admission::Note(confirmed(*demanded, Confirmation::NotNeeded))),
            other => other,
        }),
        admitted("somebody confirms what they said themselves", PAIR, Rule::Demand, |run, demand, by, verdict| match demand {
            Demand::Resolve(resolve) if run.step(resolve.step).proposed.is_some() && verdict.is_err() => {
                let demanded = Demanded { demand: demand.clone(), by: by.clone() };
                Ok(Admission::Note(confirmed(demanded, Confirmation::Given)))
            }
            _ => verdict,
        }),
        admitted("a second person is never heard", PAIR, Rule::Demand, |_, _, _, verdict| match verdict {
            Ok(Admission::Note(Event::Demanded(demanded))) => Ok(Admission::Note(confirmed(*demanded, Confirmation::Awaited))),
            other => other,
        }),
    ]
}

fn confirmed(demanded: Demanded, confirmation: Confirmation) -> Event {
    let demand = match demanded.demand {
        Demand::Resolve(mut resolve) => {
            resolve.confirmation = confirmation;
            Demand::Resolve(resolve)
        }
        other => other,
    };
    Event::Demanded(Box::new(Demanded { demand, ..demanded }))
}
