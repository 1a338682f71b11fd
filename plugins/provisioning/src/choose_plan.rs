//! `choose-plan`: what a plan includes. Reads only, so a saga may say `kind: read-only`.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

/// Which plan is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanWanted {
    /// Its name.
    pub plan: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What the plan includes. A run goes on with what it was told here, also if the plan changes meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Its name.
    pub plan: String,
    /// The size of the database.
    pub database_gib: u64,
    /// The size of the storage.
    pub storage_gib: u64,
}

/// What is recorded of a plan, at `plan/<name>`.
#[derive(Deserialize)]
struct Entry {
    database_gib: u64,
    storage_gib: u64,
}

/// Looks up what a plan includes; changes nothing.
#[derive(Debug)]
pub struct ChoosePlan;

impl Step for ChoosePlan {
    const NAME: &'static str = "choose-plan";
    const DOC: &'static str = "Looks up what a plan includes; changes nothing.";
    const COMPENSATES: bool = false;
    type Input = PlanWanted;
    type Output = Plan;

    fn execute(wanted: PlanWanted) -> Result<Plan, Failure> {
        let mut plan = choose(wanted.plan)?;
        rehearse::forward(&wanted.rehearse, &mut plan.plan)?;
        Ok(plan)
    }
}

fn choose(plan: String) -> Result<Plan, Failure> {
    match state::get(&["plan", &plan].join("/"))? {
        Some(Entry { database_gib, storage_gib }) => Ok(Plan { plan, database_gib, storage_gib }),
        None => Err(Failure::rejected("unknown_plan", format!("there is no plan `{plan}`"))),
    }
}
