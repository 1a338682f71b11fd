//! The saga host. Floors, each using only those below it: edges ([`store`], [`sandbox`], [`clock`]) touch the world and do not know each
//! other; the [`coordinator`] drives runs over them by the rules of `amends_domain`; the faces translate and hold no rules.

pub mod clock;
pub mod coordinator;
pub mod sandbox;
pub mod store;
