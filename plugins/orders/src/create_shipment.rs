//! `create-shipment`: reserved pieces are handed to a carrier.

use amends_sdk::{Failure, JsonSchema, Step, json, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Place};

/// What goes where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// The article; a step before has reserved it.
    pub sku: String,
    /// How many pieces, at least 1.
    pub quantity: u64,
    /// Where to, as a country code such as `DE`.
    pub country: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shipment {
    /// The id of the shipment: the key of its record in the state.
    pub id: String,
    /// Where to.
    pub country: String,
}

/// What is recorded of a shipment.
#[derive(Serialize, Deserialize)]
struct Entry {
    sku: String,
    quantity: u64,
    country: String,
}

/// Hands what was reserved to a carrier; takes it back when the run fails.
#[derive(Debug)]
pub struct CreateShipment;

impl Step for CreateShipment {
    const NAME: &'static str = "create-shipment";
    const DOC: &'static str = "Hands what was reserved to a carrier; takes it back when the run fails.";
    type Input = Parcel;
    type Output = Shipment;

    fn execute(parcel: Parcel) -> Result<Shipment, Failure> {
        let mut shipment = ship(parcel.sku, parcel.quantity, parcel.country)?;
        rehearse::forward(&parcel.rehearse, &mut shipment.id)?;
        Ok(shipment)
    }

    fn compensate(parcel: Parcel, _shipment: Option<Shipment>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&parcel.rehearse)
    }
}

fn ship(sku: String, quantity: u64, country: String) -> Result<Shipment, Failure> {
    let key = books::own_key("shipment");
    if let Some(Entry { country, .. }) = state::get(&key)? {
        return Ok(Shipment { id: key, country });
    }
    books::check_quantity(quantity)?;
    check_country(&country)?;
    let stock = books::stock(&sku)?;
    books::move_stock(&sku, stock, quantity, Place::Reserved, Place::Shipped)?;
    let entry = Entry { sku, quantity, country };
    state::set(&key, &entry)?;
    Ok(Shipment { id: key, country: entry.country })
}

fn take_back() -> Result<(), Failure> {
    let key = books::own_key("shipment");
    let Some(Entry { sku, quantity, .. }) = state::get(&key)? else { return Ok(()) };
    let stock = books::stock(&sku)?;
    books::move_stock(&sku, stock, quantity, Place::Shipped, Place::Reserved)?;
    state::remove(&key);
    Ok(())
}

fn check_country(country: &str) -> Result<(), Failure> {
    let served: Vec<String> = state::get("carriers")?.unwrap_or_default();
    if served.iter().any(|code| code == country) {
        return Ok(());
    }
    Err(Failure::rejected("no_carrier", format!("no carrier delivers to {country}"))
        .with_details(json!({ "country": country, "served": served })))
}
