//! The point of no return: what waits for it, what it ends, and what a person can do about the steps behind it.

use crate::story::{Story, after, ok, redrive, rejected, resolve, saga, unavailable, uncertain};
use amends_domain::decide::Command;
use amends_domain::event::{Demand, InFlight, Outcome, Resolution};
use amends_domain::payload::Payload;
use amends_domain::run::{RunStatus, StepStatus};

const X: &str = r#"{"id":"x","uses":"p/x"}"#;
const UNDOABLE: &str = r#"{"id":"p","uses":"p/p","kind":"pivot"}"#;
const FINAL: &str = r#"{"id":"p","uses":"p/p","kind":"pivot","compensate":"none"}"#;
const R: &str = r#"{"id":"r","uses":"p/r","kind":"retriable","after":["p"]}"#;
const O: &str = r#"{"id":"o","uses":"p/o","kind":"read-only","after":["p"],"retry":{"attempts":1}}"#;

/// A run whose pivot is running.
fn at_pivot(pivot: &str) -> Story {
    let mut story = Story::new(&saga(r#""deadline":"10s","#, &[X, pivot, R, O]), "{}");
    story.attempt(ok("1"));
    story.start();
    assert_eq!(story.status("p"), StepStatus::Running);
    story
}

fn cancel(in_flight: InFlight) -> Demand {
    Demand::Cancel { in_flight }
}

#[test]
fn a_cancel_and_a_deadline_wait_for_the_pivot_and_come_too_late_once_it_completed() {
    for hurry in ["cancel", "deadline", "both"] {
        let mut story = at_pivot(UNDOABLE);
        if hurry != "deadline" {
            story.demand(cancel(InFlight::MayEnd));
        }
        if hurry != "cancel" {
            story.at(10_000);
        }
        assert!(!story.orders().iter().any(|order| !matches!(order, Command::WaitUntil(_))), "{hurry}");
        assert_eq!(story.run.status(), RunStatus::Running);
        story.end("p", ok("1"));
        assert_eq!(story.starting(), ["r", "o"], "{hurry} came too late");
        story.start();
        story.end("r", ok("1"));
        story.end("o", ok("1"));
        assert_eq!(story.at(600_000).outcome(), Outcome::Succeeded);
    }
}

#[test]
fn a_pivot_that_fails_cleanly_has_the_run_compensated() {
    for (pivot, hurry) in [(UNDOABLE, None), (FINAL, None), (UNDOABLE, Some(InFlight::MayEnd)), (FINAL, Some(InFlight::EndNow))] {
        let mut story = at_pivot(pivot);
        if let Some(in_flight) = hurry {
            story.demand(cancel(in_flight));
        }
        story.orders();
        story.end("p", if hurry.is_some() { unavailable() } else { rejected() });
        assert_eq!(story.starting(), ["x"], "{hurry:?}");
        story.attempt(ok(""));
        assert_eq!((story.outcome(), story.status("p")), (Outcome::Compensated, StepStatus::CompensationNotNeeded));
    }
}

#[test]
fn a_pivot_in_doubt_is_taken_back_if_it_can_be() {
    let mut story = at_pivot(UNDOABLE);
    story.send("p");
    story.demand(cancel(InFlight::EndNow));
    assert_eq!(story.orders(), [Command::Fence(story.newest("p"))]);
    story.end("p", uncertain());
    for step in ["p", "x"] {
        assert_eq!(story.starting(), [step]);
        story.attempt(ok(""));
    }
    assert_eq!(story.outcome(), Outcome::Compensated);
}

#[test]
fn a_pivot_in_doubt_that_cannot_be_taken_back_is_tried_until_it_is_known() {
    let mut story = at_pivot(FINAL);
    story.demand(cancel(InFlight::MayEnd));
    story.at(20_000).end("p", uncertain());
    assert_eq!(story.waits_until(), Some(21_000), "neither the cancel nor the deadline gives it up");
    assert_eq!(story.run.head().due, Some(after(21_000)));
    story.at(21_000).attempt(ok("1"));
    assert_eq!((story.starting(), story.run.wishes().cancel), (vec!["r".to_owned(), "o".to_owned()], None));
}

#[test]
fn who_cannot_wait_for_such_a_pivot_leaves_it_to_a_person() {
    let mut story = at_pivot(FINAL);
    story.end("p", uncertain());
    assert_eq!(story.status("p"), StepStatus::Retrying);
    story.demand(cancel(InFlight::EndNow));
    assert_eq!((story.outcome(), story.status("p")), (Outcome::Stuck, StepStatus::InDoubt));
}

/// A run whose pivot is a dead letter, long after its deadline.
fn doubtful() -> Story {
    let mut story = at_pivot(FINAL);
    story.end("p", uncertain());
    story.at(1000).attempt(uncertain());
    assert_eq!(story.outcome(), Outcome::Stuck);
    assert_eq!((story.status("p"), story.run.dead_letters()), (StepStatus::InDoubt, 1));
    story.at(600_000);
    story
}

#[test]
fn a_person_says_how_such_a_pivot_stands() {
    let mut story = doubtful();
    let pivot = story.index("p");
    let Demand::Resolve(mut done) = resolve(pivot, Resolution::Done) else { unreachable!("it is one") };
    done.output = Some(Payload::from(r#"{"id":7}"#));
    story.demand(Demand::Resolve(done));
    assert_eq!(story.starting(), ["r", "o"], "it is done: the run goes on, the deadline behind it");
    assert_eq!((story.status("p"), &story.step("p").output), (StepStatus::Resolved, &Some(Payload::from(r#"{"id":7}"#))));

    let mut story = doubtful();
    story.demand(resolve(pivot, Resolution::Undone));
    assert_eq!(story.starting(), ["x"], "it is not done: what was before it is taken back");
    story.attempt(ok(""));
    assert_eq!((story.outcome(), story.status("p")), (Outcome::Compensated, StepStatus::Resolved));
    assert_eq!(story.step("p").backward.attempts, 0);
}

#[test]
fn such_a_pivot_can_be_tried_again_after_the_deadline_and_after_a_cancel() {
    let mut story = doubtful();
    let pivot = story.index("p");
    story.demand(redrive(pivot));
    assert_eq!(story.starting(), ["p"]);
    story.attempt(uncertain());
    story.demand(cancel(InFlight::EndNow));
    assert_eq!(story.outcome(), Outcome::Stuck);
    story.demand(redrive(pivot));
    assert_eq!(story.start().remove(0).attempt.number, 4, "whoever wants it done does not want it cancelled");
    story.end("p", ok("1"));
    assert_eq!(story.starting(), ["r", "o"]);
}

#[test]
fn behind_the_pivot_a_step_given_up_waits_for_a_person_while_the_others_go_on() {
    let mut story = at_pivot(UNDOABLE);
    story.end("p", ok("1"));
    story.start();
    story.end("o", unavailable());
    assert_eq!((story.orders(), story.status("o"), story.run.dead_letters()), (Vec::new(), StepStatus::Failed, 1));
    assert_eq!(story.run.status(), RunStatus::Running);
    story.end("r", unavailable());
    story.at(1000).attempt(ok("1"));
    assert_eq!((story.outcome(), story.status("x")), (Outcome::Stuck, StepStatus::Completed));

    let step = story.index("o");
    story.at(60_000).demand(redrive(step));
    story.attempt(rejected());
    assert_eq!(story.outcome(), Outcome::Stuck);
    story.demand(resolve(step, Resolution::Done));
    assert_eq!((story.outcome(), story.status("o"), story.run.dead_letters()), (Outcome::Succeeded, StepStatus::Resolved, 0));
}

#[test]
fn a_step_behind_the_pivot_that_failed_before_its_first_attempt_begins_from_the_beginning_when_it_is_tried_again() {
    let conditional = r#"{"id":"r","uses":"p/r","kind":"retriable","after":["p"],"when":"${steps.p.output.go}"}"#;
    let until = r#"{"id":"r","wait":{"until":"${steps.p.output.at}"},"after":["p"]}"#;
    for step in [conditional, until] {
        let mut story = Story::new(&saga("", &[FINAL, step]), "{}");
        story.attempt(ok("{}"));
        assert_eq!((story.outcome(), story.status("r")), (Outcome::Stuck, StepStatus::Failed), "{step}");
        let index = story.index("r");
        story.demand(redrive(index));
        assert_eq!(story.outcome(), Outcome::Stuck, "its mapping fails again, and nothing ran: {step}");
        assert_eq!(story.step("r").forward.attempts, 0);
        story.demand(resolve(index, Resolution::Done));
        assert_eq!(story.outcome(), Outcome::Succeeded);
    }
}

#[test]
fn a_pivot_starts_when_all_that_does_not_come_after_it_is_done() {
    let steps = [
        r#"{"id":"a","uses":"p/a","after":[]}"#,
        r#"{"id":"p","uses":"p/p","kind":"pivot","after":["a"]}"#,
        r#"{"id":"b","uses":"p/b","after":[]}"#,
        r#"{"id":"r","uses":"p/r","kind":"retriable","after":["p"]}"#,
    ];
    let mut story = Story::new(&saga("", &steps), "{}");
    assert_eq!(story.starting(), ["a", "b"]);
    story.start();
    story.end("a", ok("1"));
    assert_eq!(story.orders(), [], "it would be alone with nobody but itself");
    story.end("b", ok("1"));
    assert_eq!(story.starting(), ["p"]);
}
