//! Runs that are no longer kept, of a real host: what goes, what stays, and that the chain is proof of both, in the data directory, in an
//! export and after a restore.

use amends::coordinator::{DemandError, DemandOf, StartRun, StartedRun, Then};
use amends_domain::event::{Author, Demand};
use amends_domain::id::RunId;
use amends_domain::payload::Payload;
use amends_domain::run::RunStatus;
use amends_domain::time::Timestamp;
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

fn host(data: &Path) -> Host {
    let host = Host::open(data, 1).expect("it opens");
    host.install("orders", &guest("orders")).expect("it is right");
    host.apply(SAGA).expect("it is right");
    let stock = json!({ "stock/BOOK-1": { "available": 1000, "reserved": 0, "shipped": 0, "price_cents": 2000 } });
    host.write_state(&stock).expect("it is written");
    host
}

/// Starts a run with a key and waits until it rests.
fn start(host: &Host, key: &str, sku: &str, waits: bool) -> RunId {
    let input = Payload::from(&json!({ "sku": sku, "waits": waits }));
    let saga = "order".parse().expect("a name");
    let start = StartRun { version: None, tenant: host.tenant.clone(), saga, input, key: Some(key.to_owned()), begin: None };
    host.block_on(async {
        match host.coordinator.start(start).await.expect("it starts") {
            StartedRun::New(driven) => {
                let run = driven.run;
                if waits {
                    wait_for(host, run).await;
                } else {
                    driven.rests().await.expect("it rests");
                }
                run
            }
            StartedRun::Existing(run) => run,
        }
    })
}

/// Waits until a run waits for somebody.
async fn wait_for(host: &Host, run: RunId) {
    let is_waiting = || {
        let head = host.coordinator.store().run(&host.tenant, run).expect("an answer");
        head.is_some_and(|head| head.status == RunStatus::Waiting)
    };
    let begun = Instant::now();
    while !is_waiting() {
        assert!(begun.elapsed() < PATIENCE, "{run} does not come to wait");
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

#[test]
fn a_run_that_somebody_goes_on_with_is_left() {
    let folder = tempfile::tempdir().expect("there is room");
    let host = host(&folder.path().join("data"));
    let runs: Vec<RunId> = (0..40).map(|n| start(&host, &format!("{n}"), "BOOK-1", false)).collect();
    let (removed, asked) = host.block_on(async {
        let removing = host.coordinator.remove_ended(&host.tenant, LATER);
        let asking = async {
            let mut taken = Vec::new();
            for run in runs.iter().rev() {
                let by = Author { who: "ada".into(), why: Some("because".into()), key: None };
                let demand = Demand::Compensate { from: None };
                let of = DemandOf { tenant: host.tenant.clone(), run: *run, demand, by, then: Then::Drive };
                taken.push((*run, host.coordinator.demand(of).await));
            }
            taken
        };
        tokio::join!(asking, removing)
    });
    let asked_len = asked.as_ref().map(|removed| removed.runs).expect("it is durable");
    let mut left = 0;
    for (run, answered) in removed {
        let stored = host.coordinator.store().run(&host.tenant, run).expect("an answer");
        match answered {
            // What was noted of it before it was removed was noted of a run that there was; what is left of it is whole.
            Ok(_) | Err(DemandError::Unfit(_)) => left += u64::from(stored.is_some()),
            Err(DemandError::UnknownRun(_)) => assert_eq!(stored, None),
            Err(DemandError::Host(error)) => panic!("{error}"),
        }
    }
    assert_eq!(left + asked_len, 40, "each is there or removed, and the removed ones are those that were told of");
    amends::store::verify_tail(&**host.coordinator.store(), u64::MAX).expect("the chain is whole");
}
