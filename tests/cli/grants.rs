//! Where plugins may send requests: granted, listed, revoked, and what that means for runs.

use crate::{Site, text};
use harness::{Ended, Reply, Site as Outside, guest};
use serde_json::{Value, json};

const SAGA: &str =
    r#"{"saga":"ask","steps":[{"id":"ask","uses":"probe/probe","input":"${input}"}],"output":{"got":"${steps.ask.output}"}}"#;

fn assert_refused(ended: &Ended, code: &str) {
    assert_eq!(ended.code, Some(3), "{ended}");
    assert!(ended.stderr.starts_with(&format!("error[{code}]: ")) && ended.stdout.is_empty(), "{ended}");
}

/// Runs the saga with one request, and gives how the run ended, or what the program said instead.
fn ask(site: &Site, outside: &Outside) -> Ended {
    let saga = site.file("ask.json", SAGA);
    let plugin = format!("probe={}", text(&guest("probe")));
    let input = json!({ "forward": [{ "send": { "method": "POST", "url": outside.url("/") } }] }).to_string();
    site.amends(&["exec", &saga, "--plugin", &plugin, "--input", &input, "--json"])
}

#[test]
fn a_plugin_reaches_a_host_from_the_grant_to_the_revocation() {
    let (site, outside) = (Site::new(), Outside::start(|_| Reply::new(200, "hello")));
    let place = format!("127.0.0.1:{}", outside.port());
    // The error names the import and the command that is missing.
    let refused = ask(&site, &outside);
    assert_eq!(refused.code, Some(3), "{refused}");
    for part in ["host_not_granted", "wasi:http/outgoing-handler", "amends plugin grant probe --host HOST"] {
        assert!(refused.stderr.contains(part), "{refused}");
    }
    let granted = site.amends(&["plugin", "grant", "probe", "--host", &place, "--http", "--allow-loopback", "--by", "ada"]);
    assert_eq!((granted.code, granted.text()), (Some(0), format!("probe  {place}  all methods  https and http, this machine too")));
    let ended = ask(&site, &outside);
    assert_eq!(ended.json()["output"]["got"], json!([{ "status": 200, "body": "hello" }]), "{ended}");
    // Granted again for the same place, the newer one counts.
    let again = ["plugin", "grant", "probe", "--host", &place, "--http", "--allow-loopback", "--method", "GET", "--method", "PUT"];
    assert_eq!(site.amends(&again).code, Some(0));
    let listed = site.amends(&["plugin", "grants", "probe", "--json"]).json();
    let expected = json!([{
        "host": "127.0.0.1", "port": outside.port(), "methods": ["GET", "PUT"], "transport": "any", "reach": "loopback"
    }]);
    assert_eq!(listed, expected);
    assert!(is_refused(&ask(&site, &outside).json()["output"]["got"]), "POST is granted no more");
    let other = ["plugin", "grant", "probe", "--host", "API.example.com"];
    assert_eq!(site.amends(&other).text(), "probe  api.example.com  all methods  https");
    let revoked = site.amends(&["plugin", "revoke", "probe", "--host", &place]);
    assert_eq!((revoked.code, revoked.text()), (Some(0), format!("{place} is revoked")));
    assert!(is_refused(&ask(&site, &outside).json()["output"]["got"]));
    assert_eq!(outside.arrived().len(), 1);
    // Each of these is a fact in the chain.
    assert_eq!(site.amends(&["audit", "verify"]).code, Some(0));
}

fn is_refused(got: &Value) -> bool {
    got[0]["refused"].is_string()
}

#[test]
fn what_is_no_grant_is_refused_and_what_is_not_granted_cannot_be_revoked() {
    let site = Site::new();
    for (host, more) in [
        ("*", vec![]),
        ("*.com", vec![]),
        ("user@api.example.com", vec![]),
        ("api.example.com:0", vec![]),
        ("2130706433", vec![]),
        ("api.example.com", vec!["--method", "post"]),
        ("api.example.com", vec!["--method", "CONNECT"]),
    ] {
        let args = ["plugin", "grant", "probe", "--host", host].into_iter().chain(more).collect::<Vec<_>>();
        assert_refused(&site.amends(&args), "grant_refused");
        assert!(!site.data().exists());
    }
    assert_eq!(site.amends(&["plugin", "grant", "probe", "--host", "*.example.com"]).code, Some(0));
    assert_refused(&site.amends(&["plugin", "revoke", "probe", "--host", "example.com"]), "not_granted");
    assert_refused(&site.amends(&["plugin", "revoke", "other", "--host", "*.example.com"]), "not_granted");
    assert_refused(&site.amends(&["plugin", "revoke", "probe", "--host", "*.example.com", "--tenant", "acme"]), "not_granted");
    assert_eq!(site.amends(&["plugin", "revoke", "probe", "--host", "*.Example.com"]).code, Some(0));
    assert_eq!(site.amends(&["plugin", "grants", "probe", "--json"]).json(), json!([]));
}
