//! What a host does when its disk is almost full, and when it is full: nothing new is taken, what is open goes on, and nothing that was told of is
//! lost.

use amends::coordinator::{DriveError, Holds, KeepWatch, PublishError, StartError, host_tenant};
use amends::disk::{FreeMin, Room, Space};
use amends::sandbox::{CompileLimits, CompilerSettings, EgressSettings, Sandbox, SandboxSettings};
use amends::store::redb::RedbStore;
use amends_domain::audit::Body;
use amends_domain::event::{Demand, Outcome, PartState, TenantEvent};
use amends_domain::id::Lane;
use amends_domain::payload::Payload;
use amends_domain::time::Span;
use harness::{Client, Host, Server, run_amends, small_guest};
use serde_json::{Value, json};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const WAITS: &str = r#"{"saga":"waits","steps":[
  {"id":"first","uses":"p/p","input":1},{"id":"w","wait":{"signal":"go"}},{"id":"then","uses":"p/p","input":2}]}"#;
const TOTAL: u64 = 1000;
const MIN: u64 = 100;

/// A disk that says what it is told to.
#[derive(Debug)]
struct Said(AtomicU64);

impl Said {
    const BROKEN: u64 = u64::MAX;
}

impl Space for Said {
    fn room(&self) -> io::Result<Option<Room>> {
        match self.0.load(Ordering::Relaxed) {
            Self::BROKEN => Err(io::Error::other("it does not answer")),
            free => Ok(Some(Room { free, total: TOTAL })),
        }
    }
}

struct Site {
    _folder: tempfile::TempDir,
    host: Host,
    disk: Arc<Said>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let store = RedbStore::open(folder.path()).expect("it is new");
        let host = Host::over(Arc::new(store), 1).expect("this machine runs guests");
        host.install_bytes("p", small_guest("echo")).expect("it is a guest");
        host.apply(WAITS).expect("it is right");
        Self { _folder: folder, host, disk: Arc::new(Said(AtomicU64::new(TOTAL))) }
    }

    fn look(&self, free: u64) {
        self.disk.0.store(free, Ordering::Relaxed);
        let space = Arc::clone(&self.disk) as Arc<dyn Space>;
        self.host.coordinator.look(&KeepWatch { space, free_min: FreeMin::Bytes(MIN), every: Span(1) });
    }

    fn takes_runs(&self) -> bool {
        match self.host.block_on(self.host.start("waits", &json!(1))) {
            Ok(driven) => {
                self.host.block_on(driven.accepted()).expect("it is durable");
                true
            }
            Err(error) => {
                let error = error.downcast::<StartError>().expect("why it was not started");
                let StartError::Host(DriveError::DiskLow { min, .. }) = error else { panic!("{error}") };
                assert_eq!(min, MIN);
                false
            }
        }
    }

    /// What the chain of the host says of its disk.
    fn noted(&self) -> Vec<(PartState, String)> {
        let records = self.host.coordinator.store().records(&host_tenant(), Lane(0), 1, 100).expect("it reads");
        let bodies = records.iter().map(|record| Body::decode(record.kept.body().expect("it is kept")).expect("it reads"));
        let entries = bodies.flat_map(|body| match body {
            Body::Tenant { entries } => entries,
            Body::Run { .. } => panic!("the host has no runs"),
        });
        let changed = entries.map(|entry| match entry.event {
            TenantEvent::HostPartChanged { part, state, says } => {
                assert_eq!(part, "disk");
                (state, says)
            }
            other => panic!("{other:?}"),
        });
        changed.collect()
    }
}

#[test]
fn nothing_new_is_taken_while_the_disk_is_almost_full_and_what_is_open_goes_on() {
    let site = Site::new();
    let host = &site.host;
    let open = host.block_on(host.start("waits", &json!(1))).expect("there is room").run;
    site.look(MIN);
    assert!(site.takes_runs(), "there is as much as there should be");
    site.look(MIN - 1);
    assert!(!site.takes_runs());
    let (plugin, version) = ("q".parse().expect("a name"), "1".parse().expect("a version"));
    let published = host.coordinator.publish(&host.tenant, &plugin, version, small_guest("echo").into(), "ada".to_owned());
    assert!(matches!(host.block_on(published), Err(PublishError::Host(DriveError::DiskLow { .. }))));
    // Demands are heard, and runs end.
    let (name, payload) = ("go".parse().expect("a name"), Payload::from("1"));
    host.block_on(host.demand(open, Demand::Signal { name, payload })).expect("it waits for that");
    let driven = host.coordinator.adopt(&host.tenant, open).expect("it reads");
    if let Some(driven) = driven {
        host.block_on(driven.ended()).expect("it goes on");
    }
    assert_eq!(host.stored(open).expect("it is there").head().status, amends_domain::run::RunStatus::Ended(Outcome::Succeeded));
    // Only when there is clearly enough again: else it would go to and fro with every run.
    site.look(MIN + MIN / 4 - 1);
    assert!(!site.takes_runs());
    site.look(MIN + MIN / 4);
    assert!(site.takes_runs());
    let states: Vec<_> = site.noted().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [PartState::Failing, PartState::Ready], "each change is noted once");
}

#[test]
fn a_disk_that_does_not_answer_is_told_of_and_stops_nothing() {
    let site = Site::new();
    site.look(Said::BROKEN);
    let parts = site.host.coordinator.fares();
    let disk = parts.iter().find(|part| part.name == "disk").expect("it is looked at");
    assert_eq!((disk.state, disk.holds), (PartState::Failing, Holds::NewWork));
    assert!(disk.says.as_ref().is_some_and(|says| says.contains("it does not answer")), "{disk:?}");
    assert!(site.takes_runs(), "whoever writes finds out");
    assert!(parts.iter().filter(|part| part.name != "disk").all(|part| part.state == PartState::Ready), "{parts:?}");
}

/// Lets `program` be what compiles.
fn compiles(program: &Path, script: &str) {
    let new = program.with_extension("new");
    std::fs::write(&new, format!("#!/bin/sh\n{script}\n")).expect("there is room");
    std::fs::set_permissions(&new, PermissionsExt::from_mode(0o700)).expect("it is ours");
    std::fs::rename(&new, program).expect("there is room");
}

#[test]
fn a_compiler_that_is_lost_again_and_again_is_told_of_and_one_that_dies_of_uploads_is_not() {
    let folder = tempfile::tempdir().expect("there is room");
    let program = folder.path().join("compiler");
    let limits = CompileLimits { memory_max: 1 << 30, cpu_max_s: 60, wall_max: Span(60_000) };
    let compiler = CompilerSettings::Process { program: program.clone(), limits };
    let sandbox = Sandbox::new(SandboxSettings {
        attempts_max: 4,
        components_max: 4,
        code_len_max: 16 << 20,
        compiler,
        code_dir: None,
        outside: None,
        egress: EgressSettings::system(),
    });
    let store = Arc::new(RedbStore::open(&folder.path().join("data")).expect("it is new"));
    let host = Host::around(sandbox.expect("this machine runs guests"), store, 1, |coordinator| coordinator).expect("it is new");
    let tell = || {
        let parts = host.coordinator.fares();
        let part = parts.into_iter().find(|part| part.name == "compiler").expect("it is looked at");
        assert_eq!(part.holds, Holds::Nothing, "what is compiled runs without it");
        (part.state, part.says.unwrap_or_default())
    };
    let refused = |times: usize| (0..times).all(|_| host.install_bytes("p", small_guest("echo")).is_err());
    compiles(&program, "kill -ABRT $$");
    assert!(refused(5));
    assert_eq!(tell().0, PartState::Ready, "an upload that the compiler dies of is an ordinary event");
    std::fs::remove_file(&program).expect("it is there");
    assert!(refused(2));
    assert_eq!(tell().0, PartState::Ready, "it may be a hiccup");
    assert!(refused(1));
    let (state, says) = tell();
    assert!(state == PartState::Failing && says.contains("cannot run") && says.contains("3 starts"), "{says}");
    compiles(&program, "echo 'no memory can be limited' >&2; exit 1");
    assert!(refused(1));
    assert!(tell().1.contains("no memory can be limited"), "{}", tell().1);
    compiles(&program, &format!("exec {} \"$@\"", harness::amends().display()));
    host.install_bytes("p", small_guest("echo")).expect("it is compiled");
    assert_eq!(tell(), (PartState::Ready, String::new()));
}

/// A small file system of its own. Gone when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None: this process may not make one.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).expect("there is room");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
        assert!(unmounted.expect("there is umount").success());
    }
}

const RUNS: &str = "/v1/tenants/acme/runs";
/// Most runs that a test starts: each takes 200 kB, so the disk is full long before.
const RUNS_MAX: usize = 1000;

fn start(client: &Client) -> harness::Answered {
    client.post(RUNS, &json!({ "saga": "ask", "input": harness::chance(0, 200_000) }))
}

fn started(answered: &harness::Answered) -> Option<String> {
    (answered.status == 202).then(|| answered.json()["id"].as_str().expect("an id").to_owned())
}

/// A tenant with a saga that waits, and the tokens of the operator and of its administrator.
fn tenant(server: &Server) -> (String, String) {
    let operator = server.operator_token().to_owned();
    let by = server.client(&operator);
    by.post("/v1/tenants", &json!({ "id": "acme" })).expect(201);
    by.ask("PUT", "/v1/tenants/acme/limits", &[], br#"{ "starts_per_minute": 1000000 }"#).expect(200);
    let key = by.post("/v1/tenants/acme/keys", &json!({ "name": "a", "role": "tenant-admin" })).expect(201);
    let admin = key["token"].as_str().expect("it is told once").to_owned();
    let ask = br#"{"saga":"ask","steps":[{"id":"w","wait":{"signal":"go"}}]}"#;
    server.client(&admin).ask("PUT", "/v1/tenants/acme/sagas/ask", &[], ask).expect(201);
    (operator, admin)
}

fn end(client: &Client, run: &str) {
    client.post(&format!("{RUNS}/{run}/signals/go"), &json!({ "payload": 1 })).expect(200);
    let mut stream = client.follow(&format!("{RUNS}/{run}/events"), None);
    let ended = std::iter::repeat_with(|| stream.event()).take(50).find(|event| event.name == "workflow.saga.completed");
    assert!(ended.is_some(), "{run} ends");
}

fn verify(data: &Path) {
    let verified = run_amends(["audit".as_ref(), "verify".as_ref(), "--data".as_ref(), data.as_os_str()]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

fn disk(client: &Client) -> Value {
    let ready = client.get("/readyz").expect(200);
    let parts = ready["parts"].as_array().expect("a list");
    parts.iter().find(|part| part["name"] == "disk").expect("it is looked at").clone()
}

#[test]
fn a_server_on_a_small_disk_refuses_new_work_in_time_and_takes_it_again_when_there_is_room() {
    let folder = tempfile::tempdir().expect("there is room");
    let Some(small) = SmallDisk::mount(folder.path().join("disk"), "48m") else {
        return eprintln!("not tested: this process may not mount a file system");
    };
    let data = small.0.join("data");
    let server = Server::start_with(&data, [("AMENDS_DISK_FREE_MIN", "20MiB")]);
    let (operator, admin) = tenant(&server);
    let client = server.client(&admin);
    let mut told = Vec::new();
    let refused = (0..RUNS_MAX).map(|_| start(&client)).find(|answered| {
        told.extend(started(answered));
        answered.status != 202
    });
    assert_eq!(refused.expect("the disk is small").problem(503), "disk_low");
    assert_eq!(disk(&client)["state"], "failing");
    end(&client, &told[0]);
    let metrics = String::from_utf8(server.client(&operator).get("/metrics").body).expect("it is text");
    assert!(metrics.lines().any(|line| line == "amends_disk_low 1.0"), "{metrics}");
    // Somebody makes room.
    assert!(Command::new("mount").args(["-o", "remount,size=200m"]).arg(&small.0).status().expect("there is mount").success());
    let until = std::time::Instant::now() + harness::PATIENCE;
    while disk(&client)["state"] == "failing" {
        assert!(std::time::Instant::now() < until, "it does not notice");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(start(&client).status, 202);
    let host = server.client(&operator).get("/v1/tenants/host/events?limit=1000").expect(200);
    let changes = host["items"].as_array().expect("a list").iter().filter(|event| event["type"] == "host.part-changed");
    let states: Vec<_> = changes.map(|event| event["data"]["state"].clone()).collect();
    assert_eq!(states, [json!("failing"), json!("ready")]);
    server.stop();
    verify(&data);
}

#[test]
fn a_disk_that_is_full_ends_the_server_and_nothing_that_was_told_of_is_lost() {
    let folder = tempfile::tempdir().expect("there is room");
    let Some(small) = SmallDisk::mount(folder.path().join("disk"), "32m") else {
        return eprintln!("not tested: this process may not mount a file system");
    };
    let data = small.0.join("data");
    // Nobody watches: so that it meets the end of the disk itself.
    let server = Server::start_with(&data, [("AMENDS_DISK_FREE_MIN", "0B")]);
    let (_, admin) = tenant(&server);
    let client = server.client(&admin);
    let mut told = Vec::new();
    for _ in 0..RUNS_MAX {
        let Some(answered) = client.try_post(RUNS, &json!({ "saga": "ask", "input": harness::chance(0, 200_000) })) else { break };
        match started(&answered) {
            Some(run) => told.push(run),
            None => break,
        }
    }
    assert!(told.len() > 10 && told.len() < RUNS_MAX, "{}", told.len());
    let ended = server.wait();
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("durability_unknown"), "{ended}");
    assert!(Command::new("mount").args(["-o", "remount,size=200m"]).arg(&small.0).status().expect("there is mount").success());
    let server = Server::start(&data);
    let client = server.client(&admin);
    for run in &told {
        client.get(&format!("{RUNS}/{run}")).expect(200);
    }
    end(&client, &told[0]);
    end(&client, told.last().expect("there is one"));
    server.stop();
    verify(&data);
}
