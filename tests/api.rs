//! The HTTP interface of the real program: what a tenant does with it from its first key to its last run, what nobody may, and what is left
//! when the program stops or is killed.

use harness::{Client, Server, guest};
use serde_json::{Value, json};
use std::path::Path;

const SAGA: &str = r#"
saga: order
steps:
  - { id: reserve, uses: orders/reserve-inventory, input: { sku: "${input.sku}", quantity: "${input.quantity}" } }
  - { id: wait, when: "${input.waits}", wait: { signal: approved } }
"#;

/// A server with a tenant that has a plugin and a saga.
struct Site {
    _folder: tempfile::TempDir,
    server: Server,
    operator: Client,
    admin: Client,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let server = Server::start(folder.path());
        let operator = server.client(server.operator_token());
        let admin = tenant(&server, &operator, "acme", "tenant-admin");
        let site = Self { _folder: folder, server, operator, admin };
        site.push("1.0.0");
        site.admin.ask("PUT", "/v1/tenants/acme/sagas/order", &[], SAGA.as_bytes()).expect(201);
        site
    }

    fn push(&self, version: &str) -> harness::Answered {
        let component = std::fs::read(guest("orders")).expect("it is built");
        let path = format!("/v1/tenants/acme/plugins/orders/{version}?wait=30s");
        let pushed = self.admin.ask("PUT", &path, &[("Content-Type", "application/wasm")], &component);
        assert!(pushed.status < 300, "{pushed:?}");
        pushed
    }

    fn start(&self, input: &Value, query: &str) -> harness::Answered {
        self.admin.post(&format!("/v1/tenants/acme/runs{query}"), &json!({ "saga": "order", "input": input }))
    }
}

/// A tenant and somebody with a key of its own.
fn tenant(server: &Server, operator: &Client, name: &str, role: &str) -> Client {
    operator.post("/v1/tenants", &json!({ "id": name })).expect(201);
    server.client(&key(operator, name, role))
}

fn key(by: &Client, tenant: &str, role: &str) -> String {
    let key = by.post(&format!("/v1/tenants/{tenant}/keys"), &json!({ "name": role, "role": role })).expect(201);
    key["token"].as_str().expect("it is told once").to_owned()
}

fn id(run: &Value) -> &str {
    run["id"].as_str().expect("an id")
}

#[test]
fn a_tenant_goes_from_its_first_key_to_the_end_of_its_runs() {
    let site = Site::new();
    // The stock is not there, so the run is compensated: nothing was done.
    let ended = site.start(&json!({ "sku": "BOOK-1", "quantity": 1, "waits": false }), "?wait=30s");
    let run = ended.expect(201);
    assert_eq!((&run["outcome"], &run["steps"][0]["attempts"][0]["fault"]["code"]), (&json!("compensated"), &json!("unknown_sku")));
    assert_eq!(ended.header("location"), Some(format!("/v1/tenants/acme/runs/{}", id(&run)).as_str()));
    assert_eq!(site.admin.get(&format!("/v1/tenants/acme/runs/{}", id(&run))).expect(200), run);
    // With stock, it succeeds.
    let patch = |body: &[u8]| site.admin.ask("PATCH", "/v1/tenants/acme/state", &[], body);
    patch(br#"{"stock/BOOK-1":{"available":1,"reserved":0,"shipped":0,"price_cents":2000},"gone":1}"#).expect(204);
    patch(br#"{"gone":null}"#).expect(204);
    assert_eq!(patch(b"{\"a\\nb\":1,\"c\":2}").problem(422), "key_not_plain");
    let done = site.start(&json!({ "sku": "BOOK-1", "quantity": 1, "waits": false }), "?wait=30s").expect(201);
    assert_eq!(done["outcome"], "succeeded", "{done}");
    let state = site.admin.get("/v1/tenants/acme/state").expect(200);
    let keys: Vec<_> =
        state["items"].as_array().expect("a list").iter().map(|value| value["key"].as_str().expect("a key")).collect();
    assert!(keys.contains(&"stock/BOOK-1") && !keys.contains(&"gone") && !keys.contains(&"c"), "{keys:?}");
    // The same key and input are the same run, and another input is refused.
    let start = |input: Value| {
        let body = json!({ "saga": "order", "input": input }).to_string();
        site.admin.ask("POST", "/v1/tenants/acme/runs?wait=30s", &[("Idempotency-Key", "k")], body.as_bytes())
    };
    let first = start(json!({ "sku": "A", "quantity": 1, "waits": false })).expect(201);
    let again = start(json!({ "sku": "A", "quantity": 1, "waits": false }));
    assert_eq!((again.expect(200), again.header("idempotent-replayed")), (first, Some("true")));
    assert_eq!(start(json!({ "sku": "B", "quantity": 1, "waits": false })).problem(409), "key_reused");
    // Pages of one, newest first.
    let page = site.admin.get("/v1/tenants/acme/runs?limit=1").expect(200);
    let next = page["next_cursor"].as_str().expect("there is another one");
    let last = site.admin.get(&format!("/v1/tenants/acme/runs?limit=1&cursor={next}")).expect(200);
    assert_eq!(id(&last["items"][0]), id(&done));
    assert!(last.get("next_cursor").is_some(), "the first one is older");
    let of_success = site.admin.get("/v1/tenants/acme/runs?status=succeeded").expect(200);
    assert_eq!((id(&of_success["items"][0]), of_success["items"].as_array().map(Vec::len)), (id(&done), Some(1)));
    site.server.stop();
}

#[test]
fn events_are_followed_from_where_somebody_left_off_and_are_those_of_the_chain() {
    let site = Site::new();
    let run = site.start(&json!({ "sku": "BOOK-1", "quantity": 1, "waits": false }), "?wait=30s").expect(201);
    let path = format!("/v1/tenants/acme/runs/{}/events", id(&run));
    let page = site.admin.get(&path).expect(200);
    let types: Vec<_> =
        page["items"].as_array().expect("a list").iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!((types.first(), types.last()), (Some(&"workflow.saga.started"), Some(&"workflow.saga.failed")), "{types:?}");
    let mut stream = site.admin.follow(&path, None);
    let streamed: Vec<_> = types.iter().map(|_| stream.event()).collect();
    for (event, told) in streamed.iter().zip(page["items"].as_array().expect("a list")) {
        assert_eq!((&event.data, event.name.as_str()), (told, told["type"].as_str().expect("a type")));
    }
    let mut rest = site.admin.follow(&path, Some(&streamed[1].id));
    assert_eq!(rest.event(), streamed[2]);
    // All of the tenant's: its own facts too, and what comes while somebody follows.
    let mut all = site.admin.follow("/v1/tenants/acme/events", None);
    assert_eq!(all.event().name, "tenant.created");
    let later = site.start(&json!({ "sku": "C", "quantity": 1, "waits": false }), "").json();
    let found = std::iter::repeat_with(|| all.event()).take(100).find(|event| event.data["subject"] == later["id"]);
    assert_eq!(found.expect("it is told").name, "workflow.saga.started");
    site.server.stop();
}

#[test]
fn a_key_opens_what_its_role_allows_until_it_is_revoked() {
    let site = Site::new();
    let viewer = site.server.client(&key(&site.admin, "acme", "viewer"));
    assert_eq!(viewer.get("/v1/whoami").expect(200)["role"], "viewer");
    viewer.get("/v1/tenants/acme/runs").expect(200);
    assert_eq!(viewer.post("/v1/tenants/acme/runs", &json!({ "saga": "order" })).problem(403), "not_allowed");
    let operators = json!({ "name": "more", "role": "operator" });
    assert_eq!(
        site.admin.post("/v1/tenants/acme/keys", &operators).problem(403),
        "not_allowed",
        "nobody gives more than they have"
    );
    let keys = site.admin.get("/v1/tenants/acme/keys").expect(200);
    let of_viewer = keys["items"].as_array().expect("a list").iter().find(|key| key["name"] == "viewer").expect("it is there");
    assert!(of_viewer.get("token").is_none() && of_viewer.get("last_used_at").is_some(), "{of_viewer}");
    site.admin.ask("DELETE", &format!("/v1/tenants/acme/keys/{}", id(of_viewer)), &[], b"").expect(204);
    assert_eq!(viewer.get("/v1/tenants/acme/runs").problem(401), "key_revoked");
    for (shown, code) in [("", "token_malformed"), ("amt_short", "token_malformed")] {
        assert_eq!(site.server.client(shown).get("/v1/whoami").problem(401), code);
    }
    site.server.stop();
}

#[test]
fn a_suspended_tenant_starts_nothing_and_an_operator_has_it_go_on() {
    let site = Site::new();
    site.operator.post("/v1/tenants/acme/suspend", &json!({ "reason": "unpaid" })).expect(200);
    let start = || site.start(&json!({ "sku": "A", "quantity": 1, "waits": false }), "");
    assert_eq!(start().problem(403), "tenant_suspended");
    assert_eq!(site.admin.get("/v1/tenants/acme").expect(200)["suspension"]["reason"], "unpaid");
    site.operator.post("/v1/tenants/acme/reopen", &json!({})).expect(200);
    assert!(matches!(start().status, 201 | 202), "told at its start or at its end, whichever it has come to");
    let limited = site.operator.ask("PUT", "/v1/tenants/acme/limits", &[], br#"{"plugins": 3, "colour": 1, "weight": 0}"#);
    assert_eq!(limited.problem(422), "limits_refused");
    assert_eq!(limited.json()["errors"].as_array().map(Vec::len), Some(2), "all mistakes at once: {}", limited.json());
    site.server.stop();
}

#[test]
fn a_limit_that_is_reached_is_told_by_name_and_what_was_used_is_added_up() {
    let site = Site::new();
    let limit = |patch: Value| {
        let set = site.operator.ask("PUT", "/v1/tenants/acme/limits", &[], patch.to_string().as_bytes());
        set.expect(200);
    };
    limit(json!({ "starts_per_minute": 2, "queued_runs": 1, "events_followers": 1 }));
    let waits = json!({ "sku": "BOOK-1", "quantity": 1, "waits": false });
    site.start(&waits, "?wait=30s").expect(201);
    site.start(&waits, "?wait=30s").expect(201);
    let refused = site.start(&waits, "");
    let problem = refused.expect(429);
    assert_eq!((&problem["code"], &problem["limit"]), (&json!("limit_exceeded"), &json!("starts_per_minute")), "{problem}");
    let seconds = |answer: &harness::Answered| answer.header("retry-after").and_then(|after| after.parse::<u64>().ok());
    assert!(seconds(&refused).is_some_and(|seconds| (1..=30).contains(&seconds)), "{refused:?}");
    let follows = site.admin.follow("/v1/tenants/acme/events", None);
    let second = site.admin.ask("GET", "/v1/tenants/acme/events", &[("Accept", "text/event-stream")], b"");
    assert_eq!(second.expect(429)["limit"], "events_followers");
    drop(follows);
    limit(json!({ "queued_runs": 0, "starts_per_minute": 9 }));
    let refused = site.start(&waits, "");
    assert_eq!((&refused.expect(422)["limit"], seconds(&refused)), (&json!("queued_runs"), None), "there is never room");
    let usage = site.admin.get("/v1/tenants/acme/usage").expect(200);
    assert_eq!((&usage["total"]["runs"], &usage["total"]["attempts"]), (&json!(2), &json!(2)), "{usage}");
    assert!(usage["total"]["fuel"].as_u64().is_some_and(|fuel| fuel > 1000), "{usage}");
    let starts = usage["limits"].as_array().and_then(|all| all.iter().find(|one| one["limit"] == "starts_per_minute"));
    assert_eq!(starts.map(|starts| (&starts["allowed"], &starts["used"])), Some((&json!(9), &json!(2))), "{usage}");
    site.server.stop();
}

#[test]
fn what_is_asked_wrongly_is_told_with_its_place_and_changes_nothing() {
    let site = Site::new();
    let runs = "/v1/tenants/acme/runs";
    for (method, path, body, status, code) in [
        ("POST", runs, &b"{"[..], 400, "body_malformed"),
        ("POST", runs, br#"{"saga":"order","colour":"red"}"#, 400, "body_malformed"),
        ("POST", runs, br#"{"saga":"missing"}"#, 404, "unknown_saga"),
        ("POST", runs, br#"{"saga":"missing","version":1.0}"#, 404, "unknown_saga"),
        ("POST", runs, br#"{"saga":"missing","version":1.5}"#, 400, "body_malformed"),
        ("POST", "/v1/tenants/acme/runs?wait=2m", br#"{"saga":"order"}"#, 400, "wait_too_long"),
        ("GET", "/v1/tenants/acme/runs?limit=0", b"", 400, "limit_out_of_range"),
        ("GET", "/v1/tenants/acme/runs?cursor=x", b"", 400, "cursor_malformed"),
        ("GET", "/v1/tenants/acme/runs/run_00000000000000000000000007", b"", 404, "unknown_run"),
        ("GET", "/v1/tenants/acme/nothing", b"", 404, "not_found"),
        ("DELETE", runs, b"", 405, "method_not_allowed"),
        ("PUT", "/v1/tenants/acme/plugins/p/1?wait=30s", b"(module)", 422, "component_is_text"),
        ("PUT", "/v1/tenants/acme/sagas/other", SAGA.as_bytes(), 422, "saga_name_differs"),
        ("PUT", "/v1/tenants/acme/sagas/order", b"saga: order", 422, "saga_refused"),
    ] {
        assert_eq!(site.admin.ask(method, path, &[], body).problem(status), code, "{method} {path}");
    }
    let large = vec![b' '; 2 * 1024 * 1024];
    assert_eq!(site.admin.ask("POST", runs, &[], &large).problem(413), "body_too_large");
    assert_eq!(site.admin.get(runs).expect(200)["items"], json!([]));
    site.server.stop();
}

#[test]
fn a_run_that_waits_goes_on_after_the_server_was_stopped_or_killed() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    let operator = server.operator_token().to_owned();
    let admin_token = {
        let by = server.client(&operator);
        by.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
        key(&by, "acme", "tenant-admin")
    };
    let admin = server.client(&admin_token);
    admin
        .ask("PUT", "/v1/tenants/acme/sagas/ask", &[], br#"{"saga":"ask","steps":[{"id":"w","wait":{"signal":"go"}}]}"#)
        .expect(201);
    let runs: Vec<Value> = (0..3).map(|_| admin.post("/v1/tenants/acme/runs", &json!({ "saga": "ask" })).expect(202)).collect();
    server.stop();
    let signalled = |folder: &Path, run: &Value| {
        let server = Server::start(folder);
        let admin = server.client(&admin_token);
        let path = format!("/v1/tenants/acme/runs/{}", id(run));
        admin.post(&format!("{path}/signals/go"), &json!({ "payload": 7, "id": "mail-1" })).expect(200);
        let mut stream = admin.follow(&format!("{path}/events"), None);
        let ended = std::iter::repeat_with(|| stream.event()).take(50).find(|event| event.name == "workflow.saga.completed");
        assert!(ended.is_some(), "it ends");
        assert_eq!(admin.get(&path).expect(200)["steps"][0]["output"], 7);
        server
    };
    signalled(folder.path(), &runs[0]).kill();
    signalled(folder.path(), &runs[1]).stop();
    let server = Server::start(folder.path());
    let host = server.client(&operator);
    let keys = host.get("/v1/tenants/host/keys").expect(200);
    host.ask("DELETE", &format!("/v1/tenants/host/keys/{}", id(&keys["items"][0])), &[], b"").expect(204);
    assert_eq!(host.get("/v1/whoami").problem(401), "key_revoked");
    server.stop();
    let server = Server::start(folder.path());
    let operator = server.operator_token().to_owned();
    let open = server.client(&admin_token).get("/v1/tenants/acme/runs?status=open").expect(200);
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1), "what nobody signalled waits: {open}");
    assert_eq!(server.client(&operator).get("/readyz").expect(200)["ready"], true);
    server.stop();
}
