//! One pass over the sections of a component and of all that is nested in it. No recursion, and nothing is kept of an item but what
//! its index space needs: how much is read at once is bounded by `tally`.
//!
//! Types of components are counted and not read: they nest, and the parser reads them by recursion. They are the validator's, which
//! runs where the compiler does.

use super::nest::{Scope, Weight};
use super::tally::{Counted, Tally};
use super::types::{check_global, check_import, check_memory, check_reference, check_table, check_types};
use super::{Border, NESTING_MAX, STEP, body, malformed, tell};
use crate::sandbox::refusal::Refusal;
use crate::sandbox::{text, wasi};
use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport, ComponentInstance, ComponentOuterAliasKind, Data,
    ElementItems, ElementSectionReader, Encoding, FromReader, Instance, Parser, Payload, SectionLimited,
};

/// What is exported as [`STEP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepExport {
    Missing,
    /// An instance. What is in it is looked at when its types are known.
    Instance,
    /// A function, a type …
    Other,
}

/// What is being read: a component, or a core module with what an instance of it takes so far.
enum Frame {
    Component(Scope),
    Module(Weight),
}

pub(super) struct Walk<'a> {
    offered: &'a [&'a str],
    frames: Vec<Frame>,
    /// What the section that was begun last must hold.
    expected: Encoding,
    tally: Tally,
    /// The most that any component in it becomes: also of one that is never instantiated, because types are instantiated before that
    /// is known.
    heaviest: Weight,
    pub(super) border: Border,
    pub(super) forbidden: Vec<String>,
    pub(super) step: StepExport,
    /// Whether there are custom sections that the compiler is not given.
    pub(super) has_dropped: bool,
}

impl<'a> Walk<'a> {
    /// Reads all of `bytes`.
    pub(super) fn over(bytes: &[u8], offered: &'a [&'a str]) -> Result<Self, Refusal> {
        let mut walk = Self {
            offered,
            frames: Vec::new(),
            expected: Encoding::Component,
            tally: Tally::default(),
            heaviest: Weight::default(),
            border: Border::default(),
            forbidden: Vec::new(),
            step: StepExport::Missing,
            has_dropped: false,
        };
        for payload in Parser::new(0).parse_all(bytes) {
            walk.take(payload.map_err(|error| malformed(&error))?)?;
        }
        walk.heaviest.check()?;
        Ok(walk)
    }

    fn take(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        // The bodies of functions come one by one, and are counted as such.
        if !matches!(payload, Payload::CodeSectionEntry(_)) {
            self.tally.add(Counted::Sections, 1)?;
        }
        match payload {
            Payload::Version { encoding, .. } => self.descend(encoding),
            Payload::End(_) => self.ascend(),
            Payload::CustomSection(section) => self.custom(section.name(), section.range().len() as u64),
            Payload::UnknownSection { id, .. } => Err(Refusal::Malformed(format!("there is no section {id}"))),
            payload if matches!(self.frames.last(), Some(Frame::Module(_))) => self.take_of_module(payload),
            payload => self.take_of_component(payload),
        }
    }

    fn take_of_module(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::TypeSection(section) => check_types(section, &mut self.tally),
            Payload::ImportSection(section) => section.into_imports().try_for_each(|import| {
                let import = import.map_err(|error| malformed(&error))?;
                self.tally.add(Counted::Imports, 1)?;
                plain(import.module)?;
                plain(import.name)?;
                check_import(import.ty)
            }),
            Payload::FunctionSection(section) => self.tally.add(Counted::Functions, section.count().into()),
            Payload::TableSection(section) => {
                self.tally.add(Counted::Tables, section.count().into())?;
                self.module()?.add_tables(section.count());
                each(section, |table| check_table(table.ty))
            }
            Payload::MemorySection(section) => {
                self.tally.add(Counted::Memories, section.count().into())?;
                self.module()?.add_memories(section.count());
                each(section, check_memory)
            }
            Payload::TagSection(_) => Err(Refusal::Feature("exceptions")),
            Payload::GlobalSection(section) => {
                self.tally.add(Counted::Globals, section.count().into())?;
                each(section, |global| check_global(global.ty))
            }
            Payload::ExportSection(section) => {
                self.tally.add(Counted::Exports, section.count().into())?;
                each(section, |export| plain(export.name))
            }
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataSection(section) => {
                self.tally.add(Counted::DataSegments, section.count().into())?;
                each(section, |segment| self.data(&segment))
            }
            Payload::CodeSectionEntry(body) => body::check(&body, &mut self.tally),
            // Foreign enum, open for extension: `start`, counts and what the validator knows to be misplaced.
            _ => Ok(()),
        }
    }

    fn take_of_component(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.expected = Encoding::Module;
                self.tally.add(Counted::Modules, 1)
            }
            Payload::ComponentSection { .. } => {
                self.expected = Encoding::Component;
                self.tally.add(Counted::Components, 1)
            }
            Payload::CoreTypeSection(section) => self.component_types(section.count(), section.range().len()),
            Payload::ComponentTypeSection(section) => self.component_types(section.count(), section.range().len()),
            Payload::InstanceSection(section) => each(section, |instance| match instance {
                Instance::Instantiate { module_index, .. } => self.scope()?.instantiate_module(module_index),
                Instance::FromExports(_) => Ok(()),
            }),
            Payload::ComponentInstanceSection(section) => each(section, |instance| match instance {
                ComponentInstance::Instantiate { component_index, .. } => self.scope()?.instantiate_component(component_index),
                ComponentInstance::FromExports(_) => Ok(()),
            }),
            Payload::ComponentAliasSection(section) => {
                self.tally.add(Counted::Aliases, section.count().into())?;
                each(section, |alias| self.alias(&alias))
            }
            Payload::ComponentCanonicalSection(section) => {
                self.scope()?.add_canonicals(section.count());
                Ok(())
            }
            Payload::ComponentImportSection(section) => {
                self.tally.add(Counted::BorderNames, section.count().into())?;
                each(section, |import| self.import(&import))
            }
            Payload::ComponentExportSection(section) => {
                self.tally.add(Counted::BorderNames, section.count().into())?;
                each(section, |export| self.export(&export))
            }
            Payload::ComponentStartSection { .. } => Err(Refusal::Feature("component start functions")),
            // Foreign enum, open for extension: what the validator knows to be misplaced.
            _ => Ok(()),
        }
    }

    fn descend(&mut self, encoding: Encoding) -> Result<(), Refusal> {
        if encoding != self.expected {
            return Err(misplaced());
        }
        let depth = self.frames.len() + 1;
        if depth > NESTING_MAX {
            return Err(Refusal::NestedTooDeep { found: depth, limit: NESTING_MAX });
        }
        self.frames.push(match encoding {
            Encoding::Component => Frame::Component(Scope::default()),
            Encoding::Module => Frame::Module(Weight::of_module()),
        });
        Ok(())
    }

    fn ascend(&mut self) -> Result<(), Refusal> {
        let done = self.frames.pop();
        if let Some(Frame::Component(scope)) = &done {
            self.heaviest = self.heaviest.max(scope.weight());
        }
        match done {
            None => return Err(Refusal::Malformed("it ends more often than it begins".into())),
            Some(_) if self.frames.is_empty() => {}
            Some(Frame::Component(scope)) => self.scope()?.define_component(scope.weight()),
            Some(Frame::Module(weight)) => self.scope()?.define_module(weight),
        }
        Ok(())
    }

    /// The component that is being read.
    fn scope(&mut self) -> Result<&mut Scope, Refusal> {
        match self.frames.last_mut() {
            Some(Frame::Component(scope)) => Ok(scope),
            Some(Frame::Module(_)) | None => Err(misplaced()),
        }
    }

    /// The core module that is being read.
    fn module(&mut self) -> Result<&mut Weight, Refusal> {
        match self.frames.last_mut() {
            Some(Frame::Module(weight)) => Ok(weight),
            Some(Frame::Component(_)) | None => Err(misplaced()),
        }
    }

    /// The component around it, `count` further out.
    fn outer(&self, count: u32) -> Result<&Scope, Refusal> {
        let place = self.frames.len().checked_sub(1).and_then(|last| last.checked_sub(count as usize));
        match place.and_then(|place| self.frames.get(place)) {
            Some(Frame::Component(scope)) => Ok(scope),
            Some(Frame::Module(_)) | None => Err(misplaced()),
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), Refusal> {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => self.foreign(kind)?,
            ComponentAlias::CoreInstanceExport { .. } => {}
            ComponentAlias::Outer { kind, count, index } => match kind {
                ComponentOuterAliasKind::CoreModule => {
                    let module = self.outer(count)?.module(index)?;
                    self.scope()?.name_module(module);
                }
                ComponentOuterAliasKind::Component => {
                    let component = self.outer(count)?.component(index)?;
                    self.scope()?.name_component(component);
                }
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
            },
        }
        Ok(())
    }

    /// Something takes a place in its index space, and what it is cannot be said here.
    fn foreign(&mut self, kind: ComponentExternalKind) -> Result<(), Refusal> {
        match kind {
            ComponentExternalKind::Module => self.scope()?.name_module(None),
            ComponentExternalKind::Component => self.scope()?.name_component(None),
            ComponentExternalKind::Func
            | ComponentExternalKind::Value
            | ComponentExternalKind::Type
            | ComponentExternalKind::Instance => {}
        }
        Ok(())
    }

    fn import(&mut self, import: &ComponentImport<'_>) -> Result<(), Refusal> {
        let name = import.name.name;
        plain(name)?;
        if self.frames.len() == 1 {
            tell(&mut self.border.imports, name);
            if !self.offered.contains(&name) && !wasi::is_offered(name) {
                tell(&mut self.forbidden, name);
            }
        }
        self.foreign(import.ty.kind())
    }

    fn export(&mut self, export: &ComponentExport<'_>) -> Result<(), Refusal> {
        let name = export.name.name;
        plain(name)?;
        if self.frames.len() == 1 {
            tell(&mut self.border.exports, name);
            if name == STEP {
                let is_instance = export.kind == ComponentExternalKind::Instance;
                self.step = if is_instance { StepExport::Instance } else { StepExport::Other };
            }
        }
        // What is exported gets a second index.
        let scope = self.scope()?;
        match export.kind {
            ComponentExternalKind::Module => scope.name_module(scope.module(export.index)?),
            ComponentExternalKind::Component => scope.name_component(scope.component(export.index)?),
            ComponentExternalKind::Func
            | ComponentExternalKind::Value
            | ComponentExternalKind::Type
            | ComponentExternalKind::Instance => {}
        }
        Ok(())
    }

    fn component_types(&mut self, count: u32, len: usize) -> Result<(), Refusal> {
        self.tally.add(Counted::ComponentTypes, count.into())?;
        self.tally.add(Counted::ComponentTypeBytes, len as u64)
    }

    fn elements(&mut self, section: ElementSectionReader<'_>) -> Result<(), Refusal> {
        self.tally.add(Counted::ElementSegments, section.count().into())?;
        each(section, |segment| {
            let count = match segment.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(ty, items) => {
                    check_reference(ty)?;
                    items.count()
                }
            };
            self.tally.add(Counted::Elements, count.into())
        })
    }

    fn data(&mut self, segment: &Data<'_>) -> Result<(), Refusal> {
        self.module()?.add_data(segment.data.len());
        Ok(())
    }

    fn custom(&mut self, name: &str, len: u64) -> Result<(), Refusal> {
        if super::strip::is_kept(name) {
            return self.tally.add(Counted::KeptBytes, len);
        }
        self.has_dropped = true;
        self.tally.add(Counted::DroppedBytes, len)
    }
}

/// Reads a section item by item.
fn each<'s, T: FromReader<'s>>(
    section: SectionLimited<'s, T>,
    mut take: impl FnMut(T) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    section.into_iter().try_for_each(|item| take(item.map_err(|error| malformed(&error))?))
}

/// Refuses a name that would show itself as something else to whoever reads it.
fn plain(name: &str) -> Result<(), Refusal> {
    if text::is_plain(name) { Ok(()) } else { Err(Refusal::NameNotPlain(text::tidy(name, super::NAME_LEN_MAX))) }
}

fn misplaced() -> Refusal {
    Refusal::Malformed("a section stands where it cannot".into())
}
