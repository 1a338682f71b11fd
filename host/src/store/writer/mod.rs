//! One thread that makes things durable, and only when it must: a commit starts when somebody waits for it, or what is queued is
//! 2 ms old, or there is much of it; what comes meanwhile is in the next one. Apart from the stores, because how often to sync is
//! decided here, whatever is written to.

mod batch;
mod mailbox;

use super::{Commit, Store, StoreError};
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, TenantEntry};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::run::RunHead;
use batch::Chains;
use bytes::Bytes;
use mailbox::{Mailbox, Phase, Urge};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// What nobody waits for is committed when it is this old.
pub const COMMIT_AGE_MAX: Duration = Duration::from_millis(2);
/// When a crowd was told of a commit, most of it will want the next one as soon: that one waits so long for them, behind the first. Several of them
/// then share what a commit costs, and each waits for one instead of two.
pub const GATHER: Duration = Duration::from_micros(300);
/// So many, told at once, are a crowd: of 2, 3, 4 and 8 the one with the fewest commits and the least processor time a run, at 16 and 64 clients.
pub const CROWD: usize = 3;
/// As many facts start a commit though nobody waits.
pub const COMMIT_LEN: usize = 4096;
/// As many bytes start a commit though nobody waits: 4 MiB.
pub const COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// A commit takes no more appends when it has as many facts.
pub const BATCH_LEN_MAX: usize = 4 * COMMIT_LEN;
/// A commit takes no more appends when it has as many bytes: 16 MiB.
pub const BATCH_BYTES_MAX: usize = 4 * COMMIT_BYTES;
/// With as many facts in the queue there is no room.
pub const QUEUE_LEN_MAX: usize = 4 * BATCH_LEN_MAX;
/// With as many bytes in the queue there is no room: 64 MiB.
pub const QUEUE_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// What is to become durable.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose.
    pub tenant: TenantId,
    /// In which of the tenant's chains. A run stays in one lane.
    pub lane: Lane,
    /// The facts.
    pub what: What,
}

/// The facts of an append.
#[derive(Debug, Clone)]
pub enum What {
    /// Of one run.
    Run {
        /// Which.
        run: RunId,
        /// At least one.
        entries: Vec<Entry>,
        /// Where it stands behind them.
        head: RunHead,
    },
    /// Of the tenant itself.
    Tenant {
        /// At least one.
        entries: Vec<TenantEntry>,
        /// The components that the facts speak of and that may not be stored yet.
        components: Vec<(Digest, Bytes)>,
    },
}

/// Place of an append in the order of all appends to a writer, from 1. 0 lies before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

/// Why something did not become durable, as far as one can know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriterError {
    /// A commit failed, and the writer has stopped for good. Only the next open of the store can tell what is there.
    #[error("it is not known whether this is durable, and nothing more is written: {0}")]
    Unknown(Arc<str>),
    /// The writer was closed before.
    #[error("the writer is closed")]
    Closed,
    /// All is durable, but the store could not note that it was closed; the next open will check it.
    #[error("all is durable, but the store is not marked as closed: {0}")]
    Unmarked(Arc<str>),
}

/// What waits to become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many facts.
    pub facts: usize,
    /// How long they are, about.
    pub bytes: usize,
    /// How long the oldest has waited; nothing if there is none.
    pub age: Duration,
}

/// Whoever looks at what has become durable. Called on the writer's thread behind each commit, when those who waited for it were told: it
/// must not wait for anything.
pub trait Witness: std::fmt::Debug + Send + Sync + 'static {
    /// `commit` is durable, and took so long.
    fn committed(&self, commit: &Commit, took: Duration);
}

/// The writer of a store; the only one. Dropped without [`Writer::close`], it ends as in a crash: what is queued never happened.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    mailbox: Mutex<Mailbox>,
    /// For the thread.
    wake: Condvar,
    /// A copy of the mailbox's mark, so that whoever asks for what is durable already takes no lock.
    durable: AtomicU64,
    /// The queue became shorter.
    room: Notify,
    failed: watch::Sender<Option<WriterError>>,
    witness: OnceLock<Arc<dyn Witness>>,
}

impl Writer {
    /// Reads where each lane stands and starts the thread.
    ///
    /// # Errors
    /// What the store says.
    pub fn start(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (writer, mut hand) = Self::by_hand(store)?;
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || while hand.commit_when_urged() {})
            .expect("a process that starts may have one thread more");
        *writer.thread() = Some(thread);
        Ok(writer)
    }

    /// A writer without a thread: nothing becomes durable until the hand is told to commit. For simulations, in which nothing may
    /// happen by itself.
    ///
    /// # Errors
    /// What the store says.
    pub fn by_hand(store: Arc<dyn Store>) -> Result<(Self, Hand), StoreError> {
        let chains = Chains::load(Arc::clone(&store))?;
        let shared = Arc::new(Shared {
            mailbox: Mutex::default(),
            wake: Condvar::new(),
            durable: AtomicU64::new(0),
            room: Notify::new(),
            failed: watch::Sender::new(None),
            witness: OnceLock::new(),
        });
        let hand = Hand { shared: Arc::clone(&shared), store: Arc::clone(&store), chains };
        Ok((Self { shared, store, thread: Mutex::default() }, hand))
    }

    /// Queues `append` and says where it stands. Never waits; ask for [`Writer::room`] before what starts something new. After a
    /// failure what is appended is dropped, and [`Writer::durable`] says so.
    pub fn append(&self, append: Append) -> Position {
        let mut mailbox = self.shared.lock();
        let position = mailbox.push(append);
        self.shared.knock(mailbox);
        position
    }

    /// From now on `witness` sees what becomes durable.
    ///
    /// # Panics
    /// If there is one already.
    pub fn witnessed_by(&self, witness: Arc<dyn Witness>) {
        self.shared.witness.set(witness).expect("a writer has one witness");
    }

    /// What waits to become durable.
    pub fn backlog(&self) -> Backlog {
        self.shared.lock().backlog()
    }

    /// Where the newest append stands.
    pub fn newest(&self) -> Position {
        self.shared.lock().newest()
    }

    /// Waits until everything up to `position` is durable, and makes it so if it is not. Dropping the future is safe.
    ///
    /// # Errors
    /// [`WriterError::Unknown`] if a commit failed, [`WriterError::Closed`] if `position` was appended behind the end.
    pub async fn durable(&self, position: Position) -> Result<(), WriterError> {
        if position <= self.durable_mark() {
            return Ok(());
        }
        let waiting = {
            let mut mailbox = self.shared.lock();
            let waiting = mailbox.wait_for(position)?;
            self.shared.knock(mailbox);
            waiting
        };
        match waiting {
            Some(waiting) => waiting.await.unwrap_or(Err(WriterError::Closed)),
            None => Ok(()),
        }
    }

    /// Everything up to here is durable.
    pub fn durable_mark(&self) -> Position {
        Position(self.shared.durable.load(Ordering::Acquire))
    }

    /// Waits while the queue is over its bounds. Whoever admits something new asks first; what is under way goes on without. Dropping
    /// the future is safe.
    ///
    /// # Errors
    /// [`WriterError::Unknown`] or [`WriterError::Closed`]: there will never be room.
    pub async fn room(&self) -> Result<(), WriterError> {
        loop {
            // Registered before the look, so that no change between the look and the wait is missed.
            let mut changed = std::pin::pin!(self.shared.room.notified());
            changed.as_mut().enable();
            if self.shared.lock().has_room()? {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Waits until a commit fails; for ever if none does. Then the process should end: nothing will become durable any more. Dropping
    /// the future is safe.
    pub async fn failed(&self) -> WriterError {
        let mut failed = self.shared.failed.subscribe();
        let error = failed.wait_for(Option::is_some).await.expect("the sender lives as long as the writer");
        error.clone().expect("this is what was waited for")
    }

    /// Commits what is queued, ends the thread and closes the store. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`WriterError::Unknown`] if this or an earlier commit failed, [`WriterError::Unmarked`] if only the note is missing,
    /// [`WriterError::Closed`] if it was closed before.
    pub fn close(&self) -> Result<(), WriterError> {
        let Some(thread) = self.thread().take() else { return Err(WriterError::Closed) };
        self.shared.end(thread, Phase::Closing);
        match self.shared.failed.borrow().clone() {
            Some(error) => Err(error),
            None => self.store.close().map_err(|e| WriterError::Unmarked(e.to_string().into())),
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let thread = self.thread().take();
        if let Some(thread) = thread {
            self.shared.end(thread, Phase::Abandoned);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread if what is in the mailbox now concerns it. Gives the lock back first, so that it does not wake into it.
    fn knock(&self, mut mailbox: MutexGuard<'_, Mailbox>) {
        let asleep = mailbox.rouse();
        drop(mailbox);
        if asleep {
            self.wake.notify_one();
        }
    }

    /// Sleeps until something is to be committed and takes it; none when the thread shall end.
    fn next_batch(&self) -> Option<mailbox::Batch> {
        let mut mailbox = self.lock();
        loop {
            mailbox = match mailbox.fall_asleep() {
                Urge::Nothing => self.wake.wait(mailbox).unwrap_or_else(PoisonError::into_inner),
                Urge::Now => break,
                Urge::End => return None,
                Urge::Soon => {
                    let gathering = |mailbox: &mut Mailbox| mailbox.urge() == Urge::Soon;
                    let waited = self.wake.wait_timeout_while(mailbox, COMMIT_AGE_MAX, gathering);
                    let (mailbox, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() {
                        let mut mailbox = mailbox;
                        return Some(mailbox.take());
                    }
                    mailbox
                }
            };
        }
        if mailbox.gathers() {
            // Not on the condition: what comes meanwhile need not wake anybody.
            drop(mailbox);
            std::thread::sleep(GATHER);
            mailbox = self.lock();
            if mailbox.urge() == Urge::End {
                return None;
            }
        }
        Some(mailbox.take())
    }

    fn advance(&self, mark: Position) {
        // Ahead of the waiters: whoever is woken finds the mark where it was promised.
        self.durable.store(mark.0, Ordering::Release);
        let woken = self.lock().advance(mark);
        for waiter in woken {
            // One that was dropped no longer wants to know.
            let _ = waiter.send(Ok(()));
        }
    }

    fn witnessed(&self, commit: &Commit, took: Duration) {
        let Some(witness) = self.witness.get() else { return };
        // What only looks must not end what writes.
        if catch_unwind(AssertUnwindSafe(|| witness.committed(commit, took))).is_err() {
            tracing::error!("whoever looks at commits panicked");
        }
    }

    fn fail(&self, cause: &str) {
        let error = WriterError::Unknown(cause.into());
        self.failed.send_replace(Some(error.clone()));
        self.stop(&error);
    }

    fn stop(&self, error: &WriterError) {
        let woken = self.lock().stop(error.clone());
        for waiter in woken {
            let _ = waiter.send(Err(error.clone()));
        }
        self.room.notify_waiters();
    }

    fn end(&self, thread: JoinHandle<()>, phase: Phase) {
        let mut mailbox = self.lock();
        mailbox.leave(phase);
        self.knock(mailbox);
        thread.join().expect("the writer's thread catches its panics");
        self.stop(&WriterError::Closed);
    }
}

/// A commit on its way.
#[derive(Debug)]
pub struct Begun(mailbox::Batch);

/// What commits. It owns the ends of the chains: nobody else adds to them.
#[derive(Debug)]
pub struct Hand {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    chains: Chains,
}

impl Hand {
    /// Commits what is queued, as far as one commit goes. False once a commit has failed: then nothing will ever be committed again.
    pub fn commit(&mut self) -> bool {
        self.begin().is_none_or(|begun| self.finish(begun))
    }

    /// Takes what is queued, as far as one commit goes; none if there is nothing. What comes until it is finished is for the next one.
    pub fn begin(&mut self) -> Option<Begun> {
        let batch = self.shared.lock().take();
        (!batch.appends.is_empty()).then_some(Begun(batch))
    }

    /// Commits what was taken, before anything else is taken. As [`Hand::commit`].
    pub fn finish(&mut self, begun: Begun) -> bool {
        self.write(begun.0)
    }

    /// Sleeps until something is to be committed, and commits it. False if the thread shall end.
    fn commit_when_urged(&mut self) -> bool {
        self.shared.next_batch().is_some_and(|batch| self.write(batch))
    }

    fn write(&mut self, batch: mailbox::Batch) -> bool {
        self.shared.room.notify_waiters();
        let mark = batch.mark;
        let (store, chains) = (&self.store, &mut self.chains);
        let begun = Instant::now();
        // A panic inside the store is as ambiguous as an error.
        let written = catch_unwind(AssertUnwindSafe(|| {
            let commit = chains.seal(batch.appends)?;
            store.commit(&commit).map(|()| commit)
        }));
        match written {
            Ok(Ok(commit)) => {
                let took = begun.elapsed();
                self.shared.advance(mark);
                self.shared.witnessed(&commit, took);
                return true;
            }
            Ok(Err(error)) => self.shared.fail(&error.to_string()),
            Err(panic) => self.shared.fail(panic_text(&*panic)),
        }
        false
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the store panicked")
}
