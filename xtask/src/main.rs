//! `cargo xtask COMMAND`: what a developer and the continuous integration run. Apart from the host, so that it builds in seconds
//! and can say what it is doing while the host takes its minutes.

mod ci;
mod demo;
mod dynamic;
mod guests;
mod process;
mod provision;
mod release;
mod summary;
mod test;
mod toolchain;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, shows and tests amends.")]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Builds guests and host, then runs the example: one run that succeeds, one that is compensated.
    Demo,
    /// Runs everything: formatting, lints, unit, exhaustive, simulation, crash, sandbox and interface tests.
    Test,
    /// Builds every plugin under `plugins/` into a component at `target/guests/PLUGIN.wasm`.
    Guests {
        /// Those in Python and JavaScript instead, with tools that are installed under `target/`.
        #[arg(long)]
        dynamic: bool,
        /// And runs them in the host.
        #[arg(long, requires = "dynamic")]
        test: bool,
    },
    /// Kills the host at random instants again and again and checks what it finds afterwards.
    Kill {
        /// How often the host is killed.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Plays hosts that everything happens to, each from a seed, and asks every invariant after every commit.
    Simulate(release::Simulation),
    /// Hands the host whatever chance makes of plugins, sagas, manifests, mappings, records and compiled code.
    Fuzz(release::Fuzzing),
    /// Measures the host; everything after `bench` goes to the benchmark.
    Bench {
        /// Arguments of the benchmark, as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs what `.ci/run` runs: the versions in use, `test`, `demo`.
    Ci,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let Some(task) = arguments.task else {
        Arguments::command().print_help()?;
        return Ok(ExitCode::SUCCESS);
    };
    let workspace = Workspace::find()?;
    match task {
        Task::Demo => demo::run(&workspace)?,
        Task::Test => return Ok(test::run(&workspace)),
        Task::Guests { dynamic: false, .. } => guests::build(&workspace)?,
        Task::Guests { test: false, .. } => dynamic::build(&workspace)?,
        Task::Guests { .. } => dynamic::test(&workspace)?,
        Task::Kill { runs } => release::kill(&workspace, runs)?,
        Task::Simulate(simulation) => release::simulate(&workspace, &simulation)?,
        Task::Fuzz(fuzzing) => release::fuzz(&workspace, &fuzzing)?,
        Task::Bench { arguments } => release::bench(&workspace, &arguments)?,
        Task::Ci => return ci::run(&workspace),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_follows_bench_reaches_the_benchmark_untouched() {
        let arguments = Arguments::parse_from(["cargo xtask", "bench", "steps", "--tenants", "4"]);
        let Some(Task::Bench { arguments }) = arguments.task else { panic!("not bench") };
        assert_eq!(arguments, ["steps", "--tenants", "4"]);
    }
}
