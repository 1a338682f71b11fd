//! `examples/journal-approval`: create-entry, await-review, record-review, await-approval, approve, post, tell-author, one after the
//! other.

use crate::case::Answers::{Signals, ThenNobody};
use crate::case::{BLANK, Books, Case, Example, State};
use serde_json::Value;

pub(crate) const EXAMPLE: Example = Example {
    folder: "journal-approval",
    plugin: "ledger",
    edges: &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)],
    cases: CASES,
    books,
};

const CASES: &[Case] = &[
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved")]),
        steps: "✓ ✓ ✓ ✓ ✓ ✓ ✓",
        ..BLANK
    },
    Case {
        input: "silent",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved")]),
        steps: "✓ ✓ ✓ ✓ ✓ ✓ -",
        ..BLANK
    },
    Case {
        input: "posted-at-last",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved")]),
        steps: "✓ ✓ ✓ ✓ ✓ ✓ ✓",
        tried: &[("post", "forward", 6)],
        ..BLANK
    },
    Case { input: "unbalanced", outcome: "compensated", code: "unbalanced", steps: "· o o o o o o", ..BLANK },
    Case { input: "unknown-account", outcome: "compensated", code: "unknown_account", steps: "· o o o o o o", ..BLANK },
    Case { input: "period-closed", outcome: "compensated", code: "period_closed", steps: "· o o o o o o", ..BLANK },
    Case { input: "not-an-author", outcome: "compensated", code: "not_authorised", steps: "· o o o o o o", ..BLANK },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "review-refused")]),
        outcome: "compensated",
        code: "refused",
        steps: "↺ · · o o o o",
        ..BLANK
    },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed-by-author")]),
        outcome: "compensated",
        code: "four_eyes",
        steps: "↺ · · o o o o",
        ..BLANK
    },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed-by-outsider")]),
        outcome: "compensated",
        code: "not_authorised",
        steps: "↺ · · o o o o",
        ..BLANK
    },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed-unclear")]),
        outcome: "compensated",
        code: "invalid_input",
        steps: "↺ · · o o o o",
        ..BLANK
    },
    Case { input: "good", answers: ThenNobody(&[]), outcome: "compensated", code: "timed_out", steps: "↺ · o o o o o", ..BLANK },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approval-refused")]),
        outcome: "compensated",
        code: "refused",
        steps: "↺ · ↺ · · o o",
        ..BLANK
    },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved-by-reviewer")]),
        outcome: "compensated",
        code: "four_eyes",
        steps: "↺ · ↺ · · o o",
        ..BLANK
    },
    Case {
        input: "good",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved-by-author")]),
        outcome: "compensated",
        code: "four_eyes",
        steps: "↺ · ↺ · · o o",
        ..BLANK
    },
    Case {
        input: "good",
        answers: ThenNobody(&[("reviewed", "reviewed")]),
        outcome: "compensated",
        code: "timed_out",
        steps: "↺ · ↺ · o o o",
        ..BLANK
    },
    Case {
        input: "draft-not-withdrawn",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approval-refused")]),
        outcome: "stuck",
        code: "refused",
        steps: "! · ↺ · · o o",
        ..BLANK
    },
    Case {
        input: "approval-in-doubt",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved")]),
        outcome: "stuck",
        code: "rehearsed",
        steps: "✓ ✓ ✓ ✓ ? o o",
        tried: &[("approve", "forward", 3)],
    },
    Case {
        input: "posting-refused",
        answers: Signals(&[("reviewed", "reviewed"), ("approved", "approved")]),
        outcome: "stuck",
        code: "rehearsed",
        steps: "✓ ✓ ✓ ✓ ✓ ✗ o",
        ..BLANK
    },
];

/// That debits and credits are equal, that accounts hold what was posted, and that the numbers of the journal have no gaps.
fn books(state: &State) -> Books {
    let posted = state.values().filter(|value| value["stage"]["name"] == "posted");
    let posted: Vec<&Value> = posted.collect();
    let all = |field: &str| -> i64 { state.values().filter_map(|account| account[field].as_i64()).sum() };
    let (debit_cents, credit_cents) = (all("debit_cents"), all("credit_cents"));
    assert_eq!(debit_cents, credit_cents, "the books do not balance");
    let lines = posted.iter().flat_map(|entry| entry["lines"].as_array().expect("lines"));
    let debits = lines.filter(|line| line["side"] == "debit").map(|line| line["cents"].as_i64().expect("cents"));
    let last = state["journal/last-number"].as_i64().expect("a number");
    let entries = i64::try_from(posted.len()).expect("a few");
    Books::from([
        ("debits beyond what was posted".to_owned(), debit_cents - debits.sum::<i64>()),
        ("numbers beyond what was posted".to_owned(), last - entries),
    ])
}
