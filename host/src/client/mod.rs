//! A client of a server of ours, over HTTP/1.1: asks one thing at a time and waits for the answer, or follows events. Apart from the requests of
//! guests, which go out under grants; here goes what its own user asks for. Everything has a bound: how long, how much, how often again. Many
//! requests at once, to measure a server, are in [`load`].

mod address;
mod error;
mod fetch;
pub mod load;
mod stream;

pub use address::{Authorities, segment};
pub use error::ClientError;
pub use stream::{Stream, Streamed};

use address::Address;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// How long the answer to an ordinary question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read, bytes: a run of a thousand steps with all its attempts is shorter.
const ANSWER_LEN_MAX: usize = 64 * 1024 * 1024;
/// What makes a start safe to repeat.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What an answer has that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A client with a token. It must not be used where other tasks run: it blocks its thread until there is an answer.
pub struct Client {
    runtime: Runtime,
    address: Address,
    token: Option<HeaderValue>,
}

/// Something to be asked.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    path: String,
    media: Option<&'static str>,
    body: Bytes,
    key: Option<String>,
    patience: Duration,
}

/// What came back, and that it was done.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// Whether this was asked before with the same key, and was answered then.
    pub replayed: bool,
    /// At most 64 MiB.
    pub body: Bytes,
}

impl Ask {
    /// A question. `path` begins with a slash and is written as URLs are.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), media: None, body: Bytes::new(), key: None, patience: PATIENCE }
    }

    /// That something is removed.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// Something with JSON.
    pub fn post(path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { method: Method::POST, ..Self::get(path) }.with("application/json", body.to_string())
    }

    /// That something is put at its place, which has a body of its own kind.
    pub fn put(path: impl Into<String>, media: &'static str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PUT, ..Self::get(path) }.with(media, body)
    }

    /// That something is changed in part, with JSON.
    pub fn patch(path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { method: Method::PATCH, ..Self::get(path) }.with("application/json", body.to_string())
    }

    fn with(self, media: &'static str, body: impl Into<Bytes>) -> Self {
        Self { media: Some(media), body: body.into(), ..self }
    }

    /// The same with a key that makes it safe to repeat.
    #[must_use]
    pub fn once(self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self }
    }

    /// The same with so much more time for the answer.
    #[must_use]
    pub fn waiting(self, more: Duration) -> Self {
        Self { patience: self.patience + more, ..self }
    }
}

impl Answer {
    /// The answer as JSON.
    ///
    /// # Errors
    /// [`ClientError::Strange`] if it is not of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Strange { status: self.status, what: error.to_string() })
    }
}

impl Client {
    /// A client of the server at `url`, which is not asked anything yet.
    ///
    /// # Errors
    /// [`ClientError`] if the URL or the token cannot be one, or this process has no room for a client.
    pub fn new(url: &str, token: Option<&str>, authorities: &Authorities) -> Result<Self, ClientError> {
        let address = Address::read(url, authorities)?;
        let token = token.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ClientError::Runtime)?;
        Ok(Self { runtime, address, token: token.transpose()? })
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        self.address.url()
    }

    /// Whether what is said, the token too, travels to another machine as anybody on the way can read it.
    pub fn is_in_the_clear(&self) -> bool {
        self.address.is_in_the_clear()
    }

    /// Asks something and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`]: what the server says is wrong, or why it says nothing. Whether it was done is not known where there is no answer.
    pub fn ask(&self, ask: &Ask) -> Result<Answer, ClientError> {
        let answered = self.runtime.block_on(async { timeout(ask.patience, self.answer(ask)).await });
        answered.map_err(|_| ClientError::Late { url: self.url().to_owned(), within: ask.patience })?
    }

    /// Follows the events at `path` from behind `last`. Nothing is asked before the first is waited for.
    pub fn follow(&self, path: impl Into<String>, last: Option<String>) -> Stream<'_> {
        Stream::new(self, path.into(), last)
    }

    async fn answer(&self, ask: &Ask) -> Result<Answer, ClientError> {
        let response = self.send(ask, "application/json", None).await?;
        let status = response.status();
        let (kind, replayed) = (response.headers().get(CONTENT_TYPE).cloned(), response.headers().contains_key(REPLAYED));
        let read = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await;
        let body = read.map_err(|error| ClientError::Strange { status: status.as_u16(), what: error.to_string() })?.to_bytes();
        if !status.is_success() {
            return Err(error::refused(status, kind.as_ref(), &body));
        }
        Ok(Answer { status: status.as_u16(), replayed, body })
    }

    /// Sends a question and gives the head of the answer. Dropping the future lets go of the connection.
    async fn send(&self, ask: &Ask, accept: &'static str, last: Option<&str>) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(self.address.path(&ask.path))
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("amends/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, accept);
        let (key, last) = (ask.key.as_deref().map(|key| (KEY, key)), last.map(|last| (stream::LAST, last)));
        for (name, value) in key.into_iter().chain(last).chain(ask.media.map(|media| (CONTENT_TYPE, media))) {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let request = request.body(Full::new(ask.body.clone())).map_err(|error| ClientError::Unfit(error.to_string()))?;
        let (mut sender, connection) = self.address.connect().await?;
        // Ends with the answer, or with this client.
        tokio::spawn(connection);
        let url = || self.url().to_owned();
        sender.send_request(request).await.map_err(|source| {
            if source.is_parse() {
                return ClientError::Unreachable {
                    url: url(),
                    what: "what answers there does not speak HTTP in the clear: is it https?".to_owned(),
                };
            }
            ClientError::Broken { url: url(), source }
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url()).finish_non_exhaustive()
    }
}
