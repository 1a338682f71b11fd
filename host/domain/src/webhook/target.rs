//! The URL of a webhook, read once and in one way: what is checked when it is set is what is sent to.

use crate::capability::{Destination, Host, HostError, Scheme};
use crate::event::{HostGrant, Reach, Transport};
use std::net::IpAddr;

/// Longest URL of a webhook in bytes.
pub const URL_LEN_MAX: usize = 2048;

/// Where a webhook sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    destination: Destination,
    /// Path and query as a request has them.
    path: String,
    reach: Reach,
}

/// Why a URL is none that events are sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: write a URL such as https://example.com/hooks/amends")]
pub struct TargetError {
    what: String,
}

impl Target {
    /// Over TLS, or to this machine, where there is nobody to listen. Whether the name leads where something may be sent is for whoever sends.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong with it.
    pub fn read(url: &str) -> Result<Self, TargetError> {
        let wrong = |what: String| TargetError { what };
        if url.len() > URL_LEN_MAX || !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            let what = format!("the URL has more than {URL_LEN_MAX} bytes, a fragment, spaces or characters that are not ASCII");
            return Err(wrong(what));
        }
        let (scheme, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (Scheme::Https, rest),
            (None, Some(rest)) => (Scheme::Http, rest),
            (None, None) => return Err(wrong("the URL does not begin with https://".to_owned())),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let destination = Destination::read(scheme, authority).map_err(|error: HostError| wrong(error.to_string()))?;
        let reach = match destination.host() {
            Host::Address(address) if address.is_loopback() => Reach::Loopback,
            Host::Address(_) | Host::Name(_) => Reach::Public,
        };
        match (scheme, reach) {
            (Scheme::Https, _) | (Scheme::Http, Reach::Loopback) => {}
            (Scheme::Http, Reach::Public) => return Err(wrong("the URL goes over http, which others can read".to_owned())),
        }
        // An address on a network of its own never answers: said now, and not by deliveries that fail for days.
        if let Host::Address(address) = destination.host()
            && !crate::capability::is_reachable(*address, reach)
        {
            return Err(wrong(format!("the address {} is not public, and nothing is sent there", shown(*address))));
        }
        // Of the path what RFC 3986 §3.3 and §3.4 allow: what is more would be read in several ways.
        if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)) {
            return Err(wrong("the path of the URL has characters that have to be written with `%`".to_owned()));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { destination, path, reach })
    }

    /// Where to.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Path and query, as a request has them.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which addresses the host may have. This machine's own only where the URL is such an address: a name that leads there is refused, and
    /// who may write such an address is decided when it is written.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The same as a grant: what is sent to a webhook is held to what requests of plugins are held to.
    pub fn grant(&self) -> HostGrant {
        let transport = match self.destination.scheme() {
            Scheme::Https => Transport::Tls,
            Scheme::Http => Transport::Any,
        };
        HostGrant {
            host: self.destination.host().to_string(),
            port: Some(self.destination.port()),
            methods: vec!["POST".to_owned()],
            transport,
            reach: self.reach,
        }
    }
}

fn shown(address: IpAddr) -> String {
    Host::Address(address).to_string()
}
