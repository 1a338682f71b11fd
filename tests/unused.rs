//! `amends compact` of the real program: components that nothing uses go with their compiled code, whenever it is killed; what is in use
//! stays, is run and takes back what was done; the chain is proof of all of it.

use amends::coordinator::Coordinator;
use amends::sandbox::{CodeDir, CompilerSettings, EgressSettings, Sandbox, SandboxSettings};
use amends::store::redb::RedbStore;
use amends_domain::digest::Digest;
use amends_domain::event::{Demand, Outcome, TenantEvent};
use amends_domain::id::{PluginName, PluginVersion, RunId};
use amends_domain::run::RunStatus;
use amends_domain::time::Timestamp;
use harness::{Host, PATIENCE, Program, guest, run_amends};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SAGA: &str = r#"
saga: order
steps:
  - { id: reserve, uses: orders/reserve-inventory, input: { sku: BOOK-1, quantity: 1 } }
  - { id: wait, when: "${input.waits}", wait: { signal: approved } }
"#;
/// Components of the site, and whether anything uses them.
const COMPONENTS: [(&str, bool); 7] = [
    ("pinned by a run that ended", true),
    ("replaced", false),
    ("pinned by an open run", true),
    ("installed", true),
    ("deleted", false),
    ("an older version", true),
    ("the latest version", true),
];
/// How often the command is killed.
const KILLS: u32 = 24;

/// A data directory, and the runs in it.
struct Site {
    folder: TempDir,
    ended: RunId,
    open: RunId,
}

/// The plugin `orders` with a section that says which of many it is.
fn component(name: &str) -> Vec<u8> {
    let mut bytes = fs::read(guest("orders")).expect("it is built");
    let len = u8::try_from(name.len()).expect("short");
    bytes.extend([0, len + 1, len]);
    bytes.extend(name.as_bytes());
    bytes
}

fn digest(name: &str) -> Digest {
    Digest::of(&component(name))
}

fn host(data: &Path) -> Host {
    let store = RedbStore::open(data).expect("it opens");
    let sandbox = Sandbox::new(SandboxSettings {
        attempts_max: 8,
        components_max: 16,
        code_len_max: 256 << 20,
        compiler: CompilerSettings::InProcess,
        code_dir: Some(CodeDir { dir: data.join("code"), len_max: 1 << 30 }),
        outside: None,
        egress: EgressSettings::system(),
    });
    Host::around(sandbox.expect("it starts"), Arc::new(store), 1, |coordinator| coordinator).expect("it opens")
}

fn close(host: Host) {
    host.coordinator.close().expect("all is durable");
    drop(host);
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let host = host(&folder.path().join("data"));
        let created = TenantEvent::TenantCreated { by: "op".into() };
        host.block_on(host.coordinator.alter(&host.tenant, created)).expect("there is none yet");
        let install = |name: &str| host.install_bytes("orders", component(name)).expect("it is right");
        install("pinned by a run that ended");
        host.apply(SAGA).expect("it is right");
        host.write_state(&json!({ "stock/BOOK-1": { "available": 9, "reserved": 0, "shipped": 0, "price_cents": 1 } }))
            .expect("written");
        let ended = host.run("order", &json!({ "waits": false })).expect("it ends");
        assert_eq!(ended.head().status, RunStatus::Ended(Outcome::Succeeded));
        install("replaced");
        install("pinned by an open run");
        let open = host.block_on(async {
            let driven = host.start("order", &json!({ "waits": true })).await.expect("it starts");
            wait_until(&host, driven.run, RunStatus::Waiting).await;
            driven.run
        });
        install("installed");
        publish(&host, "1.0.0", "deleted");
        publish(&host, "1.1.0", "an older version");
        publish(&host, "1.2.0", "the latest version");
        let (plugin, version) = plugin("1.0.0");
        host.block_on(host.coordinator.unpublish(&host.tenant, &plugin, &version, "ada".into())).expect("nothing pins it");
        let ended = ended.id();
        close(host);
        Self { folder, ended, open }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

fn plugin(version: &str) -> (PluginName, PluginVersion) {
    ("versioned".parse().expect("a name"), version.parse().expect("a version"))
}

fn publish(host: &Host, version: &str, name: &str) {
    let (plugin, version) = plugin(version);
    let coordinator: &Coordinator = &host.coordinator;
    let published = coordinator.publish(&host.tenant, &plugin, version, component(name).into(), "ada".into());
    assert_eq!(host.block_on(published).expect("it is right").component, digest(name));
}

async fn wait_until(host: &Host, run: RunId, status: RunStatus) {
    let begun = Instant::now();
    let is_so = || host.coordinator.store().run(&host.tenant, run).expect("an answer").is_some_and(|head| head.status == status);
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{run} does not come to be {status:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Which components are stored, and of which there is compiled code.
fn stored(data: &Path) -> (Vec<&'static str>, Vec<&'static str>) {
    let store = RedbStore::open(data).expect("it opens");
    let is_stored = |name: &&str| store.has_component(digest(name)).expect("an answer");
    let is_compiled = |name: &&str| data.join("code").join(format!("{}.code", digest(name).hex())).exists();
    let names = || COMPONENTS.iter().map(|(name, _)| *name);
    let found = (names().filter(is_stored).collect(), names().filter(is_compiled).collect());
    amends::store::Store::close(&store).expect("it is noted");
    found
}

fn used() -> Vec<&'static str> {
    COMPONENTS.iter().filter(|(_, used)| *used).map(|(name, _)| *name).collect()
}

fn amends<const N: usize>(args: [&dyn AsRef<OsStr>; N]) -> String {
    let ended = run_amends(args.into_iter().map(AsRef::as_ref));
    assert_eq!(ended.code, Some(0), "{ended}");
    ended.text()
}

#[test]
fn what_nothing_uses_goes_and_what_is_in_use_runs_and_takes_back_what_was_done() {
    let site = Site::new();
    let data = site.data();
    let all: Vec<&str> = COMPONENTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(stored(&data), (all.clone(), all), "before");
    let said: Value = serde_json::from_str(&amends([&"compact", &"--json", &"--data", &data])).expect("it is JSON");
    let unused: Vec<&str> = COMPONENTS.iter().filter(|(_, used)| !used).map(|(name, _)| *name).collect();
    let bytes: usize = unused.iter().map(|name| component(name).len()).sum();
    assert_eq!((&said["components_removed"], &said["component_bytes_removed"]), (&json!(unused.len()), &json!(bytes)), "{said}");
    assert!(said["code_bytes_removed"].as_u64() > Some(0), "{said}");
    assert_eq!(stored(&data), (used(), used()));
    let again = amends([&"compact", &"--data", &data]);
    assert!(again.contains("removed what nothing uses: components 0, 0 bytes; compiled code, 0 bytes"), "{again}");

    let verified = amends([&"audit", &"verify", &"--data", &data]);
    assert!(verified.contains("ok"), "{verified}");
    let (export, backup) = (site.folder.path().join("chain.jsonl"), site.folder.path().join("a.backup"));
    amends([&"audit", &"export", &"--data", &data, &"--out", &export]);
    amends([&"audit", &"verify", &export]);
    amends([&"backup", &"--data", &data, &"--out", &backup]);
    amends([&"restore", &backup, &"--data", &site.folder.path().join("restored")]);

    let host = host(&data);
    host.block_on(async {
        host.demand(site.ended, Demand::Compensate { from: None }).await.expect("it can be taken back");
        wait_until(&host, site.ended, RunStatus::Ended(Outcome::Compensated)).await;
        host.coordinator.adopt(&host.tenant, site.open).expect("an answer").expect("it is open");
        let signal =
            Demand::Signal { name: "approved".parse().expect("a name"), payload: amends_domain::payload::Payload::from("{}") };
        host.demand(site.open, signal).await.expect("it waits for that");
        wait_until(&host, site.open, RunStatus::Ended(Outcome::Succeeded)).await;
    });
    let next = host.run("order", &json!({ "waits": false })).expect("it ends");
    assert_eq!(next.head().status, RunStatus::Ended(Outcome::Succeeded));
    // What was removed can be brought again.
    host.install_bytes("orders", component("replaced")).expect("it is right");
    host.block_on(host.coordinator.remove_ended(&host.tenant, Timestamp(u64::MAX))).expect("it is durable");
    close(host);
    amends([&"compact", &"--data", &data]);
    let left = ["replaced", "an older version", "the latest version"];
    assert_eq!(stored(&data), (left.to_vec(), left.to_vec()), "no run is kept that pinned the others");
    amends([&"audit", &"verify", &"--data", &data]);
}

#[test]
fn a_command_that_is_killed_has_removed_all_that_nothing_uses_or_none() {
    let site = Site::new();
    let args = |data: &Path| ["compact".into(), "--data".into(), data.as_os_str().to_owned()];
    let copy = |name: &str| {
        let data = site.folder.path().join(name);
        fs::create_dir_all(data.join("code")).expect("there is room");
        for file in ["amends.redb", "code"] {
            let from = site.data().join(file);
            if from.is_file() {
                fs::copy(from, data.join(file)).expect("there is room");
                continue;
            }
            for entry in fs::read_dir(from).expect("it is there") {
                let entry = entry.expect("it is there");
                fs::copy(entry.path(), data.join(file).join(entry.file_name())).expect("there is room");
            }
        }
        data
    };
    let whole = copy("whole");
    let begun = Instant::now();
    assert_eq!(run_amends(args(&whole)).code, Some(0));
    let life = begun.elapsed();
    let (mut before, mut behind) = (0, 0);
    for kill in 0..KILLS {
        let data = copy(&format!("killed-{kill}"));
        Program::start(args(&data)).kill_after(life * kill / (KILLS / 2));
        let (components, _) = stored(&data);
        if components.len() == COMPONENTS.len() {
            before += 1;
        } else {
            assert_eq!(components, used(), "kill {kill}");
            behind += 1;
        }
        // Whatever the first left, the next one finishes.
        assert_eq!(run_amends(args(&data)).code, Some(0), "kill {kill}");
        assert_eq!(stored(&data), (used(), used()), "kill {kill}");
        amends([&"audit", &"verify", &"--data", &data]);
        fs::remove_dir_all(data).expect("it was made here");
    }
    assert!(before > 0 && behind > 0, "killed before the removal {before} times, behind it {behind} times");
}
