//! The way back: whoever heard all events of a run knows the same facts, but for what events leave out.

use crate::chain::{self, drive::Saga};
use crate::{AT, definition_of, facts, golden, origin, tenant};
use amends_domain::audit::Body;
use amends_domain::catalogue::{CloudEvent, Listener, ReadError, TYPES, Teller, started};
use amends_domain::definition::Definition;
use amends_domain::event::{Demand, Direction, Ending, Entry, Event};
use amends_domain::id::{RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All events of a run, as they are written.
fn written(tenant: &TenantId, run: RunId, definition: &Arc<Definition>, entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut teller = Teller::new(run, Some(Arc::clone(definition)));
    let told = (1..).zip(entries).flat_map(|(fact, entry)| teller.tell(&origin(tenant), fact, entry));
    told.map(|event| serde_json::to_vec(&event).expect("events have a form")).collect()
}

fn heard(definition: &Arc<Definition>, written: &[Vec<u8>]) -> Vec<Entry> {
    let mut listener = Listener::new(Arc::clone(definition));
    let read = written.iter().map(|json| CloudEvent::read(json).expect("it was written so"));
    read.filter_map(|event| listener.hear(&event).expect("it is of this run")).collect()
}

/// A fact without what its events leave out.
fn left(mut entry: Entry) -> Value {
    match &mut entry.event {
        Event::AttemptEnded(ended) => {
            (ended.log, ended.writes) = (Vec::new(), Vec::new());
            if let (Direction::Backward, Ending::Ok { output }) = (ended.attempt.direction, &mut ended.ending) {
                *output = Payload::default();
            }
        }
        Event::Demanded(demanded) => demanded.by.key = None,
        Event::Started(started) => started.components.sort(),
        _ => {}
    }
    serde_json::to_value(&entry).expect("facts have a form")
}

#[test]
fn whoever_hears_all_events_of_a_run_sees_it_as_the_host_does() {
    let mut kinds = BTreeSet::new();
    for lane in chain::lanes(11, 60) {
        let mut runs: BTreeMap<RunId, Vec<Entry>> = BTreeMap::new();
        for (run, entry) in facts(&lane.bodies) {
            runs.entry(run).or_default().push(entry);
        }
        for (run, entries) in runs {
            let Event::Started(begun) = &entries[0].event else { panic!("a run begins with its start") };
            let definition = definition_of(begun);
            let written = written(&lane.tenant, run, &definition, &entries);
            let first = started(&CloudEvent::read(&written[0]).expect("it was written so")).expect("it is a start");
            let heard = heard(&definition, &written);
            let of = |entries: &[Entry]| entries.iter().cloned().map(left).collect::<Vec<_>>();
            assert_eq!(of(&heard), of(&entries), "{run}");
            assert_eq!(left(first), left(heard[0].clone()));
            let fold = |entries: &[Entry]| Run::of_journal(run, Arc::clone(&definition), entries).expect("it makes sense");
            let (there, here) = (fold(&heard), fold(&entries));
            assert_eq!((there.head().status, there.head().dead_letters), (here.head().status, here.head().dead_letters));
            kinds.extend(written.iter().map(|json| CloudEvent::read(json).expect("it is read above").data.type_name()));
        }
    }
    let of_runs = |name: &&str| name.starts_with("workflow.") || *name == "host.run-adopted";
    let unheard: Vec<_> = TYPES.iter().map(|kind| kind.name).filter(of_runs).filter(|name| !kinds.contains(name)).collect();
    assert!(unheard.is_empty(), "no journal here has {unheard:?}");
}

#[test]
fn what_is_too_long_for_an_event_is_said_to_be_so() {
    let definition = Saga::Order.definition();
    let (_, mut entry) = facts(&chain::lanes(7, 0)[0].bodies).into_iter().next().expect("there is a run");
    let Event::Started(begun) = &mut entry.event else { panic!("it begins with its start") };
    begun.input = Payload::from(format!("\"{}\"", "x".repeat(20_000)).into_bytes());
    let digest = amends_domain::digest::Digest::of(&begun.input.0);
    let heard = heard(&definition, &written(&tenant(), RunId(7), &definition, &[entry]));
    let Event::Started(begun) = &heard[0].event else { panic!("it begins with its start") };
    assert_eq!(begun.input.readable(), json!({ "too_long": { "bytes": 20_002, "digest": digest } }));
}

#[test]
fn what_is_no_event_of_the_run_is_refused_and_says_what_it_is() {
    let definition = Saga::Order.definition();
    let mut refused = 0;
    for (name, body) in golden() {
        let Body::Tenant { .. } = &body else { continue };
        for event in crate::told(&body) {
            let error = Listener::new(Arc::clone(&definition)).hear(&event).expect_err(&name);
            assert!(error.what.contains("is no fact of a run"), "{error}");
            assert!(started(&event).is_err_and(|error| error.what.contains("a run does not begin with")));
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
    let skipped = |step: &str, kind: &str| {
        json!({ "id": "0-1-1-1", "source": "acme", "type": kind, "time": AT, "audithash": "0".repeat(64), "data": { "run": "run_1", "step": step } })
            .to_string()
    };
    let hear =
        |text: &str| Listener::new(Arc::clone(&definition)).hear(&CloudEvent::read(text.as_bytes()).expect("it can be read"));
    assert!(matches!(hear(&skipped("log", "workflow.step.skipped")), Ok(Some(Entry { event: Event::StepSkipped { .. }, .. }))));
    assert!(hear(&skipped("nothing", "workflow.step.skipped")).is_err_and(|error| error.what.contains("no step `nothing`")));
    let later = CloudEvent::read(skipped("log", "workflow.step.dreamt").as_bytes());
    assert_eq!(later, Err(ReadError::UnknownType("workflow.step.dreamt".into())));
    assert!(matches!(CloudEvent::read(b"{}"), Err(ReadError::Malformed(_))));
}

#[test]
fn a_resolution_is_a_confirmation_if_another_person_said_the_same_before() {
    let (mut given, mut alone) = (0, 0);
    for (_, entry) in chain::lanes(11, 20).iter().flat_map(|lane| facts(&lane.bodies)) {
        let Event::Demanded(demanded) = &entry.event else { continue };
        let Demand::Resolve(resolve) = &demanded.demand else { continue };
        match resolve.confirmation {
            amends_domain::event::Confirmation::Given => given += 1,
            amends_domain::event::Confirmation::NotNeeded => alone += 1,
            amends_domain::event::Confirmation::Awaited => {}
        }
    }
    assert!(given > 0 && alone > 0, "the journals above have both: {given} and {alone}");
}
