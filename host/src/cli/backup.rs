//! `amends backup`, `amends restore` and `amends compact`: all that is stored as one file, back from it, and the data file as small as what is in it.

use super::argument::Data;
use super::audit::{Verified, verify_all};
use super::desk::At;
use super::draft::Draft;
use super::error::misuse;
use super::output::{Exit, Format, plain, say, say_json};
use crate::client::Ask;
use crate::compose::{self, Reader, Smaller};
use crate::store::backup::{Summary, check};
use crate::store::redb::Collected;
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// What is read from a backup at a time: 1 MiB.
const BUFFER_LEN: usize = 1024 * 1024;

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  amends backup --out monday.backup                 # of a server, which goes on meanwhile; for operators
  amends backup --data ./data --out monday.backup   # of a data directory that no server has

The file has its name when it is whole: it was checked against its digest. The master key of secrets is not in a backup, and what secrets are
sealed with must be kept as well; compiled code is not in it either and is made again. A file that is there already is not replaced.";

pub(super) const RESTORE_EXAMPLES: &str = "\
Example:
  amends restore monday.backup --data ./restored

The directory must be new or empty. The file is checked against its digest, then every chain, journal and the state as by `amends audit
verify`; only then is there a data directory. Exit code 3 if the file is not whole, 5 if a chain in it is broken.";

pub(super) const COMPACT_EXAMPLES: &str = "\
Example:
  amends compact --data ./data

Nobody else may have the data directory. Components that nothing uses go, with what was compiled of them: that no version of a plugin is, no name
means, and no run that is kept pins. Needs some free space while it works.";

/// Write all that is stored to one file
#[derive(Debug, Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub(super) struct Backup {
    #[command(flatten)]
    at: At,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Make a data directory of a backup
#[derive(Debug, Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    data: Data,
}

/// Remove components that nothing uses, and make the data file as small as what is in it
#[derive(Debug, Args)]
#[command(after_help = COMPACT_EXAMPLES)]
pub(super) struct Compact {
    #[command(flatten)]
    data: Data,
}

pub(super) fn back_up(backup: &Backup, format: Format) -> anyhow::Result<Exit> {
    backup.at.of_all_tenants()?;
    let draft = Draft::begin(&backup.out)?;
    let mut summary = None;
    if let Some((data, _)) = backup.at.here() {
        let reader = Reader::open(data)?;
        draft.fill(|file| {
            summary = Some(reader.back_up(file)?);
            Ok(())
        })?;
    } else {
        let there = backup.at.there()?;
        draft.fill(|file| {
            there.client().fetch(&Ask::post("/v1/backup", &json!({})), file)?;
            summary = Some(check_written(file)?);
            Ok(())
        })?;
    }
    tell(&backup.out, &summary.expect("it was written"), format)?;
    Ok(Exit::Done)
}

/// A stream that breaks off is told by its end, which has the digest: what came is read again from the disk, as it will be restored.
fn check_written(file: &mut BufWriter<File>) -> anyhow::Result<Summary> {
    file.flush()?;
    let mut written = file.get_ref().try_clone()?;
    written.rewind()?;
    Ok(check(BufReader::with_capacity(BUFFER_LEN, written))?)
}

fn tell(file: &Path, summary: &Summary, format: Format) -> anyhow::Result<()> {
    let Summary { rows, len, digest } = summary;
    match format {
        Format::Text => say(format_args!("{}: rows {rows}, {len} bytes, {digest}", plain(&file.display().to_string())))?,
        Format::Json => say_json(&json!({ "file": file, "rows": rows, "bytes": len, "digest": digest }))?,
    }
    Ok(())
}

pub(super) fn restore(restore: &Restore, format: Format) -> anyhow::Result<Exit> {
    let (path, data) = (&restore.file, &restore.data.dir);
    let unreadable = |error| misuse("file_not_readable", format!("failed to read {}: {error}", path.display()));
    let file = BufReader::with_capacity(BUFFER_LEN, File::open(path).map_err(unreadable)?);
    let restored = compose::restore(file, data)?;
    let lanes = match verify_all(&*restored, format)? {
        Verified::Right(lanes) => lanes,
        Verified::Broken(exit) => return Ok(exit),
    };
    let Summary { rows, digest, .. } = restored.summary();
    restored.keep()?;
    match format {
        Format::Text => say(format_args!("{} has what {} had: rows {rows}, {digest}", shown(data), shown(path)))?,
        Format::Json => say_json(&json!({ "data": data, "file": path, "rows": rows, "digest": digest, "lanes": lanes }))?,
    }
    Ok(Exit::Done)
}

pub(super) fn compact(compact: &Compact, format: Format) -> anyhow::Result<Exit> {
    let Smaller { collected, code_bytes, file } = compose::compact(&compact.data.dir)?;
    match format {
        Format::Text => {
            say(format_args!("{}: {} bytes before, {} bytes now", shown(&compact.data.dir), file.before, file.after))?;
            let Collected { components, bytes } = collected;
            say(format_args!(
                "removed what nothing uses: components {components}, {bytes} bytes; compiled code, {code_bytes} bytes"
            ))?;
        }
        Format::Json => say_json(&json!({
            "data": compact.data.dir,
            "bytes_before": file.before,
            "bytes": file.after,
            "components_removed": collected.components,
            "component_bytes_removed": collected.bytes,
            "code_bytes_removed": code_bytes,
        }))?,
    }
    Ok(Exit::Done)
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
}
