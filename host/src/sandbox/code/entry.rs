//! One file of compiled code: a head that says what it is, the code, and a MAC over both. It is read into sealed memory while it is
//! verified, so that what was verified is what is run, whoever writes to the file meanwhile.

use super::CODE_LEN_MAX;
use super::key::Key;
use super::sealed::{Code, Draft};
use amends_domain::digest::Digest;
use hmac::Mac;
use sha2::Sha256;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use wasmtime::Engine;

/// The first bytes of every file of this form. Another form gets another number.
const FORMAT: [u8; 16] = *b"amends code 1\n\0\0";
/// Where the number is told apart from the rest of it.
const FORMAT_FAMILY: &[u8] = b"amends code ";
/// Form, component, engine, length.
const HEAD_LEN: usize = 16 + 32 + 32 + 8;
const MAC_LEN: usize = 32;
/// Bytes that are read or written at a time.
const CHUNK_LEN: usize = 256 * 1024;

/// What decides whether code fits: release and settings of the engine, the kind of processor, and which of its features the code
/// uses. A hash of it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compatibility([u8; 32]);

impl Compatibility {
    pub(super) fn of(engine: &Engine) -> Self {
        let mut hasher = Sha256Hasher(sha2::Digest::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(sha2::Digest::finalize(hasher.0).into())
    }
}

/// So that all that the engine says is in the hash, and not 64 bits of it.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the whole digest is taken")
    }
}

/// Why a file gave no code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Ours, of an earlier release or for another processor. Nothing is wrong with it.
    #[error("it was compiled for another engine")]
    Stale,
    /// Not what we wrote there.
    #[error("{0}")]
    Bad(&'static str),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Which component a file is for, and which engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) component: Digest,
    pub(super) compatibility: Compatibility,
}

impl Wanted {
    fn head(&self, len: u64) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        let parts: [&[u8]; 4] = [&FORMAT, &self.component.0, &self.compatibility.0, &len.to_le_bytes()];
        let mut at = 0;
        for part in parts {
            head[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        head
    }
}

/// Writes a whole file.
pub(super) fn write(mut to: &File, wanted: Wanted, code: &Code, key: &Key) -> io::Result<()> {
    let head = wanted.head(code.len());
    let mut mac = key.mac();
    mac.update(&head);
    to.write_all(&head)?;
    let mut chunk = vec![0; CHUNK_LEN];
    let mut at = 0;
    while at < code.len() {
        let read = code.file().read_at(&mut chunk, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        mac.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
        at += read as u64;
    }
    to.write_all(&mac.finalize().into_bytes())
}

/// The code in a file, if all of it is what we wrote for this component and this engine.
pub(super) fn read(mut from: &File, wanted: Wanted, key: &Key) -> Result<Code, Fault> {
    let file_len = from.metadata()?.len();
    let len = file_len.checked_sub((HEAD_LEN + MAC_LEN) as u64).ok_or(Fault::Bad("it is too short"))?;
    let mut head = [0; HEAD_LEN];
    from.read_exact(&mut head)?;
    check_form(&head, len)?;
    let mut mac = key.mac();
    mac.update(&head);
    let mut draft = Draft::new()?;
    let mut chunk = vec![0; CHUNK_LEN];
    let mut left = len;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK_LEN).min(CHUNK_LEN);
        // That it became shorter meanwhile is an error here.
        from.read_exact(&mut chunk[..most])?;
        mac.update(&chunk[..most]);
        draft.write(&chunk[..most])?;
        left -= most as u64;
    }
    let mut said = [0; MAC_LEN];
    from.read_exact(&mut said)?;
    // Compared in constant time.
    mac.verify_slice(&said).map_err(|_| Fault::Bad("its MAC does not fit: it was changed, or made with another key"))?;
    // Nothing of the head was believed before, but its length.
    if head != wanted.head(len) {
        let of_component = wanted.component.0.as_slice();
        return Err(if &head[16..48] == of_component { Fault::Stale } else { Fault::Bad("it is the code of another component") });
    }
    Ok(draft.seal()?)
}

/// What can be seen before the MAC: it must not make us read without an end, and a later release may have written it otherwise.
fn check_form(head: &[u8; HEAD_LEN], len: u64) -> Result<(), Fault> {
    if head[..16] != FORMAT {
        let is_ours = head.starts_with(FORMAT_FAMILY);
        return Err(if is_ours { Fault::Stale } else { Fault::Bad("it does not begin like code of ours") });
    }
    if head[80..] != len.to_le_bytes() || len > CODE_LEN_MAX {
        return Err(Fault::Bad("it has another length than it says"));
    }
    Ok(())
}
