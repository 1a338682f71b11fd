//! What happens to the runs of the chain: those that are told, and between them have every kind of fact, and those by chance.

use super::Dice;
use super::drive::{Act, Fate, Saga, Script, drive};
use amends_domain::digest::Digest;
use amends_domain::event::{Confirmation, Demand, Entry, Failure, Halt, InFlight, Resolution, Resolve, Resolvers};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::time::Span;
use std::iter;

/// Attempts fail more often than they should, but not always.
const FATES: &[Fate] = &[
    Fate::Ok,
    Fate::OkSent,
    Fate::Ok,
    Fate::OkSent,
    Fate::Failed(Failure::Rejected),
    Fate::Failed(Failure::Unavailable),
    Fate::Failed(Failure::Uncertain),
    Fate::Halted(Halt::Trap),
    Fate::Halted(Halt::OutOfFuel),
    Fate::Halted(Halt::Timeout),
    Fate::Halted(Halt::OutOfMemory),
    Fate::Halted(Halt::Oversized),
    Fate::HaltedSent(Halt::Trap),
    Fate::Lost,
    Fate::Hangs,
];

macro_rules! acts {
    ($($act:expr),*) => { vec![$(Act::from($act)),*] };
}

/// Runs with ids from `first` on that between them have every kind of fact. The first one stays open.
pub(crate) fn told(first: u128) -> Vec<(RunId, Vec<Entry>)> {
    let scripts = [forward(), stuck(), taken_back(), approvals()].concat();
    let runs = (first..).map(RunId).zip(scripts);
    runs.map(|(run, (end, script))| {
        let asked = script.acts.iter().filter(|act| matches!(act, Act::Asks(..))).count();
        let (journal, folded) = drive(run, script);
        assert_eq!((folded.status().word(), folded.demands()), (end, u32::try_from(asked).expect("a few")), "{journal:?}");
        (run, journal)
    })
    .collect()
}

/// Any run.
pub(crate) fn by_chance(dice: &mut Dice, run: RunId) -> (RunId, Vec<Entry>) {
    let saga = [Saga::Order, Saga::Approval][dice.roll(2)];
    let resolvers = [Resolvers::One, Resolvers::Two][dice.roll(2)];
    let delay = (dice.roll(4) == 0).then_some(Span(60_000));
    let acts = iter::repeat_with(|| act_by_chance(dice, saga)).take(40).collect();
    (run, drive(run, Script { saga, delay, resolvers, acts }).0)
}

pub(crate) fn act_by_chance(dice: &mut Dice, saga: Saga) -> Act {
    if dice.roll(3) > 0 {
        return FATES[dice.roll(FATES.len())].into();
    }
    let steps = saga.definition().steps.len();
    let step = StepIndex(u16::try_from(dice.roll(steps)).expect("a few steps"));
    let resolution = [Resolution::Done, Resolution::Undone][dice.roll(2)];
    let demand = match dice.roll(20) {
        0 => Demand::Kill,
        1 => Demand::Cancel { in_flight: InFlight::MayEnd },
        2 => Demand::Cancel { in_flight: InFlight::EndNow },
        3 => Demand::Pause,
        4 | 5 => Demand::Resume,
        6 | 7 => approved(),
        8 => Demand::Retry,
        9 | 10 => Demand::Compensate { from: None },
        11 | 12 => Demand::Compensate { from: Some(step) },
        13..16 => Demand::Redrive { step, component: None },
        _ => resolved(step, resolution),
    };
    Act::Asks(["ada", "bea"][dice.roll(2)], demand)
}

type Told = (&'static str, Script);

fn order(end: &'static str, acts: Vec<Act>) -> Told {
    (end, Script { saga: Saga::Order, delay: None, resolvers: Resolvers::One, acts })
}

fn approval(end: &'static str, acts: Vec<Act>) -> Told {
    (end, Script { saga: Saga::Approval, delay: Some(Span(60_000)), resolvers: Resolvers::One, acts })
}

fn resolved(step: StepIndex, resolution: Resolution) -> Demand {
    let (evidence, output) = (Some(Payload::from(r#"{"ticket":17}"#)), Some(Payload::from("null")));
    Demand::Resolve(Box::new(Resolve { step, resolution, evidence, output, confirmation: Confirmation::NotNeeded }))
}

fn approved() -> Demand {
    Demand::Signal { name: "approved".parse().expect("a name"), payload: Payload::from(r#"{"by":"cleo"}"#) }
}

/// Runs that end once, or not yet.
fn forward() -> Vec<Told> {
    use Fate::{Failed, FailedPatiently, Halted, Hangs, Lost, Ok, OkSent};
    let (trap, cancel) = (Halted(Halt::Trap), |in_flight| Demand::Cancel { in_flight });
    vec![
        order("running", acts![Ok, OkSent, Act::Rests]),
        order("succeeded", acts![Ok, OkSent, Ok]),
        order("succeeded", acts![Lost, Demand::Pause, Demand::Resume, Ok, Halted(Halt::OutOfFuel)]),
        order("succeeded", acts![Failed(Failure::Unavailable), Demand::Retry, Ok, Halted(Halt::OutOfMemory), Ok, OkSent]),
        order("compensated", acts![Ok, Failed(Failure::Unavailable), OkSent, Failed(Failure::Rejected)]),
        order("compensated", acts![Ok, Halted(Halt::Oversized), trap]),
        order("compensated", acts![Ok, FailedPatiently]),
        order("compensated", acts![Ok, Hangs, cancel(InFlight::MayEnd), cancel(InFlight::EndNow)]),
        order("killed", acts![Ok, Hangs, Demand::Kill]),
    ]
}

/// Runs that end stuck, and what people do about them.
fn stuck() -> Vec<Told> {
    use Fate::{Failed, HaltedSent, Lost, Ok, OkSent};
    let (rejected, uncertain) = (Failed(Failure::Rejected), Failed(Failure::Uncertain));
    let reserve = StepIndex(1);
    let redrive = |component| Demand::Redrive { step: reserve, component };
    let undone = || resolved(reserve, Resolution::Undone);
    let two = |(end, script)| (end, Script { resolvers: Resolvers::Two, ..script });
    vec![
        order("stuck", acts![Ok, OkSent, HaltedSent(Halt::Timeout), Lost, rejected]),
        order("compensated", acts![Ok, Ok, rejected, rejected, redrive(Some(Digest::of(b"mended")))]),
        order("compensated", acts![Ok, Ok, uncertain, uncertain, Ok, rejected, redrive(None), rejected, undone()]),
        two(order("compensated", acts![Ok, Ok, rejected, rejected, undone(), Act::Asks("bea", undone())])),
        two(order("stuck", acts![Ok, Ok, rejected, rejected, undone()])),
        order("killed", acts![Ok, Ok, rejected, rejected, redrive(None), rejected, Demand::Kill]),
    ]
}

/// Runs that succeeded, and were taken back.
fn taken_back() -> Vec<Told> {
    use Fate::{Failed, Ok, OkSent};
    let compensate = |from| Demand::Compensate { from };
    let (ship, rejected) = (StepIndex(2), Failed(Failure::Rejected));
    vec![
        order("compensated", acts![Ok, OkSent, Ok, compensate(None)]),
        order("compensated", acts![Ok, OkSent, Ok, compensate(Some(ship)), OkSent, compensate(None)]),
        order("stuck", acts![Ok, OkSent, Ok, compensate(None), rejected]),
        order("killed", acts![Ok, OkSent, Ok, compensate(None), rejected, Ok, Demand::Kill]),
        order("compensating", acts![Ok, OkSent, Ok, compensate(None), Ok, Act::Rests]),
    ]
}

/// Runs that wait, and runs with a point of no return.
fn approvals() -> Vec<Told> {
    use Fate::{Failed, HaltedSent, Ok, OkSent};
    let (charge, tell) = (StepIndex(5), StepIndex(6));
    let (rejected, sent) = (Failed(Failure::Rejected), HaltedSent(Halt::Timeout));
    vec![
        approval("succeeded", acts![approved(), Ok, OkSent, Ok, Ok]),
        // Behind the pivot nothing is taken back.
        approval("succeeded", acts![Ok, OkSent, Ok, rejected, Demand::Redrive { step: tell, component: None }, Ok]),
        approval("succeeded", acts![Ok, OkSent, Ok, rejected, resolved(tell, Resolution::Done)]),
        approval("stuck", acts![approved(), Ok, Ok, OkSent, rejected]),
        approval("compensated", acts![Demand::Cancel { in_flight: InFlight::MayEnd }]),
        approval("compensated", acts![Ok, rejected]),
        // Whether the pivot happened, only a person can find out.
        approval("stuck", acts![Ok, Ok, sent, sent]),
        approval("succeeded", acts![Ok, Ok, sent, sent, resolved(charge, Resolution::Done), OkSent]),
        approval("compensated", acts![Ok, Ok, sent, sent, resolved(charge, Resolution::Undone)]),
    ]
}
