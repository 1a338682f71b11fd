//! `amends audit export`: the file appears under its name when it is whole and on the disk, not before.

use super::{Broken, Export, PAGE_LEN, Telling, lanes};
use crate::cli::error::{misuse, refused};
use crate::compose::Reader;
use crate::store::{LaneRow, Store};
use amends_domain::audit::Break;
use amends_domain::audit::export::Exporter;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) fn run(export: &Export, telling: &mut Telling) -> anyhow::Result<()> {
    let draft = Draft::begin(&export.out)?;
    let reader = Reader::open(&export.data)?;
    let rows = lanes(&*reader, export.tenant.as_ref())?;
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
            file.write_all(&exporter.record(record).map_err(|found| Broken::at(row, found))?)?;
            if record.seq == last && record.link != row.head.link {
                let what = format!("its link is {}, the row of the lane says {}", record.link, row.head.link);
                return Err(broken(last, what).into());
            }
        }
        next += records.len() as u64;
    }
    Ok(file.write_all(&exporter.end_section())?)
}

/// A file beside the one that is to be, until it is whole.
struct Draft {
    path: PathBuf,
    out: PathBuf,
    dir: PathBuf,
}

impl Draft {
    fn begin(out: &Path) -> anyhow::Result<Self> {
        let name = out.file_name().ok_or_else(|| misuse("not_a_file_name", format!("{} names no file", out.display())))?;
        let dir = match out.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            Some(_) | None => Path::new("."),
        };
        if !dir.is_dir() {
            return Err(misuse("no_directory", format!("there is no directory {}", dir.display())));
        }
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}.partial", std::process::id()));
        let draft = Self { path: dir.join(draft), out: out.to_owned(), dir: dir.to_owned() };
        draft.must_be_new()?;
        Ok(draft)
    }

    /// Another export may be somebody's evidence.
    fn must_be_new(&self) -> anyhow::Result<()> {
        match fs::symlink_metadata(&self.out) {
            Ok(_) => {
                let message = format!("{} is there already: an export is not replaced, name another file", self.out.display());
                Err(refused("file_exists", message))
            }
            Err(_) => Ok(()),
        }
    }

    /// Writes with `write` and gives the file its name. Nothing is left of it if that fails.
    fn fill(self, write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let filled = self.write(write).and_then(|()| {
            // Somebody may have made one while this was written; between here and the next line nobody looks.
            self.must_be_new()?;
            self.publish().map_err(|error| self.unwritable(&error))
        });
        if filled.is_err() {
            // What cannot be written may not be removable either, and the error that is told is the one that matters.
            let _ = fs::remove_file(&self.path);
        }
        filled
    }

    fn write(&self, write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        // For its owner's eyes only, like the data file: tenants' inputs and outputs are in it.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path);
        let mut file = BufWriter::new(file.map_err(|error| self.unwritable(&error))?);
        write(&mut file)?;
        let file = file.into_inner().map_err(|error| self.unwritable(error.error()))?;
        file.sync_all().map_err(|error| self.unwritable(&error))
    }

    fn publish(&self) -> io::Result<()> {
        fs::rename(&self.path, &self.out)?;
        File::open(&self.dir)?.sync_all()
    }

    fn unwritable(&self, error: &io::Error) -> anyhow::Error {
        misuse("file_not_writable", format!("failed to write {}: {error}", self.out.display()))
    }
}
