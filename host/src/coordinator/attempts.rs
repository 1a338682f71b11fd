//! The attempts of one run that are in flight: how each is called, fenced and, if another run got in its way, repeated. Apart from the
//! executor, which knows what an attempt means and not how it is made.

use super::Parts;
use super::allowance::Place;
use super::error::DriveError;
use super::guests::Guest;
use super::lane::Lane;
use super::mailbox::{EffectHandle, Sender};
use super::state::StateHandle;
use crate::sandbox::{Access, Call, Context, Fence, Reply, Secrets};
use crate::store::writer::Position;
use amends_domain::decide::StartAttempt;
use amends_domain::definition::{Kind, Limits};
use amends_domain::event::{AttemptRef, Direction};
use amends_domain::id::PluginName;
use amends_domain::quota::Purpose;
use amends_domain::run::{Caution, Run};
use amends_domain::trace::TraceId;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::OwnedMutexGuard;
use tokio::task::{JoinError, JoinSet};

/// Attempts in flight.
pub(super) struct Attempts {
    parts: Arc<Parts>,
    lane: Arc<Lane>,
    /// What guests say what they send through.
    driver: Sender,
    /// One that computes within the driver's own task: of a run that goes step by step there is no other.
    own: Option<BoxFuture<'static, Result<Attempted, DriveError>>>,
    /// The others are tasks of their own: several of one run compute at the same time. Dropping the set ends them.
    others: JoinSet<Result<Attempted, DriveError>>,
    fences: HashMap<AttemptRef, Fence>,
}

/// An attempt that ended, not settled yet.
pub(super) struct Attempted {
    pub(super) start: StartAttempt,
    pub(super) guest: Arc<dyn Guest>,
    pub(super) place: Place,
    pub(super) reply: Reply,
    pub(super) conflicts: u32,
    pub(super) turn: Turn,
}

/// Whether an attempt waits for its turn among those that lost a race for the state.
pub(super) enum Turn {
    /// It has lost none.
    NotNeeded,
    /// It has lost one.
    Wanted,
    /// It is its turn, until it is settled.
    Had(#[expect(dead_code, reason = "held, not looked at")] OwnedMutexGuard<()>),
}

impl Attempts {
    pub(super) fn new(parts: Arc<Parts>, lane: Arc<Lane>, driver: Sender) -> Self {
        Self { parts, lane, driver, own: None, others: JoinSet::new(), fences: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_none() && self.others.is_empty()
    }

    /// The next one that ends. Dropping the future is safe.
    pub(super) async fn next(&mut self) -> Option<Result<Attempted, DriveError>> {
        poll_fn(|cx| {
            if let Some(own) = &mut self.own
                && let Poll::Ready(attempted) = own.as_mut().poll(cx)
            {
                self.own = None;
                return Poll::Ready(Some(attempted));
            }
            match self.others.poll_join_next(cx) {
                Poll::Ready(None) if self.own.is_some() => Poll::Pending,
                joined => joined.map(|joined| joined.map(attempted)),
            }
        })
        .await
    }

    /// Lets the guest run in its place. `start` is noted at `noted`.
    pub(super) fn start(&mut self, run: &Run, start: StartAttempt, (guest, place): (Arc<dyn Guest>, Place), noted: Position) {
        self.fences.insert(start.attempt, Fence::default());
        let durable = (start.caution == Caution::DurableStarts).then_some(noted);
        self.run_guest(run, Attempt { start, guest, place, conflicts: 0, turn: Turn::NotNeeded, durable });
    }

    /// Lets it run once more, in turns with the others that lost a race.
    pub(super) fn repeat(
        &mut self,
        run: &Run,
        start: StartAttempt,
        (guest, place): (Arc<dyn Guest>, Place),
        conflicts: u32,
        turn: Turn,
    ) {
        let turn = if matches!(turn, Turn::Had(_)) { turn } else { Turn::Wanted };
        self.run_guest(run, Attempt { start, guest, place, conflicts, turn, durable: None });
    }

    /// Has it end at once; it comes out of [`Attempts::next`] as any other.
    pub(super) fn fence(&self, attempt: AttemptRef) {
        if let Some(fence) = self.fences.get(&attempt) {
            fence.raise();
        }
    }

    /// Ends them all, and waits until nothing of them runs on.
    pub(super) async fn cut(&mut self) {
        self.own = None;
        self.others.shutdown().await;
        self.fences.clear();
    }

    /// Its end is noted.
    pub(super) fn ended(&mut self, attempt: AttemptRef) {
        self.fences.remove(&attempt);
    }

    fn run_guest(&mut self, run: &Run, attempt: Attempt) {
        let attempt_direction = attempt.start.attempt.direction;
        let mut call = self.call(run, &attempt);
        let plugin = plugin(run, &attempt.start);
        let lane = Arc::clone(&self.lane);
        let parts = Arc::clone(&self.parts);
        let turns = Arc::clone(self.lane.turns());
        let attempted = async move {
            let Attempt { start, guest, place, conflicts, turn, durable } = attempt;
            parts.writer.room().await?;
            if let Some(noted) = durable {
                parts.gate.leave(noted).await?;
            }
            let turn = match turn {
                Turn::Wanted => Turn::Had(turns.lock_owned().await),
                Turn::NotNeeded | Turn::Had(_) => turn,
            };
            // Those of now and not of the start of the run: what was revoked must not be reached any more.
            call.grants = lane.grants(&plugin)?;
            call.secrets = lane.secrets_of(parts.vault.as_ref(), &plugin)?;
            let reply = Arc::clone(&guest).invoke(call).await;
            Ok(Attempted { start, guest, place, reply, conflicts, turn })
        };
        let purpose = match attempt_direction {
            Direction::Forward => Purpose::Forward,
            Direction::Backward => Purpose::Compensation,
        };
        if self.own.is_none() {
            self.own = Some(Box::pin(attempted));
        } else {
            self.others.spawn_on(self.parts.slices.share(self.lane.allowance().claimant(purpose), attempted), &self.parts.guests);
        }
    }

    fn call(&self, run: &Run, Attempt { start, place, .. }: &Attempt) -> Call {
        let AttemptRef { step, direction, number } = start.attempt;
        let definition = run.definition().step(step);
        let uses = definition.uses().expect("a step that waits has no attempt");
        let limits = Limits { memory: place.memory(), ..limits(run, start.attempt) };
        Call {
            direction,
            input: start.input.clone(),
            output: start.output.clone(),
            context: Context {
                tenant: self.lane.tenant().clone(),
                saga: run.started().saga.clone(),
                run: run.id(),
                trace: TraceId::of(run.id(), run.started().parent.as_ref()),
                step: definition.id.clone(),
                handler: uses.handler.handler.clone(),
                attempt: number,
                idempotency_key: run.idempotency_key(step, direction).into(),
                deadline: self.parts.clock.now().plus(limits.timeout),
            },
            effects: run.step(step).effects.clone(),
            limits,
            log_len_max: self.lane.allowance().log_left(),
            access: if uses.kind == Kind::ReadOnly { Access::ReadOnly } else { Access::ReadWrite },
            state: Arc::new(StateHandle(Arc::clone(&self.lane))),
            outbound: Arc::new(EffectHandle { attempt: start.attempt, driver: self.driver.clone(), gate: self.parts.gate.clone() }),
            grants: Arc::default(),
            secrets: Secrets::default(),
            fence: self.fences.get(&start.attempt).cloned().unwrap_or_default(),
        }
    }
}

/// What a task gave. A panic in it is one of the driver's.
fn attempted(joined: Result<Result<Attempted, DriveError>, JoinError>) -> Result<Attempted, DriveError> {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(error) => Err(DriveError::Gone(error.to_string())),
    })
}

/// How far an attempt may go.
pub(super) fn limits(run: &Run, attempt: AttemptRef) -> Limits {
    let uses = run.definition().step(attempt.step).uses().expect("a step that waits has no attempt");
    let policy = match attempt.direction {
        Direction::Forward => uses.forward,
        Direction::Backward => uses.backward.expect("a step without a compensation has no attempt backward"),
    };
    policy.limits
}

/// Whose component it is.
fn plugin(run: &Run, start: &StartAttempt) -> PluginName {
    let uses = run.definition().step(start.attempt.step).uses();
    uses.expect("a step that waits has no attempt").handler.plugin.clone()
}

/// An attempt to be made.
struct Attempt {
    start: StartAttempt,
    guest: Arc<dyn Guest>,
    place: Place,
    conflicts: u32,
    turn: Turn,
    /// What must be durable before the guest runs.
    durable: Option<Position>,
}
