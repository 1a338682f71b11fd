//! What is refused before anything is compiled, by reading the component's sections. The compiler trusts its input more than we
//! can: small uploads are known that keep it busy for minutes. So every rule about the shape of a component belongs here: it must
//! be decided in one pass, without recursion, and say the limit and the value found.
//!
//! `walk` reads sections, `body` functions, `types` what modules are made of; `tally` counts, `nest` multiplies out what instantiates
//! what, `strip` drops what the compiler need not see.

mod body;
mod nest;
mod strip;
mod tally;
mod types;
mod walk;

pub(super) use types::TABLE_ELEMENTS_MAX;

use super::refusal::Refusal;
use super::text;
use bytes::Bytes;
use walk::{StepExport, Walk};

/// Most bytes of a component.
pub const COMPONENT_LEN_MAX: usize = 32 * 1024 * 1024;
/// Deepest nesting; the component itself is 1 deep.
const NESTING_MAX: usize = 4;
/// Longest name of an import or export that is told, bytes, and most of those told.
const NAME_LEN_MAX: usize = 128;
/// See [`NAME_LEN_MAX`].
const NAMES_MAX: usize = 64;

/// What steps are exported as.
pub(super) const STEP: &str = "amends:saga/step@0.1.0";

/// The names at a component's border, without control characters, cut, at most [`NAMES_MAX`] each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Border {
    /// Imports in their order.
    pub(super) imports: Vec<String>,
    /// Exports in their order.
    pub(super) exports: Vec<String>,
}

/// A component that may be compiled.
#[derive(Debug)]
pub(super) struct Checked {
    /// What stands at its border.
    pub(super) border: Border,
    /// The component without the custom sections that the compiler is not given.
    pub(super) bytes: Bytes,
}

/// Reads the sections of a component and refuses what must not reach the compiler. `offered` are the names that it may import.
pub(super) fn check(bytes: &Bytes, offered: &[&str]) -> Result<Checked, Refusal> {
    if bytes.len() > COMPONENT_LEN_MAX {
        return Err(Refusal::TooLarge { found: bytes.len(), limit: COMPONENT_LEN_MAX });
    }
    check_preamble(bytes)?;
    let walk = Walk::over(bytes, offered)?;
    if !walk.forbidden.is_empty() {
        return Err(Refusal::ForbiddenImports(walk.forbidden));
    }
    match walk.step {
        StepExport::Instance => {}
        StepExport::Missing => return Err(Refusal::StepMissing),
        StepExport::Other => return Err(Refusal::MistypedStep("it is not an instance".into())),
    }
    let bytes = if walk.has_dropped { strip::strip(bytes)?.into() } else { bytes.clone() };
    Ok(Checked { border: walk.border, bytes })
}

/// Tells apart what people upload by mistake, because each has another remedy.
fn check_preamble(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.starts_with(b"\0asm\x0d\0\x01\0") {
        Ok(())
    } else if bytes.starts_with(b"\0asm\x01\0\0\0") {
        Err(Refusal::CoreModule)
    } else if bytes.starts_with(b"\x7fELF") {
        // Code that wasmtime compiled is an ELF file, too.
        Err(Refusal::Native)
    } else if matches!(bytes.trim_ascii_start(), [b'(', ..] | [b';', b';', ..]) {
        Err(Refusal::Text)
    } else {
        Err(Refusal::NotWebAssembly)
    }
}

fn tell(names: &mut Vec<String>, name: &str) {
    if names.len() < NAMES_MAX {
        names.push(text::tidy(name, NAME_LEN_MAX));
    }
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Malformed(text::tidy(&error.to_string(), 512))
}

#[cfg(test)]
mod tests;
