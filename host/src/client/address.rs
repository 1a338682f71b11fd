//! Where a server is, and connections to it. One connection for each question: a command asks few, and none can be told what was another's.

use super::ClientError;
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long it may take to be connected, encryption included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;

/// Who vouches for servers: those whom browsers believe, and whom the user names besides.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads certificates from a PEM file.
    ///
    /// # Errors
    /// [`ClientError::Authority`] if there are none.
    pub fn read(path: &Path) -> Result<Self, ClientError> {
        let refused = |what: String| ClientError::Authority { path: path.to_owned(), what };
        let read = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
        let found = read.collect::<Result<Vec<_>, _>>().map_err(|error| refused(error.to_string()))?;
        if found.is_empty() { Err(refused("it has no certificate".to_owned())) } else { Ok(Self(found)) }
    }
}

/// The address of a server.
pub(super) struct Address {
    url: String,
    authority: String,
    host: String,
    port: u16,
    /// What stands before every path, without a slash at its end.
    prefix: String,
    /// None: in the clear.
    tls: Option<TlsConnector>,
}

pub(super) type Sent = Full<Bytes>;

/// Both sides of it are used as one.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where requests go in, and what moves the bytes.
pub(super) type Connected = ConnectedOver<Box<dyn Duplex>>;
/// The same over a stream of any kind.
pub(super) type ConnectedOver<T> = (SendRequest<Sent>, Connection<TokioIo<T>, Sent>);

impl Address {
    pub(super) fn read(url: &str, authorities: &Authorities) -> Result<Self, ClientError> {
        let refused = |what: &str| ClientError::Url { url: url.to_owned(), what: what.to_owned() };
        let uri: Uri = url.parse().map_err(|_| refused("it cannot be read"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("it has no scheme or no host"));
        };
        if authority.as_str().contains('@') {
            return Err(refused("a token does not belong into it"));
        }
        if uri.query().is_some() {
            return Err(refused("it has a query"));
        }
        let (port, tls) = match scheme {
            "http" => (80, None),
            "https" => (443, Some(encryption(authorities)?)),
            _ => return Err(refused("its scheme is neither http nor https")),
        };
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authority: authority.to_string(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(super) fn is_in_the_clear(&self) -> bool {
        let here = self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        self.tls.is_none() && !here
    }

    pub(super) async fn connect(&self) -> Result<Connected, ClientError> {
        let unreachable = |what: String| ClientError::Unreachable { url: self.url.clone(), what };
        match timeout(CONNECT_MAX, self.connect_at_all()).await {
            Ok(connected) => connected.map_err(|error| unreachable(error.to_string())),
            Err(_) => Err(unreachable(late())),
        }
    }

    async fn connect_at_all(&self) -> io::Result<Connected> {
        spoken(self.stream_at_all().await?).await
    }

    /// A connection on which nothing was said yet.
    pub(super) async fn stream(&self) -> Result<Box<dyn Duplex>, ClientError> {
        let unreachable = |what: String| ClientError::Unreachable { url: self.url.clone(), what };
        match timeout(CONNECT_MAX, self.stream_at_all()).await {
            Ok(connected) => connected.map_err(|error| unreachable(error.to_string())),
            Err(_) => Err(unreachable(late())),
        }
    }

    /// Makes a connection one of HTTP.
    pub(super) async fn handshake<T: Duplex + 'static>(&self, stream: T) -> Result<ConnectedOver<T>, ClientError> {
        let unreachable = |error: io::Error| ClientError::Unreachable { url: self.url.clone(), what: error.to_string() };
        spoken(stream).await.map_err(unreachable)
    }

    async fn stream_at_all(&self) -> io::Result<Box<dyn Duplex>> {
        let plain = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // A question is written in few pieces; each should leave at once.
        plain.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(plain),
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
                Box::new(tls.connect(name, plain).await.map_err(remedied)?)
            }
        })
    }
}

async fn spoken<T: Duplex + 'static>(stream: T) -> io::Result<ConnectedOver<T>> {
    let mut http = Builder::new();
    http.max_headers(HEADERS_MAX);
    http.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)
}

fn late() -> String {
    format!("no connection within {} s", CONNECT_MAX.as_secs())
}

/// What helps against the mistake that is made most often.
fn remedied(error: io::Error) -> io::Error {
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let is_unknown = error.get_ref().and_then(|inner| inner.downcast_ref()).is_some_and(|inner: &rustls::Error| *inner == unknown);
    if is_unknown {
        io::Error::other("nobody who is believed vouches for its certificate: --ca-file names who does")
    } else {
        error
    }
}

fn encryption(Authorities(authorities): &Authorities) -> Result<TlsConnector, ClientError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for authority in authorities {
        roots.add(authority.clone()).map_err(ClientError::Tls)?;
    }
    // Named here: the process has no default that another crate could change.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(ClientError::Tls)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A text as one segment of a path, or one value of a query: all but what is unreserved (RFC 3986 §2.3) is written with percent signs.
pub fn segment(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => written.push(char::from(byte)),
            byte => write!(written, "%{byte:02X}").expect("a string takes all"),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_a_host_and_what_stands_before_every_path() {
        let read = |url: &str| Address::read(url, &Authorities::default()).map_err(|error| error.to_string());
        let here = read("http://127.0.0.1:7878/").expect("it is one");
        assert_eq!((here.path("/v1"), here.port, here.is_in_the_clear()), ("/v1".to_owned(), 7878, false));
        let behind = read("https://amends.example.com/saga").expect("it is one");
        assert_eq!((behind.path("/v1"), behind.port, behind.is_in_the_clear()), ("/saga/v1".to_owned(), 443, false));
        let six = read("http://[::1]:80").expect("it is one");
        assert_eq!((six.host.as_str(), six.is_in_the_clear()), ("::1", false));
        assert!(read("http://10.0.0.7").expect("it is one").is_in_the_clear());
        for (bad, says) in [
            ("127.0.0.1:7878", "no scheme"),
            ("ftp://a", "neither http nor https"),
            ("http://amt_x@a", "a token does not belong"),
            ("http://a?b=c", "a query"),
            ("http://a b", "cannot be read"),
        ] {
            let error = read(bad).err().expect("it is none");
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn what_has_a_meaning_in_urls_is_written_with_percent_signs() {
        assert_eq!(segment("stock/BOOK 1&ä=?~"), "stock%2FBOOK%201%26%C3%A4%3D%3F~");
    }
}
