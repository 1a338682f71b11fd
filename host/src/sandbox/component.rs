//! From bytes to something that can be run: checked, and once it is compiled, its imports linked and its exports found. All that can be
//! done once for a component is done here, so that an attempt only has to start.

use super::attempt::Attempt;
use super::bindings::{Failure, manifest, step};
use super::check::{self, Border, Checked, STEP};
use super::code::sealed::Code;
use super::code::trusted;
use super::imports::outside::Outside;
use super::imports::{self, Imports};
use super::refusal::{Refusal, quote};
use super::wasi::{self, Profile};
use amends_domain::digest::Digest;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::InstancePre;
use wasmtime::component::types::ComponentItem;

/// A component that was checked and compiled, ready for attempts. Made by [`super::Sandbox::load`].
pub struct Component {
    digest: Digest,
    len: usize,
    border: Border,
    pub(super) pre: InstancePre<Attempt>,
    pub(super) step: step::GuestIndices,
    pub(super) manifest: Option<manifest::GuestIndices>,
    /// What of WASI its attempts need.
    pub(super) profile: Profile,
    /// How many attempts of the common kind (2 memories, 4 tables) one of this component takes the place of.
    pub(super) weight: u32,
}

impl Component {
    /// What its bytes are named by.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes it has as it was uploaded.
    pub fn component_len(&self) -> usize {
        self.len
    }

    /// How many bytes its machine code and constants take.
    pub fn code_len(&self) -> usize {
        let image = self.pre.component().image_range();
        image.end as usize - image.start as usize
    }

    /// What it imports, in its order.
    pub fn imports(&self) -> &[String] {
        &self.border.imports
    }

    /// What it exports, in its order.
    pub fn exports(&self) -> &[String] {
        &self.border.exports
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({})", self.digest)
    }
}

/// An engine and the imports that it offers.
pub(super) struct Loader {
    engine: Engine,
    imports: Imports,
}

impl Loader {
    /// Links the imports once for all components.
    pub(super) fn new(engine: Engine, outside: Option<Arc<dyn Outside>>) -> wasmtime::Result<Self> {
        let imports = imports::imports(&engine, outside)?;
        Ok(Self { engine, imports })
    }

    /// What guests run on.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Refuses what must not be compiled, without compiling. Reads every instruction: a tenth of a second for an interpreter.
    pub(super) fn check(&self, bytes: &Bytes) -> Result<Checked, Refusal> {
        check::check(bytes, &self.imports.names)
    }

    /// Makes what was checked and compiled ready for attempts. Takes milliseconds: not for a thread that others wait for.
    pub(super) fn ready(&self, digest: Digest, len: usize, border: Border, code: &Code) -> Result<Component, Refusal> {
        // What was checked and compiled fits; else it is not the component that is to blame.
        let unfit = |error: wasmtime::Error| Refusal::CompileFailed(quote(&error));
        let component = trusted::deserialize(&self.engine, code).map_err(unfit)?;
        let weight = weight(&component);
        check_step(&self.engine, &component)?;
        let profile = wasi::profile(component.component_type().imports(&self.engine).map(|(name, _)| name));
        let pre = self.imports.linker.instantiate_pre(&component).map_err(|error| Refusal::MistypedImport(quote(&error)))?;
        let step = step::GuestIndices::new(&pre).map_err(|error| Refusal::MistypedStep(quote(&error)))?;
        // A plugin without a manifest has one handler, named like the plugin; that is the caller's to say.
        let manifest = manifest::GuestIndices::new(&pre).ok();
        // Otherwise the first attempt would wait for the images of the memories.
        component.initialize_copy_on_write_image().map_err(unfit)?;
        Ok(Component { digest, len, border, pre, step, manifest, profile, weight })
    }
}

/// How many shares of the pool the component takes. That they fit a slot was checked.
fn weight(component: &wasmtime::component::Component) -> u32 {
    // None: it imports core modules or components, and then linking refuses it.
    let Some(needs) = component.resources_required() else { return 1 };
    needs.num_memories.div_ceil(2).max(needs.num_tables.div_ceil(4)).max(1)
}

/// Whether `execute` and `compensate` are there and have the types of the contract. Otherwise each attempt would find out.
fn check_step(engine: &Engine, component: &wasmtime::component::Component) -> Result<(), Refusal> {
    let ty = component.component_type();
    let Some(ComponentItem::ComponentInstance(step)) = ty.get_export(engine, STEP).map(|export| export.ty) else {
        return Err(Refusal::StepMissing);
    };
    let function = |name: &str| match step.get_export(engine, name).map(|export| export.ty) {
        Some(ComponentItem::ComponentFunc(function)) => Ok(function),
        _ => Err(Refusal::MistypedStep(format!("it has no function `{name}`"))),
    };
    let mistyped = |name: &str, error: &wasmtime::Error| Refusal::MistypedStep(format!("`{name}`: {}", quote(error)));
    function("execute")?
        .typecheck::<(&[u8],), (Result<Vec<u8>, Failure>,)>(&ty.instance_type())
        .map_err(|error| mistyped("execute", &error))?;
    function("compensate")?
        .typecheck::<(&[u8], Option<&[u8]>), (Result<(), Failure>,)>(&ty.instance_type())
        .map_err(|error| mistyped("compensate", &error))
}
