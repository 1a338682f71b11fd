//! What should become of each demand, found without asking `admit`: it is refused, it is so already, or it is noted. Apart, because this
//! is the saga contract's list of commands once more, in another hand.

use super::memory::{Forward, Hand, Person};
use super::naive;
use super::world::{Checked, Rule, Verdict, World, broken};
use amends_domain::decide::Admission;
use amends_domain::event::{Author, Demand, Direction, InFlight, Outcome, Resolution, Resolve, Resolvers};
use amends_domain::id::StepIndex;
use amends_domain::run::{Phase, TrackState};

/// What should become of a demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Noted,
    Already,
    Refused,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Forward,
    Backward,
    Ended(Outcome),
}

/// Whether the verdict is the one that is due.
pub(crate) fn verdict(world: &World<'_>, demand: &Demand, by: &Author, verdict: &Verdict) -> Checked<()> {
    let found = match verdict {
        Ok(Admission::Note(_)) => Due::Noted,
        Ok(Admission::Already) => Due::Already,
        Err(_) => Due::Refused,
    };
    let right = due(world, demand, by.who.as_bytes()[0]);
    if found == right {
        return Ok(());
    }
    broken(Rule::Demand, format!("{demand:?} of `{}` is {found:?}, should be {right:?}: {verdict:?}", by.who))
}

/// Whoever says the same once more changes nothing.
pub(crate) fn said_again(demand: &Demand, verdict: &Verdict) -> Checked<()> {
    // A signal is a thing that comes, and may come twice. A retry is over as soon as the attempt starts.
    let may_repeat = matches!(demand, Demand::Signal { .. } | Demand::Retry);
    match verdict {
        Ok(Admission::Note(_)) if !may_repeat => broken(Rule::Demand, format!("{demand:?}, said again, is noted again")),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn place(world: &World<'_>) -> Place {
    match world.run.phase() {
        Phase::Forward => Place::Forward,
        Phase::Backward(_) => Place::Backward,
        Phase::Ended(ended) => Place::Ended(ended.outcome),
    }
}

fn due(world: &World<'_>, demand: &Demand, who: Person) -> Due {
    let (place, wanted) = (place(world), &world.memory.wanted);
    let noted_if_open = |is_so: bool| match (place, is_so) {
        (Place::Ended(_), _) => Due::Refused,
        (Place::Forward | Place::Backward, true) => Due::Already,
        (Place::Forward | Place::Backward, false) => Due::Noted,
    };
    match demand {
        Demand::Cancel { in_flight } => cancel(world, place, *in_flight),
        Demand::Pause => noted_if_open(wanted.pause.is_some()),
        Demand::Resume => noted_if_open(wanted.pause.is_none()),
        Demand::Signal { .. } => signal(world, demand, place),
        Demand::Retry => retry(world, place),
        Demand::Compensate { from } => compensate(world, *from, place),
        Demand::Redrive { step, .. } => redrive(world, *step, place),
        Demand::Resolve(resolve) => self::resolve(world, resolve, who, place),
        Demand::Kill => match place {
            Place::Ended(Outcome::Killed) => Due::Already,
            Place::Ended(Outcome::Stuck) => Due::Noted,
            Place::Forward | Place::Backward | Place::Ended(_) => noted_if_open(wanted.kill.is_some()),
        },
    }
}

fn cancel(world: &World<'_>, place: Place, in_flight: InFlight) -> Due {
    let wanted = world.memory.wanted.cancel;
    let runs = world.running.iter().any(|(attempt, _)| attempt.direction == Direction::Forward);
    match place {
        Place::Ended(Outcome::Compensated) => Due::Already,
        Place::Ended(_) => Due::Refused,
        Place::Forward if world.memory.is_past_pivot(world.graph) => Due::Refused,
        Place::Forward if wanted >= Some(in_flight) => Due::Already,
        Place::Backward if in_flight == InFlight::MayEnd || !runs || wanted == Some(InFlight::EndNow) => Due::Already,
        Place::Forward | Place::Backward => Due::Noted,
    }
}

fn signal(world: &World<'_>, demand: &Demand, place: Place) -> Due {
    let Demand::Signal { name, .. } = demand else { unreachable!("asked about a signal") };
    let mut waits = world.graph.definition.indexed().filter(|(_, step)| step.signal() == Some(name));
    let given_up = |step: StepIndex| world.run.step(step).forward.state == TrackState::GivenUp;
    let awaited = waits.any(|(step, _)| world.memory.told.steps[step.at()].forward == Forward::Open && !given_up(step));
    if place == Place::Forward && awaited { Due::Noted } else { Due::Refused }
}

fn retry(world: &World<'_>, place: Place) -> Due {
    let mut steps = world.run.steps().map(|(_, step)| if place == Place::Backward { step.backward } else { step.forward });
    let waits = steps.any(|track| matches!(track.state, TrackState::Retrying(_)));
    if waits && matches!(place, Place::Forward | Place::Backward) { Due::Noted } else { Due::Refused }
}

fn compensate(world: &World<'_>, from: Option<StepIndex>, place: Place) -> Due {
    let (graph, memory) = (world.graph, &world.memory);
    let all = graph.definition.indexed().map(|(step, _)| step);
    let meant: Vec<StepIndex> = from.map_or_else(|| all.collect(), |from| graph.built_on(from).collect());
    let covered = meant.iter().all(|step| memory.is_in_scope(*step));
    match place {
        Place::Backward | Place::Ended(Outcome::Compensated) if covered => Due::Already,
        Place::Ended(Outcome::Compensated) if world.run.is_through() => Due::Noted,
        Place::Ended(Outcome::Succeeded) if !memory.is_past_pivot(graph) => Due::Noted,
        Place::Forward | Place::Backward | Place::Ended(_) => Due::Refused,
    }
}

fn redrive(world: &World<'_>, step: StepIndex, place: Place) -> Due {
    let (run, state) = (&world.run, world.run.step(step));
    if place == Place::Ended(Outcome::Killed) {
        return Due::Refused;
    }
    if naive::dead_letters(world.graph, run).any(|letter| letter == step) {
        return Due::Noted;
    }
    let track = if naive::is_backward(run) { state.backward } else { state.forward };
    let trying = matches!(track.state, TrackState::Running | TrackState::Retrying(_));
    if trying && track.attempts > track.counted { Due::Already } else { Due::Refused }
}

fn resolve(world: &World<'_>, resolve: &Resolve, who: Person, place: Place) -> Due {
    let hand = world.memory.truth[resolve.step.at()].hand;
    if hand == Hand::Settled(resolve.resolution) {
        return Due::Already;
    }
    if place == Place::Ended(Outcome::Killed) || !naive::dead_letters(world.graph, &world.run).any(|letter| letter == resolve.step)
    {
        return Due::Refused;
    }
    let fits = match (resolve.resolution, naive::way_of_dead_letter(&world.run, resolve.step)) {
        (Resolution::Done, Direction::Backward) => false,
        (Resolution::Undone, Direction::Forward) => !world.memory.is_past_pivot(world.graph),
        (Resolution::Done, Direction::Forward) | (Resolution::Undone, Direction::Backward) => true,
    };
    match (fits, world.graph.resolvers, hand) {
        (false, _, _) => Due::Refused,
        (true, Resolvers::Two, Hand::Said(said, first)) if said == resolve.resolution && first == who => Due::Refused,
        (true, _, _) => Due::Noted,
    }
}
