//! The examples, as their READMEs promise them: every input through the real program, its outcome, how each step stands, in which order
//! they went, and that the books balance afterwards. What is compensated leaves nothing behind at all.

#[path = "examples/case.rs"]
mod case;
#[path = "examples/determinism.rs"]
mod determinism;
#[path = "examples/employee_onboarding.rs"]
mod employee_onboarding;
#[path = "examples/instants.rs"]
mod instants;
#[path = "examples/journal_approval.rs"]
mod journal_approval;
#[path = "examples/kills.rs"]
mod kills;
#[path = "examples/order_fulfillment.rs"]
mod order_fulfillment;
#[path = "examples/promises.rs"]
mod promises;
#[path = "examples/site.rs"]
mod site;
#[path = "examples/stage.rs"]
mod stage;
#[path = "examples/tenant_provisioning.rs"]
mod tenant_provisioning;

use case::{Case, Example};
use serde_json::{Value, json};
use site::Site;

#[test]
fn orders_are_fulfilled_or_taken_back() {
    check(&order_fulfillment::EXAMPLE);
}

#[test]
fn employees_are_onboarded_or_taken_back() {
    check(&employee_onboarding::EXAMPLE);
}

#[test]
fn customers_are_provisioned_or_taken_back() {
    check(&tenant_provisioning::EXAMPLE);
}

#[test]
fn entries_are_approved_and_posted_or_taken_back() {
    check(&journal_approval::EXAMPLE);
}

#[test]
fn orders_survive_a_cut_behind_any_fact() {
    instants::check(&order_fulfillment::EXAMPLE);
}

#[test]
fn onboardings_survive_a_cut_behind_any_fact() {
    instants::check(&employee_onboarding::EXAMPLE);
}

#[test]
fn provisionings_survive_a_cut_behind_any_fact() {
    instants::check(&tenant_provisioning::EXAMPLE);
}

#[test]
fn entries_survive_a_cut_behind_any_fact() {
    instants::check(&journal_approval::EXAMPLE);
}

#[test]
fn orders_survive_kills() {
    kills::check(&order_fulfillment::EXAMPLE);
}

#[test]
fn onboardings_survive_kills() {
    kills::check(&employee_onboarding::EXAMPLE);
}

#[test]
fn provisionings_survive_kills() {
    kills::check(&tenant_provisioning::EXAMPLE);
}

#[test]
fn entries_survive_kills() {
    kills::check(&journal_approval::EXAMPLE);
}

#[test]
fn the_same_run_does_the_same_on_any_host() {
    for example in
        [&order_fulfillment::EXAMPLE, &employee_onboarding::EXAMPLE, &tenant_provisioning::EXAMPLE, &journal_approval::EXAMPLE]
    {
        determinism::check(example);
    }
}

/// 44 shares of storage are free in the east, and each customer takes one.
#[test]
fn customers_who_come_all_at_once_get_what_there_is_and_no_more() {
    let example = &tenant_provisioning::EXAMPLE;
    let site = Site::new(example);
    let before = site.state();
    let customer = |number| json!({ "plan": "team", "region": "east", "hostname": format!("customer-{number}") });
    let ended = site.run_all((0..50).map(customer));
    assert!(ended.stdout.last().is_some_and(|line| line.ends_with(": 44 succeeded, 6 compensated")), "{ended}");
    let after = site.state();
    assert_eq!((example.books)(&after), (example.books)(&before));
    assert_eq!(after["pool/storage/east"], json!({ "capacity": 10_000, "free": 0, "used": 10_000 }));
}

fn check(example: &Example) {
    promises::check(example);
    let site = Site::new(example);
    let mut before = site.state();
    for case in example.cases {
        let run = site.run(case);
        check_run(example, case, &run);
        let after = site.state();
        assert_eq!((example.books)(&after), (example.books)(&before), "{case:?}");
        if case.outcome == "compensated" {
            assert_eq!(after, before, "{case:?} left something behind");
        }
        before = after;
    }
}

fn check_run(example: &Example, case: &Case, run: &Value) {
    let said = format!("{case:?}: {run:#}");
    assert_eq!(run["outcome"], case.outcome, "{said}");
    let steps = run["steps"].as_array().expect("steps");
    let statuses: Vec<_> = steps.iter().map(|step| step["status"].as_str().expect("a word")).collect();
    assert_eq!(statuses, case.statuses(), "{said}");
    assert_eq!(codes(run).any(|code| code == case.code), !case.code.is_empty(), "{said}");
    for (id, direction, attempts) in case.tried {
        let step = steps.iter().find(|step| step["id"] == *id).unwrap_or_else(|| panic!("no step `{id}`: {said}"));
        assert_eq!(tries(step, direction).count(), *attempts, "{id} {direction}: {said}");
    }
    check_order(example, steps, &said);
}

/// The codes of all faults: what the run says, and what each attempt forward said.
fn codes(run: &Value) -> impl Iterator<Item = &str> {
    let steps = run["steps"].as_array().expect("steps");
    let attempts = steps.iter().flat_map(|step| tries(step, "forward")).map(|attempt| &attempt["fault"]);
    [&run["error"]].into_iter().chain(attempts).filter_map(|fault| fault["code"].as_str())
}

fn tries<'s>(step: &'s Value, direction: &'s str) -> impl Iterator<Item = &'s Value> {
    let attempts = step["attempts"].as_array().expect("attempts");
    attempts.iter().filter(move |attempt| attempt["direction"] == direction)
}

/// A step starts when all that it comes after has ended, and is taken back when all that came after it was.
fn check_order(example: &Example, steps: &[Value], said: &str) {
    for (earlier, later) in example.edges {
        let (earlier, later) = (&steps[*earlier], &steps[*later]);
        for (direction, first, second) in [("forward", earlier, later), ("backward", later, earlier)] {
            let end = tries(first, direction).last().map(|attempt| instant(attempt, "ended_at"));
            let start = tries(second, direction).next().map(|attempt| instant(attempt, "started_at"));
            let is_ordered = end.zip(start).is_none_or(|(end, start)| end <= start);
            assert!(is_ordered, "{direction}: {} after {}: {said}", second["id"], first["id"]);
        }
    }
}

/// RFC 3339 in UTC with the same number of digits: as texts they compare like instants.
fn instant<'a>(attempt: &'a Value, field: &str) -> &'a str {
    attempt[field].as_str().unwrap_or_else(|| panic!("no `{field}`: {attempt}"))
}
