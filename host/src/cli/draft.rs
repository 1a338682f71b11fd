//! A file that is there under its name when it is whole and on the disk, not before. Apart, because exports and backups are written alike.

use super::error::{misuse, refused};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file beside the one that is to be, until it is whole.
pub(super) struct Draft {
    path: PathBuf,
    out: PathBuf,
    dir: PathBuf,
}

impl Draft {
    pub(super) fn begin(out: &Path) -> anyhow::Result<Self> {
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

    /// What is there may be somebody's evidence, or the only backup.
    fn must_be_new(&self) -> anyhow::Result<()> {
        match fs::symlink_metadata(&self.out) {
            Ok(_) => {
                let message = format!("{} is there already and is not replaced: name another file", self.out.display());
                Err(refused("file_exists", message))
            }
            Err(_) => Ok(()),
        }
    }

    /// Writes with `write` and gives the file its name. Nothing is left of it if that fails.
    pub(super) fn fill(self, write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
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
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&self.path);
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
