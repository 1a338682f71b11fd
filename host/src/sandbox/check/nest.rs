//! What a component becomes when everything in it is instantiated. A component that instantiates another one twice, which instantiates
//! a third one twice, is small; what it becomes grows with each level: 1.2 kB made 16 million instances, 15 s and 4.5 GiB in the
//! compiler. So what each component becomes is multiplied out here, without building it, and no larger than a few numbers.

use super::tally::within;
use crate::sandbox::limits::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::sandbox::refusal::Refusal;

/// Most instances of nested components, multiplied out.
const INSTANCES_MAX: u64 = 64;
/// Most bytes in the data segments of all core instances, multiplied out.
const DATA_LEN_MAX: u64 = 48 * 1024 * 1024;
/// Most functions between components, multiplied out: each is code that the compiler writes.
const CANONICALS_MAX: u64 = 5_000;

/// What a component becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Instances of components.
    instances: u64,
    /// Instances of core modules.
    core_instances: u64,
    /// Memories that they define.
    memories: u64,
    /// Tables that they define.
    tables: u64,
    /// Bytes of their data segments.
    data_len: u64,
    /// Functions that pass from core modules to components or back.
    canonicals: u64,
}

impl Weight {
    /// One instance of a core module of which nothing was read yet.
    pub(super) fn of_module() -> Self {
        Self { core_instances: 1, ..Self::default() }
    }

    pub(super) fn add_memories(&mut self, count: u32) {
        self.memories = self.memories.saturating_add(count.into());
    }

    pub(super) fn add_tables(&mut self, count: u32) {
        self.tables = self.tables.saturating_add(count.into());
    }

    pub(super) fn add_data(&mut self, len: usize) {
        self.data_len = self.data_len.saturating_add(len as u64);
    }

    fn add(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.data_len = self.data_len.saturating_add(other.data_len);
        self.canonicals = self.canonicals.saturating_add(other.canonicals);
    }

    /// The most of each of two.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            instances: self.instances.max(other.instances),
            core_instances: self.core_instances.max(other.core_instances),
            memories: self.memories.max(other.memories),
            tables: self.tables.max(other.tables),
            data_len: self.data_len.max(other.data_len),
            canonicals: self.canonicals.max(other.canonicals),
        }
    }

    /// Refuses what is too heavy to be compiled.
    pub(super) fn check(self) -> Result<(), Refusal> {
        within("nested instances, multiplied out", self.instances, INSTANCES_MAX)?;
        within("core instances, multiplied out", self.core_instances, CORE_INSTANCES_MAX.into())?;
        within("memories, multiplied out", self.memories, MEMORIES_MAX.into())?;
        within("tables, multiplied out", self.tables, TABLES_MAX.into())?;
        within("bytes of data segments, multiplied out", self.data_len, DATA_LEN_MAX)?;
        within("canonical functions, multiplied out", self.canonicals, CANONICALS_MAX)
    }
}

/// A component that is being read: the index spaces of what it can instantiate. None: it comes from an import or from an instance,
/// and what it is cannot be said here.
#[derive(Debug, Default)]
pub(super) struct Scope {
    weight: Weight,
    components: Vec<Option<Weight>>,
    modules: Vec<Option<Weight>>,
}

impl Scope {
    /// What the component becomes, without itself, as far as it was read.
    pub(super) fn weight(&self) -> Weight {
        self.weight
    }

    /// A nested component was read to its end.
    pub(super) fn define_component(&mut self, mut weight: Weight) {
        weight.add(Weight { instances: 1, ..Weight::default() });
        self.components.push(Some(weight));
    }

    /// A core module was read to its end.
    pub(super) fn define_module(&mut self, weight: Weight) {
        self.modules.push(Some(weight));
    }

    /// A component gets a further name; none if it is a foreign one.
    pub(super) fn name_component(&mut self, weight: Option<Weight>) {
        self.components.push(weight);
    }

    /// See [`Scope::name_component`].
    pub(super) fn name_module(&mut self, weight: Option<Weight>) {
        self.modules.push(weight);
    }

    /// The component with this index; none if it is a foreign one.
    pub(super) fn component(&self, index: u32) -> Result<Option<Weight>, Refusal> {
        self.components.get(index as usize).copied().ok_or_else(|| unknown("component", index))
    }

    /// See [`Scope::component`].
    pub(super) fn module(&self, index: u32) -> Result<Option<Weight>, Refusal> {
        self.modules.get(index as usize).copied().ok_or_else(|| unknown("core module", index))
    }

    pub(super) fn instantiate_component(&mut self, index: u32) -> Result<(), Refusal> {
        let weight = self.component(index)?.ok_or(Refusal::ForeignInstantiated)?;
        self.weight.add(weight);
        Ok(())
    }

    pub(super) fn instantiate_module(&mut self, index: u32) -> Result<(), Refusal> {
        let weight = self.module(index)?.ok_or(Refusal::ForeignInstantiated)?;
        self.weight.add(weight);
        Ok(())
    }

    pub(super) fn add_canonicals(&mut self, count: u32) {
        self.weight.add(Weight { canonicals: count.into(), ..Weight::default() });
    }
}

fn unknown(what: &str, index: u32) -> Refusal {
    Refusal::Malformed(format!("there is no {what} {index}"))
}
