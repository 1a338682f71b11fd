//! The key over compiled code: 32 random bytes in a file for its owner's eyes only, made once for a data directory. Whoever has it can
//! make the host run anything, so a key that others may have read or chosen is thrown away, and with it all that was compiled under it.

use hmac::{Hmac, Mac};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

/// Its name among the code.
pub(super) const NAME: &str = "key";
/// What it is called until it is whole.
const DRAFT: &str = "key.new";
/// Bytes, as many as the MAC has.
const LEN: usize = 32;

/// What code is authenticated with. Never shown.
pub(super) struct Key([u8; LEN]);

impl Key {
    /// The key in `dir`; makes one where there is none, or none that can be trusted.
    pub(super) fn open(dir: impl AsFd) -> io::Result<Self> {
        let dir = dir.as_fd();
        match Self::read(dir) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            Err(distrusted) => {
                tracing::warn!("the key of the compiled code {distrusted}: there is a new one, and everything is compiled again");
            }
        }
        Self::make(dir)
    }

    /// Authenticates code; nothing is in it yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("any length will do")
    }

    /// None if there is none; an error says why it is not to be trusted.
    fn read(dir: BorrowedFd<'_>) -> Result<Option<Self>, String> {
        let opened = openat(dir, NAME, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let mut file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(format!("cannot be opened ({error})")),
        };
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() || metadata.len() != LEN as u64 {
            return Err(format!("is not a file of {LEN} bytes"));
        }
        if metadata.mode() & 0o077 != 0 || metadata.uid() != geteuid().as_raw() {
            return Err("belongs to somebody else, or others may read or write it".into());
        }
        let mut key = [0; LEN];
        file.read_exact(&mut key).map_err(|error| error.to_string())?;
        Ok(Some(Self(key)))
    }

    /// It gets its name when it is whole and on the disk.
    fn make(dir: BorrowedFd<'_>) -> io::Result<Self> {
        let mut key = [0; LEN];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        match unlinkat(dir, DRAFT, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(dir, DRAFT, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&key)?;
        file.sync_all()?;
        renameat(dir, DRAFT, dir, NAME)?;
        Ok(Self(key))
    }
}
