//! Runs in every state that people may find them in.

use crate::story::{Story, ok, redrive, rejected, resolve, saga, signal, unavailable, uncertain};
use amends_domain::event::{Demand, Outcome, Resolution};
use amends_domain::id::StepIndex;
use amends_domain::run::{SIGNALS_MAX, StepStatus};

const A: &str = r#"{"id":"a","uses":"p/a","after":[]}"#;
const B: &str = r#"{"id":"b","uses":"p/b","after":["a"]}"#;
const C: &str = r#"{"id":"c","uses":"p/c","after":["a"]}"#;
const WAIT: &str = r#"{"id":"w","wait":{"signal":"go"},"after":["a"]}"#;

/// A run whose first attempt is running.
pub(crate) fn running() -> Story {
    let mut story = Story::new(&saga("", &[A, B]), "{}");
    story.start();
    story
}

pub(crate) fn paused() -> Story {
    told(running(), Demand::Pause)
}

pub(crate) fn retrying() -> Story {
    let mut story = running();
    story.end("a", unavailable());
    story.orders();
    story
}

pub(crate) fn waiting() -> Story {
    let mut story = Story::new(&saga("", &[A, WAIT]), "{}");
    story.attempt(ok("1"));
    story.orders();
    story
}

pub(crate) fn succeeded() -> Story {
    let mut story = Story::new(&saga("", &[A, B, C]), "{}");
    story.attempt(ok("1"));
    story.start();
    story.end("b", ok("1"));
    story.end("c", ok("1"));
    assert_eq!(story.outcome(), Outcome::Succeeded);
    story
}

/// A run with one compensation running.
pub(crate) fn compensating() -> Story {
    let mut story = running();
    story.end("a", ok("1"));
    story.start();
    story.end("b", rejected());
    story.start();
    story
}

/// A run whose step `a` is a dead letter.
pub(crate) fn stuck() -> Story {
    let mut story = compensating();
    story.end("a", rejected());
    assert_eq!(story.outcome(), Outcome::Stuck);
    story
}

pub(crate) fn compensated() -> Story {
    let mut story = compensating();
    story.end("a", ok(""));
    assert_eq!(story.outcome(), Outcome::Compensated);
    story
}

pub(crate) fn killed() -> Story {
    let mut story = told(stuck(), Demand::Kill);
    assert_eq!(story.outcome(), Outcome::Killed);
    story
}

/// A run whose pivot completed; the step behind it runs.
pub(crate) fn past_pivot() -> Story {
    let steps = [r#"{"id":"p","uses":"p/p","kind":"pivot"}"#, r#"{"id":"r","uses":"p/r","kind":"retriable"}"#];
    let mut story = Story::new(&saga("", &steps), "{}");
    story.attempt(ok("1"));
    story.start();
    story
}

pub(crate) fn stuck_past_pivot() -> Story {
    let mut story = past_pivot();
    story.end("r", rejected());
    assert_eq!(story.outcome(), Outcome::Stuck);
    story
}

pub(crate) fn told(mut story: Story, demand: Demand) -> Story {
    story.demand(demand);
    story
}

/// A run whose pivot may have happened and cannot be taken back.
pub(crate) fn at_doubt() -> Story {
    let mut story = Story::new(&saga("", &[r#"{"id":"p","uses":"p/p","kind":"pivot","compensate":"none"}"#]), "{}");
    story.attempt(uncertain());
    story.at(1000).attempt(uncertain());
    assert_eq!(story.outcome(), Outcome::Stuck);
    story
}

pub(crate) fn before_its_wait() -> Story {
    let mut story = Story::new(&saga("", &[A, WAIT]), "{}");
    story.start();
    story
}

/// Its signal came, and nothing else is to be done.
pub(crate) fn signalled() -> Story {
    let mut story = told(waiting(), signal("go", "1"));
    story.orders();
    story
}

/// Its signal came, and a step behind its wait runs.
pub(crate) fn signalled_and_running() -> Story {
    let mut story = Story::new(&saga("", &[A, WAIT, r#"{"id":"b","uses":"p/b"}"#]), "{}");
    story.attempt(ok("1"));
    story.demand(signal("go", "1"));
    story.start();
    story
}

/// As many signals as are kept wait for a step to take them.
pub(crate) fn full_of_signals() -> Story {
    let mut story = before_its_wait();
    (0..SIGNALS_MAX).for_each(|_| story.demand(signal("go", "1")));
    story
}

/// A run that is taken back from step `b` on; step `c` stands.
pub(crate) fn going_back_from_b() -> Story {
    let mut story = told(succeeded(), Demand::Compensate { from: Some(StepIndex(1)) });
    story.start();
    story
}

pub(crate) fn taken_back_from_b() -> Story {
    let mut story = going_back_from_b();
    story.end("b", ok(""));
    assert_eq!((story.outcome(), story.status("c")), (Outcome::Compensated, StepStatus::Completed));
    story
}

/// First from step `b` on, then the rest.
pub(crate) fn taken_back_twice() -> Story {
    let mut story = told(taken_back_from_b(), Demand::Compensate { from: None });
    story.attempt(ok(""));
    story.attempt(ok(""));
    assert_eq!((story.outcome(), story.step("b").backward.attempts), (Outcome::Compensated, 1));
    story
}

pub(crate) fn succeeded_past_pivot() -> Story {
    let mut story = past_pivot();
    story.end("r", ok("1"));
    assert_eq!(story.outcome(), Outcome::Succeeded);
    story
}

/// Its dead letter `a` is being tried again.
pub(crate) fn redriven() -> Story {
    told(stuck(), redrive(StepIndex(0)))
}

pub(crate) fn resolved() -> Story {
    let mut story = told(stuck(), resolve(StepIndex(0), Resolution::Undone));
    assert_eq!(story.outcome(), Outcome::Compensated);
    story
}
