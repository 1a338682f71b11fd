//! Wrong rules, each as a change to what is decided, admitted or kept, with the rule that finds it. A rule whose breach nobody finds is
//! not proved.

mod backward;
mod forward;
mod people;

use crate::world::{Core, Rule, Verdict};
use amends_domain::decide::{Admission, Command, StartAttempt};
use amends_domain::event::{AttemptEnded, AttemptRef, Author, Demand, Demanded, Direction, Ending, Entry, Event};
use amends_domain::id::StepIndex;
use amends_domain::payload::Payload;
use amends_domain::run::{Caution, Phase, Run, StepRun, TrackState};
use amends_domain::time::Timestamp;

/// One wrong rule.
pub(super) struct Plant {
    pub(super) name: &'static str,
    /// The name of a graph in which it does harm.
    pub(super) graph: &'static str,
    /// The rule that finds it.
    pub(super) rule: Rule,
    pub(super) core: Core,
}

/// All of them.
pub(super) fn all() -> Vec<Plant> {
    [forward::plants(), backward::plants(), people::plants(), kept()].into_iter().flatten().collect()
}

type Decided = fn(&Run, Timestamp, Vec<Command>) -> Vec<Command>;

fn decided(name: &'static str, graph: &'static str, rule: Rule, decided: Decided) -> Plant {
    Plant { name, graph, rule, core: Core { decided, ..Core::RIGHT } }
}

fn admitted(
    name: &'static str,
    graph: &'static str,
    rule: Rule,
    admitted: fn(&Run, &Demand, &Author, Verdict) -> Verdict,
) -> Plant {
    Plant { name, graph, rule, core: Core { admitted, ..Core::RIGHT } }
}

/// A journal that does not hold what happened.
fn kept() -> Vec<Plant> {
    let kept = |name, kept: fn(Entry) -> Entry| Plant { name, graph: ROW, rule: Rule::Replay, core: Core { kept, ..Core::RIGHT } };
    vec![
        kept("the journal rounds instants", |entry| Entry { at: Timestamp(entry.at.0 + 1), ..entry }),
        kept("the journal leaves answers out", |entry| match entry.event {
            Event::AttemptEnded(ended) if matches!(ended.ending, Ending::Ok { .. }) => {
                let ending = Ending::Ok { output: Payload::default() };
                Entry { event: Event::AttemptEnded(Box::new(AttemptEnded { ending, ..*ended })), ..entry }
            }
            _ => entry,
        }),
    ]
}

const ROW: &str = "row: reverse, halt, a crash";

fn rewrite(commands: Vec<Command>, change: impl Fn(Event) -> Event) -> Vec<Command> {
    let changed = commands.into_iter().map(|command| match command {
        Command::Record(event) => Command::Record(change(event)),
        other => other,
    });
    changed.collect()
}

fn map_starts(commands: Vec<Command>, change: impl Fn(StartAttempt) -> Command) -> Vec<Command> {
    let changed = commands.into_iter().map(|command| match command {
        Command::Start(start) => change(start),
        other => other,
    });
    changed.collect()
}

/// What else is decided where `is_it` finds the fact that the rules decide.
fn instead(commands: Vec<Command>, is_it: impl Fn(&Event) -> bool, other: impl FnOnce() -> Option<Command>) -> Vec<Command> {
    let found = commands.iter().any(|command| matches!(command, Command::Record(event) if is_it(event)));
    match found.then(other).flatten() {
        Some(other) => vec![other],
        None => commands,
    }
}

/// Leaves out facts that `is_it` finds.
fn without(commands: Vec<Command>, is_it: impl Fn(&Event) -> bool) -> Vec<Command> {
    commands.into_iter().filter(|command| !matches!(command, Command::Record(event) if is_it(event))).collect()
}

/// What is decided where the rules decide to do nothing, or to wait.
fn at_rest(commands: Vec<Command>, other: impl FnOnce() -> Option<Command>) -> Vec<Command> {
    let rests = commands.iter().all(|command| matches!(command, Command::WaitUntil(_)));
    match rests.then(other).flatten() {
        Some(other) => vec![other],
        None => commands,
    }
}

/// The next attempt of a step.
fn start(run: &Run, step: StepIndex, direction: Direction) -> Command {
    let track = match direction {
        Direction::Forward => run.step(step).forward,
        Direction::Backward => run.step(step).backward,
    };
    let attempt = AttemptRef { step, direction, number: track.attempts + 1 };
    Command::Start(StartAttempt { attempt, input: Payload::from("{}"), output: None, caution: Caution::None })
}

/// The first step that `is_it` picks.
fn find(run: &Run, is_it: impl Fn(&StepRun) -> bool) -> Option<StepIndex> {
    run.steps().find(|(_, step)| is_it(step)).map(|(index, _)| index)
}

fn is_backward(run: &Run) -> bool {
    matches!(run.phase(), Phase::Backward(_))
}

fn is_ready_to_go_back(step: &StepRun) -> bool {
    step.backward.state == TrackState::Idle && step.omitted.is_none() && step.may_have_effects()
}

/// As if it fitted.
fn note(demand: &Demand, by: &Author) -> Admission {
    Admission::Note(Event::Demanded(Box::new(Demanded { demand: demand.clone(), by: by.clone() })))
}
