//! Which mistakes `build` tells: those that only the types show, and the host's own.

use std::collections::BTreeMap;

use amends_sdk::JsonSchema;
use amends_sdk::saga::{
    Compensation, Expr, IntoExpr, IntoStep, Limits, Plugin, Policy, Retry, Saga, Wait, cel, field, list, mapping, text, value,
};

use crate::handlers::{Address, Approval, Charge, Line, Message, Order, Payment, Reservation, Reserve, Tell, Way};

fn shop() -> Plugin {
    Plugin::named("shop")
}

fn told<I: JsonSchema>(saga: Saga<I>) -> Vec<String> {
    saga.build().err().map(|mistakes| mistakes.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// What is told of a step in a saga that is otherwise right.
fn told_of<S: IntoStep>(step: impl FnOnce(&Expr<Order>) -> S) -> Vec<String> {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    saga.step("it", step(&order));
    told(saga)
}

/// What is told of an input of `charge`.
fn told_of_payment(payment: impl FnOnce(&Expr<Order>) -> Expr<Payment>) -> Vec<String> {
    told_of(|order| shop().step::<Charge>().input(payment(order)))
}

#[test]
fn a_field_that_is_perhaps_not_there_is_told_until_something_stands_for_it() {
    let labels = |labels: Expr<BTreeMap<String, String>>| {
        told_of(|_| shop().step::<Reserve>().input(mapping!(Line { sku: "a", quantity: 1, labels: labels })))
    };
    let order = Saga::<Order>::new("order").input();
    assert_eq!(
        labels(field!(order.labels)),
        ["steps[0].input.labels: `input.labels` may be absent: say what stands for it, with `.or(…)`"]
    );
    assert_eq!(labels(field!(order.labels).or_default()), [""; 0]);
    assert_eq!(labels(cel!(BTreeMap<String, String>: "has(input.labels) ? input.labels : {{}}")), [""; 0]);
}

#[test]
fn what_may_be_null_is_told_until_something_stands_for_it() {
    let message = |text: Expr<String>| told_of(|_| shop().read_only::<Tell>().input(mapping!(Message { text: text })));
    assert_eq!(
        message(cel!(String: "input.address.zipCode")),
        ["steps[0].input.text: `input.address` may be absent: say what stands for it, with `.or(…)`"]
    );
    assert_eq!(
        message(cel!(String: "has(input.address) ? input.address.zipCode : ''")),
        [""; 0],
        "who looks is believed to know what they look for"
    );
    let approval = |text: &str| {
        let mut saga = Saga::<Order>::new("order");
        let noted = saga.step("noted", Wait::signal::<Approval>("noted").timeout("1h").on_timeout_continue());
        let text = cel!(String: "{}{text}", noted.output());
        saga.step("tell", shop().read_only::<Tell>().input(mapping!(Message { text: text })));
        told(saga)
    };
    let null = "`steps['noted'].output` may be null: say what stands for it, with `.map_or(…)` or `.unwrap_or(…)`";
    assert_eq!(approval(".by"), [format!("steps[1].input.text: {null}")]);
    assert_eq!(
        approval(""),
        [
            "steps[1].input.text: is an object: give a text",
            "steps[1].input.text: may be null: give a text, for instance with `.unwrap_or(…)`",
        ]
    );
    assert_eq!(approval(" == null ? 'nobody' : steps.noted.output.by"), [""; 0]);
}

#[test]
fn the_output_of_a_step_that_may_be_skipped_may_be_null() {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    let line = mapping!(Line { sku: "a", quantity: 1, .. });
    let always = saga.step("always", shop().step::<Reserve>().input(&line));
    let perhaps = saga.step("perhaps", shop().step::<Reserve>().input(&line).when(field!(order.physical)));
    let asked = saga.step("asked", Wait::signal::<Approval>("asked").when(field!(order.physical)));
    let (unlooked, unheard) = (perhaps.output().cast::<Reservation>(), asked.output().cast::<Approval>());
    let saga = saga.output(list([field!(always.total), field!(unlooked.total), field!(unheard.by).cast()]));
    let null =
        |step: &str| format!("`steps['{step}'].output` may be null: say what stands for it, with `.map_or(…)` or `.unwrap_or(…)`");
    assert_eq!(told(saga), [format!("output[1]: {}", null("perhaps")), format!("output[2]: {}", null("asked"))]);
}

#[test]
fn whoever_sends_a_signal_may_leave_out_what_has_a_default() {
    let mut saga = Saga::<Order>::new("order");
    let approved = saga.step("approved", Wait::signal::<Approval>("approved"));
    let absent = "`steps['approved'].output.note` may be absent: say what stands for it, with `.or(…)`";
    assert_eq!(told(saga.output(field!(approved.note))), [format!("output: {absent}")]);
}

#[test]
fn what_may_be_null_fits_where_the_condition_of_the_step_looked_for_it() {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    let noted = saga.step("noted", Wait::signal::<String>("noted").timeout("1h").on_timeout_continue());
    let message = mapping!(Message { text: noted.output().cast::<String>() });
    saga.step("looked", shop().read_only::<Tell>().input(&message).when(noted.output().is_some()));
    saga.step("unlooked", shop().read_only::<Tell>().input(&message).when(field!(order.physical)));
    assert_eq!(told(saga), ["steps[2].input.text: may be null: give a text, for instance with `.unwrap_or(…)`"]);
}

#[test]
fn what_the_condition_of_a_step_looks_for_is_there_for_its_input() {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    let labels = field!(order.labels);
    let line = mapping!(Line { sku: "a", quantity: 1, labels: &labels });
    let zip = field!(order.address).cast::<Address>();
    let message = mapping!(Message { text: field!(zip.zip_code) });
    saga.step("labelled", shop().step::<Reserve>().input(&line).when(labels.is_there()));
    saga.step("sent", shop().read_only::<Tell>().input(&message).when(field!(order.address).is_some()));
    saga.step("due", Wait::until(cel!(String: "input.labels.due")).when(cel!(bool: "'due' in input.labels")));
    saga.step("not-looked-for", shop().step::<Reserve>().input(&line).when(field!(order.physical)));
    saga.step("not-looked-for-either", shop().read_only::<Tell>().input(&message));
    let absent = |field: &str| format!("`input.{field}` may be absent: say what stands for it, with `.or(…)`");
    assert_eq!(
        told(saga),
        [
            format!("steps[2].when: {}", absent("labels")),
            format!("steps[2].wait.until: {}", absent("labels")),
            format!("steps[3].input.labels: {}", absent("labels")),
            format!("steps[4].input.text: {}", absent("address")),
        ]
    );
}

#[test]
fn a_field_that_there_is_not_is_told_with_those_that_there_are() {
    let known = "`input` has no field `colour`; it has: address, customer, due, labels, lines, physical, quantity, sku";
    let place = |field: &str| format!("steps[0].{field}: {known}");
    assert_eq!(told_of(|_| Wait::until(cel!(String: "input.colour"))), [place("wait.until")]);
    assert_eq!(told_of(|_| Wait::for_("1s").when(cel!(bool: "input.colour == 'red'"))), [place("when")]);
    assert_eq!(
        told_of(|_| shop().read_only::<Tell>().input(mapping!(Message { text: text!("<", cel!(u32: "input.colour"), ">") }))),
        [place("input.text")]
    );
    let lines = list([value("a".to_owned()), cel!(String: "input.colour")]);
    assert_eq!(
        told_of(|_| shop().read_only::<Tell>().input(lines.cast::<Message>())),
        [place("input[1]"), "steps[0].input: is a list: give an object".to_owned()]
    );
    let mut saga = Saga::<Order>::new("order");
    let reserved = saga.step("reserve", shop().step::<Reserve>().input(mapping!(Line { sku: "a", quantity: 1, .. })));
    let output = cel!(u64: "{reserved}.price", reserved = reserved.output());
    let output = list([output, cel!(u64: "input.sku.length")]);
    assert_eq!(
        told(saga.output(output)),
        [
            "output[0]: `steps['reserve'].output` has no field `price`; it has: coupon, total",
            "output[1]: `input.sku` has no field `length`: it has none",
        ]
    );
}

#[test]
fn what_is_said_to_be_of_another_type_is_compared_with_what_there_is() {
    let payment = |amount: Expr<f64>| told_of_payment(|_| mapping!(Payment { customer: "a", amount: amount, .. }));
    let order = Saga::<Order>::new("order").input();
    assert_eq!(payment(field!(order.sku).cast()), ["steps[0].input.amount: is a text: give a number"]);
    assert_eq!(payment(cel!(f64: "input.sku")), ["steps[0].input.amount: is a text: give a number"]);
    assert_eq!(payment(value("3").cast()), ["steps[0].input.amount: is a text: give a number"]);
    assert_eq!(payment(text!("3").cast()), ["steps[0].input.amount: is a text: give a number"]);
    assert_eq!(payment(cel!(bool: "1 == 1").cast()), ["steps[0].input.amount: is true or false: give a number"]);
    assert_eq!(
        payment(f64::NAN.into_expr()),
        ["steps[0].input.amount: may be null: give a number, for instance with `.unwrap_or(…)`"]
    );
    assert_eq!(payment(list([value(1)]).cast()), ["steps[0].input.amount: is a list: give a number"]);
    let line = mapping!(Line { sku: "a", quantity: 1, .. });
    assert_eq!(payment(line.cast()), ["steps[0].input.amount: is an object: give a number"]);
    assert_eq!(payment(field!(order.quantity).cast()), [""; 0]);
    assert_eq!(payment(cel!(f64: "double(input.sku)")), [""; 0]);
}

#[test]
fn an_input_is_compared_down_to_its_last_field() {
    #[derive(JsonSchema)]
    struct Loose {
        sku: String,
        #[serde(default)]
        quantity: u64,
        colour: String,
    }
    let loose = mapping!(Loose { sku: "a", quantity: 1, colour: "red" });
    let lines = |lines: Expr<Vec<Line>>| told_of_payment(|_| mapping!(Payment { customer: "a", amount: 1.0, lines: lines, .. }));
    assert_eq!(
        lines(list([loose.cast()])),
        ["steps[0].input.lines[0].colour: is not a field of `shop/charge`; it has: labels, quantity, sku"]
    );
    assert_eq!(
        lines(list([mapping!(Line { sku: "a", .. })])),
        ["steps[0].input.lines[0]: has no field `quantity`, which `shop/charge` requires"]
    );
    let fewer = cel!(Vec<Loose>: "[]").cast();
    assert_eq!(lines(fewer), ["steps[0].input.lines[]: has the field `colour`, which is not taken"]);
    assert_eq!(lines(value(Vec::<Line>::new())), [""; 0]);
}

#[test]
fn of_an_input_that_has_several_forms_one_has_to_fit() {
    #[derive(JsonSchema)]
    struct Cheque {
        cheque: String,
    }
    #[derive(JsonSchema)]
    struct Voucher {
        voucher: Code,
    }
    #[derive(JsonSchema)]
    struct Code {
        code: String,
    }
    let way = |way: Expr<Way>| told_of_payment(|_| mapping!(Payment { customer: "a", amount: 1.0, way: way, .. }));
    let voucher = mapping!(Voucher { voucher: mapping!(Code { code: "x" }) });
    assert_eq!(way(voucher.cast()), [""; 0]);
    assert_eq!(way(value(Way::Card)), [""; 0]);
    assert_eq!(
        way(mapping!(Cheque { cheque: "x" }).cast()),
        ["steps[0].input.way: fits none of the 2 forms that `shop/charge` takes"]
    );
    assert_eq!(way(value("cash").cast()), [r#"steps[0].input.way: may be "cash": write "card""#]);
}

#[test]
fn the_input_of_the_run_has_to_fit_a_step_that_gets_it_as_it_is() {
    let too_much = ["address", "customer", "due", "lines", "physical"];
    let told_of_all = too_much.map(|field| format!("steps[0].input: has the field `{field}`, which is not taken"));
    assert_eq!(told_of(|_| shop().step::<Reserve>()), told_of_all);
    let mut saga = Saga::<Approval>::new("approvals");
    saga.step("charge", shop().step::<Charge>());
    let lacking = ["customer", "amount"].map(|field| format!("steps[0].input: has no field `{field}`, which is required"));
    assert_eq!(told(saga), lacking);
    let mut saga = Saga::<Line>::new("lines");
    saga.step("reserve", shop().step::<Reserve>());
    assert_eq!(told(saga), [""; 0]);
}

#[test]
fn a_step_that_cannot_be_compensated_says_so_unless_it_never_is() {
    let message = mapping!(Message { text: "done" });
    let mut saga = Saga::<Order>::new("order");
    saga.step("told", shop().step::<Tell>().input(&message));
    saga.step("declared", shop().step::<Tell>().input(&message).compensate_none());
    saga.step("retried", shop().retriable::<Tell>().input(&message));
    saga.step("seen", shop().read_only::<Tell>().input(&message));
    let settled = saga.step("settled", shop().pivot::<Tell>().input(&message));
    saga.step("told-again", shop().retriable::<Tell>().input(&message));
    saga.step("and-again", shop().retriable::<Tell>().input(&message).after(&settled));
    let problem = "`shop/tell` cannot be compensated: say so with `.compensate_none()`, or use another handler";
    assert_eq!(told(saga), [0, 2, 4].map(|at| format!("steps[{at}].uses: {problem}")));
}

#[test]
fn a_literal_without_a_form_in_json_is_told() {
    let pairs = value(BTreeMap::from([((1, 2), 3)]));
    let mut saga = Saga::<Order>::new("order");
    saga.step("rest", Wait::for_("1s"));
    let saga = saga.output(pairs);
    assert_eq!(told(saga), ["output: has no form in JSON: key must be a string"]);
}

/// Each of these is told, and nothing at any other place.
fn check_all(found: &[String], expected: &[(&str, &str)]) {
    for (begin, remedy) in expected {
        assert!(found.iter().any(|told| told.starts_with(begin) && told.contains(remedy)), "no `{begin} … {remedy}` in {found:#?}");
    }
    let place = |told: &str| told.split(": ").next().map(str::to_owned);
    for told in found {
        assert!(expected.iter().any(|(begin, _)| place(begin) == place(told)), "unexpected: {told}");
    }
}

/// All that the host's own reader would say, as far as the builder lets anybody write it, and all of it at once.
#[test]
fn the_mistakes_of_the_document_are_told_together_with_those_of_the_types() {
    let mut saga = Saga::<Order>::new("Order")
        .name("two\nlines")
        .deadline("soon")
        .compensation(Compensation::new().deadline("2years"))
        .defaults(Policy::new().retry(Retry::attempts(0).factor(0.5)).limits(Limits::new().memory("1kB")));
    let order = saga.input();
    let line = mapping!(Line { sku: field!(order.sku), quantity: 1, .. });
    let one = saga.step("one", shop().step::<Reserve>().input(&line).retry(Retry::new().initial("2days")));
    let late = saga.step("late", shop().step::<Reserve>().input(&line).after_nothing());
    saga.step("one", Plugin::named("Shop").step::<Reserve>().input(&line).after(&one).after(&one));
    let total = cel!(String: "string({})", field!(late.total));
    saga.step("early", shop().read_only::<Tell>().input(mapping!(Message { text: total })).after(&one));
    let both = Policy::new().limits(Limits::new().timeout("2h"));
    saga.step("both", shop().step::<Reserve>().input(&line).compensation(both).compensate_none());
    saga.step("broken", Wait::until(cel!(String: "input.due +")));
    saga.step("constant", Wait::for_("10us").when(true));
    let expected = [
        ("saga: `Order` is not a name", "lower-case"),
        ("name: write one line", "200 bytes"),
        ("deadline: `soon` is not a span", "such as"),
        ("compensation.deadline: is ", "write a span"),
        ("defaults.retry.attempts: is 0", "from 1 to 1000"),
        ("defaults.retry.factor: is 0.5", "from 1 to 100"),
        ("defaults.limits.memory: is \"1kB\"", "64MiB"),
        ("steps[0].retry.initial: is ", "write a span"),
        ("steps[2].id: `one` is the id of steps[0]", "its own"),
        ("steps[2].uses: `Shop` is not a name", "lower-case"),
        ("steps[2].after[1]: names `one` twice", "once"),
        ("steps[3].input.text: step `late` is not certainly over by then", "comes after"),
        ("steps[4].compensation: stands beside `compensate: none`", "one of the two"),
        ("steps[4].compensation.limits.timeout: is ", "write a span"),
        ("steps[5].wait.until: not a CEL expression", ""),
        ("steps[6].wait.for: `10us` is", "millisecond"),
        ("steps[6].when: is true", "one expression"),
    ];
    check_all(&told(saga), &expected);
}

#[test]
fn the_rules_of_the_pivot_are_the_hosts() {
    let mut saga = Saga::<Order>::new("order");
    let order = saga.input();
    let line = || mapping!(Line { sku: field!(order.sku), quantity: 1, .. });
    saga.step("settled", shop().pivot::<Reserve>().input(line()));
    saga.step("again", shop().pivot::<Reserve>().input(line()));
    saga.step("late", shop().step::<Reserve>().input(line()));
    saga.step("undone", shop().retriable::<Reserve>().input(line()).compensation(Policy::new()));
    saga.step("approved", Wait::signal::<Approval>("approved").timeout("1h"));
    let expected = [
        ("steps[1].kind: is a second pivot", "kind: retriable"),
        ("steps[2].kind: is compensatable after the pivot", "move it before"),
        ("steps[3].compensation: after the pivot nothing is taken back", "leave it out"),
        ("steps[4].wait.on_timeout: is `fail` after the pivot", "on_timeout: continue"),
    ];
    check_all(&told(saga), &expected);
}

#[test]
fn a_saga_without_steps_is_told() {
    assert_eq!(told(Saga::<Order>::new("order")), ["steps: write a list of 1 to 1000 steps"]);
}
