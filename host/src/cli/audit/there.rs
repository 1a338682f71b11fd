//! The chain of a tenant on a server. Each record is checked here as it comes: what a server says of its own chain is no proof.

use super::{Broken, Telling};
use crate::cli::desk::There;
use crate::cli::output::{Exit, Format, plain, say, say_json};
use crate::client::Ask;
use crate::store::LaneRow;
use amends_domain::audit::export::{Exporter, LaneReport};
use amends_domain::audit::{Break, Checked, Checker, Head, Sealed};
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
    body: String,
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
        let body = head.check(record).map_err(|found| Broken::at(row, found))?;
        Ok(checker.take(record.seq, &body).map_err(|found| Broken::at(row, found))?)
    })?;
    if head != row.head {
        let what =
            format!("the chain ends here with {}, the server says with record {}, {}", head.link, row.head.seq, row.head.link);
        return Err(Broken::at(row, Break { seq: head.seq, what }).into());
    }
    Ok(LaneReport { tenant: row.tenant.clone(), lane: row.lane, head, counts: checker.counts() })
}

/// Writes the chain as an export, and gives where it ends. Each link is checked as it is written.
pub(super) fn write(there: &There, file: &mut impl Write) -> anyhow::Result<LaneRow> {
    let row = end(there)?;
    let mut exporter = Exporter::default();
    file.write_all(&exporter.section(&row.tenant, row.lane))?;
    let mut last = Head::genesis(&row.tenant, row.lane);
    each(there, &row, &mut |record| {
        last = Head { seq: record.seq, link: record.link };
        Ok(file.write_all(&exporter.record(record).map_err(|found| Broken::at(&row, found))?)?)
    })?;
    if last != row.head {
        let what = format!("it is missing, the server says that there are {}", row.head.seq);
        return Err(Broken::at(&row, Break { seq: last.seq + 1, what }).into());
    }
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

/// Each record up to the one that the chain was said to end with; more may have come since.
fn each(there: &There, row: &LaneRow, take: &mut dyn FnMut(&Sealed) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut next = Some(1).filter(|_| row.head.seq > 0);
    while let Some(from) = next {
        let page: Page = there.ask(&Ask::get(there.path(&format!("/audit/records?from={from}"))?))?.json()?;
        for line in page.items.into_iter().filter(|line| line.seq <= row.head.seq) {
            take(&sealed(row, line)?)?;
        }
        // A server that does not come forward would be asked for ever.
        next = page.next_from.filter(|next| (from + 1..=row.head.seq).contains(next));
    }
    Ok(())
}

fn sealed(row: &LaneRow, Line { seq, link, body }: Line) -> Result<Sealed, Broken> {
    let broken = |what: &str| Broken::at(row, Break { seq, what: what.to_owned() });
    let link = digest(&link).ok_or_else(|| broken("its link is no digest"))?;
    let body = STANDARD.decode(body).map_err(|_| broken("its body is not base64"))?;
    Ok(Sealed { seq, link, body: body.into() })
}

fn digest(hex: &str) -> Option<Digest> {
    format!("sha256:{hex}").parse().ok()
}
