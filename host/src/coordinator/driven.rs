//! Runs that are under way in this process: each is driven by one task, however many ask for it.

use super::error::DriveError;
use super::gate::Gate;
use super::mailbox::{Receiver, Sender, mailbox};
use crate::store::writer::Position;
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Run;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

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
pub(super) struct UnderWay(Arc<Mutex<Runs>>);

#[derive(Debug, Default)]
struct Runs {
    driven: HashMap<Whose, Driven>,
    /// Those that this process has put aside: whoever goes on with one need not fear that something was running.
    resting: HashSet<Whose>,
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
    whose: Whose,
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
        let (end, ended) = watch::channel(None);
        let mailbox = mailbox();
        let driven = Driven { run: whose.run, start, gate: gate.clone(), driver: mailbox.0.clone(), end: ended };
        runs.driven.insert(whose.clone(), driven.clone());
        Ok(Claim::Mine(DriveRight { whose, mailbox: Some(mailbox), end, under_way: self.clone() }, driven))
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DriveRight {
    /// Where the driver is spoken to. Given once.
    pub(super) fn mailbox(&mut self) -> (Sender, Receiver) {
        self.mailbox.take().expect("a run has one driver")
    }

    /// Tells everybody who waits.
    pub(super) fn end(self, end: Result<Rest, DriveError>) {
        if let Ok(Rest::Waiting(_)) = &end {
            self.under_way.runs().resting.insert(self.whose.clone());
        }
        let waiting = self.end.clone();
        // The right first: whoever hears of the end finds that nobody drives the run.
        drop(self);
        waiting.send_replace(Some(end.map_err(Arc::new)));
    }
}

impl Drop for DriveRight {
    fn drop(&mut self) {
        self.under_way.runs().driven.remove(&self.whose);
    }
}
