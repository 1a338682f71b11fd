//! `examples/order-fulfillment`: reserve-inventory, charge-payment, create-shipment, one after the other.

use crate::case::{BLANK, Books, Case, Example, State};

pub(crate) const EXAMPLE: Example =
    Example { folder: "order-fulfillment", plugin: "orders", edges: &[(0, 1), (1, 2)], cases: CASES, books };

const CASES: &[Case] = &[
    Case { input: "good", steps: "✓ ✓ ✓", ..BLANK },
    Case { input: "card-declined", outcome: "compensated", code: "card_declined", steps: "↺ · o", ..BLANK },
    Case { input: "nobody-can-ship", outcome: "compensated", code: "no_carrier", steps: "↺ ↺ ·", ..BLANK },
    Case { input: "traps-twice", steps: "✓ ✓ ✓", tried: &[("charge-payment", "forward", 3)], ..BLANK },
    Case {
        input: "loops",
        outcome: "compensated",
        code: "out_of_fuel",
        steps: "↺ ↺ ·",
        tried: &[("create-shipment", "forward", 3)],
        ..BLANK
    },
    Case {
        input: "eats-memory",
        outcome: "compensated",
        code: "out_of_memory",
        steps: "↺ ↺ ·",
        tried: &[("create-shipment", "forward", 3)],
        ..BLANK
    },
    Case { input: "refund-stuck", outcome: "stuck", code: "rehearsed", steps: "↺ ! ·", ..BLANK },
];

/// All pieces of each article, wherever they are, and all money.
fn books(state: &State) -> Books {
    let mut books = Books::new();
    for (key, value) in state {
        let cents = value["balance_cents"].as_i64().unwrap_or_default();
        *books.entry("cents".to_owned()).or_default() += cents;
        if key.starts_with("stock/") {
            let pieces = ["available", "reserved", "shipped"].map(|place| value[place].as_i64().expect("pieces"));
            books.insert(key.clone(), pieces.iter().sum());
        }
    }
    books
}
