//! `amends audit export`: the file appears under its name when it is whole and on the disk, not before.

use super::{Broken, Export, PAGE_LEN, Telling, lanes, there};
use crate::cli::draft::Draft;
use crate::compose::Reader;
use crate::store::{LaneRow, Store};
use amends_domain::audit::Break;
use amends_domain::audit::export::Exporter;
use std::io::Write;

pub(super) fn run(export: &Export, telling: &mut Telling) -> anyhow::Result<()> {
    let draft = Draft::begin(&export.out)?;
    let Some((data, tenant)) = export.at.directory() else {
        let there = export.at.there()?;
        let mut row = None;
        draft.fill(|file| {
            row = Some(there::write(&there, file)?);
            Ok(())
        })?;
        return row.iter().try_for_each(|row| telling.exported(row));
    };
    let reader = Reader::open(data)?;
    let rows = lanes(&*reader, tenant)?;
    draft.fill(|file| write_all(&*reader, &rows, file))?;
    rows.iter().try_for_each(|row| telling.exported(row))
}

fn write_all(store: &dyn Store, rows: &[LaneRow], file: &mut impl Write) -> anyhow::Result<()> {
    let mut exporter = Exporter::default();
    for row in rows {
        write_lane(store, row, &mut exporter, file)?;
    }
    Ok(file.write_all(&exporter.end())?)
}

fn write_lane(store: &dyn Store, row: &LaneRow, exporter: &mut Exporter, file: &mut impl Write) -> anyhow::Result<()> {
    let broken = |seq, what: String| Broken::at(row, Break { seq, what });
    file.write_all(&exporter.section(&row.tenant, row.lane))?;
    let (mut next, last) = (1, row.head.seq);
    while next <= last {
        let left = usize::try_from(last - next + 1).unwrap_or(PAGE_LEN);
        let records = store.records(&row.tenant, row.lane, next, left.min(PAGE_LEN))?;
        if records.is_empty() {
            return Err(broken(next, format!("it is missing, the row of the lane says that there are {last}")).into());
        }
        for record in &records {
            file.write_all(&exporter.record(record).map_err(|found| Broken::at(row, found))?.0)?;
            if record.seq == last && record.link != row.head.link {
                let what = format!("its link is {}, the row of the lane says {}", record.link, row.head.link);
                return Err(broken(last, what).into());
            }
        }
        next += records.len() as u64;
    }
    Ok(file.write_all(&exporter.end_section())?)
}
