//! Asks a URL for keys: one connection, one answer, all of it bounded. No redirect is followed: whoever configured the place meant it.

use super::source::KEYS_LEN_MAX;
use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longest time for the whole of it: somebody waits for it to come in.
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;

/// A URL that can be asked.
pub(super) struct Place {
    uri: Uri,
    host: String,
    port: u16,
    /// None: in the clear, on this machine.
    tls: Option<TlsConnector>,
}

/// Both sides of it are used as one.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Whether `uri` may be asked for keys: over https, or over http on this machine, where nobody can put others in their place.
///
/// # Errors
/// Why not, as a fragment.
pub fn check(uri: &Uri) -> Result<(), String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match uri.scheme_str() {
        _ if host.is_empty() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err("it has no host, or says who asks".to_owned())
        }
        Some("https") => Ok(()),
        Some("http") if here => Ok(()),
        Some("http") => Err("over http others could put their keys in the place of the provider's: write https".to_owned()),
        Some(_) | None => Err("its scheme is neither https nor http".to_owned()),
    }
}

impl Place {
    pub(super) fn read(uri: &Uri, authority: Option<&Path>) -> Result<Self, String> {
        check(uri)?;
        let (port, tls) = match uri.scheme_str() {
            Some("https") => (443, Some(encryption(authority)?)),
            Some(_) | None => (80, None),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Ok(Self { port: uri.port_u16().unwrap_or(port), uri: uri.clone(), host, tls })
    }

    /// What stands there.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, String> {
        let late = |_| format!("no answer within {} s", FETCH_TIME_MAX.as_secs());
        timeout(FETCH_TIME_MAX, self.ask()).await.map_err(late)?.map_err(|error| error.to_string())
    }

    async fn ask(&self) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let plain = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(plain),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(self.host.clone())?, plain).await?),
        };
        let (mut sender, connection) = Builder::new().max_headers(HEADERS_MAX).handshake(TokioIo::new(stream)).await?;
        // Ends with the answer, since nobody asks for more.
        tokio::spawn(connection);
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path)
            .header(HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(USER_AGENT, concat!("amends/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/jwk-set+json, application/json");
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}", response.status()).into());
        }
        Ok(Limited::new(response.into_body(), KEYS_LEN_MAX).collect().await?.to_bytes().to_vec())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("uri", &self.uri).finish_non_exhaustive()
    }
}

fn encryption(authority: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = authority {
        let refused = |what: String| format!("{}: {what}", path.display());
        let read = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
        for certificate in read {
            roots.add(certificate.map_err(|error| refused(error.to_string()))?).map_err(|error| refused(error.to_string()))?;
        }
    }
    // Named here: the process has no default that another crate could change.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let of = |text: &str| check(&text.parse().expect("a URI"));
        for good in ["https://id.example.com/jwks", "http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://localhost/keys"] {
            assert_eq!(of(good), Ok(()), "{good}");
        }
        for bad in [
            "http://id.example.com/jwks",
            "ftp://localhost/keys",
            "/keys",
            "https://a:b@id.example.com/keys",
            "http://10.0.0.1/keys",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
