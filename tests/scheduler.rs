//! Runs go on when they have something to do, without anybody asking: those that a host finds when it starts, and those that rest in it; and
//! a host that ends does so in order.

#[path = "scheduler/guests.rs"]
mod guests;

use amends::clock::{Clock, SystemClock};
use amends::coordinator::{AcceptedRun, Coordinator, Driven, KeepDriving, Pauses, Rest, StartError, StartRun, StartedRun};
use amends::store::Store;
use amends::store::memory::MemoryStore;
use amends::store::redb::RedbStore;
use amends_domain::definition::read;
use amends_domain::event::{Event, Outcome};
use amends_domain::id::{RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::RunStatus;
use amends_domain::time::{Span, Timestamp};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use guests::Scripted;
use harness::PATIENCE;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The clock of the machine, so much ahead.
#[derive(Debug)]
struct Ahead(u64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0)
    }

    fn run_id(&self) -> RunId {
        SystemClock.run_id()
    }

    fn chance(&self) -> [u8; 32] {
        SystemClock.chance()
    }
}

const HOUR: u64 = 3_600_000;
const PACE: KeepDriving = KeepDriving { adopted_max: 8, pauses: Pauses { first: Span(5), max: Span(40) } };
/// Waits for as long as the input says, then works.
const LONG: &str =
    r#"{"saga":"long","steps":[{"id":"w","wait":{"until":"${input.until}"}},{"id":"a","uses":"p/p","input":"${input.does}"}]}"#;
/// Does what the input says, twice.
const WORK: &str = r#"{"saga":"work","steps":[{"id":"a","uses":"p/p","input":"${input}","retry":{"initial":"0s","jitter":"0s"},"limits":{"timeout":"60s"}},
    {"id":"b","uses":"p/p","input":"${input}","limits":{"timeout":"60s"}}]}"#;

struct Host {
    coordinator: Coordinator,
    guests: Arc<Scripted>,
}

impl Host {
    fn ahead(store: Arc<dyn Store>, ahead_ms: u64) -> Self {
        let guests = Arc::new(Scripted::default());
        let clock = Arc::new(Ahead(ahead_ms));
        let shared = Arc::clone(&guests) as Arc<dyn amends::coordinator::Guests>;
        let coordinator = Coordinator::new(store, shared, clock, Handle::current()).expect("the store reads");
        Self { coordinator: coordinator.resting_after(Span(1)), guests }
    }

    /// One with the sagas and the plugin for some tenants.
    async fn with(store: Arc<dyn Store>, tenants: &[&str]) -> Self {
        let host = Self::ahead(store, 0);
        for tenant in tenants.iter().map(|name| id(name)) {
            let installed = host.coordinator.install(&tenant, &"p".parse().expect("a name"), Bytes::from_static(b"p")).await;
            installed.expect("anything is a component here");
            for saga in [LONG, WORK] {
                host.coordinator.apply(&tenant, &Arc::new(read(saga).expect("it is right"))).expect("the store answers");
            }
        }
        host
    }

    fn keep_driving(&self) -> JoinHandle<()> {
        let coordinator = self.coordinator.clone();
        tokio::spawn(async move {
            coordinator.keep_driving(PACE).await;
        })
    }

    async fn start(&self, start: StartRun) -> Driven {
        match self.coordinator.start(start).await.expect("it starts") {
            StartedRun::New(driven) => driven,
            StartedRun::Existing(run) => panic!("{run} exists"),
        }
    }

    fn status(&self, tenant: &str, run: RunId) -> RunStatus {
        self.coordinator.store().run(&id(tenant), run).expect("the store answers").expect("there is such a run").status
    }

    fn open(&self, tenant: &str) -> usize {
        let mut open = 0;
        let mut last = None;
        loop {
            let page = self.coordinator.store().open_runs(&id(tenant), last, 1000).expect("the store answers");
            let Some(end) = page.last() else { return open };
            (open, last) = (open + page.len(), Some(end.run));
        }
    }

    /// Lets go of the store in order.
    async fn end(self, kept: Option<JoinHandle<()>>) {
        self.gone(kept).await.close().expect("the disk takes it");
    }

    /// Ends in order, and leaves the store as it is: one in memory is not opened again.
    async fn gone(self, kept: Option<JoinHandle<()>>) -> Coordinator {
        if let Some(kept) = kept {
            kept.abort();
            assert!(kept.await.is_err_and(|end| end.is_cancelled()), "it never ends by itself");
        }
        self.coordinator.drain(Duration::ZERO).await.expect("the disk takes it");
        self.coordinator
    }
}

fn id(name: &str) -> TenantId {
    name.parse().expect("a name")
}

fn long(tenant: &str, wait_ms: u64) -> StartRun {
    let input = Payload::from(&serde_json::json!({"until": SystemClock.now().plus(Span(wait_ms)).to_string(), "does": "ends"}));
    StartRun {
        tenant: id(tenant),
        saga: "long".parse().expect("a name"),
        version: None,
        input,
        key: None,
        begin: None,
        parent: None,
    }
}

fn work(tenant: &str, does: &str) -> StartRun {
    let input = Payload::from(&serde_json::json!(does));
    StartRun {
        tenant: id(tenant),
        saga: "work".parse().expect("a name"),
        version: None,
        input,
        key: None,
        begin: None,
        parent: None,
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

const SUCCEEDED: RunStatus = RunStatus::Ended(Outcome::Succeeded);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_runs_that_wait_survive_restarts_and_go_on_when_they_are_due() {
    const RUNS: usize = 10_000;
    let directory = tempfile::tempdir().expect("a directory");
    let open = || Arc::new(RedbStore::open(directory.path()).expect("it was let go of")) as Arc<dyn Store>;
    let host = Host::with(open(), &["a"]).await;
    let first = host.start(long("a", HOUR)).await.run;
    let rests: Vec<_> = stream::iter(1..RUNS)
        .map(|_| async { host.start(long("a", 24 * HOUR)).await.rests().await })
        .buffer_unordered(500)
        .collect()
        .await;
    assert!(rests.iter().all(|rest| matches!(rest, Ok(Rest::Waiting(_)))));
    host.end(None).await;

    let host = Host::ahead(open(), 2 * HOUR);
    let began = Instant::now();
    let kept = host.keep_driving();
    until("the others are known", || host.coordinator.scheduled() == RUNS - 1 && host.open("a") == RUNS - 1).await;
    println!("{RUNS} open runs known, and the one that was due driven, in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((host.status("a", first), host.guests.begun()), (SUCCEEDED, 1));
    host.end(Some(kept)).await;

    let host = Host::ahead(open(), 25 * HOUR);
    let began = Instant::now();
    let kept = host.keep_driving();
    until("all have ended", || host.open("a") == 0).await;
    println!(
        "{} runs that were due at the same time ended in {:?}, at most {} at a time",
        RUNS - 1,
        began.elapsed(),
        host.guests.at_most()
    );
    assert_eq!(host.guests.begun(), RUNS - 1);
    assert!((1..=PACE.adopted_max).contains(&host.guests.at_most()), "{} at a time", host.guests.at_most());
    assert_eq!(host.coordinator.scheduled(), 0);
    host.end(Some(kept)).await;
}

#[tokio::test]
async fn a_wait_that_elapses_goes_on_without_anybody_asking() {
    let host = Host::with(memory(), &["a"]).await;
    let kept = host.keep_driving();
    let driven = host.start(long("a", 300)).await;
    let run = driven.run;
    assert!(matches!(driven.rests().await, Ok(Rest::Waiting(_))), "it is put aside meanwhile");
    until("its wait elapses", || host.status("a", run) == SUCCEEDED).await;
    host.end(Some(kept)).await;
}

#[tokio::test]
async fn runs_that_rest_while_nobody_goes_on_with_them_are_found_later() {
    let host = Host::with(memory(), &["a", "b"]).await;
    let due = host.start(long("a", 1)).await;
    let run = due.run;
    let AcceptedRun::New(accepted) = host.coordinator.accept(work("b", "ends")).await.expect("it starts") else {
        panic!("a new run")
    };
    assert!(due.rests().await.is_ok());
    let kept = host.keep_driving();
    until("both have ended", || (host.status("a", run), host.status("b", accepted)) == (SUCCEEDED, SUCCEEDED)).await;
    // And one that is left undriven while somebody goes on with runs.
    let AcceptedRun::New(accepted) = host.coordinator.accept(work("b", "ends")).await.expect("it starts") else {
        panic!("a new run")
    };
    until("it has ended", || host.status("b", accepted) == SUCCEEDED).await;
    kept.abort();
    let _ = kept.await;
    assert_eq!(host.coordinator.scheduled(), 0, "nobody wants to know");
    let kept = host.keep_driving();
    host.end(Some(kept)).await;
}

#[tokio::test]
async fn a_run_that_cannot_be_gone_on_with_is_tried_again_until_it_can() {
    let host = Host::with(memory(), &["a"]).await;
    let kept = host.keep_driving();
    let driven = host.start(work("a", "fails twice")).await;
    let run = driven.run;
    assert!(driven.rests().await.is_err(), "this host cannot go on with it");
    until("it has ended", || host.status("a", run) == SUCCEEDED).await;
    host.end(Some(kept)).await;
}

#[tokio::test]
async fn a_tenant_whose_runs_are_all_due_leaves_room_for_another() {
    let store = memory();
    let host = Host::with(Arc::clone(&store), &["a", "b"]).await;
    let of_a = join_all((0..50).map(|_| host.coordinator.accept(work("a", "hangs")))).await;
    assert!(of_a.iter().all(Result::is_ok));
    let AcceptedRun::New(of_b) = host.coordinator.accept(work("b", "ends")).await.expect("it starts") else { panic!("a new run") };
    let kept = host.keep_driving();
    until("the other tenant's run has ended", || host.status("b", of_b) == SUCCEEDED).await;
    assert!((1..=PACE.adopted_max).contains(&host.guests.at_most()), "{} at a time", host.guests.at_most());
    assert_eq!(host.open("a"), 50);
    host.end(Some(kept)).await;
}

#[tokio::test]
async fn a_host_that_ends_lets_attempts_end_and_begins_none() {
    let store = memory();
    let host = Host::with(Arc::clone(&store), &["a"]).await;
    let kept = host.keep_driving();
    let driven = host.start(work("a", "waits for the word")).await;
    let (run, heard) = (driven.run, tokio::spawn(driven.rests()));
    until("its attempt is under way", || host.guests.begun() == 1).await;
    let coordinator = host.coordinator.clone();
    let drained = tokio::spawn(async move { coordinator.drain(PATIENCE).await });
    until("nothing is started", || {
        matches!(
            futures_util::FutureExt::now_or_never(host.coordinator.start(work("nobody", "ends"))),
            Some(Err(StartError::Draining))
        )
    })
    .await;
    assert!(!drained.is_finished(), "the attempt has its time");
    host.guests.give_the_word();
    drained.await.expect("no panic").expect("the disk takes it");
    let Ok(Rest::Waiting(left)) = heard.await.expect("no panic") else { panic!("it is open") };
    assert_eq!((left.id(), host.guests.begun()), (run, 1));
    let journal = host.coordinator.store().journal(&id("a"), run).expect("the store answers").expect("there is such a run");
    assert!(matches!(journal.last().map(|entry| &entry.event), Some(Event::AttemptEnded(_))), "{journal:?}");
    drop(host.gone(Some(kept)).await);

    let next = Host::ahead(store, 0);
    next.guests.give_the_word();
    let kept = next.keep_driving();
    until("the next host goes on with it", || next.status("a", run) == SUCCEEDED).await;
    assert_eq!(next.guests.begun(), 1, "the first step is done");
    next.end(Some(kept)).await;
}

#[tokio::test]
async fn an_attempt_that_outlasts_the_grace_is_cut_off_and_found_lost() {
    let store = memory();
    let host = Host::with(Arc::clone(&store), &["a"]).await;
    let driven = host.start(work("a", "hangs")).await;
    let run = driven.run;
    until("its attempt is under way", || host.guests.begun() == 1).await;
    host.coordinator.drain(Duration::from_millis(20)).await.expect("the disk takes it");
    assert_eq!(host.guests.running(), 0, "nothing of it runs on");
    assert!(matches!(driven.rests().await, Ok(Rest::Waiting(_))));
    let events = |host: &Host| {
        let journal = host.coordinator.store().journal(&id("a"), run).expect("the store answers").expect("there is such a run");
        journal.into_iter().map(|entry| entry.event).collect::<Vec<_>>()
    };
    assert!(matches!(events(&host).last(), Some(Event::AttemptStarted { .. })));
    drop(host.gone(None).await);

    let next = Host::ahead(store, 0);
    next.guests.give_the_word();
    let kept = next.keep_driving();
    until("the next host goes on with it", || next.status("a", run) == SUCCEEDED).await;
    assert_eq!(next.guests.begun(), 2, "the lost attempt was made again, and the other step");
    assert!(events(&next).contains(&Event::Adopted));
    next.end(Some(kept)).await;
}
