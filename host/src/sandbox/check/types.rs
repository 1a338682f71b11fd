//! Types of core modules: what is shared, 64 bits wide or collected is refused by name. The engine does not offer it either, but says
//! so late and in its own words.

use super::malformed;
use super::tally::{Counted, Tally, within};
use crate::sandbox::refusal::Refusal;
use wasmparser::{CompositeInnerType, GlobalType, MemoryType, RefType, SubType, TableType, TypeRef, TypeSectionReader, ValType};

/// Most elements that a table may start with.
pub(in crate::sandbox) const TABLE_ELEMENTS_MAX: u32 = 20_000;
/// Most parameters, and most results, of one function.
const PARAMETERS_MAX: u64 = 128;

/// Checks a section of types.
pub(super) fn check_types(section: TypeSectionReader<'_>, tally: &mut Tally) -> Result<(), Refusal> {
    // Before anything is read: an item may be a whole group of types.
    tally.add(Counted::TypeBytes, section.range().len() as u64)?;
    for group in section {
        let group = group.map_err(|error| malformed(&error))?;
        if group.is_explicit_rec_group() {
            return Err(Refusal::Feature("gc"));
        }
        for ty in group.types() {
            tally.add(Counted::Types, 1)?;
            check_subtype(ty)?;
        }
    }
    Ok(())
}

fn check_subtype(ty: &SubType) -> Result<(), Refusal> {
    if ty.composite_type.shared {
        return Err(Refusal::Feature("shared_everything_threads"));
    }
    match &ty.composite_type.inner {
        CompositeInnerType::Func(function) if ty.is_final && ty.supertype_idx.is_none() => {
            within("parameters of one function", function.params().len() as u64, PARAMETERS_MAX)?;
            within("results of one function", function.results().len() as u64, PARAMETERS_MAX)?;
            function.params().iter().chain(function.results()).try_for_each(|ty| check_type(*ty))
        }
        CompositeInnerType::Cont(_) => Err(Refusal::Feature("stack_switching")),
        CompositeInnerType::Func(_) | CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) => Err(Refusal::Feature("gc")),
    }
}

/// Numbers, vectors and references to functions that may be null.
pub(super) fn check_type(ty: ValType) -> Result<(), Refusal> {
    match ty {
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128 => Ok(()),
        ValType::Ref(reference) => check_reference(reference),
    }
}

/// References to functions. All others are the host's objects or the collector's, and there is neither.
pub(super) fn check_reference(reference: RefType) -> Result<(), Refusal> {
    if reference == RefType::FUNCREF {
        Ok(())
    } else if reference.is_extern_ref() {
        Err(Refusal::Feature("externref"))
    } else {
        Err(Refusal::Feature("function_references"))
    }
}

/// What a core module imports.
pub(super) fn check_import(ty: TypeRef) -> Result<(), Refusal> {
    match ty {
        TypeRef::Func(_) => Ok(()),
        TypeRef::Table(table) => check_table(table),
        TypeRef::Memory(memory) => check_memory(memory),
        TypeRef::Global(global) => check_global(global),
        TypeRef::Tag(_) => Err(Refusal::Feature("exceptions")),
        TypeRef::FuncExact(_) => Err(Refusal::Feature("custom_descriptors")),
    }
}

pub(super) fn check_table(table: TableType) -> Result<(), Refusal> {
    if table.table64 {
        return Err(Refusal::Feature("memory64"));
    }
    if table.shared {
        return Err(Refusal::Feature("shared_everything_threads"));
    }
    within("elements in a table", table.initial, TABLE_ELEMENTS_MAX.into())?;
    check_reference(table.element_type)
}

pub(super) fn check_memory(memory: MemoryType) -> Result<(), Refusal> {
    if memory.memory64 {
        return Err(Refusal::Feature("memory64"));
    }
    if memory.shared {
        return Err(Refusal::Feature("threads"));
    }
    if memory.page_size_log2.is_some() {
        return Err(Refusal::Feature("custom_page_sizes"));
    }
    Ok(())
}

pub(super) fn check_global(global: GlobalType) -> Result<(), Refusal> {
    if global.shared {
        return Err(Refusal::Feature("shared_everything_threads"));
    }
    check_type(global.content_type)
}
