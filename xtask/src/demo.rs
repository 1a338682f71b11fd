//! `cargo xtask demo`: the example from an empty data directory to a verified audit chain, every command shown as a user would type
//! it. Apart, because it is the first thing that a newcomer sees.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::Process;
use crate::workspace::Workspace;
use crate::{guests, release};

const EXAMPLE: &str = "examples/order-fulfillment";
/// Whose state the example reads and writes: the tenant that the command line takes where none is named.
const TENANT: &str = "local";

/// What must come of a command, or the demo shows something that is not so.
#[derive(Clone, Copy)]
struct Expectation {
    exit_code: i32,
    last_line: Option<&'static str>,
}

const DONE: Expectation = Expectation { exit_code: 0, last_line: None };
const SUCCEEDED: Expectation = Expectation { exit_code: 0, last_line: Some("outcome succeeded") };
const COMPENSATED: Expectation = Expectation { exit_code: 1, last_line: Some("outcome compensated") };

/// Builds what is needed and shows the example.
///
/// # Errors
/// If something cannot be built, or a command does not do what is expected of it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    guests::build(workspace)?;
    release::build(workspace)?;
    let stage = Stage::fresh(workspace)?;
    stage.show()
}

/// Where the demo happens.
struct Stage<'workspace> {
    workspace: &'workspace Workspace,
    folder: PathBuf,
    data: String,
}

impl<'workspace> Stage<'workspace> {
    fn fresh(workspace: &'workspace Workspace) -> Result<Self> {
        let folder = workspace.target.join("demo");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("failed to empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
        let data = in_words(workspace, &folder.join("data"));
        Ok(Self { workspace, folder, data })
    }

    fn show(&self) -> Result<()> {
        let data = self.data.as_str();
        let audit = in_words(self.workspace, &self.folder.join("audit.jsonl"));

        println!();
        say("The tenant's state before: what is in stock, and where");
        self.amends(&["state", "set", "--file", &format!("{EXAMPLE}/state.json"), "--data", data, "--tenant", TENANT], DONE)?;
        self.state()?;

        say("A run that succeeds");
        self.exec("good", SUCCEEDED)?;
        self.state()?;

        say("A run whose last step fails: what was done before is compensated");
        let compensated = self.exec("nobody-can-ship", COMPENSATED)?;
        self.state()?;

        say("What is on record, and the proof that nobody changed it");
        self.amends(&["run", "list", "--data", data], DONE)?;
        self.amends(&["audit", "verify", "--data", data], DONE)?;
        self.amends(&["audit", "export", "--data", data, "--out", &audit], DONE)?;
        self.amends(&["audit", "verify", &audit], DONE)?;

        self.close(&compensated);
        Ok(())
    }

    fn state(&self) -> Result<()> {
        self.amends(&["state", "list", "--data", &self.data, "--tenant", TENANT], DONE)?;
        Ok(())
    }

    /// Runs the example's saga and returns the id of its run.
    fn exec(&self, input: &str, expectation: Expectation) -> Result<String> {
        let plugins = self.workspace.plugins.iter().filter(|plugin| plugin.name == "orders");
        let orders = plugins.map(|plugin| self.workspace.component(plugin)).next().context("there is no plugin `orders`")?;
        let saga = format!("{EXAMPLE}/saga.yaml");
        let plugin = format!("orders={}", in_words(self.workspace, &orders));
        let input = format!("@{EXAMPLE}/inputs/{input}.json");
        let stdout = self.amends(&["exec", &saga, "--plugin", &plugin, "--input", &input, "--data", &self.data], expectation)?;
        let id = run_id(&stdout).context("the first line of `amends exec` is not `run ID`")?;
        Ok(id.to_owned())
    }

    fn amends(&self, arguments: &[&str], expectation: Expectation) -> Result<String> {
        let ended =
            Process::new(self.workspace.binary("amends"), arguments).called("amends").within(self.workspace).show_and_keep()?;
        expectation
            .check(ended.status.code(), &ended.stdout)
            .with_context(|| format!("the demo is wrong at `amends {}`", arguments.join(" ")))?;
        println!();
        Ok(ended.stdout)
    }

    fn close(&self, run: &str) {
        let binary = in_words(self.workspace, &self.workspace.binary("amends"));
        let data = &self.data;
        println!("The demo did what it should. Its data directory is {data}; the next demo empties it. To go on from here:");
        println!("  {binary} run show {run} --data {data}    # every attempt of the compensated run");
        println!("  {binary} --help");
        println!("  {EXAMPLE}/README.md    # the saga and its other inputs");
    }
}

impl Expectation {
    fn check(self, exit_code: Option<i32>, stdout: &str) -> Result<()> {
        let Some(exit_code) = exit_code else { anyhow::bail!("it was ended by a signal") };
        ensure!(exit_code == self.exit_code, "it ended with exit code {exit_code} instead of {}", self.exit_code);
        let last_line = stdout.trim_end().lines().next_back().unwrap_or_default();
        if let Some(expected) = self.last_line {
            ensure!(last_line == expected, "its last line is `{last_line}` instead of `{expected}`");
        }
        Ok(())
    }
}

fn run_id(stdout: &str) -> Option<&str> {
    stdout.lines().next()?.strip_prefix("run ").map(str::trim)
}

fn in_words(workspace: &Workspace, path: &Path) -> String {
    workspace.short(path).display().to_string()
}

fn say(heading: &str) {
    println!("--- {heading}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_is_met_only_by_its_exit_code_and_last_line() {
        let good = "run run_1\n…\noutcome succeeded\n";
        assert!(SUCCEEDED.check(Some(0), good).is_ok());
        assert!(COMPENSATED.check(Some(1), "run run_2\noutcome compensated\n\n").is_ok());
        assert!(DONE.check(Some(0), "").is_ok());
        let check = |expectation: Expectation, exit_code, stdout, why: &str| {
            assert_eq!(expectation.check(exit_code, stdout).unwrap_err().to_string(), why);
        };
        check(SUCCEEDED, Some(1), good, "it ended with exit code 1 instead of 0");
        check(SUCCEEDED, None, good, "it was ended by a signal");
        check(SUCCEEDED, Some(0), "outcome succeeded\nmore", "its last line is `more` instead of `outcome succeeded`");
        check(COMPENSATED, Some(1), "", "its last line is `` instead of `outcome compensated`");
        check(DONE, Some(2), "", "it ended with exit code 2 instead of 0");
    }

    #[test]
    fn the_run_is_named_on_the_first_line() {
        assert_eq!(run_id("run run_01\nstep a\n"), Some("run_01"));
        assert_eq!(run_id("step a\nrun run_01\n"), None);
        assert_eq!(run_id(""), None);
    }
}
