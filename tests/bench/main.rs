//! The benchmark: how long a durable run takes in process, and where the time goes. Prints a table, or JSON for machines. Machines change
//! speed from moment to moment: compare lines of one run with each other, not absolute values of two.

mod figures;
mod growth;
mod parts;
mod whole;

use anyhow::Result;
use clap::Parser;
use figures::Figures;

/// Measures runs of three steps in process: start to durable outcome, and its parts.
#[derive(Debug, Parser)]
#[command(after_help = "Example: cargo xtask bench --runs 5000")]
struct Arguments {
    /// Runs for each line of the table.
    #[arg(long, default_value_t = 2000)]
    runs: usize,
    /// One JSON object instead of a table.
    #[arg(long, conflicts_with = "growth")]
    json: bool,
    /// How time and memory grow with the length and width of a run, and what a long wait costs, instead.
    #[arg(long)]
    growth: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.growth {
        return growth::measure();
    }
    let mut figures = Figures::default();
    whole::measure(&mut figures, arguments.runs)?;
    parts::measure(&mut figures, arguments.runs)?;
    figures.print(arguments.json);
    Ok(())
}
