//! What really happened, as nobody in a host can know it: what guests did outside, what people were promised, and how often each guest
//! ran. The rules judge a run by this and not by what the run says of itself.

use super::graph::Graph;
use amends_domain::event::{Demand, Direction, Ending, Event, Failure, InFlight, Resolution, Resolve, Resolvers, WaitEnd};
use amends_domain::id::{SignalName, StepIndex};
use amends_domain::run::Run;
use amends_domain::time::Timestamp;

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    /// What no crash erases, for each step.
    pub(crate) truth: Vec<Truth>,
    /// What is as true as the journal is: it goes when a crash takes the journal's tail.
    pub(crate) told: Told,
    /// What people were told will be done. Nobody is told before it is durable.
    pub(crate) wanted: Wanted,
}

/// What happened to one step outside, and how often its guests ran.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Truth {
    /// A request forward was sent, and may have done something.
    pub(crate) acted: bool,
    /// A request backward was sent.
    pub(crate) took_back: bool,
    /// Attempts that ran since the policy last began to count, forward and backward.
    pub(crate) executions: [u32; 2],
    /// Of these, the ones that a crash erased from the journal.
    pub(crate) forgotten: [u32; 2],
    /// What people said and did about it.
    pub(crate) hand: Hand,
}

/// What people said about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hand {
    #[default]
    Nothing,
    /// One person did, where two are asked for.
    Said(Resolution, Person),
    /// So many as the tenant asks for.
    Settled(Resolution),
}

/// People have names of one letter here.
pub(crate) type Person = u8;

/// What the journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) steps: Vec<ToldStep>,
    /// Signals that no wait has taken, and when they came.
    pub(crate) signals: Vec<(SignalName, Timestamp)>,
}

/// What the journal holds about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ToldStep {
    pub(crate) forward: Forward,
    pub(crate) backward: Backward,
    pub(crate) word: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Forward {
    #[default]
    Open,
    Completed,
    Skipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Backward {
    #[default]
    Open,
    Began,
    TakenBack,
}

/// A guest's own word about its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Word {
    #[default]
    Clean,
    Doubt,
}

/// What people asked for and were told will be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) pause: Option<Paused>,
    pub(crate) cancel: Option<InFlight>,
    pub(crate) kill: Option<Killed>,
    /// The steps that are to be taken back, if not all are.
    pub(crate) scope: Option<Vec<StepIndex>>,
}

/// The run stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paused;

/// The run is to end as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Killed;

/// The place of a direction in a pair.
pub(crate) fn way(direction: Direction) -> usize {
    match direction {
        Direction::Forward => 0,
        Direction::Backward => 1,
    }
}

impl Memory {
    pub(crate) fn new(steps: usize) -> Self {
        let told = Told { steps: vec![ToldStep::default(); steps], signals: Vec::new() };
        Self { truth: vec![Truth::default(); steps], told, wanted: Wanted::default() }
    }

    /// Whether the step did something that is to be taken back if the run is, as far as anybody can know.
    pub(crate) fn did(&self, graph: &Graph, step: StepIndex) -> bool {
        let told = self.told.steps[step.at()];
        let did = self.truth[step.at()].acted || told.forward == Forward::Completed || told.word == Word::Doubt;
        did && graph.changes_something(step) && self.truth[step.at()].hand != Hand::Settled(Resolution::Undone)
    }

    /// Whether the step is done, or need not be.
    pub(crate) fn is_over(&self, step: StepIndex) -> bool {
        self.told.steps[step.at()].forward != Forward::Open || self.truth[step.at()].hand == Hand::Settled(Resolution::Done)
    }

    /// Whether what the step did is taken back.
    pub(crate) fn is_taken_back(&self, step: StepIndex) -> bool {
        self.told.steps[step.at()].backward == Backward::TakenBack
            || self.truth[step.at()].hand == Hand::Settled(Resolution::Undone)
    }

    /// Whether the step is among those that are to be taken back.
    pub(crate) fn is_in_scope(&self, step: StepIndex) -> bool {
        self.wanted.scope.as_ref().is_none_or(|scope| scope.contains(&step))
    }

    /// Whether nothing may be taken back any more.
    pub(crate) fn is_past_pivot(&self, graph: &Graph) -> bool {
        graph.definition.pivot.is_some_and(|pivot| self.is_over(pivot))
    }

    /// The oldest signal for a wait that ends at `due`.
    pub(crate) fn signal(&self, name: &SignalName, due: Option<Timestamp>) -> Option<usize> {
        self.told.signals.iter().position(|(found, at)| found == name && due.is_none_or(|due| *at < due))
    }

    /// A fact is in the journal.
    pub(crate) fn hear(&mut self, graph: &Graph, before: &Run, event: &Event) {
        match event {
            Event::AttemptStarted { attempt, .. } if attempt.direction == Direction::Backward => {
                self.told.steps[attempt.step.at()].backward = Backward::Began;
            }
            Event::AttemptEnded(ended) => {
                let told = &mut self.told.steps[ended.attempt.step.at()];
                match (&ended.ending, ended.attempt.direction) {
                    (Ending::Ok { .. }, Direction::Forward) => told.forward = Forward::Completed,
                    (Ending::Ok { .. }, Direction::Backward) => told.backward = Backward::TakenBack,
                    (Ending::Failed { failure: Failure::Uncertain, .. }, Direction::Forward) => told.word = Word::Doubt,
                    (Ending::Failed { .. } | Ending::Halted { .. }, _) => {}
                }
            }
            Event::StepSkipped { step } => self.told.steps[step.at()].forward = Forward::Skipped,
            Event::WaitEnded { step, end } => {
                self.told.steps[step.at()].forward = Forward::Completed;
                let due = super::naive::due_of_wait(before, *step);
                if let (WaitEnd::Signalled, Some(name)) = (end, graph.definition.step(*step).signal())
                    && let Some(taken) = self.signal(name, due)
                {
                    self.told.signals.remove(taken);
                }
            }
            Event::Started(_)
            | Event::Adopted
            | Event::Delayed { .. }
            | Event::AttemptStarted { .. }
            | Event::EffectIntended { .. }
            | Event::EffectAnswered { .. }
            | Event::RetryScheduled { .. }
            | Event::StepFailed { .. }
            | Event::WaitStarted { .. }
            | Event::CompensationStarted { .. }
            | Event::CompensationOmitted { .. }
            | Event::CompensationFailed { .. }
            | Event::Ended { .. }
            | Event::Demanded(_) => {}
        }
    }

    /// A person was told that this will be done. `before` is the run that it was asked of.
    pub(crate) fn promise(&mut self, graph: &Graph, before: &Run, demand: &Demand, who: Person, now: Timestamp) {
        match demand {
            Demand::Cancel { in_flight } => self.wanted.cancel = self.wanted.cancel.max(Some(*in_flight)),
            Demand::Pause => self.wanted.pause = Some(Paused),
            Demand::Resume => self.wanted.pause = None,
            Demand::Signal { name, .. } => self.told.signals.push((name.clone(), now)),
            Demand::Retry => {}
            Demand::Compensate { from: None } => self.wanted.scope = None,
            Demand::Compensate { from: Some(from) } => {
                let more = graph.built_on(*from);
                let mut scope = self.wanted.scope.take().unwrap_or_default();
                scope.extend(more);
                scope.sort_unstable();
                scope.dedup();
                self.wanted.scope = Some(scope);
            }
            Demand::Redrive { step, .. } => {
                let direction = super::naive::way_of_dead_letter(before, *step);
                let truth = &mut self.truth[step.at()];
                (truth.executions[way(direction)], truth.forgotten[way(direction)], truth.hand) = (0, 0, Hand::Nothing);
                if direction == Direction::Forward {
                    // Somebody wants it done.
                    self.wanted.cancel = None;
                }
            }
            Demand::Resolve(resolve) => self.settle(graph, resolve, who),
            Demand::Kill => self.wanted.kill = Some(Killed),
        }
    }

    fn settle(&mut self, graph: &Graph, resolve: &Resolve, who: Person) {
        let hand = &mut self.truth[resolve.step.at()].hand;
        *hand = match (graph.resolvers, *hand) {
            (Resolvers::One, _) => Hand::Settled(resolve.resolution),
            (Resolvers::Two, Hand::Said(said, first)) if said == resolve.resolution && first != who => Hand::Settled(said),
            (Resolvers::Two, _) => Hand::Said(resolve.resolution, who),
        };
    }

    /// An attempt is over that had come so far.
    pub(crate) fn ended(&mut self, step: StepIndex, progress: Progress, ending: &Ending) {
        // Who read the answer and says that nothing came of it knows.
        let knows = matches!(ending, Ending::Failed { failure: Failure::Rejected | Failure::Unavailable, .. });
        self.truth[step.at()].acted |= match progress {
            Progress::Quiet => false,
            Progress::Sent => true,
            Progress::Answered => !knows,
        };
    }
}

/// How far a running attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Progress {
    /// Nothing has left the host.
    Quiet,
    /// A request has.
    Sent,
    /// And its answer came back.
    Answered,
}
