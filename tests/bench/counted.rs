//! Does one part of a run so many times, and nothing else: `counted PART TIMES`. The test `counted` has its instructions counted.

#[path = "walked.rs"]
mod walked;

use amends_domain::audit::{Body, Head};
use amends_domain::definition::{Definition, read};
use amends_domain::event::{Ending, Entry, Failure, Fault};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::run::Run;
use std::hint::black_box;
use std::sync::Arc;
use walked::{started, walk};

/// Three steps; the second and the third are given what a mapping makes of what was there before.
const SAGA: &str = r#"{"saga":"counted","defaults":{"retry":{"attempts":1}},"steps":[
    {"id":"a","uses":"shop/a","input":{"sku":"${input.sku}","quantity":"${input.quantity + 1}"}},
    {"id":"b","uses":"shop/b","input":{"amount":"${steps['a'].output.total}"},"when":"${input.quantity > 0}"},
    {"id":"c","uses":"shop/c","input":{"of":"${steps['b'].output.amount}","country":"${input.country}"}}]}"#;
const INPUT: &str = r#"{"sku":"lamp","quantity":1,"customer":"ada","country":"DE"}"#;
const OUTPUTS: [&str; 3] = [r#"{"sku":"lamp","total":10}"#, r#"{"charge":"charge/1","amount":10}"#, r#"{"id":"shipment/1"}"#];

fn good(step: usize) -> Ending {
    Ending::Ok { output: OUTPUTS[step].into() }
}

/// The third step fails.
fn bad(step: usize) -> Ending {
    let failed = || Ending::Failed { failure: Failure::Rejected, fault: Fault::new("no", "no"), retry_after: None };
    if step == 2 { failed() } else { good(step) }
}

/// What is done once, to be done again and again.
fn part(name: &str) -> Option<Box<dyn FnMut()>> {
    let definition = Arc::new(read(SAGA).expect("it is a saga"));
    let journal =
        |definition: &Arc<Definition>, ending: fn(usize) -> Ending| walk(definition, started(definition, "shop", INPUT), &ending);
    let body = |entries: Vec<Entry>| Body::Run { run: RunId(1), previous: 0, entries };
    Some(match name {
        "read" => Box::new(|| drop(black_box(read(black_box(SAGA))))),
        "forward" => Box::new(move || drop(black_box(journal(&definition, good)))),
        "backward" => Box::new(move || drop(black_box(journal(&definition, bad)))),
        "record" => {
            let tenant: TenantId = "local".parse().expect("a name");
            let (mut head, body) = (Head::genesis(&tenant, Lane(0)), body(journal(&definition, bad)));
            Box::new(move || drop(black_box(head.seal(black_box(&body)))))
        }
        "decode" => {
            let bytes = body(journal(&definition, bad)).encode();
            Box::new(move || drop(black_box(Body::decode(black_box(&bytes)))))
        }
        "replay" => {
            let journal = journal(&definition, bad);
            Box::new(move || drop(black_box(Run::of_journal(RunId(1), Arc::clone(&definition), black_box(&journal)))))
        }
        _ => return None,
    })
}

fn main() {
    let words: Vec<_> = std::env::args().collect();
    let [_, name, times] = words.as_slice() else { panic!("say a part, and how often") };
    let mut part = part(name).unwrap_or_else(|| panic!("there is no part {name}"));
    for _ in 0..times.parse::<u32>().expect("a number") {
        part();
    }
}
