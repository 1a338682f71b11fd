//! The guest's log.

use super::charge;
use crate::sandbox::attempt::Attempt;
use crate::sandbox::bindings::Level;
use wasmtime::component::LinkerInstance;

pub(super) fn link(interface: &mut LinkerInstance<'_, Attempt>) -> wasmtime::Result<()> {
    interface.func_wrap("write", |mut store, (level, message): (Level, String)| {
        charge(&mut store, message.len())?;
        store.data().log.write(level, &message);
        Ok(())
    })
}
