//! Charges through the API of a payment service. What makes it safe to try again and to take back:
//!
//! - the host adds the same `Idempotency-Key` to the charge of every attempt, so a service that honours it charges once;
//! - every charge carries a reference that names the run and the step, and a refund is asked for by that reference, so it reaches charges
//!   whose answer nobody heard, and duplicates of a service that does not honour keys;
//! - the compensation sends nothing if no attempt sent a charge: the host knows.

#![forbid(unsafe_code)]

use amends_sdk::http::{Answer, Request};
use amends_sdk::{Failure, JsonSchema, Step, invocation, json};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long the service may be silent. Shorter than an attempt, so that a charge without an answer is told as such.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// Where the API of the service is: `https://HOST[:PORT][/PATH]`.
    pub service: String,
    /// Who pays.
    pub customer: String,
    /// How much, in cents.
    pub cents: u64,
}

/// What the service charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Charge {
    /// The service's name for it.
    pub charge: String,
}

/// Charges a customer; gives the money back when the run fails.
#[derive(Debug)]
pub struct ChargeCustomer;

impl Step for ChargeCustomer {
    const NAME: &'static str = "charge";
    const DOC: &'static str = "Charges a customer through the API of a payment service.";
    type Input = Payment;
    type Output = Charge;

    fn execute(payment: Payment) -> Result<Charge, Failure> {
        let Payment { service, customer, cents } = payment;
        let body = json!({ "reference": reference(), "customer": customer, "cents": cents });
        let answer = Request::post(format!("{service}/charges")).timeout(PATIENCE).json(&body).send()?;
        match answer.status {
            200..=299 => answer.json(),
            status => Err(failure(status, &answer)),
        }
    }

    fn compensate(payment: Payment, _: Option<Charge>) -> Result<(), Failure> {
        let charges = format!("{}/charges", payment.service);
        if !invocation::effects().iter().any(|effect| effect.method == "POST" && effect.target == charges) {
            return Ok(());
        }
        let request = Request::post(format!("{}/refunds", payment.service)).timeout(PATIENCE);
        let answer = request.json(&json!({ "reference": reference() })).send()?;
        match answer.status {
            // It knows of no such charge: then it never arrived.
            200..=299 | 404 => Ok(()),
            status => Err(failure(status, &answer)),
        }
    }
}

amends_sdk::export!(ChargeCustomer);

/// What the charge of this step is known by at the service, whatever became of its answer.
fn reference() -> String {
    format!("{}/{}", invocation::run(), invocation::step_id())
}

fn failure(status: u16, answer: &Answer) -> Failure {
    let said = format!("the service answered {status}: {}", String::from_utf8_lossy(&answer.body));
    match status {
        // It says itself that it did nothing, and that it would later.
        429 | 503 => Failure::unavailable("service_busy", said),
        400..=499 => Failure::rejected("charge_refused", said),
        _ => Failure::uncertain("service_failed", said),
    }
}

#[cfg(test)]
mod tests;
