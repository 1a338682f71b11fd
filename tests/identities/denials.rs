//! Denied requests are facts of the chain of whoever asked, added up, and nobody fills a chain with them.

use harness::{Client, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// What was told of denials in a tenant: who, the code and how many.
fn told(client: &Client, tenant: &str) -> Vec<(Option<String>, String, u64)> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/tenants/{tenant}/events?limit=1000{cursor}")).expect(200);
        let items = page["items"].as_array().expect("a list").clone();
        found.extend(items.into_iter().filter(|event| event["type"] == "request.denied").map(|event| {
            let data = &event["data"];
            let text = |field: &str| data[field].as_str().map(str::to_owned);
            (text("who"), text("code").expect("a code"), data["count"].as_u64().expect("a number"))
        }));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

fn until(
    client: &Client,
    tenant: &str,
    is_so: impl Fn(&[(Option<String>, String, u64)]) -> bool,
) -> Vec<(Option<String>, String, u64)> {
    let begun = Instant::now();
    loop {
        let told = told(client, tenant);
        if is_so(&told) {
            return told;
        }
        assert!(begun.elapsed() < SOON, "{told:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn denied_requests_are_noted_with_whoever_asked_and_a_flood_of_them_is_a_few_facts() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    let token = server.operator_token().to_owned();
    let operator = server.client(&token);
    operator.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
    let key = operator.post("/v1/tenants/acme/keys", &json!({ "name": "v", "role": "viewer" })).expect(201);
    let viewer = server.client(key["token"].as_str().expect("it is told once"));
    // What is allowed is no denial, and neither is what is not there in one's own tenant.
    viewer.get("/v1/tenants/acme/runs").expect(200);
    viewer.get("/v1/tenants/acme/runs/run_00000000000000000000000007").expect(404);
    assert_eq!(viewer.post("/v1/tenants/acme/runs", &json!({ "saga": "s" })).problem(403), "not_allowed");
    let who = Some(format!("v ({})", key["id"].as_str().expect("an id")));
    let first = until(&operator, "acme", |told| !told.is_empty());
    assert_eq!(first, [(who.clone(), "not_allowed".to_owned(), 1)]);
    for _ in 0..300 {
        viewer.get("/v1/tenants").expect(403);
        server.stranger().get("/v1/whoami").expect(401);
    }
    assert_eq!(viewer.get("/v1/tenants/other").problem(404), "not_found");
    let hidden = |told: &[(Option<String>, String, u64)]| told.iter().any(|fact| fact.1 == "not_found");
    until(&operator, "acme", hidden);
    let of_host = until(&operator, "host", |told| !told.is_empty());
    assert!(of_host.iter().all(|(who, code, _)| who.is_none() && code == "token_missing"), "{of_host:?}");
    assert!(told(&operator, "acme").len() <= 3, "a flood is no flood of facts: {:?}", told(&operator, "acme"));
    server.stop();
    // What was not told yet is told at the end: nothing is lost.
    let server = Server::start(folder.path());
    let operator = server.client(&token);
    let sum = |told: &[(Option<String>, String, u64)], code: &str| {
        told.iter().filter(|fact| fact.1 == code).map(|fact| fact.2).sum::<u64>()
    };
    let (of_acme, of_host) = (told(&operator, "acme"), told(&operator, "host"));
    assert_eq!((sum(&of_acme, "not_allowed"), sum(&of_acme, "not_found"), sum(&of_host, "token_missing")), (301, 1, 300));
    assert!(of_acme.len() <= 5 && of_host.len() <= 3, "{of_acme:?} {of_host:?}");
    let head: Value = operator.get("/v1/tenants/acme/audit/head").expect(200);
    assert!(head.is_object());
    server.stop();
}
