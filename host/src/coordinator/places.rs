//! The places of the attempts of one run: had, or waited for. An attempt is noted when it has its place, so that one that never got any never
//! was, and a demand reaches a run whose attempts wait.

use super::allowance::{Allowance, Needs, Place};
use amends_domain::event::AttemptRef;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// Places of one run.
pub(super) struct Places {
    allowance: Arc<Allowance>,
    waiting: Vec<(AttemptRef, BoxFuture<'static, Place>)>,
    had: Vec<(AttemptRef, Place)>,
}

impl Places {
    pub(super) fn new(allowance: Arc<Allowance>) -> Self {
        Self { allowance, waiting: Vec::new(), had: Vec::new() }
    }

    /// Whether nothing is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.had.is_empty()
    }

    /// The place of an attempt. Without one it is waited for: see [`Places::next`].
    pub(super) fn take(&mut self, attempt: AttemptRef, needs: Needs) -> Option<Place> {
        if let Some(at) = self.had.iter().position(|(of, _)| *of == attempt) {
            return Some(self.had.swap_remove(at).1);
        }
        if self.waiting.iter().any(|(of, _)| *of == attempt) {
            return None;
        }
        let place = self.allowance.try_place(needs);
        if place.is_none() {
            self.waiting.push((attempt, Arc::clone(&self.allowance).place(needs).boxed()));
        }
        place
    }

    /// Gives back and forgets what no attempt of `wanted` is for.
    pub(super) fn keep(&mut self, wanted: impl Fn(AttemptRef) -> bool) {
        self.waiting.retain(|(attempt, _)| wanted(*attempt));
        self.had.retain(|(attempt, _)| wanted(*attempt));
    }

    /// Waits until one is had. Dropping the future is safe.
    pub(super) async fn next(&mut self) {
        poll_fn(|cx| {
            for at in 0..self.waiting.len() {
                let (attempt, place) = &mut self.waiting[at];
                if let Poll::Ready(place) = place.poll_unpin(cx) {
                    self.had.push((*attempt, place));
                    drop(self.waiting.swap_remove(at));
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
    }
}
