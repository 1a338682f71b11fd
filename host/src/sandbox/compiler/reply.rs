//! What goes over the pipes: a component to the compiler, its reply back, each behind its length. A reply that is cut off is none.

use std::io::{self, Read, Write};

/// The first byte of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Code follows.
    Code,
    /// Why there is none.
    Refusal,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Code => b'C',
            Self::Refusal => b'R',
        }
    }
}

/// Bytes in front of a reply: its kind and its length.
pub(super) const HEAD_LEN: usize = 1 + LENGTH_LEN;
const LENGTH_LEN: usize = size_of::<u64>();

/// Reads what [`HEAD_LEN`] bytes announce; none if they make no sense.
pub(super) fn head(bytes: [u8; HEAD_LEN]) -> Option<(Kind, u64)> {
    let (kind, len) = bytes.split_first().expect("it is not empty");
    let kind = [Kind::Code, Kind::Refusal].into_iter().find(|known| known.byte() == *kind)?;
    Some((kind, u64::from_le_bytes(len.try_into().expect("the rest is a length"))))
}

/// Writes a whole reply.
pub(super) fn write(to: &mut impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&[kind.byte()])?;
    to.write_all(&length(bytes))?;
    to.write_all(bytes)?;
    to.flush()
}

/// What stands in front of a component.
pub(super) fn length(bytes: &[u8]) -> [u8; LENGTH_LEN] {
    (bytes.len() as u64).to_le_bytes()
}

/// Reads a component of at most `len_max` bytes.
pub(super) fn read_component(from: &mut impl Read, len_max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; LENGTH_LEN];
    from.read_exact(&mut length)?;
    let len = usize::try_from(u64::from_le_bytes(length)).ok().filter(|len| *len <= len_max);
    let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the component is too long"))?;
    let mut component = vec![0; len];
    from.read_exact(&mut component)?;
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_as_it_was_written_and_nonsense_is_not_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Refusal, b"no").expect("memory takes all");
        assert_eq!(
            (head(bytes[..HEAD_LEN].try_into().expect("its head")), &bytes[HEAD_LEN..]),
            (Some((Kind::Refusal, 2)), b"no".as_slice())
        );
        assert_eq!(head([b'X', 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_component_that_is_cut_off_or_too_long_is_not_read() {
        let sent = [length(b"abc").as_slice(), b"abc"].concat();
        assert_eq!(read_component(&mut sent.as_slice(), 3).expect("it is whole"), b"abc");
        assert!(read_component(&mut sent.as_slice(), 2).is_err(), "too long");
        assert!(read_component(&mut &sent[..10], 3).is_err(), "cut off");
        assert!(read_component(&mut &sent[..5], 3).is_err(), "cut off in its length");
        assert!(read_component(&mut [0xff; 16].as_slice(), 3).is_err(), "nobody has that much memory");
    }
}
