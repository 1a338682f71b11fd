//! What an operator does with the real program: sets it up, looks at its numbers and traces, reads its log.

#[path = "operations/traces.rs"]
mod traces;

use harness::{Ended, Server, guest, run_amends_with};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

fn serve(variables: &[(&'static str, &'static str)], args: &[&OsStr]) -> Ended {
    run_amends_with(variables.iter().copied(), [&["serve".as_ref()], args].concat())
}

fn config(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("amends.toml");
    fs::write(&path, text).expect("there is room");
    (folder, path)
}

#[test]
fn what_holds_is_shown_with_where_it_was_said_and_nothing_is_started() {
    let (folder, path) = config("listen = \"127.0.0.1:1\"\n[guests]\nattempts_max = 9\n");
    let data = folder.path().join("data");
    let args: [&OsStr; 6] =
        ["--config".as_ref(), path.as_ref(), "--data".as_ref(), data.as_ref(), "--check".as_ref(), "--json".as_ref()];
    let shown = serve(&[("AMENDS_GRACE", "3s")], &args);
    assert_eq!(shown.code, Some(0), "{shown}");
    let keys = shown.json();
    let of = |name: &str| {
        let key = keys.as_array().expect("a list").iter().find(|key| key["key"] == name).expect("it is shown").clone();
        (key["value"].as_str().expect("a text").to_owned(), key["from"].as_str().expect("a place").to_owned())
    };
    assert_eq!(of("data"), (data.display().to_string(), "--data".to_owned()));
    assert_eq!(of("grace"), ("3s".to_owned(), "AMENDS_GRACE".to_owned()));
    assert_eq!(of("guests.attempts_max"), ("9".to_owned(), format!("{}:3", path.display())));
    assert_eq!(of("log.format"), ("text".to_owned(), "default".to_owned()));
    assert!(!data.exists());
}

#[test]
fn a_server_does_not_start_on_mistakes_and_tells_all_of_them() {
    let (_folder, path) = config("listen = \"here\"\n[runs]\nadopted = 1\n");
    let refused = serve(&[("AMENDS_LOG_FORMAT", "xml")], &["--config".as_ref(), path.as_ref()]);
    assert_eq!(refused.code, Some(2), "{refused}");
    let place = path.display().to_string();
    for says in [&format!("{place}:1"), &format!("{place}:3"), "AMENDS_LOG_FORMAT", "data: nobody says", "configuration_refused"] {
        assert!(refused.stderr.contains(says), "{says}: {refused}");
    }
    let key = "no key at all, and a secret";
    let (folder, path) = config(key);
    let of_key = [("AMENDS_MASTER_KEY", key)];
    let data = folder.path().join("data");
    let refused = serve(&of_key, &["--data".as_ref(), data.as_ref(), "--check".as_ref()]);
    assert!(refused.code == Some(2) && refused.stderr.contains("master_key_malformed"), "{refused}");
    assert!(!refused.stderr.contains(key) && !refused.text().contains(key), "a secret is never shown");
    drop(path);
}

/// A tenant with a run that ended, on a server with these variables.
pub(crate) fn at_work(data: &Path, variables: &[(&'static str, &'static str)]) -> Server {
    let server = Server::start_with(data, variables.iter().copied());
    let operator = server.client(server.operator_token());
    operator.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
    let component = fs::read(guest("orders")).expect("it is built");
    let pushed = operator.ask("PUT", "/v1/tenants/acme/plugins/orders/1.0.0?wait=30s", &[], &component);
    assert!(pushed.status < 300, "{pushed:?}");
    let saga = r#"{"saga":"order","steps":[{"id":"reserve","uses":"orders/reserve-inventory","input":{"sku":"A","quantity":1}}]}"#;
    operator.ask("PUT", "/v1/tenants/acme/sagas/order", &[], saga.as_bytes()).expect(201);
    let run: Value = operator.post("/v1/tenants/acme/runs?wait=30s", &json!({ "saga": "order" })).expect(201);
    assert_eq!(run["outcome"], "compensated");
    server
}

#[test]
fn numbers_are_told_to_operators_and_to_whoever_asks_at_an_address_of_their_own() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = at_work(folder.path(), &[("AMENDS_METRICS_LISTEN", "127.0.0.1:0")]);
    let operator = server.client(server.operator_token());
    // Commits are counted when those who waited for them have their answers.
    let is_counted = || String::from_utf8_lossy(&operator.get("/metrics").body).contains("amends_runs_ended_total{");
    let looked = (0..500).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        is_counted()
    });
    assert!(looked.is_some(), "the run is not counted");
    let told = operator.get("/metrics");
    assert_eq!((told.status, told.header("content-type").map(|form| form.contains("openmetrics"))), (200, Some(true)));
    let open = server.watcher().get("/metrics");
    for text in [told.body, open.body] {
        let text = String::from_utf8(text).expect("it is text");
        for line in [
            "amends_runs_started_total{tenant=\"acme\"} 1",
            "amends_runs_ended_total{tenant=\"acme\",outcome=\"compensated\"} 1",
            "amends_attempts_ended_total{direction=\"forward\",result=\"rejected\"} 1",
            "amends_http_requests_total{operation=\"startRun\",status=\"201\"} 1",
            "amends_compilations_total 1",
            "amends_runs_open 0.0",
            "amends_queue_facts 0.0",
            "amends_guests_max 64.0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
        for name in ["amends_data_bytes", "amends_memory_resident_bytes", "amends_disk_free_bytes"] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            assert!(value.is_some_and(|value| value > 100_000.0), "{name}: {value:?}");
        }
    }
    // Of a tenant's own, nobody sees them; and at the other address there is nothing else.
    let key = operator.post("/v1/tenants/acme/keys", &json!({ "name": "a", "role": "tenant-admin" })).expect(201);
    let admin = server.client(key["token"].as_str().expect("it is told once"));
    assert_eq!(admin.get("/metrics").problem(403), "not_allowed");
    assert_eq!(server.stranger().get("/metrics").problem(401), "token_missing");
    assert_eq!(server.watcher().get("/v1/tenants").status, 404);
    server.stop();
}

#[test]
fn a_log_for_programs_is_one_object_on_a_line() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = at_work(folder.path(), &[("AMENDS_LOG", "info"), ("AMENDS_LOG_FORMAT", "json"), ("AMENDS_UNHEARD_OF", "1")]);
    let ended = server.stop_and_tell();
    assert_eq!(ended.code, Some(0), "{ended}");
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let answered = lines.iter().find(|line| line["operation"] == "startRun").expect("it was answered");
    assert_eq!((&answered["level"], &answered["status"], &answered["message"]), (&json!("INFO"), &json!(201), &json!("answered")));
    assert!(lines.iter().any(|line| line["variable"] == "AMENDS_UNHEARD_OF"), "a variable that means nothing is told");
}
