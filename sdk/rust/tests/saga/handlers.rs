//! The handlers of a plugin that the sagas of these tests use. None of them is ever run.

use std::collections::BTreeMap;

use amends_sdk::{Failure, JsonSchema, Step};
use serde::{Deserialize, Serialize};

/// What a run gets.
#[derive(JsonSchema)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) physical: bool,
    pub(crate) due: String,
    pub(crate) address: Option<Address>,
    pub(crate) lines: Vec<Line>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    pub(crate) zip_code: String,
    #[serde(rename = "land")]
    pub(crate) country: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u64,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Reservation {
    pub(crate) total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coupon: Option<String>,
}

/// Can be compensated.
pub(crate) struct Reserve;

impl Step for Reserve {
    const NAME: &'static str = "reserve";
    type Input = Line;
    type Output = Reservation;
    fn execute(_: Line) -> Result<Reservation, Failure> {
        unreachable!()
    }
    fn compensate(_: Line, _: Option<Reservation>) -> Result<(), Failure> {
        unreachable!()
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Payment {
    pub(crate) customer: String,
    pub(crate) amount: f64,
    #[serde(default)]
    pub(crate) coupon: Option<String>,
    #[serde(default)]
    pub(crate) lines: Vec<Line>,
    #[serde(default)]
    pub(crate) way: Way,
}

#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    #[default]
    Card,
    /// Not by card.
    Invoice {
        days: u32,
    },
    Voucher {
        code: String,
    },
}

/// Can be compensated.
pub(crate) struct Charge;

impl Step for Charge {
    const NAME: &'static str = "charge";
    type Input = Payment;
    type Output = String;
    fn execute(_: Payment) -> Result<String, Failure> {
        unreachable!()
    }
    fn compensate(_: Payment, _: Option<String>) -> Result<(), Failure> {
        unreachable!()
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Message {
    pub(crate) text: String,
}

/// Cannot be compensated.
pub(crate) struct Tell;

impl Step for Tell {
    const NAME: &'static str = "tell";
    const COMPENSATES: bool = false;
    type Input = Message;
    type Output = ();
    fn execute(_: Message) -> Result<(), Failure> {
        unreachable!()
    }
}

/// What a signal brings.
#[derive(JsonSchema)]
pub(crate) struct Approval {
    pub(crate) by: String,
    #[serde(default)]
    pub(crate) note: String,
}
