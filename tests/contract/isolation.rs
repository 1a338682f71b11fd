//! Nobody learns of another tenant, by any operation that the description has: what exists and is another's is answered byte for byte like
//! what does not exist.

use crate::stage::{ASK, Stage, furnish};
use harness::Answered;
use serde_json::json;
use std::collections::BTreeMap;

/// An answer without what differs from moment to moment.
fn bare(answered: &Answered) -> (u16, Vec<(String, String)>, String) {
    let headers = answered.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (answered.status, headers, String::from_utf8_lossy(&answered.body).into_owned())
}

/// The same id on both, so that the answers may be the same.
const ID: (&str, &str) = ("X-Request-Id", "the-same");

#[test]
fn another_tenants_objects_are_answered_like_none_by_every_operation() {
    let stage = Stage::new(&[]);
    let admin = stage.tenant("acme");
    let runs = furnish(&admin, "acme");
    let stranger = stage.tenant("globex");
    let operator = stage.operator();
    let letter = format!("{}.reserve", runs.stuck);
    let key = admin.get("/v1/tenants/acme/keys").expect(200)["items"][0]["id"].as_str().expect("an id").to_owned();
    let real = BTreeMap::from([
        ("plugin", "orders"),
        ("version", "1.0.0"),
        ("saga", "ask"),
        ("run", runs.open.as_str()),
        ("key", key.as_str()),
        ("letter", letter.as_str()),
        ("name", "go"),
        ("secret", "token"),
        ("webhook", "billing"),
        ("place", "api.example.com"),
    ]);
    let fill = |path: &str, tenant: &str| {
        let filled = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some("tenant") => tenant.to_owned(),
            Some(name) => (*real.get(name).unwrap_or_else(|| panic!("nothing is known of {name}"))).to_owned(),
            None => segment.to_owned(),
        };
        path.split('/').map(filled).collect::<Vec<_>>().join("/")
    };
    let bodies: &[&[u8]] = &[b"", b"{}", b"{", ASK.as_bytes(), br#"{"name":"k","role":"viewer"}"#, br#"{"saga":"ask"}"#];
    let mut walked = 0;
    for operation in stage.description.operations() {
        if !operation.path.starts_with("/v1/tenants/{tenant}") {
            continue;
        }
        walked += 1;
        let (theirs, nobodys) = (fill(&operation.path, "acme"), fill(&operation.path, "nobody"));
        for body in bodies {
            let of = |path: &str| bare(&stranger.ask(&operation.method, path, &[ID], body));
            let (theirs, nobodys) = (of(&theirs), of(&nobodys));
            assert_eq!(theirs, nobodys, "{} {}", operation.method, operation.path);
            assert_eq!(theirs.0, 404, "{} {}", operation.method, operation.path);
        }
        let without = stage.stranger().ask(&operation.method, &theirs, &[], b"");
        assert_eq!(without.problem(401), "token_missing", "{} {}", operation.method, operation.path);
    }
    assert!(walked > 40, "{walked}");
    // What is the whole host's is not theirs either, and whoever may see a tenant sees it.
    assert_eq!(stranger.get("/v1/tenants").problem(403), "not_allowed");
    operator.get("/v1/tenants/acme").expect(200);
    admin.get(&format!("/v1/tenants/acme/runs/{}", runs.open)).expect(200);
    stage.server.stop();
}

#[test]
fn ids_of_another_tenant_are_nobodys_in_ones_own() {
    let stage = Stage::new(&[]);
    let admin = stage.tenant("acme");
    let runs = furnish(&admin, "acme");
    let stranger = stage.tenant("globex");
    stranger.ask("PUT", "/v1/tenants/globex/sagas/ask", &[], ASK.as_bytes()).expect(201);
    let key = admin.get("/v1/tenants/acme/keys").expect(200)["items"][0]["id"].as_str().expect("an id").to_owned();
    let (run, guessed) = (runs.open.as_str(), "run_00000000000000000000000007");
    let guessed_key = "key_00000000000000000000000007";
    for (method, path, theirs, nobodys) in [
        ("GET", "runs/ID", run, guessed),
        ("GET", "runs/ID/events", run, guessed),
        ("POST", "runs/ID/cancel", run, guessed),
        ("POST", "runs/ID/signals/go", run, guessed),
        ("POST", "runs/ID/compensate", run, guessed),
        ("GET", "dead-letters/ID.reserve", runs.stuck.as_str(), guessed),
        ("POST", "dead-letters/ID.reserve/redrive", runs.stuck.as_str(), guessed),
        ("DELETE", "keys/ID", key.as_str(), guessed_key),
        ("GET", "plugins/ID", "orders", "sredro"),
        ("GET", "plugins/ID/1.0.0", "orders", "sredro"),
        ("DELETE", "plugins/ID/1.0.0", "orders", "sredro"),
        ("GET", "plugins/ID/grants", "orders", "sredro"),
        ("GET", "sagas/ID", "order", "redro"),
        ("DELETE", "secrets/ID", "token", "nekot"),
        ("PUT", "secrets/ID/plugins/orders", "token", "nekot"),
        ("GET", "webhooks/ID", "billing", "gnillib"),
        ("DELETE", "webhooks/ID", "billing", "gnillib"),
        ("POST", "webhooks/ID/rotate", "billing", "gnillib"),
    ] {
        let ask = |id: &str| {
            let answered = stranger.ask(method, &format!("/v1/tenants/globex/{}", path.replace("ID", id)), &[ID], b"");
            let (status, headers, body) = bare(&answered);
            let headers: Vec<_> = headers.into_iter().filter(|(name, _)| name != "content-length").collect();
            (status, headers, body.replace(id, "ID"))
        };
        assert_eq!(ask(theirs), ask(nobodys), "{method} {path}");
    }
    // Of its own the same is there.
    let own = stranger.send("POST", "/v1/tenants/globex/runs", &json!({ "saga": "ask" })).expect(202);
    stranger.get(&format!("/v1/tenants/globex/runs/{}", own["id"].as_str().expect("an id"))).expect(200);
    stage.server.stop();
}
