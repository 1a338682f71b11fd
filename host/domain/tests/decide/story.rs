//! A run that is told what happens to it: guests answer what the test says, people ask for things, and the clock moves by hand.

use amends_domain::decide::{Admission, Command, StartAttempt, Unfit, admit, decide};
use amends_domain::definition::read;
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Author, Confirmation, Demand, Direction, Ending, Entry, Event, Failure, Fault, Halt, Outcome,
    Resolution, Resolve, Resolvers, Spent, Started,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run, StepRun, StepStatus};
use amends_domain::time::{Span, Timestamp};
use std::sync::Arc;

/// When every story begins: 1970-01-01T00:16:40Z.
pub(crate) const BEGIN: Timestamp = Timestamp(1_000_000);

/// A run and the time it is.
pub(crate) struct Story {
    pub(crate) run: Run,
    pub(crate) now: Timestamp,
    pub(crate) journal: Vec<Entry>,
    pub(crate) resolvers: Resolvers,
}

/// A document of steps that are tried twice, a second apart, with these fields of the saga, each followed by a comma.
pub(crate) fn saga(fields: &str, steps: &[&str]) -> String {
    let retry = r#"{"attempts":2,"initial":"1s","factor":1,"jitter":"0s"}"#;
    format!(r#"{{"saga":"s",{fields}"defaults":{{"retry":{retry}}},"steps":[{}]}}"#, steps.join(","))
}

/// So long after the beginning.
pub(crate) fn after(ms: u64) -> Timestamp {
    BEGIN.plus(Span(ms))
}

impl Story {
    pub(crate) fn new(document: &str, input: &'static str) -> Self {
        let definition = Arc::new(read(document).unwrap_or_else(|mistakes| panic!("{mistakes}")));
        let started = Started {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            components: vec![("p".parse().expect("a name"), Digest::of(b"p"))],
            input: input.into(),
            key: None,
            parent: None,
        };
        let first = Entry { at: BEGIN, event: Event::Started(Box::new(started)) };
        let run = Run::of_journal(RunId(1), definition, std::slice::from_ref(&first)).expect("a started run");
        Self { run, now: BEGIN, journal: vec![first], resolvers: Resolvers::One }
    }

    /// The clock shows so long after the beginning.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        self.now = after(ms);
        self
    }

    /// Notes facts until there is something else to do, and gives that.
    pub(crate) fn orders(&mut self) -> Vec<Command> {
        loop {
            let commands = decide(&self.run, self.now);
            if !commands.iter().any(|command| matches!(command, Command::Record(_))) {
                return commands;
            }
            for command in commands {
                let Command::Record(event) = command else { panic!("facts come alone") };
                self.note(event);
            }
        }
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.told(event).expect("a fact that fits");
    }

    /// What the run says of a fact.
    pub(crate) fn told(&mut self, event: Event) -> Result<(), String> {
        let entry = Entry { at: self.now, event };
        self.run.apply(&entry).map_err(|misfit| misfit.what)?;
        self.journal.push(entry);
        Ok(())
    }

    /// The host dies and another one finds the journal.
    pub(crate) fn crash(&mut self) {
        self.run = Run::of_journal(RunId(1), self.run.definition().clone(), &self.journal).expect("the journal fits");
        self.note(Event::Adopted);
    }

    /// Starts all that is ordered, and gives that.
    pub(crate) fn start(&mut self) -> Vec<StartAttempt> {
        let orders = self.orders();
        let starts = orders.into_iter().filter_map(|order| if let Command::Start(start) = order { Some(start) } else { None });
        let starts: Vec<StartAttempt> = starts.collect();
        for start in &starts {
            self.note(start.event());
        }
        starts
    }

    /// The running attempt of a step ends so.
    pub(crate) fn end(&mut self, step: &str, ending: Ending) {
        let attempt = self.newest(step);
        self.note(ended(attempt, ending));
    }

    /// The newest attempt of a step, in the direction in which it goes.
    pub(crate) fn newest(&self, step: &str) -> AttemptRef {
        let index = self.index(step);
        let state = self.step(step);
        let backward = state.backward.attempts > 0;
        let (direction, number) =
            if backward { (Direction::Backward, state.backward.attempts) } else { (Direction::Forward, state.forward.attempts) };
        AttemptRef { step: index, direction, number }
    }

    /// Starts the attempt that is ordered, gives its input, and ends it so.
    pub(crate) fn attempt(&mut self, ending: Ending) -> Payload {
        let started = self.start();
        let [start] = started.as_slice() else { panic!("not one attempt is ordered but {started:?}") };
        self.note(ended(start.attempt, ending));
        start.input.clone()
    }

    /// A request of the running attempt of a step is about to leave.
    pub(crate) fn send(&mut self, step: &str) {
        let attempt = self.newest(step);
        self.note(Event::EffectIntended { attempt, call: 1, method: "POST".into(), target: "https://example.org".into() });
    }

    /// The names of the steps whose attempts are ordered.
    pub(crate) fn starting(&mut self) -> Vec<String> {
        let orders = self.orders();
        let starts =
            orders.iter().filter_map(|order| if let Command::Start(start) = order { Some(start.attempt.step) } else { None });
        starts.map(|step| self.run.definition().step(step).id.to_string()).collect()
    }

    /// When the host is to look again, after the beginning, if nothing else is ordered.
    pub(crate) fn waits_until(&mut self) -> Option<u64> {
        match self.orders().as_slice() {
            [] => None,
            [Command::WaitUntil(until)] => Some(until.since(BEGIN).0),
            other => panic!("it does not wait: {other:?}"),
        }
    }

    /// Somebody asks for something.
    pub(crate) fn ask(&mut self, demand: Demand) -> Result<Admission, Unfit> {
        self.ask_by(demand, author("ann"))
    }

    pub(crate) fn ask_by(&mut self, demand: Demand, by: Author) -> Result<Admission, Unfit> {
        self.orders();
        let admitted = admit(&self.run, demand, by, self.resolvers)?;
        if let Admission::Note(event) = &admitted {
            self.note(event.clone());
        }
        Ok(admitted)
    }

    /// Somebody asks for something that fits.
    #[expect(clippy::needless_pass_by_value, reason = "so that a story reads as a story")]
    pub(crate) fn demand(&mut self, demand: Demand) {
        let answer = self.ask(demand.clone());
        assert!(matches!(answer, Ok(Admission::Note(_))), "{demand:?}: {answer:?}");
    }

    pub(crate) fn index(&self, step: &str) -> StepIndex {
        self.run.definition().index_of(step).unwrap_or_else(|| panic!("no step `{step}`"))
    }

    pub(crate) fn step(&self, step: &str) -> &StepRun {
        self.run.step(self.index(step))
    }

    pub(crate) fn status(&self, step: &str) -> StepStatus {
        self.step(step).status()
    }

    /// How it ended, once nothing is left to do.
    pub(crate) fn outcome(&mut self) -> Outcome {
        self.ended().0
    }

    pub(crate) fn ended(&mut self) -> (Outcome, Option<Payload>, Option<String>) {
        assert_eq!(self.orders(), []);
        match self.run.phase() {
            Phase::Ended(ended) => (ended.outcome, ended.output.clone(), ended.fault.as_ref().map(|fault| fault.code.clone())),
            phase => panic!("{phase:?}"),
        }
    }

    /// Whether it goes back, and why, in the words of the journal.
    pub(crate) fn cause(&self) -> String {
        match self.run.phase() {
            Phase::Backward(cause) => format!("{cause:?}"),
            phase => format!("{phase:?}"),
        }
    }
}

pub(crate) fn ended(attempt: AttemptRef, ending: Ending) -> Event {
    let (spent, log, writes) = (Spent::default(), Vec::new(), Vec::new());
    Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log, writes }))
}

pub(crate) fn ok(output: &'static str) -> Ending {
    Ending::Ok { output: output.into() }
}

pub(crate) fn failed(failure: Failure) -> Ending {
    Ending::Failed { failure, fault: Fault::new("f", "f"), retry_after: None }
}

pub(crate) fn unavailable() -> Ending {
    failed(Failure::Unavailable)
}

pub(crate) fn uncertain() -> Ending {
    failed(Failure::Uncertain)
}

pub(crate) fn rejected() -> Ending {
    failed(Failure::Rejected)
}

pub(crate) fn halted(halt: Halt) -> Ending {
    Ending::Halted { halt, message: String::new() }
}

pub(crate) fn author(who: &str) -> Author {
    Author { who: who.to_owned(), why: Some("because".to_owned()), key: None }
}

pub(crate) fn signal(name: &str, payload: &'static str) -> Demand {
    Demand::Signal { name: name.parse().expect("a name"), payload: payload.into() }
}

pub(crate) fn redrive(step: StepIndex) -> Demand {
    Demand::Redrive { step, component: None }
}

pub(crate) fn resolve(step: StepIndex, resolution: Resolution) -> Demand {
    Demand::Resolve(Box::new(Resolve { step, resolution, evidence: None, output: None, confirmation: Confirmation::NotNeeded }))
}
