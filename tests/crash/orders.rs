//! The orders that are placed while the program is killed, and what the books must say of those that succeeded. Few articles and few
//! customers, so that runs meet in the state; every way in which a step can go wrong, so that a kill finds runs at every point.

use crate::dice::Dice;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The steps in both directions, with waits short enough that kills find attempts rather than pauses.
pub(crate) const SAGA: &str = r#"
saga: order.fulfillment
defaults:
  retry: { attempts: 4, initial: 1ms, max: 5ms, factor: 2, jitter: 1ms }
  limits: { fuel: 2000000, timeout: 30s, memory: 16MiB }
steps:
  - id: reserve-inventory
    uses: orders/reserve-inventory
    input: { sku: "${input.sku}", quantity: "${input.quantity}", rehearse: "${input.rehearse}" }
    compensation: { retry: { attempts: 30 } }
  - id: charge-payment
    uses: orders/charge-payment
    input: { customer: "${input.customer}", amount: "${steps['reserve-inventory'].output.total}", rehearse: "${input.rehearse}" }
    compensation: { retry: { attempts: 30 } }
  - id: create-shipment
    uses: orders/create-shipment
    input: { sku: "${input.sku}", quantity: "${input.quantity}", country: "${input.country}", rehearse: "${input.rehearse}" }
    compensation: { retry: { attempts: 30 } }
output: { shipment: "${steps['create-shipment'].output.id}", charged: "${steps['charge-payment'].output.amount}" }
"#;
/// As in [`SAGA`]: the test must not believe what the program makes of it.
pub(crate) const FORWARD_ATTEMPTS_MAX: usize = 4;
/// Likewise. More than a run can lose to kills: a compensation that runs out of them is a bug.
pub(crate) const BACKWARD_ATTEMPTS_MAX: usize = 30;

const SKUS: &[(&str, u64)] = &[("BOOK-1", 1_250), ("LAMP-7", 8_900), ("PEN-3", 99)];
const CUSTOMERS: &[&str] = &["anna", "bert", "cleo"];
/// Has no money.
const BROKE: &str = "dora";
const STEPS: &[&str] = &["reserve-inventory", "charge-payment", "create-shipment"];
const PIECES: u64 = 1_000_000;
const CENTS: u64 = 1_000_000_000_000;

/// What a run is started with.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    sku: &'static str,
    price_cents: u64,
    quantity: u64,
    customer: &'static str,
    country: &'static str,
    rehearse: Value,
    /// Whether it can succeed at all; what can may still run out of attempts if kills take them.
    pub(crate) can_succeed: bool,
}

impl Order {
    /// Any order: half of them good.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let (sku, price_cents) = *dice.one(SKUS);
        let customer = *dice.one(CUSTOMERS);
        let quantity = 1 + dice.below(3);
        let good = Self { sku, price_cents, quantity, customer, country: "DE", rehearse: json!({}), can_succeed: true };
        let bad = |rehearse| Self { rehearse, can_succeed: false, ..good.clone() };
        let few = 1 + dice.below(3);
        let step = *dice.one(STEPS);
        match dice.below(100) {
            0..50 => good,
            50..55 => Self { customer: BROKE, can_succeed: false, ..good },
            55..60 => Self { country: "AQ", can_succeed: false, ..good },
            // Two steps are compensated, and that fails at first.
            60..75 => bad(json!({
                "create-shipment": { "execute": "reject" },
                "charge-payment": { "compensate": { "unavailable": { "attempts": few } } },
                "reserve-inventory": { "compensate": { "trap": { "attempts": few } } },
            })),
            75..80 => Self { rehearse: mishap(step, &json!({ "unavailable": { "attempts": few } })), ..good },
            80..85 => Self { rehearse: mishap(step, &json!({ "uncertain": { "attempts": few } })), ..good },
            85..90 => Self { rehearse: mishap(step, &json!({ "trap": { "attempts": few } })), ..good },
            90..94 => bad(mishap(step, &json!({ "uncertain": { "attempts": 99 } }))),
            94..96 => bad(mishap(step, &json!("loop"))),
            96..98 => bad(mishap(step, &json!("flood"))),
            _ => bad(mishap(step, &json!("eat_memory"))),
        }
    }

    /// The input of its run.
    pub(crate) fn input(&self) -> Value {
        let Self { sku, quantity, customer, country, rehearse, .. } = self;
        json!({ "sku": sku, "quantity": quantity, "customer": customer, "country": country, "rehearse": rehearse })
    }

    /// The output of its run, if it succeeds.
    pub(crate) fn output(&self, run: &str) -> Value {
        json!({ "shipment": format!("shipment/{run}/create-shipment"), "charged": self.total() })
    }

    fn total(&self) -> u64 {
        self.price_cents * self.quantity
    }
}

fn mishap(step: &str, execute: &Value) -> Value {
    json!({ step: { "execute": execute } })
}

/// The books before the first order.
pub(crate) fn opening() -> Map<String, Value> {
    let stock = SKUS.iter().map(|(sku, price_cents)| {
        (format!("stock/{sku}"), json!({ "available": PIECES, "reserved": 0, "shipped": 0, "price_cents": price_cents }))
    });
    let accounts = CUSTOMERS.iter().map(|customer| (format!("account/{customer}"), json!({ "balance_cents": CENTS })));
    let others = [
        (format!("account/{BROKE}"), json!({ "balance_cents": 0 })),
        ("revenue".to_owned(), json!({ "balance_cents": 0 })),
        ("carriers".to_owned(), json!(["AT", "DE"])),
    ];
    stock.chain(accounts).chain(others).collect()
}

/// The whole state as the outcomes of the runs say that it is: what succeeded happened once and whole, everything else not at all.
pub(crate) fn closing<'o>(succeeded: impl Iterator<Item = (&'o str, &'o Order)>) -> BTreeMap<String, Value> {
    let mut books: BTreeMap<_, _> = opening().into_iter().collect();
    for (run, order) in succeeded {
        let Order { sku, quantity, customer, country, .. } = order;
        let total = order.total();
        move_by(&mut books, &format!("stock/{sku}"), "available", "shipped", *quantity);
        take(&mut books, &format!("account/{customer}"), "balance_cents", total);
        give(&mut books, "revenue", "balance_cents", total);
        let step = |kind: &str, step: &str| format!("{kind}/{run}/{step}");
        books.insert(step("reservation", STEPS[0]), json!({ "sku": sku, "quantity": quantity, "total": total }));
        books.insert(step("charge", STEPS[1]), json!({ "customer": customer, "amount_cents": total }));
        books.insert(step("shipment", STEPS[2]), json!({ "sku": sku, "quantity": quantity, "country": country }));
    }
    books
}

type Books = BTreeMap<String, Value>;

fn move_by(books: &mut Books, key: &str, from: &str, to: &str, amount: u64) {
    take(books, key, from, amount);
    give(books, key, to, amount);
}

fn take(books: &mut Books, key: &str, field: &str, amount: u64) {
    let value = &mut books.get_mut(key).expect("it was there at first")[field];
    *value = json!(value.as_u64().expect("a number") - amount);
}

fn give(books: &mut Books, key: &str, field: &str, amount: u64) {
    let value = &mut books.get_mut(key).expect("it was there at first")[field];
    *value = json!(value.as_u64().expect("a number") + amount);
}
