//! Every operation, in every way that it can answer.

use crate::Asker;
use crate::stage::{ASK, Furnished, SAGA, Stage, furnish, id};
use crate::unseen::UNSEEN;
use amends_domain::time::{Span, Timestamp};
use harness::{guest, small_guest};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn every_operation_answers_what_its_description_says() {
    let stage = Stage::new(&[]);
    let admin = stage.tenant("acme");
    let runs = furnish(&admin, "acme");
    looks(&stage, &admin, &runs);
    demands(&stage, &admin, &runs);
    letters(&stage, &admin, &runs);
    mistakes(&stage, &admin, &runs);
    sagas(&admin);
    plugins(&admin);
    grants_and_secrets(&stage, &admin);
    webhooks(&stage, &admin);
    keys(&stage, &admin);
    tenants(&stage);
    uploads(&stage, &admin);
    let seen = stage.seen.borrow();
    for operation in stage.description.operations() {
        let done = seen.iter().any(|(id, status, _)| *id == operation.id && *status < 300);
        assert!(done, "{} was never seen to be done", operation.id);
    }
    let said: BTreeSet<String> = stage.description.codes().into_iter().map(|(_, code)| code).collect();
    let answered: BTreeSet<String> = seen.iter().filter_map(|(_, _, code)| code.clone()).collect();
    let unseen: BTreeSet<String> = UNSEEN.iter().flat_map(|(_, codes)| codes.iter().map(|code| (*code).to_owned())).collect();
    let missing: Vec<_> = said.difference(&answered).filter(|code| !unseen.contains(*code)).collect();
    assert!(missing.is_empty(), "nothing was seen to answer {missing:?}");
    let known: Vec<_> = unseen.intersection(&answered).collect();
    assert!(known.is_empty(), "these can be seen: {known:?}");
    stage.server.stop();
}

#[test]
fn a_host_without_a_master_key_keeps_no_secret_and_says_so() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = harness::Server::start(folder.path());
    let operator = server.client(server.operator_token());
    operator.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
    let set = operator.ask("PUT", "/v1/tenants/acme/secrets/token", &[], br#"{"value":"hunter2"}"#);
    assert_eq!((set.problem(503).as_str(), set.header("retry-after")), ("master_key_missing", Some("5")));
    assert!(!String::from_utf8_lossy(&set.body).contains("hunter2"));
    server.stop();
}

#[test]
fn a_request_has_an_id_that_its_answer_and_its_problem_have() {
    let stage = Stage::new(&[]);
    let stranger = stage.stranger();
    let answered = stranger.ask("GET", "/v1/whoami", &[("X-Request-Id", "mine-7")], b"");
    assert_eq!((answered.header("x-request-id"), &answered.json()["request_id"]), (Some("mine-7"), &json!("mine-7")));
    let made = stranger.ask("GET", "/healthz", &[("X-Request-Id", "with space")], b"");
    assert!(made.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{made:?}");
    // The link of a problem leads to what its code means.
    let page = stranger.get(answered.json()["type"].as_str().expect("a link"));
    assert!(page.status == 200 && String::from_utf8_lossy(&page.body).starts_with("### token_missing\n"), "{page:?}");
    assert_eq!(stranger.get("/errors/no_such_code").problem(404), "not_found");
    stage.server.stop();
}

/// What is looked at.
fn looks(stage: &Stage, admin: &Asker<'_>, runs: &Furnished) {
    let stranger = stage.stranger();
    let operator = stage.operator();
    assert_eq!((operator.get("/metrics").status, operator.ask("POST", "/v1/backup", &[], b"").status), (200, 200));
    for path in ["/healthz", "/readyz", "/openapi.json", "/errors", "/errors/not_found"] {
        assert_eq!(stranger.get(path).status, 200, "{path}");
    }
    assert_eq!(admin.get("/v1/whoami").expect(200)["tenant"], "acme");
    let at = |rest: &str| format!("/v1/tenants/acme/{rest}");
    for rest in ["plugins", "plugins/orders", "sagas", "dead-letters", "state", "secrets", "keys", "runs", "events", "resolvers"] {
        admin.get(&at(rest)).expect(200);
    }
    admin.get("/v1/tenants/acme").expect(200);
    admin.get("/v1/tenants/acme/usage").expect(200);
    for run in [&runs.ended, &runs.compensated, &runs.open, &runs.stuck] {
        admin.get(&at(&format!("runs/{run}"))).expect(200);
        admin.get(&at(&format!("runs/{run}/events"))).expect(200);
    }
    assert_eq!(admin.get(&at("plugins/orders/grants")).expect(200)["items"][0]["place"], "api.example.com");
    assert_eq!(admin.get(&at("secrets")).expect(200)["items"], json!([{ "name": "token", "plugins": ["orders"] }]));
    assert_eq!(admin.ask("GET", &at("events"), &[("Accept", "image/png")], b"").problem(406), "not_acceptable");
    audit(admin);
}

/// The chain: what is told can be checked with SHA-256 alone.
fn audit(admin: &Asker<'_>) {
    use amends_domain::digest::Digest;
    let head = admin.get("/v1/tenants/acme/audit/head").expect(200);
    let count = head["records"].as_u64().expect("a number");
    let (mut next, mut items) = (Some(1), Vec::new());
    while let Some(from) = next {
        let page = admin.get(&format!("/v1/tenants/acme/audit/records?from={from}&limit=7")).expect(200);
        items.extend(page["items"].as_array().expect("a list").clone());
        next = page["next_from"].as_u64();
    }
    let now = admin.get("/v1/tenants/acme/audit/head").expect(200);
    assert!(items.len() as u64 >= count && now["records"].as_u64().expect("a number") >= items.len() as u64);
    // The proof of an early record leads to the head, and so does every record by itself.
    let proof = admin.get("/v1/tenants/acme/audit/proof?record=2").expect(200);
    assert_eq!((&proof["before"], &proof["record"]), (&items[0]["link"], &items[1]));
    let link =
        |before: [u8; 32], seq: u64, body: [u8; 32]| Digest::of_parts(&[b"amends:link:1", &before, &seq.to_be_bytes(), &body]).0;
    let digest = |text: &Value| Digest::from_hex(text.as_str().expect("a text")).expect("a digest").0;
    let body = base64_of(proof["record"]["body"].as_str().expect("a body"));
    let mut now = link(digest(&proof["before"]), 2, Digest::of(&body).0);
    assert_eq!(now, digest(&proof["record"]["link"]));
    for (seq, body) in (3..).zip(proof["digests"].as_array().expect("a list")) {
        now = link(now, seq, digest(body));
    }
    assert_eq!((now, &proof["to"]), (digest(&proof["head"]["link"]), &proof["head"]));
    assert_eq!(admin.get("/v1/tenants/acme/audit/proof?record=100000").problem(404), "unknown_record");
    assert_eq!(admin.get("/v1/tenants/acme/audit/records?limit=101").problem(400), "limit_out_of_range");
}

/// Base64 with padding (RFC 4648 §4).
fn base64_of(text: &str) -> Vec<u8> {
    let value = |b: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|d| *d == b);
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.bytes().filter_map(value) {
        (bits, count) = (bits << 6 | u32::try_from(digit).expect("six bits"), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    bytes
}

/// What is asked of runs.
fn demands(stage: &Stage, admin: &Asker<'_>, runs: &Furnished) {
    let at = |run: &str, rest: &str| format!("/v1/tenants/acme/runs/{run}/{rest}");
    let open = runs.open.as_str();
    admin.send("POST", &at(open, "pause"), &json!({ "reason": "lunch", "key": "k" })).expect(200);
    assert_eq!(admin.send("POST", &at(open, "resume"), &json!({ "key": "k" })).problem(409), "key_reused");
    admin.send("POST", &at(open, "resume"), &json!({})).expect(200);
    assert_eq!(admin.send("POST", &at(open, "retry"), &json!({})).problem(409), "nothing_to_retry");
    assert_eq!(admin.send("POST", &at(open, "compensate"), &json!({})).problem(409), "run_open");
    assert_eq!(admin.send("POST", &at(open, "kill"), &json!({})).problem(403), "not_allowed");
    let operator = stage.operator();
    assert_eq!(operator.send("POST", &at(open, "kill"), &json!({})).problem(422), "reason_missing");
    assert_eq!(admin.send("POST", &at(open, "signals/nothing"), &json!({})).problem(422), "unknown_signal");
    assert_eq!(admin.send("POST", &at(open, "signals/N"), &json!({})).problem(400), "signal_name");
    let long = "x".repeat(300 * 1024);
    assert_eq!(admin.send("POST", &at(open, "signals/go"), &json!({ "payload": long })).problem(413), "payload_too_long");
    assert_eq!(admin.send("POST", &at(open, "cancel"), &json!({ "reason": "x".repeat(5000) })).problem(422), "reason_length");
    assert_eq!(admin.send("POST", &at(open, "cancel"), &json!({ "key": "" })).problem(422), "key_length");
    admin.send("POST", &at(open, "signals/go"), &json!({ "payload": 7, "id": "mail-1" })).expect(200);
    let ended = runs.ended.as_str();
    assert_eq!(admin.send("POST", &at(ended, "pause"), &json!({})).problem(409), "run_ended");
    assert_eq!(admin.send("POST", &at(ended, "compensate"), &json!({ "from": "nowhere" })).problem(422), "unknown_step");
    admin.send("POST", &at(ended, "compensate"), &json!({ "from": "reserve" })).expect(200);
    assert_eq!(admin.send("POST", &at("run_00000000000000000000000007", "pause"), &json!({})).problem(404), "unknown_run");
    // One that is past its pivot and open; a signal that nobody waits for yet, too often; and one that came too late.
    let saga = "saga: late\nsteps:\n  - { id: pay, uses: orders/reserve-inventory, kind: pivot, compensate: none, input: { sku: A, quantity: 1 } }\n  \
                - { id: w, wait: { signal: go } }\n  - { id: v, wait: { signal: more } }\n";
    admin.ask("PUT", "/v1/tenants/acme/sagas/late", &[], saga.as_bytes()).expect(201);
    let start = |wait: &str| id(&admin.send("POST", &format!("/v1/tenants/acme/runs{wait}"), &json!({ "saga": "late" })));
    let late = start("?wait=300ms");
    assert_eq!(admin.send("POST", &at(&late, "cancel"), &json!({})).problem(409), "past_pivot");
    admin.send("POST", &at(&late, "signals/go"), &json!({})).expect(200);
    let gone = || admin.send("POST", &at(&late, "signals/go"), &json!({}));
    let answered = std::iter::repeat_with(gone).take(100).find(|answered| answered.status != 200).expect("it is taken soon");
    assert_eq!(answered.problem(409), "signal_not_awaited");
    let waiting = start("");
    let many = || admin.send("POST", &at(&waiting, "signals/more"), &json!({}));
    let answered = std::iter::repeat_with(many).take(2000).find(|answered| answered.status != 200).expect("there is a bound");
    assert!(["too_many_signals", "too_many_demands"].contains(&answered.problem(409).as_str()));
    let killed = operator.send("POST", &at(&waiting, "kill"), &json!({ "reason": "a test" })).expect(200);
    assert_eq!(killed["run"], waiting.as_str());
    admin.send("POST", &at(&start(""), "cancel"), &json!({ "in_flight": "end-now" }));
    // One that waits for its next attempt.
    let flaky = small_guest("fail");
    admin.ask("PUT", "/v1/tenants/acme/plugins/flaky/1?wait=30s", &[("Content-Type", "application/wasm")], &flaky).expect(201);
    let saga = "saga: flaky\nsteps:\n  - { id: a, uses: flaky/flaky, input: 1, retry: { attempts: 9, initial: 1h, max: 1h } }\n";
    admin.ask("PUT", "/v1/tenants/acme/sagas/flaky", &[], saga.as_bytes()).expect(201);
    let run = id(&admin.send("POST", "/v1/tenants/acme/runs?wait=100ms", &json!({ "saga": "flaky" })));
    let retried = || admin.send("POST", &at(&run, "retry"), &json!({})).status == 200;
    assert!(std::iter::repeat_with(retried).take(1000).any(|retried| retried), "it waits for its next attempt");
}

/// What waits for a person.
fn letters(stage: &Stage, admin: &Asker<'_>, runs: &Furnished) {
    let letter = format!("/v1/tenants/acme/dead-letters/{}.reserve", runs.stuck);
    admin.get(&letter).expect(200);
    assert_eq!(admin.get(&format!("/v1/tenants/acme/dead-letters/{}.first", runs.stuck)).problem(404), "unknown_dead_letter");
    let resolve = |body: Value| admin.send("POST", &format!("{letter}/resolve"), &body);
    assert_eq!(resolve(json!({ "resolution": "done" })).problem(422), "reason_missing");
    assert_eq!(resolve(json!({ "resolution": "undone", "reason": "by hand" })).problem(409), "resolution_unfit");
    let long = "x".repeat(300 * 1024);
    assert_eq!(resolve(json!({ "resolution": "done", "reason": "by hand", "evidence": long })).problem(422), "payload_not_json");
    let redriven = admin.send("POST", &format!("{letter}/redrive"), &json!({ "component": "latest" }));
    redriven.expect(200);
    // It fails again, and two people see to it.
    let stuck = format!("/v1/tenants/acme/runs/{}", runs.stuck);
    let is_stuck = || admin.get(&stuck).expect(200)["status"] == "stuck";
    assert!(std::iter::repeat_with(is_stuck).take(5000).any(|stuck| stuck), "it fails again");
    admin.send("PUT", "/v1/tenants/acme/resolvers", &json!({ "resolvers": "two" })).expect(200);
    let done = json!({ "resolution": "done", "reason": "by hand", "evidence": { "ticket": 7 } });
    resolve(done.clone()).expect(200);
    assert_eq!(resolve(done.clone()).problem(409), "second_person_needed");
    stage.key("acme", "developer").send("POST", &format!("{letter}/resolve"), &done).expect(200);
    assert_eq!(admin.send("POST", &format!("{letter}/redrive"), &json!({})).problem(409), "not_a_dead_letter");
    assert_eq!(admin.send("PUT", "/v1/tenants/acme/resolvers", &json!({ "resolvers": 3 })).problem(400), "body_malformed");
}

/// What is asked wrongly.
fn mistakes(stage: &Stage, admin: &Asker<'_>, runs: &Furnished) {
    let at = "/v1/tenants/acme/runs";
    for (method, path, headers, body, status, code) in [
        ("POST", "", &[][..], &b"{"[..], 400, "body_malformed"),
        ("POST", "", &[("Content-Type", "multipart/form-data; boundary=x")], b"{}", 415, "media_type_not_taken"),
        ("POST", "", &[("Content-Encoding", "gzip")], b"{}", 415, "encoding_not_taken"),
        ("POST", "", &[("Idempotency-Key", "\u{e4}")], br#"{"saga":"ask"}"#, 400, "key_malformed"),
        ("POST", "", &[], br#"{"saga":"none"}"#, 404, "unknown_saga"),
        ("POST", "", &[], br#"{"saga":"ask","version":9}"#, 404, "unknown_version"),
        ("POST", "", &[], br#"{"saga":"ask","begins_at":"2999-01-01T00:00:00Z"}"#, 422, "begin_too_late"),
        ("POST", "?wait=soon", &[], br#"{"saga":"ask"}"#, 400, "wait_malformed"),
        ("POST", "?wait=61s", &[], br#"{"saga":"ask"}"#, 400, "wait_too_long"),
        ("GET", "?status=happy", &[], b"", 400, "query_malformed"),
        ("GET", "?limit=1&limit=2", &[], b"", 400, "query_malformed"),
        ("GET", "?lmit=1", &[], b"", 400, "parameter_unknown"),
        ("GET", "?limit=1001", &[], b"", 400, "limit_out_of_range"),
        ("GET", "?cursor=7", &[], b"", 400, "cursor_malformed"),
        ("DELETE", "", &[], b"", 405, "method_not_allowed"),
    ] {
        assert_eq!(admin.ask(method, &format!("{at}{path}"), headers, body).problem(status), code, "{method} {path}");
    }
    assert_eq!(admin.ask("DELETE", at, &[], b"").header("allow").map(|allow| allow.contains("POST")), Some(true));
    let long = format!(r#"{{"saga":"ask","input":"{}"}}"#, "x".repeat(300 * 1024));
    assert_eq!(admin.ask("POST", at, &[], long.as_bytes()).problem(413), "input_too_long");
    assert_eq!(admin.ask("POST", at, &[], &vec![b' '; 2 << 20]).problem(413), "body_too_large");
    let start = |input: u8| {
        let body = json!({ "saga": "ask", "input": input }).to_string();
        admin.ask("POST", at, &[("Idempotency-Key", "once")], body.as_bytes())
    };
    start(1).expect(202);
    assert_eq!(start(2).problem(409), "key_reused");
    // What was started before and has ended is told with 200.
    let key = [("Idempotency-Key", "done")];
    let order = json!({ "saga": "order", "input": { "sku": "A", "quantity": 1, "waits": false } }).to_string();
    admin.ask("POST", &format!("{at}?wait=30s"), &key, order.as_bytes()).expect(201);
    assert_eq!(admin.ask("POST", at, &key, order.as_bytes()).header("idempotent-replayed"), Some("true"));
    let write = |body: &Value| admin.send("PATCH", "/v1/tenants/acme/state", body);
    assert_eq!(write(&json!({ "": 1 })).problem(422), "key_length");
    assert_eq!(write(&json!({ "a\nb": 1 })).problem(422), "key_not_plain");
    assert_eq!(write(&json!({ "a": "x".repeat(300 * 1024) })).problem(413), "value_too_long");
    let many: serde_json::Map<_, _> = (0..1001).map(|n| (format!("k{n}"), n.into())).collect();
    assert_eq!(write(&many.into()).problem(413), "too_many_keys_at_once");
    let events = format!("{at}/{}/events", runs.ended);
    let stream = [("Accept", "text/event-stream"), ("Last-Event-ID", "x")];
    assert_eq!(admin.ask("GET", &events, &stream, b"").problem(400), "event_id_malformed");
    assert_eq!(stage.stranger().get(at).problem(401), "token_missing");
    assert_eq!(stage.asker(stage.server.client("hunter2")).get(at).problem(401), "token_malformed");
    assert_eq!(admin.get("/v1/tenants/acme/nothing").problem(404), "not_found");
}

fn sagas(admin: &Asker<'_>) {
    let ask = "/v1/tenants/acme/sagas/ask";
    let put = |headers: &[(&str, &str)], document: &str| admin.ask("PUT", ask, headers, document.as_bytes());
    let shown = admin.get(ask);
    assert_eq!((shown.status, shown.header("etag")), (200, Some("\"1\"")));
    assert_eq!(admin.ask("GET", ask, &[("If-None-Match", "\"1\"")], b"").status, 304);
    assert_eq!(admin.ask("GET", ask, &[("If-None-Match", "\"2\"")], b"").status, 200);
    assert_eq!(admin.ask("GET", ask, &[("If-Match", "\"2\"")], b"").problem(412), "precondition_failed");
    assert_eq!(put(&[("If-None-Match", "*")], ASK).problem(412), "precondition_failed");
    assert_eq!(put(&[("If-Match", "\"2\"")], ASK).problem(412), "precondition_failed");
    assert_eq!(put(&[("If-Match", "2")], ASK).problem(400), "precondition_malformed");
    let other = r#"{"saga":"ask","deadline":"1h","steps":[{"id":"w","wait":{"signal":"now"}}]}"#;
    let applied = put(&[("If-Match", "\"1\"")], other);
    assert_eq!(applied.header("etag"), Some("\"2\""));
    let changes = applied.expect(201)["changes"].clone();
    assert_eq!(changes.as_array().map(Vec::len), Some(2), "{changes}");
    assert!(put(&[], other).expect(201).get("changes").is_none(), "nothing changed");
    let compared = admin.get(&format!("{ask}/diff")).expect(200);
    assert_eq!((&compared["from"], &compared["to"], &compared["breaking"]), (&json!(1), &json!(2), &json!(true)));
    assert_eq!(compared["changes"], changes);
    assert_eq!(admin.get(&format!("{ask}/diff?from=2&to=2")).expect(200)["changes"], json!([]));
    assert_eq!(admin.get(&format!("{ask}/diff?from=7")).problem(404), "unknown_version");
    assert_eq!(admin.get("/v1/tenants/acme/sagas/none").problem(404), "not_found");
    assert_eq!(put(&[], "saga: ask").problem(422), "saga_refused");
    assert_eq!(put(&[], SAGA).problem(422), "saga_name_differs");
}

fn plugins(admin: &Asker<'_>) {
    let at = |rest: &str| format!("/v1/tenants/acme/plugins/{rest}");
    let wasm = |headers: &[(&'static str, &'static str)]| [&[("Content-Type", "application/wasm")], headers].concat();
    let push = |rest: &str, headers: &[_], component: &[u8]| admin.ask("PUT", &at(rest), &wasm(headers), component);
    let orders = std::fs::read(guest("orders")).expect("it is built");
    // Pushed and left alone, it goes on behind the answer.
    let pushed = push("orders/2.0.0", &[], &orders);
    assert!(["checking", "compiling"].contains(&pushed.expect(202)["status"].as_str().expect("a word")));
    let status = || admin.get(&at("orders/2.0.0")).expect(200)["status"].clone();
    assert!(std::iter::repeat_with(status).take(100_000).any(|status| status == "ready"));
    let shown = admin.get(&at("orders/2.0.0"));
    let tag = shown.header("etag").expect("it has one").to_owned();
    assert_eq!(admin.ask("GET", &at("orders/2.0.0"), &[("If-None-Match", &tag)], b"").status, 304);
    assert_eq!(push("orders/2.0.0?wait=30s", &[], &orders).status, 200, "the same again changes nothing");
    assert_eq!(push("orders/2.0.0?wait=30s", &[("If-None-Match", "*")], &orders).problem(412), "precondition_failed");
    let other = small_guest("echo");
    assert_eq!(push("orders/2.0.0?wait=30s", &[], &other).problem(409), "version_exists");
    // What is refused says so, to whoever waits and to whoever looks.
    assert_eq!(push("bad/1?wait=30s", &[], b"(module)").problem(422), "component_is_text");
    let refused = admin.get(&at("bad/1")).expect(200);
    assert_eq!((&refused["status"], &refused["reason"]["code"]), (&json!("refused"), &json!("component_is_text")));
    assert_eq!(push("bad/1?wait=30s", &[], b"\0asm\x01\0\0\0").problem(422), "component_is_core_module");
    assert_eq!(push("bad/1?wait=30s", &[], b"GIF89a").problem(422), "component_is_not_webassembly");
    let sends = std::fs::read(guest("payments-http")).expect("it is built");
    assert_eq!(push("sends/1?wait=30s", &[], &sends).problem(422), "host_not_granted");
    assert_eq!(push("BAD/1", &[], &orders).problem(400), "plugin_name");
    assert_eq!(push("bad/1_2", &[], &orders).problem(400), "plugin_version");
    assert_eq!(push("orders/2.0.0", &[("If-Match", "7")], &orders).problem(400), "precondition_malformed");
    assert_eq!(admin.get(&at("orders/3.0.0")).problem(404), "version_unknown");
    assert_eq!(admin.ask("DELETE", &at("orders/3.0.0"), &[], b"").problem(404), "version_unknown");
    assert_eq!(admin.get(&at("none")).problem(404), "not_found");
    for n in 3..=100 {
        push(&format!("orders/{n}?wait=30s"), &[], &orders).expect(201);
    }
    assert_eq!(push("orders/101?wait=30s", &[], &orders).problem(409), "too_many_versions");
    // An open run pins what it was started with.
    push("pinned/1?wait=30s", &[], &orders).expect(201);
    let saga = "saga: pins\nsteps:\n  - { id: w, wait: { signal: go } }\n  - { id: a, uses: pinned/reserve-inventory, input: { sku: A, quantity: 1 } }\n";
    admin.ask("PUT", "/v1/tenants/acme/sagas/pins", &[], saga.as_bytes()).expect(201);
    let run = id(&admin.send("POST", "/v1/tenants/acme/runs", &json!({ "saga": "pins" })));
    assert_eq!(admin.ask("DELETE", &at("pinned/1"), &[], b"").problem(409), "version_pinned");
    admin.send("POST", &format!("/v1/tenants/acme/runs/{run}/cancel"), &json!({})).expect(200);
    let gone = || admin.ask("DELETE", &at("pinned/1"), &[], b"").status == 204;
    assert!(std::iter::repeat_with(gone).take(1000).any(|gone| gone), "the run has ended");
}

fn grants_and_secrets(stage: &Stage, admin: &Asker<'_>) {
    let grant = |by: &Asker<'_>, place: &str, body: &Value| {
        by.send("PUT", &format!("/v1/tenants/acme/plugins/orders/grants/{place}"), body)
    };
    let revoke = |place: &str| admin.ask("DELETE", &format!("/v1/tenants/acme/plugins/orders/grants/{place}"), &[], b"");
    let granted = grant(admin, "*.example.org:8443", &json!({ "methods": ["POST", "GET"] })).expect(200);
    assert_eq!((&granted["host"], &granted["port"], &granted["transport"]), (&json!("*.example.org"), &json!(8443), &json!("tls")));
    assert_eq!(grant(admin, "*.org", &json!({})).problem(422), "grant_refused");
    // What listens on the machine of the host is not a tenant's to give.
    let loopback = json!({ "reach": "loopback", "transport": "any" });
    assert_eq!(grant(admin, "127.0.0.1:9", &loopback).problem(403), "not_allowed");
    grant(&stage.operator(), "127.0.0.1:9", &loopback).expect(200);
    assert_eq!(revoke("*.example.org:8443").status, 204);
    assert_eq!(revoke("*.example.org:8443").problem(404), "not_granted");
    assert_eq!(revoke("*").problem(422), "grant_refused");
    let mut many = (0..70).map(|n| grant(admin, &format!("h{n}.example.org"), &json!({})));
    let refused = many.find(|granted| granted.status != 200);
    assert_eq!(refused.expect("there is a bound").problem(409), "grants_too_many");
    let secret =
        |name: &str, value: &str| admin.send("PUT", &format!("/v1/tenants/acme/secrets/{name}"), &json!({ "value": value }));
    assert_eq!(secret("other", "a b").status, 204);
    assert_eq!(secret("Other", "a").problem(400), "secret_name");
    assert_eq!(secret("other", "").problem(422), "secret_length");
    assert_eq!(secret("other", "a\nb").problem(422), "secret_not_plain");
    let user = |method: &str, name: &str| admin.ask(method, &format!("/v1/tenants/acme/secrets/{name}/plugins/orders"), &[], b"");
    assert_eq!(user("PUT", "none").problem(404), "unknown_secret");
    assert_eq!(user("DELETE", "other").problem(404), "not_granted");
    assert_eq!((user("PUT", "other").status, user("PUT", "other").status, user("DELETE", "other").status), (204, 204, 204));
    let remove = || admin.ask("DELETE", "/v1/tenants/acme/secrets/other", &[], b"");
    assert_eq!((remove().status, remove().problem(404).as_str()), (204, "unknown_secret"));
    let all = String::from_utf8_lossy(&admin.get("/v1/tenants/acme/secrets").body).into_owned();
    assert!(!all.contains("hunter2"), "{all}");
}

fn webhooks(stage: &Stage, admin: &Asker<'_>) {
    let at = |rest: &str| format!("/v1/tenants/acme/webhooks{rest}");
    let set = |by: &Asker<'_>, name: &str, body: &Value| by.send("PUT", &at(name), body);
    let url = "https://example.invalid/other";
    let new = set(admin, "/audit", &json!({ "url": url, "paused": true }));
    assert!(new.expect(201)["key"].as_str().is_some_and(|key| key.starts_with("whsec_")));
    let tag = new.header("etag").expect("a tag").to_owned();
    let put = |headers: &[(&str, &str)]| {
        admin.ask("PUT", &at("/audit"), headers, json!({ "url": url, "events": ["key.*"] }).to_string().as_bytes())
    };
    assert_eq!(put(&[("If-None-Match", "*")]).problem(412), "precondition_failed");
    assert_eq!(put(&[("If-Match", "mine")]).problem(400), "precondition_malformed");
    assert!(put(&[("If-Match", &tag)]).expect(200)["paused"].is_null());
    assert_eq!(put(&[("If-Match", &tag)]).problem(412), "precondition_failed");
    assert_eq!(set(admin, "/Audit", &json!({ "url": url })).problem(400), "webhook_name");
    assert_eq!(set(admin, "/audit", &json!({ "url": "http://example.com/" })).problem(422), "webhook_refused");
    let loopback = json!({ "url": "http://127.0.0.1:9/" });
    assert_eq!(set(admin, "/loop", &loopback).problem(403), "not_allowed");
    set(&stage.operator(), "/loop", &loopback).expect(201);
    assert_eq!(admin.get(&at("")).expect(200)["items"].as_array().map(Vec::len), Some(3));
    admin.get(&at("/billing")).expect(200);
    admin.ask("POST", &at("/audit/rotate"), &[], b"").expect(200);
    assert_eq!(admin.send("POST", &at("/audit/rotate"), &json!({ "overlap": "30days" })).problem(422), "webhook_overlap");
    let mut many = (0..20).map(|n| set(admin, &format!("/w{n}"), &json!({ "url": url, "paused": true })));
    assert_eq!(many.find(|set| set.status != 201).expect("there is a bound").problem(409), "too_many_webhooks");
    let remove = || admin.ask("DELETE", &at("/audit"), &[], b"");
    assert_eq!((remove().status, remove().problem(404).as_str()), (204, "webhook_unknown"));
}

fn keys(stage: &Stage, admin: &Asker<'_>) {
    let at = "/v1/tenants/acme/keys";
    let create = |by: &Asker<'_>, body: &Value| by.send("POST", at, body);
    // A second from now, as the host counts.
    let now = create(admin, &json!({ "name": "now", "role": "viewer" })).expect(201)["created_at"].clone();
    let now: Timestamp = now.as_str().expect("an instant").parse().expect("an instant");
    let expires = now.plus(Span(1000)).to_string();
    let soon = create(admin, &json!({ "name": "soon", "role": "viewer", "expires_at": expires })).expect(201);
    let soon = stage.asker(stage.server.client(soon["token"].as_str().expect("a token")));
    assert_eq!(
        create(admin, &json!({ "name": "k", "role": "viewer", "expires_at": "1999-01-01T00:00:00Z" })).problem(422),
        "expiry_passed"
    );
    let key = create(admin, &json!({ "name": "k", "role": "viewer" })).expect(201);
    assert_eq!(create(admin, &json!({ "name": "k", "role": "viewer" })).problem(409), "key_name_taken");
    assert_eq!(create(admin, &json!({ "name": "o", "role": "operator" })).problem(403), "not_allowed");
    assert_eq!(create(&stage.operator(), &json!({ "name": "o", "role": "operator" })).problem(422), "role_not_of_tenant");
    let own = stage.asker(stage.server.client(key["token"].as_str().expect("a token")));
    own.get("/v1/whoami").expect(200);
    let revoke = |id: &str| admin.ask("DELETE", &format!("{at}/{id}"), &[], b"");
    let id = key["id"].as_str().expect("an id");
    assert_eq!((revoke(id).status, revoke(id).status), (204, 204), "twice is once");
    assert_eq!(revoke("key_00000000000000000000000007").problem(404), "unknown_key");
    assert_eq!(own.get("/v1/whoami").problem(401), "key_revoked");
    let over = std::iter::repeat_with(|| soon.get("/v1/whoami")).find(|answered| answered.status != 200);
    assert_eq!(over.expect("it ends").problem(401), "key_expired");
}

fn tenants(stage: &Stage) {
    let operator = stage.operator();
    let at = |rest: &str| format!("/v1/tenants/globex{rest}");
    let admin = stage.tenant("globex");
    assert_eq!(operator.send("POST", "/v1/tenants", &json!({ "id": "globex" })).problem(409), "tenant_exists");
    operator.get("/v1/tenants?limit=1").expect(200);
    assert_eq!(operator.send("PUT", &at("/limits"), &json!({ "weight": 0 })).problem(422), "limits_refused");
    operator.send("PUT", &at("/limits"), &json!({ "plugins": 0, "starts_per_minute": 0 })).expect(200);
    let component = small_guest("echo");
    let pushed = admin.ask("PUT", &at("/plugins/p/1?wait=30s"), &[("Content-Type", "application/wasm")], &component);
    assert_eq!(pushed.problem(409), "too_many_plugins");
    assert_eq!(operator.send("POST", &at("/suspend"), &json!({ "reason": "" })).problem(422), "text_length");
    operator.send("POST", &at("/suspend"), &json!({ "reason": "unpaid" })).expect(200);
    assert_eq!(admin.ask("PUT", &at("/sagas/ask"), &[], ASK.as_bytes()).problem(403), "tenant_suspended");
    operator.ask("POST", &at("/reopen"), &[], b"").expect(200);
    admin.ask("PUT", &at("/sagas/ask"), &[], ASK.as_bytes()).expect(201);
    let start = || admin.send("POST", &at("/runs"), &json!({ "saga": "ask" }));
    assert_eq!(start().problem(422), "limit_too_small");
    operator.send("PUT", &at("/limits"), &json!({ "starts_per_minute": 1 })).expect(200);
    let run = id(&start());
    let refused = start();
    assert_eq!((refused.problem(429).as_str(), refused.header("retry-after").is_some()), ("limit_exceeded", true));
    assert_eq!(operator.ask("DELETE", &at(""), &[], b"").problem(409), "tenant_has_open_runs");
    admin.send("POST", &at(&format!("/runs/{run}/cancel")), &json!({})).expect(200);
    let gone = || operator.ask("DELETE", &at(""), &[], b"").status == 204;
    assert!(std::iter::repeat_with(gone).take(1000).any(|gone| gone), "its run has ended");
    assert_eq!(admin.get("/v1/whoami").problem(401), "key_unknown");
    assert_eq!(operator.send("POST", "/v1/tenants", &json!({ "id": "globex" })).problem(409), "tenant_deleted");
    assert_eq!(operator.ask("DELETE", "/v1/tenants/host", &[], b"").problem(409), "tenant_is_host");
}

/// As many components as come in at a time, and one more.
fn uploads(stage: &Stage, admin: &Asker<'_>) {
    let path = "/v1/tenants/acme/plugins/slow/1";
    let slow: Vec<_> = (0..8).map(|_| admin.client.begin("PUT", path, 1000)).collect();
    let push = || admin.ask("PUT", path, &[("Content-Type", "application/wasm")], b"x");
    let refused = std::iter::repeat_with(push).take(1000).find(|answered| answered.status == 503);
    assert_eq!(refused.expect("they come in").problem(503), "too_many_uploads");
    drop(slow);
    let taken = std::iter::repeat_with(push).take(1000).find(|answered| answered.status != 503);
    assert_eq!(taken.expect("their places are given back").status, 202);
    assert!(stage.server.address().port() > 0);
}
