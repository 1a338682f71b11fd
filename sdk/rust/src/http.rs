//! Requests over HTTP, with the feature `http`. A plugin that sends any needs a grant of its tenant for each host.
//!
//! Every request is an effect: the host notes it before it leaves, and adds `Idempotency-Key`, the same for the same request of a later
//! attempt if requests are sent in the same order. What earlier attempts sent is in [`invocation::effects`](crate::invocation::effects).
//!
//! ```no_run
//! use amends_sdk::http::Request;
//! use amends_sdk::{Failure, json};
//!
//! fn charge(cents: u64) -> Result<String, Failure> {
//!     let answer = Request::post("https://pay.example/charges").json(&json!({ "cents": cents })).send()?;
//!     match answer.status {
//!         200..=299 => Ok(answer.json::<String>()?),
//!         400..=499 => Err(Failure::rejected("refused", "the bank says no")),
//!         _ => Err(Failure::uncertain("bank_failed", "the bank failed")),
//!     }
//! }
//! ```

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, in capital letters.
    pub method: String,
    /// Where to: `https://HOST[:PORT]/PATH?QUERY`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; empty: none.
    pub body: Vec<u8>,
    /// How long the other side may be silent; none: as long as the host allows.
    pub timeout: Option<Duration>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names, in small letters, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The host refused to send it, and would again: no grant, a private address, a limit. Nothing has left.
    Refused(String),
    /// There was no connection. Nothing has left.
    NotSent(String),
    /// It left, and nobody knows what became of it.
    Unanswered(String),
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// Asks for something.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Has something done.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header. In a value, `{secret:NAME}` is replaced on the way out by a secret that was granted: the plugin need not know it.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body, and says that it is JSON.
    ///
    /// # Panics
    /// If `value` has no JSON form.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("what is sent has a JSON form");
        self.header("content-type", "application/json").body(body)
    }

    /// Sets how long the other side may be silent, before it answers and while it does.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it and waits for the whole answer. A redirect is an answer like others.
    ///
    /// # Errors
    /// [`SendError`] says whether anything has left; as a [`Failure`] it is rejected, unavailable or uncertain.
    pub fn send(self) -> Result<Answer, SendError> {
        host::send(self)
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// Uncertain: whoever answers so did something, and did not say what.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let read = serde_json::from_slice(&self.body);
        read.map_err(|error| Failure::uncertain("answer_unreadable", format!("status {}: {error}", self.status)))
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(why) => Self::rejected("request_refused", why),
            SendError::NotSent(why) => Self::unavailable("request_not_sent", why),
            SendError::Unanswered(why) => Self::uncertain("request_unanswered", why),
        }
    }
}
