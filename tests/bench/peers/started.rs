//! A system that runs: its processes, and how it is asked. All of them end with it.

use super::Mix;
use amends::client::load::Process;
use anyhow::{Context, Result, bail, ensure};
use harness::Client;
use serde_json::Value;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a system may take until it answers.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Started {
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What is asked, made of the input of a run.
    pub(crate) wrap: fn(Value) -> Value,
    pub(crate) folder: PathBuf,
    /// The first is ended first.
    pub(crate) programs: Vec<Running>,
    pub(crate) _data: TempDir,
}

impl Started {
    pub(crate) fn body(&self, mix: Mix) -> String {
        (self.wrap)(mix.input()).to_string()
    }

    pub(crate) fn processes(&self) -> Vec<Process> {
        let mut all: Vec<u32> = self.programs.iter().map(|program| program.0.id()).collect();
        let mut next = 0;
        while let Some(process) = all.get(next).copied() {
            all.extend(children(process));
            next += 1;
        }
        all.into_iter().map(Process).collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for program in &mut self.programs {
            program.end();
        }
    }
}

/// The processes that a process started: `PostgreSQL` has one for each connection.
fn children(process: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    listed.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// A program that runs, and writes what it has to say into a file.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self(command.spawn().with_context(|| format!("{}", command.get_program().display()))?))
    }

    /// Asks it to end, as whoever stops a service does.
    fn end(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is not touched.
        if let Ok(None) = self.0.try_wait() {
            self.end();
        }
    }
}

/// A port that nobody has at this moment.
pub(crate) fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Asks until it is answered as it should be.
pub(crate) fn until(what: &str, at: SocketAddr, path: &str, body: &Value, log: &Path) -> Result<()> {
    let (client, began) = (Client::at(at, "none"), Instant::now());
    let mut last = "nothing".to_owned();
    while began.elapsed() < PATIENCE {
        match client.try_post(path, body) {
            Some(answer) if (200..300).contains(&answer.status) => return Ok(()),
            Some(answer) => last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            None => {}
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("{what} does not answer; last: {last}; its log: {}", tail(log))
}

/// The end of what a program said.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Runs a command to its end, in full view.
pub(crate) fn done(command: &mut Command) -> Result<()> {
    println!(
        "$ {}",
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{}", command.get_program().display()))?;
    ensure!(status.success(), "it failed: {status}");
    Ok(())
}
