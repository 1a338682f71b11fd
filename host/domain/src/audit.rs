//! The chain of records. Each lane of a tenant is a list of records, each linked to the one before by SHA-256, so that nobody can
//! change, drop, add or reorder one without breaking every link behind it. (Haber & Stornetta 1991, "How to time-stamp a digital
//! document".)
//!
//! ```text
//! link(0) = SHA-256("amends:genesis:1" ‖ len(tenant) u8 ‖ tenant ‖ lane u32)
//! link(n) = SHA-256("amends:link:1" ‖ link(n-1) ‖ n u64 ‖ SHA-256(body n))          all numbers big-endian
//! ```
//! The link takes the body's digest and not the body: a body may be dropped after its retention and the chain still verifies.

use crate::digest::Digest;
use crate::event::{Entry, TenantEntry};
use crate::id::{Lane, RunId, TenantId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

const GENESIS: &[u8] = b"amends:genesis:1";
const LINK: &[u8] = b"amends:link:1";

/// The stored form of [`Body`] that this release writes; the first byte of every body.
const BODY_FORMAT: u8 = 1;

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
        Sealed { seq: self.seq, link: self.link, body: bytes }
    }

    /// Checks that `record` is the next of the chain, moves the head behind it and gives what it says.
    ///
    /// # Errors
    /// [`Break`] with the place and what is wrong there; the head has not moved.
    pub fn check(&mut self, record: &Sealed) -> Result<Body, Break> {
        let at = |what| Break { seq: self.seq + 1, what };
        if record.seq != self.seq + 1 {
            return Err(at(format!("record {} stands where record {} belongs", record.seq, self.seq + 1)));
        }
        let next = self.next(&record.body);
        if next.link != record.link {
            return Err(at(format!("the link is {}, the record before and the body give {}", record.link, next.link)));
        }
        let body = Body::decode(&record.body).map_err(|e| at(e.to_string()))?;
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
    /// A [`Body`], encoded.
    pub body: Bytes,
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

/// What a record says: all that one run, or a tenant itself, did between two commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Consecutive facts of one run.
    Run {
        /// Which run.
        run: RunId,
        /// Number of this run's record before this one, 0 if this is its first: a journal is read by walking back.
        previous: u64,
        /// The facts, at least one.
        entries: Vec<Entry>,
    },
    /// Facts of the tenant that belong to no run.
    Tenant {
        /// The facts, at least one.
        entries: Vec<TenantEntry>,
    },
}

/// Why bytes are not a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A later release wrote it, or it is damaged.
    #[error("the body has format {0}, this release reads format {BODY_FORMAT}")]
    Format(u8),
    /// It is damaged.
    #[error("the body does not decode: {0}")]
    Damaged(String),
}

impl Body {
    /// The stored form: a format byte, then postcard.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![BODY_FORMAT]).expect("a vector takes all and every fact has a stored form")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`BodyError`] for another format, or bytes that are no body or more than one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        match bytes.split_first() {
            Some((&BODY_FORMAT, rest)) => match postcard::take_from_bytes(rest) {
                Ok((body, [])) => Ok(body),
                Ok((_, left)) => Err(BodyError::Damaged(format!("{} bytes too many", left.len()))),
                Err(error) => Err(BodyError::Damaged(error.to_string())),
            },
            Some((&format, _)) => Err(BodyError::Format(format)),
            None => Err(BodyError::Damaged("it is empty".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, TenantEvent, Write};
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
            for byte in 0..records[at].body.len() {
                let mut altered = records.clone();
                let mut bytes = altered[at].body.to_vec();
                bytes[byte] ^= 1;
                altered[at].body = bytes.into();
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

    #[test]
    fn a_body_reads_as_written_and_nothing_else_does() {
        let writes = vec![Write { key: "k".into(), version: 3, value: None }];
        let body = Body::Tenant { entries: vec![TenantEntry { at: Timestamp(1), event: TenantEvent::StateWritten { writes } }] };
        let bytes = body.encode();
        assert_eq!(Body::decode(&bytes), Ok(body));
        assert!(Body::decode(&[]).is_err());
        assert!(Body::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(Body::decode(&[&bytes[..], &[0]].concat()).is_err_and(|e| e.to_string().contains("too many")));
        assert_eq!(Body::decode(&[9]), Err(BodyError::Format(9)));
    }
}
