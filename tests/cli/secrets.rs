//! Secrets from the command line to the other side, and nowhere else.

use crate::{Site, text};
use harness::{Ended, Reply, Site as Outside, guest, run_amends_with};
use serde_json::json;
use std::path::Path;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SAGA: &str =
    r#"{"saga":"ask","steps":[{"id":"ask","uses":"probe/probe","input":"${input}"}],"output":{"got":"${steps.ask.output}"}}"#;

/// Runs `amends` on the data directory with a master key.
fn with_key(site: &Site, key: &'static str, args: &[&str]) -> Ended {
    let data = site.data();
    run_amends_with([("AMENDS_MASTER_KEY", key)], args.iter().copied().chain(["--data", text(&data)]))
}

fn set(site: &Site, secret: &str) -> Ended {
    let file = site.file("secret.txt", &format!("{secret}\n"));
    with_key(site, KEY, &["secret", "set", "bank-token", "--file", &file])
}

#[track_caller]
fn assert_error(ended: &Ended, exit: i32, code: &str) {
    assert_eq!(ended.code, Some(exit), "{ended}");
    assert!(ended.stderr.contains(code), "{ended}");
}

/// Sends a request that names the secret in a header.
fn ask(site: &Site, key: &'static str, outside: &Outside) -> Ended {
    let saga = site.file("ask.json", SAGA);
    let plugin = format!("probe={}", text(&guest("probe")));
    let headers = [["authorization", "Bearer {secret:bank-token}"]];
    let input = json!({ "forward": [{ "send": { "method": "POST", "url": outside.url("/"), "headers": headers } }] }).to_string();
    with_key(site, key, &["exec", &saga, "--plugin", &plugin, "--input", &input, "--json"])
}

/// Whether a file of the data directory has `needle` in it.
fn is_stored(data: &Path, needle: &str) -> bool {
    let stored = std::fs::read(data.join("amends.redb")).expect("it is there");
    stored.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn a_secret_reaches_the_other_side_and_nobody_else() {
    // It says back what it was told, as some do.
    let outside = Outside::start(|request| Reply::new(200, request.header("authorization").unwrap_or("nothing")));
    let (site, place) = (Site::new(), format!("127.0.0.1:{}", outside.port()));
    let granted = site.amends(&["plugin", "grant", "probe", "--host", &place, "--http", "--allow-loopback"]);
    assert_eq!(granted.code, Some(0), "{granted}");
    let done = set(&site, "s3cret-number-one");
    assert_eq!((done.code, done.text()), (Some(0), "secret `bank-token` is set".to_owned()));
    // Not granted yet.
    let refused = ask(&site, KEY, &outside);
    assert!(refused.json()["output"]["got"][0]["refused"].is_string() && outside.arrived().is_empty(), "{refused}");
    assert_eq!(with_key(&site, KEY, &["secret", "grant", "bank-token", "probe"]).code, Some(0));
    let ended = ask(&site, KEY, &outside);
    assert_eq!(ended.json()["outcome"], "succeeded", "{ended}");
    assert_eq!(outside.arrived()[0].header("authorization"), Some("Bearer s3cret-number-one"));
    // Set again, the next attempt has the new one.
    assert_eq!(set(&site, "s3cret-number-two").code, Some(0));
    ask(&site, KEY, &outside);
    assert_eq!(outside.arrived()[1].header("authorization"), Some("Bearer s3cret-number-two"));
    let listed = site.amends(&["secret", "list", "--json"]);
    assert_eq!(listed.json(), json!([{ "secret": "bank-token", "plugins": ["probe"] }]));
    // What is kept of the answers names the secret and does not say it. What the plugin answered is the plugin's own.
    let run = ended.json()["run"].as_str().expect("an id").to_owned();
    let shown = site.amends(&["run", "show", &run, "--json"]).text();
    assert!(shown.contains("{secret:bank-token}"), "{shown}");
    assert_eq!(with_key(&site, KEY, &["secret", "remove", "bank-token"]).code, Some(0));
    assert!(ask(&site, KEY, &outside).json()["output"]["got"][0]["refused"].is_string());
    // Set once more, nobody may use it: the grant went with the old one.
    assert_eq!(set(&site, "s3cret-number-three").code, Some(0));
    assert!(ask(&site, KEY, &outside).json()["output"]["got"][0]["refused"].is_string());
    assert_eq!(outside.arrived().len(), 2);
    assert_eq!(site.amends(&["audit", "verify"]).code, Some(0));
    assert!(!is_stored(&site.data(), "s3cret-number-three"));
}

#[test]
fn a_secret_that_no_plugin_tells_is_in_no_record() {
    let outside = Outside::start(|_| Reply::new(200, ""));
    let (site, place) = (Site::new(), format!("127.0.0.1:{}", outside.port()));
    for args in [vec!["plugin", "grant", "probe", "--host", &place, "--http", "--allow-loopback"], vec!["secret", "list"]] {
        assert_eq!(site.amends(&args).code, Some(0));
    }
    assert_eq!(set(&site, "s3cret-number-one").code, Some(0));
    assert_eq!(with_key(&site, KEY, &["secret", "grant", "bank-token", "probe"]).code, Some(0));
    // The plugin asks for it, prints it, puts it into an address and fails with it.
    let saga = site.file("ask.json", SAGA);
    let plugin = format!("probe={}", text(&guest("probe")));
    let url = outside.url("/?token=s3cret-number-one");
    let forward = json!([{ "print": "it is s3cret-number-one" }, { "send": { "method": "POST", "url": url } }, "exit"]);
    let input = site.file("input.json", &json!({ "forward": forward }).to_string());
    let exec = ["exec", &saga, "--plugin", &plugin, "--input", &format!("@{input}"), "--json"];
    let ended = with_key(&site, KEY, &exec);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert_eq!(outside.arrived()[0].path, "/?token=s3cret-number-one");
    // The input has it, since it was put there; nothing that was recorded since has.
    let run = ended.json()["run"].as_str().expect("an id").to_owned();
    let shown = site.amends(&["run", "show", &run, "--json"]).json();
    let attempts = shown["steps"][0]["attempts"].to_string();
    assert!(attempts.contains("it is {secret:bank-token}") && attempts.contains("/?token={secret:bank-token}"), "{attempts}");
    assert!(!attempts.contains("s3cret-number-one"), "{attempts}");
}

#[test]
fn without_its_key_a_secret_is_not_set_and_not_used() {
    let outside = Outside::start(|_| Reply::new(200, ""));
    let (site, place) = (Site::new(), format!("127.0.0.1:{}", outside.port()));
    let grant = site.amends(&["plugin", "grant", "probe", "--host", &place, "--http", "--allow-loopback"]);
    assert_eq!(grant.code, Some(0), "{grant}");
    let file = site.file("secret.txt", "s3cret-number-one");
    assert_error(&site.amends(&["secret", "set", "bank-token", "--file", &file]), 2, "master_key_missing");
    assert_error(&with_key(&site, "short", &["secret", "set", "bank-token", "--file", &file]), 2, "master_key_malformed");
    assert_error(&with_key(&site, KEY, &["secret", "grant", "bank-token", "probe"]), 3, "unknown_secret");
    assert_error(&with_key(&site, KEY, &["secret", "remove", "bank-token"]), 3, "unknown_secret");
    for (content, code) in [("", "secret_length"), ("\n", "secret_length"), ("a\nb", "secret_not_plain")] {
        let file = site.file("bad.txt", content);
        assert_error(&with_key(&site, KEY, &["secret", "set", "bank-token", "--file", &file]), 3, code);
    }
    assert_eq!(set(&site, "s3cret-number-one").code, Some(0));
    assert_eq!(with_key(&site, KEY, &["secret", "grant", "bank-token", "probe"]).code, Some(0));
    // The run is not harmed: it is open, and goes on with the right key.
    assert_error(&ask(&site, OTHER_KEY, &outside), 1, "secret_of_other_key");
    assert!(outside.arrived().is_empty());
    let resumed = with_key(&site, KEY, &["resume"]);
    assert_eq!((resumed.code, outside.arrived().len()), (Some(0), 1), "{resumed}");
}
