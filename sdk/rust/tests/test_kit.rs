//! The test kit as a plugin's developer sees it: what a handler can ask, what is kept, what is discarded.

use std::time::Duration;

use amends_sdk::testing::{Level, LogLine, TestHost};
use amends_sdk::{Effect, Failure, Step, invocation, json, log, secrets, state};
use serde_json::Value;

/// Answers all that a handler can ask.
struct Ask;
impl Step for Ask {
    const NAME: &'static str = "ask";
    type Input = ();
    type Output = Value;

    fn execute((): ()) -> Result<Value, Failure> {
        Ok(facts())
    }

    fn compensate((): (), output: Option<Value>) -> Result<(), Failure> {
        assert_ne!(output.expect("the test gives one")["key"], facts()["key"], "backward, the key is another");
        Ok(())
    }
}

fn facts() -> Value {
    json!({
        "tenant": invocation::tenant(), "saga": invocation::saga(), "run": invocation::run(), "step": invocation::step_id(),
        "handler": invocation::handler(), "attempt": invocation::attempt(), "key": invocation::idempotency_key(),
        "effects": invocation::effects().iter().map(|sent| sent.target.clone()).collect::<Vec<_>>(),
        "in time": invocation::deadline_ms() > 0, "fuel": invocation::fuel_remaining() > 0,
        "granted": secrets::get("token"), "not granted": secrets::get("other"),
    })
}

/// Writes, logs, asks for a delay, then ends as its input says.
struct Write;
impl Step for Write {
    const NAME: &'static str = "write";
    type Input = String;
    type Output = ();

    fn execute(ending: String) -> Result<(), Failure> {
        state::set("written", &ending)?;
        state::remove("seeded");
        log::info(format_args!("{:?} is read back", state::get::<String>("written")?));
        match ending.as_str() {
            "ok" => Ok(()),
            "trap" => panic!("trap"),
            _ => Err(Failure::unavailable("busy", ending).retry_after(Duration::from_millis(250))),
        }
    }

    fn compensate(_ending: String, _output: Option<()>) -> Result<(), Failure> {
        state::get::<u32>("written").map(drop)
    }
}

amends_sdk::export!(Ask, Write);

fn host() -> TestHost {
    TestHost::new().with_state("seeded", 1)
}

#[test]
fn a_handler_is_told_what_the_test_set() {
    let sent =
        Effect { method: "POST".to_owned(), target: "https://pay".to_owned(), sent_at_ms: 7, answer: Some(200), response: None };
    let host = TestHost::new().with_secret("token", "s3cret").with_effect(sent).attempt(2);
    let mut host = host.tenant("acme").saga("order").run("r7").step_id("second");
    let told = host.execute::<Ask>(()).unwrap();
    assert_eq!(
        told,
        json!({
            "tenant": "acme", "saga": "order", "run": "r7", "step": "second", "handler": "ask", "attempt": 2,
            "key": "r7/second/execute", "effects": ["https://pay"], "in time": true, "fuel": true,
            "granted": "s3cret", "not granted": null,
        })
    );
    host.compensate::<Ask>((), Some(told)).unwrap();
}

#[test]
fn what_an_attempt_wrote_is_kept_only_if_it_ended_ok() {
    let mut host = host();
    assert!(host.execute::<Write>("busy").is_err());
    assert_eq!(host.state_keys().collect::<Vec<_>>(), ["seeded"]);
    assert_eq!(host.execute::<Write>("ok"), Ok(()));
    assert_eq!(host.state_keys().collect::<Vec<_>>(), ["written"]);
    assert_eq!(host.state_bytes("written"), Some(br#""ok""#.as_slice()));
}

#[test]
fn a_trap_discards_what_was_written_and_leaves_the_host_usable() {
    let mut host = host();
    let trapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.execute::<Write>("trap")));
    assert!(trapped.is_err());
    assert_eq!(host.state::<u32>("seeded"), Some(1));
    assert_eq!(host.execute::<Write>("ok"), Ok(()));
}

#[test]
fn the_log_and_the_delay_outlive_a_failed_attempt() {
    let mut host = host();
    assert!(host.execute::<Write>("busy").is_err());
    assert_eq!(host.retry_after(), Some(Duration::from_millis(250)));
    assert_eq!(host.log(), [LogLine { level: Level::Info, message: r#"Some("busy") is read back"#.to_owned() }]);
    assert_eq!(host.execute::<Write>("ok"), Ok(()));
    assert_eq!(host.retry_after(), None, "it is asked for by each attempt anew");
}

#[test]
fn state_that_does_not_fit_its_type_is_a_rejection() {
    let message = "value of `written`: invalid type: string \"x\", expected u32 at line 1 column 3";
    let mut host = TestHost::new().with_state("written", "x");
    assert_eq!(host.compensate::<Write>("", None), Err(Failure::rejected("invalid_state", message)));
}

#[test]
fn input_goes_the_same_way_as_in_the_real_host() {
    let message = "invalid type: integer `7`, expected a string at line 1 column 1";
    assert_eq!(host().execute::<Write>(7), Err(Failure::rejected("invalid_input", message)));
}
