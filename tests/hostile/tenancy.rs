//! Attacks with more than one run: on the way back, on what is shared, and on the neighbour's own.

use crate::attack::executes;
use crate::site::Site;
use amends::coordinator::{DemandError, DemandOf, StartRun, StartedRun, Then};
use amends_domain::event::{Author, Demand, InFlight, Outcome};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run};
use futures_util::future::join_all;
use harness::framed_guest;

/// An attack that checks for itself.
type Many = (&'static str, fn(&Site));

pub(crate) fn attacks() -> Vec<Many> {
    vec![
        ("traps on the way back", traps_on_the_way_back),
        ("loops on the way back", loops_on_the_way_back),
        ("keeps what it knows in globals", keeps_globals),
        ("a thousand loops at once", a_thousand_loops),
        ("all memories of the pool at once", exhausts_the_pool),
        ("cancels a hundred runs, again and again", cancels_storms),
        ("guesses the ids of the neighbour's runs", guesses_ids),
    ]
}

const SMALL: &str = r#""retry":{"attempts":1},"limits":{"fuel":3000000,"timeout":"5s","memory":"4MiB"}"#;

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

fn stuck_by(site: &Site, back: &str) {
    site.upload(backward(back)).expect("it is accepted");
    site.apply(&format!(
        r#"{{"saga":"back","defaults":{{{SMALL}}},"steps":[{{"id":"a","uses":"p/p","input":"a"}},{{"id":"b","uses":"p/p","input":"b"}}]}}"#
    ));
    let run = site.host.block_on(site.run("back"));
    assert_eq!((outcome(&run), run.head().dead_letters), (Outcome::Stuck, 1));
}

fn traps_on_the_way_back(site: &Site) {
    stuck_by(site, "(unreachable)");
}

fn loops_on_the_way_back(site: &Site) {
    stuck_by(site, "(loop $ever (br $ever)) (unreachable)");
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
    let (tenant, saga) = (site.attacker.clone(), "waits".parse().expect("a name"));
    let start = StartRun { tenant, saga, input: Payload::null(), key: None, begin: None };
    let StartedRun::New(driven) = site.host.coordinator.start(start).await.expect("it is accepted") else {
        panic!("a run without a key is new")
    };
    let run = driven.run;
    let demands = join_all((0..20).map(|_| {
        let by = Author { who: "attacker".to_owned(), why: None, key: None };
        let demand = Demand::Cancel { in_flight: InFlight::EndNow };
        site.host.coordinator.demand(DemandOf { tenant: site.attacker.clone(), run, demand, by, then: Then::Drive })
    }));
    assert!(demands.await.iter().all(Result::is_ok));
    // A run that was put aside has ended in the hands of the next who drove it.
    let _ = driven.ended().await;
    let journal = site.host.coordinator.store().journal(&site.attacker, run).expect("it reads").expect("it is there");
    let run = site.host.coordinator.replay(&site.attacker, run, &journal).expect("it makes sense");
    assert_eq!(outcome(&run), Outcome::Compensated);
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
