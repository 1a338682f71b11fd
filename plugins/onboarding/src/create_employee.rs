//! `create-employee`: an open position of a department is filled.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Good};

/// Who is hired into what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hire {
    /// First and last name.
    pub name: String,
    /// Where there must be an open position.
    pub department: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// Who was hired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Employee {
    /// The id of the employee: the key of their record in the state.
    pub employee: String,
    /// First and last name.
    pub name: String,
}

/// What is recorded of an employee.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    department: String,
}

/// Fills an open position; opens it again when the run fails.
#[derive(Debug)]
pub struct CreateEmployee;

impl Step for CreateEmployee {
    const NAME: &'static str = "create-employee";
    const DOC: &'static str = "Fills an open position; opens it again when the run fails.";
    type Input = Hire;
    type Output = Employee;

    fn execute(hire: Hire) -> Result<Employee, Failure> {
        let mut employee = create(hire.name, hire.department)?;
        rehearse::forward(&hire.rehearse, &mut employee.name)?;
        Ok(employee)
    }

    fn compensate(hire: Hire, _employee: Option<Employee>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&hire.rehearse)
    }
}

fn create(name: String, department: String) -> Result<Employee, Failure> {
    let key = books::own_key("employee");
    if let Some(Entry { name, .. }) = state::get(&key)? {
        return Ok(Employee { employee: key, name });
    }
    books::assign(Good::Position, &department, 1)?;
    let entry = Entry { name, department };
    state::set(&key, &entry)?;
    Ok(Employee { employee: key, name: entry.name })
}

fn take_back() -> Result<(), Failure> {
    let key = books::own_key("employee");
    let Some(Entry { department, .. }) = state::get(&key)? else { return Ok(()) };
    books::free(Good::Position, &department, 1)?;
    state::remove(&key);
    Ok(())
}
