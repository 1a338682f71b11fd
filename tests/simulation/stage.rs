//! What all players of one simulated world share: the dice, what is known of the world, and whether the life of the host that is played
//! goes on. One lock over all of it: only one thing happens at a time, and always in the same order.

use crate::books::Books;
use crate::coverage::Coverage;
use crate::dice::Dice;
use crate::invariants::Violation;
use crate::outside::{Outside, Request};
use crate::plants::Plant;
use crate::players::Crowd;
use crate::scenes::Scenes;
use crate::trace::Trace;
use amends::store::memory::Fate;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The world, to be shared.
pub(crate) struct Stage {
    play: Mutex<Play>,
    queued: Notify,
    curtain: Notify,
    fallen: AtomicBool,
    /// Whoever commits writes all there is and ends the life.
    stopping: AtomicBool,
    /// How often the host still asks for the time before it dies.
    deeds_left: AtomicU64,
}

/// What happens.
pub(crate) struct Play {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) coverage: Coverage,
    pub(crate) books: Books,
    pub(crate) outside: Outside,
    pub(crate) scenes: Scenes,
    /// Requests that were on their way when the host died.
    pub(crate) adrift: Vec<Request>,
    pub(crate) crowd: Crowd,
    pub(crate) plant: Option<Plant>,
    pub(crate) mood: Mood,
    pub(crate) violation: Option<Violation>,
    /// Which life of the host this is, from 1.
    pub(crate) life: u32,
    /// What becomes of the next commit, if it fails.
    pub(crate) fate: Option<Fate>,
    /// What the clock of this life said when it began, and when that was; none between lives.
    base_ms: u64,
    since: Option<Instant>,
}

/// How the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Anything goes wrong.
    Wild,
    /// Nothing goes wrong any more.
    Healed,
}

impl Stage {
    pub(crate) fn new(play: Play) -> Arc<Self> {
        Arc::new(Self {
            play: Mutex::new(play),
            queued: Notify::new(),
            curtain: Notify::new(),
            fallen: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            deeds_left: AtomicU64::new(u64::MAX),
        })
    }

    /// Does something with the world; nothing else happens meanwhile. A violation ends the life.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut Play) -> T) -> T {
        let mut play = self.play();
        let done = act(&mut play);
        let broken = play.violation.is_some();
        drop(play);
        if broken {
            self.fall();
        }
        done
    }

    /// A life of the host begins: in its runtime.
    pub(crate) fn begin_life(&self, base_ms: u64, deeds: u64) {
        self.fallen.store(false, Ordering::Relaxed);
        self.stopping.store(false, Ordering::Relaxed);
        self.deeds_left.store(deeds, Ordering::Relaxed);
        let mut play = self.play();
        play.life += 1;
        (play.base_ms, play.since) = (base_ms, Some(Instant::now()));
        let life = play.life;
        play.note(format_args!("life {life} begins"));
    }

    /// The life is over: what its tasks still do, nobody sees. Its time stands still.
    pub(crate) fn end_life(&self, how: &str) {
        let mut play = self.play();
        if self.fallen.load(Ordering::Relaxed) {
            return;
        }
        play.coverage.count(how);
        play.note(format_args!("{how}"));
        drop(play);
        self.fall();
    }

    /// No more than what it says now.
    pub(crate) fn stop_time(&self) -> u64 {
        let mut play = self.play();
        play.base_ms = play.now_ms();
        play.since = None;
        play.base_ms
    }

    fn fall(&self) {
        self.fallen.store(true, Ordering::Relaxed);
        self.curtain.notify_one();
    }

    /// Whether the life is over.
    pub(crate) fn is_over(&self) -> bool {
        self.fallen.load(Ordering::Relaxed)
    }

    /// Waits until it is.
    pub(crate) async fn over(&self) {
        while !self.is_over() {
            self.curtain.notified().await;
        }
    }

    /// Has whoever commits write all there is and end the life.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.queued.notify_one();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whoever commits should look.
    pub(crate) fn something_may_be_queued(&self) {
        let left = self.deeds_left.load(Ordering::Relaxed);
        if left == 0 {
            self.end_life("crash: between two deeds");
        }
        self.deeds_left.store(left.saturating_sub(1), Ordering::Relaxed);
        self.queued.notify_one();
    }

    pub(crate) async fn queued(&self) {
        self.queued.notified().await;
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Play {
    pub(crate) fn new(dice: Dice, trace: Trace, books: Books, crowd: Crowd, plant: Option<Plant>) -> Self {
        Self {
            dice,
            trace,
            coverage: Coverage::default(),
            books,
            outside: Outside::default(),
            scenes: Scenes::default(),
            adrift: Vec::new(),
            crowd,
            plant,
            mood: Mood::Wild,
            violation: None,
            life: 0,
            fate: None,
            base_ms: 0,
            since: None,
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let elapsed = self.since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).expect("days at most"));
        self.base_ms + elapsed
    }

    /// A line of the trace.
    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        let now = self.now_ms();
        self.trace.line(now, what);
    }

    /// Whether something goes wrong that does so `per_mille` times of a thousand while things go wrong.
    pub(crate) fn goes_wrong(&mut self, per_mille: u64) -> bool {
        self.mood == Mood::Wild && self.dice.below(1000) < per_mille
    }

    /// Takes note of what a check found. The first violation counts.
    pub(crate) fn check(&mut self, checked: Result<(), Violation>) {
        if let Err(violation) = checked
            && self.violation.is_none()
        {
            self.note(format_args!("VIOLATION {violation}"));
            self.violation = Some(violation);
        }
    }

    /// Whether this is planted.
    pub(crate) fn is_planted(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }
}
