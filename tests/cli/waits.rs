//! Runs that wait: for people, who are not waited for, and for the clock, which is.

use crate::{Site, last_line, run_id};
use serde_json::json;

/// Waits for a signal and then for a while.
const SAGA: &str = r#"{"saga":"s","steps":[{"id":"ask","wait":{"signal":"approved","timeout":"48h"}},{"id":"pause","wait":{"for":"40ms"}}],
    "output":"${steps.ask.output}"}"#;

#[test]
fn a_run_that_waits_for_a_signal_is_left_open_and_the_last_line_says_so() {
    let site = Site::new();
    let begun = site.amends(&["exec", &site.file("s.json", SAGA), "--input", "1"]);
    let run = run_id(&begun);
    assert_eq!(begun.code, Some(1), "{begun}");
    let last = begun.stdout.last().expect("it said something");
    assert!(last.starts_with(&format!("waiting {run} for signal `approved`, until ")), "{begun}");
    assert!(begun.stderr.contains(&format!("amends run signal {run} approved --data ")), "{begun}");

    let shown = site.shown(&run);
    assert_eq!((&shown["status"], shown.get("outcome")), (&json!("waiting"), None), "{shown}");
    assert_eq!((&shown["awaits"]["what"], &shown["awaits"]["signals"]), (&json!("signal"), &json!(["approved"])), "{shown}");
    assert_eq!((&shown["steps"][0]["kind"], &shown["steps"][0]["wait"]["signal"]), (&json!("wait"), &json!("approved")), "{shown}");
    let resumed = site.amends(&["resume"]);
    assert_eq!((resumed.code, &resumed.stdout[0]), (Some(1), &format!("run {run} waiting")), "{resumed}");

    let signalled = site.amends(&["run", "signal", &run, "approved", r#"{"by":"anna"}"#, "--id", "mail-1"]);
    assert_eq!(last_line(&signalled), format!("run {run} succeeded"), "{signalled}");
    assert_eq!(site.shown(&run)["output"], json!({ "by": "anna" }));
    let again = site.amends(&["run", "signal", &run, "approved", r#"{"by":"anna"}"#, "--id", "mail-1"]);
    assert_eq!(last_line(&again), format!("run {run} succeeded (it was so already)"));
}

#[test]
fn timers_that_were_slept_through_fire_in_their_order() {
    let site = Site::new();
    let saga = |wait: &str| format!(r#"{{"saga":"s","steps":[{{"id":"w","wait":{{"for":"{wait}"}}}}]}}"#);
    let start = |wait: &str| {
        let started = site.amends(&["run", "start", &site.file("s.json", &saga(wait)), "--wait-max", "0s"]);
        assert!(last_line(&started).contains(" waiting until "), "{started}");
        run_id(&harness::Ended { stdout: started.stdout[..1].to_vec(), ..started })
    };
    let (third, first, second) = (start("900ms"), start("300ms"), start("600ms"));
    let resumed = site.amends(&["resume"]);
    assert_eq!(resumed.code, Some(0), "{resumed}");
    let expected = [first, second, third].map(|run| format!("run {run} succeeded"));
    assert_eq!(resumed.stdout[..3], expected, "{resumed}");
}

#[test]
fn a_wait_that_is_too_long_for_the_command_is_left_to_the_next_one() {
    let site = Site::new();
    let saga = site.file("s.json", r#"{"saga":"s","steps":[{"id":"w","wait":{"for":"2h"}}]}"#);
    let begun = site.amends(&["exec", &saga, "--input", "1", "--wait-max", "1m"]);
    let run = run_id(&begun);
    assert!(begun.stdout.last().is_some_and(|line| line.starts_with(&format!("waiting {run} until "))), "{begun}");
    let view = site.amends(&["exec", &saga, "--input", "1", "--wait-max", "0s", "--json"]).json();
    assert_eq!((&view["outcome"], &view["status"]), (&json!(null), &json!("waiting")), "{view}");
}
