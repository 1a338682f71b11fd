//! The steps of an order: stock, money, shipment, kept in the tenant's own state. The plugin of the example
//! `examples/order-fulfillment`; the demo and the tests use it too, because it can rehearse every failure.
//!
//! What each step did is recorded under a key of the run and the step, so that it is done once however often it is tried, and
//! compensated exactly.

#![forbid(unsafe_code)]

mod books;
mod charge_payment;
mod create_shipment;
mod reserve_inventory;

pub use charge_payment::{Charge, ChargePayment, Payment};
pub use create_shipment::{CreateShipment, Parcel, Shipment};
pub use reserve_inventory::{Line, Reservation, ReserveInventory};

amends_sdk::export!(ReserveInventory, ChargePayment, CreateShipment);

#[cfg(test)]
mod tests;
