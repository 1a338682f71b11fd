//! Where a request goes, read from what a guest wrote. There is one way to write each host: forms that resolvers and browsers read in
//! several ways (decimal and octal addresses, a trailing dot, a user before an `@`) are refused and not guessed at.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name of a host, bytes (RFC 1035 §2.3.4, without the root).
const NAME_LEN_MAX: usize = 253;
/// Longest label of it.
const LABEL_LEN_MAX: usize = 63;

/// Why what was written is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not a name and not an address.
    #[error("`{0}` is not a host: write a name such as api.example.com, or an address such as 192.0.2.7 or [2001:db8::7]")]
    NotAHost(String),
    /// A user, or a user and a password.
    #[error("`{0}` names a user: a request has none there")]
    User(String),
    /// An address in a form that is read in several ways.
    #[error("`{0}` is an address in another form than four decimal numbers")]
    AddressForm(String),
    /// A port that is none.
    #[error("`{0}` has a port that is not a number from 1 to 65535")]
    Port(String),
}

/// The scheme of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Its own port.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name in small letters, at least one label, the last of which begins with a letter.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as a URL has it, without a port.
    ///
    /// # Errors
    /// [`HostError`] says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self::Address(address.into())).ok_or_else(|| HostError::NotAHost(text.to_owned()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = text.to_ascii_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        if name.len() > NAME_LEN_MAX || !labels.iter().all(|label| is_label(label)) {
            return Err(HostError::NotAHost(text.to_owned()));
        }
        // No top-level domain begins with a digit (RFC 3696 §2), but `0x7f.1`, `017700000001` and `2130706433` do: `inet_aton` takes them
        // for addresses.
        if labels.last().is_some_and(|label| label.starts_with(|first: char| first.is_ascii_digit())) {
            return Err(HostError::AddressForm(text.to_owned()));
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl Destination {
    /// Reads the authority of a URL, `HOST` or `HOST:PORT`.
    ///
    /// # Errors
    /// [`HostError`] says what is wrong with it.
    pub fn read(scheme: Scheme, authority: &str) -> Result<Self, HostError> {
        let (host, port_text) = split(authority)?;
        let port = match port_text {
            None => scheme.port(),
            Some(text) => port(text).ok_or_else(|| HostError::Port(authority.to_owned()))?,
        };
        Ok(Self { scheme, host: Host::read(host)?, port })
    }

    /// How it travels.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// To whom.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// To which port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.word(), self.host, self.port)
    }
}

/// Host and port of an authority. The colons of an address in brackets are its own.
pub(super) fn split(authority: &str) -> Result<(&str, Option<&str>), HostError> {
    if authority.contains('@') {
        return Err(HostError::User(authority.to_owned()));
    }
    let host_end = if authority.starts_with('[') { authority.find(']').map_or(authority.len(), |end| end + 1) } else { 0 };
    match authority[host_end..].split_once(':') {
        Some((before, port)) => Ok((&authority[..host_end + before.len()], Some(port))),
        None => Ok((authority, None)),
    }
}

/// A port, as decimal digits without a zero in front.
pub(super) fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

/// Letters, digits, hyphens inside, and underscores, which some services have in their names.
fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    plain && (1..=LABEL_LEN_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}
