//! `amends bench` as whoever measures sees it: what it counts happened, what goes wrong is told, and what it cannot do is refused.

use crate::server::Shop;
use crate::{at_input, example, text};
use harness::{Program, guest, run_amends};
use serde_json::Value;
use tempfile::TempDir;

/// Short enough for a test, long enough for some runs on a slow machine.
const SHORT: [&str; 4] = ["--warm-up", "100ms", "--for", "700ms"];

/// The books of the example with more in them than any load takes out.
fn plenty() -> String {
    let books = std::fs::read_to_string(example("state.json")).expect("it is there");
    let mut books: Value = serde_json::from_str(&books).expect("JSON");
    for (key, book) in books.as_object_mut().expect("keys") {
        if key.starts_with("stock/") {
            book["available"] = 1_000_000_000.into();
        } else if key.starts_with("account/") {
            book["balance_cents"] = 1_000_000_000_000_u64.into();
        }
    }
    books.to_string()
}

fn local<'a>(folder: &'a TempDir, plugin: &'a str, more: &[&'a str]) -> Vec<String> {
    let data = folder.path().join("data");
    let saga = example("saga.yaml");
    let state = folder.path().join("state.json");
    std::fs::write(&state, plenty()).expect("a file");
    let given = ["bench", "--local", text(&saga), "--plugin", plugin, "--state", text(&state), "--data", text(&data), "--json"];
    given.iter().chain(&SHORT).chain(more).map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_server_of_its_own_is_measured_with_what_it_takes_of_the_machine() {
    let (folder, plugin) = (tempfile::tempdir().expect("a directory"), format!("orders={}", guest("orders").display()));
    let (good, bad) = (at_input("good.json"), at_input("nobody-can-ship.json"));
    let more = ["--input", &good, "--failing", &bad, "--failing-percent", "50", "--clients", "1,4"];
    let ended = run_amends(local(&folder, &plugin, &more));
    assert_eq!(ended.code, Some(0), "{ended}");
    let told = ended.json();
    let rows = told["rows"].as_array().expect("a row for each load");
    assert_eq!(rows.len(), 2);
    let mut answered = 0.0;
    for row in rows {
        let above = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
        for value in [
            &row["answered"],
            &row["latency"]["p50"],
            &row["latency"]["p99"],
            &row["server"]["resident"],
            &row["disk"]["commits"],
            &row["disk"]["record_bytes"],
        ] {
            assert!(above(value), "{row}");
        }
        assert_eq!(row["errors"]["first"], Value::Null, "{row}");
        assert_eq!(row["kinds"][1][0], "compensation");
        assert!(row["looked"]["p50"].is_u64(), "from failure to compensated: {row}");
        answered += row["answered"].as_f64().unwrap_or_default();
    }
    // Those of the warm-up are stored too.
    assert!(told["stored"]["runs"].as_f64().is_some_and(|runs| runs >= answered), "{told}");
    // Data that is there is not measured over: what it has would count.
    let again = run_amends(local(&folder, &plugin, &["--input", &good]));
    assert_eq!(again.code, Some(2), "{again}");
    assert!(again.stderr.contains("data_not_new"), "{again}");
}

#[test]
fn a_server_that_somebody_has_is_measured_at_a_rate_and_tells_no_more_than_the_token_may_know() {
    let shop = Shop::new();
    shop.done(&["state", "set", "--file", &shop.file("plenty.json", &plenty())]);
    let good = at_input("good.json");
    let given = ["bench", "order.fulfillment", "--input", &good, "--rate", "20/s", "--json"];
    let ended = shop.done(&[&given[..], &SHORT].concat());
    let told = ended.json();
    let row = &told["rows"][0];
    assert_eq!((&row["rate"], &row["server"], &row["disk"]), (&20.0.into(), &Value::Null, &Value::Null), "{row}");
    assert!(row["answered"].as_u64().is_some_and(|answered| (5..=20).contains(&answered)), "{row}");
    let runs = shop.done(&["run", "list", "--json"]).json();
    let listed = runs["runs"].as_array().map_or(0, Vec::len) as u64;
    assert!(row["answered"].as_u64().is_some_and(|answered| listed >= answered), "{listed} runs there: {row}");
}

#[test]
fn runs_that_do_not_end_as_they_should_are_errors_and_the_first_is_told() {
    let shop = Shop::new();
    let bad = at_input("nobody-can-ship.json");
    let given = ["bench", "order.fulfillment", "--input", &bad, "--clients", "2"];
    let ended = shop.amends(&[&given[..], &SHORT].concat());
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.text().contains("first error: 201:"), "{ended}");
    let unknown = shop.amends(&[&["bench", "no.such.saga", "--clients", "1"][..], &SHORT].concat());
    assert_eq!(unknown.code, Some(1), "{unknown}");
    assert!(unknown.text().contains("unknown_saga"), "{unknown}");
}

#[test]
fn what_cannot_be_a_load_is_refused() {
    let check = |words: &[&str], says: &str| {
        let ended = run_amends(std::iter::once(&"bench").chain(words));
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(says), "{ended}");
    };
    check(&["a", "--rate", "500"], "such as `500/s`");
    check(&["a", "--rate", "5/s", "--clients", "1"], "cannot be used with");
    check(&["a", "--clients", "0"], "--clients");
    check(&["a", "--failing-percent", "10"], "--failing");
    check(&["a", "--plugin", "a=b.wasm"], "--local");
    check(&["a", "--for", "0s"], "--for some time");
    check(&["./saga.yaml", "--url", "http://127.0.0.1:1"], "--local");
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    check(&["--local", "/nowhere/saga.yaml", "--data", &data.display().to_string()], "error[");
    assert!(!data.exists(), "what is refused leaves nothing behind");
}

/// Processes that this one started, or that were started by those, and whose arguments have `word` among them.
fn processes(word: &str) -> Vec<u32> {
    let is_it =
        |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(word));
    let all = std::fs::read_dir("/proc").expect("it is Linux").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(is_it).collect()
}

#[test]
fn whoever_stops_it_finds_neither_its_server_nor_its_folder_and_data_with_a_name_stays_whole() {
    let folder = tempfile::tempdir().expect("a directory");
    let (temporary, named) = (folder.path().join("temporary"), folder.path().join("named"));
    std::fs::create_dir(&temporary).expect("there is room");
    let (saga, plugin) = (example("saga.yaml"), format!("orders={}", guest("orders").display()));
    let state = folder.path().join("state.json");
    std::fs::write(&state, plenty()).expect("a file");
    let good = at_input("good.json");
    let given = ["bench", "--local", text(&saga), "--plugin", &plugin, "--state", text(&state), "--input", &good, "--for", "10min"];
    for (signal, code, data) in [("-INT", 130, None), ("-TERM", 143, None), ("-TERM", 143, Some(text(&named)))] {
        let at = data.map_or_else(Vec::new, |data| vec!["--data", data]);
        let variables = [("TMPDIR", text(&temporary))];
        let mut bench = Program::start_with(variables, given.iter().chain(&at));
        // Its title stands when the load begins: the server is there then.
        assert!(bench.line().is_some());
        let word = data.unwrap_or(text(&temporary)).to_owned();
        assert!(processes(&word).iter().any(|pid| *pid != bench.id()), "there is a server");
        assert_eq!(std::fs::read_dir(&temporary).expect("it is there").count(), usize::from(data.is_none()));
        let pid = bench.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().expect("there is kill").success());
        let ended = bench.wait();
        assert_eq!(ended.code, Some(code), "{ended}");
        assert!(ended.stderr.contains("stopped by SIG"), "{ended}");
        assert_eq!(processes(&word), [] as [u32; 0], "its server is gone");
        assert_eq!(std::fs::read_dir(&temporary).expect("it is there").count(), 0, "its folder is gone");
    }
    let verified = run_amends(["audit", "verify", "--data", text(&named)]);
    assert_eq!(verified.code, Some(0), "{verified}");
}
