//! `charge-payment`: money goes from a customer's account to the shop's.

use amends_sdk::{Failure, JsonSchema, Step, json, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Account, REVENUE};

/// Who pays how much.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// Whose account is charged.
    pub customer: String,
    /// How much, in cents.
    pub amount: u64,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Charge {
    /// The id of the charge: the key of its record in the state.
    pub charge: String,
    /// How much, in cents.
    pub amount: u64,
}

/// What is recorded of a charge.
#[derive(Serialize, Deserialize)]
struct Entry {
    customer: String,
    amount_cents: u64,
}

/// Charges a customer; pays back when the run fails.
#[derive(Debug)]
pub struct ChargePayment;

impl Step for ChargePayment {
    const NAME: &'static str = "charge-payment";
    const DOC: &'static str = "Charges a customer; pays back when the run fails.";
    type Input = Payment;
    type Output = Charge;

    fn execute(payment: Payment) -> Result<Charge, Failure> {
        let mut charge = charge(payment.customer, payment.amount)?;
        rehearse::forward(&payment.rehearse, &mut charge.charge)?;
        Ok(charge)
    }

    fn compensate(payment: Payment, _charge: Option<Charge>) -> Result<(), Failure> {
        pay_back()?;
        rehearse::backward(&payment.rehearse)
    }
}

fn charge(customer: String, amount_cents: u64) -> Result<Charge, Failure> {
    let key = books::own_key("charge");
    if let Some(Entry { amount_cents, .. }) = state::get(&key)? {
        return Ok(Charge { charge: key, amount: amount_cents });
    }
    let customer_key = books::customer_key(&customer);
    let account = known(books::account(&customer_key)?, &customer)?;
    let Some(balance_cents) = account.balance_cents.checked_sub(amount_cents) else {
        let balance_cents = account.balance_cents;
        return Err(Failure::rejected("card_declined", format!("{amount_cents} cents wanted, the balance is {balance_cents}"))
            .with_details(json!({ "customer": customer, "amount_cents": amount_cents, "balance_cents": balance_cents })));
    };
    let revenue = books::account(REVENUE)?.unwrap_or_default();
    let revenue_cents = revenue.balance_cents.checked_add(amount_cents).ok_or_else(books::overflow)?;
    state::set(&customer_key, &Account { balance_cents })?;
    state::set(REVENUE, &Account { balance_cents: revenue_cents })?;
    state::set(&key, &Entry { customer, amount_cents })?;
    Ok(Charge { charge: key, amount: amount_cents })
}

fn pay_back() -> Result<(), Failure> {
    let key = books::own_key("charge");
    let Some(Entry { customer, amount_cents }) = state::get(&key)? else { return Ok(()) };
    let customer_key = books::customer_key(&customer);
    let account = known(books::account(&customer_key)?, &customer)?;
    let balance_cents = account.balance_cents.checked_add(amount_cents).ok_or_else(books::overflow)?;
    let revenue = books::account(REVENUE)?.unwrap_or_default();
    let Some(revenue_cents) = revenue.balance_cents.checked_sub(amount_cents) else {
        let revenue_cents = revenue.balance_cents;
        return Err(Failure::rejected(
            "books_disagree",
            format!("{amount_cents} cents to pay back, the revenue is {revenue_cents}"),
        ));
    };
    state::set(&customer_key, &Account { balance_cents })?;
    state::set(REVENUE, &Account { balance_cents: revenue_cents })?;
    state::remove(&key);
    Ok(())
}

fn known(account: Option<Account>, customer: &str) -> Result<Account, Failure> {
    account.ok_or_else(|| Failure::rejected("unknown_customer", format!("no account of `{customer}` in the books")))
}
