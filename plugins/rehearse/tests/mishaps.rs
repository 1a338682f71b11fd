//! The rehearsed failures, as far as they can be had natively. The endless ones (`loop`, `wait`, `eat_memory`) need a host that ends them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use amends_sdk::testing::TestHost;
use amends_sdk::{Failure, JsonSchema, Step, json, state};
use rehearse::{Mishap, Rehearsals};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is drawn from a barrel of 10, in litres.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Draught {
    litres: u64,
    #[serde(default)]
    rehearse: Rehearsals,
}

/// Takes from the barrel; pours back.
#[derive(Debug)]
struct Draw;

impl Step for Draw {
    const NAME: &'static str = "draw";
    type Input = Draught;
    type Output = String;

    fn execute(draught: Draught) -> Result<String, Failure> {
        let left = state::get::<u64>("barrel")?.unwrap_or_default() - draught.litres;
        state::set("barrel", &left)?;
        let mut answer = format!("{left} left");
        rehearse::forward(&draught.rehearse, &mut answer)?;
        Ok(answer)
    }

    fn compensate(draught: Draught, answer: Option<String>) -> Result<(), Failure> {
        if answer.is_some() {
            state::set("barrel", &(state::get::<u64>("barrel")?.unwrap_or_default() + draught.litres))?;
        }
        rehearse::backward(&draught.rehearse)
    }
}

fn host() -> TestHost {
    TestHost::new().with_state("barrel", 10)
}

fn draught(rehearsal: &Value) -> Value {
    json!({ "litres": 4, "rehearse": { "draw": rehearsal } })
}

fn litres(host: &TestHost) -> u64 {
    host.state("barrel").expect("seeded")
}

/// Executes with the mishap: attempts up to `failing` fail as `kind` says and leave nothing, the one after goes well.
fn check(mishap: &Value, failing: u32, kind: fn(&Failure) -> bool) {
    let mut host = host();
    for attempt in 1..=failing {
        host = host.attempt(attempt);
        let failure = host.execute::<Draw>(draught(&json!({ "execute": mishap }))).expect_err("it is rehearsed");
        assert!(kind(&failure), "attempt {attempt} of {mishap}: {failure}");
        assert_eq!((litres(&host), host.state_keys().count()), (10, 1));
    }
    let mut host = host.attempt(failing + 1);
    host.execute::<Draw>(draught(&json!({ "execute": mishap }))).expect("the rehearsal is over");
    assert_eq!(litres(&host), 6);
}

#[test]
fn the_first_attempts_fail_and_leave_nothing() {
    check(&json!({ "unavailable": { "attempts": 2 } }), 2, |failure| matches!(failure, Failure::Unavailable(_)));
    check(&json!({ "unavailable": { "attempts": 0 } }), 0, |_| false);
    check(&json!({ "uncertain": { "attempts": 1 } }), 1, |failure| matches!(failure, Failure::Uncertain(_)));
}

#[test]
fn reject_fails_every_attempt() {
    for attempt in [1, 7] {
        let mut host = host().attempt(attempt);
        let answer = host.execute::<Draw>(draught(&json!({ "execute": "reject" })));
        assert!(matches!(answer, Err(Failure::Rejected(_))));
        assert_eq!(litres(&host), 10);
    }
}

#[test]
fn a_delay_is_asked_for() {
    let mut host = host();
    let mishap = json!({ "execute": { "unavailable": { "attempts": 1, "retry_after_ms": 1500 } } });
    assert!(host.execute::<Draw>(draught(&mishap)).is_err());
    assert_eq!(host.retry_after(), Some(Duration::from_millis(1500)));
}

#[test]
fn a_trap_traps_as_often_as_asked() {
    let mut host = host();
    let input = draught(&json!({ "execute": { "trap": { "attempts": 1 } } }));
    assert!(catch_unwind(AssertUnwindSafe(|| host.execute::<Draw>(&input))).is_err());
    assert_eq!(litres(&host), 10);
    let mut host = host.attempt(2);
    assert!(host.execute::<Draw>(&input).is_ok());
}

#[test]
fn a_compensation_can_fail_too_even_if_there_is_nothing_to_compensate() {
    let mut host = host();
    let input = draught(&json!({ "compensate": { "unavailable": { "attempts": 1 } } }));
    assert!(host.compensate::<Draw>(&input, None).is_err());
    let answer = host.execute::<Draw>(&input).unwrap();
    assert!(host.compensate::<Draw>(&input, Some(answer.clone())).is_err());
    assert_eq!(litres(&host), 6);
    let mut host = host.attempt(2);
    assert_eq!(host.compensate::<Draw>(&input, Some(answer)), Ok(()));
    assert_eq!(litres(&host), 10);
}

#[test]
fn a_flood_is_more_than_a_host_takes() {
    let input = draught(&json!({ "execute": "flood", "compensate": "flood" }));
    let answer = host().execute::<Draw>(&input).unwrap();
    assert!(answer.len() > 256 * 1024);
    let failure = host().compensate::<Draw>(&input, None).unwrap_err();
    assert!(failure.fault().message.len() > 256 * 1024);
}

#[test]
fn a_long_log_is_written_and_the_step_goes_well() {
    let mut host = host();
    assert!(host.execute::<Draw>(draught(&json!({ "execute": "log" }))).is_ok());
    assert_eq!(host.log().len(), 2_000);
    assert_eq!(host.log()[0].message, "line 0 of 2000, as rehearsed");
}

#[test]
fn only_the_named_handler_is_hit() {
    let mut host = host();
    let input = json!({ "litres": 4, "rehearse": { "drink": { "execute": "reject" } } });
    assert!(host.execute::<Draw>(input).is_ok());
}

#[test]
fn every_mishap_has_a_name_that_people_can_write() {
    for written in [json!("reject"), json!("loop"), json!("eat_memory"), json!("wait"), json!("flood"), json!("log")] {
        let mishap: Mishap = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(json!(mishap), written);
    }
    assert!(serde_json::from_value::<Mishap>(json!("sulk")).is_err());
}
