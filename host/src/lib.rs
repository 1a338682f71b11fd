//! The saga host. Floors, each using only those below it: edges ([`store`], [`sandbox`], [`vault`], [`client`], [`clock`], [`disk`],
//! [`oidc`], [`telemetry`]) touch the world and do not know each other; the [`coordinator`] drives runs over them by the rules of `amends_domain`; [`api`]
//! translates; [`compose`], [`config`], [`serve`] and [`cli`] wire and tell, and hold no rules.

// Two functions have to be, in `sandbox/code/trusted.rs` and `sandbox/pace.rs`.
#![deny(unsafe_code)]

pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod compose;
pub mod config;
pub mod coordinator;
pub mod disk;
pub mod oidc;
pub mod sandbox;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod vault;
mod view;
