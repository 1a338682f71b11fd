//! One run as a host would have driven it: what `decide` orders is done, attempts go as a script says, and people demand what the script
//! says, if `admit` lets it pass. Apart from the chain, which knows nothing of how its records came to be.

use amends_domain::decide::{Admission, Command, StartAttempt, admit, decide};
use amends_domain::definition::{Definition, read};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Author, Demand, Direction, Ending, Entry, Event, Failure, Fault, Halt, LogLevel, LogLine, Resolvers,
    Spent, Started, TraceParent, Write,
};
use amends_domain::id::RunId;
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run, TrackState};
use amends_domain::time::{Span, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) const BORN: u64 = 1_764_000_000_000;

const ORDER: &str = r#"{"saga":"order","deadline":"1h","defaults":{"retry":{"attempts":2}},"output":{"id":"${steps.ship.output.id}"},
"steps":[{"id":"log","uses":"orders/log","compensate":"none"},{"id":"reserve","uses":"orders/reserve"},{"id":"ship","uses":"orders/ship"}]}"#;

const APPROVAL: &str = r#"{"saga":"approval","defaults":{"retry":{"attempts":2}},"steps":[
{"id":"pack","uses":"orders/pack","when":"${input.physical}"},{"id":"cool","wait":{"for":"10m"}},
{"id":"approve","wait":{"signal":"approved","timeout":"48h","on_timeout":"continue"}},
{"id":"hold","uses":"orders/hold"},{"id":"label","uses":"orders/label","after":["approve"]},
{"id":"charge","uses":"orders/charge","kind":"pivot","compensate":"none"},
{"id":"tell","uses":"orders/tell","kind":"retriable","retry":{"attempts":2}}]}"#;

/// Which saga a run runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Saga {
    /// Three steps in a row.
    Order,
    /// A condition, two waits, two steps at a time, a pivot and a step behind it.
    Approval,
}

impl Saga {
    pub(crate) fn definition(self) -> Arc<Definition> {
        Arc::new(
            read(match self {
                Self::Order => ORDER,
                Self::Approval => APPROVAL,
            })
            .expect("a definition"),
        )
    }
}

/// How an attempt goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Ok,
    /// After a request that was answered.
    OkSent,
    Failed(Failure),
    /// The guest asks for more patience than the run's deadline has.
    FailedPatiently,
    Halted(Halt),
    /// After a request that nobody answered.
    HaltedSent(Halt),
    /// The host dies.
    Lost,
    /// It ends when somebody ends it, or by its timeout.
    Hangs,
}

/// What happens to a run next.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The next attempt goes so.
    Goes(Fate),
    /// This person demands this.
    Asks(&'static str, Demand),
    /// Nobody looks at the run any more.
    Rests,
}

impl From<Fate> for Act {
    fn from(fate: Fate) -> Self {
        Self::Goes(fate)
    }
}

impl From<Demand> for Act {
    fn from(demand: Demand) -> Self {
        Self::Asks("ada", demand)
    }
}

/// A run before it starts.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) saga: Saga,
    pub(crate) delay: Option<Span>,
    pub(crate) resolvers: Resolvers,
    /// What happens; attempts behind it go well.
    pub(crate) acts: Vec<Act>,
}

/// The journal of a run that goes by `script`, and the run at its end.
pub(crate) fn drive(id: RunId, script: Script) -> (Vec<Entry>, Run) {
    let definition = script.saga.definition();
    let started = Started {
        saga: definition.saga.clone(),
        version: 1,
        definition: definition.digest,
        components: vec![("orders".parse().expect("a name"), Digest::of(b"orders"))],
        input: Payload::from(r#"{"sku":"ä/1","quantity":1.50,"nested":[{"a":null},true],"physical":false}"#),
        key: Some(format!("key of {id}")),
        parent: id.0.is_multiple_of(2).then_some(TraceParent { trace: [3; 16], span: [5; 8], sampled: id.0.is_multiple_of(4) }),
    };
    let now = Timestamp(BORN);
    let journal = vec![Entry { at: now, event: Event::Started(Box::new(started)) }];
    let run = Run::of_journal(id, definition, &journal).expect("a start");
    let mut driver = Driver { run, now, journal, acts: script.acts.into(), resolvers: script.resolvers };
    if let Some(delay) = script.delay {
        driver.note(Event::Delayed { until: now.plus(delay) });
    }
    while driver.goes_on() {}
    (driver.journal, driver.run)
}

struct Driver {
    run: Run,
    now: Timestamp,
    journal: Vec<Entry>,
    acts: VecDeque<Act>,
    resolvers: Resolvers,
}

impl Driver {
    fn note(&mut self, event: Event) {
        self.now = self.now.plus(Span(3));
        let entry = Entry { at: self.now, event };
        self.run.apply(&entry).unwrap_or_else(|misfit| panic!("{:?} was decided or admitted: {misfit}", entry.event));
        self.journal.push(entry);
    }

    /// Does what is next. Whether there was anything.
    fn goes_on(&mut self) -> bool {
        let commands = decide(&self.run, self.now);
        if commands.iter().any(|command| matches!(command, Command::Record(_))) {
            for command in commands {
                self.obey(command);
            }
            return true;
        }
        if let Phase::Ended(_) = self.run.phase() {
            // The attempts that were meant did not come.
            while self.acts.front().is_some_and(|act| matches!(act, Act::Goes(_))) {
                self.acts.pop_front();
            }
        }
        match (self.acts.front(), self.run.phase()) {
            (Some(Act::Rests), _) | (None, Phase::Ended(_)) => return false,
            (Some(Act::Asks(..)), _) => self.ask(),
            (Some(Act::Goes(_)) | None, _) => match commands.into_iter().next() {
                // An attempt hangs: nothing else can start while a wait for something later is all that is ordered.
                None | Some(Command::WaitUntil(_)) if self.hanging().is_some() => {
                    let ending = Ending::Halted { halt: Halt::Timeout, message: "after 10s".into() };
                    let attempt = self.hanging().expect("it hangs");
                    self.note(ended(attempt, ending));
                }
                Some(command) => self.obey(command),
                None if self.run.wishes().paused => self.acts.push_front(Demand::Resume.into()),
                None => panic!("nothing to do for {:?}", self.run),
            },
        }
        true
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Record(event) => self.note(event),
            Command::Start(start) => {
                let fate = match self.acts.pop_front() {
                    Some(Act::Goes(fate)) => fate,
                    Some(act @ (Act::Asks(..) | Act::Rests)) => {
                        self.acts.push_front(act);
                        Fate::Ok
                    }
                    None => Fate::Ok,
                };
                for event in attempt(&start, fate) {
                    self.note(event);
                }
            }
            Command::WaitUntil(until) => self.now = until,
            Command::Fence(attempt) => {
                let ending = Ending::Halted { halt: Halt::Cancelled, message: "the run was cancelled".into() };
                self.note(ended(attempt, ending));
            }
        }
    }

    fn ask(&mut self) {
        let Some(Act::Asks(who, demand)) = self.acts.pop_front() else { return };
        let key = self.run.demands().is_multiple_of(2).then(|| format!("demand {}", self.run.demands()));
        let by = Author { who: who.into(), why: Some("\u{1f600} because".into()), key };
        // What does not fit is said to whoever asks, and on record nowhere.
        if let Ok(Admission::Note(event)) = admit(&self.run, demand, by, self.resolvers) {
            self.note(event);
        }
    }

    fn hanging(&self) -> Option<AttemptRef> {
        self.run.steps().find_map(|(step, run)| {
            let tracks = [(Direction::Forward, run.forward), (Direction::Backward, run.backward)];
            let (direction, track) = tracks.into_iter().find(|(_, track)| track.state == TrackState::Running)?;
            Some(AttemptRef { step, direction, number: track.attempts })
        })
    }
}

/// The facts of an attempt.
fn attempt(start: &StartAttempt, fate: Fate) -> Vec<Event> {
    let attempt = start.attempt;
    let intent = Event::EffectIntended { attempt, call: 1, method: "POST".into(), target: "https://example.com/a?b=\"c\"".into() };
    let answered = Event::EffectAnswered { attempt, call: 1, status: 201, response: Some(Payload::from("<html>")) };
    let failed = |failure, retry_after| Ending::Failed { failure, fault: Fault::new("code", "why \u{1f600}"), retry_after };
    let ok = || match attempt.direction {
        Direction::Forward => Ending::Ok { output: Payload::from(r#"{"id":"s-1"}"#) },
        Direction::Backward => Ending::Ok { output: Payload::default() },
    };
    let (between, ending) = match fate {
        Fate::Ok => (vec![], ok()),
        Fate::OkSent => (vec![intent, answered], ok()),
        Fate::Failed(failure) => (vec![], failed(failure, None)),
        Fate::FailedPatiently => (vec![], failed(Failure::Unavailable, Some(Span(7_200_000)))),
        Fate::Halted(halt) => (vec![], Ending::Halted { halt, message: "limit 1, found 2".into() }),
        Fate::HaltedSent(halt) => (vec![intent], Ending::Halted { halt, message: String::new() }),
        Fate::Lost => return vec![start.event(), intent, Event::Adopted],
        Fate::Hangs => return vec![start.event()],
    };
    [vec![start.event()], between, vec![ended(attempt, ending)]].concat()
}

fn ended(attempt: AttemptRef, ending: Ending) -> Event {
    let writes = match &ending {
        Ending::Ok { .. } => vec![
            Write { key: "stock".into(), version: 0, value: Some(Payload::from("41")) },
            Write { key: format!("step-{}", attempt.step.0), version: 0, value: None },
        ],
        Ending::Failed { .. } | Ending::Halted { .. } => Vec::new(),
    };
    let level = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error][attempt.step.at() % 4];
    let log = vec![LogLine { level, message: "a line".into() }];
    Event::AttemptEnded(Box::new(AttemptEnded {
        attempt,
        ending,
        spent: Spent { fuel: 1234, micros: 56, conflicts: 0 },
        log,
        writes,
    }))
}
