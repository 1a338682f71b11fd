//! What carries requests to webhooks, with names that a test gives a meaning: each address is looked at, TLS is checked, a connection is used again.

use amends::sandbox::{Courier, EgressSettings, Letter, Line, Undelivered};
use amends_domain::webhook::Target;
use bytes::Bytes;
use harness::{Reply, ScriptedNames, Site};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(5);

fn target(url: &str) -> Target {
    Target::read(url).expect(url)
}

fn letter() -> Letter {
    Letter { media: "application/json", headers: vec![("webhook-id", "msg_1".to_owned())], body: Bytes::from_static(b"[]") }
}

fn carry(courier: &Courier, line: &mut Line, url: &str) -> Result<u16, Undelivered> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(courier.carry(line, &target(url), &letter(), WITHIN)).map(|carried| carried.status)
}

/// A server with a certificate for this machine, and who says that it is genuine.
fn secure() -> (Site, Bytes) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let authority = Bytes::copy_from_slice(made.cert.der());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("they belong together");
    (Site::start_secure(config, |_| Reply::new(202, "")), authority)
}

#[test]
fn a_certificate_must_be_genuine() {
    let (site, authority) = secure();
    let url = format!("https://127.0.0.1:{}/hook", site.port());
    let trusting = Courier::new(EgressSettings { authorities: vec![authority], ..EgressSettings::system() }).expect("a courier");
    assert_eq!(carry(&trusting, &mut Line::default(), &url).expect("it is genuine"), 202);
    let refused = carry(&Courier::new(EgressSettings::system()).expect("a courier"), &mut Line::default(), &url);
    assert!(refused.expect_err("nobody vouches for it").to_string().contains("no secure connection"));
    assert_eq!(site.arrived().len(), 1);
}

#[test]
fn a_name_is_refused_if_one_of_its_addresses_is_not_public_and_is_asked_for_once() {
    let names = ScriptedNames::new(&[
        ("mixed.example", &[&["1.1.1.1", "10.0.0.7"]]),
        ("inner.example", &[&["169.254.169.254"]]),
        ("rebinds.example", &[&["127.0.0.1"], &["1.1.1.1"]]),
        ("none.example", &[&[]]),
    ]);
    let courier = Courier::new(EgressSettings { names: Some(names.clone()), ..EgressSettings::system() }).expect("a courier");
    for (url, says) in [
        ("https://mixed.example/", "has the address 10.0.0.7, which is not public"),
        ("https://inner.example/", "has the address 169.254.169.254, which is not public"),
        ("https://rebinds.example/", "has the address 127.0.0.1, which is not public"),
        ("https://none.example/", "the name has no address"),
        ("https://unknown.example/", "the name cannot be resolved"),
    ] {
        let refused = carry(&courier, &mut Line::default(), url).expect_err(url).to_string();
        assert!(refused.contains(says), "{url}: {refused}");
    }
    assert_eq!(names.asked(), ["mixed.example", "inner.example", "rebinds.example", "none.example", "unknown.example"]);
    // An address that an operator wrote is no name, and reaches this machine.
    let site = Site::start(|_| Reply::new(200, ""));
    assert_eq!(carry(&courier, &mut Line::default(), &site.url("/")).expect("it is granted"), 200);
}

#[test]
fn a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let server = std::thread::spawn(move || {
        let mut connections = 0;
        let mut served = Vec::new();
        // The first connection answers two requests and is closed without a word, the second one answers one.
        for requests in [2, 1] {
            let (stream, _) = listener.accept().expect("somebody comes");
            connections += 1;
            let (mut reader, mut writer) = (BufReader::new(stream.try_clone().expect("it is open")), stream);
            for _ in 0..requests {
                let mut len = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a request comes");
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        len = value.trim().parse().expect("a number");
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                reader.read_exact(&mut vec![0; len]).expect("its body comes");
                writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").expect("it reads");
                served.push(connections);
            }
        }
        served
    });
    let courier = Courier::new(EgressSettings::system()).expect("a courier");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut line = Line::default();
        for _ in 0..3 {
            let carried = courier.carry(&mut line, &target(&url), &letter(), WITHIN).await.expect("it is answered");
            assert_eq!(carried.status, 200);
        }
    });
    assert_eq!(server.join().expect("nobody panics"), [1, 1, 2]);
}

#[test]
fn whoever_does_not_answer_is_given_up_in_time() {
    let site = Site::start(|_| Reply::Silence);
    let courier = Courier::new(EgressSettings::system()).expect("a courier");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let within = Duration::from_millis(300);
    let to = target(&site.url("/"));
    let late = runtime.block_on(courier.carry(&mut Line::default(), &to, &letter(), within));
    assert!(matches!(late, Err(Undelivered::Late(_))) && begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
