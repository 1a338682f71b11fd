//! Retries, deadlines, delays, pauses: what is done when.

use crate::story::{Story, after, failed, ok, redrive, rejected, saga, unavailable, uncertain};
use amends_domain::decide::Command;
use amends_domain::digest::Digest;
use amends_domain::event::{Cause, Demand, Direction, Ending, Event, Failure, Fault, InFlight, Outcome, Resolution};
use amends_domain::run::{Phase, RunStatus, StepStatus};
use amends_domain::time::{Span, Timestamp};

const A: &str = r#"{"id":"a","uses":"p/a"}"#;
const B: &str = r#"{"id":"b","uses":"p/b"}"#;

fn one(retry: &str) -> String {
    saga("", &[&format!(r#"{{"id":"a","uses":"p/a","retry":{retry}}}"#)])
}

#[test]
fn retries_wait_longer_each_time_and_as_long_as_the_guest_asks() {
    let mut story = Story::new(&one(r#"{"attempts":3,"initial":"100ms","factor":2}"#), "{}");
    story.attempt(unavailable());
    assert_eq!(story.waits_until(), Some(100));
    assert_eq!(story.at(99).waits_until(), Some(100));
    let patient =
        Ending::Failed { failure: Failure::Unavailable, fault: Fault::new("busy", "busy"), retry_after: Some(Span(5000)) };
    story.at(100).attempt(patient);
    assert_eq!(story.waits_until(), Some(5100), "the guest asked for more than the policy");
    story.at(5100).attempt(unavailable());
    assert_eq!(story.outcome(), Outcome::Compensated);
}

#[test]
fn attempts_are_bounded_by_number_and_by_time() {
    // The policy, how long each attempt takes, and how many there are.
    for (retry, takes, attempts) in [
        (r#"{"attempts":3,"initial":"1s","factor":1}"#, 0, 3),
        (r#"{"attempts":1}"#, 0, 1),
        (r#"{"attempts":"unlimited","for":"5s","initial":"1s","factor":1}"#, 0, 6),
        (r#"{"attempts":"unlimited","for":"5s","initial":"1s","factor":1}"#, 1500, 3),
        (r#"{"attempts":"unlimited","for":"5s","initial":"2s","max":"9s","factor":2}"#, 0, 2),
        (r#"{"attempts":3,"for":"1s","initial":"1s","factor":1}"#, 0, 2),
        (r#"{"attempts":3,"for":"999ms","initial":"1s","factor":1}"#, 0, 1),
        (r#"{"attempts":5,"for":"1m","initial":"1s","factor":1}"#, 0, 5),
    ] {
        let mut story = Story::new(&one(retry), "{}");
        let mut now = 0;
        while matches!(story.run.phase(), Phase::Forward) {
            story.start();
            now += takes;
            story.at(now).end("a", unavailable());
            now = story
                .orders()
                .iter()
                .find_map(|order| if let Command::WaitUntil(at) = order { Some(*at) } else { None })
                .map_or(now, |at| at.since(after(0)).0);
            story.at(now).orders();
        }
        assert_eq!(story.step("a").forward.attempts, attempts, "{retry}, {takes} ms each");
        assert_eq!(story.outcome(), Outcome::Compensated);
    }
}

#[test]
fn a_step_that_is_tried_for_ever_is() {
    let step = r#"{"id":"a","uses":"p/a","kind":"retriable","retry":{"attempts":"unlimited","initial":"1ms","max":"1ms"}}"#;
    let mut story = Story::new(&saga("", &[step]), "{}");
    for n in 0..2000 {
        story.at(n).attempt(unavailable());
    }
    assert_eq!((story.step("a").forward.attempts, story.status("a")), (2000, StepStatus::Retrying));
    story.at(2000).attempt(ok("1"));
    assert_eq!(story.outcome(), Outcome::Succeeded);
    let mut story = Story::new(&saga("", &[step]), "{}");
    story.attempt(rejected());
    assert_eq!(story.outcome(), Outcome::Compensated, "unless its guest says that it is of no use");
}

#[test]
fn a_retry_can_be_had_at_once_in_both_directions() {
    let mut story = Story::new(&saga("", &[A, B]), "{}");
    story.attempt(ok("1"));
    story.attempt(unavailable());
    assert_eq!(story.at(10).waits_until(), Some(1000));
    story.demand(Demand::Retry);
    assert_eq!(story.starting(), ["b"]);
    story.attempt(rejected());
    story.attempt(unavailable());
    assert_eq!((story.waits_until(), story.run.status()), (Some(1010), RunStatus::Compensating));
    story.demand(Demand::Retry);
    assert_eq!(story.starting(), ["a"]);
    assert_eq!(story.step("a").backward.attempts, 1, "it is not another attempt than it would have been");
    story.attempt(unavailable());
    assert_eq!(story.outcome(), Outcome::Stuck);
}

#[test]
fn what_waits_for_its_next_attempt_starts_late_in_a_pause_and_not_early_after_it() {
    for (resumed, starts) in [(500, vec![]), (1000, vec!["b"]), (5000, vec!["b"])] {
        let mut story = Story::new(&saga("", &[A, B]), "{}");
        story.attempt(ok("1"));
        story.attempt(unavailable());
        story.orders();
        story.at(100).demand(Demand::Pause);
        assert_eq!(story.at(4000).orders(), []);
        story.at(resumed).demand(Demand::Resume);
        assert_eq!(story.starting(), starts, "let go on after {resumed} ms");
    }
}

#[test]
fn in_a_pause_attempts_end_and_what_follows_is_noted_but_nothing_starts() {
    let branches = [r#"{"id":"a","uses":"p/a","after":[]}"#, r#"{"id":"b","uses":"p/b","after":[]}"#, r#"{"id":"c","uses":"p/c"}"#];
    let mut story = Story::new(&saga("", &branches), "{}");
    story.start();
    story.demand(Demand::Pause);
    story.end("a", ok("1"));
    story.end("b", unavailable());
    assert_eq!(story.orders(), []);
    assert_eq!((story.status("a"), story.status("b")), (StepStatus::Completed, StepStatus::Retrying));
    story.demand(Demand::Resume);
    story.at(1000).attempt(ok("1"));
    assert_eq!(story.starting(), ["c"]);
}

#[test]
fn a_cancel_in_a_pause_is_kept_even_if_all_is_done_meanwhile() {
    for in_flight in [InFlight::MayEnd, InFlight::EndNow] {
        let mut story = Story::new(&saga("", &[A]), "{}");
        story.start();
        story.demand(Demand::Pause);
        story.demand(Demand::Cancel { in_flight });
        let fences = story.orders();
        match in_flight {
            InFlight::MayEnd => assert_eq!(fences, [], "what runs may end"),
            InFlight::EndNow => assert_eq!(fences, [Command::Fence(story.newest("a"))], "a pause stops what is new, not an end"),
        }
        story.end("a", ok("1"));
        assert_eq!(story.orders(), []);
        story.demand(Demand::Resume);
        story.attempt(ok(""));
        assert_eq!((story.outcome(), story.status("a")), (Outcome::Compensated, StepStatus::Compensated));
    }
}

#[test]
fn the_deadline_turns_the_run_around_but_lets_what_runs_end() {
    let mut story = Story::new(&saga(r#""deadline":"10s","#, &[A, B]), "{}");
    story.attempt(ok("1"));
    story.start();
    assert_eq!(story.at(9_999).waits_until(), Some(10_000));
    assert_eq!(story.at(10_000).orders(), [], "nothing is taken back while an attempt forward runs");
    assert_eq!(story.run.phase(), &Phase::Backward(Cause::DeadlinePassed));
    story.end("b", ok("{}"));
    for (step, now) in [("b", 70_000), ("a", 130_000)] {
        assert_eq!(story.starting(), [step]);
        story.at(now).attempt(ok(""));
    }
    assert_eq!(story.outcome(), Outcome::Compensated, "the deadline is not for compensations");
}

#[test]
fn a_run_that_is_through_has_kept_its_deadline() {
    let mut story = Story::new(&saga(r#""deadline":"10s","#, &[A]), "{}");
    story.start();
    story.at(9_999).end("a", ok("1"));
    assert_eq!(story.at(20_000).outcome(), Outcome::Succeeded, "however late the host looks");
}

#[test]
fn a_delayed_run_does_nothing_before_its_time_and_its_deadline_counts_from_it() {
    let delayed = || {
        let mut story = Story::new(&saga(r#""deadline":"10s","#, &[A, B]), "{}");
        story.note(Event::Delayed { until: after(60_000) });
        story
    };
    let mut story = delayed();
    assert_eq!(
        (story.waits_until(), story.run.head().due, story.run.status()),
        (Some(60_000), Some(after(60_000)), RunStatus::Waiting)
    );
    assert_eq!(story.at(59_999).waits_until(), Some(60_000));
    story.at(60_000).attempt(ok("1"));
    story.start();
    assert_eq!(story.at(69_999).waits_until(), Some(70_000));
    assert_eq!((story.at(70_000).orders(), story.cause()), (Vec::new(), "DeadlinePassed".into()));
    assert!(story.told(Event::Delayed { until: after(80_000) }).is_err(), "it has begun");

    let mut story = delayed();
    assert_eq!(story.at(500_000).starting(), Vec::<String>::new(), "a host that comes after the deadline starts nothing");
    assert_eq!(story.outcome(), Outcome::Compensated);

    let mut story = delayed();
    story.demand(Demand::Cancel { in_flight: InFlight::MayEnd });
    assert_eq!(story.run.head().due, None, "a cancel does not wait for the beginning");
    assert_eq!(story.outcome(), Outcome::Compensated);

    let mut story = delayed();
    story.demand(Demand::Kill);
    assert_eq!(story.outcome(), Outcome::Killed);
}

#[test]
fn the_way_back_may_have_a_deadline() {
    let fields = r#""compensation":{"deadline":"5s"},"#;
    let mut story = Story::new(&saga(fields, &[A, B, r#"{"id":"c","uses":"p/c"}"#]), "{}");
    story.attempt(ok("1"));
    story.attempt(ok("1"));
    story.at(100_000).attempt(rejected());
    assert_eq!(story.at(100_000).starting(), ["b"]);
    story.start();
    assert_eq!(story.waits_until(), Some(105_000), "counted from when the run turned around");
    assert_eq!(story.at(105_000).orders(), [], "what runs may end, and nobody looks at the clock until it does");
    story.at(107_000).end("b", unavailable());
    assert_eq!(story.outcome(), Outcome::Stuck);
    assert_eq!((story.status("a"), story.status("b")), (StepStatus::CompensationFailed, StepStatus::CompensationFailed));
    assert_eq!((story.step("a").backward.attempts, story.step("b").backward.attempts), (0, 1));
    assert_eq!(story.run.head().dead_letters, 2);

    let b = story.index("b");
    story.at(200_000).demand(redrive(b));
    assert_eq!(story.starting(), ["b"]);
    story.start();
    assert_eq!(story.waits_until(), Some(205_000), "who tries again has the whole time again");
    story.end("b", ok(""));
    assert_eq!(story.outcome(), Outcome::Stuck, "the other is a dead letter still");
    let a = story.index("a");
    story.demand(redrive(a));
    story.attempt(ok(""));
    assert_eq!(story.outcome(), Outcome::Compensated);
}

#[test]
fn a_compensation_that_waits_for_its_next_attempt_is_given_up_at_the_deadline_of_the_way_back() {
    let mut story = Story::new(&saga(r#""compensation":{"deadline":"500ms"},"#, &[A, B]), "{}");
    story.attempt(ok("1"));
    story.attempt(rejected());
    story.attempt(unavailable());
    assert_eq!(story.waits_until(), Some(500), "its next attempt would come after a second");
    assert_eq!(story.at(500).outcome(), Outcome::Stuck);
    assert_eq!(story.step("a").backward.attempts, 1);
}

#[test]
fn a_redrive_gives_all_attempts_again_and_goes_on_counting_them() {
    let mut story = Story::new(&saga("", &[A, B]), "{}");
    let used = |story: &Story| story.run.component(story.index("a"));
    story.attempt(ok("1"));
    story.attempt(rejected());
    story.attempt(unavailable());
    story.at(1000).attempt(unavailable());
    assert_eq!((story.outcome(), used(&story)), (Outcome::Stuck, Some(Digest::of(b"p"))));
    let step = story.index("a");
    story.at(60_000).demand(Demand::Redrive { step, component: Some(Digest::of(b"better")) });
    assert_eq!((story.run.status(), used(&story)), (RunStatus::Compensating, Some(Digest::of(b"better"))));
    let third = story.start().remove(0).attempt;
    assert_eq!((third.number, third.direction), (3, Direction::Backward));
    story.end("a", failed(Failure::Uncertain));
    assert_eq!(story.waits_until(), Some(61_000), "its waits begin from the beginning as well");
    story.at(61_000).attempt(unavailable());
    assert_eq!((story.outcome(), story.step("a").backward.attempts), (Outcome::Stuck, 4));
    story.demand(crate::story::resolve(step, Resolution::Undone));
    assert_eq!((story.outcome(), story.status("a")), (Outcome::Compensated, StepStatus::Resolved));
}

#[test]
fn an_attempt_that_a_crash_interrupted_counts_and_is_tried_again() {
    let mut story = Story::new(&saga("", &[A]), "{}");
    story.start();
    story.crash();
    assert_eq!(story.run.head().due, None);
    assert_eq!((story.at(500_000).starting(), story.status("a")), (Vec::new(), StepStatus::Retrying));
    assert_eq!(story.run.head().due, Some(Timestamp(after(501_000).0)), "the attempt ended when that was found");
    story.at(501_000).start();
    story.crash();
    assert_eq!((story.outcome(), story.step("a").forward.attempts), (Outcome::Compensated, 2));
}

#[test]
fn doubt_that_comes_after_the_run_turned_around_counts() {
    let branches = [r#"{"id":"a","uses":"p/a","after":[]}"#, r#"{"id":"b","uses":"p/b","after":[]}"#];
    let mut story = Story::new(&saga("", &branches), "{}");
    story.start();
    story.end("a", rejected());
    assert_eq!((story.orders(), story.cause()), (Vec::new(), "StepFailed(StepIndex(0))".into()));
    story.end("b", uncertain());
    assert_eq!(story.starting(), ["b"], "and is not tried again forward");
    assert_eq!(story.start().remove(0).attempt.direction, Direction::Backward);
    story.end("b", ok(""));
    assert_eq!((story.outcome(), story.status("a")), (Outcome::Compensated, StepStatus::CompensationNotNeeded));
}
