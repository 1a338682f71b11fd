//! The steps against the test kit: forward, backward, twice, every rejection; whatever happens, stock and money are conserved.

use amends_sdk::testing::TestHost;
use amends_sdk::{Step, json};
use proptest::prelude::*;
use serde_json::Value;

use crate::{ChargePayment, CreateShipment, ReserveInventory};

const STOCK: &str = "stock/BOOK-1";
const ANNA: &str = "account/anna";

fn host() -> TestHost {
    TestHost::new()
        .with_state(STOCK, json!({ "available": 5, "reserved": 0, "shipped": 0, "price_cents": 1250 }))
        .with_state(ANNA, json!({ "balance_cents": 6000 }))
        .with_state("revenue", json!({ "balance_cents": 100 }))
        .with_state("carriers", json!(["DE", "FR"]))
}

fn line() -> Value {
    json!({ "sku": "BOOK-1", "quantity": 2 })
}

fn payment() -> Value {
    json!({ "customer": "anna", "amount": 2500 })
}

fn parcel() -> Value {
    json!({ "sku": "BOOK-1", "quantity": 2, "country": "DE" })
}

fn stock(host: &TestHost) -> [u64; 3] {
    let stock: Value = host.state(STOCK).unwrap();
    ["available", "reserved", "shipped"].map(|place| stock[place].as_u64().unwrap())
}

fn money(host: &TestHost) -> [u64; 2] {
    [ANNA, "revenue"].map(|key| host.state::<Value>(key).unwrap()["balance_cents"].as_u64().unwrap())
}

/// All of the state, to say that nothing changed.
#[test]
fn an_order_goes_forward() {
    let mut host = host();
    let reservation = host.execute::<ReserveInventory>(line()).unwrap();
    assert_eq!(json!(reservation), json!({ "sku": "BOOK-1", "quantity": 2, "total": 2500 }));
    assert_eq!(stock(&host), [3, 2, 0]);
    let charge = host.execute::<ChargePayment>(payment()).unwrap();
    assert_eq!(json!(charge), json!({ "charge": "charge/test-run/charge-payment", "amount": 2500 }));
    assert_eq!(money(&host), [3500, 2600]);
    let shipment = host.execute::<CreateShipment>(parcel()).unwrap();
    assert_eq!(json!(shipment), json!({ "id": "shipment/test-run/create-shipment", "country": "DE" }));
    assert_eq!(stock(&host), [3, 0, 2]);
}

#[test]
fn each_step_records_what_it_did_under_its_own_key() {
    let mut host = host();
    host.execute::<ReserveInventory>(line()).unwrap();
    host.execute::<ChargePayment>(payment()).unwrap();
    host.execute::<CreateShipment>(parcel()).unwrap();
    let check = |key: &str, value: Value| assert_eq!(host.state::<Value>(key), Some(value));
    check("reservation/test-run/reserve-inventory", json!({ "sku": "BOOK-1", "quantity": 2, "total": 2500 }));
    check("charge/test-run/charge-payment", json!({ "customer": "anna", "amount_cents": 2500 }));
    check("shipment/test-run/create-shipment", json!({ "sku": "BOOK-1", "quantity": 2, "country": "DE" }));
}

#[test]
fn compensated_in_reverse_nothing_is_left_of_an_order() {
    let mut host = host();
    let before = host.image();
    let reservation = host.execute::<ReserveInventory>(line()).unwrap();
    let charge = host.execute::<ChargePayment>(payment()).unwrap();
    let shipment = host.execute::<CreateShipment>(parcel()).unwrap();
    host.compensate::<CreateShipment>(parcel(), Some(shipment)).unwrap();
    host.compensate::<ChargePayment>(payment(), Some(charge)).unwrap();
    host.compensate::<ReserveInventory>(line(), Some(reservation)).unwrap();
    assert_eq!(host.image(), before);
}

#[test]
fn done_twice_is_done_once_in_both_directions() {
    host().assert_repeatable::<ReserveInventory>(&line());
    host().assert_repeatable::<ChargePayment>(&payment());
    let mut reserved = host();
    reserved.execute::<ReserveInventory>(line()).unwrap();
    reserved.assert_repeatable::<CreateShipment>(&parcel());
}

#[test]
fn a_price_that_changed_meanwhile_does_not_change_what_was_answered() {
    let mut host = host();
    let first = host.execute::<ReserveInventory>(line()).unwrap();
    let mut host = host.with_state(STOCK, json!({ "available": 3, "reserved": 2, "shipped": 0, "price_cents": 1 }));
    assert_eq!(host.execute::<ReserveInventory>(line()).unwrap(), first);
}

#[test]
fn two_steps_of_one_run_keep_their_own_records() {
    let mut host = host().step_id("first");
    host.execute::<ReserveInventory>(line()).unwrap();
    let mut host = host.step_id("second");
    host.execute::<ReserveInventory>(json!({ "sku": "BOOK-1", "quantity": 1 })).unwrap();
    assert_eq!(stock(&host), [2, 3, 0]);
    host.compensate::<ReserveInventory>(line(), None).unwrap();
    assert_eq!(stock(&host), [3, 2, 0], "what the record says is given back, not what the input says");
}

#[test]
fn what_cannot_be_done_is_rejected_and_changes_nothing() {
    let line = |sku: &str, quantity: u64| json!({ "sku": sku, "quantity": quantity });
    host().assert_rejected::<ReserveInventory>(&line("BOOK-2", 1), "unknown_sku");
    host().assert_rejected::<ReserveInventory>(&line("BOOK-1", 6), "out_of_stock");
    host().assert_rejected::<ReserveInventory>(&line("BOOK-1", 0), "invalid_quantity");
    host().assert_rejected::<ReserveInventory>(&line("BOOK-1", u64::MAX), "amount_too_large");
    host().assert_rejected::<ReserveInventory>(&json!({ "sku": "BOOK-1", "quantity": 1, "colour": "red" }), "invalid_input");

    let payment = |customer: &str, amount: u64| json!({ "customer": customer, "amount": amount });
    host().assert_rejected::<ChargePayment>(&payment("bert", 1), "unknown_customer");
    host().assert_rejected::<ChargePayment>(&payment("anna", 6001), "card_declined");
    let full = host().with_state("revenue", json!({ "balance_cents": u64::MAX }));
    full.assert_rejected::<ChargePayment>(&payment("anna", 1), "amount_too_large");

    let parcel = |quantity: u64, country: &str| json!({ "sku": "BOOK-1", "quantity": quantity, "country": country });
    host().assert_rejected::<CreateShipment>(&parcel(1, "AQ"), "no_carrier");
    host().assert_rejected::<CreateShipment>(&parcel(1, "DE"), "books_disagree");
    host().assert_rejected::<CreateShipment>(&parcel(0, "DE"), "invalid_quantity");
    TestHost::new().assert_rejected::<CreateShipment>(&parcel(1, "DE"), "no_carrier");
}

#[test]
fn a_rejection_tells_programs_what_is_there() {
    let failure = host().execute::<ReserveInventory>(json!({ "sku": "BOOK-1", "quantity": 6 })).unwrap_err();
    assert_eq!(failure.fault().details, Some(json!({ "sku": "BOOK-1", "wanted": 6, "available": 5 })));
    let failure = host().execute::<ChargePayment>(json!({ "customer": "anna", "amount": 6001 })).unwrap_err();
    assert_eq!(failure.fault().details, Some(json!({ "customer": "anna", "amount_cents": 6001, "balance_cents": 6000 })));
}

#[test]
fn compensation_that_the_books_do_not_allow_is_rejected() {
    let mut host = host();
    host.execute::<ChargePayment>(payment()).unwrap();
    let mut host = host.with_state("revenue", json!({ "balance_cents": 0 }));
    let failure = host.compensate::<ChargePayment>(payment(), None).unwrap_err();
    assert_eq!(failure.fault().code, "books_disagree");
}

#[test]
fn each_step_can_rehearse_a_failure_in_both_directions() {
    fn check<S: Step<Output: std::fmt::Debug>>(mut host: TestHost, mut input: Value) {
        input["rehearse"] = json!({ S::NAME: { "compensate": "reject" } });
        host.execute::<S>(&input).unwrap();
        let after = host.image();
        assert_eq!(host.compensate::<S>(&input, None).unwrap_err().fault().code, "rehearsed");
        assert_eq!(host.image(), after, "a dead letter leaves what was done");
        input["rehearse"] = json!({ S::NAME: { "execute": "reject" } });
        host.run("another").assert_rejected::<S>(&input, "rehearsed");
    }
    check::<ReserveInventory>(host(), line());
    check::<ChargePayment>(host(), payment());
    let mut reserved = host();
    reserved.execute::<ReserveInventory>(json!({ "sku": "BOOK-1", "quantity": 4 })).unwrap();
    check::<CreateShipment>(reserved, parcel());
}

/// One call of a sequence: which step, whether forward, in which run, how much.
#[derive(Debug, Clone)]
struct Call {
    step: u8,
    forward: bool,
    run: u8,
    amount: u64,
    country: &'static str,
}

fn call() -> impl Strategy<Value = Call> {
    (0..3_u8, any::<bool>(), 0..3_u8, 0..4_u64, prop_oneof![Just("DE"), Just("AQ")])
        .prop_map(|(step, forward, run, amount, country)| Call { step, forward, run, amount, country })
}

proptest! {
    #[test]
    fn stock_and_money_are_conserved_whatever_is_called(calls in prop::collection::vec(call(), 0..60)) {
        let mut host = host();
        for Call { step, forward, run, amount, country } in calls {
            host = host.run(&format!("run-{run}"));
            // Most of these are rejected; what counts is what they leave.
            match (step, forward) {
                (0, true) => drop(host.execute::<ReserveInventory>(json!({ "sku": "BOOK-1", "quantity": amount }))),
                (0, false) => drop(host.compensate::<ReserveInventory>(line(), None)),
                (1, true) => drop(host.execute::<ChargePayment>(json!({ "customer": "anna", "amount": amount * 1250 }))),
                (1, false) => drop(host.compensate::<ChargePayment>(payment(), None)),
                (_, true) => {
                    drop(host.execute::<CreateShipment>(json!({ "sku": "BOOK-1", "quantity": amount, "country": country })));
                }
                (_, false) => drop(host.compensate::<CreateShipment>(parcel(), None)),
            }
            prop_assert_eq!(stock(&host).iter().sum::<u64>(), 5);
            prop_assert_eq!(money(&host).iter().sum::<u64>(), 6100);
        }
    }
}
