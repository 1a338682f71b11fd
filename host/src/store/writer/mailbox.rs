//! What lies between those who append and the thread: the queue, the mark, and who waits for it. Apart, because it decides everything
//! and waits for nothing.

use super::{Append, BATCH_BYTES_MAX, BATCH_LEN_MAX, COMMIT_BYTES, COMMIT_LEN, CROWD, Position, QUEUE_BYTES_MAX, QUEUE_LEN_MAX};
use super::{Backlog, What, WriterError};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use tokio::sync::oneshot;

/// How a waiter is told.
pub(super) type Waiter = oneshot::Sender<Result<(), WriterError>>;

/// What the thread should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urge {
    /// Sleep.
    Nothing,
    /// Commit when what is queued is old enough.
    Soon,
    /// Commit.
    Now,
    /// End.
    End,
}

/// Where the writer is in its life.
#[derive(Debug, Default)]
pub(super) enum Phase {
    #[default]
    Open,
    /// What is queued is committed, then the thread ends.
    Closing,
    /// The thread ends; what is queued is lost.
    Abandoned,
    /// There is no thread any more.
    Stopped(WriterError),
}

/// What the thread was last known to do. Spares those who append a system call for each append.
#[derive(Debug, Default, Clone, Copy)]
enum Thread {
    #[default]
    Awake,
    /// It sleeps until something comes.
    Idle,
    /// It sleeps until what is queued is old, or somebody waits for it.
    Gathering,
}

#[derive(Debug)]
struct Queued {
    append: Append,
    size: Size,
    since: Instant,
}

#[derive(Debug, Default, Clone, Copy)]
struct Size {
    /// Facts.
    len: usize,
    bytes: usize,
}

impl Size {
    fn plus(self, more: Self) -> Self {
        Self { len: self.len + more.len, bytes: self.bytes + more.bytes }
    }

    fn minus(self, less: Self) -> Self {
        Self { len: self.len - less.len, bytes: self.bytes - less.bytes }
    }
}

/// What one commit takes.
#[derive(Debug)]
pub(super) struct Batch {
    /// In the order in which they came.
    pub(super) appends: Vec<Append>,
    /// The position of the last one.
    pub(super) mark: Position,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    queue: VecDeque<Queued>,
    queued: Size,
    /// Of the newest append.
    last: Position,
    /// Of the last append that was taken for a commit.
    taken: Position,
    /// Of the last append that is durable.
    durable: Position,
    /// In the order of what they wait for; the second number keeps those apart that wait for the same. One whose future was dropped
    /// stays until the mark passes it, which is one or two commits.
    waiters: BTreeMap<(Position, u64), Waiter>,
    waiters_seen: u64,
    /// How many were told when the mark moved last.
    told: usize,
    phase: Phase,
    thread: Thread,
}

impl Mailbox {
    pub(super) fn push(&mut self, append: Append) -> Position {
        let size = size_of(&append);
        assert!(size.len > 0, "an append has at least one fact");
        self.last.0 += 1;
        match self.phase {
            Phase::Open | Phase::Closing => {
                self.queued = self.queued.plus(size);
                self.queue.push_back(Queued { append, size, since: Instant::now() });
            }
            Phase::Abandoned | Phase::Stopped(_) => {}
        }
        self.last
    }

    /// What waits to be committed.
    pub(super) fn backlog(&self) -> Backlog {
        let age = self.queue.front().map(|oldest| oldest.since.elapsed()).unwrap_or_default();
        Backlog { facts: self.queued.len, bytes: self.queued.bytes, age }
    }

    /// Where the newest append stands.
    pub(super) fn newest(&self) -> Position {
        self.last
    }

    /// What to wait on until `position` is durable; none if it is.
    pub(super) fn wait_for(
        &mut self,
        position: Position,
    ) -> Result<Option<oneshot::Receiver<Result<(), WriterError>>>, WriterError> {
        assert!(position <= self.last, "{position:?} was never given: the last one is {:?}", self.last);
        if position <= self.durable {
            return Ok(None);
        }
        match &self.phase {
            Phase::Stopped(error) => return Err(error.clone()),
            Phase::Open | Phase::Closing | Phase::Abandoned => {}
        }
        let (waiter, waiting) = oneshot::channel();
        self.waiters_seen += 1;
        self.waiters.insert((position, self.waiters_seen), waiter);
        Ok(Some(waiting))
    }

    pub(super) fn has_room(&self) -> Result<bool, WriterError> {
        match &self.phase {
            Phase::Open => Ok(self.queued.len < QUEUE_LEN_MAX && self.queued.bytes < QUEUE_BYTES_MAX),
            Phase::Closing | Phase::Abandoned => Err(WriterError::Closed),
            Phase::Stopped(error) => Err(error.clone()),
        }
    }

    pub(super) fn urge(&self) -> Urge {
        match (&self.phase, self.queue.is_empty()) {
            (Phase::Abandoned | Phase::Stopped(_), _) | (Phase::Closing, true) => Urge::End,
            (Phase::Open, true) => Urge::Nothing,
            (Phase::Closing, false) => Urge::Now,
            (Phase::Open, false) => {
                if self.is_much() || self.is_awaited() {
                    Urge::Now
                } else {
                    Urge::Soon
                }
            }
        }
    }

    /// Whether a commit is worth while for what is queued alone.
    fn is_much(&self) -> bool {
        self.queued.len >= COMMIT_LEN || self.queued.bytes >= COMMIT_BYTES
    }

    /// Whether the next commit waits for more of those who were told of the last one.
    pub(super) fn gathers(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.told >= CROWD && !self.is_much()
    }

    /// Whether somebody waits for what is queued. The last waiter wants most, and what is taken is on its way.
    fn is_awaited(&self) -> bool {
        self.waiters.last_key_value().is_some_and(|((position, _), _)| *position > self.taken)
    }

    /// Says what the thread should do and notes that it will be doing it.
    pub(super) fn fall_asleep(&mut self) -> Urge {
        let urge = self.urge();
        self.thread = match urge {
            Urge::Nothing => Thread::Idle,
            Urge::Soon => Thread::Gathering,
            Urge::Now | Urge::End => Thread::Awake,
        };
        urge
    }

    /// Whether the thread sleeps and should not. It counts as awake from here on.
    pub(super) fn rouse(&mut self) -> bool {
        let rouse = match (self.thread, self.urge()) {
            (Thread::Awake, _) | (_, Urge::Nothing) | (Thread::Gathering, Urge::Soon) => false,
            (Thread::Idle, Urge::Soon | Urge::Now | Urge::End) | (Thread::Gathering, Urge::Now | Urge::End) => true,
        };
        if rouse {
            self.thread = Thread::Awake;
        }
        rouse
    }

    /// The next commit: all that is queued, or as much of it as a commit may have.
    pub(super) fn take(&mut self) -> Batch {
        self.thread = Thread::Awake;
        let mut size = Size::default();
        let mut appends = Vec::with_capacity(self.queue.len());
        while size.len < BATCH_LEN_MAX && size.bytes < BATCH_BYTES_MAX {
            let Some(queued) = self.queue.pop_front() else { break };
            size = size.plus(queued.size);
            appends.push(queued.append);
        }
        self.queued = self.queued.minus(size);
        self.taken.0 += appends.len() as u64;
        Batch { appends, mark: self.taken }
    }

    /// Moves the mark and gives those who waited for it, in the order of what they waited for.
    pub(super) fn advance(&mut self, mark: Position) -> impl Iterator<Item = Waiter> + use<> {
        self.durable = mark;
        let rest = self.waiters.split_off(&(Position(mark.0 + 1), 0));
        self.told = self.waiters.len();
        std::mem::replace(&mut self.waiters, rest).into_values()
    }

    pub(super) fn leave(&mut self, phase: Phase) {
        match self.phase {
            Phase::Open | Phase::Closing | Phase::Abandoned => self.phase = phase,
            Phase::Stopped(_) => {}
        }
    }

    /// The end; gives all who wait. The first reason stays.
    pub(super) fn stop(&mut self, error: WriterError) -> impl Iterator<Item = Waiter> + use<> {
        self.leave(Phase::Stopped(error));
        self.queue.clear();
        self.queued = Size::default();
        std::mem::take(&mut self.waiters).into_values()
    }
}

/// How much an append is; its size in bytes is about that of the record.
fn size_of(append: &Append) -> Size {
    let bytes = |size: postcard::Result<usize>| size.expect("every fact has a stored form");
    match &append.what {
        What::Run { entries, .. } => Size { len: entries.len(), bytes: bytes(postcard::experimental::serialized_size(entries)) },
        What::Tenant { entries, components } => {
            let components: usize = components.iter().map(|(_, bytes)| bytes.len()).sum();
            Size { len: entries.len(), bytes: components + bytes(postcard::experimental::serialized_size(entries)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_domain::digest::Digest;
    use amends_domain::event::{TenantEntry, TenantEvent};
    use amends_domain::id::{Lane, TenantId};
    use amends_domain::time::Timestamp;

    fn append(len: usize, bytes: usize) -> Append {
        let entry = TenantEntry { at: Timestamp(0), event: TenantEvent::StateWritten { writes: Vec::new() } };
        let components = vec![(Digest([0; 32]), vec![0; bytes].into())];
        let tenant = TenantId::new("t").expect("a name");
        Append { tenant, lane: Lane(0), what: What::Tenant { entries: vec![entry; len], components } }
    }

    fn filled(appends: &[(usize, usize)]) -> Mailbox {
        let mut mailbox = Mailbox::default();
        for (len, bytes) in appends {
            mailbox.push(append(*len, *bytes));
        }
        mailbox
    }

    #[test]
    fn a_commit_starts_when_somebody_waits_or_there_is_much() {
        let check = |appends: &[(usize, usize)], awaited: Option<u64>, urge| {
            let mut mailbox = filled(appends);
            let _waiting = awaited.map(|position| mailbox.wait_for(Position(position)));
            assert_eq!(mailbox.urge(), urge, "{} appends, {awaited:?} awaited", appends.len());
        };
        check(&[], None, Urge::Nothing);
        check(&[(1, 0)], None, Urge::Soon);
        check(&[(1, 0)], Some(0), Urge::Soon);
        check(&[(1, 0), (1, 0)], Some(1), Urge::Now);
        check(&[(COMMIT_LEN, 0)], None, Urge::Now);
        check(&[(1, COMMIT_BYTES)], None, Urge::Now);
    }

    #[test]
    fn who_waits_for_what_is_on_its_way_demands_no_other_commit() {
        let mut mailbox = filled(&[(1, 0)]);
        assert_eq!(mailbox.take().mark, Position(1));
        mailbox.push(append(1, 0));
        let _first = mailbox.wait_for(Position(1));
        assert_eq!(mailbox.urge(), Urge::Soon);
        let _second = mailbox.wait_for(Position(2));
        assert_eq!(mailbox.urge(), Urge::Now);
        assert_eq!(mailbox.advance(Position(1)).count(), 1);
        assert_eq!(mailbox.urge(), Urge::Now);
    }

    #[test]
    fn a_commit_behind_a_crowd_waits_for_more_of_it_unless_there_is_much() {
        let behind = |told: usize, much: usize| {
            let mut mailbox = filled(&[(1, 0)]);
            let _waiting: Vec<_> = (0..told).map(|_| mailbox.wait_for(Position(1))).collect();
            let mark = mailbox.take().mark;
            assert_eq!(mailbox.advance(mark).count(), told);
            mailbox.push(append(much, 0));
            mailbox
        };
        assert!(behind(CROWD, 1).gathers());
        assert!(!behind(CROWD - 1, 1).gathers(), "each would lose more than it gains");
        assert!(!behind(CROWD, COMMIT_LEN).gathers(), "it is a commit already");
        let mut mailbox = behind(CROWD, 1);
        mailbox.leave(Phase::Closing);
        assert!(!mailbox.gathers(), "nobody comes any more");
    }

    #[test]
    fn a_sleeping_thread_is_roused_once_and_only_for_what_concerns_it() {
        let mut mailbox = Mailbox::default();
        assert!(!mailbox.rouse(), "it is awake");
        assert_eq!(mailbox.fall_asleep(), Urge::Nothing);
        assert!(!mailbox.rouse(), "there is nothing");
        mailbox.push(append(1, 0));
        assert!(mailbox.rouse(), "it must look at its watch");
        assert!(!mailbox.rouse(), "it was roused");
        assert_eq!(mailbox.fall_asleep(), Urge::Soon);
        mailbox.push(append(1, 0));
        assert!(!mailbox.rouse(), "it gathers");
        let _waiting = mailbox.wait_for(Position(2));
        assert!(mailbox.rouse(), "somebody waits");
    }

    #[test]
    fn a_commit_and_the_queue_have_bounds() {
        for one in [(BATCH_LEN_MAX / 2, 0), (1, BATCH_BYTES_MAX / 2)] {
            let mut mailbox = filled(&[one; 8]);
            assert_eq!(mailbox.has_room(), Ok(false));
            let marks: Vec<u64> = std::iter::repeat_with(|| mailbox.take().mark.0).take(5).collect();
            assert_eq!(marks, [2, 4, 6, 8, 8], "{one:?}");
            assert_eq!(mailbox.has_room(), Ok(true));
        }
        assert_eq!(filled(&[(1, 2 * BATCH_BYTES_MAX)]).take().mark, Position(1), "one that is too large is taken alone");
    }

    #[test]
    fn the_mark_wakes_those_it_passes_in_their_order() {
        let mut mailbox = filled(&[(1, 0); 4]);
        let mut waiting: Vec<_> = [3, 1, 4, 1, 2].map(|at| (at, mailbox.wait_for(Position(at)))).into();
        mailbox.take();
        for waiter in mailbox.advance(Position(2)) {
            waiter.send(Ok(())).expect("nobody was dropped");
        }
        for (at, waiting) in &mut waiting {
            let waiting = waiting.as_mut().expect("open").as_mut().expect("not durable then");
            assert_eq!(waiting.try_recv().is_ok(), *at <= 2, "{at}");
        }
        assert_eq!(mailbox.wait_for(Position(2)).map(|w| w.is_none()), Ok(true));
    }

    #[test]
    fn closing_commits_the_rest_and_abandoning_does_not() {
        for (phase, urge) in [(Phase::Open, Urge::Soon), (Phase::Closing, Urge::Now), (Phase::Abandoned, Urge::End)] {
            let mut mailbox = filled(&[(1, 0)]);
            mailbox.leave(phase);
            assert_eq!(mailbox.urge(), urge);
        }
        let mut mailbox = filled(&[]);
        mailbox.leave(Phase::Closing);
        assert_eq!(mailbox.urge(), Urge::End);
    }

    #[test]
    fn after_the_end_the_first_reason_is_told_and_nothing_is_kept() {
        let mut mailbox = filled(&[(1, 0)]);
        let waiting = mailbox.wait_for(Position(1));
        let error = WriterError::Unknown("the disk".into());
        assert_eq!(mailbox.stop(error.clone()).count(), 1);
        drop(waiting);
        assert_eq!(mailbox.stop(WriterError::Closed).count(), 0);
        let position = mailbox.push(append(1, 0));
        assert_eq!(position, Position(2));
        assert_eq!(mailbox.wait_for(position).map(|_| ()), Err(error.clone()));
        assert_eq!(mailbox.has_room(), Err(error));
        assert_eq!(mailbox.urge(), Urge::End);
    }
}
