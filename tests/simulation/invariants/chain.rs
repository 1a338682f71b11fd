//! Invariant 8: The chain of each lane verifies after every commit; a crash never forks it. The links are worked out here from what the format
//! says, not by the code that made them.

use super::{Checked, Invariant, hold};
use amends_domain::audit::Sealed;
use amends_domain::digest::Digest;
use amends_domain::id::TenantId;

/// A chain as it was read when each record became durable.
pub(crate) struct Chain {
    genesis: Digest,
    links: Vec<Digest>,
}

impl Chain {
    pub(crate) fn new(tenant: &TenantId) -> Self {
        let name = tenant.as_str().as_bytes();
        let len = u8::try_from(name.len()).expect("short");
        Self { genesis: Digest::of_parts(&[b"amends:genesis:1", &[len], name, &[0; 4]]), links: Vec::new() }
    }

    /// How many records are durable.
    pub(crate) fn len(&self) -> u64 {
        self.links.len() as u64
    }

    /// The link of the last one.
    pub(crate) fn end(&self) -> Digest {
        self.links.last().copied().unwrap_or(self.genesis)
    }

    pub(crate) fn take_in(&mut self, record: &Sealed) -> Checked {
        let seq = self.len() + 1;
        let link = Digest::of_parts(&[b"amends:link:1", &self.end().0, &seq.to_be_bytes(), &record.kept.digest().0]);
        hold((record.seq, record.link) == (seq, link), Invariant::Chain, || {
            format!("record {} has link {}, where record {seq} with link {link} belongs", record.seq, record.link)
        })?;
        self.links.push(link);
        Ok(())
    }

    /// The records that are stored, from the first on: what was durable is there, as it was. Gives those behind it.
    pub(crate) fn behind<'s>(&self, stored: &'s [Sealed]) -> Result<&'s [Sealed], super::Violation> {
        hold(stored.len() >= self.links.len(), Invariant::Chain, || {
            format!("{} records are stored where {} were durable", stored.len(), self.links.len())
        })?;
        let (durable, behind) = stored.split_at(self.links.len());
        let mut again = Self { genesis: self.genesis, links: Vec::with_capacity(self.links.len()) };
        durable.iter().try_for_each(|record| again.take_in(record))?;
        hold(again.links == self.links, Invariant::Chain, || "the chain is another one than the one that was durable".to_owned())?;
        Ok(behind)
    }
}
