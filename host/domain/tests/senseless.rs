//! A chain whose links are right and that makes no sense: made by a host with a bug, or by somebody who can seal. Each kind of nonsense
//! is found at its record.

mod chain;

use amends_domain::audit::{Body, Checked, Checker, ImpliedState};
use amends_domain::digest::Digest;
use amends_domain::event::{Author, Demand, Demanded, Entry, Event, Outcome, TenantEntry, TenantEvent, Write};
use amends_domain::id::{KeyId, Lane, RunId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use chain::{LaneBodies, export, lanes, verify};

const AT: Timestamp = Timestamp(1_764_000_000_000);

/// The first two records of a right chain: a plugin, and the saga `order`.
fn applied() -> Vec<Body> {
    lanes(1, 0).swap_remove(0).bodies.drain(..2).collect()
}

fn started(version: u32, definition: Digest) -> Event {
    Event::Started(Box::new(amends_domain::event::Started {
        saga: "order".parse().expect("a name"),
        version,
        definition,
        components: Vec::new(),
        input: Payload::from("{}"),
        key: None,
        parent: None,
    }))
}

fn of_run(run: u128, previous: u64, events: Vec<Event>) -> Body {
    Body::Run { run: RunId(run), previous, entries: events.into_iter().map(|event| Entry { at: AT, event }).collect() }
}

fn own(event: TenantEvent) -> Body {
    Body::Tenant { entries: vec![TenantEntry { at: AT, event }] }
}

fn write(key: &str, version: u64, value: Option<&'static str>) -> Write {
    Write { key: key.into(), version, value: value.map(Payload::from) }
}

fn written(key: &str, version: u64) -> Body {
    own(TenantEvent::StateWritten { writes: vec![write(key, version, Some("1"))] })
}

fn digest_of(applied: &Body) -> Digest {
    match applied {
        Body::Tenant { entries } => match &entries[0].event {
            TenantEvent::SagaApplied { definition, .. } => *definition,
            other => panic!("not a saga: {other:?}"),
        },
        Body::Run { .. } => panic!("not the tenant's own"),
    }
}

/// What is wrong with the last of `bodies` behind [`applied`]; the ones before it are right.
fn misfit(bodies: Vec<Body>) -> String {
    let mut lane = lanes(1, 0).swap_remove(0);
    lane.bodies.truncate(2);
    lane.bodies.extend(bodies);
    let last = lane.bodies.len() as u64;
    let flaw = verify(&export(&[lane])).expect_err("it makes no sense");
    assert_eq!(flaw.seq, Some(last), "{flaw}");
    flaw.what
}

#[test]
fn facts_that_cannot_follow_are_found() {
    let digest = digest_of(&applied()[1]);
    let start = |run| of_run(run, 0, vec![started(1, digest)]);
    let by = Author { who: "op".to_owned(), why: Some("why".to_owned()), key: None };
    let kill = Event::Demanded(Box::new(Demanded { demand: Demand::Kill, by }));
    let killed = Event::Ended { outcome: Outcome::Killed, output: None, fault: None };
    for (bodies, says) in [
        (vec![of_run(1, 0, vec![])], "it holds no facts"),
        (vec![own(TenantEvent::StateWritten { writes: vec![] }), Body::Tenant { entries: vec![] }], "it holds no facts"),
        (vec![of_run(1, 0, vec![Event::Adopted])], "does not begin with `started`"),
        (vec![of_run(1, 0, vec![started(2, digest)])], "saga order version 2 was not applied before it"),
        (vec![of_run(1, 0, vec![started(1, Digest::of(b"another"))])], "saga order version 1 was applied as sha256:"),
        (vec![start(1), of_run(1, 3, vec![started(1, digest)])], "fact 1 of the record: a second `started`"),
        (vec![start(1), of_run(1, 3, vec![kill.clone(), killed.clone(), Event::Adopted])], "fact 3 of the record: Adopted after"),
        (vec![start(1), of_run(1, 3, vec![killed.clone()])], "fact 1 of the record: the run is killed where it cannot be"),
        (vec![start(1), start(2), of_run(1, 4, vec![Event::Adopted])], "before it, which is record 3"),
        (
            vec![start(1), of_run(1, 3, vec![kill, killed]), of_run(1, 4, vec![Event::Adopted])],
            "fact 1 of the record: Adopted after",
        ),
        (vec![of_run(1, 2, vec![Event::Adopted])], "which never started here"),
    ] {
        let what = misfit(bodies);
        assert!(what.contains(says), "{what}");
    }
}

#[test]
fn a_saga_is_what_its_digest_names_and_is_applied_once() {
    let digest = digest_of(&applied()[1]);
    let saga = |version, definition, document: &'static str| {
        let saga = "order".parse().expect("a name");
        own(TenantEvent::SagaApplied { saga, version, definition, document: Payload::from(document) })
    };
    let other = r#"{"saga":"other","steps":[{"id":"a","uses":"p/a"}]}"#;
    for (body, says) in [
        (saga(2, digest, "{}"), "its document has the digest"),
        (saga(2, Digest::of(b"{}"), "{}"), "its document cannot be read"),
        (saga(2, Digest::of(other.as_bytes()), other), "its document defines other"),
        (applied().swap_remove(1), "saga order version 1: it was applied before"),
    ] {
        let what = misfit(vec![body]);
        assert!(what.contains(says), "{what}");
    }
}

#[test]
fn facts_of_a_tenant_follow_from_one_another() {
    let by = || "ada".to_owned();
    let created = || own(TenantEvent::TenantCreated { by: by() });
    let gone = || own(TenantEvent::TenantDeleted { by: by() });
    let revoked = || own(TenantEvent::KeyRevoked { key: KeyId(7), by: by() });
    // The facts before it are right, or another record would be named.
    for (bodies, says) in [
        (vec![revoked()], "there is no such tenant"),
        (vec![created(), revoked()], "there is no key key_00000000000000000000000007"),
        (vec![created(), created()], "there is a tenant of this name already"),
        (vec![created(), gone(), gone()], "the tenant was deleted"),
    ] {
        let what = misfit(bodies);
        assert!(what.starts_with("a fact of the tenant does not make sense: ") && what.contains(says), "{what}");
    }
}

#[test]
fn versions_of_a_key_grow_from_commit_to_commit() {
    // A record is all that a run did between two commits: two records of the tenant are two commits.
    let what = misfit(vec![written("k", 5), written("k", 4)]);
    assert_eq!(what, "key `k` is written with version 4, lane 0 record 3 wrote it with version 5");
    let what = misfit(vec![written("k", 5), written("k", 5)]);
    assert_eq!(what, "key `k` is written with version 5, lane 0 record 3 wrote it with version 5");

    let digest = digest_of(&applied()[1]);
    let ended = |run: u128, previous: u64, number: u64| {
        let attempt = amends_domain::event::AttemptRef {
            step: amends_domain::id::StepIndex(0),
            direction: amends_domain::event::Direction::Forward,
            number: 1,
        };
        let begin = Event::AttemptStarted { attempt, input: None };
        let end = Event::AttemptEnded(Box::new(amends_domain::event::AttemptEnded {
            attempt,
            ending: amends_domain::event::Ending::Ok { output: Payload::from("1") },
            spent: amends_domain::event::Spent::default(),
            log: Vec::new(),
            writes: vec![write("k", number, Some("1"))],
        }));
        of_run(run, previous, if previous == 0 { vec![started(1, digest), begin, end] } else { vec![begin, end] })
    };
    // Inside a commit facts are gathered by run, so that the older write may stand behind the newer one.
    let mut lane = lanes(1, 0).swap_remove(0);
    lane.bodies.truncate(2);
    lane.bodies.extend([ended(1, 0, 2), ended(2, 0, 1)]);
    assert!(verify(&export(&[lane])).is_ok());
    // But not where the run had a record since: then there was a commit between them.
    let start = |run| of_run(run, 0, vec![started(1, digest)]);
    let what = misfit(vec![start(1), start(2), ended(1, 3, 2), of_run(2, 4, vec![Event::Adopted]), ended(2, 6, 1)]);
    assert_eq!(what, "key `k` is written with version 1, lane 0 record 5 wrote it with version 2");
}

fn implied(checker: Checker) -> ImpliedState {
    match checker.finish() {
        Checked::Done(implied) => implied,
        Checked::Again(_) => panic!("no run goes on after it ended"),
    }
}

#[test]
fn the_state_that_a_chain_implies_is_the_sum_of_its_writes() {
    let mut checker = Checker::default();
    for (seq, body) in (1..).zip([written("a", 1), written("b", 2), written("a", 3)]) {
        checker.take(seq, &body).expect("it is right");
    }
    let removed = own(TenantEvent::StateWritten { writes: vec![write("b", 4, None), write("c", 5, Some("2"))] });
    checker.take(4, &removed).expect("it is right");
    // Another lane, whose commits nobody can order: an older write neither counts nor is wrong.
    checker.begin_lane(Lane(1));
    for (seq, version) in (1..).zip(10..16) {
        checker.take(seq, &written("other", version)).expect("it is right");
    }
    checker.take(7, &written("c", 4)).expect("it is right");

    let one = || Payload::from("1");
    let mut state = implied(checker);
    assert_eq!(state.tick_off("a", 3, &one()), Ok(()));
    assert_eq!(state.tick_off("other", 15, &one()), Ok(()));
    for (key, version, value, says) in [
        ("b", 2, one(), "the chain does not have it"),
        ("c", 4, Payload::from("2"), "the chain has version 5"),
        ("d", 9, one(), "the chain does not have it"),
    ] {
        assert!(state.tick_off(key, version, &value).is_err_and(|what| what.contains(says)), "{key}");
    }
    assert_eq!(state.finish(), Ok(()));
}

#[test]
fn a_key_with_another_value_or_none_is_found() {
    let state = || {
        let mut checker = Checker::default();
        checker.take(1, &written("a", 1)).expect("it is right");
        implied(checker)
    };
    assert!(state().tick_off("a", 1, &Payload::from("2")).is_err_and(|what| what.contains("another value")));
    assert_eq!(state().finish(), Err("key `a` is not stored, the chain has it with version 1".to_owned()));
}

#[test]
fn a_run_needs_the_definitions_of_lane_0_and_ends_with_its_lane() {
    let mut all: Vec<LaneBodies> = lanes(1, 0);
    let lane_1 = all.pop().expect("the second lane of a tenant");
    let flaw = verify(&export(&[lane_1])).expect_err("nothing was applied");
    assert!(flaw.to_string().starts_with("line 2, local lane 1 record 1: "), "{flaw}");
    assert!(flaw.what.contains("was not applied"), "{flaw}");

    let mut all = lanes(1, 0);
    let (lane_0, lane_1) = (all[1].bodies.len(), all[2].bodies.len());
    let runs = |bodies: &[Body]| -> Vec<(u128, u64)> {
        let records = (1..).zip(bodies).filter_map(|(seq, body)| match body {
            Body::Run { run, .. } => Some((run.0, seq)),
            Body::Tenant { .. } => None,
        });
        records.collect()
    };
    // The first run of a lane stays open.
    let records = runs(&all[1].bodies);
    let open = records.iter().map(|(run, _)| *run).min().expect("a lane has runs");
    let last = records.iter().rfind(|(run, _)| *run == open).map(|(_, seq)| *seq).expect("it has records");
    let more = of_run(open, last, vec![Event::Adopted]);
    all[2].bodies.push(more.clone());
    let flaw = verify(&export(&all)).expect_err("the run is of lane 0");
    assert_eq!(flaw.seq, Some(lane_1 as u64 + 1), "{flaw}");
    assert!(flaw.what.contains("is a run of another lane"), "{flaw}");
    all[2].bodies.pop();
    all[1].bodies.push(more);
    assert_eq!(verify(&export(&all)).map(|reports| reports[1].head.seq), Ok(lane_0 as u64 + 1));
}
