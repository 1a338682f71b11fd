//! `amends bench --local`: a server of its own, which is another process, so that what it takes is told apart; with a tenant whose limits are out of
//! the way, for it is the host that is measured.

use super::super::again::Looks;
use super::super::applied::applied;
use super::super::argument::components;
use super::super::desk::{Desk, There};
use super::super::error::misuse;
use super::super::gone::Gone;
use super::super::hosted::{definition, stopped};
use super::super::output::{Exit, remark};
use super::super::pushed::pushed;
use super::super::state::values_of;
use super::Bench;
use super::numbers::{Numbers, Stored};
use super::shots::Place;
use crate::client::load::{Process, Target};
use crate::client::{Ask, Authorities, Client};
use crate::compose::{self, Stop};
use amends_domain::definition::Definition;
use amends_domain::id::{PluginName, PluginVersion, TenantId};
use amends_domain::payload::Payload;
use anyhow::Context;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// This program, even if another one has been put in its place.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Whose runs they are.
const TENANT: &str = "bench";
/// Variables that would have the server listen, or speak, otherwise than is expected here.
const NOT_FOR_IT: &[&str] = &["AMENDS_CONFIG", "AMENDS_TLS_CERTIFICATE", "AMENDS_TLS_KEY"];
/// More than the most that are in flight, from one address.
const CONNECTIONS: &str = "8192";
/// How often it is looked whether the server has ended.
const LOOKS: Looks = Looks { every: Duration::from_millis(10), max: 3000 };
/// Magic number of file systems that are in memory: statfs(2).
const TMPFS: u64 = 0x0102_1994;

/// What a server is given. Read before there is one, so that a name that is wrong leaves no data behind.
pub(super) struct Content {
    definition: Arc<Definition>,
    components: BTreeMap<PluginName, Bytes>,
    values: Vec<(String, Option<Payload>)>,
}

impl Content {
    pub(super) fn of(bench: &Bench) -> anyhow::Result<Self> {
        let values = bench.state.as_deref().map(values_of).transpose()?.unwrap_or_default();
        Ok(Self { definition: definition(Path::new(&bench.saga))?, components: components(&bench.plugins)?, values })
    }
}

/// A server that is a child of this process.
pub(super) struct Local {
    owned: Arc<Mutex<Owned>>,
    url: String,
    operator: String,
    data: PathBuf,
}

/// What goes with the command, however it ends.
#[derive(Default)]
struct Owned {
    /// None: it has ended.
    child: Option<Child>,
    /// Where its data is, if nobody said where.
    gone: Option<Gone>,
}

/// What it prints when it starts, one at a time.
#[derive(Deserialize)]
struct Line {
    operator_token: Option<String>,
    listening: Option<String>,
}

impl Local {
    /// Starts a server over new data.
    pub(super) fn start(data: Option<&Path>) -> anyhow::Result<Self> {
        let mut local = Self { owned: Arc::default(), url: String::new(), operator: String::new(), data: PathBuf::new() };
        let owned = Arc::clone(&local.owned);
        // Before there is anything that would be left behind.
        compose::when_stopped(move |stop| end_with(&owned, stop)).context("signals")?;
        local.data = match data {
            Some(data) => data.to_owned(),
            None => locked(&local.owned).gone.insert(Gone::new("bench")?).dir().join("data"),
        };
        if local.data.join("amends.redb").exists() {
            let message = format!("{} has data already: name a directory that is empty or is not there", local.data.display());
            return Err(misuse("data_not_new", message));
        }
        let mut command = Command::new(THIS_PROGRAM);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&local.data);
        for name in ["AMENDS_CONNECTIONS_MAX", "AMENDS_CONNECTIONS_OF_ONE_MAX"] {
            command.env(name, CONNECTIONS);
        }
        for name in NOT_FOR_IT {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let stdout = {
            // Whoever stops this command finds the server, or there is none yet.
            let mut owned = locked(&local.owned);
            let child = owned.child.insert(command.spawn().context("the server")?);
            child.stdout.take().context("the server has no output")?
        };
        local.read_lines(stdout)?;
        local.warn_of_memory()?;
        Ok(local)
    }

    fn read_lines(&mut self, stdout: ChildStdout) -> anyhow::Result<()> {
        for line in BufReader::new(stdout).lines() {
            let line: Line = serde_json::from_str(&line?).context("what the server says is not understood")?;
            self.operator = line.operator_token.unwrap_or(std::mem::take(&mut self.operator));
            if let Some(url) = line.listening {
                self.url = url;
                return Ok(());
            }
        }
        Err(misuse("no_server", "the server ended before it listened; what it said stands above"))
    }

    /// A disk that is none makes every number wrong.
    fn warn_of_memory(&self) -> anyhow::Result<()> {
        let kind = rustix::fs::statfs(&self.data).map(|found| found.f_type);
        if kind.is_ok_and(|kind| u64::try_from(kind) == Ok(TMPFS)) {
            remark(format_args!(
                "warning: {} is in memory (tmpfs), nothing there is durable: say --data DIR",
                self.data.display()
            ))?;
        }
        Ok(())
    }

    pub(super) fn process(&self) -> Process {
        Process(locked(&self.owned).child.as_ref().map_or(0, Child::id))
    }

    fn client(&self, token: &str) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url, Some(token), &Authorities::default())?)
    }

    /// Gives a new tenant the plugins, the saga and the state, as anybody would.
    pub(super) fn fill(&self, content: Content) -> anyhow::Result<Place> {
        let Content { definition, components, values } = content;
        let operator = self.client(&self.operator)?;
        operator.ask(&Ask::post("/v1/tenants", &json!({ "id": TENANT, "limits": out_of_the_way() })))?;
        let key = json!({ "name": "bench", "role": "tenant-admin" });
        let key: Value = operator.ask(&Ask::post(format!("/v1/tenants/{TENANT}/keys"), &key))?.json()?;
        let token = key["token"].as_str().context("a key has a token")?.to_owned();
        let tenant: TenantId = TENANT.parse().expect("it is a name");
        let there = There::new(self.client(&token)?, Some(tenant.clone()), String::new());
        let version: PluginVersion = "1".parse().expect("it is a version");
        for (plugin, component) in components {
            pushed(&there, &plugin, &version, component.to_vec(), &|_| Ok(()))?;
        }
        applied(&there, &definition)?;
        if !values.is_empty() {
            there.write(values, &|| Ok(Exit::Done))?;
        }
        let target = Target::new(&self.url, &Authorities::default())?;
        Ok(Place { target, url: self.url.clone(), token: Some(token), tenant, saga: definition.saga.clone(), watcher: operator })
    }

    /// Stops the server and tells what the runs take on the disk. None if it is not known how many there were.
    pub(super) fn stop_and_compact(self, numbers: Option<&Numbers>) -> anyhow::Result<Option<Stored>> {
        locked(&self.owned).stop()?;
        let compacted = compose::compact(&self.data)?.file;
        #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
        let each = |bytes: u64, runs: f64| bytes as f64 / runs;
        let stored = numbers.filter(|numbers| numbers.runs_started > 0.0).map(|numbers| Stored {
            runs: numbers.runs_started,
            bytes_each: each(compacted.before, numbers.runs_started),
            compacted_bytes_each: each(compacted.after, numbers.runs_started),
        });
        Ok(stored)
    }
}

/// The command was asked to stop: nothing of it stays but data that somebody named. Does not return.
fn end_with(owned: &Mutex<Owned>, asked: Stop) {
    // Locked until the end: whoever fails meanwhile, because there is no server any more, waits here and says nothing of it.
    let mut owned = locked(owned);
    if owned.gone.is_none()
        && let Err(error) = owned.stop()
    {
        tracing::warn!(%error, "the server is ended");
    }
    owned.end();
    let exit = stopped(asked, None).unwrap_or(Exit::NotSucceeded);
    std::process::exit(exit.code().into());
}

fn locked(owned: &Mutex<Owned>) -> MutexGuard<'_, Owned> {
    owned.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owned {
    /// Asks the server to stop in order, and waits for it.
    fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), Signal::TERM).context("the server cannot be stopped")?;
        }
        let stopped = LOOKS.until(|| self.has_ended())?;
        stopped.ok_or_else(|| misuse("server_does_not_stop", "the server does not stop"))
    }

    /// Something if there is no server any more.
    fn has_ended(&mut self) -> anyhow::Result<Option<()>> {
        if let Some(child) = &mut self.child
            && child.try_wait()?.is_none()
        {
            return Ok(None);
        }
        self.child = None;
        Ok(Some(()))
    }

    /// Ends the server, and takes away what was its.
    fn end(&mut self) {
        if let Some(child) = &mut self.child {
            // What it had is of no use any more.
            let _ = child.kill();
            let _ = child.wait();
        }
        *self = Self::default();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        locked(&self.owned).end();
    }
}

/// Limits that no run of a benchmark comes near.
fn out_of_the_way() -> Value {
    json!({
        "concurrent_attempts": 10_000,
        "queued_runs": 10_000_000,
        "starts_per_minute": 10_000_000,
        "fuel_per_minute": 1_000_000_000_000_000_u64,
        "live_memory": "64TiB",
        "stored_bytes": "1024TiB",
    })
}
