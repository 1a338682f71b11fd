//! `amends audit verify`: a data directory, or an export without one.

use super::{Broken, PAGE_LEN, Telling, Verify, lanes, there, unknown_tenant};
use crate::cli::error::misuse;
use crate::compose::Reader;
use crate::store::{LaneRow, Store};
use amends_domain::audit::export::{Flaw, LINE_LEN_MAX, LaneReport, Verdict, Verifier};
use amends_domain::audit::{Break, Checked, Checker, Head, ImpliedState};
use amends_domain::id::TenantId;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

/// What is read from an export at a time: 1 MiB.
const BUFFER_LEN: usize = 1024 * 1024;

pub(super) fn run(verify: &Verify, telling: &mut Telling) -> anyhow::Result<()> {
    match (&verify.path, verify.at.directory()) {
        (Some(path), _) => an_export(path, verify.at.tenant(), telling),
        (None, Some((data, tenant))) => a_store(&*Reader::open(data)?, tenant, telling),
        (None, None) => there::verify(&verify.at.there()?, telling),
    }
}

/// The file is checked as a whole, whoever's section is asked for: that sections are there is part of it.
fn an_export(path: &Path, tenant: Option<&TenantId>, telling: &mut Telling) -> anyhow::Result<()> {
    let (mut reports, flaw) = read_export(path)?;
    reports.retain(|report| tenant.is_none_or(|tenant| report.tenant == *tenant));
    reports.iter().try_for_each(|report| telling.verified(report))?;
    match (flaw, tenant) {
        (Some(flaw), _) => Err(Broken::from(flaw).into()),
        (None, Some(tenant)) if reports.is_empty() => Err(unknown_tenant(tenant)),
        (None, Some(_) | None) => Ok(()),
    }
}

/// The sections that are right, up to the first flaw.
fn read_export(path: &Path) -> anyhow::Result<(Vec<LaneReport>, Option<Flaw>)> {
    let unreadable = |error| misuse("file_not_readable", format!("failed to read {}: {error}", path.display()));
    let mut file = BufReader::with_capacity(BUFFER_LEN, File::open(path).map_err(unreadable)?);
    let mut verifier = Verifier::default();
    loop {
        read_lines(&mut file, &mut verifier).map_err(unreadable)?;
        match verifier.end() {
            Verdict::Right(reports) => return Ok((reports, None)),
            Verdict::Wrong { flaw, before } => return Ok((before, Some(*flaw))),
            Verdict::Again(again) => {
                file.rewind().map_err(|error| not_again(path, &error))?;
                verifier = *again;
            }
        }
    }
}

fn read_lines(file: &mut impl BufRead, verifier: &mut Verifier) -> io::Result<()> {
    let mut line = Vec::new();
    while file.by_ref().take(LINE_LEN_MAX as u64 + 1).read_until(b'\n', &mut line)? > 0 {
        if verifier.line(&line).is_break() {
            break;
        }
        line.clear();
    }
    Ok(())
}

/// A pipe, most likely. To keep a copy of all that comes, in case it is needed, would fill somebody's disk unasked.
fn not_again(path: &Path, error: &io::Error) -> anyhow::Error {
    let message = format!(
        "failed to read {} a second time: {error}; runs in it go on after they ended, so it must be read twice: write it to a file first",
        path.display()
    );
    misuse("file_not_seekable", message)
}

/// Nobody else has the store open, so nothing is committed meanwhile.
pub(super) fn a_store(store: &dyn Store, tenant: Option<&TenantId>, telling: &mut Telling) -> anyhow::Result<()> {
    for rows in lanes(store, tenant)?.chunk_by(|a, b| a.tenant == b.tenant) {
        let (reports, implied) = a_tenant(store, rows)?;
        the_state(store, &rows[0].tenant, implied)?;
        for report in &reports {
            telling.verified(report)?;
        }
    }
    Ok(())
}

/// What the lanes of one tenant hold, and the state that they leave.
fn a_tenant(store: &dyn Store, rows: &[LaneRow]) -> anyhow::Result<(Vec<LaneReport>, ImpliedState)> {
    let mut checker = Checker::default();
    loop {
        let read: anyhow::Result<Vec<_>> = rows.iter().map(|row| a_lane(store, row, &mut checker)).collect();
        match checker.finish() {
            Checked::Done(implied) => return Ok((read?, implied)),
            // Also where something is wrong: what only the second reading can see may stand before it.
            Checked::Again(again) => checker = *again,
        }
    }
}

fn a_lane(store: &dyn Store, row: &LaneRow, checker: &mut Checker) -> anyhow::Result<LaneReport> {
    checker.begin_lane(row.lane);
    let mut head = Head::genesis(&row.tenant, row.lane);
    loop {
        let records = store.records(&row.tenant, row.lane, head.seq + 1, PAGE_LEN)?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            match head.check(record).map_err(|found| Broken::at(row, found))? {
                Some(body) => checker.take(record.seq, &body).map_err(|found| Broken::at(row, found))?,
                None => checker.take_removed(record.seq),
            }
        }
    }
    checker.end_lane().map_err(|found| Broken::at(row, found))?;
    if head != row.head {
        let (seq, link) = (row.head.seq, row.head.link);
        let what = format!("the chain ends here with {}, the row of the lane says with record {seq}, {link}", head.link);
        return Err(Broken::at(row, Break { seq: head.seq, what }).into());
    }
    Ok(LaneReport { tenant: row.tenant.clone(), lane: row.lane, head, counts: checker.counts() })
}

/// The stored state is the sum of the writes in the chains, nothing else.
fn the_state(store: &dyn Store, tenant: &TenantId, mut implied: ImpliedState) -> anyhow::Result<()> {
    let broken = |what| Broken::in_words(format!("the state of tenant {tenant}"), what);
    let mut after: Option<String> = None;
    loop {
        let page = store.states(tenant, after.as_deref(), PAGE_LEN)?;
        let Some((last, _)) = page.last() else { break };
        for (key, value) in &page {
            implied.tick_off(key, value.version, &value.value).map_err(broken)?;
        }
        after = Some(last.clone());
    }
    Ok(implied.finish().map_err(broken)?)
}
