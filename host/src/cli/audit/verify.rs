//! `amends audit verify`: a data directory, or an export without one.

use super::{Broken, PAGE_LEN, Telling, Verify, lanes, unknown_tenant};
use crate::cli::error::misuse;
use crate::compose::Reader;
use crate::store::{LaneRow, Store};
use amends_domain::audit::export::{LINE_LEN_MAX, LaneReport, Verifier};
use amends_domain::audit::{Break, Checker, Head};
use amends_domain::id::TenantId;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What is read from an export at a time: 1 MiB.
const BUFFER_LEN: usize = 1024 * 1024;

pub(super) fn run(verify: &Verify, telling: &mut Telling) -> anyhow::Result<()> {
    let tenant = verify.tenant.as_ref();
    match (&verify.path, &verify.data) {
        (Some(path), None) => an_export(path, tenant, telling),
        (None, Some(data)) => a_store(&*Reader::open(data)?, tenant, telling),
        (Some(_), Some(_)) | (None, None) => Err(misuse("what_to_verify", "name an export, or a data directory with --data")),
    }
}

/// The file is checked as a whole, whoever's section is asked for: that sections are there is part of it.
fn an_export(path: &Path, tenant: Option<&TenantId>, telling: &mut Telling) -> anyhow::Result<()> {
    let unreadable = |error| misuse("file_not_readable", format!("failed to read {}: {error}", path.display()));
    let mut file = BufReader::with_capacity(BUFFER_LEN, File::open(path).map_err(unreadable)?);
    let mut verifier = Verifier::default();
    let mut line = Vec::new();
    let mut told = false;
    while file.by_ref().take(LINE_LEN_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
        let report = verifier.line(&line).map_err(Broken::from)?;
        if let Some(report) = report.filter(|report| tenant.is_none_or(|tenant| report.tenant == *tenant)) {
            telling.verified(&report)?;
            told = true;
        }
        line.clear();
    }
    verifier.end().map_err(Broken::from)?;
    match tenant {
        Some(tenant) if !told => Err(unknown_tenant(tenant)),
        Some(_) | None => Ok(()),
    }
}

/// Nobody else has the store open, so nothing is committed meanwhile.
fn a_store(store: &dyn Store, tenant: Option<&TenantId>, telling: &mut Telling) -> anyhow::Result<()> {
    for rows in lanes(store, tenant)?.chunk_by(|a, b| a.tenant == b.tenant) {
        let mut checker = Checker::default();
        let mut reports = Vec::new();
        for row in rows {
            reports.push(a_lane(store, row, &mut checker)?);
        }
        the_state(store, &rows[0].tenant, checker)?;
        for report in &reports {
            telling.verified(report)?;
        }
    }
    Ok(())
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
            let body = head.check(record).map_err(|found| Broken::at(row, found))?;
            checker.take(record.seq, &body).map_err(|found| Broken::at(row, found))?;
        }
    }
    if head != row.head {
        let (seq, link) = (row.head.seq, row.head.link);
        let what = format!("the chain ends here with {}, the row of the lane says with record {seq}, {link}", head.link);
        return Err(Broken::at(row, Break { seq: head.seq, what }).into());
    }
    Ok(LaneReport { tenant: row.tenant.clone(), lane: row.lane, head, counts: checker.counts() })
}

/// The stored state is the sum of the writes in the chains, nothing else.
fn the_state(store: &dyn Store, tenant: &TenantId, checker: Checker) -> anyhow::Result<()> {
    let broken = |what| Broken::in_words(format!("the state of tenant {tenant}"), what);
    let mut implied = checker.into_state();
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
