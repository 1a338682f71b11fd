//! The server under load, its tenants, and the payment service outside.

use crate::crowd::Timed;
use harness::{Bank, Client, Heard, Keys, Server, Session, guest, run_amends, small_guest};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No run of these tests takes longer until it ends.
const PATIENCE: Duration = Duration::from_mins(2);
/// How slow the payment service is.
const SLOW: Duration = Duration::from_millis(10);

/// What one of them does would be seen in the figures of the others.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// The documents of the sagas, by name.
fn document(saga: &str) -> &'static str {
    match saga {
        "three" => {
            r#"{"saga":"three","steps":[{"id":"a","uses":"echo/echo"},{"id":"b","uses":"echo/echo"},{"id":"c","uses":"echo/echo"}]}"#
        }
        "waits" => r#"{"saga":"waits","steps":[{"id":"w","wait":{"signal":"never"}}]}"#,
        "costly" => {
            r#"{"saga":"costly","defaults":{"retry":{"attempts":1},"limits":{"fuel":3000000,"timeout":"10s","memory":"4MiB"}},
                "steps":[{"id":"a","uses":"echo/echo"},{"id":"b","uses":"loop/loop"}]}"#
        }
        "purchase" => {
            r#"{"saga":"purchase","defaults":{"retry":{"attempts":3,"initial":"5ms","max":"20ms","factor":2,"jitter":"1ms"}},"steps":[
                {"id":"charge","uses":"payments-http/charge",
                 "input":{"service":"${input.service}","customer":"${input.customer}","cents":"${input.cents}"},
                 "compensation":{"retry":{"attempts":50}}},
                {"id":"b","uses":"echo/echo"},{"id":"fail","when":"${input.fails}","uses":"trap/trap"}]}"#
        }
        other => panic!("no saga {other}"),
    }
}

pub(crate) struct Site {
    folder: TempDir,
    server: Option<Server>,
    operator: String,
    tokens: Vec<(String, String)>,
    bank: Option<Bank>,
    saga: &'static str,
    /// How long the last start took until it was ready.
    pub(crate) ready_behind: Duration,
}

/// Somebody who starts runs of one saga in a tenant.
pub(crate) struct Owner {
    pub(crate) tenant: String,
    pub(crate) saga: &'static str,
    client: Client,
}

impl Site {
    /// A server with the tenant `acme`, who has a saga.
    pub(crate) fn new(saga: &'static str) -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), saga, None)
    }

    /// One whose runs charge customers through a service that honours keys.
    pub(crate) fn with_bank() -> Self {
        let (folder, bank) = (tempfile::tempdir().expect("a directory"), Bank::open(Keys::Honoured, SLOW));
        let data = folder.path().as_os_str().to_owned();
        let place = bank.place();
        let grant =
            ["plugin", "grant", "payments-http", "--tenant", "acme", "--host", &place, "--http", "--allow-loopback", "--data"];
        let granted = run_amends(grant.map(OsString::from).into_iter().chain([data]));
        assert_eq!(granted.code, Some(0), "{granted}");
        Self::over(folder, "purchase", Some(bank))
    }

    fn over(folder: TempDir, saga: &'static str, bank: Option<Bank>) -> Self {
        let server = Server::start(folder.path());
        let operator = server.operator_token().to_owned();
        let mut site =
            Self { folder, server: Some(server), operator, tokens: Vec::new(), bank, saga, ready_behind: Duration::ZERO };
        let token = site.make("acme", saga);
        site.tokens.push(("acme".to_owned(), token));
        site
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    pub(crate) fn bank(&self) -> &Bank {
        self.bank.as_ref().expect("there is one")
    }

    /// A further tenant.
    pub(crate) fn tenant(&self, name: &str, saga: &'static str) -> Owner {
        let token = self.make(name, saga);
        Owner { tenant: name.to_owned(), saga, client: self.server().client(&token) }
    }

    pub(crate) fn owner(&self, name: &str) -> Owner {
        let (_, token) = self.tokens.iter().find(|(tenant, _)| tenant == name).expect("it was made");
        Owner { tenant: name.to_owned(), saga: self.saga, client: self.server().client(token) }
    }

    fn make(&self, name: &str, saga: &str) -> String {
        let operator = self.server().client(&self.operator);
        operator.post("/v1/tenants", &json!({ "id": name, "limits": { "queued_runs": 1_000_000 } })).expect(201);
        let key =
            operator.post(&format!("/v1/tenants/{name}/keys"), &json!({ "name": "first", "role": "tenant-admin" })).expect(201);
        let token = key["token"].as_str().expect("it is told once").to_owned();
        let admin = self.server().client(&token);
        let put = |path: &str, body: &[u8]| {
            let answer = admin.ask("PUT", &format!("/v1/tenants/{name}/{path}"), &[], body);
            assert!(answer.status < 300, "{path}: {}", String::from_utf8_lossy(&answer.body));
        };
        for plugin in ["echo", "loop", "trap"] {
            put(&format!("plugins/{plugin}/1?wait=30s"), &small_guest(plugin));
        }
        if saga == "purchase" {
            put("plugins/payments-http/1?wait=30s", &std::fs::read(guest("payments-http")).expect("it is built"));
        }
        put(&format!("sagas/{saga}"), document(saga).as_bytes());
        token
    }

    /// The inputs of runs, by their numbers.
    pub(crate) fn inputs(&self) -> Box<dyn Fn(u64) -> Value + Send + Sync> {
        match &self.bank {
            Some(bank) => {
                let service = format!("http://{}", bank.place());
                Box::new(
                    move |number| json!({ "service": service, "customer": format!("customer-{number}"), "cents": 100 + number, "fails": number % 3 == 0 }),
                )
            }
            None => Box::new(|number| json!({ "number": number })),
        }
    }

    /// What the process has in memory, KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server().pid())).expect("Linux says it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    pub(crate) fn start_again(&mut self) {
        let began = Instant::now();
        let server = Server::start(Path::new(self.folder.path()));
        let operator = server.client(&self.operator);
        while operator.get("/readyz").status != 200 {
            assert!(began.elapsed() < PATIENCE, "it does not get ready");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ready_behind = began.elapsed();
        self.server = Some(server);
    }

    pub(crate) fn take_server(&mut self) -> Server {
        self.server.take().expect("it runs")
    }

    /// The outcomes of these runs of `acme`, when all have one.
    pub(crate) fn ended(&self, runs: &[(u64, String)]) -> Vec<(u64, String)> {
        let mut session = Session::new(self.owner("acme").client);
        let began = Instant::now();
        let mut outcome = |run: &str| loop {
            let Heard::Answer(200, body) = session.ask("GET", &format!("/v1/tenants/acme/runs/{run}"), "", b"") else {
                panic!("{run} was accepted and is lost")
            };
            let run: Value = serde_json::from_slice(&body).expect("JSON");
            if let Some(outcome) = run["outcome"].as_str() {
                return outcome.to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "{run} does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        runs.iter().map(|(number, run)| (*number, outcome(run))).collect()
    }

    /// Whoever was charged was charged once, and keeps it only if the run succeeded.
    pub(crate) fn check_books(&self, ended: &[(u64, String)]) {
        let charges = self.bank().charges();
        for (number, outcome) in ended {
            let of = |charge: &&harness::Charged| charge.cents == 100 + number;
            let (all, kept) =
                (charges.iter().filter(of).count(), charges.iter().filter(of).filter(|charge| !charge.refunded).count());
            assert!(all <= 1, "run {number} was charged {all} times");
            assert_eq!(kept, usize::from(outcome == "succeeded"), "run {number} {outcome}");
        }
    }

    pub(crate) fn stop(mut self) {
        self.take_server().stop();
    }
}

impl Owner {
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// One run, and how long it took; then a pause.
    pub(crate) fn timed(&self, pause: Duration) -> Timed {
        let mut session = Session::new(self.client());
        let (path, body) =
            (format!("/v1/tenants/{}/runs?wait=30s", self.tenant), json!({ "saga": self.saga, "input": {} }).to_string());
        let began = Instant::now();
        let heard = session.ask("POST", &path, "", body.as_bytes());
        let took = began.elapsed();
        std::thread::sleep(pause);
        Timed { number: 0, took, heard }
    }

    /// Starts so many runs and waits for none, until it is over. Gives how many.
    pub(crate) fn started(&self, runs: u64, clients: usize, over: &AtomicBool) -> u64 {
        let (next, started) = (AtomicU64::new(0), AtomicU64::new(0));
        let (path, body) = (format!("/v1/tenants/{}/runs", self.tenant), json!({ "saga": self.saga, "input": {} }).to_string());
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    let mut session = Session::new(self.client());
                    while !over.load(Ordering::Acquire) && next.fetch_add(1, Ordering::Relaxed) < runs {
                        if let Heard::Answer(200..300, _) = session.ask("POST", &path, "", body.as_bytes()) {
                            started.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        started.into_inner()
    }

    /// How many of its runs have a status, as far as a few pages show.
    pub(crate) fn count(&self, status: &str) -> usize {
        let page = self.client.get(&format!("/v1/tenants/{}/runs?status={status}&limit=1000", self.tenant)).expect(200);
        page["items"].as_array().map_or(0, Vec::len)
    }
}
