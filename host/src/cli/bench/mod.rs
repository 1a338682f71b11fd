//! `amends bench`: starts runs of a saga on a server, so many at a time or so many a second, and tells how long they took and what the server took
//! for them. The load itself is `client::load`; here is what is asked, of whom, and how it is told.

mod local;
mod numbers;
mod paces;
mod shots;
mod told;

use super::argument::{JsonSource, PluginFile};
use super::desk::Server;
use super::error::misuse;
use super::output::{Exit, Format, say};
use crate::client::load::{Measuring, Pace, Process, Spans, Workload, measure};
use amends_domain::time::Span;
use clap::Args;
use local::{Content, Local};
use numbers::{Numbers, Stored};
use paces::{PerSecond, paces};
use shots::{Inputs, Place};
use std::path::PathBuf;
use told::{Report, Row};

/// Longest that one load may last.
const LASTS_MAX: Span = Span(24 * 3_600_000);

const EXAMPLES: &str = "\
Examples:
  amends bench order.fulfillment --input @good.json --clients 1,16,64 --for 10s
  amends bench order.fulfillment --input @good.json --failing @bad.json --failing-percent 10 --rate 500/s
  amends bench --local saga.yaml --plugin orders=orders.wasm --state state.json --input @good.json --data ./bench-data

With --clients so many runs are in flight at a time, each followed by the next. With --rate so many are due each second, whatever the server does,
and each is timed from when it was due. Every run is waited for; one whose outcome is not `succeeded` (of --failing: `compensated`) is an error, and
then the exit code is 1. With --local it starts a server of its own, with a tenant and its limits out of the way; else the runs are started on
the server that --url, AMENDS_URL or a profile names, and stay there. What a server takes of the machine is told where it can be seen: with --local,
or --pid; commits and bytes where its numbers (GET /metrics) are open to the token.";

/// Measure how fast runs of a saga are, and what they cost
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Bench {
    /// The saga: its name on the server; with --local, its file
    saga: String,
    /// What each run is given
    #[arg(long, value_name = "JSON|@FILE", default_value = "null")]
    input: JsonSource,
    /// What runs are given that are to be compensated
    #[arg(long, value_name = "JSON|@FILE")]
    failing: Option<JsonSource>,
    /// How many of a hundred runs those are
    #[arg(long, value_name = "N", default_value_t = 100, requires = "failing", value_parser = clap::value_parser!(u32).range(1..=100))]
    failing_percent: u32,
    /// How many runs are in flight, one load after the other; without it and --rate: 1,16,64,256,1024
    #[arg(long, value_name = "N,…", value_delimiter = ',', conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=4096))]
    clients: Vec<u32>,
    /// How many runs are due a second, one load after the other, such as 500/s
    #[arg(long, value_name = "N/s,…", value_delimiter = ',')]
    rate: Vec<PerSecond>,
    /// Most runs in flight with --rate; what is due beyond waits, and its time runs
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight_max: u32,
    /// How long each load goes on before anything counts
    #[arg(long, value_name = "SPAN", default_value = "2s")]
    warm_up: Span,
    /// How long each load counts
    #[arg(long = "for", value_name = "SPAN", default_value = "10s")]
    lasts: Span,
    /// Start a server for it, and end it behind it
    #[arg(long, conflicts_with_all = ["url", "profile", "token_file", "ca_file", "tenant", "pid"])]
    local: bool,
    /// A plugin that the saga uses and its component
    #[arg(long = "plugin", value_name = "NAME=FILE.wasm", requires = "local")]
    plugins: Vec<PluginFile>,
    /// A file with one JSON object: each of its fields is a key of the state
    #[arg(long, value_name = "FILE.json", requires = "local")]
    state: Option<PathBuf>,
    /// Where that server keeps its data, which stays; without it, among temporary files, which may not be on a disk
    #[arg(long, value_name = "DIR", requires = "local")]
    data: Option<PathBuf>,
    /// The process of the server, if it is on this machine
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(bench: &Bench, format: Format) -> anyhow::Result<Exit> {
    if bench.lasts.0 == 0 || bench.lasts.0.max(bench.warm_up.0) > LASTS_MAX.0 {
        return Err(misuse("load_too_long", format!("--for and --warm-up last up to {LASTS_MAX}, and --for some time")));
    }
    let paces = paces(&bench.clients, &bench.rate, bench.in_flight_max);
    let inputs = Inputs::of(bench)?;
    if bench.local {
        let content = Content::of(bench)?;
        let local = Local::start(bench.data.as_deref())?;
        let place = local.fill(content)?;
        let server = [local.process()];
        let (report, numbers) = loads(bench, &place.workload(&inputs)?, &place, &paces, &server, format)?;
        let stored = local.stop_and_compact(numbers.as_ref())?;
        return report.tell(stored, format);
    }
    let server: Vec<_> = bench.pid.map(Process).into_iter().collect();
    let place = Place::there(bench)?;
    let (report, _) = loads(bench, &place.workload(&inputs)?, &place, &paces, &server, format)?;
    report.tell(None::<Stored>, format)
}

/// One load after the other. The second answer is what the server counted behind the last one.
fn loads(
    bench: &Bench,
    workload: &Workload,
    place: &Place,
    paces: &[Pace],
    server: &[Process],
    format: Format,
) -> anyhow::Result<(Report, Option<Numbers>)> {
    let spans = Spans { warm_up: bench.warm_up.to_std(), lasts: bench.lasts.to_std() };
    let mut report = Report::of(place, bench);
    let mut last = None;
    if format == Format::Text {
        say(report.title())?;
    }
    for pace in paces {
        let measuring = Measuring { target: &place.target, workload, pace: *pace, spans, server };
        let (level, [before, behind]) = measure(measuring, || Numbers::ask(&place.watcher))?;
        let row = Row::of(level, before.as_ref().zip(behind.as_ref()));
        if format == Format::Text {
            row.lines().into_iter().try_for_each(say)?;
        }
        report.rows.push(row);
        last = behind;
    }
    Ok((report, last))
}
