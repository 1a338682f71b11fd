//! The way out of one attempt: every request passes here, whatever import sends it. It is looked at, its intent is noted, and only then
//! may it leave.

use crate::sandbox::access::{Access, Answer, EffectAccess, EffectError, Intent, Secrets};
use amends_domain::payload::Payload;
use amends_domain::run::is_safe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most requests that one attempt sends. Each is a fact in the journal, and waits for the disk.
const REQUESTS_MAX: usize = 256;
/// Longest method, bytes.
const METHOD_LEN_MAX: usize = 32;
/// Longest target, bytes.
const TARGET_LEN_MAX: usize = 2048;

/// Why a request traps.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::sandbox) enum RequestTrap {
    #[error("request: {found} {what}, the limit is {limit}")]
    Over { what: &'static str, found: usize, limit: usize },
    #[error("request: a method is capital letters, with hyphens between them")]
    BadMethod,
    #[error("request: a target is visible ASCII characters: encode others with percent signs")]
    BadTarget,
    #[error(
        "the step is declared read-only: the request {method} {target} is refused: send GET, HEAD, OPTIONS or TRACE, or declare \
         another kind of step"
    )]
    ReadOnly { method: String, target: String },
    /// The cause is the host's, and for the host: the guest's tenant learns no more.
    #[error("request: cannot be noted now")]
    NotNoted,
}

/// What an attempt sent so far. Clones share it: requests may be on their way while the guest goes on.
#[derive(Clone)]
pub(in crate::sandbox) struct Outbound(Arc<Way>);

struct Way {
    handle: Arc<dyn EffectAccess>,
    access: Access,
    secrets: Secrets,
    requests: AtomicU32,
    error: Mutex<Option<EffectError>>,
}

/// A request that may be noted, and then leave.
pub(in crate::sandbox) struct Ticket {
    outbound: Outbound,
    intent: Intent,
    place: u32,
}

impl Outbound {
    /// Nothing sent.
    pub(in crate::sandbox) fn new(handle: Arc<dyn EffectAccess>, access: Access, secrets: Secrets) -> Self {
        Self(Arc::new(Way { handle, access, secrets, requests: AtomicU32::new(0), error: Mutex::default() }))
    }

    /// Whether a request may leave.
    pub(in crate::sandbox) fn admit(&self, intent: Intent) -> Result<Ticket, RequestTrap> {
        let place = self.0.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        check(&intent)?;
        match self.0.access {
            Access::ReadOnly if !is_safe(&intent.method) => {
                let Intent { method, target } = intent;
                return Err(RequestTrap::ReadOnly { method, target });
            }
            // One with a safe method is noted, too: a person who reads the journal wants to know what was asked.
            Access::ReadOnly | Access::ReadWrite => {}
        }
        within("requests in one attempt", place as usize, REQUESTS_MAX)?;
        Ok(Ticket { outbound: self.clone(), intent, place })
    }

    /// Why something could not be noted, if so.
    pub(in crate::sandbox) fn finish(&self) -> Option<EffectError> {
        self.error().take()
    }

    fn error(&self) -> MutexGuard<'_, Option<EffectError>> {
        self.0.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host_failed(&self, error: EffectError) -> RequestTrap {
        *self.error() = Some(error);
        RequestTrap::NotNoted
    }
}

impl Ticket {
    /// Which of the guest's requests it is, from 1: the same when the step is tried again and asks in the same order, also if one before
    /// it did not leave. What the journal numbers are those that did.
    pub(in crate::sandbox) fn place(&self) -> u32 {
        self.place
    }

    /// Whether it may change something outside.
    pub(in crate::sandbox) fn raises_doubt(&self) -> bool {
        !is_safe(&self.intent.method)
    }

    /// Notes the intent and gives its number in the journal. When this is ready it is durable.
    pub(in crate::sandbox) async fn intend(&self) -> Result<u32, RequestTrap> {
        let Intent { method, mut target } = self.intent.clone();
        self.outbound.0.secrets.hide(&mut target);
        let noted = self.outbound.0.handle.intend(Intent { method, target }).await;
        noted.map_err(|error| self.outbound.host_failed(error))
    }

    /// Notes an answer, before the guest hears of it.
    pub(in crate::sandbox) async fn answered(&self, call: u32, status: u16, response: Option<Payload>) -> Result<(), RequestTrap> {
        let response = response.map(|response| self.hidden(response));
        let noted = self.outbound.0.handle.answered(Answer { call, status, response }).await;
        noted.map_err(|error| self.outbound.host_failed(error))
    }

    /// Services say back what they were told. What is no text is kept as it is.
    fn hidden(&self, response: Payload) -> Payload {
        let Ok(text) = std::str::from_utf8(&response.0) else { return response };
        let mut text = text.to_owned();
        self.outbound.0.secrets.hide(&mut text);
        Payload::from(text.into_bytes())
    }
}

fn check(intent: &Intent) -> Result<(), RequestTrap> {
    let Intent { method, target } = intent;
    within("bytes in a method", method.len(), METHOD_LEN_MAX)?;
    within("bytes in a target", target.len(), TARGET_LEN_MAX)?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if !method.split('-').all(is_word) {
        return Err(RequestTrap::BadMethod);
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(RequestTrap::BadTarget);
    }
    Ok(())
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), RequestTrap> {
    if found > limit { Err(RequestTrap::Over { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::{BoxFuture, ready};

    /// Numbers what it is asked to note.
    #[derive(Default)]
    struct Notes(AtomicU32);

    impl EffectAccess for Notes {
        fn intend(&self, _: Intent) -> BoxFuture<'_, Result<u32, EffectError>> {
            Box::pin(ready(Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)))
        }

        fn answered(&self, _: Answer) -> BoxFuture<'_, Result<(), EffectError>> {
            Box::pin(ready(Ok(())))
        }
    }

    fn intend(outbound: &Outbound, method: &str, target: &str) -> Result<u32, RequestTrap> {
        let ticket = outbound.admit(Intent { method: method.to_owned(), target: target.to_owned() })?;
        ticket.intend().now_or_never().expect("answers at once")
    }

    #[test]
    fn methods_and_targets_are_bounded_and_readable() {
        let long = |n| "x".repeat(n);
        for (method, target, said) in [
            ("POST", "https://bank.example/charges?a=%20b#c", None),
            ("VERSION-CONTROL", "/", None),
            (&"M".repeat(32), &long(2048), None),
            (&"M".repeat(33), "/", Some("request: 33 bytes in a method, the limit is 32")),
            ("POST", &long(2049), Some("request: 2049 bytes in a target, the limit is 2048")),
            ("", "/", Some("a method is")),
            ("post", "/", Some("a method is")),
            ("-POST", "/", Some("a method is")),
            ("GET /", "/", Some("a method is")),
            ("GET\r\n", "/", Some("a method is")),
            ("POST", "", Some("a target is")),
            ("POST", "/a b", Some("a target is")),
            ("POST", "/\r\nHost: b", Some("a target is")),
            ("POST", "/\u{202e}", Some("a target is")),
            ("POST", "/ä", Some("a target is")),
        ] {
            let notes = Arc::new(Notes::default());
            let outbound = Outbound::new(Arc::clone(&notes) as Arc<dyn EffectAccess>, Access::ReadWrite, Secrets::default());
            let told = intend(&outbound, method, target);
            match said {
                None => assert_eq!(told, Ok(1), "{method:?} {target:?}"),
                Some(said) => assert!(told.is_err_and(|trap| trap.to_string().contains(said)), "{method:?} {target:?}"),
            }
            assert_eq!(notes.0.load(Ordering::Relaxed), u32::from(said.is_none()), "{method:?} {target:?}");
        }
    }

    #[test]
    fn requests_are_bounded_by_number() {
        let outbound = Outbound::new(Arc::new(Notes::default()), Access::ReadWrite, Secrets::default());
        assert!((1..=256).all(|call| intend(&outbound, "GET", "/") == Ok(call)));
        let over = intend(&outbound, "GET", "/").expect_err("one too many").to_string();
        assert_eq!(over, "request: 257 requests in one attempt, the limit is 256");
    }

    #[test]
    fn a_step_that_only_reads_sends_only_safe_methods() {
        for (access, allowed) in [(Access::ReadOnly, false), (Access::ReadWrite, true)] {
            for (method, safe) in [
                ("GET", true),
                ("HEAD", true),
                ("OPTIONS", true),
                ("TRACE", true),
                ("POST", false),
                ("PUT", false),
                ("DELETE", false),
                ("PATCH", false),
                ("CONNECT", false),
                ("PURGE", false),
            ] {
                let outbound = Outbound::new(Arc::new(Notes::default()), access, Secrets::default());
                let told = intend(&outbound, method, "/").is_ok();
                assert_eq!(told, allowed || safe, "{access:?} {method}");
            }
        }
    }

    #[test]
    fn a_request_has_its_place_among_all_that_were_asked_for() {
        let outbound = Outbound::new(Arc::new(Notes::default()), Access::ReadOnly, Secrets::default());
        let ticket = |method: &str| outbound.admit(Intent { method: method.to_owned(), target: "/".to_owned() });
        assert_eq!(ticket("GET").map(|ticket| ticket.place()).ok(), Some(1));
        assert!(ticket("POST").is_err(), "it may only read");
        assert_eq!(ticket("GET").map(|ticket| ticket.place()).ok(), Some(3), "the one that was refused keeps its place");
    }
}
