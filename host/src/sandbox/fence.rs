//! How attempts are ended from outside. Dropping the future of an attempt ends it as well, but then nobody learns what it cost and
//! what it logged, and nobody knows when its instance was destroyed.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::sync::Notify;

/// A fence in front of attempts. Whoever drives them keeps a clone. Down at first; once raised it stays so.
///
/// Every attempt with a clone of it ends when it is raised: one that waits, at once; one that computes, when it next gives way, which
/// it does every few milliseconds; one that has not begun never begins.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    is_raised: AtomicBool,
    raise: Notify,
}

impl Fence {
    /// Ends the attempts behind it. Their instances are destroyed, and requests on their way are dropped, before their replies come.
    /// One that answered before is not affected.
    pub fn raise(&self) {
        // In this order: whoever is about to wait looks at the flag last.
        self.0.is_raised.store(true, Ordering::SeqCst);
        self.0.raise.notify_waiters();
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.is_raised.load(Ordering::SeqCst)
    }

    /// Does `work`, unless the fence is raised before it is done: then none, and `work` is dropped. Looks at the fence before each
    /// slice of the work, so nothing of it runs once it has waited and the fence was raised.
    pub async fn unless_raised<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut raised = pin!(self.raised());
        poll_fn(|cx| {
            if self.is_raised() {
                return Poll::Ready(None);
            }
            match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => raised.as_mut().poll(cx).map(|()| None),
            }
        })
        .await
    }

    async fn raised(&self) {
        let raise = self.0.raise.notified();
        // A raise after `notified` wakes it, one before is seen here.
        if !self.is_raised() {
            raise.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::pending;
    use std::sync::atomic::AtomicU32;
    use std::task::{Context, Wake};

    /// Counts how often somebody was woken.
    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_raised_fence_wakes_all_who_wait_behind_it_and_no_others() {
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken).into();
        let mut cx = Context::from_waker(&waker);
        let (fence, other) = (Fence::default(), Fence::default());
        let clone = fence.clone();
        let mut behind = [fence.unless_raised(pending::<()>()).boxed(), clone.unless_raised(pending()).boxed()];
        let mut beside = other.unless_raised(pending::<()>()).boxed();
        assert!(behind.iter_mut().chain([&mut beside]).all(|work| work.as_mut().poll(&mut cx).is_pending()));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        fence.raise();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert!(behind.iter_mut().all(|work| work.as_mut().poll(&mut cx) == Poll::Ready(None)));
        assert!(beside.as_mut().poll(&mut cx).is_pending());
    }

    #[test]
    fn work_that_is_done_is_done_and_work_behind_a_raised_fence_never_begins() {
        let fence = Fence::default();
        let raising = async { fence.raise() };
        assert_eq!(fence.unless_raised(raising).now_or_never(), Some(Some(())), "it was done in the slice in which it was raised");
        assert_eq!(fence.unless_raised(async { panic!("it begins") }).now_or_never(), Some(None::<()>));
    }
}
