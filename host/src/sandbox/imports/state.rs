//! The tenant's state: the guest reads and writes what its attempt knows of it.

use super::charge;
use crate::sandbox::attempt::Attempt;
use amends_domain::payload::Payload;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

pub(super) fn link(interface: &mut LinkerInstance<'_, Attempt>) -> wasmtime::Result<()> {
    interface.func_wrap_async("get", |mut store: StoreContextMut<'_, Attempt>, (key,): (String,)| {
        Box::new(async move {
            charge(&mut store, key.len())?;
            let value = store.data_mut().state.get(key).await?;
            charge(&mut store, value.as_ref().map_or(0, Payload::len))?;
            Ok((value.map(|value| value.0.to_vec()),))
        })
    })?;
    interface.func_wrap("set", |mut store, (key, value): (String, Vec<u8>)| {
        charge(&mut store, key.len() + value.len())?;
        Ok(store.data_mut().state.write(key, Some(value.into()))?)
    })?;
    interface.func_wrap("remove", |mut store, (key,): (String,)| {
        charge(&mut store, key.len())?;
        Ok(store.data_mut().state.write(key, None)?)
    })
}
