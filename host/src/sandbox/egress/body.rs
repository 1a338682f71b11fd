//! Bodies with bounds: on their way out in bytes, on their way in in bytes and in time.

use super::limits::BODY_LEN_MAX;
use crate::sandbox::attempt::log::LogBuffer;
use crate::sandbox::bindings::Level;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// The body of a request, as far as it may go.
pub(super) struct Sent {
    body: WasiBody,
    left: u64,
}

impl Sent {
    pub(super) fn new(body: WasiBody) -> Self {
        Self { body, left: BODY_LEN_MAX }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let len = frame.as_ref().map_or(0, len);
        Poll::Ready(match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(Error::HttpRequestBodySize(Some(BODY_LEN_MAX)))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long an answer's body may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) between_bytes: Duration,
    pub(super) until: Instant,
}

impl Pace {
    fn next(self) -> Instant {
        (Instant::now() + self.between_bytes).min(self.until)
    }
}

/// How a request is named in which log.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) log: LogBuffer,
    pub(super) shown: Arc<str>,
}

impl Shown {
    /// Notes what became of the request.
    pub(super) fn tell(&self, what: &dyn std::fmt::Display) {
        self.log.write(Level::Warn, &format!("request {}: {what}", self.shown));
    }
}

/// The body of an answer. Its connection counts as used while there is any of it.
pub(super) struct Answered {
    /// What came already, oldest first.
    beginning: VecDeque<Bytes>,
    rest: Incoming,
    left: u64,
    pace: Pace,
    alarm: Pin<Box<Sleep>>,
    /// Told why, if it breaks off: the guest only learns that it does.
    of: Shown,
    _held: Arc<OwnedSemaphorePermit>,
}

impl Answered {
    pub(super) fn new(rest: Incoming, pace: Pace, of: &Shown, held: Arc<OwnedSemaphorePermit>) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(pace.next()));
        Self { beginning: VecDeque::new(), rest, left: BODY_LEN_MAX, pace, alarm, of: of.clone(), _held: held }
    }

    /// The first bytes of the body, `len_max` at most: what there is of them at `until`. They stay in the body as well.
    pub(super) async fn peek(&mut self, len_max: usize, until: Instant) -> Result<Vec<u8>, Error> {
        let mut seen = Vec::new();
        while seen.len() < len_max {
            let next = std::future::poll_fn(|cx| self.poll_rest(cx));
            let Ok(Some(frame)) = tokio::time::timeout_at(until, next).await else { break };
            // Trailers are of no use to guests: none has asked for them.
            let Ok(bytes) = frame?.into_data() else { continue };
            seen.extend_from_slice(&bytes[..bytes.len().min(len_max - seen.len())]);
            self.beginning.push_back(bytes);
        }
        Ok(seen)
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(next) = Pin::new(&mut self.rest).poll_frame(cx) else {
            ready!(self.alarm.as_mut().poll(cx));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        let until = self.pace.next();
        self.alarm.as_mut().reset(until);
        let frame = next.map(|frame| frame.map_err(|_| Error::HttpResponseIncomplete));
        let len = frame.as_ref().map_or(0, len);
        Poll::Ready(match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(Error::HttpResponseBodySize(Some(BODY_LEN_MAX)))),
        })
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(bytes) = self.beginning.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let next = ready!(self.poll_rest(cx));
        if let Some(Err(error)) = &next {
            self.of.tell(&format_args!("the body of the answer: {error}"));
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.beginning.is_empty() && self.rest.is_end_stream()
    }
}

fn len(frame: &Result<Frame<Bytes>, Error>) -> u64 {
    frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, |bytes| bytes.len() as u64)
}
