//! What the coordinator wants of a sandbox: components that can be made ready, and attempts. A trait, so that a simulation can put
//! guests in its place that do what a script says.

use crate::sandbox::{Call, Component, Description, Refusal, Reply, Sandbox, SandboxLevels};
use amends_domain::digest::Digest;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Where guests come from.
pub trait Guests: Send + Sync + 'static {
    /// The component with this digest, if it is ready.
    fn loaded(self: Arc<Self>, digest: Digest) -> Option<Arc<dyn Guest>>;

    /// Makes a component ready. [`Refusal`] says what is wrong with it. Dropping the future is safe.
    fn load(self: Arc<Self>, digest: Digest, bytes: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>>;

    /// Has every guest that computes give way as soon as it can, so that whoever is next need not wait for the end of a time slice.
    fn hurry(&self);

    /// How much is in use; nothing, where nobody counts.
    fn levels(&self) -> SandboxLevels {
        SandboxLevels::default()
    }

    /// What keeps components from being made ready, whatever they are; nothing, where nobody looks.
    fn compiler_wrong(&self) -> Option<String> {
        None
    }

    /// Checks a component as an installation would, and says what it offers. Dropping the future is safe.
    fn inspect(self: Arc<Self>, bytes: Bytes) -> BoxFuture<'static, Result<Description, Refusal>>;
}

/// A component that is ready.
pub trait Guest: Send + Sync + 'static {
    /// Makes one attempt. Dropping the future ends it, and nothing of it runs on.
    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Reply>;
}

/// A component in the sandbox that loaded it.
struct Loaded {
    sandbox: Arc<Sandbox>,
    component: Arc<Component>,
}

impl Guest for Loaded {
    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Reply> {
        async move { self.sandbox.invoke(&self.component, call).await }.boxed()
    }
}

impl Guests for Sandbox {
    fn loaded(self: Arc<Self>, digest: Digest) -> Option<Arc<dyn Guest>> {
        let component = Self::loaded(&self, digest)?;
        Some(Arc::new(Loaded { sandbox: self, component }))
    }

    fn load(self: Arc<Self>, digest: Digest, bytes: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>> {
        async move {
            let component = Self::load(&self, digest, bytes).await?;
            Ok(Arc::new(Loaded { sandbox: self, component }) as Arc<dyn Guest>)
        }
        .boxed()
    }

    fn hurry(&self) {
        Self::hurry(self);
    }

    fn levels(&self) -> SandboxLevels {
        Self::levels(self)
    }

    fn compiler_wrong(&self) -> Option<String> {
        Self::compiler_wrong(self)
    }

    fn inspect(self: Arc<Self>, bytes: Bytes) -> BoxFuture<'static, Result<Description, Refusal>> {
        async move { Self::inspect(&self, bytes).await }.boxed()
    }
}
