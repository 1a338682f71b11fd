//! Keys: told once, sealed where they are kept, and changed without a request that whoever checks could not check.

use crate::stage::{Stage, is_signed, put, taker};
use harness::Server;
use serde_json::{Value, json};

#[test]
fn a_key_is_told_once_and_another_one_takes_its_place_with_an_overlap() {
    let mut stage = Stage::new(&[]);
    let (acme, site) = (stage.tenant("acme"), taker());
    let first = stage.hook(&acme, "w", &site.url("/"), &[]);
    let last = || {
        acme.runs(1);
        acme.wait_until("w", |shown| shown["records_behind"] == 0);
        site.arrived().pop().expect("something came")
    };
    let set = || put(&stage.operator(), &acme.at("webhooks/w"), &json!({ "url": site.url("/") })).expect(200);
    assert!(set()["key"].is_null() && acme.shown("w")["key"].is_null());
    let request = last();
    assert!(is_signed(&request, &first));
    let rotate = |body: Value| {
        let rotated = acme.admin.post(&acme.at("webhooks/w/rotate"), &body);
        (rotated.expect(200)["key"].as_str().expect("it is told once").to_owned(), rotated.json()["previous_key_until"].clone())
    };
    let (second, until) = rotate(json!({ "overlap": "1h" }));
    let request = last();
    assert!(until.is_string() && is_signed(&request, &second) && is_signed(&request, &first));
    // Of three, the oldest is gone.
    let (third, _) = rotate(json!({}));
    let request = last();
    assert!(is_signed(&request, &third) && is_signed(&request, &second) && !is_signed(&request, &first));
    let (fourth, until) = rotate(json!({ "overlap": "0s" }));
    let request = last();
    assert!(until.is_null() && is_signed(&request, &fourth) && !is_signed(&request, &third));
    let (fifth, _) = rotate(json!({ "overlap": "1s" }));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let request = last();
    assert!(is_signed(&request, &fifth) && !is_signed(&request, &fourth), "the overlap is over");
    for overlap in ["8days", "soon", ""] {
        assert_eq!(acme.admin.post(&acme.at("webhooks/w/rotate"), &json!({ "overlap": overlap })).problem(422), "webhook_overlap");
    }
    // Nowhere that is shown: neither in events nor in the chain.
    let told = acme.admin.get(&acme.at("events?limit=1000")).body;
    let chain = acme.admin.get(&acme.at("audit/records?limit=100")).body;
    for key in [&first, &second, &third, &fourth, &fifth] {
        for text in [&told, &chain] {
            assert!(!String::from_utf8_lossy(text).contains(key.as_str()));
        }
    }
    stage.stop();
}

#[test]
fn without_a_master_key_there_is_no_webhook() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    let operator = server.client(server.operator_token());
    operator.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
    let set = put(&operator, "/v1/tenants/acme/webhooks/w", &json!({ "url": "https://example.com/" }));
    assert_eq!(set.problem(503), "master_key_missing");
    server.stop();
}
