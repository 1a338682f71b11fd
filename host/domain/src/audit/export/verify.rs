//! Checks an export line by line. Strict: each line is written anew from what was read in it and must be the same byte for byte, so that
//! nothing in the file can be changed unnoticed, not even what only people read.

use super::{EndLine, FORMAT, FORMAT_1, HeaderLine, LINE_LEN_MAX, RemovedLine, Running, TrailerLine, render, render_record};
use crate::audit::runs::Reopened;
use crate::audit::{Checker, Counts, Head, Kept, Sealed};
use crate::digest::Digest;
use crate::id::{Lane, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::mem;
use std::ops::ControlFlow;

/// How much of two lines that differ is shown, in bytes.
const EXCERPT_LEN: usize = 40;

/// Longest explanation of a flaw in bytes: a parser may quote all that it did not understand.
const WHAT_LEN_MAX: usize = 600;

/// Checks one export; it is fed with lines in order, and asked at the [`end`](Self::end). Memory: what [`Checker`] needs for one tenant,
/// the runs that went on after they ended, a report for each section, and one line.
#[derive(Debug, Default)]
pub struct Verifier {
    running: Running,
    /// Lines so far.
    lines: u64,
    sections: Vec<LaneReport>,
    /// The newest section.
    place: Option<(TenantId, Lane)>,
    /// The chain of the section that is open.
    head: Option<Head>,
    checker: Checker,
    /// What a second reading must know of the tenants before the newest one.
    reopened: HashMap<TenantId, Reopened>,
    /// What the first reading found, if this is the second.
    known: Option<HashMap<TenantId, Reopened>>,
    /// The format of all sections, once there is one.
    format: Option<String>,
    state: State,
}

/// How far an export was read.
#[derive(Debug, Default)]
enum State {
    /// There is more.
    #[default]
    Open,
    /// The last line was there.
    Ended,
    /// It is wrong.
    Wrong(Flaw),
}

/// What comes of reading an export.
#[derive(Debug)]
pub enum Verdict {
    /// It is what was exported, and makes sense: its sections.
    Right(Vec<LaneReport>),
    /// It is not, or it makes none.
    Wrong {
        /// The first place where that shows.
        flaw: Box<Flaw>,
        /// The sections before.
        before: Vec<LaneReport>,
    },
    /// Runs in it went on after they ended, and whether they could is still to be checked: let this verifier read the same lines, from
    /// the first one on. It does not ask for a third time.
    Again(Box<Verifier>),
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
    /// Takes in the next line with its newline. To break is to say that nothing behind it matters.
    pub fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        if let State::Wrong(_) = self.state {
            return ControlFlow::Break(());
        }
        self.lines += 1;
        if let Err(what) = self.checked(line) {
            let seq = self.next_seq().filter(|_| !matches!(Kind::of(line), Ok(Kind::Trailer)));
            self.state = State::Wrong(self.flaw(seq, what));
            return ControlFlow::Break(());
        }
        self.running.add(line);
        ControlFlow::Continue(())
    }

    /// Ends the reading.
    pub fn end(mut self) -> Verdict {
        self.leave_tenant();
        if self.reopened.values().any(Reopened::is_unchecked) {
            // Also where a flaw was found: one that only the second reading can see may stand before it.
            return Verdict::Again(Box::new(Self { known: Some(self.reopened), ..Self::default() }));
        }
        let flaw = match mem::take(&mut self.state) {
            State::Ended => return Verdict::Right(self.sections),
            State::Wrong(flaw) => flaw,
            State::Open => {
                self.lines += 1;
                self.flaw(self.next_seq(), "the export ends here, without its last line: the rest is missing".to_owned())
            }
        };
        Verdict::Wrong { flaw: Box::new(flaw), before: self.sections }
    }

    /// Keeps what a second reading must know of the newest tenant, and makes room for the next one.
    fn leave_tenant(&mut self) {
        let Some((tenant, _)) = &self.place else { return };
        let reopened = mem::take(&mut self.checker).into_reopened();
        if !reopened.is_empty() {
            self.reopened.insert(tenant.clone(), reopened);
        }
    }

    fn enter_tenant(&mut self, tenant: &TenantId) {
        self.leave_tenant();
        if let Some(known) = &mut self.known {
            self.checker = Checker::knowing(known.remove(tenant).unwrap_or_default());
        }
    }

    /// The record that belongs here, if a section is open: the head has not moved behind it.
    fn next_seq(&self) -> Option<u64> {
        self.head.map(|head| head.seq + 1)
    }

    fn flaw(&self, seq: Option<u64>, mut what: String) -> Flaw {
        what.truncate(what.floor_char_boundary(WHAT_LEN_MAX));
        Flaw { line: self.lines, lane: self.head.and(self.place.clone()), seq, what }
    }

    fn checked(&mut self, line: &[u8]) -> Result<(), String> {
        if matches!(self.state, State::Ended) {
            return Err("it stands behind the last line of the export".to_owned());
        }
        if line.len() > LINE_LEN_MAX {
            return Err(format!("it is longer than {LINE_LEN_MAX} bytes"));
        }
        if !line.ends_with(b"\n") {
            return Err("it does not end with a newline: the rest is missing".to_owned());
        }
        match (Kind::of(line)?, self.head) {
            (Kind::Header, None) => self.header(line),
            (Kind::Record, Some(head)) => self.record(line, head),
            (Kind::Trailer, Some(head)) => self.trailer(line, head),
            (Kind::End, None) => self.end_line(line),
            (Kind::Header | Kind::End, Some(_)) => Err("the section has not ended, its last line is missing".to_owned()),
            (Kind::Record | Kind::Trailer, None) => Err("no section has begun here, its first line is missing".to_owned()),
        }
    }

    fn header(&mut self, written: &[u8]) -> Result<(), String> {
        let header: HeaderLine = parsed(written)?;
        if header.format != *self.format.get_or_insert_with(|| header.format.clone()) {
            return Err(format!("the format is {}, in the sections before it is another", excerpt(header.format.as_bytes())));
        }
        if ![FORMAT, FORMAT_1].contains(&header.format.as_str()) {
            return Err(format!("the format is {}, this release reads {FORMAT} and {FORMAT_1}", excerpt(header.format.as_bytes())));
        }
        rewritten(&header, written)?;
        let (tenant, lane) = (header.tenant, header.lane);
        let genesis = Head::genesis(&tenant, lane);
        let section = self.sections.len() as u64 + 1;
        if header.section != section {
            return Err(format!("section {} stands where section {section} belongs", header.section));
        }
        if header.from != 1 {
            return Err(format!("the section begins with record {}, in {FORMAT} all begin with record 1", header.from));
        }
        fits("link before the first record", &header.before, genesis.link)?;
        if self.place.as_ref().is_some_and(|(before, last)| (before, last) >= (&tenant, &lane)) {
            return Err("sections stand in the order of tenants and lanes, each once; this one stands behind its place".to_owned());
        }
        if self.place.as_ref().is_none_or(|(before, _)| *before != tenant) {
            self.enter_tenant(&tenant);
        }
        self.checker.begin_lane(lane);
        self.place = Some((tenant, lane));
        self.head = Some(genesis);
        Ok(())
    }

    fn record(&mut self, written: &[u8], mut head: Head) -> Result<(), String> {
        let record = match parsed::<RemovedLine>(written) {
            Ok(line) if self.format.as_deref() != Some(FORMAT_1) => removed(&line)?,
            Ok(_) | Err(_) => whole(&parsed(written)?)?,
        };
        let body = head.check(&record).map_err(|e| e.what)?;
        same(written, &render_record(&record, body.as_ref()))?;
        match &body {
            Some(body) => self.checker.take(record.seq, body).map_err(|e| e.what)?,
            None => self.checker.take_removed(record.seq),
        }
        self.head = Some(head);
        Ok(())
    }

    fn trailer(&mut self, written: &[u8], head: Head) -> Result<(), String> {
        let trailer: TrailerLine = parsed(written)?;
        rewritten(&trailer, written)?;
        if trailer.records != head.seq {
            return Err(format!("the section ends with {} records, {} are here", trailer.records, head.seq));
        }
        fits("head", &trailer.head, head.link)?;
        fits("digest of all lines before", &trailer.digest, self.running.digest())?;
        self.checker.end_lane().map_err(|e| e.to_string())?;
        self.head = None;
        let (tenant, lane) = self.place.clone().expect("the head is one of a section");
        self.sections.push(LaneReport { tenant, lane, head, counts: self.checker.counts() });
        Ok(())
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), String> {
        let end: EndLine = parsed(line)?;
        rewritten(&end, line)?;
        let sections = self.sections.len() as u64;
        if end.sections != sections {
            return Err(format!("the export ends with {} sections, {sections} are here", end.sections));
        }
        fits("digest of all lines before", &end.digest, self.running.digest())?;
        self.state = State::Ended;
        Ok(())
    }
}

/// The record of a line that has its body.
fn whole(found: &FoundRecord<'_>) -> Result<Sealed, String> {
    let body = STANDARD.decode(found.body).map_err(|e| format!("the body is not base64: {e}"))?;
    Ok(Sealed { seq: found.seq, link: digest("link", found.link)?, kept: Kept::Body(Bytes::from(body)) })
}

/// The record of a line whose body was removed.
fn removed(found: &RemovedLine) -> Result<Sealed, String> {
    let body = digest("digest of the body", &found.removed)?;
    Ok(Sealed { seq: found.seq, link: digest("link", &found.link)?, kept: Kept::Digest(body) })
}

fn digest(what: &str, hex: &str) -> Result<Digest, String> {
    Digest::from_hex(hex).ok_or_else(|| format!("the {what} {} is no digest", excerpt(hex.as_bytes())))
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
