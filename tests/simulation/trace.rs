//! What happened in a simulation, line by line: for people who look for the cause of a violation, and as a digest that says whether two
//! courses were the same.

use std::fmt::{self, Write};

/// Whether a person reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Nobody,
    Person,
}

/// The lines so far.
pub(crate) struct Trace {
    reader: Reader,
    digest: Fnv,
    pub(crate) lines: u64,
}

/// FNV-1a (Fowler, Noll & Vo): quick, and the same on every machine.
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

impl Trace {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, digest: Fnv(0xcbf2_9ce4_8422_2325), lines: 0 }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, at_ms: u64, what: fmt::Arguments<'_>) {
        self.lines += 1;
        writeln!(self.digest, "{at_ms} {what}").expect("a number takes any text");
        self.show(at_ms, what);
    }

    /// Adds a line that only people want: it does not change the digest.
    pub(crate) fn show(&self, at_ms: u64, what: fmt::Arguments<'_>) {
        if self.reader == Reader::Person {
            writeln!(std::io::stderr(), "{at_ms:>9} {what}").expect("standard error is open");
        }
    }

    /// Whether somebody reads along: then facts are told one by one, which the link of their record stands for otherwise.
    pub(crate) fn is_read(&self) -> bool {
        self.reader == Reader::Person
    }

    /// The same for the same lines.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.0
    }
}

use std::io::Write as _;
