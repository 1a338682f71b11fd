//! Where a guest's requests come in: each is looked at and counted here, before anything is done for it. What is decided here is decided
//! without waiting, in the order in which the guest asks.

use super::Traces;
use super::body::Shown;
use super::client::Client;
use super::exchange::Exchange;
use super::limits::{CHUNK_LEN_MAX, HEADERS_LEN_MAX, HEADERS_MAX, IN_FLIGHT_MAX};
use crate::sandbox::access::{Intent, Secrets};
use crate::sandbox::attempt::Attempt;
use crate::sandbox::attempt::log::LogBuffer;
use crate::sandbox::attempt::outbound::{Outbound, RequestTrap};
use crate::sandbox::text;
use amends_domain::capability::{Denial, Destination, HostError, Scheme, grant_for};
use amends_domain::definition::Limits;
use amends_domain::event::HostGrant;
use amends_domain::trace::{SpanId, traceparent};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, uri};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{AcquireError, Semaphore};
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The header that lets the other side recognise a repeat (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that says of which trace a request is a part (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// A longer timeout of an attempt is cut to this here, so that no sum of instants overflows.
const ATTEMPT_MAX: Duration = Duration::from_hours(366 * 24);
/// Longest target in a log line, bytes.
const TARGET_SHOWN_LEN_MAX: usize = 256;

/// The requests of one attempt.
pub(in crate::sandbox) struct Egress {
    client: Arc<Client>,
    grants: Arc<[HostGrant]>,
    outbound: Outbound,
    idempotency_key: Arc<str>,
    /// None: nobody is told.
    traceparent: Option<HeaderValue>,
    log: LogBuffer,
    secrets: Secrets,
    until: Instant,
    in_flight: Arc<Semaphore>,
}

/// Why a request is refused before anything is done for it.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Outbound(#[from] RequestTrap),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("{found} {what}, the limit is {limit}")]
    Over { what: &'static str, found: usize, limit: usize },
    #[error("the scheme is neither http nor https")]
    Scheme,
    #[error("a header names a secret that is not granted to this plugin: amends secret grant")]
    Secret,
}

type Sending = Box<dyn Future<Output = Result<Answer, Error>> + Send>;
type Answer = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl Egress {
    /// For an attempt that begins now.
    pub(in crate::sandbox) fn new(client: Arc<Client>, grants: Arc<[HostGrant]>, attempt: &Attempt, limits: Limits) -> Self {
        let context = &attempt.context;
        let traceparent = (client.traces == Traces::Told).then(|| {
            let span = SpanId::of_attempt(context.run, &context.step, attempt.direction, context.attempt);
            HeaderValue::from_str(&traceparent(context.trace, span)).expect("it is made of digits")
        });
        Self {
            traceparent,
            client,
            grants,
            outbound: attempt.outbound.clone(),
            idempotency_key: Arc::clone(&attempt.context.idempotency_key),
            log: attempt.log.clone(),
            secrets: attempt.secrets.clone(),
            until: Instant::now() + limits.timeout.to_std().min(ATTEMPT_MAX),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize)),
        }
    }

    /// Waits until no request is on its way. They end as soon as what the guest held of them is dropped.
    pub(in crate::sandbox) async fn closed(self) {
        let ended: Result<_, AcquireError> = self.in_flight.acquire_many(IN_FLIGHT_MAX).await;
        drop(ended.expect("never closed"));
    }

    fn admit(&self, mut request: Request<WasiBody>, options: Option<RequestOptions>, of: Shown) -> Result<Exchange, Refused> {
        let method = request.method().as_str().to_owned();
        // Counted first, whatever becomes of it: the number is part of the key by which the other side knows a repeat, and must not
        // depend on what was granted at the time.
        let ticket = self.outbound.admit(Intent { method: method.clone(), target: request.uri().to_string() })?;
        let to = destination(request.uri())?;
        let grant = grant_for(&self.grants, &method, &to)?.clone();
        put_secrets(request.headers_mut(), &self.secrets)?;
        check_headers(request.headers())?;
        let held = Arc::clone(&self.in_flight).try_acquire_owned();
        let limit = IN_FLIGHT_MAX as usize;
        let held = held.map_err(|_| Refused::Over { what: "requests on their way", found: limit + 1, limit })?;
        let key = format!("{}-{}", self.idempotency_key, ticket.place());
        let key = HeaderValue::from_str(&key).expect("keys are made of names and numbers");
        request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        if let Some(traceparent) = &self.traceparent {
            request.headers_mut().insert(TRACEPARENT, traceparent.clone());
        }
        Ok(Exchange {
            client: Arc::clone(&self.client),
            grant,
            to,
            ticket,
            request,
            options: options.unwrap_or_default(),
            attempt_until: self.until,
            held: Arc::new(held),
            of,
        })
    }
}

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sending {
        let shown = format!("{} {}", request.method(), request.uri());
        let shown = text::tidy(&shown, TARGET_SHOWN_LEN_MAX);
        let of = Shown { log: self.log.clone(), shown: shown.into() };
        match self.admit(request, options, of.clone()) {
            Ok(exchange) => Box::new(async move {
                let (answer, driver) = exchange.run().await.map_err(|failed| {
                    of.tell(&failed);
                    failed.told()
                })?;
                let io: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async move {
                    driver.await;
                    Ok(())
                });
                Ok((answer, io))
            }),
            Err(refused) => {
                of.tell(&format_args!("not sent: {refused}"));
                Box::new(ready(Err(refused.told())))
            }
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_LEN_MAX
    }
}

fn destination(uri: &Uri) -> Result<Destination, Refused> {
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == uri::Scheme::HTTPS => Scheme::Https,
        Some(scheme) if *scheme == uri::Scheme::HTTP => Scheme::Http,
        Some(_) | None => return Err(Refused::Scheme),
    };
    Ok(Destination::read(scheme, uri.authority().map_or("", uri::Authority::as_str))?)
}

/// Puts secrets where headers name them. They are marked, so that nothing on the way out shows them.
fn put_secrets(headers: &mut HeaderMap, secrets: &Secrets) -> Result<(), Refused> {
    for value in headers.values_mut() {
        let Some(text) = value.to_str().ok().filter(|text| text.contains('{')) else { continue };
        let filled = secrets.fill(text).ok_or(Refused::Secret)?;
        // A secret has no control characters: it was looked at when it was set.
        let mut filled = HeaderValue::from_bytes(filled.as_bytes()).map_err(|_| Refused::Secret)?;
        filled.set_sensitive(true);
        *value = filled;
    }
    Ok(())
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refused> {
    within("headers", headers.len(), HEADERS_MAX)?;
    let len = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    within("bytes of headers", len, HEADERS_LEN_MAX)
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), Refused> {
    if found > limit { Err(Refused::Over { what, found, limit }) } else { Ok(()) }
}

impl Refused {
    /// The code that the guest is told.
    fn told(&self) -> Error {
        match self {
            Self::Outbound(_) | Self::Denied(_) | Self::Secret => Error::HttpRequestDenied,
            Self::Host(_) | Self::Scheme => Error::HttpRequestUriInvalid,
            Self::Over { what: "requests on their way", .. } => Error::ConnectionLimitReached,
            Self::Over { .. } => Error::HttpRequestHeaderSectionSize(None),
        }
    }
}
