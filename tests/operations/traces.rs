//! What a collector of traces is told by the real program, whatever becomes of it meanwhile.

use crate::at_work;
use harness::{Client, PATIENCE, Reply, Server, Site, guest};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::time::Duration;

/// The spans that a collector was sent, in the order in which they came.
fn collected(site: &Site) -> Vec<Value> {
    let mut spans = Vec::new();
    for request in site.arrived() {
        assert_eq!((request.path.as_str(), request.header("content-type")), ("/v1/traces", Some("application/json")));
        let body: Value = serde_json::from_slice(&request.body).expect("it is JSON");
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let scopes = list(&body["resourceSpans"]).into_iter().flat_map(|of| list(&of["scopeSpans"]));
        spans.extend(scopes.flat_map(|scope| list(&scope["spans"])));
    }
    spans
}

#[test]
fn a_run_is_told_to_the_collector_as_one_trace_though_the_host_died_in_the_middle() {
    let site = Site::start(|_| Reply::new(200, "{}"));
    let collector: &'static str = site.url("/v1/traces").leak();
    let folder = tempfile::tempdir().expect("there is room");
    let server = at_work(folder.path(), &[]);
    let token = server.operator_token().to_owned();
    let saga = r#"{"saga":"ask","steps":[
        {"id":"reserve","uses":"orders/reserve-inventory","input":{"sku":"A","quantity":1}},
        {"id":"w","wait":{"signal":"go"}}]}"#;
    let operator = server.client(&token);
    let stock = br#"{"stock/A":{"available":9,"reserved":0,"shipped":0,"price_cents":1}}"#;
    operator.ask("PATCH", "/v1/tenants/acme/state", &[], stock).expect(204);
    operator.ask("PUT", "/v1/tenants/acme/sagas/ask", &[], saga.as_bytes()).expect(201);
    let run = operator.post("/v1/tenants/acme/runs?wait=1s", &json!({ "saga": "ask" })).expect(202);
    let path = format!("/v1/tenants/acme/runs/{}", run["id"].as_str().expect("an id"));
    server.kill();
    let server = Server::start_with(folder.path(), [("AMENDS_TRACES_ENDPOINT", collector)]);
    let operator = server.client(&token);
    operator.post(&format!("{path}/signals/go"), &json!({ "payload": 1 })).expect(200);
    site.wait_for(1);
    let spans = collected(&site);
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["ask", "reserve", "attempt 1", "w"]);
    assert!(spans.iter().all(|span| span["traceId"] == spans[0]["traceId"]), "{spans:?}");
    assert_eq!((&spans[1]["parentSpanId"], &spans[2]["parentSpanId"]), (&spans[0]["spanId"], &spans[1]["spanId"]));
    let number = |span: &Value, name: &str| span[name].as_str().and_then(|nanos| nanos.parse::<u64>().ok()).expect("nanoseconds");
    for span in &spans {
        let (begun, ended) = (number(span, "startTimeUnixNano"), number(span, "endTimeUnixNano"));
        assert!(begun <= ended && begun >= number(&spans[0], "startTimeUnixNano") && ended <= number(&spans[0], "endTimeUnixNano"));
    }
    server.stop();
}

#[test]
fn a_collector_that_is_not_there_holds_nothing_up_and_what_it_was_not_told_is_counted() {
    let folder = tempfile::tempdir().expect("there is room");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let nobody: &'static str = format!("http://127.0.0.1:{port}/v1/traces").leak();
    let server = at_work(folder.path(), &[("AMENDS_TRACES_ENDPOINT", nobody)]);
    let operator = server.client(server.operator_token());
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let text = String::from_utf8(operator.get("/metrics").body).expect("it is text");
        if text.lines().any(|line| line == "amends_runs_untraced_total 1") {
            break;
        }
        assert!(std::time::Instant::now() < until, "{text}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.stop();
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Starts a run of `saga` as a part of somebody's trace, or of what they take for one.
fn start_in(client: &Client, saga: &str, input: &Value, traceparents: &[String]) -> Value {
    let headers: Vec<_> = traceparents.iter().map(|said| ("Traceparent", said.as_str())).collect();
    let body = json!({ "saga": saga, "input": input }).to_string();
    client.ask("POST", "/v1/tenants/acme/runs", &headers, body.as_bytes()).expect(202)
}

fn run_span(spans: &[Value], run: &Value) -> Value {
    let is_of_run = |attribute: &Value| attribute["key"] == "amends.run" && attribute["value"]["stringValue"] == run["id"];
    let found = spans.iter().find(|span| span["attributes"].as_array().is_some_and(|attributes| attributes.iter().any(is_of_run)));
    found.unwrap_or_else(|| panic!("{run} in {spans:?}")).clone()
}

#[test]
fn a_run_is_a_part_of_the_trace_it_was_started_in_whoever_drives_it_and_of_none_that_is_malformed() {
    let collector = Site::start(|_| Reply::new(200, "{}"));
    let bank = Site::start(|_| Reply::new(200, "{}"));
    let endpoint: &'static str = collector.url("/v1/traces").leak();
    let folder = tempfile::tempdir().expect("there is room");
    let server = at_work(folder.path(), &[]);
    let token = server.operator_token().to_owned();
    let operator = server.client(&token);
    let probe = fs::read(guest("probe")).expect("it is built");
    let grant = format!("/v1/tenants/acme/plugins/probe/grants/127.0.0.1:{}", bank.port());
    operator.ask("PUT", &grant, &[], br#"{"transport":"any","reach":"loopback"}"#).expect(200);
    operator.ask("PUT", "/v1/tenants/acme/plugins/probe/1.0.0?wait=30s", &[], &probe).expect(201);
    let saga =
        r#"{"saga":"ask","steps":[{"id":"w","wait":{"signal":"go"}},{"id":"send","uses":"probe/probe","input":"${input}"}]}"#;
    operator.ask("PUT", "/v1/tenants/acme/sagas/ask", &[], saga.as_bytes()).expect(201);
    let script = json!({ "forward": [{ "send": { "method": "GET", "url": bank.url("/") } }] });
    let good = format!("00-{TRACE}-{SPAN}-00");
    let inside = start_in(&operator, "ask", &script, std::slice::from_ref(&good));
    assert_eq!(inside["traceparent"], good);
    let outside =
        [vec![], vec![format!("00-{}-{SPAN}-01", "0".repeat(32))], vec![format!("{good}-x")], vec![good.clone(), good.clone()]];
    let outside = outside.map(|said| start_in(&operator, "ask", &json!({}), &said));
    assert!(outside.iter().all(|run| run.get("traceparent").is_none()), "{outside:?}");
    // Another process drives them to their end.
    server.kill();
    let server = Server::start_with(folder.path(), [("AMENDS_TRACES_ENDPOINT", endpoint)]);
    let operator = server.client(&token);
    for run in outside.iter().chain([&inside]) {
        let path = format!("/v1/tenants/acme/runs/{}", run["id"].as_str().expect("an id"));
        operator.post(&format!("{path}/signals/go"), &json!({ "payload": 1 })).expect(200);
        let mut stream = operator.follow(&format!("{path}/events"), None);
        let started = stream.event();
        assert_eq!(started.data["data"].get("traceparent"), run.get("traceparent"), "{started:?}");
        let until = std::time::Instant::now() + PATIENCE;
        let ended = loop {
            let shown = operator.get(&path).expect(200);
            if !shown["outcome"].is_null() {
                break shown;
            }
            assert!(std::time::Instant::now() < until, "{shown}");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!((ended["outcome"].as_str(), ended.get("traceparent")), (Some("succeeded"), run.get("traceparent")), "{ended}");
    }
    server.stop();
    let spans = collected(&collector);
    let of = run_span(&spans, &inside);
    assert_eq!((&of["traceId"], &of["parentSpanId"]), (&json!(TRACE), &json!(SPAN)));
    let traces: HashSet<_> = outside.iter().map(|run| run_span(&spans, run)["traceId"].to_string()).collect();
    assert!(traces.len() == outside.len() && !traces.contains(&format!("\"{TRACE}\"")), "each is its own: {traces:?}");
    let attempt = spans.iter().find(|span| span["traceId"] == TRACE && span["name"] == "attempt 1").expect("it sent");
    let sent = format!("00-{TRACE}-{}-01", attempt["spanId"].as_str().expect("an id"));
    assert_eq!(bank.arrived()[0].header("traceparent"), Some(sent.as_str()), "what it sends is of the same trace");
}

/// Starts runs that end at once, and waits for the ends.
fn runs(client: &Client, count: usize) {
    for _ in 0..count {
        client.post("/v1/tenants/acme/runs?wait=30s", &json!({ "saga": "order" })).expect(201);
    }
}

#[test]
fn a_server_that_is_asked_to_stop_sends_what_is_left_and_no_longer_than_its_grace() {
    // So slow that the others wait when the server is asked to stop.
    let slow = Site::start(|_| {
        std::thread::sleep(Duration::from_millis(1500));
        Reply::new(200, "{}")
    });
    let folder = tempfile::tempdir().expect("there is room");
    let endpoint: &'static str = slow.url("/v1/traces").leak();
    let server = at_work(&folder.path().join("slow"), &[("AMENDS_TRACES_ENDPOINT", endpoint)]);
    runs(&server.client(server.operator_token()), 30);
    let ended = server.stop_and_tell();
    assert_eq!(ended.code, Some(0), "{ended}");
    let spans = collected(&slow);
    assert_eq!(spans.iter().filter(|span| span["name"] == "order").count(), 31, "each run once, and all of them");
    assert!(!ended.stderr.contains("traces were not sent"), "{ended}");
    // One that never answers keeps nobody longer than that.
    let silent = Site::start(|_| Reply::Silence);
    let endpoint: &'static str = silent.url("/v1/traces").leak();
    let server = at_work(
        &folder.path().join("silent"),
        &[("AMENDS_TRACES_ENDPOINT", endpoint), ("AMENDS_GRACE", "1s"), ("AMENDS_LOG_FORMAT", "json")],
    );
    runs(&server.client(server.operator_token()), 5);
    let ended = server.stop_and_tell();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stderr.contains("traces were not sent before the end") && ended.stderr.contains("\"runs\":6"), "{ended}");
}
