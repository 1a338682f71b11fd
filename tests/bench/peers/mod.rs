//! The same saga on other systems, on this machine, in the same run, under the same load: three steps that do nothing, one behind the other, whose caller
//! waits; and the same with a third step that is refused, so that the other two are taken back. Systems take turns, each time with new data, so
//! that a machine that changes its speed changes it for all.

mod amends;
mod dbos;
mod disk;
mod restate;
mod started;
mod table;

use crate::book::Book;
use ::amends::client::Authorities;
use ::amends::client::load::{Level, Measuring, Pace, Shot, Spans, Target, Workload, measure};
use anyhow::{Context, Result, bail, ensure};
use disk::Flushes;
use serde_json::json;
use started::Started;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum System {
    Amends,
    Restate,
    DbosSqlite,
    DbosPostgres,
}

/// How it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    Success,
    Compensation,
}

/// How it is compared.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) systems: Vec<System>,
    pub(crate) rounds: usize,
    pub(crate) clients: Vec<usize>,
    pub(crate) spans: Spans,
}

/// One measured load of one system.
pub(crate) struct Measured {
    pub(crate) system: System,
    pub(crate) mix: Mix,
    pub(crate) clients: usize,
    pub(crate) level: Level,
    /// Of the disk, for each answer; none if they cannot be seen.
    pub(crate) flushes_each: Option<f64>,
}

impl System {
    /// Its name and version.
    fn name(self) -> String {
        match self {
            Self::Amends => concat!("amends ", env!("CARGO_PKG_VERSION")).to_owned(),
            Self::Restate => format!("Restate {}", restate::VERSION),
            Self::DbosSqlite => format!("DBOS {}, SQLite", dbos::VERSION),
            Self::DbosPostgres => format!("DBOS {}, PostgreSQL", dbos::VERSION),
        }
    }

    /// What it promises of what it answered.
    fn durability(self) -> &'static str {
        match self {
            Self::Amends => "as it comes: every answer is on the disk before it is given; fdatasync for each commit",
            Self::Restate => restate::DURABILITY,
            Self::DbosSqlite => dbos::SQLITE_DURABILITY,
            Self::DbosPostgres => dbos::POSTGRES_DURABILITY,
        }
    }

    /// Fetches and builds what it needs.
    fn prepare(self, places: &Places) -> Result<()> {
        match self {
            Self::Amends => Ok(()),
            Self::Restate => restate::prepare(places),
            Self::DbosSqlite => dbos::prepare(places),
            Self::DbosPostgres => dbos::prepare(places).and_then(|()| dbos::find_postgres().map(drop)),
        }
    }

    fn start(self, places: &Places) -> Result<Started> {
        match self {
            Self::Amends => amends::start(places),
            Self::Restate => restate::start(places),
            Self::DbosSqlite => dbos::start_on_sqlite(places),
            Self::DbosPostgres => dbos::start_on_postgres(places),
        }
    }
}

impl Mix {
    fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Compensation => "compensation",
        }
    }

    /// What a run is given: a hundred bytes.
    fn input(self) -> serde_json::Value {
        json!({ "refuse": self == Self::Compensation, "text": "x".repeat(72) })
    }

    /// What an answer has in it.
    fn outcome(self) -> &'static str {
        match self {
            Self::Success => "succeeded",
            Self::Compensation => "compensated",
        }
    }
}

/// Where things are.
pub(crate) struct Places {
    /// What belongs to the peers in the source tree.
    pub(crate) sources: PathBuf,
    /// What is fetched and built for them; stays.
    pub(crate) built: PathBuf,
    /// Data; goes away.
    pub(crate) data: PathBuf,
}

impl Places {
    fn new(target: &Path) -> Self {
        let built = target.join("bench/peers");
        Self { sources: harness::root().join("tests/bench/peers"), data: built.join("data"), built }
    }

    /// A new folder for data, on the disk that everything else is on.
    fn folder(&self) -> Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.data)?;
        Ok(tempfile::tempdir_in(&self.data)?)
    }
}

pub(crate) fn compare(book: &mut Book, comparison: &Comparison) -> Result<()> {
    let places = Places::new(&harness::target());
    std::fs::create_dir_all(&places.built)?;
    let mut systems = Vec::new();
    for system in &comparison.systems {
        match system.prepare(&places) {
            Ok(()) => systems.push(*system),
            Err(error) => println!("left out: {}: {error:#}", system.name()),
        }
    }
    ensure!(systems.len() > 1, "there is nothing to compare with");
    let mut all = Vec::new();
    for round in 0..comparison.rounds {
        println!("\nround {} of {}", round + 1, comparison.rounds);
        for system in &systems {
            all.extend(turn(*system, &places, comparison).with_context(|| system.name())?);
        }
    }
    table::tell(&systems, &all, comparison, book);
    Ok(())
}

/// One turn of a system: started, put under each load, stopped.
fn turn(system: System, places: &Places, comparison: &Comparison) -> Result<Vec<Measured>> {
    let started = system.start(places)?;
    let mut all = Vec::new();
    // Not counted: pools of threads, connections and processes become as large as they get, and are seen from here on.
    let most = comparison.clients.iter().copied().max().unwrap_or(1);
    one(system, &started, Mix::Success, most, FILLING)?;
    for mix in [Mix::Success, Mix::Compensation] {
        for clients in &comparison.clients {
            let measured = one(system, &started, mix, *clients, comparison.spans)?;
            println!("  {}", table::line(&measured));
            all.push(measured);
        }
    }
    Ok(all)
}

fn one(system: System, started: &Started, mix: Mix, clients: usize, spans: Spans) -> Result<Measured> {
    let target = Target::new(&started.url, &Authorities::default())?;
    let headers: Vec<_> = started.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let shape = target.post(&started.path, &headers, started.body(mix))?;
    let usual = Shot { name: mix.word(), shape, wants: format!("\"status\":\"{}\"", mix.outcome()).into(), look: None };
    let workload = Workload { usual, other: None };
    let server = started.processes();
    let flushes = Flushes::of(&started.folder);
    let measuring = Measuring { target: &target, workload: &workload, pace: Pace::InFlight(clients), spans, server: &server };
    let (level, [before, behind]) = measure(measuring, || flushes.now())?;
    if level.answered == 0 {
        bail!("nothing was answered: {}", level.errors.first.as_deref().unwrap_or("nobody knows why"));
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    let flushes_each = before.zip(behind).map(|(before, behind)| (behind - before) as f64 / level.answered as f64);
    Ok(Measured { system, mix, clients, level, flushes_each })
}

/// How long a system is loaded before anything is measured.
const FILLING: Spans = Spans { warm_up: Duration::ZERO, lasts: Duration::from_secs(1) };
/// How long each load of the comparison lasts where nobody says it.
pub(crate) const SPANS: Spans = Spans { warm_up: Duration::from_secs(2), lasts: Duration::from_secs(5) };
