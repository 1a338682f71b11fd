//! One request from the moment in which it is allowed: connect, note, send, note, answer. Everything that goes wrong is a line of the
//! attempt's log, in words, and an error code for the guest.

use super::body::{Answered, Pace, Sent, Shown};
use super::client::{Client, ConnectError};
use super::limits::{BETWEEN_BYTES_MAX, FIRST_BYTE_MAX, KEPT_LEN_MAX, KEPT_WAIT_MAX, TOTAL_MAX};
use crate::sandbox::attempt::outbound::{RequestTrap, Ticket};
use amends_domain::capability::Destination;
use amends_domain::event::HostGrant;
use amends_domain::payload::Payload;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// A request that is allowed.
pub(super) struct Exchange {
    pub(super) client: Arc<Client>,
    pub(super) grant: HostGrant,
    pub(super) to: Destination,
    pub(super) ticket: Ticket,
    pub(super) request: Request<WasiBody>,
    pub(super) options: RequestOptions,
    /// When the attempt ends.
    pub(super) attempt_until: Instant,
    /// The request's place among those of the attempt that are on their way.
    pub(super) held: Arc<OwnedSemaphorePermit>,
    pub(super) of: Shown,
}

/// What the guest gets, and what has to be kept for as long as it reads.
pub(super) type Exchanged = (Response<WasiBody>, AbortOnDropJoinHandle<()>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    NotConnected(#[from] ConnectError),
    #[error(transparent)]
    NotNoted(#[from] RequestTrap),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("the head of the answer is over the limit")]
    HeadTooLarge,
    #[error("the body of the request is over the limit, or it was given up")]
    BodyGivenUp,
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
    #[error("the body of the answer: {0}")]
    Body(#[source] Error),
}

impl Exchange {
    /// Sends the request and waits for the head of its answer.
    pub(super) async fn run(self) -> Result<Exchanged, Failed> {
        let Self { client, grant, to, ticket, request, options, attempt_until, held, of } = self;
        let until = (Instant::now() + TOTAL_MAX).min(attempt_until);
        let within = |wanted: Option<Duration>, max: Duration| wanted.unwrap_or(max).min(max).min(until - Instant::now());
        let connect_within = within(options.connect_timeout, TOTAL_MAX);
        let (mut sender, connection) = client.connect(&grant, &to, connect_within).await?;
        let held_by_driver = Arc::clone(&held);
        let driver = wasmtime_wasi::runtime::spawn(async move {
            // How it ends is seen by whoever reads from it.
            let _ = connection.await;
            drop(held_by_driver);
        });
        // From here on the other side may have done something: not before this is durable.
        let call = ticket.intend().await?;
        let first_byte_within = within(options.first_byte_timeout, FIRST_BYTE_MAX);
        let sent = tokio::time::timeout(first_byte_within, sender.send_request(bare(request))).await;
        let answer = sent.map_err(|_| Failed::Late(first_byte_within))?.map_err(of_hyper)?;
        let between_bytes = options.between_bytes_timeout.unwrap_or(BETWEEN_BYTES_MAX).min(BETWEEN_BYTES_MAX);
        let (head, body) = answer.into_parts();
        let body = Answered::new(body, Pace { between_bytes, until }, &of, held);
        let body = noted(&ticket, call, head.status.as_u16(), body, until).await?;
        Ok((Response::from_parts(head, body.boxed_unsync()), driver))
    }
}

/// Notes the answer, and then gives its body.
async fn noted(ticket: &Ticket, call: u32, status: u16, mut body: Answered, until: Instant) -> Result<Answered, Failed> {
    if !ticket.raises_doubt() {
        ticket.answered(call, status, None).await?;
        return Ok(body);
    }
    let beginning = body.peek(KEPT_LEN_MAX, (Instant::now() + KEPT_WAIT_MAX).min(until)).await;
    let kept = beginning.as_ref().ok().filter(|beginning| !beginning.is_empty()).cloned();
    ticket.answered(call, status, kept.map(Payload::from)).await?;
    beginning.map_err(Failed::Body)?;
    Ok(body)
}

/// The request as it stands on the line: its address has no host, that is in a header.
fn bare(request: Request<WasiBody>) -> Request<Sent> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    head.uri = path.parse().expect("a path that was part of an address");
    Request::from_parts(head, Sent::new(body))
}

fn of_hyper(error: hyper::Error) -> Failed {
    if error.is_parse_too_large() {
        Failed::HeadTooLarge
    } else if error.is_user() {
        Failed::BodyGivenUp
    } else {
        Failed::Broken(error)
    }
}

impl Failed {
    /// The code that the guest is told.
    pub(super) fn told(self) -> Error {
        match self {
            Self::NotConnected(error) => of_connect(&error),
            Self::NotNoted(trap) => Error::InternalError(Some(trap.to_string())),
            Self::Late(_) => Error::HttpResponseTimeout,
            Self::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
            Self::BodyGivenUp => Error::HttpRequestBodySize(None),
            Self::Broken(_) => Error::ConnectionTerminated,
            Self::Body(error) => error,
        }
    }
}

fn of_connect(error: &ConnectError) -> Error {
    match error {
        ConnectError::Denied(_) => Error::DestinationIpProhibited,
        ConnectError::Name(_) | ConnectError::NoAddress => Error::DestinationNotFound,
        ConnectError::Refused(_) => Error::ConnectionRefused,
        ConnectError::Tls(_) => Error::TlsCertificateError,
        ConnectError::TimedOut(_) => Error::ConnectionTimeout,
        ConnectError::Http(_) => Error::HttpProtocolError,
    }
}
