//! Compiled code on disk, one file for each component, so that no start compiles what an earlier one compiled. A file that is not what
//! we wrote is never run: it is put aside, for whoever wants to know how it came there, and the component is compiled again. Nothing
//! that goes wrong here is more than a compilation that could have been saved.

use super::entry::{self, Compatibility, Fault, Wanted};
use super::key::Key;
use super::sealed::Code;
use crate::sandbox::SandboxError;
use amends_domain::digest::Digest;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fchmod, futimens, mkdir, open, openat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;

/// Most files that were put aside; beyond, the oldest goes.
const BAD_MAX: usize = 8;
/// Most files in the directory that are looked at. More are not ours.
const FILES_MAX: usize = 100_000;
/// How the names of files end: code, code being written, code that is not ours.
const CODE: &str = ".code";
const DRAFT: &str = ".new";
const BAD: &str = ".bad";

/// Where compiled code is kept. The directory is this sandbox's alone, as long as it lives.
#[derive(Debug, Clone)]
pub struct CodeDir {
    /// Made where there is none. Its parent must be there.
    pub dir: PathBuf,
    /// Most bytes of code; beyond, what was used longest ago goes.
    pub len_max: u64,
}

pub(in crate::sandbox) struct KeptCode {
    dir: OwnedFd,
    key: Key,
    compatibility: Compatibility,
    len_max: u64,
    drafts: AtomicU64,
}

/// A file in the directory.
struct Found {
    name: String,
    len: u64,
    /// When it was used last: seconds, nanoseconds.
    used: (i64, i64),
}

impl KeptCode {
    /// Opens the directory, for the code of `engine`.
    pub(in crate::sandbox) fn open(settings: &CodeDir, engine: &Engine) -> io::Result<Self> {
        match mkdir(&settings.dir, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = open(&settings.dir, flags, Mode::empty())?;
        // Whatever the umask was, or whoever made it.
        fchmod(&dir, Mode::RWXU)?;
        let key = Key::open(&dir)?;
        let compatibility = Compatibility::of(engine);
        let kept = Self { dir, key, compatibility, len_max: settings.len_max, drafts: AtomicU64::new(0) };
        // What a process that died was writing.
        for draft in found(&kept.dir, DRAFT)? {
            remove(&kept.dir, &draft.name);
        }
        Ok(kept)
    }

    /// The code of a component, if it is here and ours.
    pub(in crate::sandbox) fn get(&self, component: Digest) -> Option<Code> {
        let name = name(component);
        match self.read(&name, component) {
            Ok(code) => code,
            Err(fault @ Fault::Stale) => {
                tracing::debug!(%component, %fault, "compiled code is made again");
                None
            }
            Err(Fault::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                tracing::warn!(%component, %error, "compiled code cannot be read and is made again");
                None
            }
            Err(fault) => {
                tracing::warn!(%component, %fault, "compiled code on disk is not what was written there: put aside and made again");
                self.put_aside(&name);
                None
            }
        }
    }

    /// Keeps the code of a component, and drops what was used longest ago if it is too much.
    pub(in crate::sandbox) fn put(&self, component: Digest, code: &Code) {
        if code.len() > self.len_max {
            return;
        }
        let draft = format!("{}.{}{DRAFT}", component.hex(), self.drafts.fetch_add(1, Ordering::Relaxed));
        if let Err(error) = self.write(&draft, component, code) {
            tracing::warn!(%component, %error, "compiled code cannot be kept");
            remove(&self.dir, &draft);
            return;
        }
        if let Err(error) = self.trim() {
            tracing::warn!(%error, "compiled code cannot be listed");
        }
    }

    /// None if there is none.
    fn read(&self, name: &str, component: Digest) -> Result<Option<Code>, Fault> {
        // Not waiting for the other end of a pipe that somebody put there.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(Fault::Bad("it is a symbolic link")),
            Err(error) => return Err(Fault::Io(error.into())),
        };
        if !file.metadata()?.is_file() {
            return Err(Fault::Bad("it is not a file"));
        }
        let code = entry::read(&file, Wanted { component, compatibility: self.compatibility }, &self.key)?;
        // If the time of its use cannot be noted, it goes earlier than it should.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(&file, &Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: now });
        Ok(Some(code))
    }

    /// Written under another name first: whoever reads finds all of it or nothing. Not synced: what a power failure cuts off fails its MAC.
    fn write(&self, draft: &str, component: Digest, code: &Code) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&self.dir, draft, flags, Mode::RUSR | Mode::WUSR)?);
        entry::write(&file, Wanted { component, compatibility: self.compatibility }, code, &self.key)?;
        Ok(renameat(&self.dir, draft, &self.dir, name(component))?)
    }

    fn trim(&self) -> io::Result<()> {
        let mut files = found(&self.dir, CODE)?;
        files.sort_by_key(|file| file.used);
        let mut len: u64 = files.iter().map(|file| file.len).sum();
        for file in files {
            if len <= self.len_max {
                break;
            }
            remove(&self.dir, &file.name);
            len -= file.len;
        }
        Ok(())
    }

    fn put_aside(&self, name: &str) {
        let bad = name.replace(CODE, BAD);
        if let Err(error) = renameat(&self.dir, name, &self.dir, &bad) {
            tracing::warn!(name, %error, "cannot be put aside");
            return;
        }
        let Ok(mut files) = found(&self.dir, BAD) else { return };
        files.sort_by_key(|file| file.used);
        let over = files.len().saturating_sub(BAD_MAX);
        for file in files.iter().filter(|file| file.name != bad).take(over) {
            remove(&self.dir, &file.name);
        }
    }
}

/// Removes the code of components that are not `stored` from a directory that no sandbox has, and says how many bytes that were. Nothing if
/// there is no such directory. What cannot be removed stays: it is looked at again the next time.
///
/// # Errors
/// [`SandboxError::CodeDir`] if the directory cannot be listed; what `stored` says.
pub fn forget_code<E: From<SandboxError>>(dir: &Path, stored: impl Fn(Digest) -> Result<bool, E>) -> Result<u64, E> {
    let unlisted = |source: io::Error| SandboxError::CodeDir { dir: dir.to_owned(), source };
    let opened = match open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(0),
        Err(error) => return Err(unlisted(error.into()).into()),
    };
    let mut bytes = 0;
    for file in found(&opened, CODE).map_err(unlisted)? {
        // A name that is none of ours is let be.
        let Some(component) = file.name.strip_suffix(CODE).and_then(|hex| format!("sha256:{hex}").parse().ok()) else { continue };
        if !stored(component)? {
            remove(&opened, &file.name);
            bytes += file.len;
        }
    }
    Ok(bytes)
}

/// All files in a directory whose names end so.
fn found(dir: &OwnedFd, ending: &str) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(dir)?.take(FILES_MAX) {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !name.ends_with(ending) {
            continue;
        }
        // Gone meanwhile, for all that we know.
        let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        let used = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
        found.push(Found { name: name.to_owned(), len, used });
    }
    Ok(found)
}

fn remove(dir: &OwnedFd, name: &str) {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => tracing::warn!(name, %error, "cannot be removed"),
    }
}

fn name(component: Digest) -> String {
    format!("{}{CODE}", component.hex())
}
