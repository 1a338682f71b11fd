//! How much room there is where the data is. A trait, so that a test can say that there is none.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a file system has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this process may still take.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Where data is kept.
pub trait Space: fmt::Debug + Send + Sync + 'static {
    /// How much room there is now. Takes microseconds.
    ///
    /// # Errors
    /// What the system says.
    fn room(&self) -> io::Result<Room>;
}

/// The file system that a directory is on.
#[derive(Debug, Clone)]
pub struct FileSystem(pub PathBuf);

impl Space for FileSystem {
    fn room(&self) -> io::Result<Room> {
        let found = rustix::fs::statvfs(&self.0)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        // What is free for everybody, and not what is kept for root: the service does not run as root.
        Ok(Room { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }
}

/// Least free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeMin {
    /// So many bytes.
    Bytes(u64),
    /// So much of what there is.
    Percent(u8),
}

impl FreeMin {
    /// In bytes, where there is `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => total / 100 * u64::from(percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_on_a_disk_with_room_and_what_is_not_there_is_on_none() {
        let room = FileSystem(std::env::temp_dir()).room().expect("it is there");
        assert!(room.total > 0 && room.free <= room.total, "{room:?}");
        assert!(FileSystem("/nowhere/at/all".into()).room().is_err());
    }

    #[test]
    fn least_free_space_is_bytes_or_a_part() {
        assert_eq!((FreeMin::Percent(5).of(2000), FreeMin::Bytes(7).of(2000)), (100, 7));
    }
}
