//! Connections to what was granted. One for each request: what a connection of an earlier attempt was told must not reach a later one.

use super::limits::{ADDRESSES_MAX, ANSWER_BUFFER_LEN_MAX, CONNECT_MAX, HEADERS_MAX};
use super::names::{Names, SystemNames};
use super::{EgressSettings, Traces};
use amends_domain::capability::{Denial, Destination, Host, Scheme, check_addresses};
use amends_domain::event::HostGrant;
use http_body::Body;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connects.
pub(in crate::sandbox) struct Client {
    names: Arc<dyn Names>,
    tls: TlsConnector,
    pub(super) traces: Traces,
}

/// Why there is no connection. Nothing of the request has left.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("the name cannot be resolved: {0}")]
    Name(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("cannot connect: {0}")]
    Refused(#[source] io::Error),
    #[error("no secure connection: {0}")]
    Tls(#[source] io::Error),
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    #[error("no connection: {0}")]
    Http(#[source] hyper::Error),
}

/// Both sides of it are used as one.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A body that can be sent.
pub(super) trait Sendable: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static {}

impl<B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static> Sendable for B {}

/// A connection: where requests go in, and what moves the bytes.
pub(super) type Connected<B> = (SendRequest<B>, Connection<TokioIo<Box<dyn Stream>>, B>);

impl Client {
    /// Knows nobody yet.
    ///
    /// # Errors
    /// If a certificate of the settings is none.
    pub(in crate::sandbox) fn new(settings: EgressSettings) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for authority in settings.authorities {
            roots.add(CertificateDer::from(authority.to_vec()))?;
        }
        // Named here: the process has no default that another crate could change.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let names = settings.names.unwrap_or_else(|| Arc::new(SystemNames));
        Ok(Self { names, tls: TlsConnector::from(Arc::new(config)), traces: settings.traces })
    }

    /// Connects to where `grant` allows. `within` is cut to [`CONNECT_MAX`].
    pub(super) async fn connect<B: Sendable>(
        &self,
        grant: &HostGrant,
        to: &Destination,
        within: Duration,
    ) -> Result<Connected<B>, ConnectError> {
        let within = within.min(CONNECT_MAX);
        let connected = tokio::time::timeout(within, self.connect_at_all(grant, to)).await;
        connected.map_err(|_| ConnectError::TimedOut(within))?
    }

    async fn connect_at_all<B: Sendable>(&self, grant: &HostGrant, to: &Destination) -> Result<Connected<B>, ConnectError> {
        // Resolved once. What was checked is what is connected to, so that a name cannot mean something else the second time.
        let addresses = self.addresses(to.host()).await?;
        check_addresses(grant, to, &addresses)?;
        let plain = reach(&addresses, to.port()).await?;
        let stream: Box<dyn Stream> = match to.scheme() {
            Scheme::Http => Box::new(plain),
            Scheme::Https => Box::new(self.tls.connect(server_name(to.host()), plain).await.map_err(ConnectError::Tls)?),
        };
        let mut http = Builder::new();
        http.max_headers(HEADERS_MAX).max_buf_size(ANSWER_BUFFER_LEN_MAX);
        http.handshake(TokioIo::new(stream)).await.map_err(ConnectError::Http)
    }

    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, ConnectError> {
        let mut addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.names.addresses(name).await.map_err(ConnectError::Name)?,
        };
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() { Err(ConnectError::NoAddress) } else { Ok(addresses) }
    }
}

/// The first address that answers; if none does, what the last one said.
async fn reach(addresses: &[IpAddr], port: u16) -> Result<TcpStream, ConnectError> {
    let mut refused = ConnectError::NoAddress;
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                // A request is written in few pieces; each should leave at once.
                stream.set_nodelay(true).map_err(ConnectError::Refused)?;
                return Ok(stream);
            }
            Err(error) => refused = ConnectError::Refused(error),
        }
    }
    Err(refused)
}

/// What the certificate must be for.
fn server_name(host: &Host) -> ServerName<'static> {
    match host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.clone()).expect("a host's name is a name of the DNS"),
    }
}
