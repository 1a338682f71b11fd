//! Where a plugin may send requests: how a grant is written, what a request asks for, and whether the one covers the other. Pure: names are
//! resolved elsewhere, and what they resolve to is judged by [`is_reachable`].

mod address;
mod destination;

pub use address::is_reachable;
pub use destination::{Destination, Host, HostError, Scheme};

use crate::event::{HostGrant, Reach, Transport};
use std::net::IpAddr;

/// Most grants of one plugin.
pub const GRANTS_MAX: usize = 64;
/// Most methods of one grant.
const METHODS_MAX: usize = 16;
/// Longest method, bytes.
const METHOD_LEN_MAX: usize = 32;
/// Methods that a grant has to name: one turns the other side into a proxy, the other echoes what the host added.
const NAMED_ONLY: [&str; 2] = ["CONNECT", "TRACE"];

/// Why a grant is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// An open label without enough of a name behind it: it would cover what nobody owns alone.
    #[error("`{0}` covers too much: behind `*.` at least two labels are needed, such as *.example.com")]
    TooWide(String),
    /// The port.
    #[error("port `{0}` is not a number from 1 to 65535")]
    Port(String),
    /// A method.
    #[error("`{0}` is not a method: write capital letters, such as POST")]
    Method(String),
    /// `CONNECT`.
    #[error("CONNECT is never granted: it would make the host a proxy")]
    Connect,
    /// Too many.
    #[error("{found} methods, the limit is {limit}")]
    Methods {
        /// How many.
        found: usize,
        /// Most.
        limit: usize,
    },
}

/// What one grant covers, and whether it covers a request.
impl HostGrant {
    /// A grant of `place`, which is `HOST` or `HOST:PORT`.
    ///
    /// # Errors
    /// [`GrantError`] says what is wrong with it.
    pub fn read(place: &str, methods: &[String], transport: Transport, reach: Reach) -> Result<Self, GrantError> {
        let (host, port) = destination::split(place)?;
        let host = pattern(host)?;
        let port = port.map(|port| destination::port(port).ok_or_else(|| GrantError::Port(port.to_owned()))).transpose()?;
        if methods.len() > METHODS_MAX {
            return Err(GrantError::Methods { found: methods.len(), limit: METHODS_MAX });
        }
        let mut methods = methods.iter().map(|method| checked_method(method)).collect::<Result<Vec<_>, _>>()?;
        methods.sort_unstable();
        methods.dedup();
        Ok(Self { host, port, methods, transport, reach })
    }

    /// Whether another grant is for the same place: then the newer one replaces it.
    pub fn same_place(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }

    /// `HOST` or `HOST:PORT`, as it is written.
    pub fn place(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    fn covers_place(&self, to: &Destination) -> bool {
        let port = self.port.unwrap_or_else(|| to.scheme().port());
        let scheme = match (to.scheme(), self.transport) {
            (Scheme::Https, Transport::Tls | Transport::Any) | (Scheme::Http, Transport::Any) => true,
            (Scheme::Http, Transport::Tls) => false,
        };
        scheme && port == to.port() && covers_host(&self.host, to.host())
    }

    fn covers_method(&self, method: &str) -> bool {
        if self.methods.is_empty() { !NAMED_ONLY.contains(&method) } else { self.methods.iter().any(|granted| granted == method) }
    }
}

/// The grant that covers a request; a refusal says which part of the request none does.
///
/// # Errors
/// [`Denial`] for the log of the attempt.
pub fn grant_for<'a>(grants: &'a [HostGrant], method: &str, to: &Destination) -> Result<&'a HostGrant, Denial> {
    let mut places = grants.iter().filter(|grant| grant.covers_place(to)).peekable();
    if places.peek().is_none() {
        return Err(Denial::Place(to.to_string()));
    }
    places.find(|grant| grant.covers_method(method)).ok_or_else(|| Denial::Method { method: method.to_owned(), to: to.to_string() })
}

/// Why no grant covers a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Not there.
    #[error("{0} is not granted to this plugin: amends plugin grant")]
    Place(String),
    /// There, but not so.
    #[error("the grant for {to} does not have the method {method}: amends plugin grant")]
    Method {
        /// What was asked.
        method: String,
        /// Where.
        to: String,
    },
    /// The name is granted, but not where it leads.
    #[error("{to} has the address {address}, which is not public: requests to it are refused")]
    Address {
        /// What was asked.
        to: String,
        /// Where it leads.
        address: IpAddr,
    },
}

/// Those of `addresses` to which a request may be sent: all of them, or the name is refused. One that is private among public ones is a
/// name that changes its mind, and which of them would be used is chance.
///
/// # Errors
/// [`Denial::Address`] with the first that is not.
pub fn check_addresses(grant: &HostGrant, to: &Destination, addresses: &[IpAddr]) -> Result<(), Denial> {
    let refused = addresses.iter().find(|address| !is_reachable(**address, grant.reach));
    refused.map_or(Ok(()), |address| Err(Denial::Address { to: to.to_string(), address: *address }))
}

fn pattern(host: &str) -> Result<String, GrantError> {
    let Some(rest) = host.strip_prefix("*.") else { return Ok(Host::read(host)?.to_string()) };
    match Host::read(rest)? {
        Host::Name(name) if name.contains('.') => Ok(format!("*.{name}")),
        Host::Name(_) | Host::Address(_) => Err(GrantError::TooWide(host.to_owned())),
    }
}

fn covers_host(granted: &str, host: &Host) -> bool {
    match (granted.strip_prefix("*."), host) {
        (None, host) => granted == host.to_string(),
        (Some(rest), Host::Name(name)) => name.split_once('.').is_some_and(|(_, behind)| behind == rest),
        (Some(_), Host::Address(_)) => false,
    }
}

fn checked_method(method: &str) -> Result<String, GrantError> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    match method {
        "CONNECT" => Err(GrantError::Connect),
        _ if method.len() <= METHOD_LEN_MAX && method.split('-').all(is_word) => Ok(method.to_owned()),
        _ => Err(GrantError::Method(method.to_owned())),
    }
}

#[cfg(test)]
mod tests;
