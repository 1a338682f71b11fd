//! Backups of the real program: taken of a server that works, restored beside it, and refused when anything is wrong with them.

use amends_domain::digest::Digest;
use harness::{Client, Ended, PATIENCE, Reply, Server, guest, run_amends, run_amends_with};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SAGA: &str = r#"
saga: order
steps:
  - { id: reserve, uses: orders/reserve-inventory, input: { sku: "${input.sku}", quantity: 1 } }
  - { id: wait, when: "${input.waits}", wait: { signal: approved } }
"#;
const RUNS: &str = "/v1/tenants/acme/runs";
/// Clients that start runs while a backup is taken.
const CLIENTS: usize = 3;
/// Runs that are told of before it begins.
const TOLD_MIN: usize = 60;

/// A folder with data directories and backups, and the tokens for them.
struct Site {
    folder: tempfile::TempDir,
    operator: String,
    admin: String,
}

impl Site {
    /// With a server that has a tenant, a saga and stock.
    fn new() -> (Self, Server) {
        let folder = tempfile::tempdir().expect("there is room");
        let server = Server::start(&folder.path().join("data"));
        let operator = server.operator_token().to_owned();
        let by = server.client(&operator);
        by.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
        let limits = br#"{ "starts_per_minute": 1000000 }"#;
        by.ask("PUT", "/v1/tenants/acme/limits", &[], limits).expect(200);
        let key = by.post("/v1/tenants/acme/keys", &json!({ "name": "a", "role": "tenant-admin" })).expect(201);
        let admin = key["token"].as_str().expect("it is told once").to_owned();
        let client = server.client(&admin);
        let component = fs::read(guest("orders")).expect("it is built");
        let pushed = client.ask("PUT", "/v1/tenants/acme/plugins/orders/1.0.0?wait=30s", &[], &component);
        assert!(pushed.status < 300, "{pushed:?}");
        client.ask("PUT", "/v1/tenants/acme/sagas/order", &[], SAGA.as_bytes()).expect(201);
        let stock = br#"{"stock/BOOK-1":{"available":100000,"reserved":0,"shipped":0,"price_cents":2000}}"#;
        client.ask("PATCH", "/v1/tenants/acme/state", &[], stock).expect(204);
        (Self { folder, operator, admin }, server)
    }

    /// Somebody who answers with a part of a backup as if it were all.
    fn cutting(part: &[u8]) -> harness::Site {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", part.len());
        let all = [head.as_bytes(), part].concat();
        harness::Site::start(move |_| Reply::Bytes { first: all.clone(), then: Vec::new(), times: 0, pause: Duration::ZERO })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `bytes` as a backup and restores it; how that ended, and where the data would be.
    fn restore(&self, name: &str, bytes: &[u8]) -> (Ended, PathBuf) {
        let (file, data) = (self.path(&format!("{name}.backup")), self.path(name));
        fs::write(&file, bytes).expect("there is room");
        let ended = amends(&["restore".as_ref(), file.as_ref(), "--data".as_ref(), data.as_ref()]);
        (ended, data)
    }
}

/// Says that it is over when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn amends(args: &[&OsStr]) -> Ended {
    run_amends(args)
}

fn start(client: &Client, waits: bool) -> String {
    let run = client.post(RUNS, &json!({ "saga": "order", "input": { "sku": "BOOK-1", "waits": waits } }));
    assert!(matches!(run.status, 201 | 202), "{run:?}");
    run.json()["id"].as_str().expect("an id").to_owned()
}

fn backup(client: &Client) -> Vec<u8> {
    let answered = client.post("/v1/backup", &json!({}));
    assert_eq!(answered.status, 200, "{}", String::from_utf8_lossy(&answered.body));
    answered.body
}

fn has_data(dir: &Path) -> bool {
    dir.join("amends.redb").exists()
}

#[test]
fn a_backup_of_a_server_at_work_has_every_run_that_was_told_of_before_and_open_ones_go_on() {
    let (site, server) = Site::new();
    let waiting = start(&server.client(&site.admin), true);
    let (client, operator) = (server.client(&site.admin), server.client(&site.operator));
    let (told, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let until = Instant::now() + PATIENCE;
    let (before, bytes) = std::thread::scope(|scope| {
        // Whatever goes wrong here, the clients end.
        let _ending = Ending(&over);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let run = start(&client, false);
                    told.lock().expect("nobody panics").push(run);
                }
            });
        }
        let so_far = || told.lock().expect("nobody panics").clone();
        while so_far().len() < TOLD_MIN {
            assert!(Instant::now() < until, "{} runs were told of", so_far().len());
            std::thread::yield_now();
        }
        let before = so_far();
        (before, backup(&operator))
    });
    server.kill();
    let (ended, data) = site.restore("restored", &bytes);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.text().contains("acme lane 0: records "), "it says what it found: {ended}");
    let verified = amends(&["audit".as_ref(), "verify".as_ref(), "--data".as_ref(), data.as_ref()]);
    assert_eq!(verified.code, Some(0), "{verified}");

    let restored = Server::start(&data);
    let client = restored.client(&site.admin);
    for run in &before {
        client.get(&format!("{RUNS}/{run}")).expect(200);
    }
    let path = format!("{RUNS}/{waiting}");
    client.post(&format!("{path}/signals/approved"), &json!({ "id": "mail-1" })).expect(200);
    let mut stream = client.follow(&format!("{path}/events"), None);
    let ended = std::iter::repeat_with(|| stream.event()).take(50).find(|event| event.name == "workflow.saga.completed");
    assert!(ended.is_some(), "a run that was open goes on");
    assert_eq!(start(&client, false).len(), waiting.len(), "and new ones start: the component is there");
    restored.stop();
}

#[test]
fn the_command_takes_a_backup_of_a_server_and_keeps_only_a_whole_one() {
    let (site, server) = Site::new();
    let run = start(&server.client(&site.admin), true);
    let (url, out, data) = (format!("http://{}", server.address()), site.path("out"), site.path("again"));
    let back_up = |token: &str, more: &[&OsStr]| {
        let args = [&["backup".as_ref(), "--out".as_ref(), out.as_ref()], more].concat();
        run_amends_with([("AMENDS_URL", url.as_str()), ("AMENDS_TOKEN", token)], args)
    };
    let denied = back_up(&site.admin, &[]);
    assert!(denied.code == Some(3) && denied.stderr.contains("not_allowed"), "{denied}");
    let apart = back_up(&site.operator, &["--tenant".as_ref(), "acme".as_ref()]);
    assert!(apart.code == Some(2) && apart.stderr.contains("tenant_not_apart") && !out.exists(), "{apart}");
    let taken = back_up(&site.operator, &[]);
    assert_eq!(taken.code, Some(0), "{taken}");
    assert_eq!(back_up(&site.operator, &[]).code, Some(3), "what is there is not replaced");
    server.stop();
    let restored = amends(&["restore".as_ref(), out.as_ref(), "--data".as_ref(), data.as_ref()]);
    assert_eq!(restored.code, Some(0), "{restored}");
    let shown = amends(&[
        "run".as_ref(),
        "show".as_ref(),
        run.as_ref(),
        "--data".as_ref(),
        data.as_ref(),
        "--tenant".as_ref(),
        "acme".as_ref(),
    ]);
    assert_eq!(shown.code, Some(0), "{shown}");
    // One that ends too soon: nothing is left of it.
    let whole = fs::read(&out).expect("it is there");
    let cut = Site::cutting(&whole[..whole.len() / 2]);
    let (url, out) = (cut.url(""), site.path("cut"));
    let args: [&OsStr; 3] = ["backup".as_ref(), "--out".as_ref(), out.as_ref()];
    let taken = run_amends_with([("AMENDS_URL", url.as_str()), ("AMENDS_TOKEN", site.operator.as_str())], args);
    assert!(taken.code == Some(3) && taken.stderr.contains("backup_damaged") && !out.exists(), "{taken}");
}

#[test]
fn only_operators_take_a_backup() {
    let (site, server) = Site::new();
    assert_eq!(server.client(&site.admin).post("/v1/backup", &json!({})).problem(403), "not_allowed");
    assert_eq!(server.stranger().post("/v1/backup", &json!({})).problem(401), "token_missing");
    assert!(backup(&server.client(&site.operator)).starts_with(b"amends-backup/1\n"));
    server.stop();
}

#[test]
fn a_data_directory_that_no_server_has_is_backed_up_and_compacted_by_the_command() {
    let (site, server) = Site::new();
    let client = server.client(&site.admin);
    start(&client, true);
    let patch = |value: &Value| {
        let values: serde_json::Map<_, _> = (0..4).map(|key| (format!("k{key}"), value.clone())).collect();
        client.ask("PATCH", "/v1/tenants/acme/state", &[], json!(values).to_string().as_bytes()).expect(204);
    };
    // What is written again and again leaves room behind.
    (0..10).for_each(|n| patch(&json!(harness::chance(n, 200_000))));
    patch(&Value::Null);
    let (data, out, other) = (site.path("data"), site.path("b"), site.path("other"));
    let back_up = |data: &Path, out: &Path| {
        amends(&["--json".as_ref(), "backup".as_ref(), "--data".as_ref(), data.as_ref(), "--out".as_ref(), out.as_ref()])
    };
    let in_use = back_up(&data, &out);
    assert!(in_use.code == Some(1) && in_use.stderr.contains("data_in_use") && !out.exists(), "{in_use}");
    server.stop();
    let first = back_up(&data, &out);
    assert_eq!(first.code, Some(0), "{first}");
    assert_eq!(first.json()["bytes"], fs::metadata(&out).expect("it is there").len());
    assert_eq!(back_up(&data, &out).code, Some(3), "what is there is not replaced");

    let restored = amends(&["restore".as_ref(), out.as_ref(), "--data".as_ref(), other.as_ref(), "--json".as_ref()]);
    let restored: Value = restored.json();
    assert_eq!((&restored["rows"], &restored["digest"]), (&first.json()["rows"], &first.json()["digest"]));
    let compacted = amends(&["compact".as_ref(), "--data".as_ref(), data.as_ref(), "--json".as_ref()]).json();
    let bytes = |name: &str| compacted[name].as_u64().expect("a number");
    assert!(bytes("bytes") < bytes("bytes_before"), "{compacted}");
    assert_eq!(bytes("bytes"), fs::metadata(data.join("amends.redb")).expect("it is there").len());
    let verified = amends(&["audit".as_ref(), "verify".as_ref(), "--data".as_ref(), data.as_ref()]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn a_backup_that_is_not_whole_or_whose_chain_is_broken_leaves_no_data_directory() {
    let (site, server) = Site::new();
    start(&server.client(&site.admin), false);
    let whole = backup(&server.client(&site.operator));
    server.kill();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    // Somebody who changes a record can make the file's digest anew, but not the chain's.
    let mut forged = whole[..whole.len() - 32].to_vec();
    let at = forged.windows(6).position(|part| part == b"BOOK-1").expect("a record says it");
    forged[at..at + 6].copy_from_slice(b"BOOK-2");
    let digest = Digest::of(&forged);
    forged.extend(digest.0);
    for (name, bytes, code, says) in [
        ("cut", &whole[..whole.len() - 1], 3, "backup_damaged"),
        ("changed", &changed, 3, "backup_damaged"),
        ("other", b"SQLite format 3\0", 3, "backup_damaged"),
        ("forged", &forged, 5, "acme lane 0 record "),
    ] {
        let (ended, data) = site.restore(name, bytes);
        assert!(ended.code == Some(code) && ended.stderr.contains(says), "{name}: {ended}");
        assert_eq!(fs::read_dir(&data).expect("it was made").count(), 0, "{name}: nothing is left");
    }
    let (ended, data) = site.restore("whole", &whole);
    assert!(ended.code == Some(0) && has_data(&data), "{ended}");
    let (again, _) = site.restore("whole", &whole);
    assert!(again.code == Some(3) && again.stderr.contains("data_exists"), "{again}");
}
