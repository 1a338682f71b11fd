//! The way to the host. Two files offer the same functions: in a component they are the contract's imports; anywhere else they are
//! what the test kit installed. Everything public is written once, above them.

#[cfg(target_arch = "wasm32")]
mod imports;
#[cfg(target_arch = "wasm32")]
pub(crate) use imports::*;

#[cfg(all(target_arch = "wasm32", feature = "http"))]
mod requests;
#[cfg(all(target_arch = "wasm32", feature = "http"))]
pub(crate) use requests::send;

#[cfg(not(target_arch = "wasm32"))]
mod installed;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use installed::*;
