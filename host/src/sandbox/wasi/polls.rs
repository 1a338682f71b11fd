//! Waiting, charged by the number of things that are waited for. One call may name a thousand of them, and each is looked at: charged as
//! one call, a guest kept a processor for five seconds at the price of a few milliseconds.

use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{Host, HostPollable};

/// The table of an attempt, and its count of calls.
pub(super) struct Polls<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) calls: &'a mut u64,
}

impl Host for Polls<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        *self.calls = self.calls.saturating_add(pollables.len() as u64);
        self.table.poll(pollables).await
    }
}

impl HostPollable for Polls<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.table.block(pollable).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        self.table.ready(pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        HostPollable::drop(self.table, pollable)
    }
}
