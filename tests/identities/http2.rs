//! HTTP/2 at the real server: many requests over one connection, and the bounds of connections hold for it.

use harness::Server;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

type Sender = SendRequest<Full<bytes::Bytes>>;

/// Longer than a connection may be idle and an answer may lie there.
const LONG: Duration = Duration::from_mins(1);

async fn connect(address: SocketAddr) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
    (sender, tokio::spawn(connection))
}

fn request(method: &str, path: &str, token: &str, body: &str) -> Request<Full<bytes::Bytes>> {
    let request =
        Request::builder().method(method).uri(format!("http://test{path}")).header("Authorization", format!("Bearer {token}"));
    request.body(Full::new(bytes::Bytes::copy_from_slice(body.as_bytes()))).expect("a request")
}

async fn answer(sender: &mut Sender, request: Request<Full<bytes::Bytes>>) -> Response<Incoming> {
    sender.ready().await.expect("the connection is open");
    sender.send_request(request).await.expect("an answer")
}

async fn json_of(response: Response<Incoming>) -> Value {
    let body = response.into_body().collect().await.expect("an answer ends").to_bytes();
    serde_json::from_slice(&body).expect("it is JSON")
}

#[tokio::test]
async fn many_requests_go_over_one_connection_and_the_same_port_speaks_both() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    let token = server.operator_token().to_owned();
    let (mut sender, _connection) = connect(server.address()).await;
    let made = answer(&mut sender, request("POST", "/v1/tenants", &token, &json!({ "id": "acme" }).to_string())).await;
    assert_eq!((made.status(), made.version()), (StatusCode::CREATED, Version::HTTP_2));
    let asked = (0..200).map(|_| {
        let (mut sender, token) = (sender.clone(), token.clone());
        tokio::spawn(async move {
            let answered = answer(&mut sender, request("GET", "/v1/tenants/acme", &token, "")).await;
            assert!(answered.headers().contains_key("x-request-id"));
            json_of(answered).await["id"].clone()
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.expect("it is answered"), "acme");
    }
    let refused = answer(&mut sender, request("GET", "/v1/tenants", "amt_wrong", "")).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    // Nothing of HTTP/1.1 is lost.
    assert_eq!(server.stranger().get("/healthz").status, 200);
    server.stop();
}

#[tokio::test]
async fn a_request_takes_a_place_as_a_connection_does_and_a_large_head_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start_with(folder.path(), [("AMENDS_CONNECTIONS_OF_ONE_MAX", "8")]);
    let token = server.operator_token().to_owned();
    server.client(&token).post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
    let (mut sender, _connection) = connect(server.address()).await;
    // A stream holds its place for as long as it is followed.
    let mut followed = Vec::new();
    let refused = loop {
        assert!(followed.len() < 20, "there are so many places");
        let mut follow = request("GET", "/v1/tenants/acme/events", &token, "");
        follow.headers_mut().insert("accept", "text/event-stream".parse().expect("a value"));
        let answered = answer(&mut sender, follow).await;
        if answered.status() != StatusCode::OK {
            break answered;
        }
        followed.push(answered);
    };
    assert_eq!((refused.status(), followed.len()), (StatusCode::SERVICE_UNAVAILABLE, 7), "with its connection there are eight");
    assert!(refused.headers().contains_key("retry-after"));
    drop(followed);
    let begun = Instant::now();
    while answer(&mut sender, request("GET", "/healthz", &token, "")).await.status() != StatusCode::OK {
        assert!(begun.elapsed() < LONG, "places are given back");
    }
    let mut many = request("GET", "/healthz", &token, "");
    for n in 0..150 {
        many.headers_mut().insert(
            hyper::header::HeaderName::from_bytes(format!("x-{n}").as_bytes()).expect("a name"),
            "1".parse().expect("a value"),
        );
    }
    assert_eq!(answer(&mut sender, many).await.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let mut large = request("GET", "/healthz", &token, "");
    large.headers_mut().insert("x-large", "b".repeat(40_000).parse().expect("a value"));
    sender.ready().await.expect("the connection is open");
    let told = sender.send_request(large).await;
    assert!(told.is_err() || told.is_ok_and(|told| told.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    server.kill();
}

#[tokio::test]
async fn a_connection_is_ended_that_is_idle_or_says_nothing_and_others_are_answered_meanwhile() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    let (mut sender, connection) = connect(server.address()).await;
    assert_eq!(answer(&mut sender, request("GET", "/healthz", "", "")).await.status(), StatusCode::OK);
    // Half of how a client of HTTP/2 begins, and a whole beginning with nothing behind it.
    let mut half = std::net::TcpStream::connect(server.address()).expect("it listens");
    half.write_all(b"PRI * HTTP/2.0\r\n").expect("it reads");
    let begun = Instant::now();
    let ended = tokio::time::timeout(LONG, connection).await.expect("it is ended");
    assert!(begun.elapsed() >= Duration::from_secs(9), "it gets its time");
    // A client that has just answered a ping may find the other side closed already.
    let _ = ended.expect("nothing panics");
    half.set_read_timeout(Some(LONG)).expect("a socket has this");
    let _ = half.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() < LONG);
    assert_eq!(server.stranger().get("/healthz").status, 200);
    server.stop();
}

#[tokio::test]
async fn over_tls_a_client_is_offered_http_2() {
    let folder = tempfile::tempdir().expect("there is room");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let file = |name: &str, label: &str, der: &[u8]| -> &'static str {
        use base64::Engine;
        let path = folder.path().join(name);
        let text = base64::prelude::BASE64_STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        std::fs::write(&path, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
            .expect("there is room");
        path.to_str().expect("a name").to_owned().leak()
    };
    let certificate = file("certificate.pem", "CERTIFICATE", made.cert.der());
    let key = file("key.pem", "PRIVATE KEY", &made.signing_key.serialize_der());
    let variables = [("AMENDS_TLS_CERTIFICATE", certificate), ("AMENDS_TLS_KEY", key)];
    let server = Server::start_with(&folder.path().join("data"), variables);
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(server.address()).await.expect("it listens");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a secure connection");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request = Request::get("https://localhost/healthz").body(Empty::<bytes::Bytes>::new()).expect("a request");
    assert_eq!(sender.send_request(request).await.expect("an answer").status(), StatusCode::OK);
    server.stop();
}
