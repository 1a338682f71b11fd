//! The thread that moves the engine's epoch on. Guests look at the epoch in every loop and at every call, and give way when it has
//! moved: this is what makes time slices of a guest that never waits.

use super::SandboxError;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::Engine;

/// How long a guest runs before it gives way, at most two of these.
const TICK: Duration = Duration::from_millis(1);

/// Ticks until it is dropped; then the thread has ended.
pub(super) struct Ticker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking.
    pub(super) fn start(engine: Engine) -> Result<Self, SandboxError> {
        // Nothing is ever sent: the end of the channel is the message.
        let (stop, stopped) = sync_channel(1);
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new().name("amends-epoch".into()).spawn(tick).map_err(SandboxError::Ticker)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Closing the channel wakes the thread at once.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the ticker only counts");
        }
    }
}
