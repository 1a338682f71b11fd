//! Running a command: it is shown, timed, watched and, if it fails, named. Apart, because all of xtask is commands and each must
//! look the same on the screen; also the one place here that reads the clock.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long a command may be silent on a screen that shows no progress bars before a line says that it still runs.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Commands that took longer tell how long.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// What becomes of a command's standard output. Standard error always goes to the screen unless the command is quiet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Shown,
    ShownAndKept,
    Kept,
}

/// A command that is about to run in the workspace's root.
pub(crate) struct Process {
    command: Command,
    line: String,
    time_limit: Option<Duration>,
}

/// A command that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Empty if the output was only shown.
    pub(crate) stdout: String,
    line: String,
}

/// How long something took; prints with its unit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Elapsed(Duration);

impl Process {
    /// `program` with `arguments`, shown as it is written.
    pub(crate) fn new<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let line = line_of(program.as_ref(), &arguments);
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        Self { command, line, time_limit: None }
    }

    /// The cargo that runs xtask.
    pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        // Cargo tells where it is. The name alone could lead to another toolchain's.
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(program, arguments).called("cargo")
    }

    /// Runs in the root of `workspace` instead of the current folder.
    pub(crate) fn within(mut self, workspace: &Workspace) -> Self {
        self.command.current_dir(&workspace.root);
        self
    }

    /// Shows the program by a name that a user would type, instead of its path.
    pub(crate) fn called(mut self, name: &str) -> Self {
        let arguments: Vec<OsString> = self.command.get_args().map(OsStr::to_owned).collect();
        self.line = line_of(OsStr::new(name), &arguments);
        self
    }

    pub(crate) fn set(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.line = format!("{variable}={} {}", value.as_ref().display(), self.line);
        self.command.env(variable, value);
        self
    }

    /// Hides from the command every environment variable that `unwanted` accepts.
    pub(crate) fn without(mut self, unwanted: impl Fn(&str) -> bool) -> Self {
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(&unwanted) {
                self.command.env_remove(name);
            }
        }
        self
    }

    /// Ends the command if it runs longer; that is an error.
    pub(crate) fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Runs the command in full view.
    ///
    /// # Errors
    /// If it cannot be started or exceeds its time limit. Its own failure is in [`Ended::status`].
    pub(crate) fn show(self) -> Result<Ended> {
        self.run(Output::Shown)
    }

    /// Like [`Process::show`], and keeps a copy of the standard output.
    pub(crate) fn show_and_keep(self) -> Result<Ended> {
        self.run(Output::ShownAndKept)
    }

    /// Runs the command unseen, for its standard output.
    pub(crate) fn keep(self) -> Result<Ended> {
        self.run(Output::Kept)
    }

    fn run(mut self, output: Output) -> Result<Ended> {
        if output != Output::Kept {
            println!("$ {}", self.line);
        }
        self.command.stdout(if output == Output::Shown { Stdio::inherit() } else { Stdio::piped() });
        self.command.stderr(if output == Output::Kept { Stdio::null() } else { Stdio::inherit() });
        let watch = Stopwatch::start();
        let mut child = self.command.spawn().with_context(|| format!("failed to start `{}`", self.line))?;
        let reader = child.stdout.take().map(|stdout| read(stdout, output));
        let status = self.wait(&mut child, &watch)?;
        // Reading ends with the last process that holds the pipe, normally the child itself.
        let stdout = reader.map(|reader| reader.join().expect("the reader has nothing to panic about")).unwrap_or_default();
        if output != Output::Kept && watch.elapsed().0 > WORTH_TELLING {
            println!("  … took {}", watch.elapsed());
        }
        Ok(Ended { status, stdout, line: self.line })
    }

    fn wait(&self, child: &mut Child, watch: &Stopwatch) -> Result<ExitStatus> {
        // On a terminal cargo draws its own progress, which a line from us would break.
        let silent = !std::io::stderr().is_terminal();
        let mut heartbeat_due = HEARTBEAT_INTERVAL;
        loop {
            if let Some(status) = child.try_wait().with_context(|| format!("failed to wait for `{}`", self.line))? {
                return Ok(status);
            }
            let elapsed = watch.elapsed();
            if self.time_limit.is_some_and(|limit| elapsed.0 > limit) {
                child.kill().with_context(|| format!("failed to end `{}`", self.line))?;
                child.wait().with_context(|| format!("failed to wait for `{}`", self.line))?;
                bail!("`{}` took longer than {}", self.line, Elapsed(self.time_limit.unwrap_or_default()));
            }
            if silent && elapsed.0 >= heartbeat_due {
                eprintln!("  … still running after {elapsed}");
                heartbeat_due += HEARTBEAT_INTERVAL;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Ended {
    /// # Errors
    /// Names the command and how it ended, if it failed.
    pub(crate) fn must_succeed(self) -> Result<Self> {
        if !self.status.success() {
            bail!("`{}` failed ({})", self.line, self.status);
        }
        Ok(self)
    }
}

/// Measures from its start on.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed(self.0.elapsed())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = if seconds < 60 {
            format!("{:.1} s", self.0.as_secs_f64())
        } else {
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        };
        formatter.pad(&text)
    }
}

fn read(stdout: ChildStdout, output: Output) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut kept = String::new();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            // What a command prints need not be UTF-8; a bad byte must not end the reading, or the command would block.
            match stdout.by_ref().read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return kept,
                Ok(_) => {
                    let line = String::from_utf8_lossy(&bytes);
                    if output == Output::ShownAndKept {
                        print!("{line}");
                    }
                    kept.push_str(&line);
                }
            }
        }
    })
}

/// A command as a shell would take it.
fn line_of(program: &OsStr, arguments: &[OsString]) -> String {
    std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str)).map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |character: char| character.is_alphanumeric() || "-_./:=@,+%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) { word.into_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::new("sh", ["-c", script])
    }

    #[test]
    fn output_is_kept_even_if_it_is_not_utf8() {
        let ended = shell(r"printf 'one\n\377two\n'").keep().unwrap().must_succeed().unwrap();
        assert_eq!(ended.stdout, "one\n\u{fffd}two\n");
    }

    #[test]
    fn a_failure_names_the_command_line() {
        let error = shell("exit 3").keep().unwrap().must_succeed().unwrap_err();
        assert!(error.to_string().starts_with("`sh -c 'exit 3'` failed"), "{error}");
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let error = Process::new("no-such-command", ["-v"]).keep().unwrap_err();
        assert_eq!(error.to_string(), "failed to start `no-such-command -v`");
    }

    #[test]
    fn a_command_beyond_its_time_limit_is_ended() {
        let error = Process::new("sleep", ["60"]).time_limit(Duration::from_millis(20)).keep().unwrap_err();
        assert_eq!(error.to_string(), "`sleep 60` took longer than 0.0 s");
    }

    #[test]
    fn a_hidden_variable_does_not_reach_the_command() {
        // Cargo sets this one for every test.
        let script = "echo ${CARGO_PKG_NAME-none}";
        assert_eq!(shell(script).keep().unwrap().stdout, "xtask\n");
        assert_eq!(shell(script).without(|name| name == "CARGO_PKG_NAME").keep().unwrap().stdout, "none\n");
    }

    #[test]
    fn times_carry_their_unit() {
        for (ms, text) in [(0, "0.0 s"), (1_240, "1.2 s"), (61_000, "1 min 01 s"), (754_900, "12 min 34 s")] {
            assert_eq!(Elapsed(Duration::from_millis(ms)).to_string(), text);
        }
    }

    #[test]
    fn command_lines_can_be_pasted_into_a_shell() {
        let line = line_of(OsStr::new("amends"), &["--input".into(), "@a/b.json".into(), "it's {}".into(), String::new().into()]);
        assert_eq!(line, r"amends --input @a/b.json 'it'\''s {}' ''");
    }
}
