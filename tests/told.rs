//! What the coordinator tells anybody waits for the disk, refusals too; what it tells, it tells the tenant whose it is; and whoever goes on
//! with a run goes on from all that was noted of it. Over a writer by hand: nothing is durable before the test says so.

use amends::clock::SystemClock;
use amends::coordinator::{
    Answered, Coordinator, DemandError, DemandOf, DriveError, Driven, Guest, Guests, Rest, StartError, StartRun, StartedRun, Then,
};
use amends::sandbox::{Call, Description, HostError, Refusal, Reply, StateError};
use amends::store::Store;
use amends::store::memory::MemoryStore;
use amends::store::writer::{Hand, Writer};
use amends_domain::definition::read;
use amends_domain::digest::Digest;
use amends_domain::event::{Author, Demand, Ending, Event, Halt, Spent};
use amends_domain::id::{RunId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::{Run, RunStatus};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use harness::PATIENCE;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// A sandbox in which no attempt comes to an end.
#[derive(Clone, Copy)]
enum Broken {
    /// Because the state cannot be read.
    Unreadable,
    /// Because the host itself has a mistake.
    Panics,
}

impl Guests for Broken {
    fn loaded(self: Arc<Self>, _: Digest) -> Option<Arc<dyn Guest>> {
        Some(self)
    }

    fn load(self: Arc<Self>, _: Digest, _: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>> {
        async move { Ok(self as Arc<dyn Guest>) }.boxed()
    }

    fn hurry(&self) {}

    fn inspect(self: Arc<Self>, bytes: Bytes) -> BoxFuture<'static, Result<Description, Refusal>> {
        let (digest, component_len) = (Digest::of(&bytes), bytes.len());
        let described = Description {
            digest,
            component_len,
            code_len: 0,
            imports: Vec::new(),
            exports: Vec::new(),
            sends_requests: false,
            manifest: None,
        };
        async move { Ok(described) }.boxed()
    }
}

impl Guest for Broken {
    fn invoke(self: Arc<Self>, _: Call) -> BoxFuture<'static, Reply> {
        let reply = Reply {
            ending: Ending::Halted { halt: Halt::Trap, message: String::new() },
            spent: Spent::default(),
            log: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            host_error: Some(HostError::State(StateError("the disk".into()))),
        };
        async move {
            match *self {
                Self::Unreadable => reply,
                Self::Panics => panic!("on purpose"),
            }
        }
        .boxed()
    }
}

const WAITS: &str = r#"{"saga":"s","steps":[{"id":"w","wait":{"signal":"go"}}]}"#;
const WORKS: &str = r#"{"saga":"s","steps":[{"id":"a","uses":"p/p","retry":{"initial":"0s","jitter":"0s"}}]}"#;

struct Host {
    coordinator: Coordinator,
    hand: Hand,
}

impl Host {
    /// One with a saga `s`, which is durable.
    async fn new(saga: &str) -> Self {
        Self::with(Broken::Unreadable, saga).await
    }

    async fn with(guests: Broken, saga: &str) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (writer, mut hand) = Writer::by_hand(Arc::clone(&store)).expect("an empty store");
        let coordinator = Coordinator::over(writer, store, Arc::new(guests), Arc::new(SystemClock), Handle::current());
        let coordinator = coordinator.expect("an empty store");
        let plugin = "p".parse().expect("a name");
        coordinator.install(&tenant(), &plugin, Bytes::from_static(b"p")).await.expect("anything is a component here");
        coordinator.apply(&tenant(), &Arc::new(read(saga).expect("it is right"))).expect("the store answers");
        assert!(hand.commit());
        Self { coordinator, hand }
    }

    async fn started(&self, key: Option<&str>) -> Driven {
        match self.coordinator.start(start_run(key, "1")).await.expect("it starts") {
            StartedRun::New(driven) => driven,
            StartedRun::Existing(run) => panic!("{run} exists"),
        }
    }

    /// A run that waits and is put aside, all of it durable.
    async fn resting(&mut self) -> RunId {
        let driven = self.started(None).await;
        settle().await;
        assert!(self.hand.commit());
        assert!(matches!(driven.clone().rests().await, Ok(Rest::Waiting(_))));
        driven.run
    }

    fn stored(&self, run: RunId) -> Run {
        let journal = self.coordinator.store().journal(&tenant(), run).expect("the store answers").expect("it is stored");
        self.coordinator.replay(&tenant(), run, &journal).expect("it makes sense")
    }
}

fn tenant() -> TenantId {
    "local".parse().expect("a name")
}

fn start_run(key: Option<&str>, input: &'static str) -> StartRun {
    let (saga, key) = ("s".parse().expect("a name"), key.map(str::to_owned));
    StartRun { version: None, tenant: tenant(), saga, input: Payload::from(input), key, begin: None, parent: None }
}

fn demand_of(tenant: TenantId, run: RunId, demand: Demand, then: Then) -> DemandOf {
    DemandOf { tenant, run, demand, by: Author { who: "ada".to_owned(), why: None, key: None }, then }
}

/// Lets everything happen that can happen.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Whether `told` is told only when all is durable; gives what is told.
async fn after_commit<T>(told: impl Future<Output = T>, hand: &mut Hand) -> T {
    let mut told = pin!(told);
    for _ in 0..100 {
        assert!(told.as_mut().now_or_never().is_none(), "it is told before it is durable");
        tokio::task::yield_now().await;
    }
    assert!(hand.commit());
    timeout(PATIENCE, told).await.expect("it is told when it is durable")
}

#[tokio::test]
async fn a_run_that_a_key_has_started_is_told_of_when_it_is_durable() {
    for (input, same) in [("1", true), ("2", false)] {
        let host = Host::new(WAITS).await;
        let driven = host.started(Some("k")).await;
        let Host { coordinator, mut hand } = host;
        let start = || coordinator.start(start_run(Some("k"), input));
        let told = |told: Result<StartedRun, StartError>| match told {
            Ok(StartedRun::Existing(run)) => (run, true),
            Err(StartError::KeyReused(run)) => (run, false),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(after_commit(start(), &mut hand).await), (driven.run, same));
        assert_eq!(told(start().await), (driven.run, same), "what is durable is told at once");
    }
}

#[tokio::test]
async fn a_refusal_names_a_state_and_is_told_when_that_is_durable() {
    let mut host = Host::new(WAITS).await;
    let driven = host.started(None).await;
    let coordinator = host.coordinator.clone();
    let unfit = coordinator.demand(demand_of(tenant(), driven.run, Demand::Retry, Then::Drive));
    let refused = after_commit(unfit, &mut host.hand).await;
    assert!(matches!(refused, Err(DemandError::Unfit(unfit)) if unfit.code == "nothing_to_retry"));
}

#[tokio::test]
async fn a_run_is_nothing_to_another_tenant_driven_or_not() {
    let mut host = Host::new(WAITS).await;
    let other: TenantId = "other".parse().expect("a name");
    let (resting, driven) = (host.resting().await, host.started(None).await.run);
    for run in [driven, resting] {
        let strange = host.coordinator.demand(demand_of(other.clone(), run, Demand::Pause, Then::Leave)).now_or_never();
        assert!(matches!(strange, Some(Err(DemandError::UnknownRun(unknown))) if unknown == run));
        assert!(matches!(host.coordinator.adopt(&other, run), Ok(None)));
        assert!(matches!(host.coordinator.adopt(&tenant(), run), Ok(Some(found)) if found.run == run), "its own tenant finds it");
    }
}

#[tokio::test]
async fn a_run_whose_driver_failed_is_gone_on_with_from_all_that_was_noted() {
    for broken in [Broken::Unreadable, Broken::Panics] {
        goes_on_from_all_that_was_noted(Host::with(broken, WORKS).await).await;
    }
}

async fn goes_on_from_all_that_was_noted(mut host: Host) {
    let driven = host.started(None).await;
    let run = driven.run;
    let failed = after_commit(driven.rests(), &mut host.hand).await;
    assert!(matches!(failed, Err(DriveError::Shared(_))), "{failed:?}");
    let again = host.coordinator.adopt(&tenant(), run).expect("it can be read").expect("it is open");
    let failed = after_commit(again.rests(), &mut host.hand).await;
    assert!(matches!(failed, Err(DriveError::Shared(_))), "{failed:?}");
    let journal = host.coordinator.store().journal(&tenant(), run).expect("the store answers").expect("it is stored");
    let starts = journal.iter().filter(|entry| matches!(entry.event, Event::AttemptStarted { .. })).count();
    assert_eq!((starts, host.stored(run).step(StepIndex(0)).forward.attempts), (2, 2), "each one knows of those before it");
}

#[tokio::test]
async fn a_demand_that_nobody_waited_for_is_known_to_the_next_one() {
    let mut host = Host::new(WAITS).await;
    let run = host.resting().await;
    assert!(
        host.coordinator.demand(demand_of(tenant(), run, Demand::Pause, Then::Leave)).now_or_never().is_none(),
        "it is not durable yet"
    );
    let coordinator = host.coordinator.clone();
    let resume = coordinator.demand(demand_of(tenant(), run, Demand::Resume, Then::Leave));
    let mut resume = pin!(resume);
    assert!(resume.as_mut().now_or_never().is_none());
    settle().await;
    assert!(host.hand.commit());
    assert!(resume.as_mut().now_or_never().is_none());
    settle().await;
    assert!(resume.as_mut().now_or_never().is_none(), "it is noted, and not durable");
    assert!(host.hand.commit());
    assert!(matches!(resume.await, Ok(Answered::Noted(None))), "it was paused");
    assert_eq!(host.stored(run).status(), RunStatus::Waiting);
}

#[tokio::test]
async fn who_joins_in_waiting_for_a_run_that_is_left_hears_how_it_was_left() {
    let mut host = Host::new(WAITS).await;
    let run = host.resting().await;
    let coordinator = host.coordinator.clone();
    let mut pause = pin!(coordinator.demand(demand_of(tenant(), run, Demand::Pause, Then::Leave)));
    assert!(pause.as_mut().now_or_never().is_none());
    let joined = host.coordinator.adopt(&tenant(), run).expect("it can be read").expect("it is open");
    let heard = after_commit(joined.rests(), &mut host.hand).await;
    assert!(matches!(heard, Ok(Rest::Waiting(run)) if run.status() == RunStatus::Paused));
    assert!(matches!(pause.await, Ok(Answered::Noted(None))));
}
