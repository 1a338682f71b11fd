//! How much room there is where the data is. A trait, so that a test can say that there is none.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::fs::StatVfs;

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
    /// How much room there is now; none said by a file system without a bound of its own. Takes microseconds.
    ///
    /// # Errors
    /// What the system says.
    fn room(&self) -> io::Result<Option<Room>>;
}

/// The file system that a directory is on.
#[derive(Debug, Clone)]
pub struct FileSystem(pub PathBuf);

impl Space for FileSystem {
    fn room(&self) -> io::Result<Option<Room>> {
        Ok(room_of(&rustix::fs::statvfs(&self.0)?))
    }
}

fn room_of(found: &StatVfs) -> Option<Room> {
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    // What is free for everybody, and not what is kept for root: the service does not run as root. Where more is kept than there is, some file
    // systems say a number below zero, which comes as one that is larger than the disk.
    let free = found.f_bavail.min(found.f_bfree).min(found.f_blocks);
    (found.f_blocks > 0).then(|| Room { free: bytes(free), total: bytes(found.f_blocks) })
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
        assert!(room.is_none_or(|room| room.free <= room.total), "{room:?}");
        let nowhere = std::env::temp_dir().join(format!("amends-nowhere-{}", std::process::id()));
        assert!(FileSystem(nowhere).room().is_err());
    }

    #[test]
    fn a_file_system_without_an_end_says_nothing_of_its_room() {
        assert_eq!(FileSystem("/proc".into()).room().expect("it is there"), None);
    }

    #[test]
    fn no_more_is_free_than_there_is() {
        let mut found = rustix::fs::statvfs("/").expect("it is there");
        (found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail) = (10, 100, 40, 30);
        assert_eq!(room_of(&found), Some(Room { free: 300, total: 1000 }));
        found.f_bavail = u64::MAX - 5;
        assert_eq!(room_of(&found), Some(Room { free: 400, total: 1000 }));
    }

    #[test]
    fn least_free_space_is_bytes_or_a_part() {
        assert_eq!((FreeMin::Percent(5).of(2000), FreeMin::Bytes(7).of(2000)), (100, 7));
    }
}
