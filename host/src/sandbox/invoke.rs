//! One attempt: a fresh store, a fresh instance, one call, and all of it dropped again whatever happened. Lean, because this is on
//! the path of every step of every run.

use super::access::HostError;
use super::attempt::Attempt;
use super::attempt::log::LogBuffer;
use super::attempt::outbound::Outbound;
use super::attempt::state::StateBuffer;
use super::bindings::Failure;
use super::call::{Call, Reply};
use super::component::Component;
use super::egress::{Client, Egress};
use super::ending::{self, End};
use super::limits::{HANDLES_MAX, HOSTCALL_LEN_MAX, MemoryLimiter};
use super::pace::{Pace, set_pace};
use super::wasi::{Profile, Wasi};
use amends_domain::definition::Limits;
use amends_domain::event::{Direction, Ending, HostGrant, Spent};
use amends_domain::payload::Payload;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

/// A longer timeout is cut to this, so that no sum of instants overflows.
const TIMEOUT_MAX: Duration = Duration::from_hours(366 * 24);
/// A guest that computed for so long lets other threads of the machine go first.
const LONG: Duration = Duration::from_micros(500);
/// Fuel that is billed at least for a nanosecond of computing, when an attempt broke and its own count is not exact.
const FUEL_PER_NANOSECOND: u64 = 1;

/// What came back from the guest: its answer, or why it gave none. Of `compensate` without an output.
type Answered = wasmtime::Result<Result<Vec<u8>, Failure>>;

/// Runs an attempt to its end. Never fails: whatever the guest does is an ending.
///
/// Dropping the future drops the instance; nothing of the attempt runs on.
pub(super) async fn run(engine: &Engine, client: &Arc<Client>, component: &Component, call: Call) -> Reply {
    let Call { direction, input, output, context, effects, limits, log_len_max, access, state, outbound, grants, secrets, fence } =
        call;
    let mut attempt = Attempt {
        context,
        direction,
        effects,
        outbound: Outbound::new(outbound, access, secrets.clone()),
        secrets,
        memory: MemoryLimiter::new(limits.memory),
        log: LogBuffer::within(log_len_max),
        state: StateBuffer::new(state, access),
        wasi: None,
        retry_after: None,
    };
    attempt.wasi = wasi(client, component, &attempt, grants, limits);
    let mut store = store(engine, attempt, limits);
    let timed = {
        // Pinned here: what is wrapped around it moves a pointer. These futures are large.
        let answer = pin!(answer(&mut store, component, direction, &input, output.as_ref()));
        timed(pin!(fence.unless_raised(answer)), limits.timeout.to_std()).await
    };
    conclude(store, timed, limits).await
}

/// The reply for an attempt that was fenced before it began.
pub(super) fn never_begun() -> Reply {
    Reply {
        ending: ending::fenced("before it began"),
        spent: Spent::default(),
        log: Vec::new(),
        reads: Vec::new(),
        writes: Vec::new(),
        host_error: None,
    }
}

/// Asks a component what handlers it has; `Err` is the message of the halt.
pub(super) async fn describe(
    engine: &Engine,
    client: &Arc<Client>,
    component: &Component,
    mut attempt: Attempt,
    limits: Limits,
) -> Result<String, String> {
    let manifest = component.manifest.as_ref().expect("asked of a component that exports it");
    attempt.wasi = wasi(client, component, &attempt, Arc::default(), limits);
    let mut store = store(engine, attempt, limits);
    let described = async {
        let instance = component.pre.instantiate_async(&mut store).await?;
        manifest.load(&mut store, &instance)?.call_describe(&mut store).await
    };
    match timed(described, limits.timeout.to_std()).await.end {
        Some(Ok(text)) => Ok(text),
        Some(Err(error)) => Err(ending::halt(&error, &store.data().memory, limits).1),
        None => Err(ending::timeout(limits)),
    }
}

/// What the component needs of WASI, if anything.
fn wasi(
    client: &Arc<Client>,
    component: &Component,
    attempt: &Attempt,
    grants: Arc<[HostGrant]>,
    limits: Limits,
) -> Option<Box<Wasi>> {
    match component.profile {
        Profile::Lean => None,
        Profile::Minimal | Profile::Requests => {
            let egress = Egress::new(Arc::clone(client), grants, attempt, limits);
            Some(Box::new(Wasi::new(attempt, limits, egress)))
        }
    }
}

/// A store with every limit set, before anything of the guest runs in it.
fn store(engine: &Engine, attempt: Attempt, limits: Limits) -> Store<Attempt> {
    let mut store = Store::new(engine, attempt);
    store.limiter(|attempt| &mut attempt.memory);
    store.set_fuel(limits.fuel).expect("the engine counts fuel");
    store.set_epoch_deadline(1);
    match store.data().wasi {
        None => store.epoch_deadline_async_yield_and_update(1),
        // Calls into WASI are not charged one by one: what they cost is looked at before each slice.
        Some(_) => store.epoch_deadline_callback(|store| {
            let owed = store.data().wasi.as_ref().map_or(0, |wasi| wasi.fuel());
            if owed > store.get_fuel()? { Err(Trap::OutOfFuel.into()) } else { Ok(UpdateDeadline::Yield(1)) }
        }),
    }
    store.set_hostcall_fuel(HOSTCALL_LEN_MAX);
    store.set_max_component_handles(HANDLES_MAX);
    store
}

async fn answer(
    store: &mut Store<Attempt>,
    component: &Component,
    direction: Direction,
    input: &Payload,
    output: Option<&Payload>,
) -> Answered {
    let instance = component.pre.instantiate_async(&mut *store).await?;
    let step = component.step.load(&mut *store, &instance)?;
    match direction {
        Direction::Forward => step.call_execute(store, &input.0).await,
        Direction::Backward => {
            let compensated = step.call_compensate(store, &input.0, output.map(|output| &*output.0)).await?;
            Ok(compensated.map(|()| Vec::new()))
        }
    }
}

/// How a piece of work went, and what it took.
struct Timed<T> {
    /// None if it ran out of time.
    end: Option<T>,
    /// Wall time from first to last.
    took: Duration,
    /// The part of it in which the guest or the host computed, and did not wait.
    busy: Duration,
}

/// Runs `work` for at most `timeout` and then drops it.
///
/// `tokio::time::timeout` is not enough: it depends on the runtime's timers, which one thread with a guest that computes in time
/// slices looks at only every so often. So the time is looked at after each slice, and a timer is there for a guest that waits.
///
/// Reads the monotonic clock directly: spans are measured here, no instant ever leaves.
async fn timed<T>(work: impl Future<Output = T>, timeout: Duration) -> Timed<T> {
    let begun = Instant::now();
    let until = begun + timeout.min(TIMEOUT_MAX);
    let mut work = pin!(work);
    let mut alarm = pin!(tokio::time::sleep_until(until.into()));
    let mut now = begun;
    let mut busy = Duration::ZERO;
    let end = poll_fn(|cx| {
        let from = Instant::now();
        set_pace(if busy < LONG { Pace::Brisk } else { Pace::Steady });
        let polled = work.as_mut().poll(cx);
        // What the thread turns to next may be another tenant's.
        set_pace(Pace::Brisk);
        now = Instant::now();
        busy += now - from;
        if polled.is_pending() && now - from >= LONG {
            // Whoever waits for this processor need not wait until the kernel looks at it again.
            rustix::thread::sched_yield();
        }
        match polled {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if now >= until => Poll::Ready(None),
            Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
        }
    })
    .await;
    Timed { end, took: now - begun, busy }
}

/// Within `timed` there is none if the fence was raised.
async fn conclude(store: Store<Attempt>, timed: Timed<Option<Answered>>, limits: Limits) -> Reply {
    let left = store.get_fuel().expect("the engine counts fuel");
    let owed = store.data().wasi.as_ref().map_or(0, |wasi| wasi.fuel());
    let reported = limits.fuel.saturating_sub(left).saturating_add(owed).min(limits.fuel);
    // A guest that breaks loses the fuel that it used since it last wrote its count down: then computing time may say more.
    let at_least = reported.max(fuel_for(timed.busy)).min(limits.fuel);
    let (end, fuel) = match timed.end {
        Some(Some(Ok(answered))) => (End::Answered(answered), reported),
        Some(Some(Err(error))) => (End::Broke(error), at_least),
        Some(None) => (End::Fenced, at_least),
        None => (End::TimedOut, at_least),
    };
    // The instance is destroyed here, before anybody hears of the end.
    let mut attempt = store.into_data();
    if let Some(wasi) = attempt.wasi.take() {
        // And its connections.
        wasi.close().await;
    }
    let ending = ending::hiding(&attempt.secrets, ending::ending(end, &attempt.memory, attempt.retry_after, limits));
    let (reads, writes, state_error) = attempt.state.finish();
    Reply {
        writes: if matches!(ending, Ending::Ok { .. }) { writes } else { Vec::new() },
        ending,
        spent: Spent { fuel, micros: u64::try_from(timed.took.as_micros()).unwrap_or(u64::MAX), conflicts: 0 },
        log: attempt.log.finish(&attempt.secrets),
        reads,
        host_error: state_error.map(HostError::State).or(attempt.outbound.finish().map(HostError::Effect)),
    }
}

fn fuel_for(busy: Duration) -> u64 {
    u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX).saturating_mul(FUEL_PER_NANOSECOND)
}
