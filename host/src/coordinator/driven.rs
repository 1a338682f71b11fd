//! Runs that are under way in this process: each is driven by one task, however many ask for it.

use super::error::DriveError;
use super::gate::Gate;
use crate::store::writer::Position;
use amends_domain::id::RunId;
use amends_domain::run::Run;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How driving a run ended; none while it goes on.
type End = Option<Result<Run, Arc<DriveError>>>;

/// A run that is being driven.
#[derive(Debug, Clone)]
pub struct Driven {
    /// Which.
    pub run: RunId,
    start: Position,
    gate: Gate,
    end: watch::Receiver<End>,
}

impl Driven {
    /// Where its first fact in this process is queued.
    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// Waits until the run's start is durable: only then may anyone be told of it. Dropping the future is safe.
    ///
    /// # Errors
    /// If it is not known whether it is.
    pub async fn accepted(&self) -> Result<(), DriveError> {
        Ok(self.gate.leave(self.start).await?)
    }

    /// Waits until the run's outcome is durable, and gives the run. Dropping the future leaves the run being driven.
    ///
    /// # Errors
    /// [`DriveError`] if this host cannot go on with it; the run is open and goes on where it is found next.
    pub async fn ended(mut self) -> Result<Run, DriveError> {
        let run = self.run;
        let gone = || DriveError::Gone(format!("{run} is no longer driven"));
        let end = self.end.wait_for(Option::is_some).await.map_err(|_| gone())?;
        match end.as_ref() {
            Some(Ok(run)) => Ok(run.clone()),
            Some(Err(error)) => Err(DriveError::Shared(Arc::clone(error))),
            None => Err(gone()),
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<RunId, Driven>>>);

/// The right to drive a run; given back when dropped.
#[derive(Debug)]
pub(super) struct DriveRight {
    run: RunId,
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

impl UnderWay {
    /// Asks for the right to drive a run whose newest fact is queued at what `start` gives. `start` is called only if nobody drives it
    /// yet, and nobody else is given the right meanwhile.
    pub(super) fn claim<E>(&self, run: RunId, gate: &Gate, start: impl FnOnce() -> Result<Position, E>) -> Result<Claim, E> {
        let mut runs = self.runs();
        if let Some(driven) = runs.get(&run) {
            return Ok(Claim::Taken(driven.clone()));
        }
        let start = start()?;
        let (end, ended) = watch::channel(None);
        let driven = Driven { run, start, gate: gate.clone(), end: ended };
        runs.insert(run, driven.clone());
        Ok(Claim::Mine(DriveRight { run, end, under_way: self.clone() }, driven))
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Driven>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DriveRight {
    /// Tells everybody who waits.
    pub(super) fn end(self, end: Result<Run, DriveError>) {
        let waiting = self.end.clone();
        // The right first: whoever hears of the end finds that nobody drives the run.
        drop(self);
        waiting.send_replace(Some(end.map_err(Arc::new)));
    }
}

impl Drop for DriveRight {
    fn drop(&mut self) {
        self.under_way.runs().remove(&self.run);
    }
}
