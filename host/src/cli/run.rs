//! `amends run`: what became of runs.

use super::argument::{Data, Tenant};
use super::journal::Journal;
use super::output::{Exit, Format, plain, remark, say, say_json};
use super::text::{WIDTH, cut, span};
use super::timeline::fault_text;
use super::view::RunView;
use crate::compose::Reader;
use crate::store::{PAGE_LEN_MAX, Store, StoreError};
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run as SagaRun, RunHead, RunStatus};
use amends_domain::time::Timestamp;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

const LIST_EXAMPLES: &str = "\
Examples:
  amends run list --data ./data
  amends run list --data ./data --status stuck --limit 100 --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  amends run show run_01kb0v7m4q8r5t2x9y3z6w1a0c --data ./data
  amends run show run_01kb0v7m4q8r5t2x9y3z6w1a0c --data ./data --json";

/// See what became of runs
#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// List runs, newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Show one run: its input and output, the timeline of its attempts, how each step stands
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Show),
}

/// Arguments of `run list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    /// Only runs that stand so
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Most runs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Arguments of `run show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The run
    run: RunId,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
}

/// How a run may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Without an outcome
    Open,
    /// Going forward
    Running,
    /// Going forward, and all that is live waits
    Waiting,
    /// Standing still until somebody has it go on
    Paused,
    /// Going backward
    Compensating,
    /// Every step completed
    Succeeded,
    /// Everything that was done was taken back
    Compensated,
    /// A compensation ran out of attempts
    Stuck,
    /// Ended without compensation
    Killed,
}

impl Status {
    fn is(self, status: RunStatus) -> bool {
        match self {
            Self::Open => !matches!(status, RunStatus::Ended(_)),
            Self::Waiting => status == RunStatus::Waiting,
            Self::Paused => status == RunStatus::Paused,
            Self::Running => status == RunStatus::Running,
            Self::Compensating => status == RunStatus::Compensating,
            Self::Succeeded => status == RunStatus::Ended(Outcome::Succeeded),
            Self::Compensated => status == RunStatus::Ended(Outcome::Compensated),
            Self::Stuck => status == RunStatus::Ended(Outcome::Stuck),
            Self::Killed => status == RunStatus::Ended(Outcome::Killed),
        }
    }
}

pub(super) fn run(command: &Run, format: Format) -> anyhow::Result<Exit> {
    match command {
        Run::List(list) => self::list(list, format),
        Run::Show(show) => self::show(show, format),
    }
}

/// A run in a list.
#[derive(Debug, Serialize)]
struct Row {
    id: RunId,
    saga: SagaName,
    version: u32,
    status: &'static str,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let reader = Reader::open(&list.data.dir)?;
    let limit = list.limit as usize;
    let mut rows = Vec::new();
    // One more than asked for, to know whether there are more.
    for found in runs(&*reader, &list.tenant.id).filter(|found| wanted(found, list.status)).take(limit.saturating_add(1)) {
        let (id, RunHead { saga, version, status, started, ended, .. }) = found?;
        rows.push(Row { id, saga, version, status: status.word(), started_at: started, ended_at: ended });
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    match format {
        Format::Json => say_json(&serde_json::json!({ "runs": rows, "more": more }))?,
        Format::Text => say_rows(&rows)?,
    }
    if more && format == Format::Text {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
}

fn wanted(found: &Result<(RunId, RunHead), StoreError>, status: Option<Status>) -> bool {
    match (found, status) {
        (Ok((_, head)), Some(status)) => status.is(head.status),
        (Ok(_), None) | (Err(_), _) => true,
    }
}

/// All runs of a tenant, newest first, page by page.
fn runs(store: &dyn Store, tenant: &TenantId) -> impl Iterator<Item = Result<(RunId, RunHead), StoreError>> {
    let mut page = Vec::new().into_iter();
    let mut before = None;
    std::iter::from_fn(move || {
        if page.len() == 0 {
            match store.runs(tenant, before, PAGE_LEN_MAX) {
                Ok(next) => page = next.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let (run, head) = page.next()?;
        before = Some(run);
        Some(Ok((run, head)))
    })
}

fn say_rows(rows: &[Row]) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(remark("no runs")?);
    }
    let sagas = rows.iter().map(|row| row.saga.as_str().len()).max().unwrap_or_default();
    for Row { id, saga, version, status, started_at, ended_at } in rows {
        let took = ended_at.map_or_else(|| "open".to_owned(), |ended| span(ended.since(*started_at)));
        // Names and numbers have no characters that could be taken for anything else.
        say(format_args!("{id}  {status:<12}  {:<sagas$}  v{version:<3}  {started_at}  {took:>6}", saga.as_str()))?;
    }
    Ok(())
}

fn show(show: &Show, format: Format) -> anyhow::Result<Exit> {
    let reader = Reader::open(&show.data.dir)?;
    let journal = Journal::read(&*reader, &show.tenant.id, show.run)?;
    match format {
        Format::Json => say_json(&RunView::of(&journal)?)?,
        Format::Text => say_run(&journal)?,
    }
    Ok(Exit::Done)
}

fn say_run(journal: &Journal) -> anyhow::Result<()> {
    let run = journal.replay()?;
    say_head(&run)?;
    say("")?;
    journal.say()?;
    say("")?;
    let names = run.definition().steps.iter().map(|step| step.id.as_str().len()).max().unwrap_or_default();
    for (index, step) in run.definition().indexed() {
        let output = run.step(index).output.as_ref().map(|output| format!("output {}", shown(output))).unwrap_or_default();
        let line = format!("{:<names$}  {:<23}{output}", step.id.as_str(), run.status_of(index).word());
        say(line.trim_end())?;
    }
    if let Phase::Ended(ended) = run.phase() {
        say("")?;
        say(format_args!("outcome {}", ended.outcome.word()))?;
    }
    Ok(())
}

fn say_head(run: &SagaRun) -> anyhow::Result<()> {
    let (head, started) = (run.head(), run.started());
    say(format_args!("run      {}", run.id()))?;
    say(format_args!("saga     {} v{}", head.saga, head.version))?;
    say(format_args!("status   {}", head.status.word()))?;
    let took = head.ended.map_or_else(String::new, |ended| format!(", took {}", span(ended.since(head.started))));
    say(format_args!("started  {}{took}", head.started))?;
    if let Some(key) = &started.key {
        say(format_args!("key      {}", plain(key)))?;
    }
    say(format_args!("input    {}", shown(&started.input)))?;
    if let Phase::Ended(ended) = run.phase() {
        if let Some(output) = &ended.output {
            say(format_args!("output   {}", shown(output)))?;
        }
        if let Some(fault) = &ended.fault {
            say(format_args!("fault    {}", fault_text(fault)))?;
        }
    }
    Ok(())
}

/// A payload on the rest of a line.
fn shown(payload: &Payload) -> String {
    cut(&plain(&payload.readable().to_string()), WIDTH - 9)
}
