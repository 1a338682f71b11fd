//! Turns: the places of the pool, shared between tenants, to be waited for and had for as long as an attempt takes.

use amends_domain::fair::{Entered, Queue, Ticket};
use amends_domain::id::TenantId;
use amends_domain::quota::Purpose;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Who asks: a tenant, or the host itself.
pub(super) type Asker = Option<TenantId>;

/// Places to be shared.
#[derive(Debug)]
pub(super) struct Turns(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Queue<Asker>,
    /// Who waits; none for one who was called and has not come yet.
    waiting: HashMap<Ticket, Option<Waker>>,
}

/// A turn: wanted, waited for, or had. Given back when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    asker: &'a Asker,
    weight: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wanted,
    Waits(Ticket),
    Had,
}

impl Turns {
    /// `places` of which one asker may have `share_max`.
    pub(super) fn new(places: u32, share_max: u32) -> Self {
        Self(Mutex::new(Inner { queue: Queue::new(places, share_max), waiting: HashMap::new() }))
    }

    fn want<'a>(&'a self, asker: &'a Asker, weight: u32) -> Turn<'a> {
        Turn { turns: self, asker, weight, stage: Stage::Wanted }
    }

    /// Waits for a turn. Dropping the future is safe.
    pub(super) async fn take<'a>(&'a self, asker: &'a Asker, weight: u32) -> Turn<'a> {
        let mut turn = self.want(asker, weight);
        poll_fn(|cx| turn.poll(cx)).await;
        turn
    }

    /// How many places are free, and how many wait.
    pub(super) fn levels(&self) -> (u32, usize) {
        let inner = self.lock();
        (inner.queue.free(), inner.waiting.len())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whose places these are matters here, and not what for: a compensation is made in the place of an attempt.
    fn enter(&mut self, asker: &Asker, weight: u32) -> Entered {
        let (entered, next) = self.queue.enter(asker, weight, Purpose::Forward);
        self.call(next);
        entered
    }

    /// Wakes those who are next.
    fn call(&mut self, next: Vec<Ticket>) {
        for ticket in next {
            if let Some(waker) = self.waiting.insert(ticket, None).flatten() {
                waker.wake();
            }
        }
    }
}

impl Turn<'_> {
    /// Ready when it is had.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.stage == Stage::Had {
            return Poll::Ready(());
        }
        let mut inner = self.turns.lock();
        let ticket = match self.stage {
            Stage::Had => return Poll::Ready(()),
            Stage::Waits(ticket) => ticket,
            Stage::Wanted => match inner.enter(self.asker, self.weight) {
                Entered::Now => {
                    self.stage = Stage::Had;
                    return Poll::Ready(());
                }
                Entered::Waits(ticket) => {
                    inner.waiting.insert(ticket, Some(cx.waker().clone()));
                    self.stage = Stage::Waits(ticket);
                    return Poll::Pending;
                }
            },
        };
        if let Some(Some(waker)) = inner.waiting.get_mut(&ticket) {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        inner.waiting.remove(&ticket);
        self.stage = Stage::Had;
        Poll::Ready(())
    }

    /// Gives it back, and says what it cost. It can be waited for again.
    fn give_back(&mut self, cost: u64) {
        let mut inner = self.turns.lock();
        let next = match std::mem::replace(&mut self.stage, Stage::Wanted) {
            Stage::Wanted => return,
            Stage::Had => inner.queue.leave(self.asker, self.weight, cost),
            // One who was called and never came had it all the same.
            Stage::Waits(ticket) => match inner.waiting.remove(&ticket) {
                Some(Some(_)) => inner.queue.give_up(self.asker, ticket),
                Some(None) | None => inner.queue.leave(self.asker, self.weight, 0),
            },
        };
        inner.call(next);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.stage != Stage::Wanted {
            let weight = u64::from(self.weight);
            self.give_back(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn askers<const N: usize>(names: [&str; N]) -> [Asker; N] {
        names.map(|name| Some(TenantId::new(name).expect("a name")))
    }

    #[test]
    fn a_turn_is_had_when_the_one_before_is_given_back() {
        let (turns, [a, b]) = (Turns::new(1, 1), askers(["a", "b"]));
        let first = turns.take(&a, 1).now_or_never().expect("there is room");
        let mut second = Box::pin(turns.take(&b, 1));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn a_turn_that_nobody_waits_for_any_more_goes_to_the_next() {
        let (turns, [a, b, c]) = (Turns::new(1, 1), askers(["a", "b", "c"]));
        let first = turns.take(&a, 1).now_or_never().expect("there is room");
        let mut second = Box::pin(turns.take(&b, 1));
        let mut third = Box::pin(turns.take(&c, 1));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        // It was called, and goes away before it came.
        drop(second);
        assert!(third.now_or_never().is_some());
        assert!(turns.take(&a, 1).now_or_never().is_some(), "and is given back");
        assert!(turns.lock().waiting.is_empty());
    }
}
