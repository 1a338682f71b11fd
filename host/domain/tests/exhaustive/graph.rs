//! A saga small enough to be walked through in every way, and how far the walk goes.

use amends_domain::definition::{Definition, Kind, Node, read};
use amends_domain::event::{Author, Confirmation, Demand, InFlight, Outcome, Resolution, Resolve, Resolvers};
use amends_domain::id::StepIndex;
use amends_domain::payload::Payload;
use amends_domain::time::{Span, Timestamp};
use std::sync::Arc;

/// A saga and the bounds of a walk through it.
pub(crate) struct Graph {
    pub(crate) name: &'static str,
    pub(crate) definition: Arc<Definition>,
    /// For each step, the ones that come after it, however far.
    pub(crate) later: Vec<Vec<StepIndex>>,
    pub(crate) input: &'static str,
    pub(crate) bounds: Bounds,
    pub(crate) asks: Vec<(Demand, Author)>,
    pub(crate) resolvers: Resolvers,
    /// When the run begins, if it was delayed.
    pub(crate) begins: Option<Timestamp>,
    /// Steps whose condition does not hold for this input.
    pub(crate) skips: &'static [u16],
    /// Steps whose mappings fail for this input.
    pub(crate) unmapped: &'static [u16],
    /// How runs end here. Each of them, and no other.
    pub(crate) outcomes: &'static [Outcome],
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Crashes in one run.
    pub(crate) crashes: u8,
    /// Requests that guests send in one run.
    pub(crate) sends: u8,
    /// Demands in one run.
    pub(crate) demands: u8,
    pub(crate) endings: Endings,
    pub(crate) naps: Naps,
}

/// In how many ways attempts end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endings {
    /// In all that differ.
    All,
    /// Well, or not.
    Few,
}

/// Whether a host may sleep through several timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naps {
    None,
    Long,
}

impl Graph {
    /// A walk without crashes, requests and demands, in which runs succeed or are compensated.
    pub(crate) fn new(name: &'static str, document: &str) -> Self {
        let definition = Arc::new(read(document).unwrap_or_else(|mistakes| panic!("{name}: {mistakes}")));
        let later = (0..definition.steps.len()).map(|step| later(&definition, step)).collect();
        Self {
            name,
            definition,
            later,
            input: "{}",
            bounds: Bounds { crashes: 0, sends: 0, demands: 0, endings: Endings::All, naps: Naps::None },
            asks: Vec::new(),
            resolvers: Resolvers::One,
            begins: None,
            skips: &[],
            unmapped: &[],
            outcomes: &[Outcome::Succeeded, Outcome::Compensated],
        }
    }

    /// Whether `step` comes after `earlier`, however far.
    pub(crate) fn comes_after(&self, step: StepIndex, earlier: StepIndex) -> bool {
        self.later[earlier.at()].contains(&step)
    }

    /// The steps that come after `step`, however far.
    pub(crate) fn later(&self, step: StepIndex) -> &[StepIndex] {
        &self.later[step.at()]
    }

    /// The step and all that was built on it.
    pub(crate) fn built_on(&self, step: StepIndex) -> impl Iterator<Item = StepIndex> {
        std::iter::once(step).chain(self.later(step).iter().copied())
    }

    /// Whether the step can have effects.
    pub(crate) fn changes_something(&self, step: StepIndex) -> bool {
        match &self.definition.step(step).node {
            Node::Wait(_) => false,
            Node::Uses(uses) => uses.kind != Kind::ReadOnly,
        }
    }
}

/// Found by asking each step for its predecessors again and again: slow, and so plain that it is right.
fn later(definition: &Definition, step: usize) -> Vec<StepIndex> {
    let mut found = Vec::new();
    loop {
        let is_found = |earlier: &StepIndex| earlier.at() == step || found.contains(earlier);
        let next = definition.indexed().find(|(index, step)| !found.contains(index) && step.after.iter().any(is_found));
        match next {
            Some((index, _)) => found.push(index),
            None => return found,
        }
    }
}

/// A document with these fields of the saga, each followed by a comma, and these steps, tried `attempts` times without a pause.
pub(crate) fn saga(attempts: u32, fields: &str, steps: &[&str]) -> String {
    let retry = format!(r#"{{"attempts":{attempts},"initial":"0s","jitter":"0s"}}"#);
    format!(r#"{{"saga":"s",{fields}"defaults":{{"retry":{retry}}},"steps":[{}]}}"#, steps.join(","))
}

/// What people ask for in a walk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    Cancel,
    CancelNow,
    Pause,
    Signal,
    Retry,
    Compensate,
    CompensateFrom(u16),
    Redrive(u16),
    Done(u16),
    Undone(u16),
    Kill,
}

/// The demands for what is asked, by one person, or by two where two must agree. Whoever stops a run may have it go on.
pub(crate) fn asked(asks: &[Ask], resolvers: Resolvers) -> Vec<(Demand, Author)> {
    let people: &[&str] = match resolvers {
        Resolvers::One => &["a"],
        Resolvers::Two => &["a", "b"],
    };
    let by = |who: &str| Author { who: who.to_owned(), why: Some("because".to_owned()), key: None };
    let mut demands = Vec::new();
    for ask in asks {
        match ask {
            Ask::Pause => demands.extend([(Demand::Pause, by("a")), (Demand::Resume, by("a"))]),
            Ask::Done(step) => demands.extend(people.iter().map(|who| (resolve(*step, Resolution::Done), by(who)))),
            Ask::Undone(step) => demands.extend(people.iter().map(|who| (resolve(*step, Resolution::Undone), by(who)))),
            Ask::Cancel => demands.push((Demand::Cancel { in_flight: InFlight::MayEnd }, by("a"))),
            Ask::CancelNow => demands.push((Demand::Cancel { in_flight: InFlight::EndNow }, by("a"))),
            Ask::Signal => {
                demands.push((Demand::Signal { name: "go".parse().expect("a name"), payload: Payload::from("7") }, by("a")));
            }
            Ask::Retry => demands.push((Demand::Retry, by("a"))),
            Ask::Compensate => demands.push((Demand::Compensate { from: None }, by("a"))),
            Ask::CompensateFrom(step) => demands.push((Demand::Compensate { from: Some(StepIndex(*step)) }, by("a"))),
            Ask::Redrive(step) => demands.push((Demand::Redrive { step: StepIndex(*step), component: None }, by("a"))),
            Ask::Kill => demands.push((Demand::Kill, by("a"))),
        }
    }
    demands
}

fn resolve(step: u16, resolution: Resolution) -> Demand {
    Demand::Resolve(Box::new(Resolve {
        step: StepIndex(step),
        resolution,
        evidence: None,
        output: None,
        confirmation: Confirmation::NotNeeded,
    }))
}

/// How long a nap is: longer than any timer of these sagas.
pub(crate) const NAP: Span = Span(1_000_000);
