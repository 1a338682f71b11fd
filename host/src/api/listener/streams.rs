//! What goes on at a connection of HTTP/2: many requests at a time, each of which takes a place as a connection does, so that what holds for
//! connections holds for it. Apart from the connection itself, which only says when it is idle or stands still.

use super::places::{Place, Places};
use axum::Router;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// When somebody may try again who found no place.
const NO_PLACE_WAIT_S: u64 = 5;

/// The requests of one connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Streams {
    service: TowerToHyperService<Router>,
    places: Places,
    address: IpAddr,
    headers_max: usize,
    open: Arc<Mutex<Open>>,
}

/// Those that are open.
struct Open {
    next: u64,
    /// Since when their client has taken nothing of what was there for it; none: it waits for us.
    since: Vec<(u64, Option<Instant>)>,
    /// Since when there is none.
    idle: Instant,
}

/// One that is open, until its answer is taken or given up.
struct Stream {
    number: u64,
    open: Arc<Mutex<Open>>,
    _place: Place,
}

/// An answer of one.
pub(super) struct Answer {
    body: Body,
    /// None: it needed no place.
    stream: Option<Stream>,
}

impl Streams {
    pub(super) fn new(router: Router, places: Places, address: IpAddr, headers_max: usize) -> Self {
        let open = Open { next: 0, since: Vec::new(), idle: Instant::now() };
        Self { service: TowerToHyperService::new(router), places, address, headers_max, open: Arc::new(Mutex::new(open)) }
    }

    /// For how long there has been no request; none: there is one.
    pub(super) fn idle(&self) -> Option<Duration> {
        let open = lock(&self.open);
        open.since.is_empty().then(|| open.idle.elapsed())
    }

    /// For how long some client has taken nothing of what is there for it.
    pub(super) fn stands_still(&self) -> Duration {
        let open = lock(&self.open);
        open.since.iter().filter_map(|(_, since)| *since).map(|since| since.elapsed()).max().unwrap_or_default()
    }

    fn begin(&self, place: Place) -> Stream {
        let mut open = lock(&self.open);
        let number = open.next;
        open.next += 1;
        open.since.push((number, None));
        Stream { number, open: Arc::clone(&self.open), _place: place }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    fn note(&self, since: Option<Instant>) {
        let mut open = lock(&self.open);
        if let Some(found) = open.since.iter_mut().find(|(number, _)| *number == self.number) {
            found.1 = since;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.since.retain(|(number, _)| *number != self.number);
        open.idle = Instant::now();
    }
}

impl Service<Request<Incoming>> for Streams {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if request.headers().len() > self.headers_max {
            return Box::pin(std::future::ready(Ok(refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))));
        }
        let Ok(place) = self.places.take(self.address) else {
            return Box::pin(std::future::ready(Ok(refused(StatusCode::SERVICE_UNAVAILABLE))));
        };
        let (stream, answered) = (self.begin(place), self.service.call(request));
        Box::pin(async move {
            let answered = answered.await?;
            stream.note(Some(Instant::now()));
            Ok(answered.map(|body| Answer { body, stream: Some(stream) }))
        })
    }
}

fn refused(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer { body: Body::empty(), stream: None });
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(NO_PLACE_WAIT_S));
    }
    response
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Asked for more only when the client has taken what was there before.
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Some(stream) = &self.stream {
            stream.note(polled.is_ready().then(Instant::now));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
