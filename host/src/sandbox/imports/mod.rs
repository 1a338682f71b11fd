//! What a guest may call, one file for each interface of the contract, each function scoped to the attempt. Linked by hand, once
//! for all components (`bindings.rs` says why).
//!
//! Every host call costs fuel, or a guest could keep the host at work for nearly nothing: computing in the guest is counted by the
//! instruction, a host call would be one.

mod invocation;
mod log;
pub(super) mod outside;
mod secrets;
mod state;

use super::attempt::Attempt;
use super::wasi;
use outside::Outside;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime::{Engine, StoreContextMut, Trap};

/// Fuel of a host call, about its time in nanoseconds.
const CALL_FUEL: u64 = 100;
/// Bytes that move between guest and host for one unit of fuel.
const BYTES_PER_FUEL: u64 = 8;

/// Types only, but components name the interface among their imports.
const TYPES: &str = "amends:saga/types@0.1.0";
const INVOCATION: &str = "amends:saga/invocation@0.1.0";
const LOG: &str = "amends:saga/log@0.1.0";
const STATE: &str = "amends:saga/state@0.1.0";
const SECRETS: &str = "amends:saga/secrets@0.1.0";

/// What components may import: the names, and what is behind them.
pub(super) struct Imports {
    /// One by one: nothing is offered by a prefix.
    pub(super) names: Vec<&'static str>,
    pub(super) linker: Linker<Attempt>,
}

/// All imports of the contract, what is offered of WASI (its names are in `wasi`), and the world outside for tests if there is one.
pub(super) fn imports(engine: &Engine, outside: Option<Arc<dyn Outside>>) -> wasmtime::Result<Imports> {
    let mut names = vec![TYPES, INVOCATION, LOG, STATE, SECRETS];
    let mut linker = Linker::new(engine);
    linker.instance(TYPES)?;
    invocation::link(&mut linker.instance(INVOCATION)?)?;
    log::link(&mut linker.instance(LOG)?)?;
    state::link(&mut linker.instance(STATE)?)?;
    secrets::link(&mut linker.instance(SECRETS)?)?;
    wasi::link(&mut linker)?;
    if let Some(outside) = outside {
        names.push(outside::INTERFACE);
        outside::link(&mut linker.instance(outside::INTERFACE)?, outside)?;
    }
    Ok(Imports { names, linker })
}

/// Takes the fuel of a host call that moves `len` bytes; out of fuel like the guest itself if there is not enough.
fn charge(store: &mut StoreContextMut<'_, Attempt>, len: usize) -> wasmtime::Result<()> {
    let cost = CALL_FUEL + len as u64 / BYTES_PER_FUEL;
    if let Some(left) = store.get_fuel()?.checked_sub(cost) {
        return store.set_fuel(left);
    }
    store.set_fuel(0)?;
    Err(Trap::OutOfFuel.into())
}
