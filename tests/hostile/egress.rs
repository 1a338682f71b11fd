//! Guests that would like to see the network that the host stands in, and other sides that would like to hurt the host with their answers.

use crate::attack::Attack;
use amends_domain::event::{HostGrant, Reach, Transport};
use harness::{Arrived, Reply, ScriptedNames, small_guest_text};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Refused before anything is resolved or connected to: nobody granted it, or it is no host.
const DENIED: &str = "HttpRequestDenied, 0 sent";
const NO_HOST: &str = "HttpRequestUriInvalid, 0 sent";
/// Granted by its name, and refused because of what the name means.
const PROHIBITED: &str = "DestinationIpProhibited, 0 sent";

/// Granted without loopback, so that what is refused is the address and not the name.
const GRANTED_TO_NO_AVAIL: [&str; 14] = [
    "127.0.0.1",
    "127.8.8.8",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "[::]",
    "169.254.169.254",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "100.64.0.1",
    "two.test",
    "mapped.test",
    "metadata.test",
    "unique-local.test",
];

/// What names mean.
pub(crate) fn names() -> Arc<ScriptedNames> {
    ScriptedNames::new(&[
        ("good.test", &[&["127.0.0.1"]]),
        ("flips.test", &[&["127.0.0.1"], &["10.0.0.1"]]),
        ("two.test", &[&["93.184.216.34", "10.0.0.1"]]),
        ("mapped.test", &[&["::ffff:10.0.0.1"]]),
        ("metadata.test", &[&["169.254.169.254"]]),
        ("unique-local.test", &[&["fd00::1"]]),
    ])
}

/// What the attacker's plugin is granted. `port`: where the outside is.
pub(crate) fn grants(port: u16) -> Vec<HostGrant> {
    let grant = |host: &str, reach| HostGrant::read(&format!("{host}:{port}"), &[], Transport::Any, reach).expect("a grant");
    let to_no_avail = GRANTED_TO_NO_AVAIL.iter().map(|host| grant(host, Reach::Public));
    to_no_avail.chain(["good.test", "flips.test"].map(|host| grant(host, Reach::Loopback))).collect()
}

/// What the outside answers, by the path.
pub(crate) fn answer(request: &Arrived) -> Reply {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    let bytes = |first: Vec<u8>, then: &[u8], times, pause_ms| Reply::Bytes {
        first,
        then: then.to_vec(),
        times,
        pause: Duration::from_millis(pause_ms),
    };
    match request.path.as_str() {
        "/elsewhere" => Reply::Answer {
            status: 307,
            headers: vec![("location".into(), "http://169.254.169.254/latest/meta-data".into())],
            body: String::new(),
        },
        "/silence" => Reply::Silence,
        "/slow" => bytes(head("content-length: 1000\r\n"), b"x", 1000, 400),
        "/endless" => {
            let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
            bytes(head("transfer-encoding: chunked\r\n"), &chunk, 100_000, 0)
        }
        "/headers" => bytes(head(&"x-many: 1\r\n".repeat(40_000)), b"", 0, 0),
        "/long" => bytes(head(&format!("x: {}\r\n", "x".repeat(1 << 20))), b"", 0, 0),
        "/nonsense" => bytes(vec![0xff; 10_000], b"", 0, 0),
        // Long enough that requests that leave together are there together.
        _ => bytes(head("content-length: 2\r\n"), b"ok", 1, 50),
    }
}

pub(crate) fn attacks(port: u16) -> Vec<Attack> {
    [places(port), answers(port), crowds(port)].concat()
}

fn get(url: &str) -> Value {
    json!({ "send": { "method": "GET", "url": url, "timeout_ms": 1_000 } })
}

fn places(port: u16) -> Vec<Attack> {
    let at = |host: &'static str, verdict| Attack::probe(host, verdict, &json!([get(&format!("http://{host}:{port}/"))]));
    let mut attacks: Vec<Attack> = GRANTED_TO_NO_AVAIL.iter().map(|host| at(host, PROHIBITED)).collect();
    attacks.extend([
        at("good.test", "200, 1 sent"),
        at("2130706433", NO_HOST),
        at("0177.0.0.1", NO_HOST),
        at("0x7f.1", NO_HOST),
        at("127.1", NO_HOST),
        at("[::127.0.0.1]", DENIED),
        at("good.test.", NO_HOST),
        at("user@good.test", NO_HOST),
        at("good.test:80@169.254.169.254", NO_HOST),
        at("localhost", DENIED),
        at("evil.good.test", DENIED),
        at("169.254.169.254.good.test", DENIED),
        Attack::probe("good.test:0", NO_HOST, &json!([get("http://good.test:0/")])),
        Attack::probe("good.test, another port", DENIED, &json!([get("http://good.test:22/")])),
        Attack::probe("good.test, with gopher", "HttpProtocolError, 0 sent", &json!([get(&format!("gopher://good.test:{port}/"))])),
        Attack::probe(
            "a name that changes its mind",
            "200 DestinationIpProhibited, 1 sent",
            &json!([get(&format!("http://flips.test:{port}/")), get(&format!("http://flips.test:{port}/"))]),
        ),
        Attack::probe(
            "a header within a header",
            "InvalidSyntax, 0 sent",
            &json!([{ "send": { "method": "GET", "url": format!("http://good.test:{port}/"), "headers": [["x", "a\r\nhost: b"]] } }]),
        ),
    ]);
    attacks
}

fn answers(port: u16) -> Vec<Attack> {
    let at = |name, verdict, path: &str| Attack::probe(name, verdict, &json!([get(&format!("http://good.test:{port}{path}"))]));
    vec![
        at("a redirect to the metadata", "307, 1 sent", "/elsewhere"),
        at("no answer", "HttpResponseTimeout, 1 sent", "/silence"),
        at("a body of one byte in 400 ms, 1,000 times", "timeout, 1 sent", "/slow"),
        at("chunks without end", "unanswered, 1 sent", "/endless"),
        at("40,000 headers", "HttpResponseHeaderSectionSize, 1 sent", "/headers"),
        at("a header of 1 MiB", "HttpResponseHeaderSectionSize, 1 sent", "/long"),
        at("an answer that is none", "ConnectionTerminated, 1 sent", "/nonsense"),
    ]
}

fn crowds(port: u16) -> Vec<Attack> {
    let crowd = |name, verdict, count: u32| {
        let at_once = Attack::probe(name, verdict, &Value::Null);
        let component = harness::framed_guest(&small_guest_text("crowd"));
        Attack { component, input: json!(format!("{count} good.test:{port}")), ..at_once }
    };
    let again = json!(vec![get(&format!("http://localhost:{port}/")); 300]);
    vec![
        crowd("16 requests at once", "ok, 16 sent", 16),
        crowd("60 requests at once", "ok, 16 sent", 60),
        Attack::probe("300 requests that are refused", DENIED, &again),
    ]
}
