//! Takes every way through a world. What can follow depends on the key of a world alone, so one that was reached before is counted and not
//! walked again: the number of runs is that of the paths.

use super::graph::{Endings, Graph, NAP, Naps};
use super::key::key;
use super::memory::Progress;
use super::rules;
use super::world::{Checked, Core, Crash, Move, Rule, World, broken, fault};
use amends_domain::decide::{Admission, Command};
use amends_domain::definition::Kind;
use amends_domain::event::{AttemptRef, Direction, Ending, Failure, Halt, Outcome};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, TrackState};
use amends_domain::time::Timestamp;
use std::collections::HashMap;
use std::fmt;

/// How often a step fails that is tried for ever: somebody must stop, and here it is the world.
const PATIENCE: u32 = 2;
/// Deep enough for the longest run: one call for each transition.
const STACK_LEN: usize = 512 << 20;

/// How many runs ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) runs: u128,
    pub(crate) succeeded: u128,
    pub(crate) compensated: u128,
    pub(crate) stuck: u128,
    pub(crate) killed: u128,
    /// Not ended: they wait for a signal that nobody sends.
    pub(crate) waiting: u128,
}

/// What was seen in a walk.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) states: usize,
    pub(crate) noted: u64,
    pub(crate) already: u64,
    pub(crate) refused: u64,
}

/// Walks through all of `graph` under the rules of `core`.
pub(crate) fn walk(graph: &Graph, core: Core) -> Checked<(Tally, Seen)> {
    std::thread::scope(|scope| {
        let walker = move || {
            let mut walk = Walk { walked: HashMap::new(), seen: Seen::default() };
            let tally = walk.from(&World::new(graph, core)?)?;
            Ok((tally, Seen { states: walk.walked.len(), ..walk.seen }))
        };
        let thread = std::thread::Builder::new().stack_size(STACK_LEN).spawn_scoped(scope, walker).expect("a thread");
        thread.join().expect("a broken rule is not a panic")
    })
}

struct Walk {
    walked: HashMap<Box<[u8]>, Tally>,
    seen: Seen,
}

impl Walk {
    fn from(&mut self, world: &World<'_>) -> Checked<Tally> {
        let key = key(world);
        if let Some(tally) = self.walked.get(&key) {
            return Ok(*tally);
        }
        let ways = world.check_replay().and_then(|()| self.ways(world));
        let tally = ways.map_err(|violation| Box::new(violation.after(&world.journal)))?;
        self.walked.insert(key, tally);
        Ok(tally)
    }

    /// Every way on from here.
    fn ways(&mut self, world: &World<'_>) -> Checked<Tally> {
        let commands = world.decide()?;
        let mut tally = Tally::default();
        if let Phase::Ended(ended) = world.run.phase() {
            if !commands.is_empty() {
                return broken(Rule::Truth, format!("{commands:?} after the end"));
            }
            tally.end(ended.outcome);
            self.demands(world, &mut tally)?;
            return Ok(tally);
        }
        self.crashes(world, &mut tally)?;
        if commands.iter().all(|command| matches!(command, Command::WaitUntil(_))) {
            commands.iter().try_for_each(|command| world.clone().obey(command))?;
            self.rest(world, &commands, &mut tally)?;
        } else {
            self.orders(world, &commands, &mut tally)?;
        }
        Ok(tally)
    }

    /// Does what is ordered; between two orders the host may die.
    fn orders(&mut self, world: &World<'_>, commands: &[Command], tally: &mut Tally) -> Checked<()> {
        let mut next = world.clone();
        for (at, command) in commands.iter().enumerate() {
            if at > 0 {
                self.crashes(&next, tally)?;
            }
            next.obey(command).map_err(|violation| Box::new(violation.after(&next.journal)))?;
        }
        tally.add(self.from(&next)?);
        Ok(())
    }

    fn crashes(&mut self, world: &World<'_>, tally: &mut Tally) -> Checked<()> {
        if world.left.crashes == 0 {
            return Ok(());
        }
        let all_durable = world.durable.journal_len == world.journal.len();
        for crash in [Crash::Traced, Crash::Forgetful] {
            if crash == Crash::Forgetful && all_durable {
                continue;
            }
            for wakes in wakings(world, world.now) {
                let mut next = world.clone();
                next.crash(crash, wakes)?;
                tally.add(self.from(&next)?);
            }
        }
        Ok(())
    }

    /// Nothing is ordered: guests go on, people ask for things, time passes.
    fn rest(&mut self, world: &World<'_>, commands: &[Command], tally: &mut Tally) -> Checked<()> {
        rules::at_rest(world, commands)?;
        let before = *tally;
        for (place, (attempt, progress)) in world.running.iter().enumerate() {
            for next in moves(world, *attempt, *progress) {
                let mut after = world.clone();
                after.go_on(place, &next)?;
                tally.add(self.from(&after)?);
            }
        }
        self.demands(world, tally)?;
        if let Some(next) = timer(world, commands) {
            for now in wakings(world, next) {
                tally.add(self.from(&World { now, ..world.clone() })?);
            }
        }
        if *tally == before {
            // A wait for a signal: the rules saw to it that it is nothing else.
            tally.add(Tally { runs: 1, waiting: 1, ..Tally::default() });
        }
        Ok(())
    }

    fn demands(&mut self, world: &World<'_>, tally: &mut Tally) -> Checked<()> {
        for (demand, by) in &world.graph.asks {
            let free = matches!(demand, amends_domain::event::Demand::Resume);
            if world.left.demands == 0 && !free {
                continue;
            }
            let mut next = world.clone();
            match next.ask(demand, by)? {
                Ok(Admission::Note(_)) => {
                    self.seen.noted += 1;
                    tally.add(self.from(&next)?);
                }
                Ok(Admission::Already) => self.seen.already += 1,
                Err(_) => self.seen.refused += 1,
            }
        }
        Ok(())
    }
}

/// The instants at which a host that sleeps until `at` may look again.
fn wakings(world: &World<'_>, at: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
    let late = (world.graph.bounds.naps == Naps::Long).then(|| at.plus(NAP));
    std::iter::once(at).chain(late)
}

/// When the next timer fires. In a pause nothing is ordered, and time passes all the same.
fn timer(world: &World<'_>, commands: &[Command]) -> Option<Timestamp> {
    let ordered = commands.iter().find_map(|command| if let Command::WaitUntil(at) = command { Some(*at) } else { None });
    let dues = world.run.steps().filter_map(|(_, step)| match step.forward.state {
        TrackState::Waiting(due) => due,
        TrackState::Retrying(due) => Some(due),
        _ => None,
    });
    let silent = world.memory.wanted.pause.is_some() && !super::naive::is_backward(&world.run);
    let hidden = dues.chain(world.run.deadline()).filter(|due| *due > world.now).min().filter(|_| silent);
    ordered.or(hidden)
}

/// All that the guest of an attempt can do next and that differs in what follows.
fn moves(world: &World<'_>, attempt: AttemptRef, progress: Progress) -> Vec<Move> {
    let failed = |failure| Ending::Failed { failure, fault: fault(), retry_after: None };
    let ok = Ending::Ok { output: Payload::from("1") };
    let trap = Ending::Halted { halt: Halt::Trap, message: String::new() };
    let (rejected, unavailable, uncertain) = (failed(Failure::Rejected), failed(Failure::Unavailable), failed(Failure::Uncertain));
    let mut endings = match (attempt.direction, progress, world.graph.bounds.endings) {
        (Direction::Forward, Progress::Quiet, Endings::All) => vec![ok, rejected, unavailable, uncertain],
        (Direction::Forward, Progress::Sent, Endings::All) => vec![ok, rejected, trap],
        (Direction::Forward, Progress::Sent, Endings::Few) => vec![ok, trap],
        (Direction::Forward, Progress::Answered, _) => vec![rejected, unavailable, trap],
        // Backward, doubt changes nothing: fewer ways differ.
        (Direction::Backward, _, Endings::All) => vec![ok, rejected, unavailable],
        (Direction::Forward, Progress::Quiet, Endings::Few) | (Direction::Backward, _, Endings::Few) => vec![ok, unavailable],
    };
    let tried = world.memory.truth[attempt.step.at()].executions[super::memory::way(attempt.direction)];
    if rules::is_unlimited(world.graph, attempt) && tried >= PATIENCE {
        endings.retain(|ending| matches!(ending, Ending::Ok { .. } | Ending::Failed { failure: Failure::Rejected, .. }));
    }
    let mut moves: Vec<Move> = endings.into_iter().map(Move::End).collect();
    let may_send = world.graph.definition.step(attempt.step).kind() != Kind::ReadOnly;
    match progress {
        Progress::Quiet if world.left.sends > 0 && may_send => moves.push(Move::Send),
        Progress::Sent if attempt.direction == Direction::Forward && world.graph.bounds.endings == Endings::All => {
            moves.push(Move::Answer);
        }
        Progress::Quiet | Progress::Sent | Progress::Answered => {}
    }
    moves
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, succeeded, compensated, stuck, killed, waiting } = self;
        write!(
            f,
            "{runs} runs: {succeeded} succeeded, {compensated} compensated, {stuck} stuck, {killed} killed, {waiting} waiting"
        )
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, noted, already, refused } = self;
        write!(f, "{states} states; demands: {noted} noted, {already} so already, {refused} refused")
    }
}

impl Tally {
    fn end(&mut self, outcome: Outcome) {
        self.runs += 1;
        *self.of_mut(outcome) += 1;
    }

    fn of_mut(&mut self, outcome: Outcome) -> &mut u128 {
        match outcome {
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Compensated => &mut self.compensated,
            Outcome::Stuck => &mut self.stuck,
            Outcome::Killed => &mut self.killed,
        }
    }

    /// The runs that ended so.
    pub(crate) fn of(mut self, outcome: Outcome) -> u128 {
        *self.of_mut(outcome)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.succeeded += other.succeeded;
        self.compensated += other.compensated;
        self.stuck += other.stuck;
        self.killed += other.killed;
        self.waiting += other.waiting;
    }
}
