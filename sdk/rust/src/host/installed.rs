//! The way to the host in native tests: an attempt that the test kit installed on this thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::invocation::Effect;
use crate::log::Level;

/// All that an attempt can ask of its host, and all that it told it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempt {
    pub(crate) tenant: String,
    pub(crate) saga: String,
    pub(crate) run: String,
    pub(crate) step_id: String,
    pub(crate) handler: String,
    pub(crate) number: u32,
    pub(crate) idempotency_key: String,
    pub(crate) deadline_ms: u64,
    pub(crate) fuel_remaining: u64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) state: BTreeMap<String, Vec<u8>>,
    pub(crate) log: Vec<(Level, String)>,
    pub(crate) retry_after_ms: Option<u64>,
    /// What comes back for the next requests, in order.
    #[cfg(feature = "http")]
    pub(crate) answers: std::collections::VecDeque<Result<crate::http::Answer, crate::http::SendError>>,
    /// What was sent.
    #[cfg(feature = "http")]
    pub(crate) requests: Vec<crate::http::Request>,
}

thread_local! {
    static INSTALLED: RefCell<Option<Attempt>> = const { RefCell::new(None) };
}

/// Runs `body` as the given attempt; gives back what it answered, and the attempt as it left it.
///
/// # Panics
/// If an attempt runs on this thread already, and whenever `body` does; then the attempt is dropped with all that it wrote.
pub(crate) fn within<T>(attempt: Attempt, body: impl FnOnce() -> T) -> (T, Attempt) {
    let before = INSTALLED.replace(Some(attempt));
    assert!(before.is_none(), "a handler of the test kit's host must not call that host");
    let _guard = Uninstall;
    let answer = body();
    let attempt = INSTALLED.take().expect("only the guard and this line take it");
    (answer, attempt)
}

/// Leaves the thread clean when a handler panics, so that the next test on it starts afresh.
struct Uninstall;

impl Drop for Uninstall {
    fn drop(&mut self) {
        INSTALLED.take();
    }
}

fn with<T>(ask: impl FnOnce(&mut Attempt) -> T) -> T {
    INSTALLED.with_borrow_mut(|installed| {
        let attempt = installed.as_mut().expect(
            "no host on this thread: outside of a component, call handlers through `amends_sdk::testing::TestHost` \
             (a thread that the handler started has none either)",
        );
        ask(attempt)
    })
}

pub(crate) fn tenant() -> String {
    with(|attempt| attempt.tenant.clone())
}

pub(crate) fn saga() -> String {
    with(|attempt| attempt.saga.clone())
}

pub(crate) fn run() -> String {
    with(|attempt| attempt.run.clone())
}

pub(crate) fn step_id() -> String {
    with(|attempt| attempt.step_id.clone())
}

pub(crate) fn handler() -> String {
    with(|attempt| attempt.handler.clone())
}

pub(crate) fn attempt() -> u32 {
    with(|attempt| attempt.number)
}

pub(crate) fn idempotency_key() -> String {
    with(|attempt| attempt.idempotency_key.clone())
}

pub(crate) fn deadline_ms() -> u64 {
    with(|attempt| attempt.deadline_ms)
}

pub(crate) fn fuel_remaining() -> u64 {
    with(|attempt| attempt.fuel_remaining)
}

pub(crate) fn effects() -> Vec<Effect> {
    with(|attempt| attempt.effects.clone())
}

pub(crate) fn retry_after_ms(ms: u64) {
    with(|attempt| attempt.retry_after_ms = Some(ms));
}

pub(crate) fn log(level: Level, message: &str) {
    with(|attempt| attempt.log.push((level, message.to_owned())));
}

#[cfg(feature = "http")]
pub(crate) fn send(request: crate::http::Request) -> Result<crate::http::Answer, crate::http::SendError> {
    with(|attempt| {
        attempt.requests.push(request);
        let answer = attempt.answers.pop_front();
        answer.unwrap_or_else(|| Err(crate::http::SendError::NotSent("the test has no answer for this request".to_owned())))
    })
}

pub(crate) fn secret(name: &str) -> Option<String> {
    with(|attempt| attempt.secrets.get(name).cloned())
}

pub(crate) fn state_get(key: &str) -> Option<Vec<u8>> {
    with(|attempt| attempt.state.get(key).cloned())
}

pub(crate) fn state_set(key: &str, value: &[u8]) {
    with(|attempt| attempt.state.insert(key.to_owned(), value.to_owned()));
}

pub(crate) fn state_remove(key: &str) {
    with(|attempt| attempt.state.remove(key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no host on this thread")]
    fn without_a_host_the_panic_says_how_to_get_one() {
        run();
    }

    #[test]
    #[should_panic(expected = "must not call that host")]
    fn an_attempt_within_an_attempt_is_a_mistake() {
        within(Attempt::default(), || within(Attempt::default(), || ()));
    }

    #[test]
    fn a_panic_leaves_the_thread_clean() {
        assert!(std::panic::catch_unwind(|| within(Attempt::default(), || panic!("trap"))).is_err());
        let (answer, _) = within(Attempt { run: "r2".to_owned(), ..Attempt::default() }, run);
        assert_eq!(answer, "r2");
    }
}
