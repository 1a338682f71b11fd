//! A world for guests: the tenant's state, the journal of effects, and who answers outside, in one, so that a test sees in which order
//! they are asked.

use amends::sandbox::{Answer, EffectAccess, EffectError, Intent, Outside, OutsideRequest, StateAccess, StateError, StateValue};
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// The status of every answer.
pub(crate) const STATUS: u16 = 201;

/// Where a guest waits for the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// When it reads the state.
    Read,
    /// When its request is noted.
    Intend,
    /// When its request is on its way.
    Send,
    /// When the answer is noted.
    Answer,
}

/// How the world is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers at once, everywhere.
    Prompt,
    /// It does not answer there until [`World::release`].
    SilentAt(Point),
    /// The host fails there.
    BrokenAt(Point),
}

pub(crate) struct World {
    mood: Mood,
    told: Mutex<Vec<String>>,
    calls: AtomicU32,
    released: Semaphore,
    given_up: AtomicUsize,
}

impl World {
    pub(crate) fn new(mood: Mood) -> Arc<Self> {
        let (told, calls, given_up) = (Mutex::default(), AtomicU32::new(0), AtomicUsize::new(0));
        Arc::new(Self { mood, told, calls, released: Semaphore::new(0), given_up })
    }

    /// All that it was asked, in order.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().expect("nothing panics while it holds this lock").clone()
    }

    /// How often somebody waited for it and went away.
    pub(crate) fn given_up(&self) -> usize {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Lets whoever waits go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }

    async fn at(&self, point: Point, told: String) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.told.lock().expect("nothing panics while it holds this lock").push(told);
        if self.mood == Mood::BrokenAt(point) {
            return Err("the disk is gone".into());
        }
        if self.mood == Mood::SilentAt(point) {
            let waiting = GivenUp(&self.given_up);
            self.released.acquire().await.expect("never closed").forget();
            std::mem::forget(waiting);
        }
        Ok(())
    }
}

/// Counts when it is dropped.
struct GivenUp<'a>(&'a AtomicUsize);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl StateAccess for World {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(async move { self.at(Point::Read, format!("read {key}")).await.map(|()| None).map_err(StateError) })
    }
}

impl EffectAccess for World {
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<u32, EffectError>> {
        let Intent { method, target } = intent;
        Box::pin(async move {
            self.at(Point::Intend, format!("intend {method} {target}")).await.map_err(EffectError)?;
            Ok(self.calls.fetch_add(1, Ordering::Relaxed) + 1)
        })
    }

    fn answered(&self, answer: Answer) -> BoxFuture<'_, Result<(), EffectError>> {
        let Answer { call, status, response } = answer;
        let kept = response.map_or_else(String::new, |body| format!(" {}", String::from_utf8_lossy(&body.0)));
        Box::pin(async move { self.at(Point::Answer, format!("answer {call} {status}{kept}")).await.map_err(EffectError) })
    }
}

impl Outside for World {
    fn send(&self, request: OutsideRequest) -> BoxFuture<'_, u16> {
        let OutsideRequest { method, target, idempotency_key, run, step, attempt, direction } = request;
        let told = format!("send {method} {target} {idempotency_key} {run} {step} {direction:?} {attempt}");
        Box::pin(async move {
            self.at(Point::Send, told).await.expect("the way out does not break, only what is noted");
            STATUS
        })
    }
}
