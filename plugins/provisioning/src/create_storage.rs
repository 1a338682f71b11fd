//! `create-storage`: storage of a size, from what the region has.

use amends_sdk::{Failure, JsonSchema, Step};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::pools::{self, Resource, Share};

/// Which storage is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageWanted {
    /// Where it is to be.
    pub region: String,
    /// How large it is, in GiB, at least 1.
    pub size_gib: u64,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    /// The id of the storage: the key of its record in the state.
    pub storage: String,
}

/// Creates storage; empties and frees it when the run fails.
#[derive(Debug)]
pub struct CreateStorage;

impl Step for CreateStorage {
    const NAME: &'static str = "create-storage";
    const DOC: &'static str = "Creates storage; empties and frees it when the run fails.";
    type Input = StorageWanted;
    type Output = Storage;

    fn execute(wanted: StorageWanted) -> Result<Storage, Failure> {
        let share = Share { region: wanted.region, size_gib: wanted.size_gib };
        let mut storage = pools::allocate(Resource::Storage, &share)?;
        rehearse::forward(&wanted.rehearse, &mut storage)?;
        Ok(Storage { storage })
    }

    fn compensate(wanted: StorageWanted, _storage: Option<Storage>) -> Result<(), Failure> {
        pools::release(Resource::Storage)?;
        rehearse::backward(&wanted.rehearse)
    }
}
