//! TLS: a certificate and its key from files, read again when they change, so that a certificate is renewed without a stop.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(5);

/// A certificate and its key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    now: Mutex<Now>,
}

struct Now {
    /// What the files were.
    read: Files,
    config: Arc<ServerConfig>,
}

#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// The two do not fit.
    #[error("the certificate and its key: {0}")]
    Misfit(#[source] rustls::Error),
}

impl Tls {
    /// The certificates of one chain, the server's own first, and its key, both in PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = read(certificate, key)?;
        let config = Arc::new(config(&read, certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), now: Mutex::new(Now { read, config }) })
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner).config);
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Looks at the files now and then; connections that come after a change get the new certificate.
    pub(super) async fn renew(&self) -> Infallible {
        loop {
            sleep(PAUSE).await;
            match self.look() {
                Ok(Changed::No) => {}
                Ok(Changed::Yes) => tracing::info!(certificate = %self.certificate.display(), "the certificate was renewed"),
                // Half of it may be written by now: the next look finds the other half.
                Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
            }
        }
    }

    fn look(&self) -> Result<Changed, TlsError> {
        let read = read(&self.certificate, &self.key)?;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.read == read {
            return Ok(Changed::No);
        }
        let config = Arc::new(config(&read, &self.certificate, &self.key)?);
        *now = Now { read, config };
        Ok(Changed::Yes)
    }
}

enum Changed {
    Yes,
    No,
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Files, TlsError> {
    let read = |path: &Path| std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source });
    Ok(Files { certificate: read(certificate)?, key: read(key)? })
}

fn config(files: &Files, certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let malformed = |path: &Path, what: String| TlsError::Malformed { path: path.to_owned(), what };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files.certificate).collect();
    let chain = chain.map_err(|error| malformed(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(malformed(certificate, "it has no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| malformed(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(TlsError::Misfit)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Misfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
