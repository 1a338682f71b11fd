//! What needs the release build of the host: the build itself, the kill test, the simulation, the fuzzing and the benchmark. Apart, because all of it must call
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

/// What is to be simulated.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Simulation {
    /// One world, with its course.
    #[arg(long, conflicts_with_all = ["seeds", "span"])]
    seed: Option<u64>,
    /// So many worlds.
    #[arg(long, conflicts_with = "span")]
    seeds: Option<u64>,
    /// The first of them.
    #[arg(long, conflicts_with = "seed")]
    from: Option<u64>,
    /// Fresh worlds for as long as this, such as 2h.
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,
}

/// Runs the simulation.
///
/// # Errors
/// If it cannot be built or an invariant is broken.
pub(crate) fn simulate(workspace: &Workspace, simulation: &Simulation) -> Result<()> {
    let Simulation { seed, seeds, from, span } = simulation;
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let told = [
        ("AMENDS_SEED", number(seed)),
        ("AMENDS_SEEDS", number(seeds)),
        ("AMENDS_SEEDS_FROM", number(from)),
        ("AMENDS_SIMULATE_FOR", span.clone()),
    ];
    let told = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let process = told.fold(Process::cargo(SIMULATION.split(' ')), |process, (name, value)| process.set(name, value));
    process.within(workspace).show()?.must_succeed()?;
    Ok(())
}

/// The one test that takes seeds.
const SIMULATION: &str = "test --release --test simulation whatever -- --nocapture";

/// What is to be fuzzed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Fuzzing {
    /// Fresh cases for as long as this, such as 2h, which the targets share.
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,
    /// One target.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// One case, with what it is made of.
    #[arg(long, conflicts_with_all = ["span", "from"])]
    seed: Option<u64>,
    /// The first of the cases.
    #[arg(long)]
    from: Option<u64>,
}

/// Runs the fuzzing.
///
/// # Errors
/// If something cannot be built or a rule is broken.
pub(crate) fn fuzz(workspace: &Workspace, fuzzing: &Fuzzing) -> Result<()> {
    guests::build(workspace)?;
    build(workspace)?;
    let Fuzzing { span, only, seed, from } = fuzzing;
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let told = [
        ("AMENDS_FUZZ_FOR", span.clone()),
        ("AMENDS_FUZZ_ONLY", only.clone()),
        ("AMENDS_SEED", number(seed)),
        ("AMENDS_SEEDS_FROM", number(from)),
    ];
    let told = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let process = told.fold(Process::cargo(FUZZING.split(' ')), |process, (name, value)| process.set(name, value));
    process.within(workspace).show()?.must_succeed()?;
    Ok(())
}

/// The one test that takes cases.
const FUZZING: &str = "test --release --test fuzz whatever -- --nocapture";

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
