//! One task drives one run. It asks the rules what to do, does it, notes what happened, and asks again. It does not wait for the disk,
//! but for the start of an attempt that may have killed the host before, and for the end.

use super::Parts;
use super::error::DriveError;
use super::lane::{Lane, Settled, StateHandle};
use crate::sandbox::{Call, Component, Context, Reply, Secrets};
use crate::store::writer::Position;
use amends_domain::decide::{Command, StartAttempt, decide};
use amends_domain::event::{AttemptEnded, AttemptRef, Direction, Ending, Entry, Event, Failure, Fault, Halt};
use amends_domain::run::{Caution, Phase, Run};
use amends_domain::time::Timestamp;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// After so many repeats because of other runs, an attempt counts as failed: `unavailable`, code `state_conflict`.
const CONFLICTS_MAX: u32 = 100;

/// Drives one run.
pub(super) struct Executor {
    parts: Arc<Parts>,
    lane: Arc<Lane>,
    run: Run,
    /// Where the run's newest fact stands in the queue.
    last: Position,
    in_flight: FuturesUnordered<BoxFuture<'static, Attempted>>,
}

/// An attempt that ended, not settled yet.
struct Attempted {
    start: StartAttempt,
    component: Arc<Component>,
    reply: Reply,
    conflicts: u32,
    turn: Turn,
}

/// Whether an attempt waits for its turn among those that lost a race for the state.
enum Turn {
    /// It has lost none.
    NotNeeded,
    /// It has lost one.
    Wanted,
    /// It is its turn, until it is settled.
    Had(#[expect(dead_code, reason = "held, not looked at")] OwnedMutexGuard<()>),
}

impl Executor {
    pub(super) fn new(parts: Arc<Parts>, lane: Arc<Lane>, run: Run, last: Position) -> Self {
        Self { parts, lane, run, last, in_flight: FuturesUnordered::new() }
    }

    /// Drives the run to its outcome and waits until that is durable.
    pub(super) async fn drive(mut self) -> Result<Run, DriveError> {
        while !matches!(self.run.phase(), Phase::Ended(_)) {
            let commands = decide(&self.run, self.parts.clock.now());
            let mut wake = None;
            let mut noted = false;
            for command in commands {
                match command {
                    Command::Record(event) => {
                        self.record(event)?;
                        noted = true;
                    }
                    Command::Start(start) => self.start(start).await?,
                    Command::WaitUntil(until) => wake = Some(until),
                }
            }
            if !noted {
                self.wait(wake).await?;
            }
        }
        self.parts.gate.leave(self.last).await?;
        Ok(self.run)
    }

    /// Waits until an attempt ends or `wake` has come.
    async fn wait(&mut self, wake: Option<Timestamp>) -> Result<(), DriveError> {
        assert!(wake.is_some() || !self.in_flight.is_empty(), "an open run waits for an attempt or for a time");
        let pause = wake.map(|until| until.since(self.parts.clock.now()));
        tokio::select! {
            Some(attempted) = self.in_flight.next() => self.settle(attempted),
            () = tokio::time::sleep(pause.unwrap_or_default().to_std()), if pause.is_some() => Ok(()),
        }
    }

    fn record(&mut self, event: Event) -> Result<(), DriveError> {
        let entry = Entry { at: self.parts.clock.now(), event };
        self.run.apply(&entry).map_err(DriveError::Misfit)?;
        self.last = self.lane.append_run(&self.run, vec![entry]);
        Ok(())
    }

    async fn start(&mut self, start: StartAttempt) -> Result<(), DriveError> {
        // First the component: an attempt that cannot be made here must not count as one.
        let plugin = &self.run.definition().step(start.attempt.step).uses.plugin;
        let pinned = self.run.started().components.iter().find(|(name, _)| name == plugin);
        let digest = pinned.map(|(_, digest)| *digest).ok_or_else(|| DriveError::Misfit(unpinned(plugin.as_str())))?;
        let component = self.parts.registry.component(digest).await?;
        self.parts.writer.room().await?;
        self.record(start.event())?;
        if start.caution == Caution::DurableStarts {
            self.parts.gate.leave(self.last).await?;
        }
        self.run_guest(start, component, 0, Turn::NotNeeded);
        Ok(())
    }

    fn call(&self, start: &StartAttempt, component: &Arc<Component>) -> Call {
        let AttemptRef { step, direction, number } = start.attempt;
        let definition = self.run.definition().step(step);
        let policy = match direction {
            Direction::Forward => definition.forward,
            Direction::Backward => definition.backward.expect("a step without a compensation has no attempt backward"),
        };
        Call {
            component: Arc::clone(component),
            direction,
            input: start.input.clone(),
            output: start.output.clone(),
            context: Context {
                tenant: self.lane.tenant().clone(),
                saga: self.run.started().saga.clone(),
                run: self.run.id(),
                step: definition.id.clone(),
                handler: definition.uses.handler.clone(),
                attempt: number,
                idempotency_key: self.run.idempotency_key(step, direction).into(),
                deadline: self.parts.clock.now().plus(policy.limits.timeout),
            },
            effects: self.run.step(step).effects.clone(),
            limits: policy.limits,
            state: Arc::new(StateHandle(Arc::clone(&self.lane))),
            secrets: Secrets::default(),
        }
    }

    /// Notes how an attempt ended, or repeats it if another run changed what it read.
    fn settle(&mut self, attempted: Attempted) -> Result<(), DriveError> {
        let Attempted { start, component, mut reply, conflicts, turn } = attempted;
        if let Some(error) = reply.state_error {
            return Err(error.into());
        }
        // An attempt that the host ended for its work or its time would end so again: what it read does not matter.
        let reads = match &reply.ending {
            Ending::Ok { .. } | Ending::Failed { .. } | Ending::Halted { halt: Halt::Trap, .. } => std::mem::take(&mut reply.reads),
            Ending::Halted { .. } => Vec::new(),
        };
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
            Settled::Counts(position) => self.last = position,
            Settled::Conflict if conflicts < CONFLICTS_MAX => {
                let turn = if matches!(turn, Turn::Had(_)) { turn } else { Turn::Wanted };
                self.run_guest(start, component, conflicts + 1, turn);
            }
            Settled::Conflict => self.record(gave_up(&start, conflicts))?,
        }
        Ok(())
    }

    /// Lets the guest run; repeats take turns.
    fn run_guest(&mut self, start: StartAttempt, component: Arc<Component>, conflicts: u32, turn: Turn) {
        let call = self.call(&start, &component);
        let sandbox = Arc::clone(&self.parts.sandbox);
        let turns = Arc::clone(self.lane.turns());
        let attempted = async move {
            let turn = match turn {
                Turn::Wanted => Turn::Had(turns.lock_owned().await),
                Turn::NotNeeded | Turn::Had(_) => turn,
            };
            Attempted { start, component, reply: sandbox.invoke(call).await, conflicts, turn }
        };
        self.in_flight.push(Box::pin(attempted));
    }
}

fn unpinned(plugin: &str) -> amends_domain::run::Misfit {
    amends_domain::run::Misfit { at: 0, what: format!("the run pins no component for plugin `{plugin}`") }
}

fn gave_up(start: &StartAttempt, conflicts: u32) -> Event {
    let message = format!("other runs changed what it read {conflicts} times");
    let ending = Ending::Failed { failure: Failure::Unavailable, fault: Fault::new("state_conflict", &message), retry_after: None };
    let spent = amends_domain::event::Spent { conflicts, ..Default::default() };
    Event::AttemptEnded(Box::new(AttemptEnded { attempt: start.attempt, ending, spent, log: Vec::new(), writes: Vec::new() }))
}
