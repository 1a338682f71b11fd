//! The saga of `saga.yaml`, written in Rust; a test holds the two equal.

use std::collections::BTreeSet;

use amends_sdk::JsonSchema;
use amends_sdk::saga::{Compensation, Limits, Mistakes, Plugin, Policy, Retry, Saga, Wait, field, mapping};
use onboarding::{
    AccessWanted, AccountWanted, Badge, Candidate, CreateAccount, CreateEmployee, EnrolPayroll, GrantAccess, HandOutEquipment,
    Handout, HandoutWanted, Hire, Salary, ScreenCandidate,
};
use rehearse::Rehearsals;
use serde_json::Value;

/// What a run gets.
#[derive(JsonSchema)]
struct Newcomer {
    name: String,
    login: String,
    /// What the account is for.
    product: String,
    department: String,
    salary_cents: u64,
    /// What is handed out on the first day. Absent: nothing.
    #[serde(default)]
    equipment: String,
    groups: BTreeSet<String>,
    /// Where a badge is needed.
    #[serde(default)]
    site: Option<String>,
    /// The first day, as RFC 3339 writes it. Absent: it is today.
    #[serde(default)]
    starts_at: String,
    /// Failures to rehearse.
    #[serde(default)]
    rehearse: Rehearsals,
}

/// What a run gives.
#[derive(JsonSchema)]
struct Onboarded {
    employee: String,
    login: String,
    /// None where none was handed out.
    equipment: Option<Handout>,
    badge: Option<Badge>,
}

/// The whole saga.
pub(crate) fn document() -> Result<Value, Mistakes> {
    let mut saga = Saga::<Newcomer>::new("employee.onboarding")
        .name("Employee Onboarding")
        .defaults(
            Policy::new()
                .retry(Retry::attempts(3).initial("200ms").max("2s").factor(2).jitter("20ms"))
                .limits(Limits::new().fuel(100_000_000).timeout("2s").memory("16MiB")),
        )
        .compensation(Compensation::new().order_reverse().on_stuck_continue());
    let onboarding = Plugin::named("onboarding");
    let newcomer = saga.input();
    let (name, department) = (field!(newcomer.name), field!(newcomer.department));
    let rehearse = field!(newcomer.rehearse).or_default();

    let candidate = mapping!(Candidate { name, rehearse });
    saga.step("screen-candidate", onboarding.read_only::<ScreenCandidate>().input(candidate));

    let hire = mapping!(Hire { name, department, rehearse });
    let created = saga.step("create-employee", onboarding.step::<CreateEmployee>().input(hire));
    let employee = field!(created.employee);

    // Four branches, side by side.
    let account = mapping!(AccountWanted { employee, login: field!(newcomer.login), product: field!(newcomer.product), rehearse });
    let account = saga.step("create-account", onboarding.step::<CreateAccount>().after(&created).input(account));

    let equipment = field!(newcomer.equipment);
    let handout = mapping!(HandoutWanted { employee, equipment, rehearse });
    let handout = onboarding.step::<HandOutEquipment>().after(&created).when(equipment.is_there()).input(handout);
    let handout = saga.step("hand-out-equipment", handout);

    let salary = mapping!(Salary { employee, department, salary_cents: field!(newcomer.salary_cents), rehearse });
    let payroll = saga.step("enrol-payroll", onboarding.step::<EnrolPayroll>().after(&created).input(salary));

    let starts_at = field!(newcomer.starts_at);
    let first_day = saga.step("first-day", Wait::until(&starts_at).after(&created).when(starts_at.is_there()));

    // They join here.
    let access = mapping!(AccessWanted {
        login: field!(account.login),
        groups: field!(newcomer.groups),
        site: field!(newcomer.site).or_default(),
        rehearse,
    });
    let access = onboarding.step::<GrantAccess>().after(&account).after(&handout).after(&payroll).after(&first_day).input(access);
    let access = saga.step("grant-access", access);

    saga.output(mapping!(Onboarded { employee, login: field!(account.login), equipment: &handout, badge: field!(access.badge) }))
        .build()
}
