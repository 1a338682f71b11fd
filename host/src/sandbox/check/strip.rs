//! Takes out of a component what neither the compiler nor a backtrace needs: custom sections, of which only names and producers stay.
//! Other tools put anything there, and what is not given to the compiler need not be trusted to it.

use super::malformed;
use crate::sandbox::refusal::Refusal;
use wasmparser::{Parser, Payload};

/// Sections for the names of functions in backtraces, and for what made the component.
const KEPT: [&str; 3] = ["name", "component-name", "producers"];

/// Whether a custom section stays.
pub(super) fn is_kept(name: &str) -> bool {
    KEPT.contains(&name)
}

/// A component or module whose sections are being copied, and the id of the section that it stands in.
struct Copied {
    id: u8,
    bytes: Vec<u8>,
}

/// `bytes` without the custom sections that are not kept. For a component that was checked.
pub(super) fn strip(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut outer: Vec<Copied> = Vec::new();
    let mut inner = Copied { id: 0, bytes: Vec::with_capacity(bytes.len()) };
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        match payload {
            Payload::Version { range, .. } => inner.bytes.extend_from_slice(&bytes[range]),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                let id = payload.as_section().expect("it is one").0;
                outer.push(std::mem::replace(&mut inner, Copied { id, bytes: Vec::new() }));
            }
            Payload::End(_) => {
                let Some(mut around) = outer.pop() else { continue };
                append(&mut around.bytes, inner.id, &inner.bytes);
                inner = around;
            }
            Payload::CustomSection(section) if !is_kept(section.name()) => {}
            // The bodies of functions are within their section.
            Payload::CodeSectionEntry(_) => {}
            payload => {
                let (id, range) = payload.as_section().expect("everything else is a section");
                append(&mut inner.bytes, id, &bytes[range]);
            }
        }
    }
    Ok(inner.bytes)
}

/// A section: its id, its length as LEB128, its content.
fn append(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    let mut left = content.len();
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).expect("seven bits"));
    bytes.extend_from_slice(content);
}
