//! Who is asking, for what, and how much is left.

use super::charge;
use crate::sandbox::access::Context;
use crate::sandbox::attempt::Attempt;
use crate::sandbox::bindings;
use amends_domain::payload::Payload;
use amends_domain::run::Effect;
use amends_domain::time::Span;
use wasmtime::component::LinkerInstance;

pub(super) fn link(interface: &mut LinkerInstance<'_, Attempt>) -> wasmtime::Result<()> {
    text(interface, "tenant", |context| context.tenant.to_string())?;
    text(interface, "saga", |context| context.saga.to_string())?;
    text(interface, "run", |context| context.run.to_string())?;
    text(interface, "step-id", |context| context.step.to_string())?;
    text(interface, "handler", |context| context.handler.to_string())?;
    text(interface, "idempotency-key", |context| context.idempotency_key.as_ref().to_owned())?;
    interface.func_wrap("attempt", |mut store, (): ()| {
        charge(&mut store, 0)?;
        Ok((store.data().context.attempt,))
    })?;
    interface.func_wrap("deadline-ms", |mut store, (): ()| {
        charge(&mut store, 0)?;
        Ok((store.data().context.deadline.0,))
    })?;
    interface.func_wrap("fuel-remaining", |mut store, (): ()| {
        charge(&mut store, 0)?;
        Ok((store.get_fuel()?,))
    })?;
    interface.func_wrap("effects", |mut store, (): ()| {
        let len = store.data().effects.iter().map(effect_len).sum();
        charge(&mut store, len)?;
        Ok((store.data().effects.iter().map(told).collect::<Vec<_>>(),))
    })?;
    interface.func_wrap("retry-after-ms", |mut store, (ms,): (u64,)| {
        charge(&mut store, 0)?;
        store.data_mut().retry_after = Some(Span(ms));
        Ok(())
    })
}

/// A function that tells a text of the context.
fn text(interface: &mut LinkerInstance<'_, Attempt>, name: &str, pick: fn(&Context) -> String) -> wasmtime::Result<()> {
    interface.func_wrap(name, move |mut store, (): ()| {
        let text = pick(&store.data().context);
        charge(&mut store, text.len())?;
        Ok((text,))
    })
}

fn effect_len(effect: &Effect) -> usize {
    let response_len = effect.response.as_ref().map_or(0, Payload::len);
    // An empty one takes room, too.
    size_of::<Effect>() + effect.method.len() + effect.target.len() + response_len
}

fn told(effect: &Effect) -> bindings::Effect {
    bindings::Effect {
        method: effect.method.clone(),
        target: effect.target.clone(),
        sent_at_ms: effect.sent.0,
        answer: effect.answer,
        response: effect.response.as_ref().map(|response| response.0.to_vec()),
    }
}
