//! `hand-out-equipment`: a piece of equipment goes from the store to an employee.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Good};

/// What is to be handed out to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoutWanted {
    /// The id of the employee.
    pub employee: String,
    /// What kind of thing, such as `laptop`.
    pub equipment: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handout {
    /// The receipt: the key of its record in the state.
    pub receipt: String,
    /// What kind of thing.
    pub equipment: String,
}

/// What is recorded of a handout.
#[derive(Serialize, Deserialize)]
struct Entry {
    employee: String,
    equipment: String,
}

/// Hands out a piece of equipment; takes it back when the run fails.
#[derive(Debug)]
pub struct HandOutEquipment;

impl Step for HandOutEquipment {
    const NAME: &'static str = "hand-out-equipment";
    const DOC: &'static str = "Hands out a piece of equipment; takes it back when the run fails.";
    type Input = HandoutWanted;
    type Output = Handout;

    fn execute(wanted: HandoutWanted) -> Result<Handout, Failure> {
        let mut handout = hand_out(wanted.employee, wanted.equipment)?;
        rehearse::forward(&wanted.rehearse, &mut handout.equipment)?;
        Ok(handout)
    }

    fn compensate(wanted: HandoutWanted, _handout: Option<Handout>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&wanted.rehearse)
    }
}

fn hand_out(employee: String, equipment: String) -> Result<Handout, Failure> {
    let key = books::own_key("handout");
    if let Some(Entry { equipment, .. }) = state::get(&key)? {
        return Ok(Handout { receipt: key, equipment });
    }
    books::assign(Good::Equipment, &equipment, 1)?;
    let entry = Entry { employee, equipment };
    state::set(&key, &entry)?;
    Ok(Handout { receipt: key, equipment: entry.equipment })
}

fn take_back() -> Result<(), Failure> {
    let key = books::own_key("handout");
    let Some(Entry { equipment, .. }) = state::get(&key)? else { return Ok(()) };
    books::free(Good::Equipment, &equipment, 1)?;
    state::remove(&key);
    Ok(())
}
