//! The chain of a tenant on a server. Each record is checked here as it comes: what a server says of its own chain is no proof.

use super::{Broken, Telling};
use crate::cli::desk::There;
use crate::cli::output::{Exit, Format, plain, say, say_json};
use crate::client::Ask;
use crate::store::LaneRow;
use amends_domain::audit::export::{Exporter, LaneReport};
use amends_domain::audit::{Break, Checked, Checker, Head, Kept, Sealed, Unexplained};
use amends_domain::digest::Digest;
use amends_domain::id::{Lane, TenantId};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;

/// Where a server says that a chain ends.
#[derive(Deserialize)]
struct End {
    tenant: TenantId,
    lane: Lane,
    records: u64,
    head: String,
}

/// Records as they stand in an export; what they say for people is made anew of their bodies.
#[derive(Deserialize)]
struct Page {
    items: Vec<Line>,
    next_from: Option<u64>,
}

#[derive(Deserialize)]
struct Line {
    seq: u64,
    link: String,
    body: Option<String>,
    removed: Option<String>,
}

pub(super) fn head(there: &There, format: Format) -> anyhow::Result<Exit> {
    let said: Value = there.ask(&Ask::get(there.path("/audit/head")?))?.json()?;
    match format {
        Format::Json => say_json(&said)?,
        Format::Text => {
            let End { tenant, lane, records, head } = serde_json::from_value(said)?;
            say(plain(&format!("{tenant} lane {}: records {records}, head {head}", lane.0)))?;
        }
    }
    Ok(Exit::Done)
}

/// Checks every record, and that the chain ends where the server says.
pub(super) fn verify(there: &There, telling: &mut Telling) -> anyhow::Result<()> {
    let row = end(there)?;
    let mut checker = Checker::default();
    loop {
        let read = walk(there, &row, &mut checker);
        match checker.finish() {
            Checked::Done(_) => return telling.verified(&read?),
            // Also where something is wrong: what only the second reading can see may stand before it.
            Checked::Again(again) => checker = *again,
        }
    }
}

fn walk(there: &There, row: &LaneRow, checker: &mut Checker) -> anyhow::Result<LaneReport> {
    checker.begin_lane(row.lane);
    let mut head = Head::genesis(&row.tenant, row.lane);
    each(there, row, &mut |record| {
        match head.check(record).map_err(|found| Broken::at(row, found))? {
            Some(body) => checker.take(record.seq, &body).map_err(|found| Broken::at(row, found))?,
            None => checker.take_removed(record.seq),
        }
        Ok(checker.wants_more())
    })?;
    checker.end_lane().map_err(|found| Broken::at(row, found))?;
    Ok(LaneReport { tenant: row.tenant.clone(), lane: row.lane, head, counts: checker.counts() })
}

/// Writes the chain as an export, and gives where it ends. Each link is checked as it is written.
pub(super) fn write(there: &There, file: &mut impl Write) -> anyhow::Result<LaneRow> {
    let row = end(there)?;
    let mut exporter = Exporter::default();
    file.write_all(&exporter.section(&row.tenant, row.lane))?;
    let mut unexplained = Unexplained::default();
    each(there, &row, &mut |record| {
        let (line, body) = exporter.record(record).map_err(|found| Broken::at(&row, found))?;
        file.write_all(&line)?;
        match body {
            Some(body) => unexplained.hear(&body),
            None => unexplained.add(record.seq),
        }
        Ok(!unexplained.is_empty())
    })?;
    file.write_all(&exporter.end_section())?;
    file.write_all(&exporter.end())?;
    Ok(row)
}

fn end(there: &There) -> anyhow::Result<LaneRow> {
    let End { tenant, lane, records, head } = there.ask(&Ask::get(there.path("/audit/head")?))?.json()?;
    let link = digest(&head).context("the head is no digest")?;
    // Of the state nothing is said.
    Ok(LaneRow { tenant, lane, head: Head { seq: records, link }, state_version: 0 })
}

/// Each record up to the one that the chain was said to end with, and on for as long as `take` says that it wants more: what says why a body
/// is missing may have come since.
fn each(there: &There, row: &LaneRow, take: &mut dyn FnMut(&Sealed) -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let (mut next, mut last, mut wants_more) = (Some(1).filter(|_| row.head.seq > 0), 0, false);
    while let Some(from) = next {
        let page: Page = there.ask(&Ask::get(there.path(&format!("/audit/records?from={from}"))?))?.json()?;
        for line in page.items {
            if last >= row.head.seq && !wants_more {
                return Ok(());
            }
            let record = sealed(row, line)?;
            wants_more = take(&record)?;
            last = record.seq;
            ends_as_said(row, &record)?;
        }
        // A server that does not come forward would be asked for ever.
        next = page.next_from.filter(|next| *next > from && (wants_more || last < row.head.seq));
    }
    if last < row.head.seq {
        let what = format!("it is missing, the server says that there are {}", row.head.seq);
        return Err(Broken::at(row, Break { seq: last + 1, what }).into());
    }
    Ok(())
}

fn ends_as_said(row: &LaneRow, record: &Sealed) -> Result<(), Broken> {
    if record.seq != row.head.seq || record.link == row.head.link {
        return Ok(());
    }
    let what = format!("its link is {}, the server says that the chain ends with {}", record.link, row.head.link);
    Err(Broken::at(row, Break { seq: record.seq, what }))
}

fn sealed(row: &LaneRow, Line { seq, link, body, removed }: Line) -> Result<Sealed, Broken> {
    let broken = |what: &str| Broken::at(row, Break { seq, what: what.to_owned() });
    let link = digest(&link).ok_or_else(|| broken("its link is no digest"))?;
    let kept = match (body, removed) {
        (Some(body), None) => Kept::Body(STANDARD.decode(body).map_err(|_| broken("its body is not base64"))?.into()),
        (None, Some(removed)) => Kept::Digest(digest(&removed).ok_or_else(|| broken("the digest of its body is none"))?),
        (Some(_), Some(_)) | (None, None) => return Err(broken("it must have a body, or the digest of one that was removed")),
    };
    Ok(Sealed { seq, link, kept })
}

fn digest(hex: &str) -> Option<Digest> {
    format!("sha256:{hex}").parse().ok()
}
