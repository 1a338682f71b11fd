//! What a new customer of a hosted product gets: a database, storage, a configuration, and a check of the whole, kept in the tenant's own
//! state. The plugin of the example `examples/tenant-provisioning`. The customers are called customers here, because a tenant is
//! whoever uses amends.
//!
//! What each step did is recorded under a key of the run and the step, so that it is done once however often it is tried, and
//! compensated exactly.

#![forbid(unsafe_code)]

mod choose_plan;
mod create_database;
mod create_storage;
mod pools;
mod verify;
mod write_configuration;

pub use choose_plan::{ChoosePlan, Plan, PlanWanted};
pub use create_database::{CreateDatabase, Database, DatabaseWanted};
pub use create_storage::{CreateStorage, Storage, StorageWanted};
pub use verify::{Finding, Subject, Verify};
pub use write_configuration::{Configuration, ConfigurationWanted, WriteConfiguration};

amends_sdk::export!(ChoosePlan, CreateDatabase, CreateStorage, WriteConfiguration, Verify);

#[cfg(test)]
mod tests;
