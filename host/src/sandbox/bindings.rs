//! The types of the contract in `wit/` and its exports, made by wasmtime's bindgen, so that the contract is written down once.
//!
//! The imports are linked by hand in `imports/`: what bindgen makes for them does not reach the store, and without the store a host
//! call can neither be charged nor say how much fuel is left.
#![allow(clippy::pedantic, dead_code, missing_docs, unreachable_pub, reason = "generated; the traits for imports are not used")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "described",
    exports: { default: async },
    // Arguments by reference: an input is not copied on its way to the guest's memory.
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(super) use self::amends::saga::log::Level;
pub(super) use self::amends::saga::types::{Effect, Failure, Fault};
pub(super) use exports::amends::saga::{manifest, step};
