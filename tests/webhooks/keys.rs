//! Keys: told once, sealed where they are kept, and changed without a request that whoever checks could not check.

use crate::stage::{MASTER_KEY, Stage, is_signed, put, taker, wait_for};
use harness::Server;
use serde_json::{Value, json};

const OTHER_KEY: (&str, &str) = (MASTER_KEY.0, "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

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
fn under_another_master_key_nothing_is_sent_and_nothing_is_lost() {
    let mut stage = Stage::new(&[]);
    let (acme, site) = (stage.tenant("acme"), taker());
    let born = acme.told(None).last().cloned();
    let key = stage.hook(&acme, "w", &site.url("/"), &[]);
    acme.runs(1);
    acme.wait_until("w", |shown| shown["records_behind"] == 0);
    stage.stop();
    let before = site.arrived().len();
    stage.start_with(OTHER_KEY);
    let acme = stage.again(&acme);
    acme.runs(3);
    let shown = acme.wait_until("w", |shown| shown["trouble"].is_string());
    let trouble = "the key of webhook `w` was sealed with another master key: use that one, or have it made anew";
    assert_eq!((&shown["trouble"], site.arrived().len()), (&json!(trouble), before));
    stage.stop();
    stage.start_with(MASTER_KEY);
    let acme = stage.again(&acme);
    wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    assert!(site.arrived().iter().all(|request| is_signed(request, &key)));
    stage.stop();
    // Where the master key is lost, another key goes on.
    stage.start_with(OTHER_KEY);
    let acme = stage.again(&acme);
    let rotated = acme.admin.post(&acme.at("webhooks/w/rotate"), &json!({})).expect(200);
    let key = rotated["key"].as_str().expect("it is told once");
    wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    assert!(site.arrived().last().is_some_and(|request| is_signed(request, key)));
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
