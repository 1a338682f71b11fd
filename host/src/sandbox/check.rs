//! What is refused before anything is compiled, by reading the component's sections. The compiler trusts its input more than we
//! can: small uploads are known that keep it busy for minutes. So every rule about the shape of a component belongs here: it must
//! be decided in one pass, without recursion, and say the limit and the value found.

use super::refusal::Refusal;
use super::text;
use wasmparser::{Parser, Payload, TableType};

/// Most bytes of a component.
pub(super) const COMPONENT_LEN_MAX: usize = 32 * 1024 * 1024;
/// Deepest nesting; the component itself is 1 deep.
const NESTING_MAX: usize = 4;
/// Most core modules, at all depths.
const CORE_MODULES_MAX: u64 = 64;
/// Most elements that a table may start with.
pub(super) const TABLE_ELEMENTS_MAX: u32 = 20_000;
/// Longest name of an import or export that is told, bytes, and most of those told.
const NAME_LEN_MAX: usize = 128;
/// See [`NAME_LEN_MAX`].
const NAMES_MAX: usize = 64;

/// What steps are exported as.
pub(super) const STEP: &str = "amends:saga/step@0.1.0";

/// The names at a component's border, without control characters, cut, at most [`NAMES_MAX`] each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Border {
    /// Imports in their order.
    pub(super) imports: Vec<String>,
    /// Exports in their order.
    pub(super) exports: Vec<String>,
}

/// Reads the sections of a component and refuses what must not reach the compiler. `offered` are the names that it may import.
pub(super) fn check(bytes: &[u8], offered: &[&str]) -> Result<Border, Refusal> {
    if bytes.len() > COMPONENT_LEN_MAX {
        return Err(Refusal::TooLarge { found: bytes.len(), limit: COMPONENT_LEN_MAX });
    }
    check_preamble(bytes)?;
    let shape = read(bytes, offered)?;
    if !shape.forbidden.is_empty() {
        return Err(Refusal::ForbiddenImports(shape.forbidden));
    }
    if !shape.exports_step {
        return Err(Refusal::StepMissing);
    }
    Ok(shape.border)
}

/// Tells apart what people upload by mistake, because each has another remedy.
fn check_preamble(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.starts_with(b"\0asm\x0d\0\x01\0") {
        Ok(())
    } else if bytes.starts_with(b"\0asm\x01\0\0\0") {
        Err(Refusal::CoreModule)
    } else if bytes.starts_with(b"\x7fELF") {
        Err(Refusal::Native)
    } else if matches!(bytes.trim_ascii_start(), [b'(', ..] | [b';', b';', ..]) {
        Err(Refusal::Text)
    } else {
        Err(Refusal::NotWebAssembly)
    }
}

#[derive(Default)]
struct Shape<'a> {
    offered: &'a [&'a str],
    border: Border,
    forbidden: Vec<String>,
    exports_step: bool,
    depth: usize,
    modules: u64,
}

fn read<'a>(bytes: &[u8], offered: &'a [&'a str]) -> Result<Shape<'a>, Refusal> {
    let mut shape = Shape { offered, ..Shape::default() };
    for payload in Parser::new(0).parse_all(bytes) {
        shape.take(payload.map_err(|error| malformed(&error))?)?;
    }
    Ok(shape)
}

impl Shape<'_> {
    fn take(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { .. } => self.descend()?,
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::ModuleSection { .. } => self.count_module()?,
            Payload::TableSection(section) => {
                for table in section {
                    check_table(table.map_err(|error| malformed(&error))?.ty)?;
                }
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                for import in section {
                    self.import(import.map_err(|error| malformed(&error))?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                for export in section {
                    self.export(export.map_err(|error| malformed(&error))?.name.name);
                }
            }
            // Foreign enum, open for extension: every other section is for the compiler's validator.
            _ => {}
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(Refusal::NestedTooDeep { found: self.depth, limit: NESTING_MAX });
        }
        Ok(())
    }

    fn count_module(&mut self) -> Result<(), Refusal> {
        self.modules += 1;
        if self.modules > CORE_MODULES_MAX {
            return Err(Refusal::TooMany { what: "core modules", found: self.modules, limit: CORE_MODULES_MAX });
        }
        Ok(())
    }

    fn import(&mut self, name: &str) {
        tell(&mut self.border.imports, name);
        if !self.offered.contains(&name) {
            tell(&mut self.forbidden, name);
        }
    }

    fn export(&mut self, name: &str) {
        tell(&mut self.border.exports, name);
        self.exports_step |= name == STEP;
    }
}

fn check_table(table: TableType) -> Result<(), Refusal> {
    let limit = u64::from(TABLE_ELEMENTS_MAX);
    if table.initial > limit {
        return Err(Refusal::TooMany { what: "elements in a table", found: table.initial, limit });
    }
    Ok(())
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
mod tests {
    use super::*;

    /// An empty component with `sections` in it.
    fn component(sections: &[u8]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".as_slice(), sections].concat()
    }

    /// `inner` as the one nested component of a component.
    fn nest(inner: &[u8]) -> Vec<u8> {
        component(&[&[4, u8::try_from(inner.len()).expect("short")], inner].concat())
    }

    #[test]
    fn what_is_not_a_component_is_refused_each_with_its_own_code() {
        let deep = |levels: usize| (1..levels).fold(component(&[]), |inner, _| nest(&inner));
        for (bytes, code) in [
            (vec![0; COMPONENT_LEN_MAX + 1], "component_too_large"),
            (b"\0asm\x01\0\0\0".to_vec(), "component_is_core_module"),
            (b"\x7fELF\x02\x01\x01".to_vec(), "component_is_native_code"),
            (b"  (component)".to_vec(), "component_is_text"),
            (b";; later".to_vec(), "component_is_text"),
            (b"".to_vec(), "component_is_not_webassembly"),
            (b"\0asm".to_vec(), "component_is_not_webassembly"),
            (component(&[99, 200]), "component_malformed"),
            (deep(5), "component_nested_too_deep"),
            (deep(4), "step_not_exported"),
            (component(&[]), "step_not_exported"),
        ] {
            assert_eq!(check(&bytes, &[]).map_err(|refusal| refusal.code()), Err(code));
        }
    }
}
