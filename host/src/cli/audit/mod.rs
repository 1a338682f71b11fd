//! `amends audit`: proves that what is stored is what happened, and takes that proof out of the host. Here: the arguments, and how what
//! was found is told.

mod export;
mod there;
mod verify;

use super::desk::{At, Server};
use super::error::as_text;
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::compose::OpenError;
use crate::store::{LaneRow, Store, StoreError};
use amends_domain::audit::Break;
use amends_domain::audit::export::{Flaw, LaneReport};
use amends_domain::id::{Lane, TenantId};
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use std::error::Error;
use std::path::PathBuf;

/// Records and values that are read at a time: each may be many megabytes.
const PAGE_LEN: usize = 64;

const VERIFY_EXAMPLES: &str = "\
Examples:
  amends audit verify --data ./data
  amends audit verify audit.jsonl           # an export; needs nothing else
  amends audit verify                       # the chain of a tenant on a server, record by record

Exit code 5 if something is wrong; tenant, lane and record are named. The head of a lane stands for every byte of its records: write it
down elsewhere, and nobody can change unnoticed what was before it.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  amends audit export --out audit.jsonl
  amends audit export --data ./data --out audit.jsonl

A file that is there already is not replaced. docs/audit-export.md says how anybody can check it.";

const HEAD_EXAMPLES: &str = "\
Example:
  amends audit head

The head stands for every byte of every record before it: write it down elsewhere, and compare it with what `amends audit verify` finds later.";

/// Prove that what is stored is what happened
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check every link, every journal and the state
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Write all records to a file that anybody can check
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// Show where the chain of a tenant on a server ends
    #[command(after_help = HEAD_EXAMPLES)]
    Head(HeadOf),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// An export
    #[arg(conflicts_with_all = ["data", "url", "profile"])]
    path: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

/// Arguments of `audit head`.
#[derive(Debug, Args)]
pub(super) struct HeadOf {
    #[command(flatten)]
    server: Server,
}

/// Arguments of `audit export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    at: At,
}

pub(super) fn run(command: &Audit, format: Format) -> anyhow::Result<Exit> {
    let mut telling = Telling { format, lanes: Vec::new() };
    let ran = match command {
        Audit::Verify(verify) => verify::run(verify, &mut telling),
        Audit::Export(export) => export::run(export, &mut telling),
        Audit::Head(head) => return there::head(&head.server.there()?, format),
    };
    match ran {
        Ok(()) => telling.all_right(),
        Err(error) => match Broken::of(&error) {
            Some(broken) => telling.broken(&broken),
            None => Err(error),
        },
    }
}

/// Checks every chain in `store`, which nobody else has open, and tells of each lane, or where one is broken.
pub(super) fn verify_all(store: &dyn Store, format: Format) -> anyhow::Result<Verified> {
    let mut telling = Telling { format, lanes: Vec::new() };
    match verify::a_store(store, None, &mut telling) {
        Ok(()) => Ok(Verified::Right(telling.lanes)),
        Err(error) => match Broken::of(&error) {
            Some(broken) => Ok(Verified::Broken(telling.broken(&broken)?)),
            None => Err(error),
        },
    }
}

/// What checking every chain gave.
pub(super) enum Verified {
    /// All are as they should be. In JSON, each lane.
    Right(Vec<Json>),
    /// One is not, and that was told.
    Broken(Exit),
}

/// The lanes of one tenant, or of all, in the order of names and numbers.
fn lanes(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<Vec<LaneRow>> {
    let mut rows = store.lanes()?;
    rows.retain(|row| tenant.is_none_or(|tenant| row.tenant == *tenant));
    rows.sort_by(|a, b| (&a.tenant, a.lane).cmp(&(&b.tenant, b.lane)));
    match (tenant, rows.is_empty()) {
        (Some(tenant), true) => Err(unknown_tenant(tenant)),
        (Some(_) | None, _) => Ok(rows),
    }
}

fn unknown_tenant(tenant: &TenantId) -> anyhow::Error {
    super::error::refused("unknown_tenant", format!("there are no records of tenant `{tenant}`"))
}

/// Where a chain is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
struct Broken {
    /// All that is known of the place, in words.
    place: String,
    lane: Option<(TenantId, Lane)>,
    seq: Option<u64>,
    line: Option<u64>,
    what: String,
}

impl Broken {
    fn at(row: &LaneRow, found: Break) -> Self {
        let place = format!("{} lane {} record {}", row.tenant, row.lane.0, found.seq);
        Self { place, lane: Some((row.tenant.clone(), row.lane)), seq: Some(found.seq), line: None, what: found.what }
    }

    fn in_words(place: String, what: String) -> Self {
        Self { place, lane: None, seq: None, line: None, what }
    }

    /// What an error says about a chain. A row of the data file that cannot be what was written says it, too.
    fn of(error: &anyhow::Error) -> Option<Self> {
        let own = error.chain().find_map(|cause| cause.downcast_ref().cloned());
        own.or_else(|| match error.chain().find_map(of_store)? {
            StoreError::Damaged { place, what } => Some(Self::in_words(place.clone(), what.clone())),
            StoreError::InUse(_) | StoreError::Format { .. } | StoreError::OutOfOrder { .. } | StoreError::Disk(_) => None,
        })
    }
}

/// What the store says, when it is asked or already when it is opened.
fn of_store<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a StoreError> {
    cause.downcast_ref().or_else(|| match cause.downcast_ref()? {
        OpenError::Store(error) => Some(error),
        OpenError::NoData(_) | OpenError::Sandbox(_) | OpenError::Vault(_) | OpenError::Runtime(_) => None,
    })
}

impl From<Flaw> for Broken {
    fn from(flaw: Flaw) -> Self {
        Self { place: flaw.place(), lane: flaw.lane, seq: flaw.seq, line: Some(flaw.line), what: flaw.what }
    }
}

/// What is told of each lane: to people line by line, to programs as one object at the end.
struct Telling {
    format: Format,
    lanes: Vec<Json>,
}

impl Telling {
    /// A lane that is as it should be.
    fn verified(&mut self, report: &LaneReport) -> anyhow::Result<()> {
        let LaneReport { tenant, lane, head, counts } = report;
        let (link, records, runs, open, facts) = (head.link.hex(), counts.records, counts.runs, counts.open, counts.facts);
        match self.format {
            Format::Text => {
                let removed = if counts.removed > 0 { format!(", removed {}", counts.removed) } else { String::new() };
                say(format_args!(
                    "{tenant} lane {}: records {records}, runs {runs} (open {open}{removed}), facts {facts}, head {link}, ok",
                    lane.0
                ))?;
            }
            Format::Json => self.lanes.push(json!({
                "tenant": tenant, "lane": lane, "records": records, "runs": runs, "open": open, "removed": counts.removed,
                "facts": facts, "head": link,
            })),
        }
        Ok(())
    }

    /// A lane that was written out.
    fn exported(&mut self, row: &LaneRow) -> anyhow::Result<()> {
        let (link, records) = (row.head.link.hex(), row.head.seq);
        match self.format {
            Format::Text => say(format_args!("{} lane {}: records {records}, head {link}", row.tenant, row.lane.0))?,
            Format::Json => self.lanes.push(json!({ "tenant": row.tenant, "lane": row.lane, "records": records, "head": link })),
        }
        Ok(())
    }

    fn all_right(self) -> anyhow::Result<Exit> {
        match self.format {
            Format::Text => {}
            Format::Json => say_json(&json!({ "ok": true, "lanes": self.lanes }))?,
        }
        Ok(Exit::Done)
    }

    fn broken(self, broken: &Broken) -> anyhow::Result<Exit> {
        let message = broken.to_string();
        match self.format {
            Format::Text => remark(as_text("chain_broken", &message))?,
            Format::Json => {
                let (tenant, lane) = broken.lane.as_ref().map(|(tenant, lane)| (tenant, lane)).unzip();
                let place = json!({
                    "tenant": tenant, "lane": lane, "record": broken.seq, "line": broken.line, "what": broken.what,
                });
                say_json(&json!({ "ok": false, "lanes": self.lanes, "broken": place }))?;
                remark(plain(&json!({ "code": "chain_broken", "message": message }).to_string()))?;
            }
        }
        Ok(Exit::ChainBroken)
    }
}
