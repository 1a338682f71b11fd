//! One task drives one run. It asks the rules what to do, does it, notes what happened, and asks again. It does not wait for the disk,
//! but for the end, and before it rests.

use super::Parts;
use super::allowance::Needs;
use super::attempts::{Attempted, Attempts, limits};
use super::drain::Going;
use super::driven::{Left, Rest};
use super::error::DriveError;
use super::guests::Guest;
use super::lane::{Lane, Settled};
use super::mailbox::{DemandRefused, Demanded, Intended, Message, Receiver, Sender};
use super::places::Places;
use super::slices::Claimant;
use crate::sandbox::Intent;
use crate::store::writer::Position;
use amends_domain::decide::{Admission, Command, StartAttempt, admit, decide};
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, AttemptRef, Author, Demand, Ending, Entry, Event, Failure, Fault, Halt, Spent};
use amends_domain::quota::{Purpose, Usage};
use amends_domain::run::{Phase, Run, TrackState};
use amends_domain::time::{Span, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::watch;

/// Where a run is driven.
pub(super) struct Place {
    pub(super) parts: Arc<Parts>,
    pub(super) lane: Arc<Lane>,
    /// A run that has nothing to do for longer is put aside.
    pub(super) rest_after: Span,
}

/// Drives one run.
pub(super) struct Executor {
    parts: Arc<Parts>,
    lane: Arc<Lane>,
    rest_after: Span,
    run: Run,
    /// Where the run's newest fact stands in the queue.
    last: Position,
    mailbox: Receiver,
    attempts: Attempts,
    /// Where they are made.
    places: Places,
    /// As whom it computes.
    claimant: Claimant,
    /// Whether runs go on in this host.
    going: watch::Receiver<Going>,
    /// How whoever goes on with the run finds it.
    left: Left,
    /// The components of the run that are at hand.
    guests: HashMap<Digest, Arc<dyn Guest>>,
    loading: Loading,
}

type Load = BoxFuture<'static, (Digest, Result<Arc<dyn Guest>, DriveError>)>;

/// Components on their way.
#[derive(Default)]
struct Loading {
    digests: Vec<Digest>,
    loads: FuturesUnordered<Load>,
}

impl Executor {
    pub(super) fn new(place: Place, run: Run, last: Position, sender: Sender, mailbox: Receiver) -> Self {
        let Place { parts, lane, rest_after } = place;
        let attempts = Attempts::new(Arc::clone(&parts), Arc::clone(&lane), sender);
        let places = Places::new(Arc::clone(lane.allowance()));
        let claimant = lane.allowance().claimant(Purpose::Forward);
        let (going, left) = (parts.going.subscribe(), Left::Resting);
        let (guests, loading) = (HashMap::new(), Loading::default());
        Self { parts, lane, rest_after, run, last, mailbox, attempts, places, claimant, going, left, guests, loading }
    }

    /// As whom it computes.
    pub(super) fn claimant(&self) -> Claimant {
        self.claimant.clone()
    }

    /// Drives the run to its outcome, or until there is nothing to do for long, and waits until that is durable. Says how it is left, too.
    pub(super) async fn drive(mut self) -> (Result<Rest, DriveError>, Left) {
        let rest = self.come_to_rest().await;
        (
            rest.map(
                |()| if matches!(self.run.phase(), Phase::Ended(_)) { Rest::Ended(self.run) } else { Rest::Waiting(self.run) },
            ),
            self.left,
        )
    }

    async fn come_to_rest(&mut self) -> Result<(), DriveError> {
        // A mistake in driving one run must not end the host, nor give the run back before what was noted of it is stored.
        let driven = AssertUnwindSafe(self.drive_on()).catch_unwind().await;
        // Whoever goes on with the run reads it from the store: all that was noted here must be there first, however this ended. If it
        // never will be, nobody goes on in this process.
        let Ok(driven) = driven else {
            self.parts.gate.settle().await?;
            return Err(DriveError::Panicked(self.run.id()));
        };
        let durable = self.parts.gate.leave(self.last).await;
        driven?;
        Ok(durable?)
    }

    async fn drive_on(&mut self) -> Result<(), DriveError> {
        loop {
            let orders = self.note_due()?;
            if matches!(self.run.phase(), Phase::Ended(_)) {
                return Ok(());
            }
            self.claimant.is_for(match self.run.phase() {
                Phase::Forward => Purpose::Forward,
                Phase::Backward(_) | Phase::Ended(_) => Purpose::Compensation,
            });
            let going = *self.going.borrow_and_update();
            if self.is_stopped(going) {
                return self.stop().await;
            }
            self.places.keep(|attempt| going == Going::On && orders.iter().any(|order| is_start_of(order, attempt)));
            let mut wake = None;
            for order in orders {
                match order {
                    Command::Start(start) if going == Going::On => self.start(start)?,
                    // Whoever goes on with the run starts it.
                    Command::Start(_) => {}
                    Command::Fence(attempt) => self.attempts.fence(attempt),
                    Command::WaitUntil(until) => wake = Some(until),
                    Command::Record(event) => self.record(event)?,
                }
            }
            if self.may_rest(wake) {
                return Ok(());
            }
            self.next(wake).await?;
        }
    }

    /// Notes what follows from what is known and from the time; what is left is to be done.
    fn note_due(&mut self) -> Result<Vec<Command>, DriveError> {
        loop {
            let orders = decide(&self.run, self.parts.clock.now());
            if !matches!(orders.first(), Some(Command::Record(_))) {
                return Ok(orders);
            }
            for order in orders {
                if let Command::Record(event) = order {
                    self.record(event)?;
                }
            }
        }
    }

    /// Whether the host ends and the run has to stop where it is.
    fn is_stopped(&self, going: Going) -> bool {
        match going {
            Going::On => false,
            Going::Draining => self.attempts.is_empty(),
            Going::Over => true,
        }
    }

    /// Leaves the run as it is. An attempt that is cut off has no end: whoever goes on must know that something was running.
    async fn stop(&mut self) -> Result<(), DriveError> {
        if !self.attempts.is_empty() {
            self.left = Left::Unknown;
            self.attempts.cut().await;
        }
        Ok(())
    }

    fn may_rest(&self, wake: Option<Timestamp>) -> bool {
        let idle = self.attempts.is_empty() && self.places.is_empty() && self.loading.loads.is_empty();
        let now = self.parts.clock.now();
        idle && self.mailbox.is_empty() && wake.is_none_or(|wake| wake.since(now) > self.rest_after)
    }

    /// Waits until an attempt ends, somebody says something or `wake` has come.
    async fn next(&mut self, wake: Option<Timestamp>) -> Result<(), DriveError> {
        let pause = wake.map(|until| until.since(self.parts.clock.now()));
        tokio::select! {
            // In this order, so that a simulation sees the same each time.
            biased;
            Some(attempted) = self.attempts.next() => self.settle(attempted?),
            Some((digest, loaded)) = self.loading.loads.next() => {
                self.loading.digests.retain(|other| *other != digest);
                self.guests.insert(digest, loaded?);
                Ok(())
            }
            () = self.places.next() => Ok(()),
            Some(message) = self.mailbox.recv() => self.hear(message),
            // What follows from it is looked at where orders are carried out.
            _ = self.going.changed() => Ok(()),
            () = tokio::time::sleep(pause.unwrap_or_default().to_std()), if pause.is_some() => Ok(()),
        }
    }

    fn record(&mut self, event: Event) -> Result<(), DriveError> {
        let entry = Entry { at: self.parts.clock.now(), event };
        self.run.apply(&entry).map_err(DriveError::Misfit)?;
        self.last = self.lane.append_run(&self.run, vec![entry]);
        Ok(())
    }

    /// Starts an attempt, or first gets its component: an attempt that cannot be made here must not count as one.
    fn start(&mut self, start: StartAttempt) -> Result<(), DriveError> {
        let digest = self.run.component(start.attempt.step).ok_or_else(|| unpinned(&self.run, start.attempt))?;
        let ready = self.guests.get(&digest).cloned().or_else(|| self.parts.registry.loaded(digest));
        let Some(guest) = ready else {
            self.load(digest);
            return Ok(());
        };
        self.guests.insert(digest, Arc::clone(&guest));
        let needs = Needs { direction: start.attempt.direction, memory: limits(&self.run, start.attempt).memory };
        let Some(place) = self.places.take(start.attempt, needs) else { return Ok(()) };
        self.record(start.event())?;
        self.attempts.start(&self.run, start, (guest, place), self.last);
        Ok(())
    }

    fn load(&mut self, digest: Digest) {
        if self.loading.digests.contains(&digest) {
            return;
        }
        self.loading.digests.push(digest);
        let parts = Arc::clone(&self.parts);
        self.loading.loads.push(Box::pin(async move { (digest, parts.registry.component(digest).await) }));
    }

    /// Notes how an attempt ended, or repeats it if another run changed what it read.
    fn settle(&mut self, attempted: Attempted) -> Result<(), DriveError> {
        let Attempted { start, guest, place, mut reply, conflicts, turn } = attempted;
        if let Some(error) = reply.host_error {
            return Err(error.into());
        }
        // An attempt that the host ended for its work or its time would end so again: what it read does not matter.
        let reads = match &reply.ending {
            Ending::Ok { .. } | Ending::Failed { .. } | Ending::Halted { halt: Halt::Trap, .. } => std::mem::take(&mut reply.reads),
            Ending::Halted { .. } => Vec::new(),
        };
        self.lane.allowance().spend(Usage { fuel: reply.spent.fuel, log_bytes: Usage::log_of(&reply.log), ..Usage::default() });
        let writes = std::mem::take(&mut reply.writes);
        let (run, at) = (&mut self.run, self.parts.clock.now());
        reply.spent.conflicts = conflicts;
        let settled = self.lane.settle(&reads, writes, |writes| {
            let ended = AttemptEnded { attempt: start.attempt, ending: reply.ending, spent: reply.spent, log: reply.log, writes };
            let entry = Entry { at, event: Event::AttemptEnded(Box::new(ended)) };
            run.apply(&entry).map_err(DriveError::Misfit)?;
            Ok((run.id(), entry, run.head()))
        })?;
        match settled {
            Settled::Counts(position) => {
                self.last = position;
                self.attempts.ended(start.attempt);
            }
            Settled::Conflict => match self.after_conflict(&start, conflicts) {
                Some(ended) => {
                    self.attempts.ended(start.attempt);
                    self.record(ended)?;
                }
                None => self.attempts.repeat(&self.run, start, (guest, place), conflicts + 1, turn),
            },
        }
        Ok(())
    }

    /// How an attempt ends that another run got in the way of; none if it is repeated.
    fn after_conflict(&self, start: &StartAttempt, conflicts: u32) -> Option<Event> {
        let did = self.run.step(start.attempt.step).effects.iter().any(|e| e.is_of(start.attempt) && e.raises_doubt());
        let failure = match (did, conflicts < super::CONFLICTS_MAX) {
            (false, true) => return None,
            (false, false) => Failure::Unavailable,
            // What it did outside cannot be repeated as if it had not been done.
            (true, _) => Failure::Uncertain,
        };
        let message = format!("other runs changed what it read, {} times", conflicts + 1);
        let ending = Ending::Failed { failure, fault: Fault::new("state_conflict", &message), retry_after: None };
        let spent = Spent { conflicts, ..Spent::default() };
        let ended = AttemptEnded { attempt: start.attempt, ending, spent, log: Vec::new(), writes: Vec::new() };
        Some(Event::AttemptEnded(Box::new(ended)))
    }

    fn hear(&mut self, message: Message) -> Result<(), DriveError> {
        match message {
            Message::Demand { demand, by, answer } => {
                // Whoever asked may be gone; what was admitted stays.
                let _ = answer.send(self.demanded(demand, by));
                Ok(())
            }
            Message::Intend { attempt, intent, answer } => {
                if let Some(intended) = self.intended(attempt, intent)? {
                    let _ = answer.send(intended);
                }
                Ok(())
            }
            Message::Answered { attempt, answer, noted } if self.is_running(attempt) => {
                let event = Event::EffectAnswered { attempt, call: answer.call, status: answer.status, response: answer.response };
                self.record(event)?;
                let _ = noted.send(());
                Ok(())
            }
            // The attempt is over, and what it knew by then has been judged.
            Message::Answered { .. } => Ok(()),
        }
    }

    fn demanded(&mut self, demand: Demand, by: Author) -> Result<Demanded, DemandRefused> {
        // A demand is judged by how the run stands now.
        self.note_due().map_err(DemandRefused::Host)?;
        let resolvers = self.lane.resolvers().map_err(|error| DemandRefused::Host(error.into()))?;
        match admit(&self.run, demand, by, resolvers).map_err(|unfit| DemandRefused::Unfit(unfit, self.last))? {
            Admission::Already => Ok(Demanded { position: self.last, already: true }),
            Admission::Note(event) => {
                self.record(event).map_err(DemandRefused::Host)?;
                Ok(Demanded { position: self.last, already: false })
            }
        }
    }

    /// Notes an intent; none if the attempt is over: then the request must not leave.
    fn intended(&mut self, attempt: AttemptRef, intent: Intent) -> Result<Option<Intended>, DriveError> {
        if !self.is_running(attempt) {
            return Ok(None);
        }
        let before = self.run.step(attempt.step).effects.iter().filter(|effect| effect.is_of(attempt)).count();
        let call = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        self.record(Event::EffectIntended { attempt, call, method: intent.method, target: intent.target })?;
        Ok(Some(Intended { call, position: self.last }))
    }

    fn is_running(&self, attempt: AttemptRef) -> bool {
        let step = self.run.step(attempt.step);
        let track = match attempt.direction {
            amends_domain::event::Direction::Forward => step.forward,
            amends_domain::event::Direction::Backward => step.backward,
        };
        track.state == TrackState::Running && track.attempts == attempt.number
    }
}

/// Whether an order is to start this attempt.
fn is_start_of(order: &Command, attempt: AttemptRef) -> bool {
    matches!(order, Command::Start(start) if start.attempt == attempt)
}

fn unpinned(run: &Run, attempt: AttemptRef) -> DriveError {
    let step = &run.definition().step(attempt.step).id;
    DriveError::Misfit(amends_domain::run::Misfit { at: 0, what: format!("the run pins no component for step `{step}`") })
}
