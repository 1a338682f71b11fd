//! A run as the rules alone see it: from its start to its end, without a host. What the benchmark times, and what the instructions are counted of.

use amends_domain::decide::{Command, decide};
use amends_domain::definition::Definition;
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, Ending, Entry, Event, Spent, Started};
use amends_domain::id::RunId;
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use std::sync::Arc;

/// When everything happens.
const AT: Timestamp = Timestamp(1_764_000_000_000);

/// The start of a run with one plugin.
pub(crate) fn started(definition: &Definition, plugin: &str, input: &str) -> Started {
    Started {
        saga: definition.saga.clone(),
        version: 1,
        definition: definition.digest,
        components: vec![(plugin.parse().expect("a name"), Digest::of(plugin.as_bytes()))],
        input: Payload(input.to_owned().into()),
        key: None,
        parent: None,
    }
}

/// The journal of a run whose attempts end as `ending` says of their steps.
pub(crate) fn walk(definition: &Arc<Definition>, started: Started, ending: &impl Fn(usize) -> Ending) -> Vec<Entry> {
    let mut run = Run::new(RunId(1), Arc::clone(definition), Arc::new(started.clone()), AT);
    let mut journal = vec![Entry { at: AT, event: Event::Started(Box::new(started)) }];
    loop {
        let orders = decide(&run, AT);
        if orders.is_empty() {
            return journal;
        }
        for order in orders {
            let events = match order {
                Command::Record(event) => vec![event],
                Command::WaitUntil(_) | Command::Fence(_) => Vec::new(),
                Command::Start(start) => {
                    let ending = ending(start.attempt.step.at());
                    let spent = Spent { fuel: 20_000, micros: 20, conflicts: 0 };
                    let ended = AttemptEnded { attempt: start.attempt, ending, spent, log: Vec::new(), writes: Vec::new() };
                    vec![start.event(), Event::AttemptEnded(Box::new(ended))]
                }
            };
            for event in events {
                let entry = Entry { at: AT, event };
                run.apply(&entry).expect("the rules follow themselves");
                journal.push(entry);
            }
        }
    }
}
