//! Attacks with more than one run: on the way back, on what is shared, and on the neighbour's own.

use crate::attack::executes;
use crate::site::Site;
use amends::coordinator::{Answered, DemandError, DemandOf, Driven, StartRun, StartedRun, Then};
use amends_domain::audit::{Head, Kept, Sealed};
use amends_domain::event::{Author, Demand, Ending, Halt, InFlight, Outcome};
use amends_domain::id::{Lane, RunId};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run};
use futures_util::future::{join, join_all};
use harness::framed_guest;

/// An attack that checks for itself.
pub(crate) type Many = (&'static str, fn(&Site));

pub(crate) fn attacks() -> Vec<Many> {
    vec![
        ("traps on the way back", traps_on_the_way_back),
        ("uses up its fuel on the way back", burns_on_the_way_back),
        ("loops on the way back", loops_on_the_way_back),
        ("keeps what it knows in globals", keeps_globals),
        ("a thousand loops at once", a_thousand_loops),
        ("all memories of the pool at once", exhausts_the_pool),
        ("cancels a hundred runs, again and again", cancels_storms),
        ("cancels what computes, again and again", cancels_loops),
        ("replaces its plugin under its runs", replaces_its_plugin),
        ("replaces it a hundred times meanwhile", replaces_it_often),
        ("guesses the ids of the neighbour's runs", guesses_ids),
        ("alters its records afterwards", alters_records),
    ]
}

const SMALL: &str = r#""retry":{"attempts":1},"limits":{"fuel":3000000,"timeout":"5s","memory":"4MiB"}"#;

/// More than can be used up in time.
const MUCH: &str = r#""retry":{"attempts":1},"limits":{"fuel":50000000000,"timeout":"300ms","memory":"4MiB"}"#;

fn outcome(run: &Run) -> Outcome {
    match run.phase() {
        Phase::Ended(ended) => ended.outcome,
        Phase::Forward | Phase::Backward(_) => panic!("it is open"),
    }
}

/// A guest whose forward way is right for `a` and fails for `b`, and whose way back is `back`.
fn backward(back: &str) -> Vec<u8> {
    framed_guest(&format!(
        r#"(core module $guest
             (import "libc" "memory" (memory 1))
             (func (export "execute") (param $at i32) (param $len i32) (result i32)
               (if (i32.eq (i32.load8_u offset=1 (local.get $at)) (i32.const 0x62)) (then (unreachable)))
               (i32.const 0))
             (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) {back}))
           (core instance $it (instantiate $guest (with "libc" (instance $libc))))"#
    ))
}

fn stuck_by(site: &Site, limits: &str, back: &str, halted: Halt) {
    site.upload(backward(back)).expect("it is accepted");
    site.apply(&format!(
        r#"{{"saga":"back","defaults":{{{limits}}},"steps":[{{"id":"a","uses":"p/p","input":"a"}},{{"id":"b","uses":"p/p","input":"b"}}]}}"#
    ));
    let run = site.host.block_on(site.run("back"));
    assert_eq!((outcome(&run), run.head().dead_letters), (Outcome::Stuck, 1));
    let last = site.attempts(run.id()).pop().expect("there were three");
    assert!(matches!(last.ending, Ending::Halted { halt, .. } if halt == halted), "{:?}", last.ending);
}

fn traps_on_the_way_back(site: &Site) {
    stuck_by(site, SMALL, "(unreachable)", Halt::Trap);
}

fn burns_on_the_way_back(site: &Site) {
    stuck_by(site, SMALL, "(loop $ever (br $ever)) (unreachable)", Halt::OutOfFuel);
}

fn loops_on_the_way_back(site: &Site) {
    stuck_by(site, MUCH, "(loop $ever (br $ever)) (unreachable)", Halt::Timeout);
}

fn keeps_globals(site: &Site) {
    site.upload(harness::small_guest("count")).expect("it is accepted");
    for _ in 0..3 {
        let run = site.host.block_on(site.run("one"));
        let output = run.steps().next().and_then(|(_, step)| step.output.clone()).expect("it answers");
        assert_eq!(output.json().expect("JSON"), serde_json::json!(2), "it knows of nothing before");
    }
}

fn a_thousand_loops(site: &Site) {
    site.upload(framed_guest(&executes("", "(loop $ever (br $ever)) (unreachable)"))).expect("it is accepted");
    site.apply(&format!(r#"{{"saga":"loops","defaults":{{{SMALL}}},"steps":[{{"id":"a","uses":"p/p"}}]}}"#));
    let runs = site.host.block_on(join_all((0..1000).map(|_| site.run("loops"))));
    assert!(runs.iter().all(|run| outcome(run) == Outcome::Compensated));
}

fn exhausts_the_pool(site: &Site) {
    let modules = "(core module $extra (memory 1)) (core instance (instantiate $extra)) (core instance (instantiate $extra)) \
                   (core instance (instantiate $extra))";
    site.upload(framed_guest(&format!("{modules}{}", executes("", "(i32.const 0)")))).expect("it is accepted");
    let runs = site.host.block_on(join_all((0..300).map(|_| site.run("one"))));
    assert!(runs.iter().all(|run| outcome(run) == Outcome::Succeeded));
}

fn cancels_storms(site: &Site) {
    site.apply(r#"{"saga":"waits","steps":[{"id":"w","wait":{"signal":"never"}}]}"#);
    site.host.block_on(join_all((0..100).map(|_| cancelled_often(site))));
}

async fn cancelled_often(site: &Site) {
    let driven = started(site, "waits").await;
    let run = driven.run;
    let demands = join_all((0..20).map(|_| cancel(site, run)));
    assert!(demands.await.iter().all(Result::is_ok));
    // A run that was put aside has ended in the hands of the next who drove it.
    let _ = driven.ended().await;
    let journal = site.host.coordinator.store().journal(&site.attacker, run).expect("it reads").expect("it is there");
    let run = site.host.coordinator.replay(&site.attacker, run, &journal).expect("it makes sense");
    assert_eq!(outcome(&run), Outcome::Compensated);
}

async fn started(site: &Site, saga: &str) -> Driven {
    let (tenant, saga) = (site.attacker.clone(), saga.parse().expect("a name"));
    let start = StartRun { version: None, tenant, saga, input: Payload::null(), key: None, begin: None, parent: None };
    let StartedRun::New(driven) = site.host.coordinator.start(start).await.expect("it is accepted") else {
        panic!("a run without a key is new")
    };
    driven
}

async fn cancel(site: &Site, run: RunId) -> Result<Answered, DemandError> {
    let by = Author { who: "attacker".to_owned(), why: None, key: None };
    let demand = Demand::Cancel { in_flight: InFlight::EndNow };
    site.host.coordinator.demand(DemandOf { tenant: site.attacker.clone(), run, demand, by, then: Then::Drive }).await
}

/// Each of them would compute for an hour.
fn cancels_loops(site: &Site) {
    site.upload(framed_guest(&executes("", "(loop $ever (br $ever)) (unreachable)"))).expect("it is accepted");
    site.apply(
        r#"{"saga":"endless","defaults":{"retry":{"attempts":1},"limits":{"fuel":100000000000000,"timeout":"1h","memory":"4MiB"}},
            "steps":[{"id":"a","uses":"p/p"}]}"#,
    );
    let ended = site.host.block_on(join_all((0..50).map(|_| async {
        let driven = started(site, "endless").await;
        let demands = join_all((0..10).map(|_| cancel(site, driven.run))).await;
        // Those that come behind its end are told so.
        assert!(demands.iter().any(Result::is_ok));
        driven.ended().await.expect("it is driven")
    })));
    assert!(ended.iter().all(|run| outcome(run) == Outcome::Compensated));
}

fn replaces_its_plugin(site: &Site) {
    site.upload(harness::small_guest("echo")).expect("it is accepted");
    site.apply(r#"{"saga":"pinned","steps":[{"id":"a","uses":"p/p"},{"id":"w","wait":{"for":"100ms"}},{"id":"b","uses":"p/p"}]}"#);
    let driven = site.host.block_on(join_all((0..20).map(|_| started(site, "pinned"))));
    site.upload(harness::small_guest("trap")).expect("it is accepted");
    // They began with the one that was there.
    let runs = site.host.block_on(join_all(driven.into_iter().map(Driven::ended)));
    assert!(runs.iter().all(|run| outcome(run.as_ref().expect("it is driven")) == Outcome::Succeeded));
    assert_eq!(outcome(&site.host.block_on(site.run("one"))), Outcome::Compensated);
}

fn replaces_it_often(site: &Site) {
    site.apply(&format!(
        r#"{{"saga":"twice","defaults":{{{SMALL}}},"steps":[{{"id":"a","uses":"p/p"}},{{"id":"b","uses":"p/p"}}]}}"#
    ));
    let plugin = "p".parse().expect("a name");
    let replaced = async {
        for name in ["echo", "trap"].iter().cycle().take(100) {
            let component = harness::small_guest(name).into();
            site.host.coordinator.install(&site.attacker, &plugin, component).await.expect("it is accepted");
        }
    };
    let (runs, ()) = site.host.block_on(join(join_all((0..100).map(|_| site.run("twice"))), replaced));
    for run in runs {
        // Both steps have the same one, whichever it is: where the first step went well, the second did.
        let first_went_well = run.steps().next().is_some_and(|(_, step)| step.output.is_some());
        assert_eq!(outcome(&run) == Outcome::Succeeded, first_went_well);
    }
}

fn guesses_ids(site: &Site) {
    let store = site.host.coordinator.store();
    let neighbour = "neighbour".parse().expect("a name");
    let (theirs, _) = store.runs(&neighbour, None, 1).expect("it reads").pop().expect("it has runs");
    assert!(store.journal(&site.attacker, theirs).expect("it reads").is_none());
    assert!(site.host.coordinator.adopt(&site.attacker, theirs).expect("it reads").is_none());
    let by = Author { who: "attacker".to_owned(), why: Some("harm".to_owned()), key: None };
    for demand in [Demand::Kill, Demand::Pause, Demand::Compensate { from: None }] {
        let of = DemandOf { tenant: site.attacker.clone(), run: theirs, demand, by: by.clone(), then: Then::Drive };
        let refused = site.host.block_on(site.host.coordinator.demand(of));
        assert!(matches!(refused, Err(DemandError::UnknownRun(_))), "{refused:?}");
    }
}

fn alters_records(site: &Site) {
    let records = site.host.coordinator.store().records(&site.attacker, Lane(0), 1, 64).expect("it reads");
    let holds = |records: &[Sealed]| {
        let mut head = Head::genesis(&site.attacker, Lane(0));
        records.iter().all(|record| head.check(record).is_ok())
    };
    assert!(records.len() == 64 && holds(&records));
    for at in 0..records.len() - 1 {
        let changed = |change: &dyn Fn(&mut Vec<Sealed>)| {
            let mut records = records.clone();
            change(&mut records);
            holds(&records)
        };
        assert!(!changed(&|records| {
            records[at].kept = Kept::Body(flipped(records[at].kept.body().expect("it is kept")));
        }));
        assert!(!changed(&|records| records.swap(at, at + 1)));
        assert!(!changed(&|records| drop(records.remove(at))));
    }
    // Nor does it pass for another tenant's.
    assert!(Head::genesis(&"neighbour".parse().expect("a name"), Lane(0)).check(&records[0]).is_err());
}

fn flipped(body: &[u8]) -> bytes::Bytes {
    let mut body = body.to_vec();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    body.into()
}
