//! The program `amends` as a process: what it says, how it ends, and SIGKILL at an instant. Nothing here waits for ever: a process that
//! is not over in time is killed, and the test that started it fails.

use crate::amends;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// No command of a test takes longer, however slow the machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Lines that the process may be ahead of the test; then it waits at its pipe.
const LINES_MAX: usize = 4096;

/// A process that runs.
pub struct Program {
    child: Child,
    command: OsString,
    lines: Receiver<String>,
    stdout: Vec<String>,
    stderr: Option<JoinHandle<String>>,
    patience_ends: Instant,
}

/// A process that is over.
#[derive(Debug)]
pub struct Ended {
    /// What it was.
    pub command: OsString,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The lines on its standard output.
    pub stdout: Vec<String>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs `amends` with `args` to its end.
///
/// # Panics
/// If it is not over in time.
pub fn run_amends<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ended {
    Program::start(args).wait()
}

/// The same with variables in its environment.
///
/// # Panics
/// If it is not over in time.
pub fn run_amends_with<'a, A: AsRef<OsStr>>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    args: impl IntoIterator<Item = A>,
) -> Ended {
    Program::start_with(variables, args).wait()
}

impl Program {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts `amends` with `args`. The variables of this process that speak to `amends` do not reach it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        Self::start_with([], args)
    }

    /// The same with variables in its environment.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_with<'a, A: AsRef<OsStr>>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new(amends());
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, _) in std::env::vars_os() {
            if variable.to_str().is_some_and(|name| name.starts_with("AMENDS_")) {
                command.env_remove(variable);
            }
        }
        // Nor do the profiles of whoever runs the tests.
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        command.envs(variables);
        let said = command.get_args().fold(OsString::from("amends"), |mut said, arg| {
            said.push(" ");
            said.push(arg);
            said
        });
        let mut child = command.spawn().expect("the binary is there");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = sync_channel(LINES_MAX);
        // Ends with the pipe, that is with the process, or when nobody takes its lines any more.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let patience_ends = Instant::now() + PATIENCE;
        Self { child, command: said, lines, stdout: Vec::new(), stderr: Some(stderr), patience_ends }
    }

    /// Waits for the next line on standard output; none if it has ended.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn line(&mut self) -> Option<&str> {
        match self.lines.recv_timeout(self.patience_ends.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.stdout.push(line);
                self.stdout.last().map(String::as_str)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} said nothing for too long", self.command.display()),
        }
    }

    /// Sends SIGKILL after `delay`, unless it ends before.
    pub fn kill_after(mut self, delay: Duration) -> Ended {
        let instant = Instant::now() + delay;
        loop {
            match self.lines.recv_timeout(instant.saturating_duration_since(Instant::now())) {
                Ok(line) => self.stdout.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().expect("it was not waited for yet");
                    break;
                }
            }
        }
        self.wait()
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn terminate(mut self) -> Ended {
        // It may have run for long.
        self.patience_ends = Instant::now() + PATIENCE;
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("there is kill").success());
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn wait(mut self) -> Ended {
        while self.line().is_some() {}
        // It closed its standard output, which it does when it ends.
        let status = self.child.wait().expect("it is a child of this process");
        let stderr = self.stderr.take().expect("it is taken here only").join().expect("it only reads");
        Ended { command: self.command.clone(), code: status.code(), stdout: std::mem::take(&mut self.stdout), stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that failed must not leave a process behind; one that is over is not touched.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Ended {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        self.stdout.join("\n")
    }

    /// Its standard output as JSON.
    ///
    /// # Panics
    /// If it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).unwrap_or_else(|error| panic!("{self}: {error}"))
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(f, "{}\nended with {code}\n{}\n{}", self.command.display(), self.text(), self.stderr)
    }
}
