//! `cargo xtask ci`: what `.ci/run` calls on a clean checkout. Apart from `test`, because it ends with the demo, as a newcomer would
//! run it.

use std::process::ExitCode;

use anyhow::Result;

use crate::demo;
use crate::process::Process;
use crate::test::{self, Part};
use crate::workspace::Workspace;

const DEMO: Part = Part {
    title: "demo",
    what: "the example, as `cargo xtask demo` shows it",
    needs: None,
    run: |workspace, _| demo::run(workspace),
};

/// Prints the versions in use, then runs everything that must hold.
///
/// # Errors
/// If there is no rustc or cargo to ask. What the parts found is in the exit code.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Process::new(rustc, ["--version", "--verbose"]).within(workspace).show()?.must_succeed()?;
    Process::cargo(["--version"]).within(workspace).show()?.must_succeed()?;
    Ok(test::run_with(workspace, [DEMO]))
}
