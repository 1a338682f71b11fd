//! The way to the host from inside a component: the contract's imports.

use crate::bindings::amends::saga;
use crate::invocation::Effect;
use crate::log::Level;

pub(crate) use saga::invocation::{
    attempt, deadline_ms, fuel_remaining, handler, idempotency_key, retry_after_ms, run, saga, step_id, tenant,
};
pub(crate) use saga::secrets::get as secret;
pub(crate) use saga::state::{get as state_get, remove as state_remove, set as state_set};

pub(crate) fn effects() -> Vec<Effect> {
    saga::invocation::effects()
        .into_iter()
        .map(|sent| Effect {
            method: sent.method,
            target: sent.target,
            sent_at_ms: sent.sent_at_ms,
            answer: sent.answer,
            response: sent.response,
        })
        .collect()
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => saga::log::Level::Debug,
        Level::Info => saga::log::Level::Info,
        Level::Warn => saga::log::Level::Warn,
        Level::Error => saga::log::Level::Error,
    };
    saga::log::write(level, message);
}
