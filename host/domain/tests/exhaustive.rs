//! Every way in which three steps with two attempts each can go, with up to two crashes anywhere: after each transition the rules of the
//! saga contract are checked against what really happened. Then each rule is broken once on purpose, and must be found.
//!
//! The world here is the smallest that can catch a wrong decision: a journal of which a tail may be lost, guests that end in every way,
//! and a memory of what they did outside that no crash erases. What can follow depends on the state of that world alone, so a state that
//! was reached before is counted and not walked again: the number of runs is that of the paths through it.

mod planted;

use amends_domain::decide::{Command, StartAttempt, decide};
use amends_domain::definition::{Definition, Order, read};
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, Direction, Ending, Entry, Event, Failure, Fault, Halt, Outcome, Spent, Started};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Caution, Phase, Run, Track, TrackState};
use amends_domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

const STEPS: usize = 3;
const ATTEMPTS: u32 = 2;
/// More facts than any run of these bounds has: one that gets there does not end.
const FACTS_MAX: usize = 100;

/// How an attempt goes in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ok,
    Rejected,
    Unavailable,
    /// The guest is not sure what it did.
    Uncertain,
    /// The guest trapped after it sent something.
    TrapSent,
    /// The host dies; what it knew is on disk.
    Crash,
    /// The host dies after the guest sent something.
    CrashSent,
    /// The host dies and what it knew since the disk was last waited for is gone.
    CrashForgetful,
}

const FORWARD: &[Fate] = &[
    Fate::Ok,
    Fate::Rejected,
    Fate::Unavailable,
    Fate::Uncertain,
    Fate::TrapSent,
    Fate::Crash,
    Fate::CrashSent,
    Fate::CrashForgetful,
];
/// Backward, doubt changes nothing: fewer ways differ.
const BACKWARD: &[Fate] = &[Fate::Ok, Fate::Rejected, Fate::Unavailable, Fate::Crash, Fate::CrashForgetful];

impl Fate {
    fn crashes(self) -> bool {
        matches!(self, Self::Crash | Self::CrashSent | Self::CrashForgetful)
    }

    fn sends(self) -> bool {
        matches!(self, Self::TrapSent | Self::CrashSent)
    }

    fn ending(self) -> Ending {
        let failed = |failure| Ending::Failed { failure, fault: Fault::new("f", "f"), retry_after: None };
        match self {
            Self::Ok => Ending::Ok { output: Payload::from("1") },
            Self::Rejected => failed(Failure::Rejected),
            Self::Unavailable => failed(Failure::Unavailable),
            Self::Uncertain => failed(Failure::Uncertain),
            Self::TrapSent => Ending::Halted { halt: Halt::Trap, message: "unreachable".into() },
            Self::Crash | Self::CrashSent | Self::CrashForgetful => unreachable!("a crash is not an ending"),
        }
    }
}

/// What really happened outside to one step; survives every crash.
#[derive(Debug, Clone, Copy, Default)]
struct Truth {
    /// A request was sent forward.
    sent: bool,
    /// Something was sent backward: no request forward may follow.
    taken_back: bool,
    /// Attempts that ran, forward and backward.
    executions: [u32; 2],
    /// Of these, the ones that a crash erased from the journal.
    forgotten: [u32; 2],
}

/// How a planted bug changes what is decided.
type Bug = fn(&Run, Vec<Command>) -> Vec<Command>;

#[derive(Clone)]
struct World {
    run: Run,
    journal: Vec<Entry>,
    /// How much of the journal has certainly reached the disk, and the run at that point.
    durable: (usize, Run),
    /// How many more crashes there may be.
    crashes: u32,
    /// Crashes that erased the start of an attempt, since an attempt last ended.
    traceless: u32,
    truth: [Truth; STEPS],
    bug: Bug,
}

/// Nothing waits here: retries are due at once, so that equal states are equal.
const NOW: Timestamp = Timestamp(0);

/// What can follow each state that was walked through.
type Walked = HashMap<String, Tally>;

/// What was seen on the way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    runs: u64,
    succeeded: u64,
    compensated: u64,
    stuck: u64,
}

type Checked<T> = Result<T, String>;

impl World {
    fn new(definition: &Arc<Definition>, crashes: u32, bug: Bug) -> Self {
        let started = Started {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            components: vec![("p".parse().expect("a name"), Digest::of(b"p"))],
            input: Payload::from("{}"),
            key: None,
        };
        let entry = Entry { at: NOW, event: Event::Started(Box::new(started)) };
        let run = Run::of_journal(RunId(1), definition.clone(), std::slice::from_ref(&entry)).expect("a started run");
        let durable = (1, run.clone());
        Self { run, journal: vec![entry], durable, crashes, traceless: 0, truth: [Truth::default(); STEPS], bug }
    }

    /// All that what follows can depend on. How often a track that is over was tried is not among it.
    fn state(&self) -> String {
        let over = |track: &Track| matches!(track.state, TrackState::Done | TrackState::GivenUp);
        let track = |track: &Track| (track.state, if over(track) { 0 } else { track.attempts });
        let steps =
            |run: &Run| run.steps().map(|(_, s)| (track(&s.forward), track(&s.backward), s.doubt, s.omitted)).collect::<Vec<_>>();
        let of = |run: &Run| (run.phase().clone(), run.caution(), steps(run));
        let truths = self.run.steps().map(|(index, step)| {
            let truth = self.truth[index.at()];
            let spare = |way: usize, track: &Track| if over(track) { 0 } else { truth.executions[way] - truth.forgotten[way] };
            (truth.sent, truth.taken_back, spare(0, &step.forward), spare(1, &step.backward))
        });
        let doubts = |journal: &[Entry]| (0..STEPS).map(|step| doubted(journal, step)).collect::<Vec<_>>();
        let forgettable = &self.journal[self.durable.0..];
        let starts = forgettable
            .iter()
            .filter_map(|e| if let Event::AttemptStarted { attempt, .. } = e.event { Some(attempt) } else { None });
        let rest = (
            doubts(&self.journal),
            doubts(&self.journal[..self.durable.0]),
            starts.collect::<Vec<_>>(),
            self.crashes,
            self.traceless,
        );
        format!("{:?}{:?}{:?}{rest:?}", of(&self.run), of(&self.durable.1), truths.collect::<Vec<_>>())
    }

    /// Goes on until there is a choice, then takes every one.
    fn explore(mut self, walked: &mut Walked) -> Checked<Tally> {
        let state = self.state();
        if let Some(tally) = walked.get(&state) {
            return Ok(*tally);
        }
        let tally = loop {
            let commands = (self.bug)(&self.run, decide(&self.run, NOW));
            if let Phase::Ended(_) = self.run.phase() {
                break if commands.is_empty() { self.ended()? } else { return Err(format!("{commands:?} after the end")) };
            }
            if commands.is_empty() || self.journal.len() > FACTS_MAX {
                return Err("the run does not end (rule 7)".into());
            }
            let mut starts = Vec::new();
            for command in commands {
                match command {
                    Command::Record(event) => self.record(event)?,
                    Command::Start(start) => starts.push(start),
                    Command::WaitUntil(until) => return Err(format!("a wait until {until} for nothing")),
                }
            }
            if !starts.is_empty() {
                break self.attempts(&starts, walked)?;
            }
        };
        walked.insert(state, tally);
        Ok(tally)
    }

    /// Several attempts that start together run one after the other here: guests do not meet.
    fn attempts(mut self, starts: &[StartAttempt], walked: &mut Walked) -> Checked<Tally> {
        let Some((start, rest)) = starts.split_first() else { return self.explore(walked) };
        self.started(start)?;
        let fates = match start.attempt.direction {
            Direction::Forward => FORWARD,
            Direction::Backward => BACKWARD,
        };
        let mut tally = Tally::default();
        for fate in fates.iter().filter(|fate| !fate.crashes() || self.crashes > 0) {
            let mut world = self.clone();
            world.live(start, *fate)?;
            // A crash ends all that was about to start as well.
            tally.add(if fate.crashes() { world.explore(walked)? } else { world.attempts(rest, walked)? });
        }
        Ok(tally)
    }

    fn record(&mut self, event: Event) -> Checked<()> {
        let entry = Entry { at: NOW, event };
        self.run.apply(&entry).map_err(|e| e.to_string())?;
        self.journal.push(entry);
        let replayed = Run::of_journal(RunId(1), self.run.definition().clone(), &self.journal).map_err(|e| e.to_string())?;
        if replayed == self.run { Ok(()) } else { Err("a replay of the journal gives another run (rule 10)".into()) }
    }

    fn started(&mut self, start: &StartAttempt) -> Checked<()> {
        self.check_start(start)?;
        self.record(start.event())?;
        if start.caution == Caution::DurableStarts {
            self.sync();
        }
        Ok(())
    }

    fn sync(&mut self) {
        self.durable = (self.journal.len(), self.run.clone());
    }

    fn live(&mut self, start: &StartAttempt, fate: Fate) -> Checked<()> {
        let attempt = start.attempt;
        let way = usize::from(attempt.direction == Direction::Backward);
        self.truth[attempt.step.at()].executions[way] += 1;
        if fate.sends() {
            self.record(Event::EffectIntended { attempt, call: 1, method: "POST".into(), target: "t".into() })?;
            self.sync();
            self.sent(attempt.step, attempt.direction)?;
        }
        if fate.crashes() {
            return self.crash(fate);
        }
        self.traceless = 0;
        self.record(Event::AttemptEnded(Box::new(AttemptEnded {
            attempt,
            ending: fate.ending(),
            spent: Spent::default(),
            log: Vec::new(),
            writes: Vec::new(),
        })))
    }

    fn sent(&mut self, step: StepIndex, direction: Direction) -> Checked<()> {
        let truth = &mut self.truth[step.at()];
        match direction {
            Direction::Forward if truth.taken_back => {
                Err(format!("step {} sends forward after it was taken back (rule 2)", step.0))
            }
            Direction::Forward => {
                truth.sent = true;
                Ok(())
            }
            Direction::Backward => {
                truth.taken_back = true;
                Ok(())
            }
        }
    }

    fn crash(&mut self, fate: Fate) -> Checked<()> {
        self.crashes -= 1;
        if fate == Fate::CrashForgetful {
            self.forget()?;
        }
        self.run = Run::of_journal(RunId(1), self.run.definition().clone(), &self.journal).map_err(|e| e.to_string())?;
        self.sync();
        self.record(Event::Adopted)
    }

    fn forget(&mut self) -> Checked<()> {
        let mut erased = 0;
        for entry in self.journal.drain(self.durable.0..) {
            if let Event::AttemptStarted { attempt, .. } = entry.event {
                self.truth[attempt.step.at()].forgotten[usize::from(attempt.direction == Direction::Backward)] += 1;
                erased += 1;
            }
        }
        self.traceless += u32::from(erased > 0);
        if self.traceless > 1 { Err("one attempt kills the host again and again without a trace (rule 6)".into()) } else { Ok(()) }
    }

    /// Rules that a start must keep.
    fn check_start(&self, start: &StartAttempt) -> Checked<()> {
        let attempt = start.attempt;
        let step = self.run.step(attempt.step);
        let truth = self.truth[attempt.step.at()];
        let way = usize::from(attempt.direction == Direction::Backward);
        if attempt.number > ATTEMPTS || truth.executions[way] >= ATTEMPTS + truth.forgotten[way] {
            return Err(format!("{attempt:?} is one too many after {} executions (rule 6)", truth.executions[way]));
        }
        if attempt.direction == Direction::Forward {
            let backward = self.run.steps().any(|(_, s)| s.backward.attempts > 0);
            return if backward { Err(format!("{attempt:?} starts after a compensation (rule 2)")) } else { Ok(()) };
        }
        if step.forward.state != TrackState::Done && !truth.sent && !doubted(&self.journal, attempt.step.at()) {
            return Err(format!("step {} is taken back though it did nothing", attempt.step.0));
        }
        let later = (attempt.step.at() + 1..STEPS).map(|s| self.run.step(StepIndex(u16::try_from(s).expect("three steps"))));
        if self.run.definition().order == Order::Reverse && later.into_iter().any(|s| !s.is_settled()) {
            return Err(format!("step {} is taken back before a later one (rule 4)", attempt.step.0));
        }
        Ok(())
    }

    /// Rules that an outcome must keep.
    fn ended(&self) -> Checked<Tally> {
        let Phase::Ended(ended) = self.run.phase() else { return Err("not ended".into()) };
        let mut tally = Tally { runs: 1, ..Tally::default() };
        for (index, step) in self.run.steps() {
            let done = step.forward.state == TrackState::Done;
            let did = done || self.truth[index.at()].sent || doubted(&self.journal, index.at());
            let declared = self.run.definition().step(index).backward.is_some();
            let wrong = match ended.outcome {
                Outcome::Succeeded => !done,
                Outcome::Compensated => did && declared && step.backward.state != TrackState::Done,
                Outcome::Stuck | Outcome::Killed => false,
            };
            if wrong {
                return Err(format!("{:?} with step {} {} (rule 3)", ended.outcome, index.0, step.status()));
            }
        }
        let failed = self.run.steps().any(|(_, step)| step.backward.state == TrackState::GivenUp);
        match ended.outcome {
            Outcome::Succeeded => tally.succeeded += 1,
            Outcome::Compensated if failed => return Err("compensated with a failed compensation (rule 3)".into()),
            Outcome::Compensated => tally.compensated += 1,
            Outcome::Stuck if !failed => return Err("stuck without a failed compensation (rule 7)".into()),
            Outcome::Stuck => tally.stuck += 1,
            Outcome::Killed => return Err("killed by nobody".into()),
        }
        Ok(tally)
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.succeeded += other.succeeded;
        self.compensated += other.compensated;
        self.stuck += other.stuck;
    }
}

/// Whether the journal holds a guest's own word of doubt about a step.
fn doubted(journal: &[Entry], step: usize) -> bool {
    journal.iter().any(|entry| match &entry.event {
        Event::AttemptEnded(ended) if ended.attempt.step.at() == step && ended.attempt.direction == Direction::Forward => {
            matches!(ended.ending, Ending::Failed { failure: Failure::Uncertain, .. })
        }
        _ => false,
    })
}

fn definition(compensation: &str, second: &str) -> Arc<Definition> {
    let steps = format!(r#"{{"id":"a","uses":"p/a"}},{{"id":"b","uses":"p/b"{second}}},{{"id":"c","uses":"p/c"}}"#);
    let retry = format!(r#"{{"attempts":{ATTEMPTS},"initial":"0s","jitter":"0s"}}"#);
    let text = format!(r#"{{"saga":"s","compensation":{compensation},"defaults":{{"retry":{retry}}},"steps":[{steps}]}}"#);
    Arc::new(read(&text).expect("a definition"))
}

fn explore(definition: &Arc<Definition>, crashes: u32, bug: Bug) -> Checked<Tally> {
    let mut walked = Walked::new();
    let tally = World::new(definition, crashes, bug).explore(&mut walked)?;
    println!("exhaustive: {} states walked", walked.len());
    Ok(tally)
}

fn no_bug(_: &Run, commands: Vec<Command>) -> Vec<Command> {
    commands
}

#[test]
fn every_way_of_three_steps_keeps_the_contract() {
    let mut runs = 0;
    for (name, crashes, compensation, second) in [
        ("reverse, continue, two crashes", 2, r#"{"order":"reverse","on_stuck":"continue"}"#, ""),
        ("reverse, halt, one crash", 1, r#"{"order":"reverse","on_stuck":"halt"}"#, ""),
        ("parallel, continue, one crash", 1, r#"{"order":"parallel"}"#, ""),
        ("second step without compensation, one crash", 1, "{}", r#","compensate":"none""#),
    ] {
        let tally =
            explore(&definition(compensation, second), crashes, no_bug).unwrap_or_else(|violation| panic!("{name}: {violation}"));
        println!("exhaustive, {name}: {tally:?}");
        assert!(tally.succeeded > 0 && tally.compensated > 0 && tally.stuck > 0, "{name}: {tally:?}");
        runs += tally.runs;
    }
    println!("exhaustive: {runs} runs, every one within the contract");
    assert!(runs > 100_000, "{runs} runs are too few to prove anything");
}

#[test]
fn every_planted_bug_is_found() {
    let definition = definition("{}", "");
    for (name, bug) in planted::BUGS {
        let violation = explore(&definition, 2, *bug).expect_err(name);
        println!("planted: {name}: found: {violation}");
    }
}

#[test]
fn a_guest_that_always_kills_the_host_is_given_up() {
    let mut world = World::new(&definition("{}", ""), ATTEMPTS + 2, no_bug);
    for executions in 1.. {
        assert!(executions <= ATTEMPTS + 2, "it may kill the host for ever");
        let start = loop {
            match decide(&world.run, NOW).into_iter().next() {
                Some(Command::Record(event)) => world.record(event).expect("a fact that fits"),
                Some(Command::Start(start)) => break Some(start),
                Some(Command::WaitUntil(until)) => panic!("a wait until {until} for nothing"),
                None => break None,
            }
        };
        let Some(start) = start else { break };
        world.started(&start).expect("within the rules");
        world.live(&start, Fate::CrashForgetful).expect("a crash");
    }
    assert!(matches!(world.run.phase(), Phase::Ended(ended) if ended.outcome == Outcome::Compensated), "{:?}", world.run.phase());
}
