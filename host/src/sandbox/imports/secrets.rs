//! Secrets by name. A name that was not granted looks like one that does not exist.

use super::charge;
use crate::sandbox::attempt::Attempt;
use wasmtime::component::LinkerInstance;

pub(super) fn link(interface: &mut LinkerInstance<'_, Attempt>) -> wasmtime::Result<()> {
    interface.func_wrap("get", |mut store, (name,): (String,)| {
        let secret = store.data().secrets.0.get(&name).cloned();
        charge(&mut store, name.len() + secret.as_ref().map_or(0, String::len))?;
        Ok((secret,))
    })
}
