//! The saga of `saga.yaml`, written in Rust; a test holds the two equal.

use amends_sdk::JsonSchema;
use amends_sdk::saga::{Compensation, Limits, Mistakes, Plugin, Policy, Retry, Saga, field, mapping};
use orders::{ChargePayment, CreateShipment, Line, Parcel, Payment, ReserveInventory};
use rehearse::Rehearsals;
use serde_json::Value;

/// What a run gets.
#[derive(JsonSchema)]
struct Purchase {
    /// Who pays.
    customer: String,
    /// The article.
    sku: String,
    /// How many pieces.
    quantity: u64,
    /// Where to, as a country code such as `DE`.
    country: String,
    /// Failures to rehearse.
    #[serde(default)]
    rehearse: Rehearsals,
}

/// What a run gives.
#[derive(JsonSchema)]
struct Fulfilled {
    /// The id of the shipment.
    shipment: String,
    /// What the customer paid, in cents.
    charged: u64,
}

/// The whole saga.
pub(crate) fn document() -> Result<Value, Mistakes> {
    let mut saga = Saga::<Purchase>::new("order.fulfillment")
        .name("Order Fulfillment")
        .defaults(
            Policy::new()
                .retry(Retry::attempts(3).initial("200ms").max("2s").factor(2).jitter("20ms"))
                .limits(Limits::new().fuel(100_000_000).timeout("2s").memory("16MiB")),
        )
        .compensation(Compensation::new().order_reverse().on_stuck_continue());
    let orders = Plugin::named("orders");
    let purchase = saga.input();
    let (sku, quantity) = (field!(purchase.sku), field!(purchase.quantity));
    let rehearse = field!(purchase.rehearse).or_default();

    let line = mapping!(Line { sku, quantity, rehearse });
    let reservation = saga.step("reserve-inventory", orders.step::<ReserveInventory>().input(line));

    let payment = mapping!(Payment { customer: field!(purchase.customer), amount: field!(reservation.total), rehearse });
    let charge = saga.step("charge-payment", orders.step::<ChargePayment>().input(payment));

    let parcel = mapping!(Parcel { sku, quantity, country: field!(purchase.country), rehearse });
    let shipment = saga.step("create-shipment", orders.step::<CreateShipment>().input(parcel));

    saga.output(mapping!(Fulfilled { shipment: field!(shipment.id), charged: field!(charge.amount) })).build()
}
