//! `reserve-inventory`: pieces of an article go from available to reserved.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Place};

/// What is ordered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The article.
    pub sku: String,
    /// How many pieces, at least 1.
    pub quantity: u64,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reservation {
    /// The article.
    pub sku: String,
    /// How many pieces.
    pub quantity: u64,
    /// What they cost together, in cents.
    pub total: u64,
}

/// Takes stock for an order line; gives it back when the run fails.
#[derive(Debug)]
pub struct ReserveInventory;

impl Step for ReserveInventory {
    const NAME: &'static str = "reserve-inventory";
    const DOC: &'static str = "Takes stock for an order line; gives it back when the run fails.";
    type Input = Line;
    type Output = Reservation;

    fn execute(line: Line) -> Result<Reservation, Failure> {
        let mut reservation = reserve(line.sku, line.quantity)?;
        rehearse::forward(&line.rehearse, &mut reservation.sku)?;
        Ok(reservation)
    }

    fn compensate(line: Line, _reservation: Option<Reservation>) -> Result<(), Failure> {
        give_back()?;
        rehearse::backward(&line.rehearse)
    }
}

fn reserve(sku: String, quantity: u64) -> Result<Reservation, Failure> {
    let key = books::own_key("reservation");
    if let Some(reservation) = state::get(&key)? {
        return Ok(reservation);
    }
    books::check_quantity(quantity)?;
    let stock = books::stock(&sku)?;
    let total = stock.price_cents.checked_mul(quantity).ok_or_else(books::overflow)?;
    books::move_stock(&sku, stock, quantity, Place::Available, Place::Reserved)?;
    let reservation = Reservation { sku, quantity, total };
    state::set(&key, &reservation)?;
    Ok(reservation)
}

fn give_back() -> Result<(), Failure> {
    let key = books::own_key("reservation");
    let Some(Reservation { sku, quantity, .. }) = state::get(&key)? else { return Ok(()) };
    let stock = books::stock(&sku)?;
    books::move_stock(&sku, stock, quantity, Place::Reserved, Place::Available)?;
    state::remove(&key);
    Ok(())
}
