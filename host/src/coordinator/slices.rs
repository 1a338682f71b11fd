//! Who computes next. The tasks of all tenants share a few threads, and the runtime takes tasks in the order in which they were woken: a
//! tenant that wakes a thousand of them would keep a neighbour's one waiting behind them all. So a task that is woken comes into a fair
//! queue first, and is handed to the runtime when it is its tenant's turn; no more are handed over at a time than there are threads.
//!
//! A task that is next, of a tenant that has no thread, has the guests that compute give way at once: it does not wait for the end of a time
//! slice.
//!
//! What a task is charged is the time that it computes, by its tenant's share; and it gives way as often as it can: a guest at the end of its
//! time slice. Of the turns of a tenant every other one is for what takes something back, if there is such.

use super::guests::Guests;
use amends_domain::event::LimitName;
use amends_domain::fair::{Entered, Queue, Ticket, charge};
use amends_domain::id::TenantId;
use amends_domain::quota::Purpose;
use futures_util::task::{ArcWake, AtomicWaker, waker_ref};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// What being polled costs at least, in nanoseconds: tasks that only wait and are woken use threads, too.
const COST_MIN: u64 = 1_000;

/// Slices of the threads of a runtime. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slices(Arc<All>);

struct All {
    shared: Mutex<Shared>,
    guests: Arc<dyn Guests>,
}

struct Shared {
    queue: Queue<TenantId>,
    waiting: HashMap<Ticket, Arc<Task>>,
}

/// Who computes. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub(super) struct Claimant {
    tenant: TenantId,
    share: Share,
    goes_back: Arc<AtomicBool>,
}

/// The share of a tenant where there is not enough for all. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub(super) struct Share(Arc<AtomicU64>);

impl Share {
    pub(super) fn new(weight: u64) -> Self {
        Self(Arc::new(AtomicU64::new(weight)))
    }

    /// It is another one from now on.
    pub(super) fn set(&self, weight: u64) {
        self.0.store(weight, Ordering::Relaxed);
    }
}

impl Claimant {
    pub(super) fn new(tenant: TenantId, share: Share, purpose: Purpose) -> Self {
        let claimant = Self { tenant, share, goes_back: Arc::default() };
        claimant.is_for(purpose);
        claimant
    }

    /// What it computes from now on is for this.
    pub(super) fn is_for(&self, purpose: Purpose) {
        self.goes_back.store(purpose == Purpose::Compensation, Ordering::Relaxed);
    }

    fn purpose(&self) -> Purpose {
        if self.goes_back.load(Ordering::Relaxed) { Purpose::Compensation } else { Purpose::Forward }
    }
}

/// Work that computes when it is its tenant's turn.
pub(super) struct Fair<F> {
    task: Arc<Task>,
    work: Pin<Box<F>>,
}

struct Task {
    slices: Slices,
    claim: Claimant,
    stage: Mutex<Stage>,
    /// Wakes the task of the runtime.
    runtime: AtomicWaker,
}

/// Where a task stands. Changed with the queue locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for something of its own.
    Idle,
    /// For its turn.
    Waits(Ticket),
    /// It has its turn, and the runtime was told.
    Called,
    Runs,
    /// It was woken meanwhile.
    RunsAgain,
    Over,
}

impl Slices {
    /// Of the threads of `runtime`, which `guests` compute on.
    pub(super) fn of(runtime: &Handle, guests: Arc<dyn Guests>) -> Self {
        let threads = u32::try_from(runtime.metrics().num_workers()).unwrap_or(u32::MAX);
        let shared = Mutex::new(Shared { queue: Queue::new(threads, u32::MAX), waiting: HashMap::new() });
        Self(Arc::new(All { shared, guests }))
    }

    /// Work that is woken from now on: to be spawned at once.
    pub(super) fn share<F: Future>(&self, claim: Claimant, work: F) -> Fair<F> {
        let (stage, runtime) = (Mutex::new(Stage::Idle), AtomicWaker::new());
        let task = Arc::new(Task { slices: self.clone(), claim, stage, runtime });
        task.come(&mut self.lock());
        Fair { task, work: Box::pin(work) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Tells those who are next.
    fn call(&mut self, next: Vec<Ticket>) {
        for task in next.into_iter().filter_map(|ticket| self.waiting.remove(&ticket)) {
            task.set(Stage::Called);
            task.runtime.wake();
        }
    }
}

impl Task {
    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// Wants a turn.
    fn come(self: &Arc<Self>, shared: &mut Shared) {
        let (entered, next) = shared.queue.enter(&self.claim.tenant, 1, self.claim.purpose());
        shared.call(next);
        match entered {
            Entered::Now => {
                self.set(Stage::Called);
                self.runtime.wake();
            }
            Entered::Waits(ticket) => {
                self.set(Stage::Waits(ticket));
                shared.waiting.insert(ticket, Arc::clone(self));
                if shared.queue.is_pressing(&self.claim.tenant) {
                    self.slices.0.guests.hurry();
                }
            }
        }
    }

    /// Begins to run, if it is its turn.
    fn begin(&self) -> bool {
        let _shared = self.slices.lock();
        let is_called = self.stage() == Stage::Called;
        if is_called {
            self.set(Stage::Runs);
        }
        is_called
    }

    /// Gives its turn back, and stands in line again if it was woken.
    fn give_way(self: &Arc<Self>, cost: u64) {
        let mut shared = self.slices.lock();
        let next = shared.queue.leave(&self.claim.tenant, 1, self.charged(cost.max(COST_MIN)));
        shared.call(next);
        match self.stage() {
            Stage::RunsAgain => self.come(&mut shared),
            Stage::Idle | Stage::Waits(_) | Stage::Called | Stage::Runs | Stage::Over => self.set(Stage::Idle),
        }
    }

    fn charged(&self, cost: u64) -> u64 {
        charge(cost, self.claim.share.0.load(Ordering::Relaxed), LimitName::Weight.default_value())
    }

    /// Will never run again.
    fn end(&self) {
        let mut shared = self.slices.lock();
        let next = match self.stage() {
            Stage::Idle | Stage::Over => Vec::new(),
            Stage::Called | Stage::Runs | Stage::RunsAgain => shared.queue.leave(&self.claim.tenant, 1, self.charged(COST_MIN)),
            Stage::Waits(ticket) => {
                shared.waiting.remove(&ticket);
                shared.queue.give_up(&self.claim.tenant, ticket)
            }
        };
        self.set(Stage::Over);
        shared.call(next);
    }
}

impl ArcWake for Task {
    fn wake_by_ref(task: &Arc<Self>) {
        let mut shared = task.slices.lock();
        match task.stage() {
            Stage::Idle => task.come(&mut shared),
            Stage::Runs => task.set(Stage::RunsAgain),
            Stage::Waits(_) | Stage::Called | Stage::RunsAgain | Stage::Over => {}
        }
    }
}

impl<F: Future> Future for Fair<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Before the stage is looked at: whoever changes it later wakes this.
        self.task.runtime.register(cx.waker());
        if !self.task.begin() {
            return Poll::Pending;
        }
        let begun = Instant::now();
        let task = Arc::clone(&self.task);
        let polled = self.work.as_mut().poll(&mut Context::from_waker(&waker_ref(&task)));
        if polled.is_pending() {
            task.give_way(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        polled
    }
}

impl<F> Drop for Fair<F> {
    fn drop(&mut self) {
        self.task.end();
    }
}

impl fmt::Debug for Slices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slices({} wait)", self.lock().waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::guests::Guest;
    use super::*;
    use crate::sandbox::{Description, Refusal};
    use amends_domain::digest::Digest;
    use bytes::Bytes;
    use futures_util::future::BoxFuture;
    use std::sync::atomic::AtomicU32;
    use tokio::task::yield_now;

    /// Nobody: what computes here is no guest.
    struct Nobody(AtomicU32);

    impl Guests for Nobody {
        fn loaded(self: Arc<Self>, _: Digest) -> Option<Arc<dyn Guest>> {
            None
        }

        fn load(self: Arc<Self>, _: Digest, _: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>> {
            Box::pin(std::future::pending())
        }

        fn hurry(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn inspect(self: Arc<Self>, _: Bytes) -> BoxFuture<'static, Result<Description, Refusal>> {
            Box::pin(std::future::pending())
        }
    }

    fn slices() -> Slices {
        Slices::of(&Handle::current(), Arc::new(Nobody(AtomicU32::new(0))))
    }

    fn tenants() -> [Claimant; 2] {
        ["crowd", "neighbour"].map(|name| {
            let tenant = TenantId::new(name).expect("a name");
            Claimant::new(tenant, Share::new(LimitName::Weight.default_value()), Purpose::Forward)
        })
    }

    /// Gives way after each round as a guest does at the end of a slice: ready to go on at once.
    async fn counts(counter: Arc<AtomicU32>) {
        std::future::poll_fn(|cx| {
            counter.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn one_task_computes_as_often_as_a_hundred_of_another_tenant() {
        let slices = slices();
        let [crowd, neighbour] = tenants();
        let (many, one) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let crowd: Vec<_> = (0..100).map(|_| tokio::spawn(slices.share(crowd.clone(), counts(Arc::clone(&many))))).collect();
        let neighbour = tokio::spawn(slices.share(neighbour.clone(), counts(Arc::clone(&one))));
        while many.load(Ordering::Relaxed) < 1_000 {
            yield_now().await;
        }
        let (many, one) = (many.load(Ordering::Relaxed), one.load(Ordering::Relaxed));
        // By the time that each takes, which differs: a turn of the crowd's touches another task each time.
        assert!(one > many / 10, "{one} turns beside {many}");
        crowd.iter().chain([&neighbour]).for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn what_goes_back_computes_beside_a_hundred_that_go_forward() {
        let slices = slices();
        let [forward, _] = tenants();
        let back = Claimant::new(forward.tenant.clone(), forward.share.clone(), Purpose::Compensation);
        let (many, one) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let crowd: Vec<_> = (0..100).map(|_| tokio::spawn(slices.share(forward.clone(), counts(Arc::clone(&many))))).collect();
        let one_back = tokio::spawn(slices.share(back, counts(Arc::clone(&one))));
        while many.load(Ordering::Relaxed) < 1_000 {
            yield_now().await;
        }
        let (many, one) = (many.load(Ordering::Relaxed), one.load(Ordering::Relaxed));
        assert!(one > many / 2, "{one} turns beside {many}");
        crowd.iter().chain([&one_back]).for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn who_comes_late_does_not_wait_for_all_who_were_there() {
        let slices = slices();
        let [crowd, neighbour] = tenants();
        let done = Arc::<AtomicU32>::default();
        let work = |tenant| {
            let done = Arc::clone(&done);
            tokio::spawn(slices.share(Claimant::clone(tenant), async move { done.fetch_add(1, Ordering::Relaxed) }))
        };
        let _crowd: Vec<_> = (0..100).map(|_| work(&crowd)).collect();
        let before = work(&neighbour).await.expect("it does not panic");
        assert!(before <= 2, "{before} of the others came first");
    }

    #[tokio::test]
    async fn turns_of_tasks_that_are_dropped_or_panic_go_to_the_next() {
        let slices = slices();
        let [crowd, _] = tenants();
        let called = slices.share(crowd.clone(), async {});
        let waits = slices.share(crowd.clone(), async {});
        let last = slices.share(crowd.clone(), async { 7 });
        drop(waits);
        drop(called);
        assert_eq!(last.await, 7);
        let panics = tokio::spawn(slices.share(crowd.clone(), async { panic!("on purpose") }));
        assert!(panics.await.is_err());
        assert_eq!(slices.share(crowd.clone(), async { 8 }).await, 8);
        assert!(slices.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_task_that_is_woken_while_it_runs_runs_again() {
        let slices = slices();
        let [crowd, _] = tenants();
        let mut rounds = 0;
        let work = std::future::poll_fn(move |cx| {
            rounds += 1;
            cx.waker().wake_by_ref();
            if rounds < 5 { Poll::Pending } else { Poll::Ready(rounds) }
        });
        assert_eq!(tokio::spawn(slices.share(crowd.clone(), work)).await.expect("it does not panic"), 5);
    }

    #[tokio::test]
    async fn guests_are_hurried_for_a_tenant_that_has_no_thread_and_not_for_one_that_has() {
        let nobody = Arc::new(Nobody(AtomicU32::new(0)));
        let slices = Slices::of(&Handle::current(), nobody.clone());
        let [crowd, neighbour] = tenants();
        let hurried = || nobody.0.load(Ordering::Relaxed);
        let _runs = slices.share(crowd.clone(), async {});
        let _waits = slices.share(crowd.clone(), async {});
        assert_eq!(hurried(), 0);
        let _presses = slices.share(neighbour.clone(), async {});
        assert_eq!(hurried(), 1);
    }
}
