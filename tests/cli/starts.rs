//! How runs are started: by the name of a saga or by a document, at once or later, once for each key.

use crate::{Site, at_input, example, last_line, orders, text};
use serde_json::json;

/// A site where the saga of the example is applied.
fn applied() -> Site {
    let site = Site::with_books();
    let (saga, plugin) = (example("saga.yaml"), orders());
    let started = site.amends(&["run", "start", text(&saga), "--plugin", &plugin, "--input", &at_input("good.json")]);
    assert!(last_line(&started).ends_with(" succeeded"), "{started}");
    site
}

fn id(started: &harness::Ended) -> String {
    started.stdout.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_else(|| panic!("no id: {started}")).to_owned()
}

#[test]
fn a_saga_that_was_applied_is_started_by_its_name() {
    let site = applied();
    let started = site.amends(&["run", "start", "order.fulfillment", "--input", &at_input("good.json")]);
    assert_eq!((started.stdout.len(), last_line(&started)), (2, format!("run {} succeeded", id(&started)).as_str()), "{started}");
    // Accepted is what counts here, however the run ends.
    let started = site.amends(&["run", "start", "order.fulfillment", "--input", &at_input("card-declined.json")]);
    assert!(last_line(&started).ends_with(" compensated"), "{started}");
    let view = site.amends(&["run", "start", "order.fulfillment", "--input", &at_input("good.json"), "--json"]).json();
    assert_eq!((&view["noted"], &view["outcome"]), (&json!(true), &json!("succeeded")), "{view}");
    let unknown = site.amends(&["run", "start", "order.refund", "--input", "1"]);
    assert_eq!(unknown.code, Some(3), "{unknown}");
    assert!(unknown.stderr.starts_with("error[unknown_saga]: "), "{unknown}");
}

#[test]
fn the_same_key_and_input_give_the_same_run_and_another_input_is_refused() {
    let site = applied();
    let start = |input: &str| {
        site.amends(&["run", "start", "order.fulfillment", "--input", &at_input(input), "--key", "order-17", "--no-drive"])
    };
    let first = start("good.json");
    assert!(last_line(&first).ends_with(" running"), "{first}");
    let second = start("good.json");
    assert_eq!((id(&second), last_line(&second).ends_with("(it was so already)")), (id(&first), true), "{second}");
    let other = start("card-declined.json");
    assert_eq!(other.code, Some(3), "{other}");
    assert!(other.stderr.starts_with("error[key_reused]: "), "{other}");
    let resumed = site.amends(&["resume"]);
    assert_eq!(resumed.stdout[0], format!("run {} succeeded", id(&first)), "{resumed}");
}

#[test]
fn a_delayed_run_does_nothing_before_its_time() {
    let site = applied();
    let later =
        site.amends(&["run", "start", "order.fulfillment", "--input", &at_input("good.json"), "--delay", "1h", "--wait-max", "1s"]);
    assert!(last_line(&later).contains(" waiting until "), "{later}");
    let shown = site.shown(&id(&later));
    assert!(shown["begins_at"].as_str() > shown["started_at"].as_str(), "{shown}");
    assert_eq!((&shown["status"], &shown["steps"][0]["status"]), (&json!("waiting"), &json!("pending")), "{shown}");
    let cancelled = site.amends(&["run", "cancel", &id(&later)]);
    assert!(last_line(&cancelled).ends_with(" compensated"), "{cancelled}");
    assert_eq!(site.statuses(&id(&later))[0], "pending");

    let soon = site.amends(&["run", "start", "order.fulfillment", "--input", &at_input("good.json"), "--delay", "50ms"]);
    assert!(last_line(&soon).ends_with(" succeeded"), "{soon}");
    let never = site.amends(&["run", "start", "order.fulfillment", "--input", "1", "--at", "9999-01-01T00:00:00Z"]);
    assert_eq!(never.code, Some(3), "{never}");
    assert!(never.stderr.starts_with("error[begin_too_late]: "), "{never}");
}
