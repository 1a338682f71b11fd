//! Runs from their first line to their last: what the example promises, one run for each way to fail, many runs at once, the same key
//! again, and a run whose program was killed.

use crate::{Site, at_input, example, orders, run_id, text};
use harness::Program;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the timeline says about how the attempts of an input of the example end, and how often.
const REASONS: &[(&str, &[(&str, usize)])] = &[
    ("good.json", &[("completed", 3)]),
    ("card-declined.json", &[("rejected card_declined", 1), ("proven clean", 1), ("  compensated", 1)]),
    ("nobody-can-ship.json", &[("rejected no_carrier", 1), ("proven clean", 1), ("  compensated", 2)]),
    ("traps-twice.json", &[("  trap", 2), ("retry in", 2), ("completed", 3)]),
    ("loops.json", &[("out-of-fuel", 3), ("retry in", 2), ("proven clean", 1), ("  compensated", 2)]),
    ("eats-memory.json", &[("out-of-memory", 3), ("retry in", 2), ("proven clean", 1), ("  compensated", 2)]),
    ("refund-stuck.json", &[("rejected rehearsed", 2), ("dead letter", 1), ("  compensated", 1)]),
];

#[test]
fn each_input_of_the_example_ends_as_its_readme_says_and_the_timeline_says_why() {
    let promised = promised();
    let inputs = std::fs::read_dir(example("inputs")).expect("the example is there");
    let mut inputs: Vec<_> = inputs.map(|entry| entry.expect("it is read").file_name().into_string().expect("a name")).collect();
    inputs.sort();
    assert_eq!(inputs, promised.keys().cloned().collect::<Vec<_>>(), "inputs, and rows of the README");
    let site = Site::with_books();
    let before = sums(&site.state());
    for (input, outcome) in &promised {
        let ended = site.exec(&at_input(input), &[]);
        run_id(&ended);
        assert_eq!(ended.stdout.last(), Some(&format!("outcome {outcome}")), "{ended}");
        assert_eq!(ended.code, Some(i32::from(outcome != "succeeded")), "{ended}");
        let (_, reasons) = REASONS.iter().find(|(name, _)| name == input).unwrap_or_else(|| panic!("no reasons for {input}"));
        for (says, times) in *reasons {
            let found = ended.stdout.iter().filter(|line| line.contains(says)).count();
            assert_eq!(found, *times, "{input}: lines that say `{}`: {ended}", says.trim());
        }
        assert_eq!(sums(&site.state()), before, "{input}: pieces and cents");
    }
}

/// Input → outcome, from the table of the README.
fn promised() -> BTreeMap<String, String> {
    let readme = std::fs::read_to_string(example("README.md")).expect("the example is there");
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.trim_end_matches('|').split('|').map(str::trim).collect();
        Some((cells.first()?.trim_end_matches('`').to_owned(), (*cells.last()?).to_owned()))
    });
    rows.collect()
}

/// All pieces and all cents.
fn sums(state: &Value) -> (u64, u64) {
    let state = state.as_object().expect("an object");
    let sum = |prefix: &str, fields: &[&str]| -> u64 {
        let rows = state.iter().filter(|(key, _)| key.starts_with(prefix));
        rows.map(|(_, value)| fields.iter().filter_map(|field| value[field].as_u64()).sum::<u64>()).sum()
    };
    (sum("stock/", &["available", "reserved", "shipped"]), sum("account/", &["balance_cents"]) + sum("revenue", &["balance_cents"]))
}

/// Each case: what happens in the third step, how often the timeline says what, with a clock that is quick and fuel that is not.
#[test]
fn what_the_example_does_not_show_has_its_reason_in_the_timeline_too() {
    let site = Site::with_books();
    let document = std::fs::read_to_string(example("saga.yaml")).expect("the example is there");
    let quick = document.replace("fuel: 100000000", "fuel: 1000000000000").replace("timeout: 2s", "timeout: 150ms");
    let saga = site.file("saga.yaml", &quick.replace("initial: 200ms", "initial: 1ms"));
    for (mishap, says, times) in [
        (json!("wait"), "timeout", 3),
        (json!("flood"), "oversized", 3),
        (json!({ "unavailable": { "attempts": 9 } }), "unavailable rehearsed", 3),
        (json!({ "uncertain": { "attempts": 9 } }), "uncertain rehearsed", 3),
    ] {
        let ended = site.exec_saga(&saga, &rehearsing("create-shipment", &mishap), &[]);
        let found = ended.stdout.iter().filter(|line| line.contains(says)).count();
        assert_eq!((found, ended.code), (times, Some(1)), "{mishap}: {ended}");
        assert_eq!(ended.stdout.last().map(String::as_str), Some("outcome compensated"), "{ended}");
        let proven = ended.text().contains("create-shipment    compensation not needed: proven clean");
        assert_eq!(proven, mishap.get("uncertain").is_none(), "in doubt is not clean: {ended}");
    }
}

fn rehearsing(step: &str, execute: &Value) -> String {
    let rehearse = json!({ step: { "execute": execute } });
    json!({ "customer": "anna", "sku": "BOOK-1", "quantity": 1, "country": "DE", "rehearse": rehearse }).to_string()
}

#[test]
fn a_run_that_is_followed_is_told_like_one_that_is_told_at_the_end() {
    let site = Site::with_books();
    let followed = site.exec(&at_input("nobody-can-ship.json"), &["--follow"]);
    let id = run_id(&followed);
    let shown = site.amends(&["run", "show", &id]);
    let is_timeline = |line: &&String| line.trim_start().starts_with('+');
    let timeline = |lines: &[String]| lines.iter().filter(is_timeline).cloned().collect::<Vec<_>>();
    assert_eq!(timeline(&followed.stdout), timeline(&shown.stdout), "{followed}\n{shown}");
    assert_eq!((followed.code, shown.code), (Some(1), Some(0)), "{followed}\n{shown}");
    assert_eq!(followed.stdout.last(), shown.stdout.last(), "{followed}\n{shown}");
}

#[test]
fn the_same_key_and_input_give_the_same_run_and_another_input_is_refused() {
    let site = Site::with_books();
    let first = site.exec(&at_input("good.json"), &["--key", "order-17"]);
    let before = site.state();
    let again = site.exec(&at_input("good.json"), &["--key", "order-17"]);
    assert_eq!((first.code, again.code), (Some(0), Some(0)), "{first}\n{again}");
    assert_eq!(run_id(&again), run_id(&first));
    assert_eq!(again.stdout.last(), first.stdout.last());
    assert_eq!(site.state(), before, "the order was placed twice");
    let other = site.exec(&at_input("nobody-can-ship.json"), &["--key", "order-17"]);
    assert_eq!(other.code, Some(3), "{other}");
    assert!(other.stderr.starts_with("error[key_reused]: ") && other.stderr.contains(&run_id(&first)), "{other}");
    let another = site.exec(&at_input("good.json"), &["--key", "order-18"]);
    assert_ne!(run_id(&another), run_id(&first));
}

#[test]
fn many_inputs_give_a_line_for_each_run_and_their_sum() {
    let site = Site::with_books();
    let orders = orders();
    let saga = example("saga.yaml");
    let batch = |name: &str, countries: &[&str]| {
        let order = |country: &&str| json!({ "customer": "anna", "sku": "BOOK-1", "quantity": 1, "country": country }).to_string();
        let file = site.file(name, &countries.iter().map(order).collect::<Vec<_>>().join("\n"));
        site.amends(&["exec", text(&saga), "--plugin", &orders, "--inputs", &file])
    };
    let good = batch("good.jsonl", &["DE", "AT"]);
    assert_eq!((good.code, good.stdout.len()), (Some(0), 3), "{good}");
    assert!(good.stdout[2].starts_with("2 runs in ") && good.stdout[2].ends_with(": 2 succeeded"), "{good}");
    let mixed = batch("mixed.jsonl", &["DE", "AQ", "FR"]);
    assert_eq!((mixed.code, mixed.stdout.len()), (Some(1), 4), "{mixed}");
    let ends = |word: &str| mixed.stdout.iter().filter(|line| line.starts_with("run run_") && line.ends_with(word)).count();
    assert_eq!((ends(" succeeded"), ends(" compensated")), (2, 1), "{mixed}");
    assert!(mixed.stdout[3].ends_with(": 2 succeeded, 1 compensated"), "{mixed}");
}

#[test]
fn a_run_whose_program_was_killed_is_open_until_it_is_resumed() {
    let site = Site::with_books();
    let (saga, data, plugin) = (example("saga.yaml"), site.data(), orders());
    // Traps twice and waits half a second in between: it is told of long before its end.
    let input = at_input("traps-twice.json");
    let mut program = Program::start(["exec", text(&saga), "--plugin", &plugin, "--input", &input, "--data", text(&data)]);
    assert!(program.line().is_some_and(|line| line.starts_with("run run_")));
    let killed = program.kill_after(Duration::ZERO);
    assert_eq!((killed.code, killed.stdout.len()), (None, 1), "{killed}");
    let id = run_id(&killed);
    let open = site.amends(&["run", "list", "--status", "open", "--json"]).json();
    assert_eq!((&open["runs"][0]["id"], &open["runs"][0]["status"]), (&json!(id), &json!("running")), "{open}");
    let resumed = site.amends(&["resume"]);
    assert_eq!((resumed.code, &resumed.stdout[0]), (Some(0), &format!("run {id} succeeded")), "{resumed}");
    let shown = site.amends(&["run", "show", &id]);
    assert!(shown.text().contains("found open after its host went away"), "{shown}");
    let again = site.amends(&["resume"]);
    assert_eq!((again.code, again.text().as_str()), (Some(0), "no run is open"), "{again}");
}
