//! What is said to the task that drives a run, from outside and by its own guests. Only that task changes the run, so whoever wants
//! something of it says so here and is answered.

use super::error::DriveError;
use super::gate::Gate;
use crate::sandbox::{Answer, EffectAccess, EffectError, Intent};
use crate::store::writer::Position;
use amends_domain::decide::Unfit;
use amends_domain::event::{AttemptRef, Author, Demand};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// Most messages that wait; who has more to say waits as well.
const MESSAGES_MAX: usize = 64;

/// Something that is said.
pub(super) enum Message {
    /// Somebody demands something of the run.
    Demand { demand: Demand, by: Author, answer: oneshot::Sender<Result<Demanded, DemandRefused>> },
    /// A guest is about to send a request.
    Intend { attempt: AttemptRef, intent: Intent, answer: oneshot::Sender<Intended> },
    /// A request was answered.
    Answered { attempt: AttemptRef, answer: Answer, noted: oneshot::Sender<()> },
}

/// Where the facts of an admitted demand are queued.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demanded {
    /// Everything up to here must be durable before anybody is told.
    pub(super) position: Position,
    /// It was so already.
    pub(super) already: bool,
}

/// Why a demand is not admitted.
#[derive(Debug)]
pub(super) enum DemandRefused {
    /// It does not fit the run as it stood at this position: everything up to there must be durable before anybody is told.
    Unfit(Unfit, Position),
    /// The host cannot go on with the run.
    Host(DriveError),
}

/// The number of a request in its attempt, and where its intent is queued.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intended {
    pub(super) call: u32,
    pub(super) position: Position,
}

pub(super) type Sender = mpsc::Sender<Message>;
pub(super) type Receiver = mpsc::Receiver<Message>;

pub(super) fn mailbox() -> (Sender, Receiver) {
    mpsc::channel(MESSAGES_MAX)
}

/// Says something and waits for the answer; none if nobody drives the run any more.
///
/// A message that is sent while the other end goes away may stay in the channel for as long as there is a sender, and with it the promise
/// of an answer: so the end of the channel is waited for as well.
pub(super) async fn ask<T>(driver: &Sender, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
    let (answer, mut answered) = oneshot::channel();
    driver.send(message(answer)).await.ok()?;
    tokio::select! {
        biased;
        answer = &mut answered => answer.ok(),
        () = driver.closed() => answered.try_recv().ok(),
    }
}

/// What a guest notes its requests through.
pub(super) struct EffectHandle {
    pub(super) attempt: AttemptRef,
    pub(super) driver: Sender,
    pub(super) gate: Gate,
}

impl EffectAccess for EffectHandle {
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<u32, EffectError>> {
        async move {
            let message = |answer| Message::Intend { attempt: self.attempt, intent, answer };
            let Intended { call, position } = ask(&self.driver, message).await.ok_or_else(gone)?;
            // Only what is durable may leave.
            self.gate.leave(position).await.map_err(|error| EffectError(Box::new(error)))?;
            Ok(call)
        }
        .boxed()
    }

    fn answered(&self, answer: Answer) -> BoxFuture<'_, Result<(), EffectError>> {
        async move {
            // The guest hears of the answer when it is noted: how it ends is judged by what was answered.
            ask(&self.driver, |noted| Message::Answered { attempt: self.attempt, answer, noted }).await.ok_or_else(gone)
        }
        .boxed()
    }
}

fn gone() -> EffectError {
    EffectError("the run is no longer driven".into())
}
