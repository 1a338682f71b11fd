//! Many connections at once: when each asks, and who hears what came back. Closed: each asks again when it has its answer. Open: requests are due at
//! a rate, whatever the server does. Apart from what is asked and what is made of the answers.

use super::super::ClientError;
use super::wire::{Shape, Target, Wire};
use bytes::Bytes;
use futures_util::future::join_all;
use std::cell::RefCell;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

/// Who is not answered does not ask again at once.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the end of a load may be overlooked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How late the kernel may end a sleep, so that it can end several at once.
const SLACK_NS: u64 = 1000;

/// How fast it is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many at a time, each followed by the next when it is answered.
    InFlight(usize),
    /// So many a second, whether those before are answered or not.
    Rate {
        /// Above 0.
        per_second: f64,
        /// Most at a time. What is due beyond waits, and its time runs.
        in_flight_max: usize,
    },
}

/// What is asked, and who hears what became of it.
pub trait Asker {
    /// The request with this number; they begin at 0.
    fn ask(&mut self, number: u64) -> Shape;
    /// What became of it.
    fn hear(&mut self, timed: Timed);
}

/// A request and what became of it.
#[derive(Debug)]
pub struct Timed {
    /// Its number.
    pub number: u64,
    /// When it was to leave.
    pub due: Instant,
    /// When it was known what became of it.
    pub over: Instant,
    /// What that is.
    pub heard: Heard,
}

/// What came back.
#[derive(Debug)]
pub enum Heard {
    /// The answer.
    Answer {
        /// Its status.
        status: u16,
        /// Its body.
        body: Bytes,
    },
    /// Not a byte: it may have been done or not. Says why.
    Nothing(String),
    /// The beginning of an answer. Says what ended it.
    Broken(String),
}

/// Puts load on a server until it is `over`; what is asked then is waited for. Gives how many requests were due and were not even sent.
/// Blocks its thread, on which all of it happens but the counting of a rate.
///
/// # Errors
/// [`ClientError::Runtime`] if this process has no room for a client. What fails later, the asker hears.
pub fn bear(target: &Target, pace: Pace, asker: &mut (impl Asker + Send), over: &AtomicBool) -> Result<u64, ClientError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ClientError::Runtime)?;
    let crowd = Crowd { target, asker: RefCell::new(asker), next: AtomicU64::new(0), begun: Instant::now(), over };
    match pace {
        Pace::InFlight(clients) => {
            runtime.block_on(join_all((0..clients).map(|_| crowd.again_and_again())));
            Ok(0)
        }
        Pace::Rate { per_second, in_flight_max } => {
            let due = Due { turns: Semaphore::new(0), per_second };
            let given = std::thread::scope(|scope| {
                let counting = scope.spawn(|| due.count(crowd.begun, over));
                runtime.block_on(join_all((0..in_flight_max).map(|_| crowd.when_due(&due))));
                counting.join().expect("it only counts")
            });
            Ok(given.saturating_sub(crowd.next.into_inner()))
        }
    }
}

struct Crowd<'a, A> {
    target: &'a Target,
    asker: RefCell<&'a mut A>,
    next: AtomicU64,
    begun: Instant,
    over: &'a AtomicBool,
}

impl<A: Asker> Crowd<'_, A> {
    async fn again_and_again(&self) {
        let mut wire = Wire::new(self.target);
        while !self.over.load(Ordering::Acquire) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            self.one(&mut wire, number, Instant::now()).await;
        }
    }

    async fn when_due(&self, due: &Due) {
        let mut wire = Wire::new(self.target);
        while let Ok(turn) = due.turns.acquire().await {
            turn.forget();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            self.one(&mut wire, number, self.begun + due.of(number)).await;
        }
    }

    async fn one(&self, wire: &mut Wire<'_>, number: u64, due: Instant) {
        let shape = self.asker.borrow_mut().ask(number);
        let heard = wire.ask(shape).await;
        let is_answered = matches!(heard, Heard::Answer { .. });
        self.asker.borrow_mut().hear(Timed { number, due, over: Instant::now(), heard });
        if !is_answered {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Gives each request its turn when it is due. On a thread of its own: the timers of an event loop count milliseconds.
struct Due {
    /// As many as are due and were not taken yet.
    turns: Semaphore,
    per_second: f64,
}

impl Due {
    /// When a request is due, from the beginning.
    #[expect(clippy::cast_precision_loss, reason = "2^53 requests take longer than anybody waits")]
    fn of(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.per_second)
    }

    /// Gives how many were due.
    fn count(&self, begun: Instant, over: &AtomicBool) -> u64 {
        // Where it is refused, sleeps end some fifty microseconds late, and that time runs.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(SLACK_NS));
        let mut given = 0;
        while !over.load(Ordering::Acquire) {
            while self.of(given) <= begun.elapsed() {
                self.turns.add_permits(1);
                given += 1;
            }
            std::thread::sleep(self.of(given).saturating_sub(begun.elapsed()).min(LOOK_EVERY));
        }
        self.turns.close();
        given
    }
}
