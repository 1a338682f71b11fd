//! The steps of an employee's first day: personnel, accounts, equipment, payroll, access, kept in the tenant's own state. The plugin of
//! the example `examples/employee-onboarding`.
//!
//! What each step did is recorded under a key of the run and the step, so that it is done once however often it is tried, and
//! compensated exactly.

#![forbid(unsafe_code)]

mod books;
mod create_account;
mod create_employee;
mod enrol_payroll;
mod grant_access;
mod hand_out_equipment;
mod rosters;
mod screen_candidate;

pub use create_account::{Account, AccountWanted, CreateAccount};
pub use create_employee::{CreateEmployee, Employee, Hire};
pub use enrol_payroll::{EnrolPayroll, Enrolment, Salary};
pub use grant_access::{Access, AccessWanted, Badge, GrantAccess};
pub use hand_out_equipment::{HandOutEquipment, Handout, HandoutWanted};
pub use screen_candidate::{Candidate, ScreenCandidate, Screening};

amends_sdk::export!(ScreenCandidate, CreateEmployee, CreateAccount, HandOutEquipment, EnrolPayroll, GrantAccess);

#[cfg(test)]
mod tests;
