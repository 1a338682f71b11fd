//! Requests of guests: what is let through, what is not and why, and that what is noted is what happened. Against a server on this machine,
//! which a grant has to allow expressly.

use super::*;
use crate::world::Point;
use amends::sandbox::{Names, Traces};
use amends_domain::event::{HostGrant, Reach, Transport};
use amends_domain::trace::{SpanId, traceparent};
use harness::guest as plugin;
use harness::{Reply as Answer, ScriptedNames, Site};
use serde_json::{Value, json};

/// A guest that sends, and what is around it.
struct Case {
    world: Arc<World>,
    names: Arc<ScriptedNames>,
    authorities: Vec<bytes::Bytes>,
    grants: Vec<HostGrant>,
    traces: Traces,
}

impl Case {
    fn new() -> Self {
        Self {
            world: World::new(Mood::Prompt),
            names: ScriptedNames::new(&[]),
            authorities: Vec::new(),
            grants: Vec::new(),
            traces: Traces::Untold,
        }
    }

    /// Grants http to this machine under the name `host`.
    fn granting(mut self, host: &str) -> Self {
        self.grants.push(HostGrant::read(host, &[], Transport::Any, Reach::Loopback).expect("a grant"));
        self
    }

    async fn run(&self, script: Value) -> Reply {
        self.run_as(script, |_| {}).await
    }

    async fn run_as(&self, script: Value, change: impl FnOnce(&mut Call)) -> Reply {
        let egress = EgressSettings {
            names: Some(Arc::clone(&self.names) as Arc<dyn Names>),
            authorities: self.authorities.clone(),
            traces: self.traces,
        };
        let sandbox = Sandbox::new(SandboxSettings { egress, ..SETTINGS }).expect("this machine runs guests");
        let component = load(&sandbox, std::fs::read(plugin("probe")).expect("it is built")).await;
        let input = json!({ "forward": script, "backward": script }).to_string();
        let mut call = call_in(&self.world, &component, &input);
        call.context.handler = HandlerName::new("probe").expect("a name");
        call.grants = self.grants.clone().into();
        change(&mut call);
        invoke(&sandbox, call).await
    }
}

fn post(url: &str) -> Value {
    json!({ "send": { "method": "POST", "url": url, "body_len": 3 } })
}

fn get(url: &str) -> Value {
    json!({ "send": { "method": "GET", "url": url } })
}

fn answers(reply: &Reply) -> Value {
    serde_json::from_slice(output(reply)).expect("the probe answers JSON")
}

/// What the guest was told about its one request, as the reason's beginning.
fn told(reply: &Reply, how: &str) -> String {
    let answers = answers(reply);
    answers[0][how].as_str().unwrap_or_else(|| panic!("{how}: {answers} {:?}", reply.log)).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_noted_sent_with_its_key_answered_and_noted_before_the_guest_is_told() {
    let site = Site::start(|request| Answer::new(201, &format!("{{\"took\":{}}}", request.body.len())));
    let case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    let url = site.url("/charges?a=1");
    let script = json!([
        { "send": { "method": "POST", "url": url, "body_len": 3, "headers": [["Idempotency-Key", "mine"], ["x-a", "b"]] } },
        get(&url)
    ]);
    let reply = case.run(script).await;
    assert_eq!(answers(&reply), json!([{ "status": 201, "body": "{\"took\":3}" }, { "status": 201, "body": "{\"took\":0}" }]));
    // Of an answer to a request that may have changed something the beginning is kept.
    let noted =
        [format!("intend POST {url}"), "answer 1 201 {\"took\":3}".into(), format!("intend GET {url}"), "answer 2 201".into()];
    assert_eq!(case.world.told(), noted);
    let arrived = site.arrived();
    let keys: Vec<_> = arrived.iter().map(|request| (request.method.as_str(), request.header("idempotency-key"))).collect();
    assert_eq!(keys, [("POST", Some("key-1-1")), ("GET", Some("key-1-2"))], "the guest's own is overwritten");
    assert_eq!(
        (arrived[0].path.as_str(), arrived[0].body.as_slice(), arrived[0].header("x-a")),
        ("/charges?a=1", &b"xxx"[..], Some("b"))
    );
    assert_eq!(arrived[0].header("host"), Some(format!("127.0.0.1:{}", site.port()).as_str()));
    assert!(reply.log.is_empty() && reply.host_error.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_says_of_which_trace_it_is_where_somebody_collects_that() {
    let site = Site::start(|_| Answer::new(200, ""));
    let script = json!([{ "send": { "method": "POST", "url": site.url("/"), "headers": [["traceparent", "mine"]] } }]);
    let mut case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    let mut wanted = None;
    for traces in [Traces::Untold, Traces::Told] {
        case.traces = traces;
        case.run_as(script.clone(), |call| {
            let Context { run, trace, step, attempt, .. } = &call.context;
            wanted = Some(traceparent(*trace, SpanId::of_attempt(*run, step, call.direction, *attempt)));
        })
        .await;
    }
    let arrived = site.arrived();
    let told: Vec<_> = arrived.iter().map(|request| request.header("traceparent")).collect();
    assert_eq!(told, [Some("mine"), wanted.as_deref()], "in the place of the guest's own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_arrives_before_the_intent_is_durable_and_nothing_is_noted_if_nobody_is_there() {
    let site = Site::start(|_| Answer::new(200, ""));
    let mut case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    case.world = World::new(Mood::SilentAt(Point::Intend));
    let reply = case.run_as(json!([post(&site.url("/"))]), |call| call.limits.timeout = Span(200)).await;
    assert_halted(&reply, Halt::Timeout, &["200ms"]);
    assert_eq!((case.world.told().len(), site.arrived().len()), (1, 0));

    // Where nobody listens, nothing can have happened, and nothing is noted.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a port").port();
    let case = Case::new().granting(&format!("127.0.0.1:{port}"));
    let reply = case.run(json!([post(&format!("http://127.0.0.1:{port}/"))])).await;
    assert!(told(&reply, "not_sent").contains("ConnectionRefused"));
    assert!(case.world.told().is_empty());
    assert!(reply.log[0].message.contains("cannot connect"), "{:?}", reply.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_granted_is_reached_and_the_log_says_why_the_rest_is_not() {
    let site = Site::start(|_| Answer::new(200, ""));
    let port = site.port();
    let names = ScriptedNames::new(&[
        ("bank.test", &[&["127.0.0.1"]]),
        ("other.bank.test", &[&["127.0.0.1"]]),
        ("private.test", &[&["10.0.0.1"]]),
        ("mixed.test", &[&["93.184.216.34", "192.168.0.1"]]),
        ("metadata.test", &[&["169.254.169.254"]]),
        ("mapped.test", &[&["::ffff:169.254.169.254"]]),
        ("empty.test", &[&[]]),
    ]);
    let grant = |place: &str, methods: &[&str], transport, reach| {
        let methods: Vec<_> = methods.iter().map(|method| (*method).to_owned()).collect();
        HostGrant::read(place, &methods, transport, reach).expect("a grant")
    };
    let grants = vec![
        grant(&format!("bank.test:{port}"), &[], Transport::Any, Reach::Loopback),
        grant(&format!("*.bank.test:{port}"), &["GET"], Transport::Any, Reach::Loopback),
        grant(&format!("127.0.0.1:{port}"), &[], Transport::Any, Reach::Public),
        grant("tls.test", &[], Transport::Tls, Reach::Loopback),
        grant("private.test", &[], Transport::Any, Reach::Loopback),
        grant("mixed.test", &[], Transport::Any, Reach::Loopback),
        grant("metadata.test", &[], Transport::Any, Reach::Loopback),
        grant("mapped.test", &[], Transport::Any, Reach::Loopback),
        grant("empty.test", &[], Transport::Any, Reach::Loopback),
        grant("unknown.test", &[], Transport::Any, Reach::Loopback),
        grant("169.254.169.254", &[], Transport::Any, Reach::Loopback),
    ];
    let case = Case { names, grants, ..Case::new() };
    let bank = format!("http://bank.test:{port}");
    for (method, url, how, why) in [
        ("POST", format!("{bank}/a"), "status", ""),
        ("POST", format!("http://BANK.test:{port}/"), "status", ""),
        ("GET", format!("http://other.bank.test:{port}/"), "status", ""),
        ("POST", format!("http://other.bank.test:{port}/"), "refused", "does not have the method POST"),
        ("GET", format!("http://a.b.bank.test:{port}/"), "refused", "is not granted"),
        ("GET", "http://bank.test/".into(), "refused", "is not granted"),
        ("GET", format!("https://bank.test:{}/", u32::from(port) + 70_000), "refused", ""),
        ("GET", "http://tls.test/".into(), "refused", "is not granted"),
        ("GET", format!("http://127.0.0.1:{port}/"), "refused", "not public"),
        ("GET", "http://169.254.169.254/latest".into(), "refused", "169.254.169.254, which is not public"),
        ("GET", "http://private.test/".into(), "refused", "10.0.0.1, which is not public"),
        ("GET", "http://mixed.test/".into(), "refused", "192.168.0.1, which is not public"),
        ("GET", "http://metadata.test/".into(), "refused", "which is not public"),
        ("GET", "http://mapped.test/".into(), "refused", "which is not public"),
        ("GET", "http://empty.test/".into(), "not_sent", "no address"),
        ("GET", "http://unknown.test/".into(), "not_sent", "cannot be resolved"),
        ("GET", format!("http://user@bank.test:{port}/"), "refused", "names a user"),
        ("GET", format!("http://bank.test.:{port}/"), "refused", "is not a host"),
        ("GET", "http://bank.test:0/".into(), "refused", "port"),
        ("GET", format!("http://2130706433:{port}/"), "refused", "four decimal numbers"),
        ("GET", format!("http://0177.0.0.1:{port}/"), "refused", "four decimal numbers"),
        ("GET", format!("http://0x7f000001:{port}/"), "refused", "four decimal numbers"),
        ("GET", format!("http://[::ffff:127.0.0.1]:{port}/"), "refused", "is not granted"),
        ("GET", "ftp://bank.test/".into(), "unanswered", ""),
        ("CONNECT", format!("{bank}/"), "refused", "does not have the method CONNECT"),
        ("post", format!("{bank}/"), "refused", "capital letters"),
        ("GET", format!("{bank}/{}", "x".repeat(2048)), "refused", "bytes in a target"),
    ] {
        let before = site.arrived().len();
        let reply = case.run(json!([{ "send": { "method": method, "url": url } }])).await;
        assert!(!answers(&reply)[0][how].is_null(), "{method} {url}: {} {:?}", answers(&reply), reply.log);
        assert_eq!(site.arrived().len() - before, usize::from(how == "status"), "{method} {url}");
        assert!(why.is_empty() || reply.log.iter().any(|line| line.message.contains(why)), "{method} {url}: {:?}", reply.log);
    }
    let noted = case.world.told();
    assert_eq!(noted.iter().filter(|line| line.starts_with("intend")).count(), 3, "only what left is noted: {noted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_mind_is_connected_to_where_it_was_checked() {
    let site = Site::start(|_| Answer::new(200, ""));
    let names = ScriptedNames::new(&[("bank.test", &[&["127.0.0.1"], &["10.0.0.1"]])]);
    let case = Case { names: Arc::clone(&names), ..Case::new() }.granting(&format!("bank.test:{}", site.port()));
    let url = format!("http://bank.test:{}/", site.port());
    let reply = case.run(json!([get(&url), get(&url)])).await;
    assert_eq!(answers(&reply)[0]["status"], 200);
    // Asked once for a request: there is no second answer that could be connected to instead.
    assert!(answers(&reply)[1]["refused"].is_string());
    assert_eq!(names.asked(), ["bank.test", "bank.test"]);
    assert_eq!(site.arrived().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_an_answer_like_others() {
    let site = Site::start(|_| Answer::Answer {
        status: 302,
        headers: vec![("location".into(), "http://169.254.169.254/latest/meta-data".into())],
        body: String::new(),
    });
    let case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    let reply = case.run(json!([get(&site.url("/"))])).await;
    assert_eq!((&answers(&reply)[0]["status"], site.arrived().len()), (&json!(302), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_slow_too_large_or_broken_ends_with_an_error() {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    let many = "x-many: 1\r\n".repeat(40_000);
    let bytes = |first: Vec<u8>, then: &[u8], times, pause_ms| Answer::Bytes {
        first,
        then: then.to_vec(),
        times,
        pause: Duration::from_millis(pause_ms),
    };
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    for (answer, how, why) in [
        (bytes(head("content-length: 2\r\n"), b"ok", 1, 50), "body", "ok"),
        (bytes(head("transfer-encoding: chunked\r\n"), b"2\r\nok\r\n0\r\n\r\n", 1, 0), "body", "ok"),
        (Answer::Silence, "unanswered", "HttpResponseTimeout"),
        (bytes(Vec::new(), b"H", 1, 5_000), "unanswered", "HttpResponseTimeout"),
        (bytes(head("content-length: 9\r\n"), b"x", 1, 5_000), "unanswered", "the body of the answer: connection read timeout"),
        (bytes(head("content-length: 9\r\n"), b"x", 1, 0), "unanswered", "the body of the answer: incomplete HTTP response"),
        (
            bytes(head("transfer-encoding: chunked\r\n"), &chunk, 100_000, 0),
            "unanswered",
            "HTTP response body size exceeds limit: 8388608 bytes",
        ),
        (bytes(head(&many), b"", 0, 0), "unanswered", "HttpResponseHeaderSectionSize"),
        (bytes(head(&format!("x: {}\r\n", "x".repeat(100_000))), b"", 0, 0), "unanswered", "HttpResponseHeaderSectionSize"),
        (bytes(b"SSH-2.0-OpenSSH\r\n".to_vec(), b"", 0, 0), "unanswered", "ConnectionTerminated"),
        (bytes(Vec::new(), b"", 0, 0), "unanswered", "ConnectionTerminated"),
    ] {
        let shown = format!("{answer:?}").chars().take(200).collect::<String>();
        let site = Site::start(move |_| answer.clone());
        let case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
        let script = json!([{ "send": { "method": "GET", "url": site.url("/"), "timeout_ms": 1_000 } }]);
        let reply = case.run(script).await;
        // A guest that reads a body learns that it breaks off, and the log why.
        assert!(answers(&reply)[0][how].is_string(), "{shown}: {}", answers(&reply));
        let lines: String = reply.log.iter().map(|line| line.message.as_str()).collect();
        assert!(told(&reply, how).contains(why) || lines.contains(why), "{shown}: {} {lines}", answers(&reply));
        assert_eq!(site.arrived().len(), 1, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_is_not_sent() {
    let site = Site::start(|_| Answer::new(200, ""));
    let case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    let url = site.url("/");
    let send = |more_headers: usize, value_len: usize, body_len: usize| {
        let headers = [["x-long", &"x".repeat(value_len)]];
        json!([{ "send":
            { "method": "PUT", "url": url, "headers": headers, "more_headers": more_headers, "body_len": body_len } }])
    };
    // `host` is one more; the key is added behind the count.
    for script in [send(98, 1, 0), send(0, 16_000, 0), send(0, 1, 1 << 20)] {
        assert_eq!(answers(&case.run(script).await)[0]["status"], 200);
    }
    let arrived = site.arrived().len();
    assert!(told(&case.run(send(99, 1, 0)).await, "refused").contains("HttpRequestHeaderSectionSize"));
    assert!(told(&case.run(send(0, 17_000, 0)).await, "refused").contains("HttpRequestHeaderSectionSize"));
    assert_eq!(site.arrived().len(), arrived);
    // A body is as long as the guest says while it goes: it is cut off, and the other side never sees its end.
    let reply = case.run(send(0, 1, (8 << 20) + 1)).await;
    assert!(told(&reply, "unanswered").contains("HttpRequestBodySize"), "{}", answers(&reply));
    assert_eq!(site.arrived().len(), arrived);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_an_attempt_is_over_its_connections_are_closed() {
    let site = Site::start(|_| Answer::Silence);
    let case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    let fence = Fence::default();
    let script = json!([post(&site.url("/"))]);
    let reply = std::thread::scope(|scope| {
        scope.spawn(|| {
            site.wait_for(1);
            assert_eq!(site.given_up(), 0);
            fence.raise();
        });
        let attempt = case.run_as(script.clone(), |call| call.fence = fence.clone());
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(attempt))
    });
    assert!(matches!(reply.ending, Ending::Halted { halt: Halt::Cancelled, .. }), "{:?}", reply.ending);
    site.wait_until_given_up(1);
    assert_halted(&case.run_as(script, |call| call.limits.timeout = Span(100)).await, Halt::Timeout, &[]);
    site.wait_until_given_up(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_only_reads_sends_no_unsafe_method() {
    let site = Site::start(|_| Answer::new(200, ""));
    let case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
    let script = json!([post(&site.url("/")), get(&site.url("/"))]);
    let reply = case.run_as(script, |call| call.access = Access::ReadOnly).await;
    assert!(answers(&reply)[0]["refused"].is_string() && answers(&reply)[1]["status"] == 200, "{}", answers(&reply));
    assert!(reply.log[0].message.contains("declared read-only"), "{:?}", reply.log);
    let arrived = site.arrived();
    assert_eq!((arrived.len(), arrived[0].header("idempotency-key")), (1, Some("key-1-2")), "the refused one keeps its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noted_does_not_leave_and_is_the_hosts_fault() {
    let site = Site::start(|_| Answer::new(200, ""));
    for (point, arrives) in [(Point::Intend, 0), (Point::Answer, 1)] {
        let mut case = Case::new().granting(&format!("127.0.0.1:{}", site.port()));
        case.world = World::new(Mood::BrokenAt(point));
        let before = site.arrived().len();
        let reply = case.run(json!([post(&site.url("/"))])).await;
        assert!(reply.host_error.expect("the host's").to_string().contains("the disk is gone"));
        assert_eq!(site.arrived().len() - before, arrives);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_the_other_side_must_be_who_was_granted() {
    let certified = rcgen::generate_simple_self_signed(["bank.test".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).expect("they fit");
    let site = Site::start_secure(config, |_| Answer::new(200, "safe"));
    let names = ScriptedNames::new(&[("bank.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let port = site.port();
    let mut case = Case { names, ..Case::new() }.granting(&format!("bank.test:{port}")).granting(&format!("other.test:{port}"));
    let url = |name: &str| json!([post(&format!("https://{name}:{port}/"))]);
    // Nobody that is trusted says that this is the bank.
    assert!(told(&case.run(url("bank.test")).await, "not_sent").contains("TlsCertificateError"));
    case.authorities = vec![certified.cert.der().to_vec().into()];
    assert_eq!(told(&case.run(url("bank.test")).await, "body"), "safe");
    assert!(told(&case.run(url("other.test")).await, "not_sent").contains("TlsCertificateError"));
    // In the clear it answers nobody.
    let reply = case.run(json!([post(&format!("http://bank.test:{port}/"))])).await;
    assert!(answers(&reply)[0]["status"].is_null());
    assert_eq!(site.arrived().len(), 1);
}
