//! What others hear of facts: every fact gives events of known types whose data fit their own schemas, doubt is told when there is doubt,
//! nothing long is sent, and the page that consumers read is what the code says.

#[path = "catalogue/heard.rs"]
mod heard;
#[path = "catalogue/page.rs"]
mod page;
#[path = "catalogue/schema.rs"]
mod schema;

#[allow(dead_code, reason = "other tests use the rest")]
mod chain;

use amends_domain::audit::Body;
use amends_domain::catalogue::{CloudEvent, Data, INLINE_LEN_MAX, KEYS_SHOWN_MAX, Origin, Position, TYPES, Teller, selects, tell};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Direction, Ending, Entry, Event, Failure, Fault, Halt, Spent, Started, TenantEntry, TenantEvent,
    Write,
};
use amends_domain::id::{KeyId, Lane, RunId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use chain::drive::Saga;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

const AT: Timestamp = Timestamp(1_764_000_000_123);

fn tenant() -> TenantId {
    "acme".parse().expect("a name")
}

fn origin(tenant: &TenantId) -> Origin<'_> {
    Origin { tenant, lane: Lane(3), seq: 42, link: Digest::of(b"link") }
}

fn told(body: &Body) -> Vec<CloudEvent> {
    let tenant = tenant();
    match body {
        Body::Run { run, entries, .. } => {
            let mut teller = Teller::new(*run, None);
            (1..).zip(entries).flat_map(|(fact, entry)| teller.tell(&origin(&tenant), fact, entry)).collect()
        }
        Body::Tenant { entries } => (1..).zip(entries).flat_map(|(fact, entry)| tell(&origin(&tenant), fact, entry)).collect(),
    }
}

fn of_tenant(event: TenantEvent) -> Vec<CloudEvent> {
    told(&Body::Tenant { entries: vec![TenantEntry { at: AT, event }] })
}

/// The facts of the golden file, by name.
fn golden() -> Vec<(String, Body)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/events.txt")).expect("the file is there");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two digits");
    let read = |line: &str| {
        let (name, hex) = line.split_once(' ').expect("a name and a form");
        let bytes: Vec<_> = hex.as_bytes().chunks(2).map(byte).collect();
        (name.to_owned(), Body::decode(&bytes).expect("a stored form"))
    };
    text.lines().map(read).collect()
}

/// Checks the form of an event and says of which type it is.
fn check(event: &CloudEvent) -> &'static str {
    let json = serde_json::to_value(event).expect("events have a form");
    let name = event.data.type_name();
    let kind = TYPES.iter().find(|kind| kind.name == name).expect("every type is in the table");
    let misfit = schema::misfit((kind.schema)().as_value(), &json["data"]);
    assert_eq!(misfit, None, "{json}");
    // CloudEvents 1.0 §3: what is required is there and not empty, and names of attributes are small letters and digits.
    for attribute in ["id", "source", "specversion", "type"] {
        assert!(json[attribute].as_str().is_some_and(|value| !value.is_empty()), "{attribute}: {json}");
    }
    let attributes = json.as_object().expect("an object").keys();
    assert!(attributes.into_iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase())), "{json}");
    kind.name
}

#[test]
fn every_fact_gives_events_that_fit_their_schemas() {
    let mut seen = BTreeSet::new();
    let driven = chain::lanes(7, 3).into_iter().flat_map(|lane| lane.bodies).map(|body| ("a journal".to_owned(), body));
    for (name, body) in golden().into_iter().chain(driven) {
        let events = told(&body);
        let facts = match &body {
            Body::Run { entries, .. } => entries.len(),
            Body::Tenant { entries } => entries.len(),
        };
        assert!(events.len() >= facts, "{name}: {events:?}");
        seen.extend(events.iter().map(check));
        let positions: Vec<_> = events.iter().map(|event| event.position).collect();
        assert!(positions.is_sorted_by(|one, other| one < other), "{name}: {positions:?}");
    }
    let unseen: Vec<_> = TYPES.iter().map(|kind| kind.name).filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "no fact gives {unseen:?}");
}

#[test]
fn the_envelope_is_cloudevents() {
    let events = of_tenant(TenantEvent::KeyRevoked { key: KeyId(7), by: "ada".into() });
    let link = Digest::of(b"link").hex();
    assert_eq!(
        serde_json::to_value(&events).expect("events have a form"),
        json!([{
            "specversion": "1.0", "id": "3-42-1-1", "source": "acme", "type": "key.revoked",
            "subject": "key/key_00000000000000000000000007", "time": "2025-11-24T16:00:00.123Z", "datacontenttype": "application/json",
            "sequence": "00000000000000000042.000001.1", "audithash": link,
            "data": {"key": "key_00000000000000000000000007", "by": "ada"},
        }])
    );
    assert_eq!("3-42-1-1".parse(), Ok(Position { lane: Lane(3), seq: 42, fact: 1, part: 1 }));
}

#[test]
fn the_types_that_were_asked_for_are_there_and_each_is_there_once() {
    let names: BTreeSet<_> = TYPES.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), TYPES.len());
    let step =
        ["started", "completed", "failed", "compensating", "compensated", "retry-scheduled", "in-doubt", "skipped", "waiting"];
    let more = ["signalled", "timed-out", "compensation-not-needed", "compensation-failed", "resolved"];
    let saga = ["started", "completed", "failed", "compensating", "stuck", "cancelled", "paused", "resumed", "killed"];
    let wanted = step.iter().chain(&more).map(|name| format!("workflow.step.{name}"));
    let wanted = wanted.chain(saga.iter().map(|name| format!("workflow.saga.{name}")));
    for name in wanted.chain(["workflow.effect.intended".to_owned(), "workflow.effect.answered".to_owned()]) {
        assert!(names.contains(name.as_str()), "{name}");
    }
}

/// The teller and the fold of the run agree, over journals with every kind of ending.
#[test]
fn doubt_is_told_when_there_is_doubt() {
    let (mut doubts, mut ends) = (0, 0);
    for lane in chain::lanes(7, 60) {
        let mut runs: HashMap<RunId, (Teller, Option<Run>)> = HashMap::new();
        for (run, entry) in facts(&lane.bodies) {
            let (teller, fold) = runs.entry(run).or_insert_with(|| (Teller::new(run, None), None));
            let before = fold.clone();
            if let Event::Started(started) = &entry.event {
                let definition = definition_of(started);
                *teller = Teller::new(run, Some(Arc::clone(&definition)));
                *fold = Some(Run::new(run, definition, Arc::new(started.as_ref().clone()), entry.at));
            } else {
                fold.as_mut().expect("it started").apply(&entry).expect("the journal makes sense");
            }
            let told = teller.tell(&origin(&lane.tenant), 1, &entry);
            let _: Vec<_> = told.iter().map(check).collect();
            let in_doubt = told.iter().any(|event| matches!(event.data, Data::StepInDoubt(_)));
            if let (Event::AttemptEnded(ended), Some(before), Some(after)) = (&entry.event, before, fold.as_ref()) {
                let step = ended.attempt.step;
                let arose = !before.step(step).doubt && after.step(step).doubt;
                assert!(in_doubt || !arose, "{entry:?}: doubt arose and was not told");
                assert!(!in_doubt || after.step(step).doubt, "{entry:?}: doubt was told and there is none");
                doubts += usize::from(arose);
                ends += 1;
            } else {
                assert!(!in_doubt, "{entry:?}");
            }
        }
    }
    assert!(doubts > 10 && ends > 5 * doubts, "{doubts} doubts in {ends} ends show little");
}

/// The rules of doubt, one by one: journals that are driven do not show each of them.
#[test]
fn doubt_follows_from_what_was_sent_and_how_it_ended() {
    let (forward, backward) = (attempt(Direction::Forward, 1), attempt(Direction::Backward, 1));
    let failed = |failure| Ending::Failed { failure, fault: Fault::new("code", "why"), retry_after: None };
    let rejected = || failed(Failure::Rejected);
    let halted = |halt| Ending::Halted { halt, message: String::new() };
    let read_only = r#"{"saga":"s","steps":[{"id":"a","uses":"p/a","kind":"read-only"}]}"#;
    let read_only = Arc::new(amends_domain::definition::read(read_only).expect("a definition"));
    for (sent, ending, doubt) in [
        (vec![], failed(Failure::Uncertain), true),
        (vec![], rejected(), false),
        (vec![], halted(Halt::Trap), false),
        (vec![intended(forward, "GET")], halted(Halt::Lost), false),
        (vec![intended(forward, "POST")], halted(Halt::Lost), true),
        (vec![intended(forward, "POST")], rejected(), true),
        (vec![intended(forward, "POST"), answered(forward)], rejected(), false),
        (vec![intended(forward, "POST"), answered(forward)], failed(Failure::Unavailable), false),
        (vec![intended(forward, "POST"), answered(forward)], halted(Halt::Trap), true),
        (vec![intended(forward, "POST"), answered(forward)], Ending::Ok { output: Payload::null() }, false),
        (vec![intended(attempt(Direction::Forward, 2), "POST")], halted(Halt::Trap), false),
        (vec![intended(backward, "POST")], halted(Halt::Trap), false),
        (vec![intended(forward, "POST"), ended(forward, rejected())], halted(Halt::Trap), false),
    ] {
        let shown = format!("{sent:?}, {ending:?}");
        for (definition, attempt, expected) in [(None, forward, doubt), (Some(&read_only), forward, false), (None, backward, false)]
        {
            let mut teller = Teller::new(RunId(7), definition.cloned());
            for event in &sent {
                teller.hear(&Entry { at: AT, event: event.clone() });
            }
            let last = Entry { at: AT, event: ended(attempt, ending.clone()) };
            let told = teller.tell(&origin(&tenant()), 1, &last);
            let found = told.iter().any(|event| matches!(event.data, Data::StepInDoubt(_)));
            assert_eq!(found, expected, "{shown}, {attempt:?}");
        }
    }
}

fn attempt(direction: Direction, number: u32) -> AttemptRef {
    AttemptRef { step: StepIndex(0), direction, number }
}

fn intended(attempt: AttemptRef, method: &str) -> Event {
    Event::EffectIntended { attempt, call: 1, method: method.into(), target: "https://example.com/".into() }
}

fn answered(attempt: AttemptRef) -> Event {
    Event::EffectAnswered { attempt, call: 1, status: 422, response: None }
}

fn ended(attempt: AttemptRef, ending: Ending) -> Event {
    let (spent, log, writes) = (Spent::default(), Vec::new(), Vec::new());
    Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log, writes }))
}

fn facts(bodies: &[Body]) -> Vec<(RunId, Entry)> {
    let of_body = |body: &Body| match body {
        Body::Run { run, entries, .. } => entries.iter().map(|entry| (*run, entry.clone())).collect(),
        Body::Tenant { .. } => Vec::new(),
    };
    bodies.iter().flat_map(of_body).collect()
}

fn definition_of(started: &Started) -> Arc<amends_domain::definition::Definition> {
    let known = [Saga::Order, Saga::Approval].map(Saga::definition);
    known.into_iter().find(|definition| definition.digest == started.definition).expect("one of two sagas")
}

#[test]
fn steps_have_their_names_where_the_definition_is_known() {
    let entry = Entry { at: AT, event: Event::StepSkipped { step: StepIndex(1) } };
    let definition = Saga::Order.definition();
    let id = definition.steps[1].id.to_string();
    let subject = |definition| {
        let tenant = tenant();
        Teller::new(RunId(7), definition).tell(&origin(&tenant), 1, &entry).swap_remove(0).subject.expect("it is about a step")
    };
    assert_eq!(subject(Some(definition)), format!("run_00000000000000000000000007/{id}"));
    assert_eq!(subject(None), "run_00000000000000000000000007/#1");
}

fn started_with(input: Payload) -> Value {
    let started = Started {
        saga: "s".parse().expect("a name"),
        version: 1,
        definition: Digest::of(b""),
        components: Vec::new(),
        input,
        key: None,
        parent: None,
    };
    let entries = vec![Entry { at: AT, event: Event::Started(Box::new(started)) }];
    let events = told(&Body::Run { run: RunId(7), previous: 0, entries });
    let _: Vec<_> = events.iter().map(check).collect();
    serde_json::to_value(&events[0]).expect("events have a form")["data"].take()
}

#[test]
fn what_is_long_is_cut_with_a_note() {
    let text = |len: usize| Payload::from(format!("\"{}\"", "x".repeat(len - 2)).into_bytes());
    let fits = started_with(text(INLINE_LEN_MAX));
    assert_eq!((fits["input"].to_string().len(), fits.get("cut")), (INLINE_LEN_MAX, None));
    // Not JSON: as hexadecimal digits it is too long, as it is stored it would not be.
    let binary = Payload::from(vec![0xff; INLINE_LEN_MAX / 2]);
    for long in [text(INLINE_LEN_MAX + 1), text(1 << 20), binary] {
        let data = started_with(long.clone());
        assert_eq!(data.get("input"), None);
        let note = "longer than 16384 bytes: read the journal of run_00000000000000000000000007";
        let digest = Digest::of(&long.0).to_string();
        assert_eq!(data["cut"], json!([{"field": "input", "bytes": long.len(), "digest": digest, "note": note}]));
        assert!(data.to_string().len() < 1000);
    }
}

#[test]
fn events_about_the_state_name_so_many_keys_and_count_the_rest() {
    let write = |n| Write { key: format!("{n}-{}", "ä".repeat(4000)), version: n, value: None };
    let events = of_tenant(TenantEvent::StateWritten { writes: (0..1000).map(write).collect() });
    check(&events[0]);
    let Data::TenantStateWritten(written) = &events[0].data else { panic!("{events:?}") };
    assert_eq!((written.keys.len(), written.keys_count), (KEYS_SHOWN_MAX, 1000));
    assert!(written.keys.iter().all(|key| key.key.len() <= 2048));
}

#[test]
fn secrets_are_in_no_event() {
    let hook = |url: &str| {
        let (webhook, types) = ("billing".parse().expect("a name"), Vec::new());
        let set = TenantEvent::WebhookSet { webhook, url: url.into(), types, secret: None, by: "ada".into() };
        serde_json::to_value(of_tenant(set)).expect("events have a form")[0]["data"]["place"].take()
    };
    for url in ["https://example.com/T0/secret", "https://example.com?secret", "https://example.com"] {
        assert_eq!(hook(url), "https://example.com");
    }
    for (name, body) in golden() {
        let token = Digest::of(b"token").hex();
        let told = serde_json::to_string(&told(&body)).expect("events have a form");
        assert!(!told.contains(&token), "{name}");
    }
}

#[test]
fn patterns_select_types() {
    for (pattern, name, selected) in [
        ("*", "key.created", true),
        ("workflow.*", "workflow.saga.failed", true),
        ("workflow.saga.*", "workflow.saga.failed", true),
        ("workflow.saga.failed", "workflow.saga.failed", true),
        ("workflow.step.*", "workflow.saga.failed", false),
        ("workflow.saga", "workflow.saga.failed", false),
        ("workflow.sa*", "workflow.saga.failed", false),
        ("", "workflow.saga.failed", false),
    ] {
        assert_eq!(selects(pattern, name), selected, "{pattern} {name}");
    }
}

#[test]
fn the_page_says_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
    let now = page::page();
    if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some_and(|set| set == "1") {
        std::fs::write(path, &now).expect("the page can be written");
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    for (was, is) in page.lines().zip(now.lines()) {
        assert_eq!(
            was, is,
            "docs/events.md is of yesterday: AMENDS_RENEW_GOLDEN=1 cargo test -p amends-domain --test catalogue writes it"
        );
    }
    assert_eq!(page.lines().count(), now.lines().count(), "docs/events.md is of yesterday: AMENDS_RENEW_GOLDEN=1 writes it");
}
