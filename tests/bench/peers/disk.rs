//! How often the disk was told to make things durable, as the kernel counts it for the whole disk: on a machine that does nothing else, that is
//! what a system asks of it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The disk that a folder is on.
pub(crate) struct Flushes(Option<u64>);

impl Flushes {
    pub(crate) fn of(folder: &Path) -> Self {
        Self(std::fs::metadata(folder).ok().map(|metadata| metadata.dev()))
    }

    /// How many there were since the machine was started; none if that cannot be seen.
    pub(crate) fn now(&self) -> Option<u64> {
        flushes(&std::fs::read_to_string("/proc/diskstats").ok()?, self.0?)
    }
}

/// The 16th number of a disk in /proc/diskstats.
fn flushes(stats: &str, device: u64) -> Option<u64> {
    // As the kernel has it in user space: twelve bits of the number in front, eight behind, and the rest of both above.
    let (major, minor) = (((device >> 8) & 0xfff) | ((device >> 32) & !0xfff), (device & 0xff) | ((device >> 12) & !0xff));
    let of_disk = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let is_it = fields.first()?.parse() == Ok(major) && fields.get(1)?.parse() == Ok(minor);
        if is_it { fields.get(18)?.parse().ok() } else { None }
    };
    stats.lines().find_map(of_disk)
}
