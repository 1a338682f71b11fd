//! Demands that do not fit: refused with a code that never changes and the state that they do not fit, and nothing is noted.

use crate::{Site, at_input, last_line, order, run_id, unavailable_once};
use serde_json::{Value, json};

/// Each case: what is asked, the code, what the message says.
fn check(site: &Site, run: &str, cases: &[(&[&str], &str, &str)]) {
    let before = site.shown(run);
    for (demand, code, says) in cases {
        let args: Vec<_> = ["run", demand[0], run].into_iter().chain(demand[1..].iter().copied()).collect();
        let ended = site.amends(&args);
        assert_eq!((ended.code, ended.stdout.len()), (Some(3), 0), "{demand:?}: {ended}");
        assert!(ended.stderr.starts_with(&format!("error[{code}]: ")), "{demand:?}: no {code}: {ended}");
        assert!(ended.stderr.contains(says), "{demand:?}: no `{says}`: {ended}");
    }
    assert_eq!(site.shown(run), before, "something was noted");
}

#[test]
fn of_a_run_that_is_open_some_things_cannot_be_asked() {
    let site = Site::with_books();
    let run = site.open_run(&unavailable_once());
    check(
        &site,
        &run,
        &[
            (&["compensate"], "run_open", "`cancel` takes it back"),
            (&["kill"], "reason_missing", "give a reason"),
            (&["signal", "approved"], "unknown_signal", "signals of this saga: none"),
            (&["compensate", "--from", "nowhere"], "unknown_step", "its steps: reserve-inventory"),
            (&["pause", "--by", ""], "who_length", "1 to 255 are allowed"),
        ],
    );
}

#[test]
fn of_a_run_that_has_ended_little_can_be_asked() {
    let site = Site::with_books();
    let run = run_id(&site.exec(&at_input("good.json"), &[]));
    check(
        &site,
        &run,
        &[
            (&["cancel"], "run_ended", "the run is succeeded: `compensate` takes it back"),
            (&["pause"], "run_ended", "the run is succeeded"),
            (&["resume"], "run_ended", "the run is succeeded"),
            (&["retry"], "run_ended", "the run is succeeded"),
            (&["kill", "--reason", "why not"], "run_ended", "the run is succeeded"),
        ],
    );
    let run = run_id(&site.exec(&at_input("refund-stuck.json"), &[]));
    check(&site, &run, &[(&["compensate"], "run_ended", "the run is stuck"), (&["cancel"], "run_ended", "the run is stuck")]);
}

#[test]
fn a_key_stands_for_one_demand_only() {
    let site = Site::with_books();
    let run = site.open_run(&json!({ "charge-payment": { "execute": { "unavailable": { "attempts": 9 } } } }));
    assert!(last_line(&site.amends(&["run", "pause", &run, "--key", "k"])).ends_with(" paused"));
    check(&site, &run, &[(&["resume", "--key", "k"], "key_reused", "use another key")]);
    assert_eq!(last_line(&site.amends(&["run", "pause", &run, "--key", "k"])), format!("run {run} paused (it was so already)"));
}

#[test]
fn nobody_asks_anything_of_another_tenants_run() {
    let site = Site::with_books();
    let run = run_id(&site.exec(&order(&json!({})), &[]));
    for demand in ["cancel", "pause", "retry", "compensate"] {
        let ended = site.amends(&["run", demand, &run, "--tenant", "acme", "--json"]);
        let told: Value = serde_json::from_str(&ended.stderr).expect("an error is JSON where JSON is asked for");
        assert_eq!((ended.code, &told["code"]), (Some(3), &json!("unknown_run")), "{demand}: {ended}");
    }
    assert!(last_line(&site.amends(&["run", "compensate", &run])).ends_with(" compensated"));
}
