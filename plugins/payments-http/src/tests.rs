//! The steps against answers of a service, natively.

use super::*;
use amends_sdk::Effect;
use amends_sdk::http::SendError;
use amends_sdk::testing::TestHost;

fn payment() -> Payment {
    Payment { service: "https://pay.example/v1".into(), customer: "anna".into(), cents: 1250 }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into() }
}

fn sent(path: &str) -> Effect {
    let target = format!("https://pay.example/v1/{path}");
    Effect { method: "POST".into(), target, sent_at_ms: 1, answer: None, response: None }
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Rejected(_) => "rejected",
        Failure::Unavailable(_) => "unavailable",
        Failure::Uncertain(_) => "uncertain",
    }
}

#[test]
fn a_charge_carries_a_reference_that_a_refund_finds_it_by() {
    let mut host = TestHost::new().with_answer(Ok(answer(201, r#"{"charge":"ch_1"}"#)));
    assert_eq!(host.execute::<ChargeCustomer>(payment()), Ok(Charge { charge: "ch_1".into() }));
    let mut host = host.with_effect(sent("charges")).with_answer(Ok(answer(200, "{}")));
    assert_eq!(host.compensate::<ChargeCustomer>(payment(), None), Ok(()));
    let requests: Vec<_> = host.requests().iter().map(|request| (request.url.as_str(), body(request))).collect();
    let reference = "test-run/charge";
    assert_eq!(
        requests,
        [
            ("https://pay.example/v1/charges", json!({ "reference": reference, "customer": "anna", "cents": 1250 })),
            ("https://pay.example/v1/refunds", json!({ "reference": reference })),
        ]
    );
}

fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).expect("it sends JSON")
}

#[test]
fn what_the_service_says_decides_what_the_host_does_next() {
    for (came, expected) in [
        (Ok(answer(402, "no")), "rejected"),
        (Ok(answer(429, "")), "unavailable"),
        (Ok(answer(503, "")), "unavailable"),
        (Ok(answer(500, "")), "uncertain"),
        (Ok(answer(302, "")), "uncertain"),
        (Ok(answer(200, "<html>")), "uncertain"),
        (Err(SendError::Refused("no grant".into())), "rejected"),
        (Err(SendError::NotSent("refused".into())), "unavailable"),
        (Err(SendError::Unanswered("late".into())), "uncertain"),
    ] {
        let failed = TestHost::new().with_answer(came.clone()).execute::<ChargeCustomer>(payment()).expect_err("it failed");
        assert_eq!(kind(&failed), expected, "{came:?}");
    }
}

#[test]
fn nothing_is_refunded_if_nothing_was_sent_or_nothing_arrived() {
    let mut host = TestHost::new().with_effect(sent("elsewhere"));
    assert_eq!(host.compensate::<ChargeCustomer>(payment(), None), Ok(()));
    assert!(host.requests().is_empty());
    let mut host = TestHost::new().with_effect(sent("charges")).with_answer(Ok(answer(404, "")));
    assert_eq!(host.compensate::<ChargeCustomer>(payment(), None), Ok(()));
    let mut host = TestHost::new().with_effect(sent("charges")).with_answer(Ok(answer(500, "")));
    assert!(host.compensate::<ChargeCustomer>(payment(), None).is_err_and(|failure| kind(&failure) == "uncertain"));
}
