//! Runs that are no longer kept, of a real host: what goes, what stays, and that the chain is proof of both, in the data directory, in an
//! export and after a restore.

use amends::clock::{Clock, SystemClock};
use amends::coordinator::{DemandError, DemandOf, StartRun, StartedRun, Then};
use amends_domain::audit::Body;
use amends_domain::event::{Author, Demand, Outcome, TenantEvent};
use amends_domain::id::{Lane, RunId};
use amends_domain::payload::Payload;
use amends_domain::run::RunStatus;
use amends_domain::time::{Span, Timestamp};
use harness::{Host, PATIENCE, guest, run_amends};
use serde_json::json;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

const SAGA: &str = r#"
saga: order
steps:
  - { id: reserve, uses: orders/reserve-inventory, input: { sku: "${input.sku}", quantity: 1 } }
  - { id: wait, when: "${input.waits}", wait: { signal: approved } }
"#;
/// Later than everything.
const LATER: Timestamp = Timestamp(u64::MAX);
/// Runs of one race.
const RACED: usize = 120;
/// After so many races both sides have won.
const ROUNDS_MAX: usize = 10;
/// Most bytes of records that one commit removes, but for the run that fills it: as `coordinator/retention.rs` says.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// No run of these tests has more.
const ONE_RUN_MAX: u64 = 300_000;

fn host(data: &Path) -> Host {
    host_of(data, 1)
}

/// `threads` run guests.
fn host_of(data: &Path, threads: usize) -> Host {
    let host = Host::open(data, threads).expect("it opens");
    host.install("orders", &guest("orders")).expect("it is right");
    host.apply(SAGA).expect("it is right");
    let stock = json!({ "stock/BOOK-1": { "available": 2000, "reserved": 0, "shipped": 0, "price_cents": 2000 } });
    host.write_state(&stock).expect("it is written");
    host
}

/// Starts a run with a key and waits until it rests.
fn start(host: &Host, key: &str, sku: &str, waits: bool) -> RunId {
    let input = Payload::from(&json!({ "sku": sku, "waits": waits }));
    let saga = "order".parse().expect("a name");
    let start =
        StartRun { version: None, tenant: host.tenant.clone(), saga, input, key: Some(key.to_owned()), begin: None, parent: None };
    host.block_on(async {
        match host.coordinator.start(start).await.expect("it starts") {
            StartedRun::New(driven) => {
                let run = driven.run;
                if waits {
                    rests(host, run, RunStatus::Waiting).await;
                } else {
                    driven.rests().await.expect("it rests");
                }
                run
            }
            StartedRun::Existing(run) => run,
        }
    })
}

/// Waits until a run stands so.
async fn rests(host: &Host, run: RunId, status: RunStatus) {
    let is_so = || {
        let head = host.coordinator.store().run(&host.tenant, run).expect("an answer");
        head.is_some_and(|head| head.status == status)
    };
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{run} does not come to be {status:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn remove(host: &Host, before: Timestamp) -> (u64, u64) {
    let removed = host.block_on(host.coordinator.remove_ended(&host.tenant, before)).expect("it is durable");
    (removed.runs, removed.records)
}

fn demand(host: &Host, run: RunId, demand: Demand) -> Result<(), DemandError> {
    let by = Author { who: "ada".into(), why: Some("because".into()), key: None };
    let of = DemandOf { tenant: host.tenant.clone(), run, demand, by, then: Then::Drive };
    host.block_on(host.coordinator.demand(of)).map(|_| ())
}

fn amends<const N: usize>(args: [&dyn AsRef<OsStr>; N]) -> String {
    let ended = run_amends(args.into_iter().map(AsRef::as_ref));
    assert_eq!(ended.code, Some(0), "{ended}");
    ended.text()
}

#[test]
fn old_runs_go_and_open_ones_what_they_wrote_and_the_proof_of_it_stay() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let host = host(&data);
    let ended: Vec<RunId> = (0..150).map(|n| start(&host, &format!("old-{n}"), "BOOK-1", false)).collect();
    let failed = start(&host, "failed", "NO-SUCH-BOOK", false);
    let open = start(&host, "open", "BOOK-1", true);
    let stock = host.state("stock/BOOK-1").expect("an answer").expect("it is there");

    assert_eq!(remove(&host, Timestamp(0)), (0, 0), "all of them ended later");
    let (runs, records) = remove(&host, LATER);
    assert!(runs == 151 && records >= 151, "{runs} runs, {records} records");
    assert_eq!(remove(&host, LATER), (0, 0), "they are gone");

    let store = host.coordinator.store();
    for run in ended.iter().chain([&failed]) {
        assert_eq!(store.run(&host.tenant, *run).expect("an answer"), None);
        let compensate = Demand::Compensate { from: None };
        assert!(matches!(demand(&host, *run, compensate), Err(DemandError::UnknownRun(_))), "{run}");
    }
    assert_eq!(host.state("stock/BOOK-1").expect("an answer"), Some(stock), "what they wrote counts");
    assert_eq!(start(&host, "open", "BOOK-1", true), open, "an open run is there, and so is its key");
    assert_ne!(start(&host, "old-0", "BOOK-1", false), ended[0], "a key is kept as long as its run");
    let signal = Demand::Signal { name: "approved".parse().expect("a name"), payload: Payload::from("{}") };
    demand(&host, open, signal).expect("it waits for that");
    host.coordinator.close().expect("all is durable");
    drop(host);

    let said = amends([&"audit", &"verify", &"--data", &data]);
    assert!(said.contains("ok") && said.contains("removed 151"), "{said}");
    let (export, backup, restored) = (folder.path().join("chain.jsonl"), folder.path().join("a.backup"), folder.path().join("new"));
    amends([&"audit", &"export", &"--data", &data, &"--out", &export]);
    let offline = amends([&"audit", &"verify", &export]);
    assert!(offline.contains("removed 151"), "{offline}");
    amends([&"backup", &"--data", &data, &"--out", &backup]);
    amends([&"restore", &backup, &"--data", &restored]);
    assert_eq!(amends([&"audit", &"verify", &"--data", &restored]), said);
    assert!(amends([&"run", &"show", &open.to_string(), &"--data", &restored]).contains("succeeded"));
}

/// How many of a tenant's runs became what in a race.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Raced {
    taken_back: u64,
    removed: u64,
}

/// Demands of runs that they be taken back, while those that ended before now are removed.
fn race(host: &Host, round: usize) -> Raced {
    let runs: Vec<RunId> = (0..RACED).map(|n| start(host, &format!("{round}-{n}"), "BOOK-1", false)).collect();
    let clock = SystemClock;
    let before = clock.now().plus(Span(1));
    // Whoever ends behind this instant is not removed.
    while clock.now() < before {
        std::thread::yield_now();
    }
    let (asked, removed) = host.block_on(async {
        let demands: Vec<_> = runs
            .iter()
            .map(|run| {
                let by = Author { who: "ada".into(), why: Some("because".into()), key: None };
                let (tenant, demand) = (host.tenant.clone(), Demand::Compensate { from: None });
                let (coordinator, of) = (host.coordinator.clone(), DemandOf { tenant, run: *run, demand, by, then: Then::Drive });
                tokio::spawn(async move { coordinator.demand(of).await })
            })
            .collect();
        let (coordinator, tenant) = (host.coordinator.clone(), host.tenant.clone());
        let removing = tokio::spawn(async move { coordinator.remove_ended(&tenant, before).await });
        let mut asked = Vec::new();
        for demand in demands {
            asked.push(demand.await.expect("it does not panic"));
        }
        (asked, removing.await.expect("it does not panic").expect("it is durable"))
    });
    let mut raced = Raced::default();
    for (run, answered) in runs.into_iter().zip(asked) {
        let store = host.coordinator.store();
        match answered {
            Ok(_) => {
                host.block_on(rests(host, run, RunStatus::Ended(Outcome::Compensated)));
                assert!(store.journal(&host.tenant, run).expect("it is whole").is_some(), "{run}");
                raced.taken_back += 1;
            }
            Err(DemandError::UnknownRun(_)) => {
                assert_eq!(store.run(&host.tenant, run).expect("an answer"), None);
                assert_eq!(store.journal(&host.tenant, run).expect("an answer"), None);
                raced.removed += 1;
            }
            Err(error) => panic!("{run} has succeeded or is gone: {error}"),
        }
    }
    assert_eq!(raced.removed, removed.runs, "all that were told to be gone were removed, and nothing else");
    raced
}

#[test]
fn a_run_that_is_demanded_back_while_it_is_removed_is_gone_or_is_taken_back_whole() {
    let folder = tempfile::tempdir().expect("there is room");
    let host = host_of(&folder.path().join("data"), 2);
    let mut all = Raced::default();
    for round in 0..ROUNDS_MAX {
        let Raced { taken_back, removed } = race(&host, round);
        all = Raced { taken_back: all.taken_back + taken_back, removed: all.removed + removed };
        if all.taken_back > 0 && all.removed > 0 {
            break;
        }
    }
    assert!(all.taken_back > 0 && all.removed > 0, "neither side always wins: {all:?}");
    let stock = host.state("stock/BOOK-1").expect("an answer").expect("it is there");
    assert_eq!(stock["reserved"], all.removed, "what was taken back is free again, what was removed stays done");
    amends::store::verify_tail(&**host.coordinator.store(), u64::MAX).expect("the chain is whole");
    host.coordinator.close().expect("all is durable");
    drop(host);
    amends([&"audit", &"verify", &"--data", &folder.path().join("data")]);
}

/// What each fact says that removes runs, in their order: how many, and how many bytes their records had.
fn removals(host: &Host) -> Vec<(usize, u64)> {
    let (store, mut seq, mut found) = (host.coordinator.store(), 0, Vec::new());
    loop {
        let page = store.records(&host.tenant, Lane(0), seq + 1, 1000).expect("it is whole");
        let Some(last) = page.last() else { return found };
        seq = last.seq;
        for body in page.iter().filter_map(|record| record.kept.body()) {
            let Body::Tenant { entries } = Body::decode(body).expect("it is whole") else { continue };
            found.extend(entries.into_iter().filter_map(|entry| match entry.event {
                TenantEvent::RunsRemoved { runs, used, .. } => Some((runs.len(), used.stored_bytes)),
                _ => None,
            }));
        }
    }
}

#[test]
fn one_commit_removes_so_many_runs_and_so_many_bytes_and_no_more() {
    let folder = tempfile::tempdir().expect("there is room");
    let host = host(&folder.path().join("data"));
    let small: Vec<RunId> = (0..150).map(|n| start(&host, &format!("{n}"), "BOOK-1", false)).collect();
    remove(&host, LATER);
    let runs: Vec<usize> = removals(&host).into_iter().map(|(runs, _)| runs).collect();
    assert_eq!((runs, small.len()), (vec![64, 64, 22], 150));

    let padding = "x".repeat(250_000);
    for n in 0..40 {
        let input = json!({ "sku": "BOOK-1", "waits": false, "padding": padding });
        assert_eq!(host.run("order", &input).expect("it ends").head().status, RunStatus::Ended(Outcome::Succeeded), "{n}");
    }
    remove(&host, LATER);
    let large = removals(&host).split_off(3);
    assert_eq!(large.iter().map(|(runs, _)| runs).sum::<usize>(), 40);
    let (last, full) = large.split_last().expect("there is one");
    assert!(full.len() >= 2 && last.1 < BYTES_MAX + ONE_RUN_MAX, "{large:?}");
    for (runs, bytes) in full {
        // As many as there is room for, and the one that fills it.
        assert!((BYTES_MAX..BYTES_MAX + ONE_RUN_MAX).contains(bytes), "{runs} runs of {bytes} bytes: {large:?}");
    }
}
