//! The tenant who shares the host and means no harm: starts one run after the other, all the time, and says how long they took.

use crate::site::Site;
use amends::coordinator::{Coordinator, StartRun, StartedRun};
use amends_domain::definition::read;
use amends_domain::event::Outcome;
use amends_domain::id::TenantId;
use amends_domain::payload::Payload;
use amends_domain::run::Phase;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two runs.
const PAUSE: Duration = Duration::from_millis(5);
/// No run of the neighbour's takes longer, whatever happens beside it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A neighbour at work.
pub(crate) struct Neighbour {
    took: Arc<Mutex<Vec<Duration>>>,
    /// How many of them were told of by [`Neighbour::longest`].
    told: Cell<usize>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Neighbour {
    /// Begins.
    pub(crate) fn beside(site: &Site) -> Self {
        let (took, over) = (Arc::<Mutex<Vec<Duration>>>::default(), Arc::<AtomicBool>::default());
        let tenant: TenantId = "neighbour".parse().expect("a name");
        let coordinator = site.host.coordinator.clone();
        let saga = r#"{"saga":"good","steps":[{"id":"a","uses":"echo/echo"},{"id":"b","uses":"echo/echo"}]}"#;
        let plugin = "echo".parse().expect("a name");
        let installed = coordinator.install(&tenant, &plugin, harness::small_guest("echo").into());
        site.host.block_on(installed).expect("the plugin is right");
        coordinator.apply(&tenant, &Arc::new(read(saga).expect("the saga is right"))).expect("it is kept");
        let (to, until) = (Arc::clone(&took), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            while !until.load(Ordering::Acquire) {
                let took = runtime.block_on(one(&coordinator, &tenant));
                to.lock().expect("nobody panics with it").push(took);
                std::thread::sleep(PAUSE);
            }
        });
        Self { took, told: Cell::new(0), over, thread }
    }

    /// What it got until now; it begins to count again.
    pub(crate) fn take(&self) -> Vec<Duration> {
        self.told.set(0);
        std::mem::take(&mut *self.took.lock().expect("nobody panics with it"))
    }

    /// The longest run since this was asked last; none, zero.
    pub(crate) fn longest(&self) -> Duration {
        let took = self.took.lock().expect("nobody panics with it");
        let since = self.told.replace(took.len());
        took[since..].iter().max().copied().unwrap_or_default()
    }

    /// Ends it. Panics if one of its runs did not succeed.
    pub(crate) fn end(self) -> Vec<Duration> {
        self.over.store(true, Ordering::Release);
        self.thread.join().expect("every run of the neighbour succeeds");
        std::mem::take(&mut *self.took.lock().expect("it is over"))
    }
}

/// One run, from its start to its outcome, which is durable.
async fn one(coordinator: &Coordinator, tenant: &TenantId) -> Duration {
    let began = Instant::now();
    let input = Payload::from("{}");
    let start = StartRun {
        version: None,
        tenant: tenant.clone(),
        saga: "good".parse().expect("a name"),
        input,
        key: None,
        begin: None,
        parent: None,
    };
    let StartedRun::New(driven) = coordinator.start(start).await.expect("it is accepted") else { panic!("it is new") };
    let run = tokio::time::timeout(PATIENCE, driven.ended()).await.expect("it ends in time").expect("it is driven");
    assert!(matches!(run.phase(), Phase::Ended(ended) if ended.outcome == Outcome::Succeeded), "{run:?}");
    began.elapsed()
}

/// How long runs took.
pub(crate) struct Percentiles {
    runs: usize,
    p50: Duration,
    p99: Duration,
    longest: Duration,
}

impl Percentiles {
    pub(crate) fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        assert!(took.len() > 100, "{} runs say nothing", took.len());
        let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
        Self { runs: took.len(), p50: at(50), p99: at(99), longest: at(100) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, p50, p99, longest } = self;
        write!(f, "{runs} runs succeeded, p50 {p50:.2?}, p99 {p99:.2?}, longest {longest:.2?}")
    }
}
