//! Compiled code between the compiler and the engine. Whoever can change it can do anything that the host can, so it lies in sealed
//! memory from the moment it is made or verified ([`sealed`]), and one function makes it executable ([`trusted`]). What is kept on disk
//! ([`kept`]) is one file for each component ([`entry`]), authenticated with a key of this data directory ([`key`]).

mod entry;
pub(super) mod kept;
mod key;
pub(super) mod sealed;
pub(super) mod trusted;

/// Most bytes of the code of one component. The largest guests that make sense have a fifth of it.
pub(super) const CODE_LEN_MAX: u64 = 512 * 1024 * 1024;
