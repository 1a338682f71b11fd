//! Sends spans to a collector: OTLP over HTTP, in JSON. Over plain HTTP, because a collector belongs on this machine or on a network of one's own.

use amends_domain::id::TenantId;
use amends_domain::trace::{Attribute, Span, TraceId};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest time that one export takes.
const EXPORT_MAX: Duration = Duration::from_secs(10);
/// Longest answer of a collector that is read.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// Where spans are sent.
#[derive(Debug)]
pub struct Collector(Otlp);

/// Why there is no collector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place for traces: write http://HOST:PORT/v1/traces")]
pub struct NoCollector(pub String);

/// A run that came to an outcome.
#[derive(Debug)]
pub struct Traced {
    /// Whose.
    pub tenant: TenantId,
    /// Of which trace it is: its own, or the one that it was started in.
    pub trace: TraceId,
    /// All of it.
    pub spans: Vec<Span>,
}

/// A place for traces, if it is one.
///
/// # Errors
/// [`NoCollector`].
pub fn collector_uri(text: &str) -> Result<Uri, NoCollector> {
    let uri: Uri = text.parse().map_err(|_| NoCollector(text.to_owned()))?;
    let is_http = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
    if is_http && uri.path().len() > 1 { Ok(uri) } else { Err(NoCollector(text.to_owned())) }
}

impl Collector {
    /// The collector at `uri`; see [`collector_uri`]. Nothing is sent yet.
    ///
    /// # Errors
    /// [`NoCollector`].
    pub fn new(uri: &Uri) -> Result<Self, NoCollector> {
        let built = Otlp::builder()
            .with_http()
            .with_http_client(Plain)
            .with_endpoint(uri.to_string())
            .with_protocol(Protocol::HttpJson)
            .with_timeout(EXPORT_MAX)
            .build();
        let mut exporter = built.map_err(|_| NoCollector(uri.to_string()))?;
        let service = [KeyValue::new("service.name", "amends"), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
        exporter.set_resource(&Resource::builder_empty().with_attributes(service).build());
        Ok(Self(exporter))
    }

    /// Sends the traces of runs. Dropping the future leaves them sent or not.
    ///
    /// # Errors
    /// What the collector or the way to it says.
    pub async fn send(&self, runs: Vec<Traced>) -> Result<(), String> {
        let spans = runs.into_iter().flat_map(|run| {
            let (trace, tenant) = (run.trace, run.tenant);
            run.spans.into_iter().map(move |span| told(trace, &tenant, span))
        });
        let sent = timeout(EXPORT_MAX, self.0.export(spans.collect())).await;
        sent.map_err(|_| format!("no answer within {} s", EXPORT_MAX.as_secs()))?.map_err(|error| error.to_string())
    }
}

fn told(trace: TraceId, tenant: &TenantId, span: Span) -> SpanData {
    let (id, flags) = (SpanId::from_bytes(span.id.0), TraceFlags::SAMPLED);
    let trace = opentelemetry::trace::TraceId::from_bytes(trace.0);
    let attributes = span.attributes.into_iter().map(|(name, value)| match value {
        Attribute::Text(text) => KeyValue::new(name, text),
        Attribute::Number(number) => KeyValue::new(name, i64::try_from(number).unwrap_or(i64::MAX)),
    });
    SpanData {
        span_context: SpanContext::new(trace, id, flags, false, TraceState::NONE),
        parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.0)),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: span.name.into(),
        start_time: UNIX_EPOCH + Duration::from_millis(span.begun.0),
        end_time: UNIX_EPOCH + Duration::from_millis(span.ended.0),
        attributes: attributes.chain([KeyValue::new("amends.tenant", tenant.to_string())]).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: span.failure.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("amends").build(),
    }
}

/// Sends what the exporter makes, a connection for each: there are few.
#[derive(Debug)]
struct Plain;

impl HttpClient for Plain {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        send(request).boxed()
    }
}

fn send(request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
    async move {
        let (mut parts, body) = request.into_parts();
        let authority = parts.uri.authority().cloned().ok_or("the collector has no address")?;
        let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the answer, since nobody asks for more.
        tokio::spawn(connection);
        parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
        parts.uri = parts.uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
        let (head, body) = sender.send_request(Request::from_parts(parts, Full::new(body))).await?.into_parts();
        let body = Limited::new(body, ANSWER_LEN_MAX).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_for_traces_is_a_path_over_plain_http() {
        assert!(collector_uri("http://127.0.0.1:4318/v1/traces").is_ok_and(|uri| Collector::new(&uri).is_ok()));
        for bad in ["https://collector/v1/traces", "127.0.0.1:4318", "http:///v1/traces", "http://127.0.0.1:4318", "x y"] {
            assert_eq!(collector_uri(bad), Err(NoCollector(bad.to_owned())));
        }
    }
}
