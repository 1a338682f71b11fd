//! Runs of the order plugin through coordinator, sandbox and store: each way in which a step can end, what is taken back, and what the
//! journal says.

use amends::coordinator::{DriveError, StartError, StartRun, StartedRun};
use amends::store::Store;
use amends::store::memory::{Fate, MemoryStore};
use amends::store::writer::WriterError;
use amends_domain::event::{Direction, Ending, Event, Halt, Outcome};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run, StepStatus};
use harness::{Host, guest, root};
use serde_json::{Value, json};
use std::sync::Arc;

const SAGA: &str = "order.fulfillment";

fn host(directory: &tempfile::TempDir) -> Host {
    prepared(Host::open(directory.path(), 2).expect("a new directory opens"))
}

fn prepared(host: Host) -> Host {
    host.install("orders", &guest("orders")).expect("the plugin is right");
    let example = root().join("examples/order-fulfillment");
    let document = std::fs::read_to_string(example.join("saga.yaml")).expect("the example is there");
    // Quick retries, so that nobody waits; and fuel for longer than the clock allows, so that a wait ends by the clock.
    let quick = document
        .replace("initial: 200ms", "initial: 1ms")
        .replace("jitter: 20ms", "jitter: 0ms")
        .replace("timeout: 2s", "timeout: 300ms");
    assert_ne!(quick, document);
    host.apply(&quick).expect("the example is right");
    let state = std::fs::read_to_string(example.join("state.json")).expect("the example is there");
    host.write_state(&serde_json::from_str(&state).expect("JSON")).expect("state is written");
    host
}

fn input(rehearse: Value) -> Value {
    let path = root().join("examples/order-fulfillment/inputs/good.json");
    let mut input: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the example is there")).expect("JSON");
    input["rehearse"] = rehearse;
    input
}

fn outcome(run: &Run) -> Outcome {
    match run.phase() {
        Phase::Ended(ended) => ended.outcome,
        Phase::Forward | Phase::Backward(_) => panic!("the run has not ended"),
    }
}

fn statuses(run: &Run) -> Vec<StepStatus> {
    run.steps().map(|(_, step)| step.status()).collect()
}

fn state(host: &Host) -> Vec<(String, Value)> {
    let rows = host.coordinator.store().states(&host.tenant, None, 1000).expect("the store reads");
    rows.into_iter().map(|(key, value)| (key, value.value.json().expect("JSON"))).collect()
}

#[test]
fn a_good_order_succeeds_and_its_books_say_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    let before = state(&host);
    let run = host.run(SAGA, &input(json!({}))).expect("the run ends");
    assert_eq!((outcome(&run), statuses(&run)), (Outcome::Succeeded, vec![StepStatus::Completed; 3]));
    assert_ne!(state(&host), before);
}

/// Each case: what goes wrong in the third step, how its attempts end, how the run ends.
#[test]
fn whatever_goes_wrong_in_the_last_step_the_others_are_taken_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    let before = state(&host);
    let halted = |halt, count| vec![format!("{halt:?}"); count];
    for (mishap, endings, status) in [
        (json!("reject"), vec!["Rejected".to_owned()], StepStatus::CompensationNotNeeded),
        (json!({"unavailable": {"attempts": 9}}), vec!["Unavailable".to_owned(); 3], StepStatus::CompensationNotNeeded),
        (json!({"uncertain": {"attempts": 9}}), vec!["Uncertain".to_owned(); 3], StepStatus::Compensated),
        (json!({"trap": {"attempts": 9}}), halted(Halt::Trap, 3), StepStatus::CompensationNotNeeded),
        (json!("loop"), halted(Halt::OutOfFuel, 3), StepStatus::CompensationNotNeeded),
        (json!("eat_memory"), halted(Halt::OutOfMemory, 3), StepStatus::CompensationNotNeeded),
        (json!("flood"), halted(Halt::Oversized, 3), StepStatus::CompensationNotNeeded),
    ] {
        let run = host.run(SAGA, &input(json!({"create-shipment": {"execute": mishap}}))).expect("the run ends");
        assert_eq!(attempts(&host, &run, Direction::Forward), endings, "{mishap}");
        assert_eq!(outcome(&run), Outcome::Compensated, "{mishap}");
        assert_eq!(statuses(&run), [StepStatus::Compensated, StepStatus::Compensated, status], "{mishap}");
        assert_eq!(state(&host), before, "{mishap} left something behind");
    }
}

#[test]
fn a_step_that_waits_ends_by_the_clock() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    let example = std::fs::read_to_string(root().join("examples/order-fulfillment/saga.yaml")).expect("the example is there");
    let patient = example
        .replace("fuel: 100000000", "fuel: 1000000000000")
        .replace("timeout: 2s", "timeout: 100ms")
        .replace("initial: 200ms", "initial: 1ms");
    host.apply(&patient).expect("the example is right");
    let run = host.run(SAGA, &input(json!({"create-shipment": {"execute": "wait"}}))).expect("the run ends");
    assert_eq!(attempts(&host, &run, Direction::Forward), vec!["Timeout"; 3]);
    assert_eq!(outcome(&run), Outcome::Compensated);
}

#[test]
fn a_step_that_fails_at_first_succeeds_in_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    for (mishap, ending) in [(json!({"trap": {"attempts": 2}}), "Trap"), (json!({"unavailable": {"attempts": 2}}), "Unavailable")] {
        let run = host.run(SAGA, &input(json!({"charge-payment": {"execute": mishap}}))).expect("the run ends");
        assert_eq!(outcome(&run), Outcome::Succeeded);
        assert_eq!(run.steps().nth(1).expect("three steps").1.forward.attempts, 3);
        assert_eq!(attempts(&host, &run, Direction::Forward), [ending, ending]);
    }
}

#[test]
fn a_compensation_that_fails_for_ever_leaves_the_run_stuck_and_the_others_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    let rehearse =
        json!({"create-shipment": {"execute": "reject"}, "charge-payment": {"compensate": {"unavailable": {"attempts": 9}}}});
    let run = host.run(SAGA, &input(rehearse)).expect("the run ends");
    assert_eq!(outcome(&run), Outcome::Stuck);
    assert_eq!(statuses(&run), [StepStatus::Compensated, StepStatus::CompensationFailed, StepStatus::CompensationNotNeeded]);
    assert_eq!(attempts(&host, &run, Direction::Backward), vec!["Unavailable"; 3]);
}

#[test]
fn many_runs_over_the_same_stock_lose_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    let total = |state: &[(String, Value)], prefix: &str, fields: &[&str]| -> u64 {
        let rows = state.iter().filter(|(key, _)| key.starts_with(prefix));
        rows.map(|(_, value)| fields.iter().filter_map(|field| value[field].as_u64()).sum::<u64>()).sum()
    };
    let stock = |state: &[(String, Value)]| total(state, "stock/", &["available", "reserved", "shipped"]);
    let money =
        |state: &[(String, Value)]| total(state, "account/", &["balance_cents"]) + total(state, "revenue", &["balance_cents"]);
    let before = state(&host);
    let inputs = (0..60).map(|n| input(if n % 3 == 0 { json!({"create-shipment": {"execute": "reject"}}) } else { json!({}) }));
    let runs = host
        .block_on(async { futures_util::future::join_all(inputs.map(|input| async { host.drive(SAGA, &{ input }).await })).await });
    let outcomes: Vec<_> = runs.iter().map(|run| outcome(run.as_ref().expect("the run ends"))).collect();
    assert!(outcomes.contains(&Outcome::Succeeded) && outcomes.contains(&Outcome::Compensated), "{outcomes:?}");
    let after = state(&host);
    assert_eq!((stock(&after), money(&after)), (stock(&before), money(&before)));
    let reserved = total(&after, "stock/", &["reserved"]);
    assert_eq!(reserved, 0, "no order is under way");
}

#[test]
fn one_key_gives_one_run_however_many_ask() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = host(&directory);
    let start = |key: &str, input: Value| StartRun {
        version: None,
        begin: None,
        tenant: host.tenant.clone(),
        saga: SAGA.parse().expect("a name"),
        input: Payload::from(&input),
        key: Some(key.to_owned()),
        parent: None,
    };
    let order = input(json!({"create-shipment": {"execute": "wait"}}));
    let (first, joined) = host.block_on(async {
        let StartedRun::New(first) = host.coordinator.start(start("k", order.clone())).await.expect("it starts") else {
            panic!("a new key")
        };
        let StartedRun::Existing(run) = host.coordinator.start(start("k", order.clone())).await.expect("it is there") else {
            panic!("a used key")
        };
        assert_eq!(run, first.run);
        let joined = host.coordinator.adopt(&host.tenant, run).expect("it can be joined").expect("it is open");
        (first.ended().await.expect("it ends"), joined.ended().await.expect("it ends"))
    });
    assert_eq!(first, joined);
    let adopted = host.journal(first.id()).expect("the journal is stored").iter().filter(|e| e.event == Event::Adopted).count();
    assert_eq!(adopted, 0, "it was joined, not driven twice");
    let ended = host.coordinator.adopt(&host.tenant, first.id()).expect("the store reads");
    assert!(ended.is_none(), "it has ended");
    let other = host.block_on(host.coordinator.start(start("k", input(json!({})))));
    assert!(matches!(other, Err(StartError::KeyReused(run)) if run == first.id()), "{other:?}");
}

#[test]
fn a_run_that_was_left_open_goes_on_where_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let left = host(&directory);
    let start = StartRun {
        version: None,
        begin: None,
        tenant: left.tenant.clone(),
        saga: SAGA.parse().expect("a name"),
        input: Payload::from(&input(json!({"create-shipment": {"execute": "wait"}}))),
        key: None,
        parent: None,
    };
    let id = left.block_on(async {
        let StartedRun::New(driven) = left.coordinator.start(start).await.expect("it starts") else { panic!("no key was given") };
        driven.accepted().await.expect("the disk takes it");
        driven.run
    });
    left.coordinator.close().expect("the disk takes it");
    drop(left);

    let host = Host::open(directory.path(), 2).expect("it was let go of");
    let run = host.block_on(async {
        let adopted = host.coordinator.adopt(&host.tenant, id).expect("the store reads").expect("it is open");
        adopted.ended().await.expect("it ends")
    });
    assert_eq!(outcome(&run), Outcome::Compensated);
    assert!(run.steps().all(|(_, step)| step.forward.attempts <= 3 && step.backward.attempts <= 3));
}

/// A commit gives an error: it may be durable or not, and nobody is told that it is.
#[test]
fn a_commit_of_unknown_fate_is_told_as_such_and_the_next_host_finds_out() {
    for (fate, found) in [(Fate::Lost, false), (Fate::Kept, true)] {
        let store = Arc::new(MemoryStore::new());
        let host = prepared(Host::over(Arc::clone(&store) as Arc<dyn Store>, 2).expect("it opens"));
        store.fail_next_commit(fate);
        let start = StartRun {
            version: None,
            begin: None,
            tenant: host.tenant.clone(),
            saga: SAGA.parse().expect("a name"),
            input: Payload::from(&input(json!({}))),
            key: None,
            parent: None,
        };
        let run = host.block_on(async {
            let StartedRun::New(driven) = host.coordinator.start(start).await.expect("it starts") else {
                panic!("no key was given")
            };
            let accepted = driven.accepted().await;
            assert!(matches!(accepted, Err(DriveError::Writer(WriterError::Unknown(_)))), "{accepted:?}");
            let run = driven.run;
            let ended = driven.ended().await;
            assert!(ended.as_ref().is_err_and(|error| error.to_string().contains("not known whether")), "{ended:?}");
            run
        });
        drop(host);

        let next = Host::over(store, 2).expect("it opens");
        let adopted = next.block_on(async {
            match next.coordinator.adopt(&next.tenant, run).expect("the store reads") {
                Some(driven) => Some(driven.ended().await.expect("it ends")),
                None => None,
            }
        });
        let ended = next.coordinator.store().run(&next.tenant, run).expect("the store reads").is_some();
        assert_eq!(ended, found, "{fate:?}");
        if let Some(run) = adopted {
            assert_eq!(outcome(&run), Outcome::Succeeded);
        }
    }
}

/// The bad endings of a run's attempts in one direction, in order.
fn attempts(host: &Host, run: &Run, direction: Direction) -> Vec<String> {
    let journal = host.journal(run.id()).expect("the journal is stored");
    let ended = journal.into_iter().filter_map(|entry| match entry.event {
        Event::AttemptEnded(ended) if ended.attempt.direction == direction => Some(ended.ending),
        _ => None,
    });
    let bad = ended.filter_map(|ending| match ending {
        Ending::Ok { .. } => None,
        Ending::Failed { failure, .. } => Some(format!("{failure:?}")),
        Ending::Halted { halt, .. } => Some(format!("{halt:?}")),
    });
    bad.collect()
}
