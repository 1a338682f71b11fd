//! Runs that are under way in this process: each is driven by one task, however many ask for it.

use super::error::DriveError;
use super::gate::Gate;
use super::mailbox::{Receiver, Sender, mailbox};
use super::schedule::{Pauses, Schedule};
use crate::store::writer::Position;
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// How driving a run ended.
#[derive(Debug, Clone)]
pub enum Rest {
    /// The run reached its outcome.
    Ended(Run),
    /// It has nothing to do before its head's `due`, or before somebody demands something. Where a demand left it undriven, that may be
    /// now.
    Waiting(Run),
}

/// None while it goes on.
type End = Option<Result<Rest, Arc<DriveError>>>;

/// A run that is being driven.
#[derive(Debug, Clone)]
pub struct Driven {
    /// Which.
    pub run: RunId,
    start: Position,
    gate: Gate,
    driver: Sender,
    end: watch::Receiver<End>,
}

impl Driven {
    /// Where its first fact in this process is queued.
    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// What is said to the task that drives it.
    pub(super) fn driver(&self) -> &Sender {
        &self.driver
    }

    /// Waits until the run's start is durable: only then may anyone be told of it. Dropping the future is safe.
    ///
    /// # Errors
    /// If it is not known whether it is.
    pub async fn accepted(&self) -> Result<(), DriveError> {
        Ok(self.gate.leave(self.start).await?)
    }

    /// Waits until the run's outcome is durable, or it has nothing to do for long. Dropping the future leaves the run being driven.
    ///
    /// # Errors
    /// [`DriveError`] if this host cannot go on with it; the run is open and goes on where it is found next.
    pub async fn rests(mut self) -> Result<Rest, DriveError> {
        let run = self.run;
        let gone = || DriveError::Gone(format!("{run} is no longer driven"));
        let end = self.end.wait_for(Option::is_some).await.map_err(|_| gone())?;
        match end.as_ref() {
            Some(Ok(rest)) => Ok(rest.clone()),
            Some(Err(error)) => Err(DriveError::Shared(Arc::clone(error))),
            None => Err(gone()),
        }
    }

    /// Waits until the run's outcome is durable, and gives the run. Dropping the future leaves the run being driven.
    ///
    /// # Errors
    /// As [`Driven::rests`], and [`DriveError::Waits`] if the run has nothing to do for long.
    pub async fn ended(self) -> Result<Run, DriveError> {
        match self.rests().await? {
            Rest::Ended(run) => Ok(run),
            Rest::Waiting(run) => Err(DriveError::Waits(run.id())),
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    runs: Mutex<Runs>,
    /// Something changed in the schedule.
    stirred: Notify,
}

#[derive(Debug, Default)]
struct Runs {
    driven: HashMap<Whose, Driven>,
    /// Those that this process has put aside: whoever goes on with one need not fear that something was running.
    resting: HashSet<Whose>,
    /// When those are due that nobody drives; none while nobody wants to know. Under the same lock as the rest: a run is driven or
    /// scheduled, and never neither by mistake.
    schedule: Option<Schedule>,
}

/// While it lives, there is a schedule.
#[derive(Debug)]
pub(super) struct Scheduled(UnderWay);

impl Drop for Scheduled {
    fn drop(&mut self) {
        self.0.runs().schedule = None;
    }
}

/// A run and whose it is: nobody reaches a run by its id alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    pub(super) tenant: TenantId,
    pub(super) run: RunId,
}

/// The right to drive a run; given back when dropped.
#[derive(Debug)]
pub(super) struct DriveRight {
    /// None: it was given back.
    whose: Option<Whose>,
    mailbox: Option<(Sender, Receiver)>,
    end: watch::Sender<End>,
    under_way: UnderWay,
}

/// What asking to drive a run gives.
pub(super) enum Claim {
    /// Nobody drives it: the asker does, and others wait with the second.
    Mine(DriveRight, Driven),
    /// Somebody drives it.
    Taken(Driven),
}

/// How a run was left that nobody drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// By this process, with nothing running.
    Resting,
    /// By another, or as it ended; or it is new.
    Unknown,
}

impl UnderWay {
    /// The run, if somebody drives it.
    pub(super) fn of(&self, whose: &Whose) -> Option<Driven> {
        self.runs().driven.get(whose).cloned()
    }

    /// Asks for the right to drive a run whose newest fact is queued at what `start` gives. `start` is called only if nobody drives it
    /// yet, and nobody else is given the right meanwhile.
    pub(super) fn claim<E>(&self, whose: Whose, gate: &Gate, start: impl FnOnce(Left) -> Result<Position, E>) -> Result<Claim, E> {
        let mut runs = self.runs();
        if let Some(driven) = runs.driven.get(&whose) {
            return Ok(Claim::Taken(driven.clone()));
        }
        let start = start(if runs.resting.contains(&whose) { Left::Resting } else { Left::Unknown })?;
        runs.resting.remove(&whose);
        runs.schedule.iter_mut().for_each(|schedule| schedule.driven(&whose));
        let (end, ended) = watch::channel(None);
        let mailbox = mailbox();
        let driven = Driven { run: whose.run, start, gate: gate.clone(), driver: mailbox.0.clone(), end: ended };
        runs.driven.insert(whose.clone(), driven.clone());
        Ok(Claim::Mine(DriveRight { whose: Some(whose), mailbox: Some(mailbox), end, under_way: self.clone() }, driven))
    }

    /// From now on it is known when runs are due that nobody drives, for as long as what this gives lives.
    ///
    /// Panics if that is known already.
    pub(super) fn schedule(&self, pauses: Pauses) -> Scheduled {
        let before = self.runs().schedule.replace(Schedule::new(pauses));
        assert!(before.is_none(), "one task goes on with the runs of a host");
        Scheduled(self.clone())
    }

    /// How many runs are known that nobody drives and that will be due.
    pub(super) fn scheduled(&self) -> usize {
        self.runs().schedule.as_ref().map_or(0, Schedule::len)
    }

    /// How many runs are driven.
    pub(super) fn driven(&self) -> usize {
        self.runs().driven.len()
    }

    /// A run was found open, due then; none: now.
    pub(super) fn found(&self, whose: &Whose, due: Option<Timestamp>) {
        let mut runs = self.runs();
        // Of one that is driven it is known when it rests.
        if !runs.driven.contains_key(whose) {
            runs.schedule.iter_mut().for_each(|schedule| schedule.found(whose, due));
        }
    }

    /// A run was found to have ended.
    pub(super) fn ended(&self, whose: &Whose) {
        self.runs().schedule.iter_mut().for_each(|schedule| schedule.ended(whose));
    }

    /// A run could not be gone on with.
    pub(super) fn failed(&self, whose: &Whose, error: &DriveError, now: Timestamp) {
        self.runs().fail(whose, error, now);
    }

    /// Takes the run that has been due longest, of a tenant that may have one: to be adopted at once.
    pub(super) fn take_due(&self, now: Timestamp, may: impl Fn(&TenantId) -> bool) -> Option<Whose> {
        self.runs().schedule.as_mut()?.take(now, may)
    }

    /// When a run of a tenant that may have one is due first.
    pub(super) fn next_due(&self, may: impl Fn(&TenantId) -> bool) -> Option<Timestamp> {
        self.runs().schedule.as_ref()?.next(may)
    }

    /// Waits until something changes in the schedule, or has since the last time. Dropping the future is safe.
    pub(super) async fn stirred(&self) {
        self.0.stirred.notified().await;
    }

    /// Waits until no run is driven. Dropping the future is safe.
    pub(super) async fn nobody_drives(&self) {
        loop {
            let Some(driven) = self.runs().driven.values().next().cloned() else { return };
            // How it rests is told to those who wait for it.
            let _ = driven.rests().await;
        }
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    fn fail(&mut self, whose: &Whose, error: &DriveError, now: Timestamp) {
        let Some(schedule) = &mut self.schedule else { return };
        // Nothing will become durable any more: nobody goes on in this process.
        if matches!(error, DriveError::Writer(_)) {
            return schedule.ended(whose);
        }
        let pause = schedule.failed(whose, now);
        let Whose { tenant, run } = whose;
        tracing::warn!(%tenant, %run, %error, pause_ms = pause.0, "this host cannot go on with a run; it is tried again");
    }
}

impl DriveRight {
    /// Where the driver is spoken to. Given once.
    pub(super) fn mailbox(&mut self) -> (Sender, Receiver) {
        self.mailbox.take().expect("a run has one driver")
    }

    /// Tells everybody who waits. `left`: how a run without an outcome is left.
    pub(super) fn end(mut self, end: Result<Rest, DriveError>, left: Left, now: Timestamp) {
        let whose = self.whose.take().expect("a right is given back once");
        // The right first: whoever hears of the end finds that nobody drives the run. In one go with the schedule: whoever finds the run
        // there can drive it.
        {
            let mut runs = self.under_way.runs();
            runs.driven.remove(&whose);
            match &end {
                Ok(Rest::Waiting(run)) => {
                    if left == Left::Resting {
                        runs.resting.insert(whose.clone());
                    }
                    let due = run.head().due;
                    runs.schedule.iter_mut().for_each(|schedule| schedule.rests(&whose, due));
                }
                Ok(Rest::Ended(_)) => runs.schedule.iter_mut().for_each(|schedule| schedule.ended(&whose)),
                Err(error) => runs.fail(&whose, error, now),
            }
        }
        self.under_way.0.stirred.notify_one();
        self.end.send_replace(Some(end.map_err(Arc::new)));
    }
}

impl Drop for DriveRight {
    fn drop(&mut self) {
        if let Some(whose) = &self.whose {
            self.under_way.runs().driven.remove(whose);
        }
    }
}
