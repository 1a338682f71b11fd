//! What a guest may call, one file for each interface of the contract, each function scoped to the attempt. Linked by hand, once
//! for all components (`bindings.rs` says why).
//!
//! Every host call costs fuel, or a guest could keep the host at work for nearly nothing: computing in the guest is counted by the
//! instruction, a host call would be one.

mod invocation;
pub(super) mod log;
mod secrets;
pub(super) mod state;

use super::attempt::Attempt;
use wasmtime::component::Linker;
use wasmtime::{StoreContextMut, Trap};

/// Fuel of a host call, about its time in nanoseconds.
const CALL_FUEL: u64 = 100;
/// Bytes that move between guest and host for one unit of fuel.
const BYTES_PER_FUEL: u64 = 8;

/// Links all imports of the contract.
pub(super) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    // Types only, but components name the interface among their imports.
    linker.instance("amends:saga/types@0.1.0")?;
    invocation::link(&mut linker.instance("amends:saga/invocation@0.1.0")?)?;
    log::link(&mut linker.instance("amends:saga/log@0.1.0")?)?;
    state::link(&mut linker.instance("amends:saga/state@0.1.0")?)?;
    secrets::link(&mut linker.instance("amends:saga/secrets@0.1.0")?)
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
