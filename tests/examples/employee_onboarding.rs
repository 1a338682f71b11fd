//! `examples/employee-onboarding`: screen-candidate, create-employee, then create-account, hand-out-equipment, enrol-payroll and first-day
//! side by side, then grant-access.

use crate::case::{BLANK, Books, Case, Example, State};

pub(crate) const EXAMPLE: Example =
    Example { folder: "employee-onboarding", plugin: "onboarding", edges: EDGES, cases: CASES, books };

/// The screening, the employee, four branches, access.
const EDGES: &[(usize, usize)] = &[(0, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 6), (3, 6), (4, 6), (5, 6)];

const CASES: &[Case] = &[
    Case { input: "good", steps: "✓ ✓ ✓ ✓ ✓ - ✓", ..BLANK },
    Case { input: "remote", steps: "✓ ✓ ✓ - ✓ - ✓", ..BLANK },
    Case { input: "starts-later", steps: "✓ ✓ ✓ ✓ ✓ ✓ ✓", ..BLANK },
    Case { input: "payroll-comes-back", steps: "✓ ✓ ✓ ✓ ✓ - ✓", tried: &[("enrol-payroll", "forward", 3)], ..BLANK },
    Case { input: "candidate-blocked", outcome: "compensated", code: "candidate_blocked", steps: "· o o o o o o", ..BLANK },
    Case { input: "no-position-open", outcome: "compensated", code: "no_position_open", steps: "· · o o o o o", ..BLANK },
    Case { input: "login-taken", outcome: "compensated", code: "login_taken", steps: "· ↺ · ↺ ↺ - o", ..BLANK },
    Case { input: "no-licence-left", outcome: "compensated", code: "no_licence_left", steps: "· ↺ · ↺ ↺ - o", ..BLANK },
    Case { input: "no-equipment-left", outcome: "compensated", code: "no_equipment_left", steps: "· ↺ ↺ · ↺ - o", ..BLANK },
    Case { input: "over-budget", outcome: "compensated", code: "over_budget", steps: "· ↺ ↺ ↺ · - o", ..BLANK },
    Case { input: "unknown-group", outcome: "compensated", code: "unknown_group", steps: "· ↺ ↺ ↺ ↺ - ·", ..BLANK },
    Case { input: "remote-group-full", outcome: "compensated", code: "group_full", steps: "· ↺ ↺ - ↺ - ·", ..BLANK },
    Case { input: "no-badge-left", outcome: "compensated", code: "no_badge_left", steps: "· ↺ ↺ ↺ ↺ - ·", ..BLANK },
    Case {
        input: "access-in-doubt",
        outcome: "compensated",
        code: "rehearsed",
        steps: "· ↺ ↺ ↺ ↺ - ↺",
        tried: &[("grant-access", "forward", 3)],
        ..BLANK
    },
    Case { input: "equipment-not-returned", outcome: "stuck", code: "unknown_group", steps: "· ↺ ↺ ! ↺ - ·", ..BLANK },
];

/// Of each supply, all of it, and what is free and what records say that somebody has; of groups all seats; of badges their numbers.
fn books(state: &State) -> Books {
    let mut books = Books::new();
    for (key, value) in state {
        let number = |field: &str| value[field].as_i64().unwrap_or_else(|| panic!("{key} has no number `{field}`: {value}"));
        let list = |field: &str| value[field].as_array().unwrap_or_else(|| panic!("{key} has no list `{field}`: {value}"));
        match key.split_once('/') {
            Some((good @ ("positions" | "licences" | "equipment" | "salaries"), name)) => {
                books.insert(key.clone(), number("free") + number("assigned"));
                books.insert(format!("{key}: free and recorded"), number("free") + recorded(state, good, name));
            }
            Some(("group", _)) => {
                let members = i64::try_from(list("members").len()).expect("a small group");
                books.insert(key.clone(), number("free") + members);
            }
            Some(("badges", _)) => {
                for badge in list("free").iter().chain(list("assigned")) {
                    *books.entry(format!("{key}: {badge}")).or_default() += 1;
                }
            }
            Some(_) | None => {}
        }
    }
    books
}

/// How much of a supply the records of the steps give to somebody.
fn recorded(state: &State, good: &str, name: &str) -> i64 {
    let (kind, field) = match good {
        "positions" => ("employee/", "department"),
        "licences" => ("account/", "product"),
        "equipment" => ("handout/", "equipment"),
        _ => ("enrolment/", "department"),
    };
    let records = state.iter().filter(|(key, record)| key.starts_with(kind) && record[field] == name);
    records.map(|(_, record)| if good == "salaries" { record["salary_cents"].as_i64().expect("cents") } else { 1 }).sum()
}
