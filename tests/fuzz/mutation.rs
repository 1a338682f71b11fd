//! Bytes and texts that are almost those of an example.

use crate::dice::Dice;

/// Numbers at which programs break.
const EDGES: [u64; 14] =
    [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];
/// Most bytes that are doubled, left out or copied at a time.
const STRETCH_LEN_MAX: u64 = 64;

/// One of the numbers at which programs break, or one beside it.
pub(crate) fn edge(dice: &mut Dice) -> u64 {
    let near = dice.below(3);
    dice.one(&EDGES).wrapping_add(near).wrapping_sub(1)
}

/// A place in `len` bytes, or behind them.
pub(crate) fn place(dice: &mut Dice, len: usize) -> usize {
    usize::try_from(dice.below(len as u64 + 1)).expect("it is at most a length")
}

/// Up to [`STRETCH_LEN_MAX`] bytes of `bytes`, from where to where.
fn stretch(dice: &mut Dice, bytes: &[u8]) -> std::ops::Range<usize> {
    let from = place(dice, bytes.len());
    let len = usize::try_from(1 + dice.below(STRETCH_LEN_MAX)).expect("it is small");
    from..(from + len).min(bytes.len())
}

/// Changes bytes once or a few times.
pub(crate) fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..*dice.one(&[1, 1, 1, 2, 3, 8]) {
        mutate_once(dice, bytes);
    }
}

fn mutate_once(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = place(dice, bytes.len().saturating_sub(1));
    let byte = u8::try_from(dice.below(256)).expect("a byte");
    match dice.below(9) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|found| *found ^= 1 << (byte % 8)),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|found| *found = byte),
        2 => bytes.insert(at, byte),
        3 => drop(bytes.drain(stretch(dice, bytes))),
        4 => {
            let again = bytes[stretch(dice, bytes)].to_vec();
            drop(bytes.splice(at..at, again));
        }
        5 => {
            let (from, len) = (stretch(dice, bytes), bytes.len());
            let copied = bytes[from].to_vec();
            let end = (at + copied.len()).min(len);
            drop(bytes.splice(at..end, copied));
        }
        6 => {
            let number = edge(dice).to_le_bytes();
            let len = *dice.one(&[1, 2, 4, 8]);
            let end = (at + len).min(bytes.len());
            drop(bytes.splice(at..end, number[..len].iter().copied()));
        }
        7 => {
            let number = leb(edge(dice));
            let end = (at + 1).min(bytes.len());
            drop(bytes.splice(at..end, number));
        }
        _ => bytes.truncate(at),
    }
}

/// A number as WebAssembly and postcard write it (LEB128).
pub(crate) fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
    bytes
}

/// Changes a text once or a few times: bytes of it, or words and lines that are put in, doubled or taken out.
pub(crate) fn mutate_text(dice: &mut Dice, text: &mut String, words: &[&'static str]) {
    if dice.hits(40) {
        let mut bytes = std::mem::take(text).into_bytes();
        mutate(dice, &mut bytes);
        *text = String::from_utf8_lossy(&bytes).into_owned();
        return;
    }
    for _ in 0..*dice.one(&[1, 1, 2, 5]) {
        let (at, other) = (char_place(dice, text), char_place(dice, text));
        let (from, to) = (at.min(other), at.max(other).min(text.floor_char_boundary(at.min(other) + 200)));
        match dice.below(4) {
            0 => text.insert_str(at, dice.one::<&str>(words)),
            1 => text.insert_str(at, &dice.one::<&str>(words).repeat(*dice.one(&[2, 20, 500]))),
            2 => drop(text.drain(from..to)),
            _ => {
                let again = text[from..to].repeat(*dice.one(&[1, 2, 30]));
                text.insert_str(at, &again);
            }
        }
    }
}

fn char_place(dice: &mut Dice, text: &str) -> usize {
    let at = place(dice, text.len());
    text.floor_char_boundary(at)
}
