//! Events as a server sends them (the event stream of the HTML standard, §9.2): one after the other, each once, over as many connections as it
//! takes. Whoever reads names the last event that they have, so a connection that breaks costs nothing but time.

use super::{Ask, Client, ClientError};
use http::header::HeaderName;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The header that names the last event that somebody has.
pub(super) const LAST: HeaderName = HeaderName::from_static("last-event-id");
/// How long a connection may be silent. A server of ours says that it is there every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long the head of an answer may take.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How often a connection is tried that gives no event, before it is given up.
const TRIES_MAX: u32 = 8;
/// The first pause between two of them; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Longest event, bytes.
const EVENT_LEN_MAX: usize = 4 * 1024 * 1024;

/// Events from where somebody left off.
pub struct Stream<'a> {
    client: &'a Client,
    ask: Ask,
    last: Option<String>,
    open: Option<(Incoming, Lines)>,
    /// Connections since the last event.
    tries: u32,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// What it says.
    pub data: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(client: &'a Client, path: String, last: Option<String>) -> Self {
        Self { client, ask: Ask::get(path), last, open: None, tries: 0 }
    }

    /// Waits for the next event, for ever if there is none and the server is there.
    ///
    /// # Errors
    /// [`ClientError`] if the server refuses, or cannot be reached any more.
    pub fn wait(&mut self) -> Result<Streamed, ClientError> {
        let client = self.client;
        client.runtime.block_on(self.next())
    }

    /// The same for so long at most; none: there was no event.
    ///
    /// # Errors
    /// As [`Stream::wait`].
    pub fn wait_for(&mut self, within: Duration) -> Result<Option<Streamed>, ClientError> {
        let client = self.client;
        client.runtime.block_on(async { timeout(within, self.next()).await }).map_or(Ok(None), |next| next.map(Some))
    }

    /// Dropping the future loses nothing: what was read of an event is kept.
    async fn next(&mut self) -> Result<Streamed, ClientError> {
        loop {
            match self.read().await {
                Ok(Some(event)) => {
                    self.tries = 0;
                    self.last = event.id.clone().or(self.last.take());
                    return Ok(event);
                }
                Ok(None) => {}
                Err(error) if error.may_pass() && self.tries < TRIES_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next event of the connection that there is, or of a new one; none: it has ended.
    async fn read(&mut self) -> Result<Option<Streamed>, ClientError> {
        let mut connection = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        loop {
            if let Some(event) = connection.1.event()? {
                self.open = Some(connection);
                return Ok(Some(event));
            }
            // Put back before anything is waited for, so that whoever gives up does not lose it.
            let (body, _) = self.open.insert(connection);
            let frame = timeout(SILENCE_MAX, body.frame()).await;
            connection = self.open.take().expect("it was put there");
            match frame {
                Ok(Some(Ok(frame))) => {
                    // It lives, so the next one is not tried again and again, but neither at once.
                    self.tries = self.tries.min(1);
                    connection.1.add(&frame.into_data().unwrap_or_default());
                }
                // It ended, broke or fell silent: the next one goes on where this one was.
                Ok(Some(Err(_)) | None) | Err(_) => return Ok(None),
            }
        }
    }

    async fn connect(&mut self) -> Result<(Incoming, Lines), ClientError> {
        if self.tries > 0 {
            sleep((PAUSE * 2_u32.saturating_pow(self.tries - 1)).min(PAUSE_MAX)).await;
        }
        self.tries += 1;
        let late = |_| ClientError::Late { url: self.client.url().to_owned(), within: HEAD_MAX };
        let sent = timeout(HEAD_MAX, self.client.send(&self.ask, "text/event-stream", self.last.as_deref())).await;
        let response = sent.map_err(late)??;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok((body, Lines::default()));
        }
        let kind = head.headers.get(http::header::CONTENT_TYPE);
        let said = http_body_util::Limited::new(body, EVENT_LEN_MAX).collect().await.map(http_body_util::Collected::to_bytes);
        Err(super::error::refused(head.status, kind, &said.unwrap_or_default()))
    }
}

/// What was read and is no event yet.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// How much of it was looked at.
    seen: usize,
    id: Option<String>,
    data: Vec<u8>,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.seen);
        self.seen = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next event that is whole.
    fn event(&mut self) -> Result<Option<Streamed>, ClientError> {
        while let Some(len) = self.bytes[self.seen..].iter().position(|byte| *byte == b'\n') {
            let line = &self.bytes[self.seen..self.seen + len];
            self.seen += len + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                let (id, data) = (self.id.take(), std::mem::take(&mut self.data));
                if !data.is_empty() {
                    return Ok(Some(Streamed { id, data }));
                }
                continue;
            }
            let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
            let value = value.strip_prefix(b":").unwrap_or(value);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match name {
                b"id" => self.id = Some(String::from_utf8_lossy(value).into_owned()),
                b"data" => {
                    if !self.data.is_empty() {
                        self.data.push(b'\n');
                    }
                    self.data.extend_from_slice(value);
                }
                // Comments that keep it alive, names, and fields that nobody knows.
                _ => {}
            }
        }
        if self.bytes.len() - self.seen + self.data.len() > EVENT_LEN_MAX {
            let what = format!("an event has more than {EVENT_LEN_MAX} bytes");
            return Err(ClientError::Strange { status: 200, what });
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut_and_comments_are_passed_over() {
        let text =
            ": hello\n\nid: 0-1-1-1\nevent: a\ndata: {\"n\":\ndata: 1}\n\n:\n\nid:0-2-1-1\r\ndata:x\r\n\r\nid: 9\ndata: not ye";
        for size in 1..text.len() {
            let (mut lines, mut events) = (Lines::default(), Vec::new());
            for part in text.as_bytes().chunks(size) {
                lines.add(part);
                while let Some(event) = lines.event().expect("it is short") {
                    events.push((event.id.expect("it has one"), String::from_utf8(event.data).expect("text")));
                }
            }
            let wanted = [("0-1-1-1", "{\"n\":\n1}"), ("0-2-1-1", "x")].map(|(id, data)| (id.to_owned(), data.to_owned()));
            assert_eq!(events, wanted, "in parts of {size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut lines = Lines::default();
        lines.add(&vec![b'x'; EVENT_LEN_MAX]);
        assert!(lines.event().is_ok_and(|event| event.is_none()));
        lines.add(b"x");
        assert!(lines.event().is_err());
    }
}
