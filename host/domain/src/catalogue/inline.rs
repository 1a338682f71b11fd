//! What of a fact stands in an event, and what is too long: an event goes to many, over lines that the host does not know.

use super::data::Cut;
use crate::digest::Digest;
use crate::payload::Payload;
use serde_json::Value;

/// Longest value that stands in an event, bytes of JSON.
pub const INLINE_LEN_MAX: usize = 16 * 1024;
/// Most keys that an event about the state names.
pub const KEYS_SHOWN_MAX: usize = 100;
/// Longest text that stands in an event, bytes.
const TEXT_LEN_MAX: usize = 2048;

/// The values of one event, and what was cut of them.
#[derive(Debug, Default)]
pub(super) struct Inline {
    pub(super) cut: Vec<Cut>,
}

impl Inline {
    /// `payload` as a value, or a note that it is too long. `place`: where to read it.
    pub(super) fn value(&mut self, field: &str, payload: &Payload, place: &str) -> Option<Value> {
        // What is not JSON is written as text or as hexadecimal digits and gets longer, so that counts, not what is stored.
        let value = (payload.len() <= INLINE_LEN_MAX).then(|| payload.readable());
        let short = value.filter(|value| value.to_string().len() <= INLINE_LEN_MAX);
        if short.is_none() {
            let note = format!("longer than {INLINE_LEN_MAX} bytes: read {place}");
            let (bytes, digest) = (payload.len() as u64, Digest::of(&payload.0).to_string());
            self.cut.push(Cut { field: field.to_owned(), bytes, digest, note });
        }
        short
    }
}

/// At most so much of a text that an event stays small; whole characters.
pub(super) fn text(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_LEN_MAX)].to_owned()
}
