//! What steps get and give, which facts cannot follow, and what raises doubt.

use crate::story::{BEGIN, Story, ended, halted, ok, rejected, saga, unavailable, uncertain};
use amends_domain::event::{AttemptRef, Direction, Ending, Entry, Event, Halt, Outcome};
use amends_domain::id::StepIndex;
use amends_domain::payload::Payload;
use amends_domain::run::StepStatus;
use amends_domain::time::Timestamp;

fn two() -> String {
    let document = saga(
        "",
        &[
            r#"{"id":"a","uses":"p/a","input":{"x":"${input.x}"}}"#,
            r#"{"id":"b","uses":"p/b","input":{"y":"${steps.a.output.y}"}}"#,
        ],
    );
    document.replacen('{', r#"{"output":{"z":"${steps['b'].output.z}"},"#, 1)
}

#[test]
fn inputs_and_outputs_are_mapped_from_step_to_step() {
    let mut story = Story::new(&two(), r#"{"x":1}"#);
    assert_eq!(story.attempt(ok(r#"{"y":[2]}"#)), Payload::from(r#"{"x":1}"#));
    assert_eq!(story.attempt(ok(r#"{"z":"three"}"#)), Payload::from(r#"{"y":[2]}"#));
    assert_eq!(story.ended(), (Outcome::Succeeded, Some(Payload::from(r#"{"z":"three"}"#)), None));
}

#[test]
fn a_mapping_that_fails_fails_its_step_cleanly() {
    let mut story = Story::new(&two(), r#"{"x":1}"#);
    story.attempt(ok(r#"{"no":"y"}"#));
    story.attempt(ok(""));
    assert_eq!(story.outcome(), Outcome::Compensated);
    assert_eq!(story.status("a"), StepStatus::Compensated);
    assert_eq!(story.status("b"), StepStatus::CompensationNotNeeded);
    assert_eq!(story.step("b").forward.attempts, 0, "no guest ran for it");
    assert_eq!(story.step("b").fault.as_ref().map(|fault| fault.code.as_str()), Some("mapping_failed"));
}

#[test]
fn an_output_that_cannot_be_made_does_not_take_the_work_back() {
    let mut story = Story::new(&two(), r#"{"x":1}"#);
    story.attempt(ok(r#"{"y":2}"#));
    story.attempt(ok("not JSON"));
    assert_eq!(story.ended(), (Outcome::Succeeded, None, Some("mapping_failed".into())));
}

#[test]
fn a_condition_says_whether_a_step_is_skipped() {
    let steps = [
        r#"{"id":"a","uses":"p/a"}"#,
        r#"{"id":"b","uses":"p/b","when":"${steps.a.output.go}"}"#,
        r#"{"id":"c","uses":"p/c","input":{"b":"${steps.b.output}"}}"#,
    ];
    for (given, then, input) in [
        (r#"{"go":true}"#, StepStatus::Running, None),
        (r#"{"go":false}"#, StepStatus::Skipped, Some(r#"{"b":null}"#)),
        (r#"{"go":"false"}"#, StepStatus::CompensationNotNeeded, None),
        (r#"{"go":null}"#, StepStatus::CompensationNotNeeded, None),
        (r#"{"go":1}"#, StepStatus::CompensationNotNeeded, None),
        (r"{}", StepStatus::CompensationNotNeeded, None),
    ] {
        let mut story = Story::new(&saga("", &steps), "{}");
        story.attempt(ok(given));
        let started = story.start();
        assert_eq!(story.status("b"), then, "{given}");
        if let Some(input) = input {
            assert_eq!(started[0].input, Payload::from(input), "a skipped step gives null");
        }
    }
}

#[test]
fn compensations_get_the_input_and_the_output_if_there_is_one() {
    let mut story = Story::new(&two(), r#"{"x":1}"#);
    story.attempt(ok(r#"{"y":2}"#));
    story.attempt(uncertain());
    story.at(1000).attempt(uncertain());
    let second = story.start().remove(0);
    assert_eq!((&second.input, &second.output), (&Payload::from(r#"{"y":2}"#), &None));
    story.end("b", ok(""));
    let first = story.start().remove(0);
    assert_eq!((&first.input, &first.output), (&Payload::from(r#"{"x":1}"#), &Some(Payload::from(r#"{"y":2}"#))));
}

#[test]
fn requests_with_a_safe_method_raise_no_doubt_and_others_do() {
    for (method, answered, ending, doubt) in [
        ("GET", false, halted(Halt::Trap), false),
        ("POST", false, halted(Halt::Trap), true),
        ("POST", true, halted(Halt::Timeout), true),
        ("POST", true, unavailable(), false),
        ("POST", false, unavailable(), true),
        ("POST", true, rejected(), false),
        ("POST", false, rejected(), true),
        ("POST", false, halted(Halt::Cancelled), true),
        ("DELETE", false, ok("{}"), false),
    ] {
        let mut story = Story::new(&two(), r#"{"x":1}"#);
        let attempt = story.start().remove(0).attempt;
        story.note(Event::EffectIntended { attempt, call: 1, method: method.into(), target: "https://example.org".into() });
        if answered {
            story.note(Event::EffectAnswered { attempt, call: 1, status: 200, response: None });
        }
        let shown = format!("{method} {answered} {ending:?}");
        story.note(ended(attempt, ending));
        assert_eq!(story.step("a").doubt, doubt, "{shown}");
    }
}

#[test]
fn a_read_only_step_raises_no_doubt_and_may_not_send_what_changes_something() {
    let mut story = Story::new(&saga("", &[r#"{"id":"a","uses":"p/a","kind":"read-only","retry":{"attempts":1}}"#]), "{}");
    let attempt = story.start().remove(0).attempt;
    let sends = |method: &str| Event::EffectIntended { attempt, call: 1, method: method.into(), target: "t".into() };
    assert!(story.run.clone().apply(&Entry { at: story.now, event: sends("PUT") }).is_err());
    story.note(sends("GET"));
    story.end("a", uncertain());
    assert!(!story.step("a").doubt, "whatever the guest believes, nothing can have happened");
    assert_eq!(story.outcome(), Outcome::Compensated);
    assert_eq!(story.status("a"), StepStatus::CompensationNotNeeded);
}

#[test]
fn facts_that_cannot_follow_are_refused() {
    let attempt = |step, direction, number| AttemptRef { step: StepIndex(step), direction, number };
    let started = |attempt| Event::AttemptStarted { attempt, input: None };
    let ok_of = |attempt| ended(attempt, Ending::Ok { output: Payload::null() });
    for event in [
        started(attempt(1, Direction::Forward, 1)),
        started(attempt(0, Direction::Forward, 2)),
        started(attempt(0, Direction::Backward, 1)),
        started(attempt(9, Direction::Forward, 1)),
        ok_of(attempt(0, Direction::Forward, 1)),
        ok_of(attempt(9, Direction::Forward, 1)),
        Event::StepFailed { step: StepIndex(9), fault: None },
        Event::StepSkipped { step: StepIndex(1) },
        Event::WaitStarted { step: StepIndex(0), due: None },
        Event::WaitEnded { step: StepIndex(0), end: amends_domain::event::WaitEnd::Elapsed },
        Event::RetryScheduled { step: StepIndex(0), direction: Direction::Forward, due: BEGIN },
        Event::CompensationFailed { step: StepIndex(0) },
        Event::EffectIntended { attempt: attempt(0, Direction::Forward, 1), call: 1, method: "POST".into(), target: "t".into() },
        Event::Ended { outcome: Outcome::Succeeded, output: None, fault: None },
        Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
        Event::Ended { outcome: Outcome::Killed, output: None, fault: None },
    ] {
        let mut story = Story::new(&two(), "{}");
        assert!(story.told(event.clone()).is_err(), "{event:?}");
    }
    let mut story = Story::new(&two(), r#"{"x":1}"#);
    story.attempt(ok(r#"{"y":2}"#));
    let again = ok_of(attempt(0, Direction::Forward, 1));
    assert!(story.run.clone().apply(&Entry { at: BEGIN, event: again }).is_err(), "an end that comes twice");
    let delayed = Event::Delayed { until: Timestamp(u64::MAX) };
    assert!(story.told(delayed).is_err(), "a delay of a run that has begun");
}
