//! What a tenant is: its limits, and the fold of the facts that belong to no run.

mod limits;

pub use limits::{TenantLimits, Unit};
