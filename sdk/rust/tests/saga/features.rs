//! What each word of the builder becomes in the document. The host's reader accepts all of it, or `build` would not.

use std::time::Duration;

use amends_sdk::json;
use amends_sdk::saga::{
    Compensation, Expr, IntoStep, Limits, Plugin, Policy, Retry, Saga, Wait, cel, field, list, mapping, text, value,
};
use serde_json::Value;

use crate::handlers::{Address, Approval, Charge, Line, Message, Order, Payment, Reserve, Tell, Way};

fn shop() -> Plugin {
    Plugin::named("shop")
}

fn built(saga: Saga<Order>) -> Value {
    saga.build().unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The first step of a saga that has no other.
fn step<S: IntoStep>(step: impl FnOnce(&Expr<Order>) -> S) -> Value {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    saga.step("it", step(&order));
    let Value::Object(mut written) = built(saga)["steps"][0].take() else { panic!("a step is an object") };
    assert_eq!(written.remove("id"), Some(json!("it")));
    Value::Object(written)
}

/// An input for `reserve` about which a test does not care.
fn line(order: &Expr<Order>) -> Expr<Line> {
    mapping!(Line { sku: field!(order.sku), quantity: 1, .. })
}

/// What an expression of the run's input becomes, where anything may stand.
fn output<T>(of: impl FnOnce(&Expr<Order>) -> Expr<T>) -> Value {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    saga.step("it", Wait::for_("1s"));
    built(saga.output(of(&order)))["output"].take()
}

#[test]
fn what_is_said_of_the_saga_itself() {
    let policy = Policy::new().retry(Retry::attempts(4)).limits(Limits::new().memory("16MiB"));
    let backward = Compensation::new().order_parallel().on_stuck_halt().deadline("1h");
    let mut saga =
        Saga::<Order>::new("order").name("An order").deadline(Duration::from_mins(5)).defaults(policy).compensation(backward);
    saga.step("rest", Wait::for_("1s"));
    assert_eq!(
        built(saga),
        json!({
            "saga": "order", "name": "An order", "deadline": "5m",
            "defaults": { "retry": { "attempts": 4 }, "limits": { "memory": "16MiB" } },
            "compensation": { "order": "parallel", "on_stuck": "halt", "deadline": "1h" },
            "steps": [{ "id": "rest", "wait": { "for": "1s" } }],
        })
    );
}

#[test]
fn what_is_said_of_a_step() {
    let backward = Policy::new().retry(Retry::unlimited().for_("1h")).limits(Limits::new().timeout("30s"));
    let written = step(|order| {
        shop().step::<Reserve>().input(line(order)).retry(Retry::attempts(1)).limits(Limits::new().fuel(5)).compensation(backward)
    });
    assert_eq!(
        written,
        json!({
            "uses": "shop/reserve", "input": { "sku": "${input.sku}", "quantity": 1 },
            "retry": { "attempts": 1 }, "limits": { "fuel": 5 },
            "compensation": { "retry": { "attempts": "unlimited", "for": "1h" }, "limits": { "timeout": "30s" } },
        })
    );
    let message = mapping!(Message { text: "done" });
    let written = step(|_| shop().step::<Tell>().input(message).compensate_none());
    assert_eq!(written, json!({ "uses": "shop/tell", "input": { "text": "done" }, "compensate": "none" }));
}

#[test]
fn a_step_that_says_nothing_of_its_input_gets_that_of_the_run() {
    let mut saga = Saga::<Line>::new("lines");
    saga.step("it", shop().step::<Reserve>());
    assert_eq!(saga.build().unwrap()["steps"][0], json!({ "id": "it", "uses": "shop/reserve" }));
}

#[test]
fn every_kind_of_step_is_written_and_what_follows_the_pivot_needs_no_compensation() {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    let message = mapping!(Message { text: field!(order.sku) });
    saga.step("seen", shop().read_only::<Tell>().input(&message));
    saga.step("reserved", shop().step::<Reserve>().input(line(&order)));
    saga.step("settled", shop().pivot::<Tell>().input(&message).compensate_none());
    saga.step("told", shop().retriable::<Tell>().input(&message));
    saga.step("told-again", shop().retriable::<Tell>().input(&message).retry(Retry::unlimited().max("1h")));
    let steps = built(saga)["steps"].take();
    let of_all = |field: &str| steps.as_array().unwrap().iter().map(|step| step[field].clone()).collect::<Value>();
    assert_eq!(of_all("kind"), json!(["read-only", null, "pivot", "retriable", "retriable"]));
    assert_eq!(of_all("compensate"), json!([null, null, "none", null, null]));
    assert_eq!(of_all("retry"), json!([null, null, null, null, { "attempts": "unlimited", "max": "1h" }]));
}

#[test]
fn steps_come_after_the_one_above_or_after_those_that_they_name_or_after_nothing() {
    let mut saga = Saga::<Order>::new("order");
    let one = saga.step("one", Wait::for_("1s"));
    let two = saga.step("two", Wait::for_("1s").after_nothing());
    saga.step("three", Wait::for_("1s").after(&one).after(&two));
    let order = saga.input();
    saga.step("four", shop().step::<Reserve>().input(line(&order)).after(&one));
    saga.step("five", shop().step::<Reserve>().input(line(&order)).after_nothing());
    let after: Vec<_> = built(saga)["steps"].as_array().unwrap().iter().map(|step| step["after"].clone()).collect();
    assert_eq!(after, [json!(null), json!([]), json!(["one", "two"]), json!(["one"]), json!([])]);
}

#[test]
fn a_step_may_have_a_condition_and_then_gives_perhaps_nothing() {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    let reserved = saga.step("reserve", shop().step::<Reserve>().input(line(&order)).when(field!(order.physical)));
    let dear = reserved.output().map_or(false, |reservation| cel!(bool: "{} > 100", field!(reservation.total)));
    saga.step("rest", Wait::for_("1s").when(dear));
    let steps = built(saga)["steps"].take();
    assert_eq!(steps[0]["when"], json!("${input.physical}"));
    let dear = "steps['reserve'].output != null ? (steps['reserve'].output.total > 100) : false";
    assert_eq!(steps[1], json!({ "id": "rest", "wait": { "for": "1s" }, "when": format!("${{{dear}}}") }));
}

#[test]
fn every_wait_is_written() {
    for (written, wait) in [
        (step(|_| Wait::for_(Duration::from_mins(10))), json!({ "for": "10m" })),
        (step(|order| Wait::until(field!(order.due))), json!({ "until": "${input.due}" })),
        (step(|_| Wait::signal::<Approval>("approved")), json!({ "signal": "approved" })),
        (step(|_| Wait::signal::<Approval>("approved").timeout("48h")), json!({ "signal": "approved", "timeout": "48h" })),
        (
            step(|order| Wait::signal::<Approval>("approved").when(field!(order.physical)).timeout("48h")),
            json!({ "signal": "approved", "timeout": "48h" }),
        ),
        (
            step(|_| Wait::signal::<Approval>("approved").timeout("48h").on_timeout_fail()),
            json!({ "signal": "approved", "timeout": "48h", "on_timeout": "fail" }),
        ),
        (
            step(|_| Wait::signal::<Approval>("approved").timeout("48h").on_timeout_continue().after_nothing()),
            json!({ "signal": "approved", "timeout": "48h", "on_timeout": "continue" }),
        ),
    ] {
        assert_eq!(written["wait"], wait);
    }
}

#[test]
fn a_signal_gives_its_payload_and_one_that_did_not_come_nothing() {
    let mut saga = Saga::<Order>::new("order");
    let approved = saga.step("approved", Wait::signal::<Approval>("approved"));
    let noted = saga.step("noted", Wait::signal::<Approval>("noted").timeout("1h").on_timeout_continue());
    let by = field!(approved.by);
    let note = noted.output().map_or("none", |noted| field!(noted.note).or(""));
    let saga = saga.output(text!(by, ": ", note));
    let note = "steps['noted'].output != null ? (has(steps['noted'].output.note) ? steps['noted'].output.note : '') : 'none'";
    assert_eq!(built(saga)["output"], json!(format!("${{steps['approved'].output.by}}: ${{{note}}}")));
}

#[test]
fn fields_keep_their_types_through_every_way_of_writing_them() {
    assert_eq!(output(|order| field!(order.lines)), json!("${input.lines}"));
    let zip = |order: &Expr<Order>| field!(order.address).map(|address| field!(address.zip_code));
    let has_address = "has(input.address) && input.address != null";
    assert_eq!(output(zip), json!(format!("${{{has_address} ? input.address.zipCode : null}}")));
    let land = |order: &Expr<Order>| field!(order.address).map_or("?", |address| field!(address.country as "land"));
    assert_eq!(output(land), json!(format!("${{{has_address} ? input.address.land : '?'}}")));
    assert_eq!(output(|order| field!(order.address).is_some()), json!(format!("${{{has_address}}}")));
    let address =
        |order: &Expr<Order>| field!(order.address).unwrap_or(mapping!(Address { zip_code: "0", country as "land": "?" }));
    assert_eq!(output(address), json!(format!("${{{has_address} ? input.address : {{'zipCode': '0', 'land': '?'}}}}")));
    assert_eq!(output(|order| field!(order.labels).is_there()), json!("${has(input.labels)}"));
    assert_eq!(output(Expr::is_there), json!(true));
    assert_eq!(output(|order| order.or(field!(order.lines).cast::<Order>())), json!("${input}"));
    assert_eq!(output(|order| field!(order.labels).or_default()), json!("${has(input.labels) ? input.labels : {}}"));
    let colour = |order: &Expr<Order>| {
        let labels = field!(order.labels).or_default();
        cel!(String: "'colour' in {labels} ? {labels}['colour'] : 'none'")
    };
    let labels = "(has(input.labels) ? input.labels : {})";
    assert_eq!(output(colour), json!(format!("${{'colour' in {labels} ? {labels}['colour'] : 'none'}}")));
    assert_eq!(output(|order| text!("<", field!(order.sku), ">")), json!("<${input.sku}>"));
    assert_eq!(output(|order| list([field!(order.sku), field!(order.customer)])), json!(["${input.sku}", "${input.customer}"]));
    assert_eq!(output(|_| value(json!({ "${": [1, null] }))), json!({ "${": [1, null] }));
    assert_eq!(output(Expr::clone), json!("${input}"));
}

#[test]
fn what_fits_a_field_is_taken() {
    let written = step(|order| {
        let (address, customer, quantity) = (field!(order.address), field!(order.customer), field!(order.quantity));
        let payment = mapping!(Payment {
            customer,
            amount: &quantity,
            coupon: address.map(|address| field!(address.zip_code)),
            lines: list([mapping!(Line { sku: "lamp", quantity, .. })]),
            way: value(Way::Invoice { days: 30 }),
        });
        shop().step::<Charge>().input(payment)
    });
    assert_eq!(
        written["input"],
        json!({
            "customer": "${input.customer}",
            "amount": "${input.quantity}",
            "coupon": "${has(input.address) && input.address != null ? input.address.zipCode : null}",
            "lines": [{ "sku": "lamp", "quantity": "${input.quantity}" }],
            "way": { "invoice": { "days": 30 } },
        })
    );
}
