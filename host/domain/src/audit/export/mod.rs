//! A chain outside of the host, as lines of JSON that a third party can check with SHA-256 and base64 alone: `docs/audit-export.md` says
//! how. Here: what the lines look like; [`Exporter`] makes them, [`Verifier`] checks them. Neither reads nor writes a file.
//!
//! The readable facts of a record are part of the format: they are written anew from the body and must come out byte for byte as they
//! stand in the file. `tests/golden/export_lines.txt` notices if a library, or one of its features, begins to write them otherwise.

mod verify;
mod write;

pub use verify::{Flaw, LaneReport, Verdict, Verifier};
pub use write::Exporter;

use super::{Body, BodyError, Sealed};
use crate::digest::Digest;
use crate::event::{Entry, TenantEntry};
use crate::id::{Lane, RunId, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The format that this release writes. A new kind of line or field is a new format.
pub const FORMAT: &str = "amends-audit/2";

/// The format before it, which this release reads: every record has its body.
const FORMAT_1: &str = "amends-audit/1";

/// Longest line in bytes: 256 MiB. The largest record that a commit holds is 16 MiB and one append; as text it grows eightfold at most.
pub const LINE_LEN_MAX: usize = 256 * 1024 * 1024;

/// The first line of a section.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    /// From 1, so that a section that is lost is missed where it stood.
    section: u64,
    tenant: TenantId,
    lane: Lane,
    /// The number of the first record. Always 1 in this format.
    from: u64,
    /// The link in front of it.
    before: String,
}

/// The last line of a section.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrailerLine {
    records: u64,
    /// The link of the last record.
    head: String,
    /// SHA-256 of all bytes of the file before this line.
    digest: String,
}

/// The last line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    sections: u64,
    /// As in [`TrailerLine`].
    digest: String,
}

/// A record, as it is written.
#[derive(Serialize)]
struct RecordLine<'a> {
    seq: u64,
    link: String,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<u64>,
    facts: Facts<'a>,
}

/// A record whose body was removed, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedLine {
    seq: u64,
    link: String,
    /// The digest of the body.
    removed: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Facts<'a> {
    Run(&'a [Entry]),
    Tenant(&'a [TenantEntry]),
}

/// `line` as it stands in a file.
fn render(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("every line has a JSON form");
    bytes.push(b'\n');
    bytes
}

/// The line of a record that says `body`; none: it was removed.
fn render_record(record: &Sealed, body: Option<&Body>) -> Vec<u8> {
    let (Some(body), Some(bytes)) = (body, record.kept.body()) else {
        let (link, removed) = (record.link.hex(), record.kept.digest().hex());
        return render(&RemovedLine { seq: record.seq, link, removed });
    };
    let (run, previous, facts) = match body {
        Body::Run { run, previous, entries } => (Some(*run), Some(*previous), Facts::Run(entries)),
        Body::Tenant { entries } => (None, None, Facts::Tenant(entries)),
    };
    let (link, stored) = (record.link.hex(), STANDARD.encode(bytes));
    render(&RecordLine { seq: record.seq, link, body: stored, run, previous, facts })
}

/// A record as it stands in an export, without the end of its line. So that what is shown elsewhere is checked in the same way.
///
/// # Errors
/// What is wrong with its body.
pub fn record_line(record: &Sealed) -> Result<String, BodyError> {
    let body = record.kept.body().map(|bytes| Body::decode(bytes)).transpose()?;
    let mut line = render_record(record, body.as_ref());
    line.pop();
    Ok(String::from_utf8(line).expect("JSON is text"))
}

/// The digest of all lines so far.
#[derive(Debug, Default)]
struct Running(Sha256);

impl Running {
    fn add(&mut self, line: &[u8]) {
        self.0.update(line);
    }

    fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}
