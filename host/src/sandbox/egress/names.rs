//! From names to addresses. A trait, so that a test can say what a name means, and change its mind.

use futures_util::future::BoxFuture;
use std::io;
use std::net::IpAddr;

/// Resolves names. Asked once for each request; the answer is what is checked and connected to.
pub trait Names: Send + Sync {
    /// The addresses of a host's name. Dropping the future must be safe.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the system.
pub(super) struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // The port is not looked up, only carried.
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
