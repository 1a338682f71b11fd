//! What people ask of runs, as they type it: each once, and once more, when it is so already.

use crate::{Site, at_input, last_line, order, run_id, unavailable_once};
use serde_json::{Value, json};

#[test]
fn a_run_that_waits_for_its_next_attempt_is_cancelled_and_taken_back() {
    let site = Site::with_books();
    let before = site.state();
    let run = site.open_run(&unavailable_once());
    assert_ne!(site.state(), before, "something is reserved");
    let ended = site.amends(&["run", "cancel", &run, "--by", "anna", "--reason", "ordered twice"]);
    assert_eq!(last_line(&ended), format!("run {run} compensated"), "{ended}");
    assert_eq!(site.state(), before);
    let shown = site.shown(&run);
    assert_eq!((&shown["cause"]["reason"], &shown["error"]), (&json!("cancelled"), &Value::Null), "{shown}");
    let demand = &shown["demands"][0];
    assert_eq!((&demand["demand"], &demand["by"], &demand["reason"]), (&json!("cancel"), &json!("anna"), &json!("ordered twice")));
    let text = site.amends(&["run", "show", &run]).text();
    assert!(text.contains("@ cancelled by anna\n              ordered twice\n"), "{text}");

    let again = site.amends(&["run", "cancel", &run]);
    assert_eq!(last_line(&again), format!("run {run} compensated (it was so already)"));
    let again = site.amends(&["run", "cancel", &run, "--json"]).json();
    assert_eq!(again, json!({ "run": run, "tenant": "local", "status": "compensated", "outcome": "compensated", "noted": false }));
}

#[test]
fn what_is_only_noted_is_done_by_whoever_finds_the_run_next() {
    let site = Site::with_books();
    let run = site.open_run(&unavailable_once());
    let noted = site.amends(&["run", "cancel", &run, "--now", "--no-drive", "--json"]);
    let view = noted.json();
    assert_eq!((noted.code, &view["noted"], &view["status"]), (Some(0), &json!(true), &json!("compensating")), "{noted}");
    let resumed = site.amends(&["resume"]);
    assert_eq!((resumed.code, &resumed.stdout[0]), (Some(1), &format!("run {run} compensated")), "{resumed}");
}

#[test]
fn a_demand_that_is_followed_is_told_with_the_whole_timeline() {
    let site = Site::with_books();
    let run = site.open_run(&unavailable_once());
    let ended = site.amends(&["run", "retry", &run, "--follow"]);
    assert_eq!(last_line(&ended), format!("run {run} succeeded"), "{ended}");
    let shown = site.amends(&["run", "show", &run]);
    let is_timeline = |line: &&String| line.trim_start().starts_with('+');
    let timeline = |lines: &[String]| lines.iter().filter(is_timeline).cloned().collect::<Vec<_>>();
    assert_eq!(timeline(&ended.stdout), timeline(&shown.stdout), "{ended}\n{shown}");
    assert!(ended.text().contains("@ retried at once by "), "{ended}");
}

#[test]
fn a_paused_run_stands_still_until_somebody_has_it_go_on() {
    let site = Site::with_books();
    let run = site.open_run(&unavailable_once());
    let paused = site.amends(&["run", "pause", &run, "--by", "anna"]);
    assert_eq!(last_line(&paused), format!("run {run} paused"));
    let again = site.amends(&["run", "pause", &run]);
    assert_eq!(last_line(&again), format!("run {run} paused (it was so already)"));
    let left = site.amends(&["resume"]);
    assert_eq!((left.code, &left.stdout[0]), (Some(1), &format!("run {run} paused")), "{left}");
    // What would start now does not: the next attempt is due, and the run stands still.
    let retried = site.amends(&["run", "retry", &run]);
    assert_eq!(last_line(&retried), format!("run {run} paused"));
    let resumed = site.amends(&["run", "resume", &run]);
    assert_eq!(last_line(&resumed), format!("run {run} succeeded"), "{resumed}");
}

#[test]
fn the_next_attempt_is_made_now_where_somebody_wants_it() {
    let site = Site::with_books();
    let run = site.open_run(&unavailable_once());
    // Without anybody it is waited for: the command would sit there for ten minutes.
    let left = site.amends(&["resume", "--wait-max", "1m"]);
    assert_eq!((left.code, &left.stdout[0]), (Some(1), &format!("run {run} waiting")), "{left}");
    assert_eq!(last_line(&site.amends(&["run", "retry", &run])), format!("run {run} succeeded"));
}

#[test]
fn a_run_that_succeeded_is_taken_back_from_a_step_on_and_then_as_a_whole() {
    let site = Site::with_books();
    let before = site.state();
    let run = run_id(&site.exec(&at_input("good.json"), &[]));
    let part = site.amends(&["run", "compensate", &run, "--from", "create-shipment", "--reason", "it came back"]);
    assert_eq!(last_line(&part), format!("run {run} compensated"), "{part}");
    assert_eq!(site.statuses(&run), ["completed", "completed", "compensated"]);
    assert_eq!(site.shown(&run)["cause"], json!({ "reason": "requested", "from": "create-shipment" }));
    assert_ne!(site.state(), before, "the money is still paid");

    let whole = site.amends(&["run", "compensate", &run]);
    assert_eq!(last_line(&whole), format!("run {run} compensated"), "{whole}");
    assert_eq!(site.statuses(&run), ["compensated"; 3]);
    assert_eq!(site.state(), before);
    let again = site.amends(&["run", "compensate", &run]);
    assert_eq!(last_line(&again), format!("run {run} compensated (it was so already)"));
}

#[test]
fn a_killed_run_is_not_taken_back_and_says_so() {
    let site = Site::with_books();
    let before = site.state();
    let run = site.open_run(&unavailable_once());
    let killed = site.amends(&["run", "kill", &run, "--by", "root", "--reason", "a test"]);
    assert_eq!(last_line(&killed), format!("run {run} killed"), "{killed}");
    assert_ne!(site.state(), before, "what was reserved is reserved");
    assert_eq!(site.shown(&run)["outcome"], "killed");
    let listed = site.amends(&["run", "list", "--status", "killed", "--json"]).json();
    assert_eq!(listed["runs"][0]["id"], *run);
    assert_eq!(last_line(&site.amends(&["run", "kill", &run])), format!("run {run} killed (it was so already)"));
    assert!(site.amends(&["run", "show", &run]).text().contains("@ killed by root: nothing is taken back"));
}

#[test]
fn who_asks_is_named_by_the_command_or_the_environment() {
    let site = Site::with_books();
    let run = site.open_run(&unavailable_once());
    let data = site.data();
    let as_bert = harness::run_amends_with([("AMENDS_BY", "bert")], ["run", "pause", &run, "--data", crate::text(&data)]);
    assert_eq!(last_line(&as_bert), format!("run {run} paused"));
    assert_eq!(site.shown(&run)["demands"][0]["by"], "bert");
}

#[test]
fn a_key_makes_a_demand_count_once() {
    let site = Site::with_books();
    let run = site.open_run(&json!({ "charge-payment": { "execute": { "unavailable": { "attempts": 9 } } } }));
    let retry = || site.amends(&["run", "retry", &run, "--key", "ticket-7", "--wait-max", "0s"]);
    assert!(last_line(&retry()).starts_with(&format!("run {run} waiting until ")));
    assert!(last_line(&retry()).ends_with(" (it was so already)"));
    let attempts = site.shown(&run)["steps"][1]["attempts"].as_array().map(Vec::len);
    assert_eq!(attempts, Some(2), "one at first, one for both demands");
}

#[test]
fn the_timeline_has_the_orders_of_people_between_the_attempts() {
    let site = Site::with_books();
    let ended = site.exec(&order(&json!({})), &[]);
    let run = run_id(&ended);
    site.amends(&["run", "compensate", &run, "--by", "anna", "--reason", "wrong\u{1b}[2J customer"]);
    let shown = site.amends(&["run", "show", &run]);
    let text = shown.text();
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("no `{part}`: {text}"));
    assert!(place("  completed") < place("@ to be taken back, says anna"), "{text}");
    assert!(place("wrong\\u{1b}[2J customer") < place("← compensating, because somebody asked for it"), "{text}");
    assert!(place("↺ create-shipment") < place("↺ reserve-inventory"), "{text}");
}
