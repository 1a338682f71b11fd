//! The saga host: edges (store, sandbox, clock), the coordinator that drives runs over them, and the faces.

pub mod store;
