//! The tenant's state as one attempt sees it: its own writes, and for the rest what it read first. Writes stay here until the
//! attempt's outcome is committed, by others; reads are told with their versions, so that the one who commits can see whether they
//! still hold.

use crate::sandbox::access::{Access, StateAccess, StateError, StateValue};
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload, STATE_KEY_LEN_MAX};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most keys that one attempt reads.
const READS_MAX: usize = 1000;
/// Most bytes that one attempt reads. They are kept until it ends.
const READ_LEN_MAX: usize = 16 * 1024 * 1024;
/// Most keys that one attempt writes.
const WRITES_MAX: usize = 256;
/// Most bytes of keys and values that one attempt writes.
const WRITTEN_LEN_MAX: usize = 1024 * 1024;

/// Why a state call traps.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::sandbox) enum StateTrap {
    #[error("state: {what} of {found}, the limit is {limit}")]
    Over { what: &'static str, found: usize, limit: usize },
    #[error("state: a key is empty or has control characters")]
    BadKey,
    #[error("the step is declared read-only: writing `{key}` to the state is refused: declare another kind of step")]
    ReadOnly { key: String },
    /// The cause is the host's, and for the host: the guest's tenant learns no more.
    #[error("state: cannot be read now")]
    Unreadable,
}

/// What an attempt read and wrote so far.
pub(in crate::sandbox) struct StateBuffer {
    handle: Arc<dyn StateAccess>,
    access: Access,
    reads: BTreeMap<String, Option<StateValue>>,
    read_len: usize,
    /// In the order of the last write of each key. Looked through one by one: there are few, and mostly one or two.
    writes: Vec<(String, Option<Payload>)>,
    error: Option<StateError>,
}

/// Keys with the versions that were found, keys with what was written, and why the state could not be read.
type Finished = (Vec<(String, u64)>, Vec<(String, Option<Payload>)>, Option<StateError>);

impl StateBuffer {
    /// Nothing read, nothing written.
    pub(in crate::sandbox) fn new(handle: Arc<dyn StateAccess>, access: Access) -> Self {
        Self { handle, access, reads: BTreeMap::new(), read_len: 0, writes: Vec::new(), error: None }
    }

    /// The value of a key: what the attempt wrote itself, or what it read first.
    pub(in crate::sandbox) async fn get(&mut self, key: String) -> Result<Option<Payload>, StateTrap> {
        check_key(&key)?;
        if let Some((_, value)) = self.writes.iter().find(|(written, _)| *written == key) {
            return Ok(value.clone());
        }
        if let Some(read) = self.reads.get(&key) {
            return Ok(value_of(read.as_ref()));
        }
        within("keys read", self.reads.len() + 1, READS_MAX)?;
        let read = self.handle.get(&key).await.map_err(|error| {
            self.error = Some(error);
            StateTrap::Unreadable
        })?;
        self.read_len += read.as_ref().map_or(0, |read| read.value.len());
        within("bytes read", self.read_len, READ_LEN_MAX)?;
        let value = value_of(read.as_ref());
        self.reads.insert(key, read);
        Ok(value)
    }

    /// Writes a key; none removes it.
    pub(in crate::sandbox) fn write(&mut self, key: String, value: Option<Payload>) -> Result<(), StateTrap> {
        check_key(&key)?;
        match self.access {
            Access::ReadWrite => {}
            Access::ReadOnly => return Err(StateTrap::ReadOnly { key }),
        }
        within("bytes in a value", value.as_ref().map_or(0, Payload::len), PAYLOAD_LEN_MAX)?;
        self.writes.retain(|(written, _)| *written != key);
        self.writes.push((key, value));
        within("keys written", self.writes.len(), WRITES_MAX)?;
        let written_len = self.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Payload::len)).sum();
        within("bytes written", written_len, WRITTEN_LEN_MAX)
    }

    /// What is told at the end of the attempt.
    pub(in crate::sandbox) fn finish(self) -> Finished {
        let version = |read: Option<StateValue>| read.map_or(0, |read| read.version);
        let reads = self.reads.into_iter().map(|(key, read)| (key, version(read))).collect();
        (reads, self.writes, self.error)
    }
}

fn value_of(read: Option<&StateValue>) -> Option<Payload> {
    read.map(|read| read.value.clone())
}

fn check_key(key: &str) -> Result<(), StateTrap> {
    within("bytes in a key", key.len(), STATE_KEY_LEN_MAX)?;
    if key.is_empty() || key.chars().any(char::is_control) { Err(StateTrap::BadKey) } else { Ok(()) }
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), StateTrap> {
    if found > limit { Err(StateTrap::Over { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    /// Every key is there, with `0` bytes in its value.
    struct All(usize);

    impl StateAccess for All {
        fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
            Box::pin(async { Ok(Some(StateValue { version: 1, value: vec![0; self.0].into() })) })
        }
    }

    fn buffer(value_len: usize) -> StateBuffer {
        StateBuffer::new(Arc::new(All(value_len)), Access::ReadWrite)
    }

    fn read(buffer: &mut StateBuffer, key: &str) -> Result<(), StateTrap> {
        buffer.get(key.to_owned()).now_or_never().expect("answers at once").map(|_| ())
    }

    /// `step` for 0, 1, … until it is refused: how often it went well, and the refusal.
    fn until_refused(mut step: impl FnMut(usize) -> Result<(), StateTrap>) -> (usize, String) {
        let mut done = 0;
        loop {
            if let Err(trap) = step(done) {
                return (done, trap.to_string());
            }
            done += 1;
        }
    }

    #[test]
    fn keys_are_short_and_readable() {
        for (key, fits) in [
            ("k".to_owned(), true),
            ("stock/äpfel 漢".to_owned(), true),
            ("x".repeat(512), true),
            ("x".repeat(513), false),
            (String::new(), false),
            ("a\0".to_owned(), false),
            ("a\n".to_owned(), false),
            ("a\u{85}".to_owned(), false),
        ] {
            let mut buffer = buffer(0);
            assert_eq!(read(&mut buffer, &key).is_ok(), fits, "{key:?}");
            assert_eq!(buffer.write(key.clone(), None).is_ok(), fits, "{key:?}");
        }
    }

    #[test]
    fn reads_and_writes_are_bounded_by_number_and_by_bytes() {
        let mut reads = buffer(1);
        let (done, said) = until_refused(|n| read(&mut reads, &n.to_string()));
        assert_eq!((done, said.as_str()), (1000, "state: keys read of 1001, the limit is 1000"));
        assert_eq!(read(&mut reads, "7"), Ok(()), "what is known costs nothing");
        let mut reads = buffer(262_144);
        assert_eq!(until_refused(|n| read(&mut reads, &n.to_string())).0, 64);

        let mut writes = buffer(0);
        let (done, said) = until_refused(|n| writes.write(n.to_string(), None));
        assert_eq!((done, said.as_str()), (256, "state: keys written of 257, the limit is 256"));
        let mut writes = buffer(0);
        let (done, said) = until_refused(|n| writes.write(format!("key{n}"), Some(vec![0; 262_140].into())));
        assert_eq!((done, said.as_str()), (4, "state: bytes written of 1310720, the limit is 1048576"));
        let mut writes = buffer(0);
        assert!((0..1000).all(|_| writes.write("same".into(), Some(vec![0; 262_144].into())).is_ok()), "only the last one counts");
    }
}
