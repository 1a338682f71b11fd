//! The test kit: an in-memory host that runs handlers natively, in a plugin's own `cargo test`.
//!
//! ```
//! use amends_sdk::testing::TestHost;
//! use amends_sdk::{Failure, Step, invocation, log, state};
//! use serde_json::json;
//!
//! struct Count;
//! impl Step for Count {
//!     const NAME: &'static str = "count";
//!     const COMPENSATES: bool = false;
//!     type Input = u32;
//!     type Output = u32;
//!     fn execute(by: u32) -> Result<u32, Failure> {
//!         let count = state::get::<u32>("count")?.unwrap_or_default() + by;
//!         state::set("count", &count)?;
//!         if invocation::attempt() == 1 {
//!             log::warn("not yet");
//!             return Err(Failure::unavailable("busy", "try again"));
//!         }
//!         Ok(count)
//!     }
//! }
//!
//! let mut host = TestHost::new().with_state("count", json!(40));
//! assert_eq!(host.execute::<Count>(2), Err(Failure::unavailable("busy", "try again")));
//! assert_eq!(host.state::<u32>("count"), Some(40), "what a failed attempt wrote is discarded");
//! assert_eq!(host.log()[0].message, "not yet");
//!
//! let mut host = host.attempt(2);
//! assert_eq!(host.execute::<Count>(2), Ok(42));
//! assert_eq!(host.state::<u32>("count"), Some(42));
//! ```

mod checks;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::log::Level;

use crate::handler::{self, Handler};
use crate::host::{Attempt, within};
use crate::{Effect, Failure, Step};

/// One line of the log of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
}

/// A host in memory, for one thread.
///
/// As in the real host, payloads are JSON on the way in and out, and the state keeps what an attempt wrote only if it ended `Ok`.
/// Unlike there, nothing is limited and nothing is retried: each call is one attempt. A panic of a handler is the test's.
#[derive(Debug, Clone)]
pub struct TestHost {
    attempt: Attempt,
    /// None: the step's id is the name of its handler.
    step_id: Option<String>,
    log: Vec<LogLine>,
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// A host with no state and no secrets. It runs first attempts, of the run `test-run` of the saga `test-saga` of the tenant
    /// `test-tenant`; a step's id is the name of its handler.
    pub fn new() -> Self {
        let attempt = Attempt {
            tenant: "test-tenant".to_owned(),
            saga: "test-saga".to_owned(),
            run: "test-run".to_owned(),
            number: 1,
            deadline_ms: u64::MAX,
            fuel_remaining: u64::MAX,
            ..Attempt::default()
        };
        Self { attempt, step_id: None, log: Vec::new() }
    }

    /// Seeds a key of the state.
    ///
    /// # Panics
    /// If `value` has no JSON form.
    #[must_use]
    pub fn with_state(mut self, key: &str, value: impl Serialize) -> Self {
        self.attempt.state.insert(key.to_owned(), json(&value));
        self
    }

    /// Grants a secret.
    #[must_use]
    pub fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.attempt.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds what comes back for a request: the first one for the first request that is sent, and so on. Without one there is no
    /// connection.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_answer(mut self, answer: Result<crate::http::Answer, crate::http::SendError>) -> Self {
        self.attempt.answers.push_back(answer);
        self
    }

    /// The requests that were sent so far, oldest first.
    #[cfg(feature = "http")]
    pub fn requests(&self) -> &[crate::http::Request] {
        &self.attempt.requests
    }

    /// Adds a request to those that earlier attempts sent.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.attempt.effects.push(effect);
        self
    }

    /// Sets the tenant of what is called next.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.attempt.tenant);
        self
    }

    /// Sets the saga of what is called next.
    #[must_use]
    pub fn saga(mut self, saga: &str) -> Self {
        saga.clone_into(&mut self.attempt.saga);
        self
    }

    /// Sets the run of what is called next.
    #[must_use]
    pub fn run(mut self, run: &str) -> Self {
        run.clone_into(&mut self.attempt.run);
        self
    }

    /// Sets the step's id for what is called next.
    #[must_use]
    pub fn step_id(mut self, step_id: &str) -> Self {
        self.step_id = Some(step_id.to_owned());
        self
    }

    /// Sets which attempt in its direction the next call is; 1 is the first.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt.number = attempt;
        self
    }

    /// Executes `S` once.
    ///
    /// # Errors
    /// What the step answers, and what the SDK answers for it: `invalid_input` if `input` does not fit.
    ///
    /// # Panics
    /// If the handler does, or if `input` has no JSON form.
    pub fn execute<S: Step>(&mut self, input: impl Serialize) -> Result<S::Output, Failure> {
        let input = json(&input);
        let answer = self.call::<S, _>("execute", |handlers| handler::execute(handlers, S::NAME, &input));
        answer.map(|output| serde_json::from_slice(&output).expect("what was written as an output can be read as one"))
    }

    /// Compensates `S` once. `output` is what `execute` answered, none if that is unknown.
    ///
    /// # Errors
    /// What the step answers, and what the SDK answers for it: `invalid_input` if `input` does not fit.
    ///
    /// # Panics
    /// If the handler does, or if `input` or `output` has no JSON form.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test that is done with an output gives it away without borrowing it first"
    )]
    pub fn compensate<S: Step>(&mut self, input: impl Serialize, output: Option<S::Output>) -> Result<(), Failure> {
        let input = json(&input);
        let output = output.as_ref().map(json);
        self.call::<S, _>("compensate", |handlers| handler::compensate(handlers, S::NAME, &input, output.as_deref()))
    }

    /// The value of a key; none if there is none.
    ///
    /// # Panics
    /// If the value is no `T`.
    pub fn state<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.attempt.state.get(key)?;
        Some(serde_json::from_slice(value).unwrap_or_else(|cause| panic!("value of `{key}`: {cause}")))
    }

    /// The value of a key as it is stored.
    pub fn state_bytes(&self, key: &str) -> Option<&[u8]> {
        self.attempt.state.get(key).map(Vec::as_slice)
    }

    /// All keys of the state, in order.
    pub fn state_keys(&self) -> impl Iterator<Item = &str> {
        self.attempt.state.keys().map(String::as_str)
    }

    /// What all calls so far logged, in order; also those that failed.
    pub fn log(&self) -> &[LogLine] {
        &self.log
    }

    /// How long the last call asked the host to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.attempt.retry_after_ms.map(Duration::from_millis)
    }

    fn call<S: Step, T>(&mut self, direction: &str, call: impl FnOnce(&[Handler]) -> Result<T, Failure>) -> Result<T, Failure> {
        let step_id = self.step_id.clone().unwrap_or_else(|| S::NAME.to_owned());
        let attempt = Attempt {
            idempotency_key: format!("{}/{step_id}/{direction}", self.attempt.run),
            handler: S::NAME.to_owned(),
            step_id,
            retry_after_ms: None,
            ..self.attempt.clone()
        };
        let (answer, mut ended) = within(attempt, || call(&[Handler::of::<S>()]));
        self.log.extend(ended.log.drain(..).map(|(level, message)| LogLine { level, message }));
        self.attempt.retry_after_ms = ended.retry_after_ms;
        #[cfg(feature = "http")]
        {
            // What was sent was sent, whatever the step answers.
            self.attempt.requests = ended.requests;
            self.attempt.answers = ended.answers;
        }
        if answer.is_ok() {
            self.attempt.state = ended.state;
        }
        answer
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a payload has a JSON form")
}
