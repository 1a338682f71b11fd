//! What plugins may reach, who settles what, and the chain: the commands on a server, held against the data directory that it leaves.

use crate::server::Shop;
use crate::{at_input, last_line, text};
use harness::{Ended, run_amends, run_amends_with};
use serde_json::{Value, json};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[track_caller]
fn assert_refused(ended: &Ended, exit: i32, code: &str) {
    assert_eq!(ended.code, Some(exit), "{ended}");
    assert!(ended.stderr.contains(&format!("error[{code}]: ")), "{code}: {ended}");
}

/// What is asked of a server, and then of the data directory that it left, is answered alike.
fn as_left_behind(mut shop: Shop, questions: &[&[&str]]) {
    let there: Vec<Ended> = questions.iter().map(|question| shop.done(question)).collect();
    shop.server.take().expect("it runs").stop();
    let data = shop.data();
    for (question, there) in questions.iter().zip(there) {
        let here = run_amends(question.iter().chain(&["--data", text(&data), "--tenant", "acme"]));
        assert_eq!((there.code, there.text()), (here.code, here.text()), "{question:?}");
    }
}

#[test]
fn a_plugin_reaches_what_it_is_granted_and_only_operators_grant_the_machine_itself() {
    let shop = Shop::empty();
    let granted = shop.done(&["plugin", "grant", "payments", "--host", "API.example.com:8443", "--method", "POST"]);
    assert_eq!(last_line(&granted), "payments  api.example.com:8443  POST  https");
    shop.done(&["plugin", "grant", "payments", "--host", "*.example.org"]);
    let loopback = ["plugin", "grant", "payments", "--host", "127.0.0.1:9", "--http", "--allow-loopback"];
    assert_refused(&shop.amends(&loopback), 3, "not_allowed");
    let by_operator = shop.as_operator(&[&loopback[..], &["--tenant", "acme"]].concat());
    assert_eq!(by_operator.code, Some(0), "{by_operator}");
    shop.done(&["plugin", "revoke", "payments", "--host", "*.EXAMPLE.org"]);
    assert_refused(&shop.amends(&["plugin", "revoke", "payments", "--host", "*.example.org"]), 3, "not_granted");
    assert_refused(&shop.amends(&["plugin", "grant", "payments", "--host", "a b"]), 3, "grant_refused");
    assert_refused(&shop.amends(&["plugin", "grant", "payments", "--host", "a.b", "--by", "bert"]), 2, "only_in_process");
    let all = shop.done(&["plugin", "grants", "payments", "--json"]).json();
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
    as_left_behind(shop, &[&["plugin", "grants", "payments"], &["plugin", "grants", "payments", "--json"]]);
}

#[test]
fn secrets_go_in_and_do_not_come_out() {
    let shop = Shop::with([("AMENDS_MASTER_KEY", KEY)]);
    let file = shop.file("secret", "s3cr3t-of-the-bank\n");
    assert_eq!(last_line(&shop.done(&["secret", "set", "bank-token", "--file", &file])), "secret `bank-token` is set");
    shop.done(&["secret", "set", "other", "--file", &file]);
    shop.done(&["secret", "grant", "bank-token", "payments"]);
    shop.done(&["secret", "remove", "other"]);
    assert_refused(&shop.amends(&["secret", "grant", "other", "payments"]), 3, "unknown_secret");
    let listed = shop.done(&["secret", "list", "--json"]);
    assert_eq!(listed.json(), json!([{ "secret": "bank-token", "plugins": ["payments"] }]));
    let events = shop.done(&["events", "list", "--json", "--limit", "1000"]);
    assert!(!events.text().contains("s3cr3t") && events.text().contains("tenant.secret-set"), "{events}");
    as_left_behind(shop, &[&["secret", "list"], &["secret", "list", "--json"]]);
    let without = Shop::empty();
    let file = without.file("secret", "s3cr3t\n");
    let refused = without.amends(&["secret", "set", "bank-token", "--file", &file]);
    assert!(refused.code != Some(0) && refused.stderr.contains("error[master_key_missing]"), "{refused}");
}

#[test]
fn where_two_people_settle_a_dead_letter_the_second_key_counts() {
    let shop = Shop::new();
    assert!(shop.done(&["tenant", "resolvers", "two"]).text().contains("resolvers  two"));
    let stuck = shop.order(&at_input("refund-stuck.json"));
    let letter = format!("{stuck}.charge-payment");
    let resolve = ["dead-letter", "resolve", &letter, "--undone", "--reason", "refunded", "--wait", "30s"];
    let first = shop.done(&resolve);
    assert_eq!(last_line(&first), format!("run {stuck} stuck: {letter} awaits a second person"));
    let key = shop.done(&["key", "create", "bert", "--role", "developer", "--json"]).json();
    let bert = [("AMENDS_URL", shop.url.as_str()), ("AMENDS_TOKEN", key["token"].as_str().expect("a token"))];
    let second = run_amends_with(bert, resolve);
    assert_eq!(last_line(&second), format!("run {stuck} compensated"), "{second}");
    let shown = shop.done(&["run", "show", &stuck]).text();
    assert!(
        shown.contains("@ charge-payment     undone, says anna") && shown.contains("resolved as undone, confirmed by bert"),
        "{shown}"
    );
}

#[test]
fn the_chain_of_a_server_is_checked_record_by_record_and_written_as_an_export() {
    let shop = Shop::new();
    for input in ["good.json", "nobody-can-ship.json", "refund-stuck.json"] {
        shop.order(&at_input(input));
    }
    let head = shop.done(&["audit", "head", "--json"]).json();
    let link = head["head"].as_str().expect("a link").to_owned();
    let verified = shop.done(&["audit", "verify"]);
    assert!(last_line(&verified).starts_with("acme lane 0: records ") && last_line(&verified).contains(&link), "{verified}");
    let out = shop.file("there", "").replace("there", "audit.jsonl");
    let exported = shop.done(&["audit", "export", "--out", &out]);
    assert!(last_line(&exported).ends_with(&link), "{exported}");
    let offline = run_amends(["audit", "verify", &out]);
    assert_eq!(last_line(&offline), last_line(&verified));
    assert_refused(&shop.amends(&["audit", "export", "--out", &out]), 3, "file_exists");
    let told: Value = shop.done(&["audit", "verify", "--json"]).json();
    assert_eq!((&told["ok"], &told["lanes"][0]["head"]), (&json!(true), &json!(link)));
    as_left_behind(shop, &[&["audit", "verify"], &["audit", "verify", "--json"]]);
}
