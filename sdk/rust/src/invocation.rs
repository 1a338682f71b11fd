//! Who asks, for what, and how much is left: the facts of the attempt that runs.

use std::time::Duration;

use crate::host;

/// A request that an attempt sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The HTTP method, such as `POST`.
    pub method: String,
    /// The URL.
    pub target: String,
    /// When it left, in ms since the Unix epoch.
    pub sent_at_ms: u64,
    /// The HTTP status; none while unknown.
    pub answer: Option<u16>,
    /// The answer's body, as far as the host kept it.
    pub response: Option<Vec<u8>>,
}

/// The tenant whose run this is.
pub fn tenant() -> String {
    host::tenant()
}

/// The name of the saga.
pub fn saga() -> String {
    host::saga()
}

/// The id of the run: the same for all attempts of all its steps, in both directions.
pub fn run() -> String {
    host::run()
}

/// The id of the step within its saga. Two steps of one saga may use the same handler; this tells them apart.
pub fn step_id() -> String {
    host::step_id()
}

/// The name of the handler that is called.
pub fn handler() -> String {
    host::handler()
}

/// 1 for the first attempt in this direction.
pub fn attempt() -> u32 {
    host::attempt()
}

/// The same for all attempts of a step in one direction, and another backward.
pub fn idempotency_key() -> String {
    host::idempotency_key()
}

/// When the clock ends the attempt, in ms since the Unix epoch.
pub fn deadline_ms() -> u64 {
    host::deadline_ms()
}

/// How much fuel the attempt still has.
pub fn fuel_remaining() -> u64 {
    host::fuel_remaining()
}

/// What earlier attempts of this step sent; backward: what its forward attempts sent.
pub fn effects() -> Vec<Effect> {
    host::effects()
}

/// Asks the host not to try again earlier than `delay` from the end of this attempt, counted in whole ms. Counts only for an attempt
/// that answers `unavailable` or `uncertain`; see also [`Failure::retry_after`](crate::Failure::retry_after).
pub fn retry_after(delay: Duration) {
    host::retry_after_ms(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
}
