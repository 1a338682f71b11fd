//! Everything arrives, in order: under load, after the other side was away, and after the host was killed.

use crate::stage::{Stage, arrivals, events, is_signed, put, received, taker, wait_for};
use harness::{Reply, Site};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Waits at a receiver that answers no are a tenth of a second at most.
const FAST: (&str, &str) = ("AMENDS_WEBHOOKS_RETRY_MAX", "100ms");

#[test]
fn every_event_arrives_once_and_in_order_while_runs_go_on() {
    let mut stage = Stage::new(&[]);
    let (acme, all, some) = (stage.tenant("acme"), taker(), taker());
    let born = acme.told(None).last().cloned();
    let key = stage.hook(&acme, "all", &all.url("/hooks/all?x=1"), &[]);
    stage.hook(&acme, "some", &some.url("/"), &["workflow.saga.completed", "key.*"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| acme.runs(100));
        }
    });
    // The last of them ends soon, and nothing comes behind that.
    acme.wait_until("some", |_| received(&some).len() == 400);
    // The fact that sets it is its beginning, and not sent.
    let wanted = || acme.told(born.as_deref()).split_off(1);
    let told = wait_for(&all, wanted);
    assert!(told.len() > 1600, "{}", told.len());
    let requests = all.arrived();
    assert_eq!(arrivals(&all), told.len(), "nothing came twice");
    assert!(requests.len() < told.len(), "events go together: {} requests", requests.len());
    for request in &requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks/all?x=1"));
        assert_eq!(request.header("content-type"), Some("application/cloudevents-batch+json"));
        assert!(is_signed(request, &key) && events(request).len() <= 256 && request.body.len() <= 256 * 1024);
        assert!(events(request).iter().all(|event| event["source"] == "acme" && event["specversion"] == "1.0"));
    }
    assert!(some.arrived().iter().flat_map(events).all(|event| event["type"] == "workflow.saga.completed"));
    let shown = acme.wait_until("all", |shown| shown["records_behind"] == 0);
    assert_eq!((shown["last_request"]["result"].as_str(), &shown["cursor"]), (Some("answered 204"), &json!(told.last())));
    let metrics = String::from_utf8(stage.operator().get("/metrics").body).expect("text");
    for line in ["amends_webhooks 2.0", "amends_webhooks_failing 0.0", "amends_webhook_records_behind_max 0.0"] {
        assert!(metrics.lines().any(|told| told == line), "{line}");
    }
    // A host that was stopped knows how far it was: nothing comes again.
    let (before, some_before) = (all.arrived().len(), some.arrived().len());
    stage.stop();
    stage.start();
    let acme = stage.again(&acme);
    acme.runs(1);
    wait_for(&all, || acme.told(born.as_deref()).split_off(1));
    assert_eq!(all.arrived().iter().skip(before).flat_map(events).next().expect("there is more")["type"], "workflow.saga.started");
    acme.wait_until("some", |_| received(&some).len() == 401);
    assert_eq!(some.arrived().len(), some_before + 1);
    stage.stop();
}

#[test]
fn a_receiver_that_was_away_gets_what_it_missed() {
    let mut stage = Stage::new(&[FAST]);
    let acme = stage.tenant("acme");
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let site =
        Site::start(move |_| Reply::new(if up.load(Ordering::SeqCst) { 200 } else { 503 }, "what it says is nobody's business"));
    let born = acme.told(None).last().cloned();
    stage.hook(&acme, "billing", &site.url("/"), &[]);
    acme.runs(20);
    let shown = acme.wait_until("billing", |shown| shown["failing"]["attempts"].as_u64() > Some(3));
    assert_eq!(shown["last_request"]["result"], "answered 503");
    assert!(shown["next_request_at"].is_string() && shown["records_behind"].as_u64() > Some(10), "{shown}");
    assert!(!shown.to_string().contains("nobody's business"));
    // What is sent again is the same, under the same id.
    let arrived = site.arrived();
    let ids: Vec<_> = arrived.iter().map(|request| request.header("webhook-id")).collect();
    let last = &arrived[arrived.len() - 1];
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]) && arrived.iter().all(|request| request.body == last.body), "{ids:?}");
    is_up.store(true, Ordering::SeqCst);
    wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    let shown = acme.wait_until("billing", |shown| shown["records_behind"] == 0);
    assert!(shown["failing"].is_null() && shown["next_request_at"].is_null(), "{shown}");
    stage.stop();
}

#[test]
fn a_host_that_is_killed_again_and_again_loses_nothing_and_keeps_the_order() {
    let mut stage = Stage::new(&[FAST]);
    let acme = stage.tenant("acme");
    // One in seven is refused, so that some are sent again when it is killed.
    let count = AtomicUsize::new(0);
    let site = Site::start(move |_| Reply::new(if count.fetch_add(1, Ordering::SeqCst) % 7 == 3 { 500 } else { 204 }, ""));
    let born = acme.told(None).last().cloned();
    stage.hook(&acme, "billing", &site.url("/"), &[]);
    for life in 0..20_u64 {
        let acme = stage.again(&acme);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::SeqCst) {
                        // The process may go away at any moment.
                        let _ = acme.admin.try_post(&acme.at("runs"), &json!({ "saga": "nap" }));
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(40 + life * 37 % 200));
            stage.kill();
            is_over.store(true, Ordering::SeqCst);
        });
        stage.start();
    }
    let acme = stage.again(&acme);
    acme.wait_until("billing", |shown| shown["records_behind"].as_u64() < Some(3));
    let told = wait_for(&site, || acme.told(born.as_deref()).split_off(1));
    assert!(told.len() > 500, "{}", told.len());
    assert!(arrivals(&site) > told.len(), "something came again, which is what a kill may do");
    stage.stop();
}

#[test]
fn a_request_that_is_too_large_is_made_smaller_until_it_is_taken() {
    let mut stage = Stage::new(&[FAST]);
    let acme = stage.tenant("acme");
    let site = Site::start(|arrived| Reply::new(if events(arrived).len() > 3 { 413 } else { 204 }, ""));
    let born = acme.told(None).last().cloned();
    put(&stage.operator(), &acme.at("webhooks/small"), &json!({ "url": site.url("/"), "paused": true })).expect(201);
    acme.runs(10);
    put(&stage.operator(), &acme.at("webhooks/small"), &json!({ "url": site.url("/") })).expect(200);
    let until = Instant::now() + Duration::from_secs(30);
    let taken = || -> Vec<String> {
        let arrived = site.arrived();
        let taken = arrived.iter().map(events).filter(|events| events.len() <= 3).flatten();
        taken.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    };
    while taken() != acme.told(born.as_deref()).split_off(1) {
        assert!(Instant::now() < until, "{:?}", acme.shown("small"));
        std::thread::sleep(Duration::from_millis(20));
    }
    stage.stop();
}
