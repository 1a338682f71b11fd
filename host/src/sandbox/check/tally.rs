//! How much of everything a component may have, all its modules and nested components together. Apart, so that the limits stand in one
//! table. Each is several times what the interpreters of Python and JavaScript need, which are the largest guests that make sense.

use crate::sandbox::refusal::Refusal;

/// What is counted over the whole component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Counted {
    /// Sections of any kind, so that empty ones cannot keep the reader busy.
    Sections,
    /// Nested components.
    Components,
    /// Core modules.
    Modules,
    /// Types of core modules.
    Types,
    /// Bytes of the sections that hold them. Types are the only items that grow when they are read.
    TypeBytes,
    /// Types of components; what is declared within one is bounded by its bytes.
    ComponentTypes,
    /// See [`Counted::TypeBytes`].
    ComponentTypeBytes,
    /// Imports of core modules.
    Imports,
    /// Exports of core modules.
    Exports,
    /// Imports and exports of components.
    BorderNames,
    /// Aliases.
    Aliases,
    /// Defined functions of core modules.
    Functions,
    /// Entries of all `br_table` instructions.
    Branches,
    /// Globals of core modules.
    Globals,
    /// Tables of core modules.
    Tables,
    /// Memories of core modules.
    Memories,
    /// Element segments.
    ElementSegments,
    /// Elements in them.
    Elements,
    /// Data segments.
    DataSegments,
    /// Bytes of custom sections that are kept.
    KeptBytes,
    /// Bytes of custom sections that are dropped.
    DroppedBytes,
}

/// One more than the last of [`Counted`].
const COUNTED: usize = Counted::DroppedBytes as usize + 1;

impl Counted {
    /// What it is called, and the most of it.
    pub(super) const fn limit(self) -> (&'static str, u64) {
        match self {
            Self::Sections => ("sections", 50_000),
            Self::Components => ("nested components", 64),
            Self::Modules => ("core modules", 64),
            Self::Types => ("types", 20_000),
            Self::TypeBytes => ("bytes of types", 1024 * 1024),
            Self::ComponentTypes => ("component types", 20_000),
            Self::ComponentTypeBytes => ("bytes of component types", 1024 * 1024),
            Self::Imports => ("imports of core modules", 50_000),
            Self::Exports => ("exports of core modules", 100_000),
            Self::BorderNames => ("imports and exports of components", 5_000),
            Self::Aliases => ("aliases", 50_000),
            Self::Functions => ("functions", 100_000),
            Self::Branches => ("branches of br_table", 1_000_000),
            Self::Globals => ("globals", 50_000),
            Self::Tables => ("tables", 1_000),
            Self::Memories => ("memories", 1_000),
            Self::ElementSegments => ("element segments", 10_000),
            Self::Elements => ("elements in segments", 200_000),
            Self::DataSegments => ("data segments", 100_000),
            Self::KeptBytes => ("bytes of names and producers", 4 * 1024 * 1024),
            Self::DroppedBytes => ("bytes of custom sections", 1024 * 1024),
        }
    }
}

/// What was counted so far.
#[derive(Default)]
pub(super) struct Tally([u64; COUNTED]);

impl Tally {
    /// Counts `more`; refuses as soon as it is too much.
    pub(super) fn add(&mut self, counted: Counted, more: u64) -> Result<(), Refusal> {
        let count = &mut self.0[counted as usize];
        *count = count.saturating_add(more);
        let (what, limit) = counted.limit();
        within(what, *count, limit)
    }
}

/// Refuses what is over its limit.
pub(super) fn within(what: &'static str, found: u64, limit: u64) -> Result<(), Refusal> {
    if found > limit { Err(Refusal::TooMany { what, found, limit }) } else { Ok(()) }
}
