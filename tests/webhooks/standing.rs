//! Paused, given up, removed and set again; and what people see of it on the command line.

use crate::stage::{Stage, events, put, received, taker, wait_for};
use harness::{Reply, Site, run_amends_with};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const FAST: (&str, &str) = ("AMENDS_WEBHOOKS_RETRY_MAX", "100ms");

/// A receiver that answers what is in the number.
fn answering(status: &Arc<AtomicU16>) -> Site {
    let status = Arc::clone(status);
    Site::start(move |_| Reply::new(status.load(Ordering::SeqCst), ""))
}

#[test]
fn what_is_paused_by_hand_goes_on_where_it_was() {
    let mut stage = Stage::new(&[]);
    let (acme, site) = (stage.tenant("acme"), taker());
    let born = acme.told(None).last().cloned();
    stage.hook(&acme, "w", &site.url("/"), &[]);
    acme.runs(3);
    wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    let set = |paused: bool| {
        put(&stage.operator(), &acme.at("webhooks/w"), &json!({ "url": site.url("/"), "paused": paused })).expect(200)
    };
    assert_eq!(set(true)["paused"]["reason"], "paused by hand");
    // One request may have been on its way.
    std::thread::sleep(Duration::from_millis(200));
    let before = received(&site).len();
    acme.runs(3);
    assert_eq!(set(true)["paused"], acme.shown("w")["paused"], "twice is once");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(received(&site).len(), before);
    assert!(set(false)["paused"].is_null());
    wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    let types: Vec<_> = site.arrived().iter().flat_map(events).map(|event| event["type"].clone()).collect();
    assert_eq!(types.iter().filter(|name| *name == "tenant.webhook-paused").count(), 1);
    // A tenant that is suspended stands still, and so does what is sent.
    stage.operator().post(&acme.at("suspend"), &json!({ "reason": "unpaid" })).expect(200);
    stage.operator().ask("POST", &acme.at("reopen"), &[], b"").expect(200);
    wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    stage.stop();
}

#[test]
fn one_that_is_gone_or_fails_for_too_long_is_paused_and_says_why() {
    let mut stage = Stage::new(&[FAST, ("AMENDS_WEBHOOKS_GIVE_UP_AFTER", "1s")]);
    let acme = stage.tenant("acme");
    let (status, watch) = (Arc::new(AtomicU16::new(410)), taker());
    let site = answering(&status);
    let born = acme.told(None).last().cloned();
    stage.hook(&acme, "w", &site.url("/"), &["workflow.*"]);
    stage.hook(&acme, "watch", &watch.url("/"), &["tenant.webhook-paused"]);
    let resume =
        || put(&stage.operator(), &acme.at("webhooks/w"), &json!({ "url": site.url("/"), "events": ["workflow.*"] })).expect(200);
    acme.runs(2);
    let shown = acme.wait_until("w", |shown| shown["paused"].is_object());
    assert_eq!(
        (shown["paused"]["by"].as_str(), &shown["paused"]["reason"]),
        (Some("host"), &json!("it answered 410: it wants no more events"))
    );
    assert_eq!(site.arrived().len(), 1, "it is believed at once");
    status.store(500, Ordering::SeqCst);
    resume();
    let shown = acme.wait_until("w", |shown| shown["paused"].is_object());
    let reason = shown["paused"]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("nothing was delivered for 1s in ") && site.arrived().len() > 5, "{reason}");
    // Whoever failed for a second may fail for another one when it is set again.
    status.store(503, Ordering::SeqCst);
    resume();
    let shown = acme.wait_until("w", |shown| shown["failing"]["attempts"].as_u64() > Some(2));
    assert!(shown["paused"].is_null());
    status.store(200, Ordering::SeqCst);
    let wanted = || -> Vec<String> {
        let page =
            acme.admin.get(&acme.at(&format!("events?limit=1000&cursor={}", born.as_deref().expect("there are some")))).expect(200);
        let items = page["items"].as_array().expect("a list").clone();
        let of_runs = items.iter().filter(|event| event["type"].as_str().is_some_and(|name| name.starts_with("workflow.")));
        of_runs.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    };
    wait_for(&site, wanted);
    assert_eq!(watch.arrived().iter().flat_map(events).count(), 2);
    stage.stop();
}

#[test]
fn the_other_side_says_when_it_wants_to_be_asked_again() {
    let mut stage = Stage::new(&[FAST]);
    let acme = stage.tenant("acme");
    let first = std::sync::Mutex::new(Vec::<Instant>::new());
    let site = Site::start(move |_| {
        let mut asked = first.lock().expect("nobody panics");
        asked.push(Instant::now());
        let headers = vec![("retry-after".to_owned(), "2".to_owned())];
        match asked.as_slice() {
            [_] => Reply::Answer { status: 429, headers, body: String::new() },
            [one, two, ..] if two.duration_since(*one) < Duration::from_secs(2) => Reply::new(400, "too soon"),
            _ => Reply::new(200, ""),
        }
    });
    stage.hook(&acme, "w", &site.url("/"), &[]);
    acme.wait_until("w", |shown| shown["failing"].is_object());
    let shown = acme.wait_until("w", |shown| shown["failing"].is_null());
    assert_eq!((shown["last_request"]["result"].as_str(), site.arrived().len()), (Some("answered 200"), 2));
    stage.stop();
}

#[test]
fn one_that_is_removed_hears_nothing_more_and_set_again_it_begins_anew() {
    let mut stage = Stage::new(&[]);
    let (acme, site) = (stage.tenant("acme"), taker());
    let path = acme.at("webhooks/w");
    let first = stage.hook(&acme, "w", &site.url("/"), &[]);
    acme.runs(2);
    acme.wait_until("w", |shown| shown["records_behind"] == 0);
    let tag = acme.admin.get(&path).header("etag").expect("a tag").to_owned();
    let remove = |tag: &str| acme.admin.ask("DELETE", &path, &[("If-Match", tag)], b"");
    assert_eq!(remove("\"other\"").problem(412), "precondition_failed");
    assert_eq!(remove(&tag).status, 204);
    assert_eq!(acme.admin.ask("DELETE", &path, &[], b"").problem(404), "webhook_unknown");
    let (heard, before) = (received(&site).len(), acme.told(None));
    acme.runs(5);
    let behind = acme.told(before.last().map(String::as_str));
    let second = stage.hook(&acme, "w", &site.url("/"), &[]);
    assert_ne!(first, second);
    acme.runs(1);
    acme.wait_until("w", |shown| shown["records_behind"] == 0);
    let again = received(&site);
    assert!(again.len() > heard && behind.iter().all(|missed| !again.contains(missed)), "what happened meanwhile is not sent");
    stage.stop();
}

#[test]
fn the_command_line_sets_shows_rotates_and_removes() {
    let mut stage = Stage::new(&[]);
    let (acme, site) = (stage.tenant("acme"), taker());
    let url = format!("http://{}", stage.server().address());
    let as_token =
        |token: &str, arguments: &[&str]| run_amends_with([("AMENDS_URL", url.as_str()), ("AMENDS_TOKEN", token)], arguments);
    let operator = stage.server().operator_token().to_owned();
    let target = site.url("/hook");
    let set = as_token(&operator, &["webhook", "set", "w", &target, "--event", "workflow.saga.*", "--tenant", "acme"]);
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    assert!(set.stdout.last().is_some_and(|line| line.starts_with("key whsec_")), "{:?}", set.stdout);
    let refused = as_token(&acme.token, &["webhook", "set", "x", "http://example.com", "--event", "no.such"]);
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.contains("webhook_refused") && refused.stderr.contains("events[0]"), "{}", refused.stderr);
    acme.runs(1);
    acme.wait_until("w", |shown| shown["records_behind"] == 0);
    let show = as_token(&acme.token, &["webhook", "show", "w"]);
    let text = show.stdout.join("\n");
    assert!(text.contains("workflow.saga.*") && text.contains("delivering") && text.contains("answered 204"), "{text}");
    let list = as_token(&acme.token, &["webhook", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout.join("")).expect("JSON");
    assert_eq!((&list["webhooks"][0]["name"], &list["webhooks"][0]["records_behind"]), (&json!("w"), &json!(0)));
    let rotated = as_token(&acme.token, &["webhook", "rotate", "w", "--overlap", "1h"]);
    assert!(rotated.stdout.last().is_some_and(|line| line.starts_with("key whsec_")), "{:?}", rotated.stdout);
    let removed = as_token(&acme.token, &["webhook", "remove", "w"]);
    assert_eq!((removed.code, removed.stdout.last().map(String::as_str)), (Some(0), Some("webhook `w` is removed")));
    assert_eq!(as_token(&acme.token, &["webhook", "show", "w"]).code, Some(3));
    stage.stop();
}
