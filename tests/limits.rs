//! What tenants may take: what is refused, what waits, what is never kept waiting, and what they are billed.

#[path = "scheduler/guests.rs"]
mod guests;

use amends::clock::{Clock, SystemClock};
use amends::coordinator::{Coordinator, DemandOf, Driven, KeepError, PublishError, StartError, StartRun, StartedRun, Then};
use amends::store::Store;
use amends::store::memory::MemoryStore;
use amends_domain::definition::read;
use amends_domain::event::{Author, Demand, InFlight, LimitName, Outcome, TenantEvent};
use amends_domain::id::{RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::quota::{Over, Usage};
use amends_domain::run::{Phase, Run, RunStatus};
use amends_domain::time::{Span, Timestamp};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use guests::{BURNT, Scripted};
use harness::PATIENCE;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

use LimitName::{ConcurrentAttempts, FuelPerMinute, LiveMemory, LogBytesPerDay, QueuedRuns, Sagas, StartsPerMinute};

/// One step that does what the input says.
const STEP: &str =
    r#"{"saga":"step","steps":[{"id":"a","uses":"p/p","input":"${input}","limits":{"timeout":"60s","memory":"8MiB"}}]}"#;
/// The same, and then it waits for somebody.
const WAITS: &str = r#"{"saga":"waits","steps":[{"id":"a","uses":"p/p","input":"${input}"},{"id":"w","wait":{"signal":"never"}}]}"#;
/// How long it takes at most until something would have happened.
const WHILE: Duration = Duration::from_millis(60);

#[derive(Debug)]
struct Ahead(Span);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }

    fn run_id(&self) -> RunId {
        SystemClock.run_id()
    }

    fn chance(&self) -> [u8; 32] {
        SystemClock.chance()
    }
}

struct Host {
    coordinator: Coordinator,
    guests: Arc<Scripted>,
    tenant: TenantId,
}

impl Host {
    fn over(store: Arc<dyn Store>) -> Self {
        Self::later(Span(0), store)
    }

    /// One whose clock is ahead.
    fn later(ahead: Span, store: Arc<dyn Store>) -> Self {
        let guests = Arc::new(Scripted::default());
        let shared = Arc::clone(&guests) as Arc<dyn amends::coordinator::Guests>;
        let coordinator = Coordinator::new(store, shared, Arc::new(Ahead(ahead)), Handle::current()).expect("the store reads");
        Self { coordinator: coordinator.resting_after(Span(1)), guests, tenant: "acme".parse().expect("a name") }
    }

    /// One with a tenant who may take so much.
    async fn with(limits: &[(LimitName, u64)]) -> Self {
        Self::with_store(Arc::new(MemoryStore::new()), limits).await
    }

    async fn with_store(store: Arc<MemoryStore>, limits: &[(LimitName, u64)]) -> Self {
        let host = Self::over(store);
        host.alter(TenantEvent::TenantCreated { by: "op".to_owned() }).await;
        host.set(limits).await;
        host.coordinator.install(&host.tenant, &"p".parse().expect("a name"), Bytes::from_static(b"p")).await.expect("anything");
        for saga in [STEP, WAITS] {
            host.apply(saga).expect("there is room");
        }
        host
    }

    async fn alter(&self, event: TenantEvent) {
        self.coordinator.alter(&self.tenant, event).await.expect("it fits");
    }

    async fn set(&self, limits: &[(LimitName, u64)]) {
        self.alter(TenantEvent::LimitsSet { limits: limits.to_vec(), by: "op".to_owned() }).await;
    }

    fn apply(&self, document: &str) -> Result<u32, KeepError> {
        self.coordinator.apply(&self.tenant, &Arc::new(read(document).expect("it is right")))
    }

    async fn start(&self, saga: &str, does: &str) -> Result<Driven, StartError> {
        let input = Payload::from(&serde_json::json!(does));
        let (tenant, saga) = (self.tenant.clone(), saga.parse().expect("a name"));
        match self.coordinator.start(StartRun { tenant, saga, version: None, input, key: None, begin: None, parent: None }).await? {
            StartedRun::New(driven) => Ok(driven),
            StartedRun::Existing(run) => panic!("{run} exists"),
        }
    }

    async fn ended(&self, does: &str) -> Run {
        self.start("step", does).await.expect("there is room").ended().await.expect("it is driven")
    }

    async fn cancel(&self, run: RunId) {
        let by = Author { who: "bea".to_owned(), why: Some("a test".to_owned()), key: None };
        let demand = Demand::Cancel { in_flight: InFlight::EndNow };
        let of = DemandOf { tenant: self.tenant.clone(), run, demand, by, then: Then::Drive };
        self.coordinator.demand(of).await.expect("it can be cancelled");
    }

    /// Of a run that may rest meanwhile, when it is stored.
    async fn outcome_of(&self, run: RunId) -> Outcome {
        let began = Instant::now();
        loop {
            let head = self.coordinator.store().run(&self.tenant, run).expect("it reads").expect("it is there");
            if let RunStatus::Ended(outcome) = head.status {
                return outcome;
            }
            assert!(began.elapsed() < PATIENCE, "{run} does not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn begun(&self, attempts: usize) {
        let began = Instant::now();
        while self.guests.begun() < attempts {
            assert!(began.elapsed() < PATIENCE, "{} of {attempts} began", self.guests.begun());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn used(&self, limit: LimitName) -> u64 {
        let filled = self.coordinator.filled(&self.tenant).expect("the store answers");
        filled.iter().find(|filled| filled.limit == limit).expect("it is counted").used
    }
}

fn over(refused: StartError) -> Over {
    match refused {
        StartError::Over(over) => over,
        other => panic!("{other}"),
    }
}

fn outcome(run: &Run) -> Outcome {
    match run.phase() {
        Phase::Ended(ended) => ended.outcome,
        Phase::Forward | Phase::Backward(_) => panic!("it is open"),
    }
}

#[tokio::test]
async fn as_many_runs_are_open_as_may_be_and_who_finds_them_counts_them() {
    let store: Arc<MemoryStore> = Arc::default();
    let host = Host { ..Host::over(Arc::clone(&store) as Arc<dyn Store>) };
    host.alter(TenantEvent::TenantCreated { by: "op".to_owned() }).await;
    host.set(&[(QueuedRuns, 2)]).await;
    host.coordinator.install(&host.tenant, &"p".parse().expect("a name"), Bytes::from_static(b"p")).await.expect("anything");
    host.apply(WAITS).expect("there is room");
    let [first, _second] =
        [host.start("waits", "ends").await, host.start("waits", "ends").await].map(|run| run.expect("there is room"));
    let refused = over(host.start("waits", "ends").await.expect_err("two are open"));
    assert_eq!((refused.limit, refused.allowed, refused.used, refused.free_at), (QueuedRuns, 2, 2, None));
    host.cancel(first.run).await;
    assert_eq!(outcome(&first.ended().await.expect("it is driven")), Outcome::Compensated);
    let third = host.start("waits", "ends").await.expect("one of them has ended");
    third.rests().await.expect("it waits");
    host.coordinator.drain(Duration::ZERO).await.expect("it is stored");
    let again = Host::over(store);
    assert_eq!(again.used(QueuedRuns), 2);
    assert_eq!(over(again.start("waits", "ends").await.expect_err("two are open")).limit, QueuedRuns);
}

#[tokio::test]
async fn starts_are_counted_by_the_minute_and_told_when_there_is_room() {
    let host = Host::with(&[(StartsPerMinute, 3)]).await;
    for _ in 0..3 {
        assert_eq!(outcome(&host.ended("ends").await), Outcome::Succeeded);
    }
    let refused = over(host.start("step", "ends").await.expect_err("three were started"));
    assert_eq!((refused.limit, refused.used), (StartsPerMinute, 3));
    assert!(refused.free_at.is_some_and(|at| at > amends::clock::Clock::now(&SystemClock)), "{refused}");
    host.set(&[(StartsPerMinute, 4)]).await;
    assert_eq!(outcome(&host.ended("ends").await), Outcome::Succeeded, "a limit that is set counts at once");
}

#[tokio::test]
async fn attempts_wait_for_their_places_and_are_none_before_that() {
    let host = Host::with(&[(ConcurrentAttempts, 2)]).await;
    let mut runs = join_all((0..6).map(|_| host.start("step", "waits for the word"))).await;
    host.begun(2).await;
    tokio::time::sleep(WHILE).await;
    assert_eq!((host.guests.begun(), host.used(ConcurrentAttempts)), (2, 2));
    // One that waits can be cancelled, and nothing was done.
    let waits = runs.pop().expect("there are six").expect("there is room");
    host.cancel(waits.run).await;
    let cancelled = waits.ended().await.expect("it is driven");
    assert_eq!(outcome(&cancelled), Outcome::Compensated);
    assert!(cancelled.steps().all(|(_, step)| step.forward.attempts == 0), "{cancelled:?}");
    host.guests.give_the_word();
    for run in runs {
        let run = run.expect("there is room").ended().await.expect("it is driven");
        assert_eq!(outcome(&run), Outcome::Succeeded);
    }
    assert_eq!((host.guests.at_most(), host.used(ConcurrentAttempts), host.used(LiveMemory)), (2, 0, 0));
}

#[tokio::test]
async fn whoever_waits_goes_on_when_there_may_be_more() {
    let host = Host::with(&[(ConcurrentAttempts, 1)]).await;
    let runs = join_all((0..3).map(|_| host.start("step", "waits for the word"))).await;
    host.begun(1).await;
    host.set(&[(ConcurrentAttempts, 3)]).await;
    host.begun(3).await;
    host.guests.give_the_word();
    for run in runs {
        run.expect("there is room").ended().await.expect("it is driven");
    }
}

#[tokio::test]
async fn what_takes_something_back_is_never_kept_waiting() {
    let host = Host::with(&[(ConcurrentAttempts, 1), (FuelPerMinute, 1_000_000)]).await;
    let done = host.start("waits", "burns").await.expect("there is room");
    host.begun(1).await;
    // No place is free, and no fuel is left.
    host.set(&[(FuelPerMinute, 10 * BURNT)]).await;
    let hangs = host.start("step", "hangs").await.expect("there is room");
    host.begun(2).await;
    host.set(&[(FuelPerMinute, 1_000_000)]).await;
    let waits = host.start("step", "ends").await.expect("starting is something else");
    tokio::time::sleep(WHILE).await;
    assert_eq!(host.guests.begun(), 2);
    host.cancel(done.run).await;
    assert_eq!(host.outcome_of(done.run).await, Outcome::Compensated);
    assert_eq!((host.guests.begun(), host.guests.running()), (3, 1), "the compensation, and the one that hangs");
    host.guests.give_the_word();
    hangs.ended().await.expect("it is driven");
    host.set(&[(FuelPerMinute, 10 * BURNT)]).await;
    assert_eq!(outcome(&waits.ended().await.expect("it is driven")), Outcome::Succeeded);
}

#[tokio::test]
async fn fuel_is_waited_for_when_more_was_used_than_may_be() {
    let host = Host::with(&[(FuelPerMinute, 1_000_000)]).await;
    host.ended("burns").await;
    let mut waits = Box::pin(host.start("step", "ends").await.expect("there is room").ended());
    tokio::time::sleep(WHILE).await;
    assert_eq!((host.guests.begun(), waits.as_mut().now_or_never().is_none()), (1, true));
    host.set(&[(FuelPerMinute, 100 * BURNT)]).await;
    assert_eq!(outcome(&waits.await.expect("it is driven")), Outcome::Succeeded);
}

#[tokio::test]
async fn an_attempt_gets_no_more_memory_and_log_than_its_tenant_may_take() {
    let host = Host::with(&[(LiveMemory, 1 << 20), (LogBytesPerDay, 10)]).await;
    for left in [10, 6, 2, 0] {
        let run = host.ended("tells how far it may go").await;
        let told = run.steps().next().and_then(|(_, step)| step.output.clone()).expect("it answers").json().expect("JSON");
        assert_eq!(told, serde_json::json!({ "memory": 1 << 20, "log": left }));
    }
    let roomy = Host::with(&[]).await;
    let run = roomy.ended("tells how far it may go").await;
    let told = run.steps().next().and_then(|(_, step)| step.output.clone()).expect("it answers").json().expect("JSON");
    assert_eq!(told["memory"], 8 << 20, "what the step says");
}

#[tokio::test]
async fn sagas_uploads_and_what_is_kept_have_their_limits() {
    let host = Host::with(&[(Sagas, 3), (LimitName::UploadsPerMinute, 1)]).await;
    let named = |name: &str| format!(r#"{{"saga":"{name}","steps":[{{"id":"w","wait":{{"for":"1s"}}}}]}}"#);
    assert_eq!(host.apply(&named("third")).expect("there is room"), 1);
    assert!(matches!(host.apply(&named("fourth")), Err(KeepError::Over(Over { limit: Sagas, used: 3, .. }))));
    assert_eq!(host.apply(STEP).expect("it is there"), 1);
    let publish = |version: &str, component: &'static [u8]| {
        let (plugin, version) = ("q".parse().expect("a name"), version.parse().expect("a version"));
        let (coordinator, tenant) = (host.coordinator.clone(), host.tenant.clone());
        async move { coordinator.publish(&tenant, &plugin, version, Bytes::from_static(component), "ada".to_owned()).await }
    };
    publish("1", b"q").await.expect("there is room");
    let refused = publish("2", b"qq").await.expect_err("one was uploaded");
    assert!(matches!(&refused, PublishError::Over(over) if over.limit == LimitName::UploadsPerMinute), "{refused}");
    host.set(&[(LimitName::StoredBytes, 1 << 20), (LimitName::UploadsPerMinute, 9)]).await;
    let much = vec![("k".to_owned(), Some(Payload::from(vec![b'1'; 2 << 20])))];
    assert!(matches!(host.coordinator.write_state(&host.tenant, much).await, Err(KeepError::Over(_))));
    let little = vec![("k".to_owned(), Some(Payload::from("1")))];
    host.coordinator.write_state(&host.tenant, little).await.expect("there is room");
}

#[tokio::test]
async fn a_host_without_tenants_has_no_limits() {
    let host = Host::over(Arc::new(MemoryStore::new()));
    host.coordinator.install(&host.tenant, &"p".parse().expect("a name"), Bytes::from_static(b"p")).await.expect("anything");
    host.apply(STEP).expect("there is room");
    let runs = join_all((0..100).map(|_| host.start("step", "waits for the word"))).await;
    host.begun(100).await;
    host.guests.give_the_word();
    join_all(runs.into_iter().map(|run| run.expect("there is room").ended())).await;
}

#[tokio::test]
async fn what_was_used_is_told_as_it_is_stored() {
    let host = Host::with(&[]).await;
    for does in ["burns", "ends", "burns"] {
        host.ended(does).await;
    }
    let waits = host.start("waits", "ends").await.expect("there is room");
    host.begun(4).await;
    host.cancel(waits.run).await;
    assert_eq!(host.outcome_of(waits.run).await, Outcome::Compensated);
    let used = host.coordinator.usage(&host.tenant).expect("the store answers");
    let expected = Usage { runs: 4, attempts: 4, compensations: 1, fuel: 2 * BURNT, log_bytes: 20, ..Usage::default() };
    assert_eq!(Usage { stored_bytes: 0, micros: 0, ..used }, expected);
    assert!(used.stored_bytes > 500, "{used:?}");
}

#[tokio::test]
async fn a_run_is_kept_as_long_as_its_tenant_says_and_an_open_one_longer() {
    const HOUR: u64 = 3_600;
    let store = Arc::new(MemoryStore::new());
    let host = Host::with_store(store.clone(), &[(LimitName::EndedRunsKept, 24 * HOUR)]).await;
    let ended = host.ended("burns").await.id();
    let open = host.start("waits", "burns").await.expect("there is room").run;
    drop(host);
    let every = Span(1);
    for (ahead, is_kept) in [(23 * HOUR, true), (25 * HOUR, false)] {
        let host = Host::later(Span(ahead * 1000), store.clone());
        let tidying = tokio::time::timeout(WHILE, host.coordinator.keep_tidy(every));
        assert!(tidying.await.is_err(), "it never ends");
        let is_there = |run| store.run(&host.tenant, run).expect("it reads").is_some();
        assert_eq!((is_there(ended), is_there(open)), (is_kept, true), "{ahead} s later");
    }
}
