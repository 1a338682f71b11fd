//! Checks an export line by line. Strict: each line is written anew from what was read in it and must be the same byte for byte, so that
//! nothing in the file can be changed unnoticed, not even what only people read.

use super::{EndLine, FORMAT, HeaderLine, LINE_LEN_MAX, Running, TrailerLine, render, render_record};
use crate::audit::{Checker, Counts, Head, Sealed};
use crate::digest::Digest;
use crate::id::{Lane, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// How much of two lines that differ is shown, in bytes.
const EXCERPT_LEN: usize = 40;

/// Longest explanation of a flaw in bytes: a parser may quote all that it did not understand.
const WHAT_LEN_MAX: usize = 600;

/// Checks one export; it is fed with lines in order. Memory: what [`Checker`] needs for one tenant, and one line.
#[derive(Debug, Default)]
pub struct Verifier {
    running: Running,
    /// Lines so far.
    lines: u64,
    sections: u64,
    /// The newest section.
    place: Option<(TenantId, Lane)>,
    /// The chain of the section that is open.
    head: Option<Head>,
    checker: Checker,
    ended: bool,
}

/// What a section held that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneReport {
    /// Whose lane.
    pub tenant: TenantId,
    /// Which.
    pub lane: Lane,
    /// The end of its chain.
    pub head: Head,
    /// What it held.
    pub counts: Counts,
}

/// Where an export is not what was exported, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", self.place())]
pub struct Flaw {
    /// The line, from 1.
    pub line: u64,
    /// In whose section, if in any.
    pub lane: Option<(TenantId, Lane)>,
    /// The record, where it is one.
    pub seq: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Flaw {
    /// The place in words: `line 7, local lane 0 record 6`.
    pub fn place(&self) -> String {
        let lane = self.lane.as_ref().map(|(tenant, lane)| format!(", {tenant} lane {}", lane.0));
        let record = self.seq.map(|seq| format!(" record {seq}"));
        format!("line {}{}{}", self.line, lane.unwrap_or_default(), record.unwrap_or_default())
    }
}

/// A record, as it is read. The readable part is not: that it is right follows from writing it anew.
#[derive(Deserialize)]
struct FoundRecord<'a> {
    seq: u64,
    #[serde(borrow)]
    link: &'a str,
    #[serde(borrow)]
    body: &'a str,
    #[serde(rename = "run")]
    _run: Option<IgnoredAny>,
    #[serde(rename = "previous")]
    _previous: Option<IgnoredAny>,
    #[serde(rename = "facts")]
    _facts: IgnoredAny,
}

/// What a line is, by how it begins: lines have one form only.
enum Kind {
    Header,
    Record,
    Trailer,
    End,
}

impl Kind {
    fn of(line: &[u8]) -> Result<Self, String> {
        let kinds = [
            (&b"{\"seq\":"[..], Self::Record),
            (b"{\"format\":", Self::Header),
            (b"{\"records\":", Self::Trailer),
            (b"{\"sections\":", Self::End),
        ];
        let found = kinds.into_iter().find(|(begin, _)| line.starts_with(begin));
        found.map(|(_, kind)| kind).ok_or_else(|| format!("{FORMAT} has no lines that begin with {}", excerpt(line)))
    }
}

impl Verifier {
    /// Takes in the next line with its newline; gives a report where it ends a section.
    ///
    /// # Errors
    /// [`Flaw`]; then the verifier must not be used any more.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<LaneReport>, Flaw> {
        self.lines += 1;
        let report = match self.checked(line) {
            Ok(report) => report,
            Err(what) => {
                let seq = self.next_seq().filter(|_| !matches!(Kind::of(line), Ok(Kind::Trailer)));
                return Err(self.flaw(seq, what));
            }
        };
        self.running.add(line);
        Ok(report)
    }

    /// The number of sections, if the export is whole.
    ///
    /// # Errors
    /// [`Flaw`] if its last line is missing.
    pub fn end(mut self) -> Result<u64, Flaw> {
        if self.ended {
            return Ok(self.sections);
        }
        self.lines += 1;
        Err(self.flaw(self.next_seq(), "the export ends here, without its last line: the rest is missing".to_owned()))
    }

    /// The record that belongs here, if a section is open: the head has not moved behind it.
    fn next_seq(&self) -> Option<u64> {
        self.head.map(|head| head.seq + 1)
    }

    fn flaw(&self, seq: Option<u64>, mut what: String) -> Flaw {
        what.truncate(what.floor_char_boundary(WHAT_LEN_MAX));
        Flaw { line: self.lines, lane: self.head.and(self.place.clone()), seq, what }
    }

    fn checked(&mut self, line: &[u8]) -> Result<Option<LaneReport>, String> {
        if self.ended {
            return Err("it stands behind the last line of the export".to_owned());
        }
        if line.len() > LINE_LEN_MAX {
            return Err(format!("it is longer than {LINE_LEN_MAX} bytes"));
        }
        if !line.ends_with(b"\n") {
            return Err("it does not end with a newline: the rest is missing".to_owned());
        }
        match (Kind::of(line)?, self.head) {
            (Kind::Header, None) => self.header(line).map(|()| None),
            (Kind::Record, Some(head)) => self.record(line, head).map(|()| None),
            (Kind::Trailer, Some(head)) => self.trailer(line, head).map(Some),
            (Kind::End, None) => self.end_line(line).map(|()| None),
            (Kind::Header | Kind::End, Some(_)) => Err("the section has not ended, its last line is missing".to_owned()),
            (Kind::Record | Kind::Trailer, None) => Err("no section has begun here, its first line is missing".to_owned()),
        }
    }

    fn header(&mut self, written: &[u8]) -> Result<(), String> {
        let header: HeaderLine = parsed(written)?;
        if header.format != FORMAT {
            return Err(format!("the format is {}, this release reads {FORMAT}", excerpt(header.format.as_bytes())));
        }
        rewritten(&header, written)?;
        let (tenant, lane) = (header.tenant, header.lane);
        let genesis = Head::genesis(&tenant, lane);
        if header.section != self.sections + 1 {
            return Err(format!("section {} stands where section {} belongs", header.section, self.sections + 1));
        }
        if header.from != 1 {
            return Err(format!("the section begins with record {}, in {FORMAT} all begin with record 1", header.from));
        }
        fits("link before the first record", &header.before, genesis.link)?;
        let place = Some((tenant, lane));
        if self.place >= place {
            return Err("sections stand in the order of tenants and lanes, each once; this one stands behind its place".to_owned());
        }
        match (&self.place, &place) {
            (Some((before, _)), Some((tenant, _))) if before == tenant => self.checker.begin_lane(lane),
            _ => {
                self.checker = Checker::default();
                self.checker.begin_lane(lane);
            }
        }
        self.place = place;
        self.head = Some(genesis);
        Ok(())
    }

    fn record(&mut self, written: &[u8], mut head: Head) -> Result<(), String> {
        let found: FoundRecord<'_> = parsed(written)?;
        let link =
            Digest::from_hex(found.link).ok_or_else(|| format!("the link {} is no digest", excerpt(found.link.as_bytes())))?;
        let body = STANDARD.decode(found.body).map_err(|e| format!("the body is not base64: {e}"))?;
        let record = Sealed { seq: found.seq, link, body: Bytes::from(body) };
        let body = head.check(&record).map_err(|e| e.what)?;
        same(written, &render_record(&record, &body))?;
        self.checker.take(record.seq, &body).map_err(|e| e.what)?;
        self.head = Some(head);
        Ok(())
    }

    fn trailer(&mut self, written: &[u8], head: Head) -> Result<LaneReport, String> {
        let trailer: TrailerLine = parsed(written)?;
        rewritten(&trailer, written)?;
        if trailer.records != head.seq {
            return Err(format!("the section ends with {} records, {} are here", trailer.records, head.seq));
        }
        fits("head", &trailer.head, head.link)?;
        fits("digest of all lines before", &trailer.digest, self.running.digest())?;
        self.head = None;
        self.sections += 1;
        let (tenant, lane) = self.place.clone().expect("the head is one of a section");
        Ok(LaneReport { tenant, lane, head, counts: self.checker.counts() })
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), String> {
        let end: EndLine = parsed(line)?;
        rewritten(&end, line)?;
        if end.sections != self.sections {
            return Err(format!("the export ends with {} sections, {} are here", end.sections, self.sections));
        }
        fits("digest of all lines before", &end.digest, self.running.digest())?;
        self.ended = true;
        Ok(())
    }
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|e| format!("the line cannot be read: {e}"))
}

fn rewritten<T: Serialize + DeserializeOwned>(found: &T, line: &[u8]) -> Result<(), String> {
    same(line, &render(found))
}

/// `found` and `expected` are the same bytes, or where they begin to differ.
fn same(found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
    Err(format!(
        "byte {} of the line does not stand as it was exported: {} instead of {}",
        at + 1,
        excerpt(&found[at..]),
        excerpt(&expected[at..])
    ))
}

fn fits(what: &str, found: &str, expected: Digest) -> Result<(), String> {
    if found == expected.hex() {
        return Ok(());
    }
    Err(format!("the {what} is {}, it should be `{}`", excerpt(found.as_bytes()), expected.hex()))
}

/// The beginning of `bytes` between quotes, on one line.
fn excerpt(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for c in String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT_LEN)]).chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    format!("`{shown}{}`", if bytes.len() > EXCERPT_LEN { "…" } else { "" })
}
