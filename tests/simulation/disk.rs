//! The hand that commits, and how the power fails while it does.

use crate::invariants::{Invariant, broken};
use crate::sectors::Platter;
use crate::stage::{Play, Stage};
use amends::store::memory::{Fate, MemoryStore};
use amends::store::redb::RedbStore;
use amends::store::writer::Hand;
use amends::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What outlives the host.
pub(crate) enum Disk {
    /// Commits are whole or not there.
    Memory(Arc<MemoryStore>),
    /// Commits are writes to sectors, some of which a crash leaves out.
    File(Arc<Platter>),
}

/// How a life of the host ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// At an instant.
    At(u64),
    /// At an instant, in good order: all that is known by then is written.
    Stop(u64),
    /// After it has asked for the time so often.
    AfterDeeds(u64),
    /// In its commit of this number.
    InCommit(u64, Where),
}

/// Where in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Before,
    Behind,
    /// In the middle of the writes, where there are some.
    Middle,
    /// The commit fails, and the host ends a little later.
    Fails(Fate),
}

impl Disk {
    /// The store of a new life.
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::File(platter) => {
                platter.make();
                Arc::new(RedbStore::over(platter.insert())?)
            }
        })
    }

    /// Whether the power fails while the file is opened.
    pub(crate) fn may_fail_at_once(&self, play: &mut Play) -> bool {
        match self {
            Self::File(platter) if play.goes_wrong(100) => {
                platter.fail_after(play.dice.below(12));
                true
            }
            Self::File(_) | Self::Memory(_) => false,
        }
    }

    /// The life that used it is over, and its power is gone.
    pub(crate) fn crash(&self, play: &mut Play) {
        match self {
            Self::Memory(_) => {}
            Self::File(platter) => platter.crash(&mut play.dice, play.plant),
        }
    }
}

/// What a commit depends on.
pub(crate) struct Power {
    pub(crate) stage: Arc<Stage>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) death: Option<Death>,
}

/// Commits what is queued until the life ends.
pub(crate) async fn commit(power: Power, mut hand: Hand) {
    let Power { stage, disk, store, death } = power;
    let mut commits = 0;
    loop {
        stage.queued().await;
        loop {
            pause(&stage).await;
            let Some(begun) = hand.begin() else { break };
            commits += 1;
            pause(&stage).await;
            if stage.is_over() {
                return;
            }
            match death {
                Some(Death::InCommit(number, place)) if number == commits => {
                    if place == Where::Before {
                        return stage.end_life("crash: before the commit in flight");
                    }
                    prepare(&stage, &disk, place);
                    hand.finish(begun);
                    return die(&stage, place).await;
                }
                Some(Death::InCommit(..) | Death::At(_) | Death::Stop(_) | Death::AfterDeeds(_)) | None => {}
            }
            if !hand.finish(begun) {
                let checked = broken(Invariant::Liveness, "a commit failed by itself");
                return stage.act(|play| play.check(checked));
            }
        }
        if stage.is_stopping() {
            if let Disk::File(_) = &*disk {
                store.close().expect("the disk writes");
            }
            return stage.end_life("stopped");
        }
    }
}

async fn pause(stage: &Stage) {
    let longest = stage.act(|play| if play.goes_wrong(50) { 100 } else { 3 });
    let ms = stage.act(|play| play.dice.below(longest));
    sleep(Duration::from_millis(ms)).await;
}

fn prepare(stage: &Stage, disk: &Disk, place: Where) {
    match (place, disk) {
        (Where::Fails(fate), _) => stage.act(|play| play.fate = Some(fate)),
        (Where::Middle, Disk::File(platter)) => {
            let writes = stage.act(|play| play.dice.below(24));
            platter.fail_after(writes);
        }
        // A commit to memory has no middle.
        (Where::Before | Where::Behind, _) | (Where::Middle, Disk::Memory(_)) => {}
    }
}

async fn die(stage: &Stage, place: Where) {
    let how = match place {
        Where::Fails(Fate::Lost) => "commit failed: lost",
        Where::Fails(Fate::Kept) => "commit failed: kept",
        Where::Middle => "crash: in the middle of a write to the disk",
        Where::Before | Where::Behind => "crash: behind the commit in flight",
    };
    if let Where::Fails(_) = place {
        // Nothing more is written; whoever waits is told that nobody knows. Until somebody ends the process, it goes on.
        let ms = stage.act(|play| play.dice.below(200));
        sleep(Duration::from_millis(ms)).await;
    }
    stage.end_life(how);
}
