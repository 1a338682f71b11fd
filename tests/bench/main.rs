//! The benchmark: how long a durable run takes, where the time goes, and how both grow. Prints tables, and writes all of it as JSON to
//! `target/bench/latest.json`. Machines change speed from moment to moment: compare lines of one run with each other, not absolute values of two.

mod book;
mod curves;
mod figures;
mod growth;
mod http;
mod parts;
mod peers;
mod site;
mod walked;
mod whole;

use amends::client::load::Spans;
use anyhow::Result;
use book::{Book, machine};
use clap::{Parser, ValueEnum};
use figures::Figures;
use peers::{Comparison, System};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                              # parts, whole runs in process and over HTTP
  cargo xtask bench --only open,tenants          # two of the curves
  cargo xtask bench --peers                      # beside Restate and DBOS, which are fetched and built
  cargo xtask bench --runs 200 --for 1s --clients 1,64";

/// Measures the host.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Runs for each line in process that is one at a time; those at a time are five times as many.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..))]
    runs: u32,
    /// Only these; without it, parts, whole and http.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// All curves too.
    #[arg(long)]
    growth: bool,
    /// Most open runs of the curve of open runs.
    #[arg(long, default_value_t = 100_000)]
    open_max: usize,
    /// How many runs are in flight over HTTP, one load after the other.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256,1024")]
    clients: Vec<usize>,
    /// How long each load over HTTP counts, in whole seconds.
    #[arg(long = "for", default_value = "5s", value_parser = seconds)]
    lasts: Duration,
    /// Beside the peers instead.
    #[arg(long)]
    peers: bool,
    /// Which systems are compared.
    #[arg(long, value_delimiter = ',', default_value = "amends,restate,dbos-sqlite,dbos-postgres", requires = "peers")]
    systems: Vec<System>,
    /// How often each system has its turn.
    #[arg(long, default_value_t = 3, requires = "peers")]
    rounds: usize,
    /// Where all of it goes as JSON.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Each part of a run alone.
    Parts,
    /// Whole runs in this process.
    Whole,
    /// Whole runs over HTTP.
    Http,
    /// Steps of a run, in a row and side by side; a month's wait.
    Steps,
    Payload,
    Open,
    Tenants,
    Plugins,
}

const USUAL: [Section; 3] = [Section::Parts, Section::Whole, Section::Http];
const CURVES: [Section; 5] = [Section::Steps, Section::Payload, Section::Open, Section::Tenants, Section::Plugins];

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok()).filter(|number| (1..=3600).contains(number));
    number.map(Duration::from_secs).ok_or_else(|| format!("`{text}`: write whole seconds, such as 5s"))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("{}", machine());
    let mut book = Book::default();
    if arguments.peers {
        peers::compare(&mut book, &arguments.comparison())?;
    } else {
        for section in arguments.sections() {
            arguments.measure(section, &mut book)?;
        }
    }
    let name = if arguments.peers { "bench/peers.json" } else { "bench/latest.json" };
    book.write(&arguments.out.unwrap_or_else(|| harness::target().join(name)))
}

impl Arguments {
    fn sections(&self) -> Vec<Section> {
        match (self.only.as_slice(), self.growth) {
            ([], false) => USUAL.to_vec(),
            ([], true) => CURVES.to_vec(),
            (only, _) => only.to_vec(),
        }
    }

    fn comparison(&self) -> Comparison {
        let spans = Spans { lasts: self.lasts, ..peers::SPANS };
        // More than 64 is more than the peers take well.
        let clients = self.clients.iter().copied().filter(|clients| *clients <= 64).collect();
        Comparison { systems: self.systems.clone(), rounds: self.rounds, clients, spans }
    }

    fn measure(&self, section: Section, book: &mut Book) -> Result<()> {
        let runs = usize::try_from(self.runs)?;
        match section {
            Section::Parts => in_figures(book, "parts", |figures| parts::measure(figures, runs)),
            Section::Whole => in_figures(book, "whole runs in process", |figures| whole::measure(figures, runs)),
            Section::Http => {
                let clients: Vec<_> = self.clients.iter().map(ToString::to_string).collect();
                let lasts = format!("{}s", self.lasts.as_secs());
                http::measure(book, &http::Loads { clients: clients.join(","), lasts })
            }
            Section::Steps => growth::measure(book),
            Section::Payload => curves::payloads(book),
            Section::Open => curves::open_runs(book, self.open_max),
            Section::Tenants => curves::tenants(book),
            Section::Plugins => curves::plugins(book),
        }
    }
}

fn in_figures(book: &mut Book, section: &str, measure: impl FnOnce(&mut Figures) -> Result<()>) -> Result<()> {
    let mut figures = Figures::default();
    measure(&mut figures)?;
    figures.close(book, section);
    Ok(())
}
