//! A folder that goes away with the command: where nobody says where everything is to be kept.

use super::error::misuse;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How many names are tried.
const FOLDERS_MAX: u32 = 100;

/// A folder that goes away with this.
pub(super) struct Gone(PathBuf);

impl Gone {
    /// Makes one, among those for temporary files; `command` is in its name.
    pub(super) fn new(command: &str) -> anyhow::Result<Self> {
        let base = std::env::temp_dir();
        let name = |n| base.join(format!("amends-{command}-{}-{n}", std::process::id()));
        // Made by this process, for its user: a folder that was there before may be somebody's who waits for one.
        let made = (0..FOLDERS_MAX).map(name).find(|path| DirBuilder::new().mode(0o700).create(path).is_ok());
        made.map(Self).ok_or_else(|| misuse("no_directory", format!("no folder can be made in {}: say --data DIR", base.display())))
    }

    /// Where it is.
    pub(super) fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, dir = %self.0.display(), "the folder is still there");
        }
    }
}
