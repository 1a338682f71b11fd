//! What needs the release build of the host: the build itself, the kill test and the benchmark. Apart, because all of it must call
//! cargo in one way: a selection of packages would unify features differently, and wasmtime would be built twice.

use std::ffi::OsString;

use anyhow::Result;

use crate::guests;
use crate::process::Process;
use crate::workspace::Workspace;

/// Builds the host and what is beside it in the workspace.
///
/// # Errors
/// If cargo fails.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    if !workspace.binary("amends").exists() {
        println!("The first build of the host takes several minutes, mostly for wasmtime.");
    }
    Process::cargo("build --release".split(' ')).within(workspace).show()?.must_succeed()?;
    Ok(())
}

/// Runs the kill test with `runs` kills.
///
/// # Errors
/// If something cannot be built or a kill left damage.
pub(crate) fn kill(workspace: &Workspace, runs: u32) -> Result<()> {
    guests::build(workspace)?;
    build(workspace)?;
    let process = Process::cargo("test --release --test crash -- --nocapture".split(' '));
    process.set("AMENDS_KILLS", runs.to_string()).within(workspace).show()?.must_succeed()?;
    Ok(())
}

/// Runs the benchmark with `arguments`.
///
/// # Errors
/// If something cannot be built or the benchmark fails.
pub(crate) fn bench(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    guests::build(workspace)?;
    build(workspace)?;
    Process::new(workspace.binary("bench"), arguments).called("bench").within(workspace).show()?.must_succeed()?;
    Ok(())
}
