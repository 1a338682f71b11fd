//! Guests that do what their input says, and are counted.

use amends::coordinator::{Guest, Guests};
use amends::sandbox::{Call, Description, HostError, Refusal, Reply, StateError};
use amends_domain::digest::Digest;
use amends_domain::event::{Ending, LogLevel, LogLine, Spent};
use amends_domain::payload::Payload;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// Fuel of one that burns.
pub(crate) const BURNT: u64 = 10_000_000;

/// Where they come from.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    begun: AtomicUsize,
    running: AtomicUsize,
    at_most: AtomicUsize,
    word: watch::Sender<bool>,
}

/// A guest that is at work.
struct Running<'a>(&'a Scripted);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    /// How many attempts were begun.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// How many are under way.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// How many were under way at most.
    pub(crate) fn at_most(&self) -> usize {
        self.at_most.load(Ordering::SeqCst)
    }

    /// Lets those go on that wait for it.
    pub(crate) fn give_the_word(&self) {
        self.word.send_replace(true);
    }

    fn begin(&self) -> (Running<'_>, usize) {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_most.fetch_max(now, Ordering::SeqCst);
        (Running(self), self.begun.fetch_add(1, Ordering::SeqCst) + 1)
    }

    async fn hear_the_word(&self) {
        self.word.subscribe().wait_for(|given| *given).await.expect("the sender is here");
    }
}

impl Guests for Scripted {
    fn loaded(self: Arc<Self>, _: Digest) -> Option<Arc<dyn Guest>> {
        Some(self)
    }

    fn load(self: Arc<Self>, _: Digest, _: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>> {
        ready(Ok(self as Arc<dyn Guest>)).boxed()
    }

    fn hurry(&self) {}

    fn inspect(self: Arc<Self>, bytes: Bytes) -> BoxFuture<'static, Result<Description, Refusal>> {
        Arc::new(harness::Idle).inspect(bytes)
    }
}

impl Guest for Scripted {
    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Reply> {
        async move {
            let (_running, number) = self.begin();
            let does: String = serde_json::from_slice(&call.input.0).expect("a text");
            let (mut host_error, mut output, mut spent) = (None, Payload::null(), Spent::default());
            match does.as_str() {
                "tells how far it may go" => {
                    let told = serde_json::json!({ "memory": call.limits.memory, "log": call.log_len_max });
                    output = Payload::from(&told);
                }
                "burns" => spent.fuel = BURNT,
                "ends" => tokio::task::yield_now().await,
                "waits for the word" | "hangs" => self.hear_the_word().await,
                "fails twice" if number > 2 => {}
                "fails twice" => host_error = Some(HostError::State(StateError("the disk".into()))),
                other => panic!("nobody knows how to do `{other}`"),
            }
            let log = vec![LogLine { level: LogLevel::Info, message: "said".to_owned() }];
            Reply { ending: Ending::Ok { output }, spent, log, reads: Vec::new(), writes: Vec::new(), host_error }
        }
        .boxed()
    }
}
