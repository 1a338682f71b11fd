//! `examples/tenant-provisioning`: choose-plan, create-database, create-storage, write-configuration, let-it-spread, verify, one after the
//! other.

use crate::case::{BLANK, Books, Case, Example, State};

pub(crate) const EXAMPLE: Example = Example {
    folder: "tenant-provisioning",
    plugin: "provisioning",
    edges: &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)],
    cases: CASES,
    books,
};

const CASES: &[Case] = &[
    Case { input: "good", steps: "✓ ✓ ✓ ✓ ✓ ✓", ..BLANK },
    Case { input: "verified-at-last", steps: "✓ ✓ ✓ ✓ ✓ ✓", tried: &[("verify", "forward", 6)], ..BLANK },
    Case { input: "unknown-plan", outcome: "compensated", code: "unknown_plan", steps: "· o o o o o", ..BLANK },
    Case { input: "unknown-region", outcome: "compensated", code: "unknown_region", steps: "· · o o o o", ..BLANK },
    Case { input: "no-database-capacity", outcome: "compensated", code: "no_database_capacity", steps: "· · o o o o", ..BLANK },
    Case { input: "no-storage-capacity", outcome: "compensated", code: "no_storage_capacity", steps: "· ↺ · o o o", ..BLANK },
    Case { input: "unknown-feature", outcome: "compensated", code: "unknown_feature", steps: "· ↺ ↺ · o o", ..BLANK },
    Case { input: "hostname-taken", outcome: "compensated", code: "hostname_taken", steps: "· ↺ ↺ · o o", ..BLANK },
    Case { input: "no-route-left", outcome: "compensated", code: "no_route_left", steps: "· ↺ ↺ · o o", ..BLANK },
    Case { input: "unhealthy", outcome: "compensated", code: "unhealthy", steps: "· ↺ ↺ ↺ · ·", ..BLANK },
    Case { input: "never-ready", outcome: "compensated", code: "not_ready", steps: "· ↺ ↺ ↺ · ·", ..BLANK },
    Case {
        input: "storage-in-doubt",
        outcome: "compensated",
        code: "rehearsed",
        steps: "· ↺ ↺ o o o",
        tried: &[("create-storage", "forward", 3)],
        ..BLANK
    },
    Case {
        input: "storage-freed-at-last",
        outcome: "compensated",
        code: "unhealthy",
        steps: "· ↺ ↺ ↺ · ·",
        tried: &[("create-storage", "backward", 7)],
        ..BLANK
    },
    Case { input: "storage-not-freed", outcome: "stuck", code: "unhealthy", steps: "✓ ✓ ! ↺ · ·", ..BLANK },
    Case {
        input: "storage-freed-too-late",
        outcome: "stuck",
        code: "unhealthy",
        steps: "· ! ! ↺ · ·",
        tried: &[("create-storage", "backward", 3)],
        ..BLANK
    },
];

/// Of each pool its capacity, what is free and used of it, and what is free and what records say that somebody has.
fn books(state: &State) -> Books {
    let mut books = Books::new();
    for (key, value) in state.iter().filter(|(key, _)| key.starts_with("pool/")) {
        let number = |field: &str| value[field].as_i64().unwrap_or_else(|| panic!("{key} has no `{field}`: {value}"));
        let capacity = number("capacity");
        assert_eq!(number("free") + number("used"), capacity, "{key}");
        let mut parts = key.split('/').skip(1);
        let (word, region) = (parts.next().expect("what it is"), parts.next().expect("where it is"));
        books.insert(key.clone(), capacity);
        books.insert(format!("{key}: free and recorded"), number("free") + recorded(state, word, region));
    }
    books
}

/// How much of a pool the records of the steps give to somebody.
fn recorded(state: &State, word: &str, region: &str) -> i64 {
    let kind = if word == "routes" { "configuration/" } else { &format!("{word}/") };
    let records = state.iter().filter(|(key, record)| key.starts_with(kind) && record["region"] == region);
    records.map(|(_, record)| if word == "routes" { 1 } else { record["size_gib"].as_i64().expect("a size") }).sum()
}
