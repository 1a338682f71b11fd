//! `enrol-payroll`: a salary is taken from what a department may spend in a month.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Good};

/// Who is paid how much by whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Salary {
    /// The id of the employee.
    pub employee: String,
    /// The department that pays.
    pub department: String,
    /// How much a month, in cents, at least 1.
    pub salary_cents: u64,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was agreed with the payroll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolment {
    /// The id of the enrolment: the key of its record in the state.
    pub enrolment: String,
    /// How much a month, in cents.
    pub salary_cents: u64,
}

/// What is recorded of an enrolment.
#[derive(Serialize, Deserialize)]
struct Entry {
    employee: String,
    department: String,
    salary_cents: u64,
}

/// Sets a salary aside from a department's budget; frees it when the run fails.
#[derive(Debug)]
pub struct EnrolPayroll;

impl Step for EnrolPayroll {
    const NAME: &'static str = "enrol-payroll";
    const DOC: &'static str = "Sets a salary aside from a department's budget; frees it when the run fails.";
    type Input = Salary;
    type Output = Enrolment;

    fn execute(salary: Salary) -> Result<Enrolment, Failure> {
        let entry = Entry { employee: salary.employee, department: salary.department, salary_cents: salary.salary_cents };
        let mut enrolment = enrol(&entry)?;
        rehearse::forward(&salary.rehearse, &mut enrolment.enrolment)?;
        Ok(enrolment)
    }

    fn compensate(salary: Salary, _enrolment: Option<Enrolment>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&salary.rehearse)
    }
}

fn enrol(entry: &Entry) -> Result<Enrolment, Failure> {
    let key = books::own_key("enrolment");
    if let Some(Entry { salary_cents, .. }) = state::get(&key)? {
        return Ok(Enrolment { enrolment: key, salary_cents });
    }
    if entry.salary_cents == 0 {
        return Err(Failure::rejected("invalid_salary", "a salary has to be 1 cent or more"));
    }
    books::assign(Good::Salary, &entry.department, entry.salary_cents)?;
    state::set(&key, entry)?;
    Ok(Enrolment { enrolment: key, salary_cents: entry.salary_cents })
}

fn take_back() -> Result<(), Failure> {
    let key = books::own_key("enrolment");
    let Some(Entry { department, salary_cents, .. }) = state::get(&key)? else { return Ok(()) };
    books::free(Good::Salary, &department, salary_cents)?;
    state::remove(&key);
    Ok(())
}
