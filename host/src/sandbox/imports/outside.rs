//! A world outside for tests: requests that go nowhere but are effects in every other way. Linked only where the settings of the
//! sandbox bring such a world; anywhere else a component that imports it is refused. The host never brings one.

use super::charge;
use crate::sandbox::access::Intent;
use crate::sandbox::attempt::Attempt;
use amends_domain::event::Direction;
use amends_domain::id::{RunId, StepId};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

/// The interface: `send: func(method: string, target: string) -> u16`.
pub(super) const INTERFACE: &str = "amends:test/outside@0.1.0";

/// Who answers the requests.
pub trait Outside: Send + Sync {
    /// The status of the answer to a request. Its intent is noted by now. If the attempt ends first, the future is dropped: the
    /// connection is closed.
    fn send(&self, request: OutsideRequest) -> BoxFuture<'_, u16>;
}

/// A request as it arrives outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideRequest {
    /// HTTP method.
    pub method: String,
    /// Where to.
    pub target: String,
    /// The key of the step, a hyphen, and the number of the request: the same again when the step is tried again.
    pub idempotency_key: String,
    /// Whose request: which run.
    pub run: RunId,
    /// Which step.
    pub step: StepId,
    /// Which attempt in its direction, from 1.
    pub attempt: u32,
    /// Which way.
    pub direction: Direction,
}

pub(super) fn link(interface: &mut LinkerInstance<'_, Attempt>, outside: Arc<dyn Outside>) -> wasmtime::Result<()> {
    interface.func_wrap_async("send", move |mut store: StoreContextMut<'_, Attempt>, (method, target): (String, String)| {
        let outside = Arc::clone(&outside);
        Box::new(async move {
            charge(&mut store, method.len() + target.len())?;
            let attempt = store.data();
            let ticket = attempt.outbound.admit(Intent { method: method.clone(), target: target.clone() })?;
            let request = request(attempt, ticket.place(), method, target);
            let call = ticket.intend().await?;
            let status = outside.send(request).await;
            ticket.answered(call, status, None).await?;
            Ok((status,))
        })
    })
}

fn request(attempt: &Attempt, place: u32, method: String, target: String) -> OutsideRequest {
    let context = &attempt.context;
    OutsideRequest {
        method,
        target,
        idempotency_key: format!("{}-{place}", context.idempotency_key),
        run: context.run,
        step: context.step.clone(),
        attempt: context.attempt,
        direction: attempt.direction,
    }
}
