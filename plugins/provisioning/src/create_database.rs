//! `create-database`: a database of a size, from what the region has.

use amends_sdk::{Failure, JsonSchema, Step};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::pools::{self, Resource, Share};

/// Which database is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseWanted {
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
pub struct Database {
    /// The id of the database: the key of its record in the state.
    pub database: String,
}

/// Creates a database; drops it when the run fails.
#[derive(Debug)]
pub struct CreateDatabase;

impl Step for CreateDatabase {
    const NAME: &'static str = "create-database";
    const DOC: &'static str = "Creates a database; drops it when the run fails.";
    type Input = DatabaseWanted;
    type Output = Database;

    fn execute(wanted: DatabaseWanted) -> Result<Database, Failure> {
        let share = Share { region: wanted.region, size_gib: wanted.size_gib };
        let mut database = pools::allocate(Resource::Database, &share)?;
        rehearse::forward(&wanted.rehearse, &mut database)?;
        Ok(Database { database })
    }

    fn compensate(wanted: DatabaseWanted, _database: Option<Database>) -> Result<(), Failure> {
        pools::release(Resource::Database)?;
        rehearse::backward(&wanted.rehearse)
    }
}
