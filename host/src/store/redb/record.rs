//! The row of a record: its link, and its body as it is, packed, or only the digest of it. Apart, because whoever writes, reads or removes a
//! record must mean the same by its bytes.

use amends_domain::audit::Kept;
use amends_domain::digest::Digest;
use bytes::Bytes;
use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};
use std::borrow::Cow;

/// Bytes of a link, in front of the body.
const LINK_LEN: usize = 32;

/// Stands where a body has its format byte: the body was removed, and its digest follows.
const REMOVED: u8 = 0;

/// Stands where a body has its format byte: what follows is the length of the body, and the body as a block of LZ4.
const PACKED: u8 = 255;

/// Bytes of the length of a packed body: a number, its lowest byte first.
const LEN_LEN: usize = 4;

/// A body that is shorter is not packed: there is little that it could repeat.
const PACK_LEN_MIN: usize = 128;

/// No block of LZ4 is more than so many times as long when it is unpacked: one that says so is damaged.
const UNPACKED_MAX: usize = 255;

/// What the row of a record has of its body.
#[derive(Debug, PartialEq)]
pub(super) enum BodyStored<'a> {
    Whole(Cow<'a, [u8]>),
    Removed(Digest),
}

impl<'a> BodyStored<'a> {
    pub(super) fn whole(self) -> Result<Cow<'a, [u8]>, String> {
        match self {
            Self::Whole(body) => Ok(body),
            Self::Removed(_) => Err("its body was removed".to_owned()),
        }
    }

    pub(super) fn kept(self) -> Kept {
        match self {
            Self::Whole(body) => Kept::Body(Bytes::from(body.into_owned())),
            Self::Removed(digest) => Kept::Digest(digest),
        }
    }
}

/// Link and body of a record.
///
/// # Errors
/// What is wrong with the row.
pub(super) fn read(row: &[u8]) -> Result<(Digest, BodyStored<'_>), String> {
    let (link, body) = row.split_first_chunk::<LINK_LEN>().ok_or("it is shorter than a link")?;
    let body = match body.split_first() {
        Some((&REMOVED, digest)) => {
            let digest = digest.try_into().map_err(|_| format!("the digest of its body has {} bytes", digest.len()))?;
            BodyStored::Removed(Digest(digest))
        }
        Some((&PACKED, packed)) => BodyStored::Whole(Cow::Owned(unpack(packed)?)),
        Some(_) | None => BodyStored::Whole(Cow::Borrowed(body)),
    };
    Ok((Digest(*link), body))
}

/// Makes `row` that of a record: the shorter form of its body.
pub(super) fn write(row: &mut Vec<u8>, link: &Digest, body: &[u8]) {
    row.clear();
    row.extend_from_slice(&link.0);
    if body.len() < PACK_LEN_MIN || !pack(row, body) {
        row.truncate(LINK_LEN);
        row.extend_from_slice(body);
    }
}

/// The row of a record whose body is gone.
pub(super) fn removed(link: &Digest, body: &Digest) -> [u8; LINK_LEN + 1 + LINK_LEN] {
    let mut row = [REMOVED; LINK_LEN + 1 + LINK_LEN];
    row[..LINK_LEN].copy_from_slice(&link.0);
    row[LINK_LEN + 1..].copy_from_slice(&body.0);
    row
}

/// Appends the packed form; false if there is nothing to gain. Payloads pass from step to step, so most records say the same more than once.
fn pack(row: &mut Vec<u8>, body: &[u8]) -> bool {
    let Ok(len) = u32::try_from(body.len()) else { return false };
    row.push(PACKED);
    row.extend_from_slice(&len.to_le_bytes());
    let begins = row.len();
    row.resize(begins + get_maximum_output_size(body.len()), 0);
    let packed_len = compress_into(body, &mut row[begins..]).expect("there is room for the worst");
    row.truncate(begins + packed_len);
    packed_len + 1 + LEN_LEN < body.len()
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let (len, block) = packed.split_first_chunk::<LEN_LEN>().ok_or("its packed body is shorter than a length")?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > block.len().saturating_mul(UNPACKED_MAX) {
        return Err(format!("its packed body has {} bytes, which cannot become {len}", block.len()));
    }
    let body = decompress(block, len).map_err(|error| format!("its body does not unpack: {error}"))?;
    if body.len() == len { Ok(body) } else { Err(format!("its packed body becomes {} bytes and not {len}", body.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINK: Digest = Digest([7; LINK_LEN]);

    fn row_of(body: &[u8]) -> Vec<u8> {
        let mut row = vec![9; 5];
        write(&mut row, &LINK, body);
        row
    }

    fn body_of(row: &[u8]) -> Result<Cow<'_, [u8]>, String> {
        read(row).and_then(|(_, body)| body.whole())
    }

    #[test]
    fn what_repeats_is_packed_and_what_does_not_stays_as_it_is() {
        let body = [&[1], "a payload that passes from step to step; ".repeat(5).as_bytes()].concat();
        let packed = row_of(&body);
        assert!(packed.len() < LINK_LEN + body.len() / 2, "{}", packed.len());
        assert_eq!(packed[LINK_LEN], PACKED);
        assert_eq!(body_of(&packed).expect("it was packed here"), body);
        let short = [1; PACK_LEN_MIN - 1];
        assert_eq!(row_of(&short)[LINK_LEN..], short);
        let chance: Vec<u8> = (0..10).flat_map(|no: u8| Digest::of(&[no]).0).collect();
        let chance = [&[1], &chance[..]].concat();
        assert_eq!(row_of(&chance)[LINK_LEN..], chance);
    }

    /// A file of any release must open.
    #[test]
    fn rows_are_read_in_every_form_that_they_ever_had() {
        let link = "07".repeat(LINK_LEN);
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits")).collect()
        };
        let check = |body: &str, is| assert_eq!(read(&bytes(&format!("{link}{body}"))), Ok((LINK, is)), "{body}");
        check("0102", BodyStored::Whole(Cow::Owned(vec![1, 2])));
        check(&format!("00{}", "ab".repeat(32)), BodyStored::Removed(Digest([0xab; 32])));
        check("ff1f0000001f01010006500101010101", BodyStored::Whole(Cow::Owned(vec![1; 31])));
    }

    #[test]
    fn a_damaged_row_is_an_error_that_says_what_is_wrong() {
        let row = row_of(&[1; 1000]);
        let with_len = |len: u32| [&row[..=LINK_LEN], &len.to_le_bytes(), &row[LINK_LEN + 1 + LEN_LEN..]].concat();
        for (row, says) in [
            (row[..LINK_LEN - 1].to_vec(), "shorter than a link"),
            (row[..LINK_LEN + LEN_LEN].to_vec(), "shorter than a length"),
            (row[..row.len() - 1].to_vec(), "does not unpack"),
            (with_len(1001), "and not 1001"),
            (with_len(999), "does not unpack"),
            (with_len(u32::MAX), "cannot become 4294967295"),
            (removed(&LINK, &LINK)[..40].to_vec(), "has 7 bytes"),
        ] {
            let error = body_of(&row).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(body_of(&removed(&LINK, &LINK)), Err("its body was removed".to_owned()));
    }

    proptest! {
        #[test]
        fn every_body_comes_back_as_it_was(words in prop::collection::vec("[a-c]{1,9}", 0..200)) {
            let body = [&[1], words.concat().as_bytes()].concat();
            let row = row_of(&body);
            prop_assert!(row.len() <= LINK_LEN + body.len());
            prop_assert_eq!(read(&row), Ok((LINK, BodyStored::Whole(Cow::Owned(body)))));
        }

        #[test]
        fn no_bytes_at_all_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&LINK.0[..], &[PACKED], &bytes].concat());
        }
    }
}
