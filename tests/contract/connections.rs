//! Connections that take their time, come in numbers or say too much: they are ended, and others are answered meanwhile. And TLS.

use crate::stage::Stage;
use harness::Server;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than a head may take.
const LONG: Duration = Duration::from_secs(20);

/// All that comes until the connection ends.
fn rest(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(LONG)).expect("a socket has this");
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        // Reset: ended, too.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is not ended");
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn whoever_sends_a_head_slowly_is_ended_and_others_are_answered_meanwhile() {
    let stage = Stage::new(&[]);
    let begun = Instant::now();
    let mut slow: Vec<_> = (0..20).map(|_| TcpStream::connect(stage.server.address()).expect("it listens")).collect();
    for (n, stream) in slow.iter_mut().enumerate() {
        // Some say nothing, some a part of their head.
        if n % 2 == 0 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: te").expect("it reads");
        }
    }
    assert_eq!(stage.stranger().get("/healthz").status, 200);
    for (n, stream) in slow.iter_mut().enumerate() {
        // A byte now and then gives no more time.
        let _ = stream.write_all(if n % 2 == 0 { b"s" } else { b"G" });
        rest(stream);
    }
    assert!(begun.elapsed() >= Duration::from_secs(9), "they get their time");
    stage.server.stop();
}

#[test]
fn one_address_has_so_many_connections_and_gets_them_back() {
    let stage = Stage::new(&[("AMENDS_CONNECTIONS_MAX", "40"), ("AMENDS_CONNECTIONS_OF_ONE_MAX", "20")]);
    let held: Vec<_> = (0..20).map(|_| TcpStream::connect(stage.server.address()).expect("it listens")).collect();
    let mut more = TcpStream::connect(stage.server.address()).expect("the system takes it");
    let said = rest(&mut more);
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after"), "{said}");
    drop(held);
    let comes_in = || {
        let mut stream = TcpStream::connect(stage.server.address()).expect("it listens");
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        rest(&mut stream).starts_with("HTTP/1.1 200 ")
    };
    assert!(std::iter::repeat_with(comes_in).take(1000).any(|came| came), "places are given back");
    stage.server.stop();
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let stage = Stage::new(&[]);
    let ask = |head: &str| {
        let mut stream = TcpStream::connect(stage.server.address()).expect("it listens");
        let _ = stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{head}\r\n").as_bytes());
        rest(&mut stream).lines().next().unwrap_or_default().to_owned()
    };
    assert!(ask("X-A: b\r\n").contains(" 200 "));
    assert!(ask(&format!("X-A: {}\r\n", "b".repeat(40_000))).contains(" 431 "));
    assert!(ask(&"X-A: b\r\n".repeat(200)).contains(" 431 "));
    stage.server.stop();
}

/// A certificate for this machine and its key, as files, and what trusts it.
fn certificate(folder: &Path) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("key.pem"), pem("PRIVATE KEY", &made.signing_key.serialize_der())).expect("there is room");
    std::fs::write(folder.join("certificate.pem"), pem("CERTIFICATE", made.cert.der())).expect("there is room");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    roots
}

/// As files have it (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Whether a client that trusts `roots` is answered.
fn trusts(server: &Server, roots: RootCertStore) -> bool {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a socket has this");
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).expect("a connection"), stream);
    if stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_err() {
        return false;
    }
    let mut said = String::new();
    // Its end is told, so that an answer that was cut is not taken for one.
    stream.read_to_string(&mut said).is_ok() && said.starts_with("HTTP/1.1 200 ")
}

#[test]
fn a_server_with_a_certificate_is_reached_over_tls_and_takes_a_new_one() {
    let folder = tempfile::tempdir().expect("there is room");
    let roots = certificate(folder.path());
    // Kept for as long as the test runs: variables of a process are.
    let file = |name: &str| -> &'static str { folder.path().join(name).to_str().expect("a name").to_owned().leak() };
    let variables = [("AMENDS_TLS_CERTIFICATE", file("certificate.pem")), ("AMENDS_TLS_KEY", file("key.pem"))];
    let server = Server::start_with(&folder.path().join("data"), variables);
    assert!(trusts(&server, roots.clone()));
    // In the clear nothing is answered.
    let mut clear = TcpStream::connect(server.address()).expect("it listens");
    clear.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").expect("it reads");
    assert!(!rest(&mut clear).contains("200"));
    let renewed = certificate(folder.path());
    let begun = Instant::now();
    while !trusts(&server, renewed.clone()) {
        assert!(begun.elapsed() < LONG, "the new certificate is taken");
    }
    assert!(!trusts(&server, roots), "the old one is gone");
    server.stop();
}
