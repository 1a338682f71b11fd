//! The shapes that programs read: the fields of a run, of lists, of what a component and a saga are told to be.

use crate::{Site, at_input, example, orders, run_id, text};
use harness::run_amends;
use serde_json::Value;

/// The fields of an object, sorted.
fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("not an object: {value}"));
    let mut fields: Vec<_> = object.keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

/// `all` must be there; what is in `some` may be.
fn check(value: &Value, all: &[&str], some: &[&str]) {
    let found = fields(value);
    for field in all {
        assert!(found.contains(field), "no `{field}`: {value}");
    }
    for field in found {
        assert!(all.contains(&field) || some.contains(&field), "`{field}` is not in the interface: {value}");
    }
}

const RUN: &[&str] = &["id", "saga", "version", "status", "input", "started_at", "steps", "demands", "dead_letters"];
const RUN_AT_TIMES: &[&str] = &["outcome", "output", "error", "ended_at", "cause", "key", "begins_at", "awaits"];

const STEP_AT_TIMES: &[&str] = &["output", "uses", "component", "wait", "proof", "resolved"];

fn check_run(run: &Value) {
    for step in run["steps"].as_array().expect("a list") {
        check(step, &["id", "status", "kind", "attempts"], STEP_AT_TIMES);
        for attempt in step["attempts"].as_array().expect("a list") {
            let all = ["direction", "number", "started_at", "ended_at", "result", "fuel", "effects", "log_lines"];
            check(attempt, &all, &["fault", "took_us", "conflicts"]);
        }
    }
}

/// Each case: an input of the example, the outcome, the exit code, and what of the optional fields is there.
#[test]
fn a_run_has_the_same_shape_when_it_ends_and_when_it_is_shown() {
    let site = Site::with_books();
    for (input, outcome, code, present) in [
        ("good.json", "succeeded", 0, &["output", "ended_at"][..]),
        ("nobody-can-ship.json", "compensated", 1, &["error", "cause", "ended_at"]),
        ("refund-stuck.json", "stuck", 1, &["error", "cause", "ended_at"]),
    ] {
        let ended = site.exec(&at_input(input), &["--json"]);
        assert_eq!((ended.code, ended.stdout.len()), (Some(code), 1), "one object: {ended}");
        let exec = ended.json();
        check(&exec, &[RUN, &["run", "outcome", "output"]].concat(), RUN_AT_TIMES);
        assert_eq!(exec["outcome"], outcome, "{exec}");
        check_run(&exec);

        let id = exec["run"].as_str().expect("an id");
        let shown = site.amends(&["run", "show", id, "--json"]).json();
        check(&shown, RUN, RUN_AT_TIMES);
        check_run(&shown);
        assert_eq!((&shown["id"], &shown["outcome"], &shown["steps"]), (&exec["run"], &exec["outcome"], &exec["steps"]));
        for field in present {
            assert!(shown.get(field).is_some(), "no `{field}`: {shown}");
        }
        assert_eq!(shown.get("output").is_some(), outcome == "succeeded", "{shown}");
    }
}

#[test]
fn lists_of_runs_are_newest_first_and_can_be_narrowed() {
    let site = Site::with_books();
    let inputs = ["good.json", "card-declined.json", "good.json"];
    let ids = inputs.map(|input| run_id(&site.exec(&at_input(input), &[])));
    let list = |more: &[&str]| site.amends(&[&["run", "list", "--json"], more].concat()).json();
    let found = |list: &Value| -> Vec<String> {
        let runs = list["runs"].as_array().expect("a list");
        runs.iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
    };
    let all = list(&[]);
    check(&all, &["runs", "more"], &[]);
    check(&all["runs"][0], &["id", "saga", "version", "status", "started_at", "ended_at"], &[]);
    assert_eq!(found(&all), [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    assert_eq!(found(&list(&["--status", "compensated"])), [ids[1].clone()]);
    let first = list(&["--limit", "1"]);
    assert_eq!((found(&first), &first["more"]), (vec![ids[2].clone()], &Value::Bool(true)));
    assert_eq!(found(&list(&["--tenant", "acme"])), [""; 0]);
}

#[test]
fn state_is_written_read_listed_and_kept_apart_by_tenant() {
    let site = Site::with_books();
    let anna = site.amends(&["state", "get", "account/anna"]);
    assert_eq!((anna.code, anna.text().as_str()), (Some(0), r#"{"balance_cents":50000}"#), "{anna}");
    assert_eq!(site.amends(&["state", "set", "account/anna", "7", "--tenant", "acme"]).code, Some(0));
    assert_eq!(site.amends(&["state", "get", "account/anna"]).text(), anna.text());
    assert_eq!(site.amends(&["state", "get", "account/anna", "--tenant", "acme"]).text(), "7");
    let file = example("state.json");
    let written: Value = serde_json::from_slice(&std::fs::read(file).expect("the example is there")).expect("JSON");
    assert_eq!(site.state(), written);
}

#[test]
fn a_component_and_a_saga_are_described() {
    let component = run_amends(["plugin", "check", text(&harness::guest("orders")), "--json"]);
    assert_eq!(component.code, Some(0), "{component}");
    check(&component.json(), &["digest", "size", "imports", "exports", "handlers", "sends_requests"], &["code_size"]);
    let saga = example("saga.yaml");
    for (args, plugins_checked) in [(vec![], false), (vec!["--plugin".to_owned(), orders()], true)] {
        let args = ["saga", "check", text(&saga), "--json"].map(str::to_owned).into_iter().chain(args);
        let checked = run_amends(args);
        assert_eq!(checked.code, Some(0), "{checked}");
        assert_eq!(checked.json()["plugins_checked"], plugins_checked, "{checked}");
    }
}

#[test]
fn many_runs_and_resumed_ones_are_objects_on_lines() {
    let site = Site::with_books();
    let inputs = site.file("inputs.jsonl", "{\"customer\":\"anna\",\"sku\":\"BOOK-1\",\"quantity\":1,\"country\":\"DE\"}\n");
    let (saga, plugin) = (example("saga.yaml"), orders());
    let ended = site.amends(&["exec", text(&saga), "--plugin", &plugin, "--inputs", &inputs, "--json"]);
    assert_eq!((ended.code, ended.stdout.len()), (Some(0), 2), "{ended}");
    let line = |at: usize| serde_json::from_str::<Value>(&ended.stdout[at]).expect("JSON");
    check(&line(0), &["line", "tenant", "run", "outcome", "status"], &[]);
    check(&line(1), &["runs", "took_ms"], &[]);
    let resumed = site.amends(&["resume", "--json"]);
    assert_eq!((resumed.code, resumed.stdout.len()), (Some(0), 1), "{resumed}");
    check(&resumed.json(), &["runs", "took_ms"], &[]);
}
