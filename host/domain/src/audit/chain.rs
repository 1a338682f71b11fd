//! The chain of records. Each lane of a tenant is a list of records, each linked to the one before by SHA-256, so that nobody can
//! change, drop, add or reorder one without breaking every link behind it. (Haber & Stornetta 1991, "How to time-stamp a digital
//! document".)
//!
//! ```text
//! link(0) = SHA-256("amends:genesis:1" ‖ len(tenant) u8 ‖ tenant ‖ lane u32)
//! link(n) = SHA-256("amends:link:1" ‖ link(n-1) ‖ n u64 ‖ SHA-256(body n))          all numbers big-endian
//! ```
//! The link takes the body's digest and not the body: a body may be dropped after its retention and the chain still verifies.

use super::Body;
use crate::digest::Digest;
use crate::id::{Lane, TenantId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

const GENESIS: &[u8] = b"amends:genesis:1";
const LINK: &[u8] = b"amends:link:1";

/// Where a chain ends: the number of its last record (0: none yet) and that record's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record, from 1 without gaps.
    pub seq: u64,
    /// Its link.
    pub link: Digest,
}

impl Head {
    /// The head of a chain without records.
    pub fn genesis(tenant: &TenantId, lane: Lane) -> Self {
        let name = tenant.as_str().as_bytes();
        let len = u8::try_from(name.len()).expect("a name has at most 64 bytes");
        Self { seq: 0, link: Digest::of_parts(&[GENESIS, &[len], name, &lane.0.to_be_bytes()]) }
    }

    /// The head after one more record with this body.
    #[must_use]
    pub fn next(&self, body: &[u8]) -> Self {
        self.next_of_digest(Digest::of(body))
    }

    /// As [`Head::next`], where only the digest of the body is at hand.
    #[must_use]
    pub fn next_of_digest(&self, body: Digest) -> Self {
        let seq = self.seq + 1;
        Self { seq, link: Digest::of_parts(&[LINK, &self.link.0, &seq.to_be_bytes(), &body.0]) }
    }

    /// Seals `body` as the next record of the chain and moves the head behind it.
    pub fn seal(&mut self, body: &Body) -> Sealed {
        let bytes = Bytes::from(body.encode());
        *self = self.next(&bytes);
        Sealed { seq: self.seq, link: self.link, kept: Kept::Body(bytes) }
    }

    /// Checks that `record` is the next of the chain, moves the head behind it and gives what it says; none if its body was removed.
    ///
    /// # Errors
    /// [`Break`] with the place and what is wrong there; the head has not moved.
    pub fn check(&mut self, record: &Sealed) -> Result<Option<Body>, Break> {
        let at = |what| Break { seq: self.seq + 1, what };
        if record.seq != self.seq + 1 {
            return Err(at(format!("record {} stands where record {} belongs", record.seq, self.seq + 1)));
        }
        let next = self.next_of_digest(record.kept.digest());
        if next.link != record.link {
            return Err(at(format!("the link is {}, the record before and the body give {}", record.link, next.link)));
        }
        let body = record.kept.body().map(|bytes| Body::decode(bytes)).transpose().map_err(|e| at(e.to_string()))?;
        *self = next;
        Ok(body)
    }
}

/// One link of a chain as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its number in the lane, from 1.
    pub seq: u64,
    /// Its link.
    pub link: Digest,
    /// What is kept of its body.
    pub kept: Kept,
}

/// What is kept of a record's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// All of it: a [`Body`], encoded.
    Body(Bytes),
    /// Its digest, and with it its place in the chain: the run that it tells of was removed.
    Digest(Digest),
}

impl Kept {
    /// The body, if it is kept.
    pub fn body(&self) -> Option<&Bytes> {
        match self {
            Self::Body(body) => Some(body),
            Self::Digest(_) => None,
        }
    }

    /// The digest of the body.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Body(body) => Digest::of(body),
            Self::Digest(digest) => *digest,
        }
    }

    /// How many bytes of the body are kept.
    pub fn body_len(&self) -> usize {
        self.body().map_or(0, Bytes::len)
    }
}

/// Where a chain is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {what}")]
pub struct Break {
    /// The record that does not fit the ones before it.
    pub seq: u64,
    /// What is wrong with it.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Entry, Event};
    use crate::id::RunId;
    use crate::time::Timestamp;

    fn body(n: u64) -> Body {
        Body::Run { run: RunId(7), previous: n, entries: vec![Entry { at: Timestamp(n), event: Event::Adopted }] }
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().expect("a name")
    }

    fn chain(len: u64) -> (Head, Vec<Sealed>) {
        let genesis = Head::genesis(&tenant("local"), Lane(0));
        let mut head = genesis;
        (genesis, (0..len).map(|n| head.seal(&body(n))).collect())
    }

    fn verify(mut head: Head, records: &[Sealed]) -> Result<(), Break> {
        records.iter().try_for_each(|record| head.check(record).map(|_| ()))
    }

    #[test]
    fn an_untouched_chain_verifies() {
        let (genesis, records) = chain(20);
        assert_eq!(verify(genesis, &records), Ok(()));
    }

    #[test]
    fn a_chain_verifies_without_its_bodies_and_not_with_other_digests() {
        let (genesis, mut records) = chain(20);
        for record in &mut records[3..9] {
            record.kept = Kept::Digest(record.kept.digest());
        }
        assert_eq!(verify(genesis, &records), Ok(()));
        let mut head = genesis;
        let said: Vec<bool> = records.iter().map(|record| head.check(record).expect("it follows").is_some()).collect();
        assert_eq!(said.iter().filter(|said| !**said).count(), 6);
        records[5].kept = Kept::Digest(Digest::of(b"another"));
        assert_eq!(verify(genesis, &records).expect_err("an altered chain passed").seq, 6);
    }

    #[test]
    fn chains_of_other_tenants_and_lanes_begin_differently() {
        let genesis = |name, lane| Head::genesis(&tenant(name), Lane(lane)).link;
        assert_ne!(genesis("a", 0), genesis("b", 0));
        assert_ne!(genesis("a", 0), genesis("a", 1));
    }

    #[test]
    fn every_single_flip_drop_copy_and_swap_is_found_at_its_place() {
        let (genesis, records) = chain(6);
        let place = |records: &[Sealed]| verify(genesis, records).expect_err("an altered chain passed").seq;
        for at in 0..records.len() {
            let body = records[at].kept.body().expect("it is kept").to_vec();
            for byte in 0..body.len() {
                let mut altered = records.clone();
                let mut bytes = body.clone();
                bytes[byte] ^= 1;
                altered[at].kept = Kept::Body(bytes.into());
                assert_eq!(place(&altered), at as u64 + 1);
            }
            let mut copied = records.clone();
            copied.insert(at, records[at].clone());
            assert_eq!(place(&copied), at as u64 + 2);
            if at + 1 < records.len() {
                let mut dropped = records.clone();
                dropped.remove(at);
                assert_eq!(place(&dropped), at as u64 + 1);
                let mut swapped = records.clone();
                swapped.swap(at, at + 1);
                assert_eq!(place(&swapped), at as u64 + 1);
            }
        }
    }
}
