//! The smallest world that can catch a wrong decision: a journal of which a tail may be lost, guests that run at the same time and end in
//! every way, a clock that somebody must move, people who ask for things, and a memory of what happened outside that no crash erases.

use super::graph::Graph;
use super::memory::{Memory, Progress, Told, way};
use super::{facts, naive, people, rules};
use amends_domain::decide::{Admission, Command, StartAttempt, Unfit, admit, decide};
use amends_domain::definition::Kind;
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Author, Demand, Direction, Ending, Entry, Event, Fault, Halt, Spent, Started,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Caution, Run};
use amends_domain::time::Timestamp;
use std::fmt;
use std::rc::Rc;

/// More facts than any run of these bounds has: one that gets there does not end.
const FACTS_MAX: usize = 160;

/// What must hold. The numbers are those of the saga contract's invariants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// 1: no effect without an intent.
    Intent,
    /// 2: no effect forward after the compensation began; who was ended is not heard any more.
    Fence,
    /// 3: what is said of a run is so.
    Truth,
    /// 4: what was built last is taken back first; what is built on is there.
    Order,
    /// 6: attempts stay within the policy.
    Attempts,
    /// 7: a run goes on, or says what it waits for.
    Progress,
    /// 10: the journal is all there is.
    Replay,
    /// Nothing is taken back past the pivot, which runs alone.
    Pivot,
    /// What cannot be taken back is not.
    Kind,
    /// People get what they were promised, and nothing happens that nobody asked for.
    Demand,
    /// Timers fire when they are due, in their order.
    Time,
    /// Quick bookkeeping agrees with slow.
    Scratch,
    /// A fact that cannot follow is not decided.
    Fold,
}

/// A rule that was broken, and how it came to that.
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    what: String,
    journal: Vec<Entry>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// The whole story, for whoever has to find out why.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.journal.iter().skip(1).map(|entry| format!("\n  {} {:?}", entry.at.0, entry.event));
        write!(f, "{self}; after{}", entries.collect::<String>())
    }
}

impl Violation {
    /// With the facts that led to it; the first who knows them says so.
    pub(crate) fn after(self, journal: &[Entry]) -> Self {
        if self.journal.is_empty() { Self { journal: journal.to_vec(), ..self } } else { self }
    }
}

pub(crate) type Checked<T> = Result<T, Box<Violation>>;

pub(crate) fn broken<T>(rule: Rule, what: impl Into<String>) -> Checked<T> {
    Err(Box::new(Violation { rule, what: what.into(), journal: Vec::new() }))
}

/// What `admit` says.
pub(crate) type Verdict = Result<Admission, Unfit>;

/// The rules under test, or what a planted bug makes of them.
#[derive(Clone, Copy)]
pub(crate) struct Core {
    pub(crate) decided: fn(&Run, Timestamp, Vec<Command>) -> Vec<Command>,
    pub(crate) admitted: fn(&Run, &Demand, &Author, Verdict) -> Verdict,
    /// What the journal keeps of a fact that the run has taken in.
    pub(crate) kept: fn(Entry) -> Entry,
}

impl Core {
    /// Without a bug that we know of.
    pub(crate) const RIGHT: Self =
        Self { decided: |_, _, commands| commands, admitted: |_, _, _, verdict| verdict, kept: |entry| entry };
}

#[derive(Clone)]
pub(crate) struct World<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) core: Core,
    pub(crate) run: Run,
    pub(crate) journal: Vec<Entry>,
    /// What has certainly reached the disk.
    pub(crate) durable: Rc<Durable>,
    pub(crate) now: Timestamp,
    /// The attempts that are running, in order.
    pub(crate) running: Vec<(AttemptRef, Progress)>,
    pub(crate) memory: Memory,
    /// How much more there may be in this run.
    pub(crate) left: Left,
    /// Crashes that erased the start of an attempt, since an attempt last ended.
    pub(crate) traceless: u8,
}

pub(crate) struct Durable {
    pub(crate) journal_len: usize,
    pub(crate) run: Run,
    pub(crate) told: Told,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) crashes: u8,
    pub(crate) sends: u8,
    pub(crate) demands: u8,
}

/// How a host dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// What it knew is on disk.
    Traced,
    /// What it knew since the disk was last waited for is gone.
    Forgetful,
}

/// What a guest does next.
#[derive(Debug, Clone)]
pub(crate) enum Move {
    Send,
    Answer,
    End(Ending),
}

impl<'g> World<'g> {
    pub(crate) fn new(graph: &'g Graph, core: Core) -> Checked<Self> {
        let definition = &graph.definition;
        let started = Started {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            components: vec![("p".parse().expect("a name"), Digest::of(b"p"))],
            input: Payload::from(graph.input),
            key: None,
            parent: None,
        };
        let now = Timestamp(0);
        let first = Entry { at: now, event: Event::Started(Box::new(started)) };
        let run = Run::of_journal(RunId(1), definition.clone(), std::slice::from_ref(&first)).expect("a started run");
        let memory = Memory::new(definition.steps.len());
        let durable = Rc::new(Durable { journal_len: 1, run: run.clone(), told: memory.told.clone() });
        let left = Left { crashes: graph.bounds.crashes, sends: graph.bounds.sends, demands: graph.bounds.demands };
        let journal = vec![first];
        let mut world = Self { graph, core, run, journal, durable, now, running: Vec::new(), memory, left, traceless: 0 };
        if let Some(until) = graph.begins {
            world.note(Event::Delayed { until })?;
            world.sync();
        }
        Ok(world)
    }

    /// What the rules under test order.
    pub(crate) fn decide(&self) -> Checked<Vec<Command>> {
        let commands = decide(&self.run, self.now);
        rules::due(self, &commands)?;
        let commands = (self.core.decided)(&self.run, self.now, commands);
        let facts = commands.iter().filter(|command| matches!(command, Command::Record(_))).count();
        if facts != 0 && facts != commands.len() {
            return broken(Rule::Progress, format!("facts do not come alone in {commands:?}"));
        }
        Ok(commands)
    }

    /// Does what is ordered.
    pub(crate) fn obey(&mut self, command: &Command) -> Checked<()> {
        match command {
            Command::Record(event) => {
                facts::fact(self, event)?;
                self.note(event.clone())
            }
            Command::Start(start) => self.start(start),
            Command::Fence(attempt) => self.fence(*attempt),
            Command::WaitUntil(until) if *until <= self.now => {
                broken(Rule::Time, format!("a wait until {}, which is over: the host would turn in a circle", until.0))
            }
            Command::WaitUntil(_) => Ok(()),
        }
    }

    /// A fact is in the journal.
    pub(crate) fn note(&mut self, event: Event) -> Checked<()> {
        let entry = Entry { at: self.now, event };
        self.memory.hear(self.graph, &self.run, &entry.event);
        if let Err(misfit) = self.run.apply(&entry) {
            return broken(Rule::Fold, format!("{:?}: {}", entry.event, misfit.what));
        }
        self.journal.push((self.core.kept)(entry));
        if self.journal.len() > FACTS_MAX {
            return broken(Rule::Progress, "the run does not end");
        }
        naive::compare(self.graph, &self.run)
    }

    /// Whether a host that finds the journal finds this run.
    pub(crate) fn check_replay(&self) -> Checked<()> {
        if self.replayed()? == self.run { Ok(()) } else { broken(Rule::Replay, "a replay of the journal gives another run") }
    }

    fn replayed(&self) -> Checked<Run> {
        let run = Run::of_journal(RunId(1), self.graph.definition.clone(), &self.journal);
        run.or_else(|misfit| broken(Rule::Replay, format!("the journal cannot be replayed: {misfit}")))
    }

    /// All that the journal holds is on disk.
    fn sync(&mut self) {
        let durable = Durable { journal_len: self.journal.len(), run: self.run.clone(), told: self.memory.told.clone() };
        self.durable = Rc::new(durable);
    }

    fn start(&mut self, start: &StartAttempt) -> Checked<()> {
        rules::start(self, start)?;
        self.note(start.event())?;
        if start.caution == Caution::DurableStarts {
            self.sync();
        }
        let attempt = start.attempt;
        let place = self.running.partition_point(|(before, _)| *before < attempt);
        self.running.insert(place, (attempt, Progress::Quiet));
        self.memory.truth[attempt.step.at()].executions[way(attempt.direction)] += 1;
        if self.graph.definition.step(attempt.step).kind() == Kind::ReadOnly {
            self.must_refuse(Rule::Kind, request(attempt), "a read-only step sends a request that may change something")?;
        }
        Ok(())
    }

    /// What the guest of the attempt at `place` does next.
    pub(crate) fn go_on(&mut self, place: usize, next: &Move) -> Checked<()> {
        let (attempt, _) = self.running[place];
        match next {
            Move::Send => self.send(place, attempt),
            Move::Answer => {
                self.running[place].1 = Progress::Answered;
                self.note(Event::EffectAnswered { attempt, call: 1, status: 200, response: None })
            }
            Move::End(ending) => self.end(place, ending),
        }
    }

    fn send(&mut self, place: usize, attempt: AttemptRef) -> Checked<()> {
        self.left.sends -= 1;
        self.note(request(attempt))?;
        // Whatever leaves the host waits for the disk.
        self.sync();
        self.running[place].1 = Progress::Sent;
        rules::sent(self, attempt)?;
        self.memory.truth[attempt.step.at()].took_back |= attempt.direction == Direction::Backward;
        Ok(())
    }

    fn end(&mut self, place: usize, ending: &Ending) -> Checked<()> {
        let (attempt, progress) = self.running.remove(place);
        if attempt.direction == Direction::Forward {
            self.memory.ended(attempt.step, progress, ending);
        }
        self.traceless = 0;
        self.note(ended(attempt, ending.clone()))?;
        self.must_be_deaf_to(attempt)
    }

    /// Destroys the instance of an attempt, then says so.
    fn fence(&mut self, attempt: AttemptRef) -> Checked<()> {
        rules::fence(self, attempt)?;
        match self.running.iter().position(|(running, _)| *running == attempt) {
            Some(place) => self.end(place, &Ending::Halted { halt: Halt::Cancelled, message: String::new() }),
            None => broken(Rule::Fence, format!("{attempt:?} is to be ended and does not run")),
        }
    }

    /// The host dies and another one goes on, at once or much later.
    pub(crate) fn crash(&mut self, crash: Crash, wakes: Timestamp) -> Checked<()> {
        self.left.crashes -= 1;
        let died = std::mem::take(&mut self.running);
        for (attempt, progress) in &died {
            let truth = &mut self.memory.truth[attempt.step.at()];
            truth.acted |= attempt.direction == Direction::Forward && *progress != Progress::Quiet;
        }
        match crash {
            Crash::Traced => {}
            Crash::Forgetful => self.forget()?,
        }
        self.now = wakes;
        self.run = self.replayed()?;
        self.sync();
        self.note(Event::Adopted)?;
        died.iter().try_for_each(|(attempt, _)| self.must_be_deaf_to(*attempt))
    }

    /// The steps of which the tail of the journal says that nothing came of what they sent: without it, nobody knows.
    pub(crate) fn cleared_by_tail(&self) -> impl Iterator<Item = StepIndex> {
        let (durable, tail) = self.journal.split_at(self.durable.journal_len);
        let ended = tail.iter().filter_map(|entry| match &entry.event {
            Event::AttemptEnded(ended) if ended.attempt.direction == Direction::Forward => Some(ended.attempt),
            _ => None,
        });
        let sent = |attempt: &AttemptRef| {
            durable.iter().any(|entry| matches!(&entry.event, Event::EffectIntended { attempt: of, .. } if of == attempt))
        };
        ended.filter(move |attempt| sent(attempt)).map(|attempt| attempt.step)
    }

    fn forget(&mut self) -> Checked<()> {
        let cleared: Vec<StepIndex> = self.cleared_by_tail().collect();
        for step in cleared {
            self.memory.truth[step.at()].acted = true;
        }
        let mut erased = 0;
        for entry in self.journal.drain(self.durable.journal_len..) {
            if let Event::AttemptStarted { attempt, .. } = entry.event {
                self.memory.truth[attempt.step.at()].forgotten[way(attempt.direction)] += 1;
                erased += 1;
            }
        }
        self.memory.told = self.durable.told.clone();
        self.traceless += u8::from(erased > 0);
        if self.traceless > 1 { broken(Rule::Attempts, "guests kill the host again and again without a trace") } else { Ok(()) }
    }

    /// What is said by or of an attempt that is over is refused, whatever it says.
    fn must_be_deaf_to(&self, attempt: AttemptRef) -> Checked<()> {
        let late = ended(attempt, Ending::Ok { output: Payload::from("9") });
        self.must_refuse(Rule::Fence, late, "a late end is believed")?;
        self.must_refuse(Rule::Intent, request(attempt), "an attempt that is over sends a request")
    }

    fn must_refuse(&self, rule: Rule, event: Event, what: &str) -> Checked<()> {
        let mut run = self.run.clone();
        if run.apply(&Entry { at: self.now, event }).is_ok() { broken(rule, what) } else { Ok(()) }
    }

    /// Somebody asks for something. Gives whether it was noted.
    pub(crate) fn ask(&mut self, demand: &Demand, by: &Author) -> Checked<Verdict> {
        let verdict = self.judged(demand, by);
        people::verdict(self, demand, by, &verdict)?;
        if let Ok(Admission::Note(event)) = &verdict {
            let before = self.run.clone();
            let who = by.who.as_bytes()[0];
            // Resuming is free: whoever stops a run can let it go on.
            self.left.demands -= u8::from(*demand != Demand::Resume);
            self.memory.promise(self.graph, &before, demand, who, self.now);
            self.note(event.clone())?;
            // The person is told, and nobody is told before it is durable.
            self.sync();
            people::said_again(demand, &self.judged(demand, by))?;
        }
        Ok(verdict)
    }

    fn judged(&self, demand: &Demand, by: &Author) -> Verdict {
        let verdict = admit(&self.run, demand.clone(), by.clone(), self.graph.resolvers);
        (self.core.admitted)(&self.run, demand, by, verdict)
    }
}

fn request(attempt: AttemptRef) -> Event {
    Event::EffectIntended { attempt, call: 1, method: "POST".into(), target: "t".into() }
}

fn ended(attempt: AttemptRef, ending: Ending) -> Event {
    let (spent, log, writes) = (Spent::default(), Vec::new(), Vec::new());
    Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log, writes }))
}

/// A failure in a guest's own words.
pub(crate) fn fault() -> Fault {
    Fault::new("f", "f")
}
