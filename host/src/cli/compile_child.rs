//! `amends compile-child`: the process in which a component is compiled. Not for people: hosts start it, and talk with it over its
//! standard input and output.

use super::output::Exit;
use crate::sandbox::{CompileLimits, compile_child};
use amends_domain::time::Span;
use clap::Args;

const EXAMPLES: &str = "\
Example:
  amends compile-child --memory-max 1610612736 --cpu-max-s 60

Takes a component on standard input and gives its code on standard output, both behind their lengths.";

/// Compile one component under limits; hosts start this
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompileChild {
    /// Most bytes of address space
    #[arg(long, value_name = "BYTES")]
    memory_max: u64,
    /// Most seconds of the processor
    #[arg(long, value_name = "SECONDS")]
    cpu_max_s: u64,
}

pub(super) fn run(child: &CompileChild) -> anyhow::Result<Exit> {
    // How long it may take on the clock is for whoever started it to see to.
    let limits = CompileLimits { memory_max: child.memory_max, cpu_max_s: child.cpu_max_s, wall_max: Span(u64::MAX) };
    compile_child(limits)?;
    Ok(Exit::Done)
}
