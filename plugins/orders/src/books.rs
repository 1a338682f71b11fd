//! The books that the steps share: stock by `stock/<sku>`, money by `account/<customer>` and `revenue`. Apart, so that the rule of
//! each is written once: no piece and no cent appears or vanishes, they only move.

use amends_sdk::{Failure, invocation, json, state};
use serde::{Deserialize, Serialize};

/// The pieces of one article, by where they are, and the price of one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) available: u64,
    pub(crate) reserved: u64,
    pub(crate) shipped: u64,
    pub(crate) price_cents: u64,
}

/// Money: a customer's, or the shop's.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) balance_cents: u64,
}

/// Where pieces of an article can be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Available,
    Reserved,
    Shipped,
}

/// The key under which this step of this run records what it did: `<kind>/<run>/<step-id>`.
pub(crate) fn own_key(kind: &str) -> String {
    [kind, &invocation::run(), &invocation::step_id()].join("/")
}

/// The stock of an article; rejected as `unknown_sku` if there is none of that name.
pub(crate) fn stock(sku: &str) -> Result<Stock, Failure> {
    state::get(&stock_key(sku))?.ok_or_else(|| Failure::rejected("unknown_sku", format!("no article `{sku}` in the books")))
}

/// Moves pieces of an article and writes its stock; rejected as `out_of_stock` or `books_disagree` if too few are where they leave.
pub(crate) fn move_stock(sku: &str, mut stock: Stock, quantity: u64, from: Place, to: Place) -> Result<(), Failure> {
    let there = stock.at(from);
    let Some(left) = there.checked_sub(quantity) else { return Err(too_few(sku, quantity, *there, from)) };
    *there = left;
    let pieces = stock.at(to);
    *pieces = pieces.checked_add(quantity).ok_or_else(overflow)?;
    state::set(&stock_key(sku), &stock)
}

/// An account by its key; none if it does not exist.
pub(crate) fn account(key: &str) -> Result<Option<Account>, Failure> {
    state::get(key)
}

/// The key of a customer's account.
pub(crate) fn customer_key(customer: &str) -> String {
    ["account", customer].join("/")
}

/// The key of the shop's own account.
pub(crate) const REVENUE: &str = "revenue";

/// Rejects a quantity of nothing: whoever orders that made a mistake.
pub(crate) fn check_quantity(quantity: u64) -> Result<(), Failure> {
    match quantity {
        0 => Err(Failure::rejected("invalid_quantity", "quantity has to be 1 or more")),
        _ => Ok(()),
    }
}

/// Rejects a sum that no longer fits the books.
#[cold]
pub(crate) fn overflow() -> Failure {
    Failure::rejected("amount_too_large", "the sum does not fit the books")
}

fn stock_key(sku: &str) -> String {
    ["stock", sku].join("/")
}

impl Stock {
    fn at(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Available => &mut self.available,
            Place::Reserved => &mut self.reserved,
            Place::Shipped => &mut self.shipped,
        }
    }
}

#[cold]
fn too_few(sku: &str, quantity: u64, there: u64, from: Place) -> Failure {
    let (code, place) = match from {
        Place::Available => ("out_of_stock", "available"),
        Place::Reserved => ("books_disagree", "reserved"),
        Place::Shipped => ("books_disagree", "shipped"),
    };
    Failure::rejected(code, format!("{quantity} of `{sku}` wanted, {there} {place}"))
        .with_details(json!({ "sku": sku, "wanted": quantity, place: there }))
}
