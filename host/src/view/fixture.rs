//! A run for tests: short names for the facts of a journal.

use super::RunView;
use amends_domain::definition::{Definition, read};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Author, Demand, Demanded, Direction, Ending, Entry, Event, Failure, Fault, LogLevel, LogLine, Spent,
    Started,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use std::sync::Arc;

pub(crate) const FORWARD: Direction = Direction::Forward;
pub(crate) const BACKWARD: Direction = Direction::Backward;

pub(crate) fn attempt(step: u16, direction: Direction, number: u32) -> AttemptRef {
    AttemptRef { step: StepIndex(step), direction, number }
}

pub(crate) fn start(step: u16, direction: Direction, number: u32) -> Event {
    let input = (direction == FORWARD && number == 1).then(|| Payload::from("{}"));
    Event::AttemptStarted { attempt: attempt(step, direction, number), input }
}

pub(crate) fn end(step: u16, direction: Direction, number: u32, ending: Ending, log: &[&str]) -> Event {
    let log = log.iter().map(|message| LogLine { level: LogLevel::Info, message: (*message).to_owned() }).collect();
    let spent = Spent { fuel: 48_213, micros: 312, conflicts: 0 };
    let attempt = attempt(step, direction, number);
    Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log, writes: Vec::new() }))
}

pub(crate) fn ok() -> Ending {
    Ending::Ok { output: Payload::from("{}") }
}

pub(crate) fn failed(failure: Failure, code: &str, message: &str) -> Ending {
    Ending::Failed { failure, fault: Fault::new(code, message), retry_after: None }
}

/// Somebody named anna asked for it.
pub(crate) fn demanded(demand: Demand, why: Option<&str>) -> Event {
    Event::Demanded(Box::new(Demanded { demand, by: Author { who: "anna".into(), why: why.map(str::to_owned), key: None } }))
}

/// The journal of run 7 of a saga with the steps `take-stock`, `pay` and `ship`, a millisecond for each fact.
pub(crate) fn journal(events: Vec<Event>) -> Told {
    let steps = r#"{"id":"take-stock","uses":"p/a"},{"id":"pay","uses":"p/b"},{"id":"ship","uses":"p/c"}"#;
    journal_of(steps, events)
}

/// The same of a saga with these steps.
pub(crate) fn journal_of(steps: &str, events: Vec<Event>) -> Told {
    let definition = Arc::new(read(&format!(r#"{{"saga":"s","steps":[{steps}]}}"#)).expect("a saga"));
    let started = Started {
        saga: definition.saga.clone(),
        version: 1,
        definition: definition.digest,
        components: vec![("p".parse().expect("a name"), Digest([0; 32]))],
        input: Payload::from("{}"),
        key: None,
        parent: None,
    };
    let events = std::iter::once(Event::Started(Box::new(started))).chain(events);
    let entries = (1_000..).map(Timestamp).zip(events).map(|(at, event)| Entry { at, event }).collect();
    Told { run: RunId(7), entries, definition }
}

/// What is told of a run.
pub(crate) struct Told {
    pub(crate) run: RunId,
    pub(crate) entries: Vec<Entry>,
    pub(crate) definition: Arc<Definition>,
}

impl Told {
    pub(crate) fn view(&self) -> RunView {
        let run = Run::of_journal(self.run, Arc::clone(&self.definition), &self.entries).expect("a journal that makes sense");
        RunView::of(&run, &self.entries)
    }
}
