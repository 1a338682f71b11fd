//! One connection of the load: a request goes in, an answer or the reason why there is none comes out. Apart from who asks when.

use super::super::address::{Address, Authorities, Duplex};
use super::super::{ANSWER_LEN_MAX, ClientError};
use super::crowd::Heard;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// Longer than a server lets anybody wait.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where requests go.
pub struct Target {
    address: Address,
    host: HeaderValue,
}

/// A request that is sent again and again.
pub type Shape = Request<Full<Bytes>>;

impl Target {
    /// The server at `url`, which is not asked anything yet.
    ///
    /// # Errors
    /// [`ClientError`] if this cannot be a URL.
    pub fn new(url: &str, authorities: &Authorities) -> Result<Self, ClientError> {
        let address = Address::read(url, authorities)?;
        let host = HeaderValue::from_str(address.authority()).map_err(|error| ClientError::Unfit(error.to_string()))?;
        Ok(Self { address, host })
    }

    /// A request with JSON to `path`, which begins with a slash.
    ///
    /// # Errors
    /// [`ClientError::Unfit`] if this cannot be sent.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Shape, ClientError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.address.path(path))
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            let unfit = |error: String| ClientError::Unfit(error);
            let name: HeaderName = name.parse().map_err(|_| unfit(format!("`{name}` names no header")))?;
            let value = HeaderValue::from_str(value).map_err(|error| unfit(error.to_string()))?;
            request = request.header(name, value);
        }
        request.body(Full::new(body.into())).map_err(|error| ClientError::Unfit(error.to_string()))
    }
}

/// A connection that is kept, and made again when it is gone.
pub(super) struct Wire<'a> {
    target: &'a Target,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// Bytes that came in so far.
    arrived: Arc<AtomicU64>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self { target, open: None }
    }

    /// Asks and waits for the answer. A connection that failed is not used again.
    pub(super) async fn ask(&mut self, shape: Shape) -> Heard {
        let heard = match timeout(PATIENCE, self.exchange(shape)).await {
            Ok(heard) => heard,
            Err(_) => Heard::Nothing(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if !matches!(heard, Heard::Answer { .. }) {
            self.open = None;
        }
        heard
    }

    async fn exchange(&mut self, shape: Shape) -> Heard {
        let open = match self.opened().await {
            Ok(open) => open,
            Err(error) => return Heard::Nothing(error.to_string()),
        };
        let before = open.arrived.load(Ordering::Relaxed);
        match answer(&mut open.sender, shape).await {
            Ok(heard) => heard,
            Err(what) if open.arrived.load(Ordering::Relaxed) == before => Heard::Nothing(what),
            Err(what) => Heard::Broken(what),
        }
    }

    async fn opened(&mut self) -> Result<&mut Open, ClientError> {
        let is_good = match &mut self.open {
            // A server may have closed it while nothing was asked.
            Some(open) => open.sender.ready().await.is_ok(),
            None => false,
        };
        if !is_good {
            self.open = Some(connect(&self.target.address).await?);
        }
        Ok(self.open.as_mut().expect("it was made above"))
    }
}

async fn connect(address: &Address) -> Result<Open, ClientError> {
    let arrived = Arc::new(AtomicU64::new(0));
    let counted = Counted { stream: address.stream().await?, arrived: Arc::clone(&arrived) };
    let (sender, connection) = address.handshake(counted).await?;
    // Ends with the sender.
    tokio::spawn(connection);
    Ok(Open { sender, arrived })
}

async fn answer(sender: &mut SendRequest<Full<Bytes>>, shape: Shape) -> Result<Heard, String> {
    let response = sender.send_request(shape).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok(Heard::Answer { status, body: body.to_bytes() })
}

/// A stream whose incoming bytes are counted: an answer that never began is told from one that broke off.
struct Counted {
    stream: Box<dyn Duplex>,
    arrived: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.arrived.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
