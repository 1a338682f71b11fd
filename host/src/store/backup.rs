//! The file that a backup is: rows of tables, each as it is in the data file, and a digest over all of it. Apart from what is stored, so that a
//! file can be checked, sent and kept by whoever knows nothing of tables; `docs/operations.md` describes it.

use super::StoreError;
use amends_domain::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

/// How a file of this format begins.
const MAGIC: &[u8] = b"amends-backup/1\n";
/// Longest key or value that is read: twice the longest line of an export. A length beyond it was never written.
const FIELD_LEN_MAX: u32 = 512 * 1024 * 1024;

// What a part begins with.
const TABLE: u8 = b'T';
const ROW: u8 = b'R';
const END: u8 = b'E';

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many rows.
    pub rows: u64,
    /// How long the file is, in bytes.
    pub len: u64,
    /// The digest at its end, over everything before it.
    pub digest: Digest,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// What is stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be written to where it should go.
    #[error("the backup cannot be written: {0}")]
    Out(#[source] io::Error),
    /// The store keeps nothing.
    #[error("this host keeps nothing on disk, so there is nothing to back up: start it with a data directory")]
    NothingKept,
}

/// Why a backup is not restored. Nothing is left of what was begun.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is where the data should go.
    #[error("{} is not empty: a backup is restored into a directory of its own, name another one", .0.display())]
    NotEmpty(PathBuf),
    /// It cannot be read.
    #[error("the backup cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It is not what was written.
    #[error("the backup is not whole, take another one: {0}")]
    Damaged(String),
    /// What it holds cannot be stored here.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a backup.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    digest: Sha256,
    rows: u64,
    len: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(out: &'a mut dyn Write) -> Result<Self, BackupError> {
        let mut writer = Self { out, digest: Sha256::new(), rows: 0, len: 0 };
        writer.put(MAGIC)?;
        Ok(writer)
    }

    /// The rows behind this belong to the table `name`.
    pub(super) fn table(&mut self, name: &str) -> Result<(), BackupError> {
        let len = u8::try_from(name.len()).expect("names of tables are short");
        self.put(&[TABLE, len])?;
        self.put(name.as_bytes())
    }

    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        self.rows += 1;
        self.put(&[ROW])?;
        self.put(&field_len(key))?;
        self.put(&field_len(value))?;
        self.put(key)?;
        self.put(value)
    }

    pub(super) fn end(mut self) -> Result<Summary, BackupError> {
        self.put(&[END])?;
        self.put(&self.rows.to_be_bytes())?;
        let Self { out, digest, rows, len } = self;
        let digest = Digest(digest.finalize().into());
        out.write_all(&digest.0).and_then(|()| out.flush()).map_err(BackupError::Out)?;
        Ok(Summary { rows, len: len + digest.0.len() as u64, digest })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        self.len += bytes.len() as u64;
        self.out.write_all(bytes).map_err(BackupError::Out)
    }
}

fn field_len(field: &[u8]) -> [u8; 4] {
    let len = u32::try_from(field.len()).ok().filter(|len| *len <= FIELD_LEN_MAX);
    len.expect("what is stored in one row is far shorter").to_be_bytes()
}

/// A part of a backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The rows behind it belong to this table.
    Table(String),
    /// A row of the table that was named last.
    Row { key: Vec<u8>, value: Vec<u8> },
    /// All was read, and it is what was written.
    End(Summary),
}

/// Reads a backup, part by part. What it gives may still be wrong until it has given the end.
pub(super) struct Reader<R> {
    from: R,
    digest: Sha256,
    rows: u64,
    len: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(from: R) -> Result<Self, RestoreError> {
        let mut reader = Self { from, digest: Sha256::new(), rows: 0, len: 0 };
        let magic: [u8; MAGIC.len()] = reader.fixed()?;
        if magic != MAGIC {
            let what = "it does not begin with `amends-backup/1`: it is no backup, or one of another release";
            return Err(RestoreError::Damaged(what.to_owned()));
        }
        Ok(reader)
    }

    pub(super) fn next(&mut self) -> Result<Part, RestoreError> {
        let at = self.len;
        match self.fixed()? {
            [TABLE] => {
                let [len] = self.fixed()?;
                let name = self.bytes(u32::from(len))?;
                let name = String::from_utf8(name).map_err(|_| damaged(at, "a table has no name"))?;
                Ok(Part::Table(name))
            }
            [ROW] => {
                let (key, value) = (u32::from_be_bytes(self.fixed()?), u32::from_be_bytes(self.fixed()?));
                if key > FIELD_LEN_MAX || value > FIELD_LEN_MAX {
                    return Err(damaged(at, "a row is longer than any that was written"));
                }
                self.rows += 1;
                Ok(Part::Row { key: self.bytes(key)?, value: self.bytes(value)? })
            }
            [END] => self.end(at),
            [_] => Err(damaged(at, "no part begins so")),
        }
    }

    fn end(&mut self, at: u64) -> Result<Part, RestoreError> {
        let rows = u64::from_be_bytes(self.fixed()?);
        if rows != self.rows {
            return Err(damaged(at, &format!("it says that there are {rows} rows, and there are {}", self.rows)));
        }
        let found = Digest(self.digest.clone().finalize().into());
        let digest = Digest(self.fixed()?);
        if found != digest {
            return Err(damaged(at, &format!("it says that its digest is {digest}, and it is {found}")));
        }
        let mut behind = Vec::new();
        self.from.by_ref().take(1).read_to_end(&mut behind).map_err(RestoreError::Read)?;
        if !behind.is_empty() {
            return Err(damaged(self.len, "something stands behind its end"));
        }
        Ok(Part::End(Summary { rows, len: self.len, digest }))
    }

    fn fixed<const LEN: usize>(&mut self) -> Result<[u8; LEN], RestoreError> {
        let mut bytes = [0; LEN];
        self.from.read_exact(&mut bytes).map_err(|error| self.broken_off(error))?;
        self.took(&bytes);
        Ok(bytes)
    }

    /// Takes memory as bytes come: a length that is wrong costs nothing.
    fn bytes(&mut self, len: u32) -> Result<Vec<u8>, RestoreError> {
        let mut bytes = Vec::new();
        self.from.by_ref().take(u64::from(len)).read_to_end(&mut bytes).map_err(RestoreError::Read)?;
        if bytes.len() as u64 != u64::from(len) {
            return Err(self.broken_off(ErrorKind::UnexpectedEof.into()));
        }
        self.took(&bytes);
        Ok(bytes)
    }

    fn took(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.len += bytes.len() as u64;
    }

    fn broken_off(&self, error: io::Error) -> RestoreError {
        match error.kind() {
            ErrorKind::UnexpectedEof => damaged(self.len, "it breaks off here"),
            _ => RestoreError::Read(error),
        }
    }
}

fn damaged(at: u64, what: &str) -> RestoreError {
    RestoreError::Damaged(format!("byte {at}: {what}"))
}

/// Checks that a backup is whole: what was written, all of it and nothing else. What it says is not looked at.
///
/// # Errors
/// [`RestoreError::Damaged`] with the place, or [`RestoreError::Read`].
pub fn check(from: impl Read) -> Result<Summary, RestoreError> {
    let mut reader = Reader::begin(from)?;
    loop {
        if let Part::End(summary) = reader.next()? {
            return Ok(summary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> (Vec<u8>, Summary) {
        let mut out = Vec::new();
        let mut writer = Writer::begin(&mut out).expect("memory takes all");
        writer.table("letters").expect("memory takes all");
        writer.row(b"a", b"alpha").expect("memory takes all");
        writer.row(b"", b"").expect("memory takes all");
        let summary = writer.end().expect("memory takes all");
        (out, summary)
    }

    #[test]
    fn a_backup_reads_as_it_was_written() {
        let (bytes, written) = backup();
        assert_eq!((written.rows, written.len), (2, bytes.len() as u64));
        let mut reader = Reader::begin(&bytes[..]).expect("it begins as it should");
        let row = |key: &[u8], value: &[u8]| Part::Row { key: key.to_vec(), value: value.to_vec() };
        for part in [Part::Table("letters".to_owned()), row(b"a", b"alpha"), row(b"", b""), Part::End(written)] {
            assert_eq!(reader.next().expect("it is whole"), part);
        }
        assert_eq!(check(&bytes[..]).expect("it is whole"), written);
    }

    #[test]
    fn a_backup_that_is_cut_or_changed_anywhere_or_goes_on_behind_its_end_is_refused() {
        let (bytes, _) = backup();
        for len in 0..bytes.len() {
            assert!(matches!(check(&bytes[..len]), Err(RestoreError::Damaged(_))), "cut to {len} bytes");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(matches!(check(&changed[..]), Err(RestoreError::Damaged(_))), "byte {at} changed");
        }
        assert!(check(&[&bytes[..], &[0]].concat()[..]).is_err_and(|error| error.to_string().contains("behind its end")));
    }

    #[test]
    fn where_a_backup_cannot_be_written_is_told_apart_from_what_cannot_be_read() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(matches!(Writer::begin(&mut Full).err(), Some(BackupError::Out(error)) if error.kind() == ErrorKind::StorageFull));
    }
}
