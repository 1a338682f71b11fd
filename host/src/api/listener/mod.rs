//! What requests come through: connections, with a bound for everything that a client could take its time with or take too much of. Apart from
//! what is asked, which never sees a connection.
//!
//! HTTP/1.1 and HTTP/2, in the clear or over TLS: which of them a client speaks is seen by how it begins. A connection has so long to shake hands
//! and to send a head, also the next one; so long until what is written is taken; there are so many, and so many from one address.

mod patient;
mod places;
mod streams;
mod tls;

pub use tls::{Tls, TlsError};

use axum::Router;
use bytes::{Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use patient::Patient;
use places::{Place, Places, Refused};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use streams::Streams;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Longest time for the head of a request, from when the connection could have one. So it is the longest that a connection is idle, too.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time for the handshake of TLS.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time in which a client takes nothing of what is written.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest head of a request, bytes.
const HEAD_LEN_MAX: usize = 32 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// What a connection buffers, bytes; of HTTP/2 each request as much as that.
const BUFFER_LEN_MAX: usize = 64 * 1024;
/// How a client of HTTP/2 begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most requests at a time of one connection of HTTP/2. Each takes a place as a connection does.
const STREAMS_MAX: u32 = 64;
/// Most bytes that a connection of HTTP/2 sends before somebody reads them, of all its bodies together, and of one.
const WINDOW_LEN: u32 = 1024 * 1024;
const STREAM_WINDOW_LEN: u32 = 256 * 1024;
/// Most requests that were taken back before they were looked at, and most that we broke off: more are a flood, and end the connection.
const RESETS_MAX: usize = 20;
const BROKEN_OFF_MAX: usize = 128;
/// How often a connection of HTTP/2 is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long nothing is accepted where the process has no more files.
const NO_FILES_PAUSE: Duration = Duration::from_millis(50);
/// What a connection is told that has no place. Written as it is, so that it costs no task.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n";

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// In all.
    pub max: usize,
    /// From one address.
    pub of_one_max: usize,
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A place where connections come in.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    tls: Option<Tls>,
    connections: Connections,
}

impl Listening {
    /// Listens at `address`; with `tls` over TLS only.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn at(address: SocketAddr, tls: Option<Tls>, connections: Connections) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ListenError::Address { address, source })?;
        Ok(Self { listener, tls, connections })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers what comes with `router` until `stop`; then takes nothing new, and waits until what was asked is answered.
    ///
    /// Dropping the future stops accepting; connections that there are end when they are over.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let places = Places::new(self.connections);
        // Whoever holds a receiver is a connection that is not over.
        let (ending, ends) = watch::channel(());
        let tls = self.tls.map(Arc::new);
        let renewing = async {
            match &tls {
                Some(tls) => tls.renew().await,
                None => std::future::pending().await,
            }
        };
        let accepting = async {
            loop {
                let (stream, peer) = accept(&self.listener).await;
                match places.take(peer.ip()) {
                    Ok(place) => {
                        let (places, address) = (places.clone(), peer.ip());
                        let (router, tls, ends) = (router.clone(), tls.clone(), ends.clone());
                        let connection = Connection { router, tls, ends, places, address, _place: place };
                        tokio::spawn(connection.serve(stream));
                    }
                    Err(refused) => refuse(&stream, refused),
                }
            }
        };
        tokio::select! {
            never = accepting => match never {},
            never = renewing => match never {},
            () = stop => {}
        }
        drop((self.listener, ends));
        let _ = ending.send(());
        ending.closed().await;
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client went away before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(NO_FILES_PAUSE).await;
            }
        }
    }
}

/// Says that there is no place, as far as that can be said without waiting. A client of TLS reads that as a connection that broke off.
fn refuse(stream: &TcpStream, refused: Refused) {
    tracing::debug!(?refused, "a connection has no place");
    let _ = stream.try_write(NO_PLACE);
}

/// A connection.
struct Connection {
    router: Router,
    tls: Option<Arc<Tls>>,
    ends: watch::Receiver<()>,
    places: Places,
    address: IpAddr,
    _place: Place,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Answers are short and wait for nothing: to hold them back for more of them costs each client 40 ms.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.answer(stream).await };
        match timeout(HANDSHAKE_TIME_MAX, tls.accept(stream)).await {
            Ok(Ok(mut stream)) => {
                self.answer(&mut stream).await;
                // Without its farewell a client cannot tell an end from a cut.
                let _ = timeout(HANDSHAKE_TIME_MAX, stream.shutdown()).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        }
    }

    async fn answer(self, mut stream: impl AsyncRead + AsyncWrite + Send + Unpin) {
        let Ok(Ok(begun)) = timeout(HEAD_TIME_MAX, beginning(&mut stream)).await else {
            return tracing::debug!("a connection said nothing in time");
        };
        let is_http2 = begun == PREFACE;
        let stream = TokioIo::new(Patient::new(stream, begun, WRITE_TIME_MAX));
        if is_http2 { self.answer_http2(stream).await } else { self.answer_http1(stream).await }
    }

    async fn answer_http1(self, stream: TokioIo<Patient<impl AsyncRead + AsyncWrite + Unpin>>) {
        let Self { router, mut ends, .. } = self;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_headers(HEADERS_MAX).max_buf_size(BUFFER_LEN_MAX);
        http.max_header_size(HEAD_LEN_MAX).half_close(false).keep_alive(true);
        let mut connection = pin!(http.serve_connection(stream, TowerToHyperService::new(router)));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = ends.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    /// Ends it when it is idle for as long as one of HTTP/1.1 may be, and gives it up when a client leaves what is there for it: what it reads of
    /// the connection says nothing of what it reads of one answer.
    async fn answer_http2(self, stream: TokioIo<Patient<impl AsyncRead + AsyncWrite + Send + Unpin>>) {
        let Self { router, mut ends, places, address, .. } = self;
        let streams = Streams::new(router, places, address, HEADERS_MAX);
        let mut connection = pin!(http2().serve_connection(stream, streams.clone()));
        let asked = async {
            loop {
                match timeout(LOOK_EVERY, ends.changed()).await {
                    Ok(_) => return,
                    Err(_) if streams.idle().is_some_and(|idle| idle >= HEAD_TIME_MAX) => return,
                    Err(_) if streams.stands_still() >= WRITE_TIME_MAX => return,
                    Err(_) => {}
                }
            }
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = asked => {
                connection.as_mut().graceful_shutdown();
                let given_up = async {
                    while streams.idle().is_none_or(|idle| idle < HEAD_TIME_MAX) && streams.stands_still() < WRITE_TIME_MAX {
                        sleep(LOOK_EVERY).await;
                    }
                };
                tokio::select! {
                    ended = connection => ended,
                    () = given_up => return tracing::debug!("a client takes nothing of what is there for it"),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    http.max_header_list_size(u32::try_from(HEAD_LEN_MAX).unwrap_or(u32::MAX)).max_send_buf_size(BUFFER_LEN_MAX);
    http.initial_connection_window_size(WINDOW_LEN).initial_stream_window_size(STREAM_WINDOW_LEN).adaptive_window(false);
    http.max_pending_accept_reset_streams(RESETS_MAX).max_local_error_reset_streams(BROKEN_OFF_MAX);
    // Whoever is gone without a word does not answer.
    http.keep_alive_interval(HEAD_TIME_MAX).keep_alive_timeout(HEAD_TIME_MAX);
    http
}

/// What a client begins with: as much of it as tells which HTTP it speaks.
async fn beginning(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut begun = BytesMut::with_capacity(PREFACE.len());
    while begun.len() < PREFACE.len() && PREFACE.starts_with(&begun) {
        let mut rest = (&mut *stream).take((PREFACE.len() - begun.len()) as u64);
        if rest.read_buf(&mut begun).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(begun.freeze())
}
