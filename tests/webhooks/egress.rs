//! Where nothing may be sent nothing is, and beside each of these stands one where something is.

use crate::stage::{Stage, put, received, taker};
use harness::{Reply, Site};
use serde_json::json;

const FAST: (&str, &str) = ("AMENDS_WEBHOOKS_RETRY_MAX", "100ms");

#[test]
fn only_operators_name_this_machine_and_nobody_a_private_address() {
    let mut stage = Stage::new(&[FAST]);
    let (acme, site) = (stage.tenant("acme"), taker());
    let set = |url: &str| put(&acme.admin, &acme.at("webhooks/w"), &json!({ "url": url }));
    assert_eq!(set(&site.url("/")).problem(403), "not_allowed");
    for url in
        ["https://10.0.0.1/", "https://169.254.169.254/latest", "http://example.com/", "https://[fd00::1]/", "file:///etc/passwd"]
    {
        let refused = set(url);
        assert_eq!(refused.problem(422), "webhook_refused", "{url}");
        assert_eq!(refused.json()["errors"][0]["path"], "url");
    }
    let refused = put(&acme.admin, &acme.at("webhooks/w"), &json!({ "url": "x", "events": ["workflow.*", "no.such", "nor.this"] }));
    let places: Vec<_> = refused.json()["errors"].as_array().expect("a list").iter().map(|wrong| wrong["path"].clone()).collect();
    assert_eq!(places, ["url", "events[1]", "events[2]"]);
    // An operator may, and then the tenant may change what is sent there, not where.
    stage.hook(&acme, "w", &site.url("/one"), &["key.*"]);
    put(&acme.admin, &acme.at("webhooks/w"), &json!({ "url": site.url("/one"), "events": ["tenant.*"] })).expect(200);
    assert_eq!(set(&site.url("/two")).problem(403), "not_allowed");
    acme.admin.ask("PATCH", &acme.at("state"), &[("Content-Type", "application/json")], br#"{"a":1}"#).expect(204);
    acme.wait_until("w", |shown| shown["records_behind"] == 0);
    assert!(!received(&site).is_empty());
    stage.stop();
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_when_it_is_connected_to() {
    let mut stage = Stage::new(&[FAST]);
    let (acme, site) = (stage.tenant("acme"), taker());
    // The tenant itself may write it: a name says nothing of where it leads.
    let url = format!("https://localhost:{}/", site.port());
    put(&acme.admin, &acme.at("webhooks/name"), &json!({ "url": url })).expect(201);
    stage.hook(&acme, "address", &site.url("/address"), &[]);
    acme.runs(3);
    let shown = acme.wait_until("name", |shown| shown["failing"]["attempts"].as_u64() > Some(2));
    let said = shown["last_request"]["result"].as_str().expect("it was tried");
    assert!(said.contains("which is not public: requests to it are refused"), "{said}");
    acme.wait_until("address", |shown| shown["records_behind"] == 0);
    assert!(site.arrived().iter().all(|request| request.path == "/address") && received(&site).len() > 10);
    stage.stop();
}

#[test]
fn redirects_are_not_followed_and_bodies_are_not_read_for_long() {
    let mut stage = Stage::new(&[FAST]);
    let (acme, elsewhere) = (stage.tenant("acme"), taker());
    let to = elsewhere.url("/secret");
    let redirects = Site::start(move |_| {
        let headers = vec![("location".to_owned(), to.clone())];
        Reply::Answer { status: 307, headers, body: String::new() }
    });
    // Says yes, and then never ends.
    let talks = Site::start(|_| Reply::Bytes {
        first: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        then: [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat(),
        times: 100_000,
        pause: std::time::Duration::from_millis(1),
    });
    stage.hook(&acme, "redirects", &redirects.url("/"), &[]);
    stage.hook(&acme, "talks", &talks.url("/"), &[]);
    acme.runs(2);
    let shown = acme.wait_until("redirects", |shown| shown["failing"]["attempts"].as_u64() > Some(2));
    assert_eq!(shown["last_request"]["result"], "answered 307");
    assert!(elsewhere.arrived().is_empty());
    let shown = acme.wait_until("talks", |shown| shown["records_behind"] == 0);
    assert_eq!(shown["last_request"]["result"], "answered 200");
    stage.stop();
}
