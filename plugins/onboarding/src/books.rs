//! The supplies that the steps share: positions, licences, equipment and money for salaries. Apart, so that the rule of all of them is
//! written once: what is free and what is assigned add up to the same for ever.

use amends_sdk::{Failure, invocation, json, state};
use serde::{Deserialize, Serialize};

/// How much of something there is, by whether somebody has it.
#[derive(Debug, Serialize, Deserialize)]
struct Supply {
    free: u64,
    assigned: u64,
}

/// What there is a finite supply of. Each lies at `<word>/<name>`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Good {
    /// Of a department, in people.
    Position,
    /// Of a product, in users.
    Licence,
    /// Of a kind, in pieces.
    Equipment,
    /// Of a department, in cents a month.
    Salary,
}

/// The key under which this step of this run records what it did: `<kind>/<run>/<step-id>`.
pub(crate) fn own_key(kind: &str) -> String {
    [kind, &invocation::run(), &invocation::step_id()].join("/")
}

/// Assigns an amount of what is free; rejected if there is no such supply, or too little of it.
pub(crate) fn assign(good: Good, name: &str, amount: u64) -> Result<(), Failure> {
    let key = good.key(name);
    let Supply { free, assigned } = supply(good, &key)?;
    let Some(left) = free.checked_sub(amount) else {
        return Err(Failure::rejected(good.exhausted(), format!("{amount} of `{key}` wanted, {free} free"))
            .with_details(json!({ "supply": key, "wanted": amount, "free": free })));
    };
    let assigned = assigned.checked_add(amount).ok_or_else(overflow)?;
    state::set(&key, &Supply { free: left, assigned })
}

/// Frees an amount of what is assigned; rejected as `books_disagree` if less than that is.
pub(crate) fn free(good: Good, name: &str, amount: u64) -> Result<(), Failure> {
    let key = good.key(name);
    let Supply { free, assigned } = supply(good, &key)?;
    let Some(left) = assigned.checked_sub(amount) else {
        return Err(Failure::rejected("books_disagree", format!("{amount} of `{key}` to free, {assigned} assigned")));
    };
    let free = free.checked_add(amount).ok_or_else(overflow)?;
    state::set(&key, &Supply { free, assigned: left })
}

fn supply(good: Good, key: &str) -> Result<Supply, Failure> {
    state::get(key)?.ok_or_else(|| Failure::rejected(good.unknown(), format!("no `{key}` in the books")))
}

#[cold]
fn overflow() -> Failure {
    Failure::rejected("amount_too_large", "the sum does not fit the books")
}

impl Good {
    fn key(self, name: &str) -> String {
        let word = match self {
            Self::Position => "positions",
            Self::Licence => "licences",
            Self::Equipment => "equipment",
            Self::Salary => "salaries",
        };
        [word, name].join("/")
    }

    fn unknown(self) -> &'static str {
        match self {
            Self::Position | Self::Salary => "unknown_department",
            Self::Licence => "unknown_product",
            Self::Equipment => "unknown_equipment",
        }
    }

    fn exhausted(self) -> &'static str {
        match self {
            Self::Position => "no_position_open",
            Self::Licence => "no_licence_left",
            Self::Equipment => "no_equipment_left",
            Self::Salary => "over_budget",
        }
    }
}
