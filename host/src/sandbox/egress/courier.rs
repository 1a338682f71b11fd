//! What the host itself sends where a tenant says: held to the same addresses as requests of guests, one answer, nothing followed, everything
//! bounded. Apart from guests' requests, which have a log, secrets and effects.

use super::EgressSettings;
use super::client::{Client, ConnectError};
use super::limits::CONNECT_MAX;
use crate::sandbox::SandboxError;
use amends_domain::capability::Denial;
use amends_domain::webhook::Target;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

/// A connection is used for no longer: what the name of its other side means then may be something else.
const LINE_AGE_MAX: Duration = Duration::from_mins(1);
/// Bytes of an answer's body that are read, so that its connection can be used again. Nobody is shown them.
const DRAINED_LEN_MAX: usize = 16 * 1024;
/// How long they are waited for.
const DRAINED_WAIT_MAX: Duration = Duration::from_secs(1);

/// Sends. Cheap to share behind an `Arc`.
pub struct Courier(Client);

/// What is sent.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What it is.
    pub media: &'static str,
    /// More headers: names in small letters, and values of visible ASCII.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

/// A connection that may be used again, by whoever holds it; none at first.
#[derive(Default)]
pub struct Line(Option<Open>);

struct Open {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
    /// What moves the bytes. Ends with it.
    _driver: AbortOnDropJoinHandle<()>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The status.
    pub status: u16,
    /// `Retry-After` as it stood there.
    pub retry_after: Option<String>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// The name leads where nothing may be sent.
    #[error("{0}")]
    Denied(Denial),
    /// There is no connection. Nothing has left.
    #[error("{0}")]
    NotConnected(String),
    /// It broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Courier {
    /// Knows nobody yet.
    ///
    /// # Errors
    /// If a certificate of the settings is none.
    pub fn new(settings: EgressSettings) -> Result<Self, SandboxError> {
        Client::new(settings).map(Self).map_err(|error| SandboxError::Egress(error.into()))
    }

    /// Sends `letter` with POST and waits for the head of its answer. A connection in `line` is used if it still can be, and is left there if it
    /// can be used again. Redirects are not followed: they are answers like others.
    ///
    /// Dropping the future closes the connection; what was sent may have arrived.
    ///
    /// # Errors
    /// [`Undelivered`]; unless it says that there was no connection, the other side may have it.
    pub async fn carry(&self, line: &mut Line, to: &Target, letter: &Letter, within: Duration) -> Result<Carried, Undelivered> {
        let kept = line.0.take().filter(|open| open.since.elapsed() < LINE_AGE_MAX && !open.sender.is_closed());
        let (open, answer) = timeout(within, self.exchange(kept, to, letter)).await.map_err(|_| Undelivered::Late(within))??;
        let again = answer.headers().get(RETRY_AFTER).and_then(|again| again.to_str().ok()).map(str::to_owned);
        let carried = Carried { status: answer.status().as_u16(), retry_after: again };
        // What it did is known by now, whatever becomes of the rest.
        if drained(answer.into_body()).await == Rest::Read {
            line.0 = Some(open);
        }
        Ok(carried)
    }

    async fn exchange(&self, kept: Option<Open>, to: &Target, letter: &Letter) -> Result<(Open, Response<Incoming>), Undelivered> {
        if let Some(mut open) = kept {
            // The other side may have closed it at this moment; then it is sent once more, as it would be later anyway.
            if let Ok(answer) = post(&mut open, to, letter).await {
                return Ok((open, answer));
            }
        }
        let (sender, connection) = self.0.connect(&to.grant(), to.destination(), CONNECT_MAX).await.map_err(of_connect)?;
        let driver = spawn(async move {
            // How it ends is seen by whoever sends.
            let _ = connection.await;
        });
        let mut open = Open { sender, since: Instant::now(), _driver: driver };
        let answer = post(&mut open, to, letter).await.map_err(|error| Undelivered::Broken(error.to_string()))?;
        Ok((open, answer))
    }
}

async fn post(open: &mut Open, to: &Target, letter: &Letter) -> Result<Response<Incoming>, hyper::Error> {
    open.sender.ready().await?;
    open.sender.send_request(request(to, letter)).await
}

fn request(to: &Target, letter: &Letter) -> Request<Full<Bytes>> {
    let value = |text: &str| HeaderValue::from_str(text).expect("it is made of visible ASCII");
    let (destination, agent) = (to.destination(), concat!("amends/", env!("CARGO_PKG_VERSION")));
    let host = if destination.port() == destination.scheme().port() {
        destination.host().to_string()
    } else {
        format!("{}:{}", destination.host(), destination.port())
    };
    let mut request = Request::new(Full::new(letter.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = to.path().parse().expect("the path of a target is visible ASCII and begins with a slash");
    let headers = request.headers_mut();
    headers.insert(HOST, value(&host));
    headers.insert(USER_AGENT, value(agent));
    headers.insert(CONTENT_TYPE, value(letter.media));
    for (name, text) in &letter.headers {
        headers.insert(*name, value(text));
    }
    request
}

/// Whether a body was read to its end.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Read,
    Left,
}

async fn drained(mut body: Incoming) -> Rest {
    let read = async {
        let mut len = 0;
        while let Some(frame) = body.frame().await {
            len += frame.ok().and_then(|frame| frame.into_data().ok()).map_or(DRAINED_LEN_MAX, |bytes| bytes.len());
            if len >= DRAINED_LEN_MAX {
                return Rest::Left;
            }
        }
        Rest::Read
    };
    timeout(DRAINED_WAIT_MAX, read).await.unwrap_or(Rest::Left)
}

fn of_connect(error: ConnectError) -> Undelivered {
    match error {
        ConnectError::Denied(denial) => Undelivered::Denied(denial),
        ConnectError::Name(_)
        | ConnectError::NoAddress
        | ConnectError::Refused(_)
        | ConnectError::Tls(_)
        | ConnectError::TimedOut(_)
        | ConnectError::Http(_) => Undelivered::NotConnected(error.to_string()),
    }
}
