//! Guests of which nothing is asked but that they are there: for tests of what happens around runs. Any bytes are a component.

use amends::coordinator::{Guest, Guests};
use amends::sandbox::{Call, Description, Refusal, Reply};
use amends_domain::digest::Digest;
use amends_domain::event::{Ending, Spent};
use amends_domain::payload::Payload;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;

/// A sandbox whose every attempt ends well at once, with `null`.
#[derive(Debug, Clone, Copy)]
pub struct Idle;

impl Guests for Idle {
    fn loaded(self: Arc<Self>, _: Digest) -> Option<Arc<dyn Guest>> {
        Some(self)
    }

    fn load(self: Arc<Self>, _: Digest, _: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>> {
        ready(Ok(self as Arc<dyn Guest>)).boxed()
    }

    fn hurry(&self) {}

    fn inspect(self: Arc<Self>, bytes: Bytes) -> BoxFuture<'static, Result<Description, Refusal>> {
        let (digest, component_len) = (Digest::of(&bytes), bytes.len());
        let (imports, exports) = (Vec::new(), Vec::new());
        let description =
            Description { digest, component_len, code_len: 0, imports, exports, sends_requests: false, manifest: None };
        ready(Ok(description)).boxed()
    }
}

impl Guest for Idle {
    fn invoke(self: Arc<Self>, _: Call) -> BoxFuture<'static, Reply> {
        let ending = Ending::Ok { output: Payload::null() };
        let (log, reads, writes) = (Vec::new(), Vec::new(), Vec::new());
        ready(Reply { ending, spent: Spent::default(), log, reads, writes, host_error: None }).boxed()
    }
}
