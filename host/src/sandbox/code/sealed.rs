//! Memory that nobody can change any more: a file without a name (memfd), whose seals the kernel keeps. Code is checked before it is
//! mapped, and whoever could write to it in between would have been checked for nothing.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// Code that is being written.
pub(in crate::sandbox) struct Draft(File);

/// Code that is complete and cannot change. There is no way to make one of bytes that a guest or a file chose: those who make drafts
/// are the compiler, and the reader of what the compiler made, which verifies that it did.
pub(in crate::sandbox) struct Code {
    file: File,
    len: u64,
}

impl Draft {
    /// With nothing in it.
    pub(in crate::sandbox) fn new() -> io::Result<Self> {
        let file = memfd_create("amends-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        Ok(Self(file.into()))
    }

    /// Adds to its end.
    pub(in crate::sandbox) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Makes it unchangeable.
    pub(in crate::sandbox) fn seal(self) -> io::Result<Code> {
        // Not `WRITE`, which fails while the kernel itself happens to look at one of the pages. That one also looks for mappings that can
        // be written to, and there is none: only this value ever had the file.
        fcntl_add_seals(&self.0, SealFlags::FUTURE_WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let len = self.0.metadata()?.len();
        Ok(Code { file: self.0, len })
    }
}

impl Code {
    /// Bytes.
    pub(in crate::sandbox) fn len(&self) -> u64 {
        self.len
    }

    /// The sealed file. Its position is anybody's: read it with an offset.
    pub(in crate::sandbox) fn file(&self) -> &File {
        &self.file
    }

    /// Where this process can open it again, as long as this value lives.
    pub(in crate::sandbox) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_is_sealed_can_be_read_and_not_changed() {
        let mut draft = Draft::new().expect("memory");
        draft.write(b"co").and_then(|()| draft.write(b"de")).expect("it is not sealed");
        let code = draft.seal().expect("it is ours");
        assert_eq!((code.len(), std::fs::read(code.path()).expect("it is open")), (4, b"code".to_vec()));
        assert!(code.file().write_at(b"x", 0).is_err(), "through the file that wrote it");
        assert!(code.file().set_len(2).is_err() && code.file().set_len(9).is_err(), "nor cut, nor grown");
        let again = OpenOptions::new().write(true).open(code.path());
        assert!(again.and_then(|file| file.write_at(b"x", 0)).is_err(), "nor through another one");
        assert_eq!(std::fs::read(code.path()).expect("it is open"), b"code");
    }
}
