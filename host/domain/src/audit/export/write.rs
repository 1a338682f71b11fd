//! Makes the lines of an export, one after the other.

use super::{EndLine, FORMAT, HeaderLine, Running, TrailerLine, render, render_record};
use crate::audit::{Body, Break, Head, Sealed};
use crate::id::{Lane, TenantId};

/// Makes the lines of one export. Each comes with its newline, and all of them, in this order, are the file: for each lane a
/// [`section`](Self::section), its records, [`end_section`](Self::end_section); then [`end`](Self::end).
#[derive(Debug, Default)]
pub struct Exporter {
    running: Running,
    sections: u64,
    /// The newest section.
    place: Option<(TenantId, Lane)>,
    /// The chain of the section that is open.
    head: Option<Head>,
}

impl Exporter {
    /// Begins the section of a lane. Sections stand in the order of the tenants' names, then of the lanes.
    ///
    /// # Panics
    /// If a section is open or the order is another.
    pub fn section(&mut self, tenant: &TenantId, lane: Lane) -> Vec<u8> {
        let place = Some((tenant.clone(), lane));
        assert!(self.head.is_none(), "a section begins when the one before it has ended");
        assert!(self.place < place, "sections stand in order, each once");
        let genesis = Head::genesis(tenant, lane);
        self.place = place;
        self.head = Some(genesis);
        let (format, before) = (FORMAT.to_owned(), genesis.link.hex());
        let header = HeaderLine { format, section: self.sections + 1, tenant: tenant.clone(), lane, from: 1, before };
        self.emit(render(&header))
    }

    /// The next record of the section's lane, and what it says; none: that was removed.
    ///
    /// # Errors
    /// [`Break`] if it does not follow the one before it: a chain that is broken has no export.
    ///
    /// # Panics
    /// If no section is open.
    pub fn record(&mut self, record: &Sealed) -> Result<(Vec<u8>, Option<Body>), Break> {
        let body = self.head.as_mut().expect("a section is open").check(record)?;
        Ok((self.emit(render_record(record, body.as_ref())), body))
    }

    /// Ends the section.
    ///
    /// # Panics
    /// If no section is open.
    pub fn end_section(&mut self) -> Vec<u8> {
        let head = self.head.take().expect("a section is open");
        self.sections += 1;
        let digest = self.running.digest().hex();
        self.emit(render(&TrailerLine { records: head.seq, head: head.link.hex(), digest }))
    }

    /// Ends the export.
    ///
    /// # Panics
    /// If a section is open.
    pub fn end(self) -> Vec<u8> {
        assert!(self.head.is_none(), "an export ends when its last section has ended");
        render(&EndLine { sections: self.sections, digest: self.running.digest().hex() })
    }

    fn emit(&mut self, line: Vec<u8>) -> Vec<u8> {
        self.running.add(&line);
        line
    }
}
