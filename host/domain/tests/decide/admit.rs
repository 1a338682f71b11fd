//! What people may ask of a run: each refusal with the state that it names, beside a case that is admitted.

use crate::states::{
    at_doubt, before_its_wait, compensated, compensating, full_of_signals, going_back_from_b, killed, past_pivot, paused, redriven,
    resolved, retrying, running, signalled, signalled_and_running, stuck, stuck_past_pivot, succeeded, succeeded_past_pivot,
    taken_back_from_b, taken_back_twice, told, waiting,
};
use crate::story::{Story, author, redrive, resolve, signal};
use amends_domain::decide::{Admission, REASON_LEN_MAX, Unfit, WHO_LEN_MAX};
use amends_domain::event::{Author, Demand, InFlight, Resolution, Resolvers};
use amends_domain::id::StepIndex;
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload};
use amends_domain::run::DEMANDS_MAX;

const CANCEL: Demand = Demand::Cancel { in_flight: InFlight::MayEnd };
const CANCEL_NOW: Demand = Demand::Cancel { in_flight: InFlight::EndNow };
const WHOLE: Demand = Demand::Compensate { from: None };

/// What becomes of a demand, in a word.
fn answer(answer: &Result<Admission, Unfit>) -> &'static str {
    match answer {
        Ok(Admission::Note(_)) => "noted",
        Ok(Admission::Already) => "already",
        Err(unfit) => unfit.code,
    }
}

fn check(name: &str, mut story: Story, demand: Demand, right: &str, part: &str) {
    let shown = format!("{name}: {demand:?}");
    let found = story.ask(demand);
    assert_eq!(answer(&found), right, "{shown}: {found:?}");
    if let Err(unfit) = found {
        assert!(unfit.message.contains(part), "{shown}: `{}` does not say `{part}`", unfit.message);
        assert_eq!(unfit.to_string(), unfit.message);
    }
}

fn step(index: u16) -> StepIndex {
    StepIndex(index)
}

/// A state of a run, a demand, what becomes of it, and a part of the refusal.
type Case = (&'static str, fn() -> Story, Demand, &'static str, &'static str);

#[test]
fn an_open_run_can_be_cancelled_paused_and_killed() {
    let cases: Vec<Case> = vec![
        ("running", running, CANCEL, "noted", ""),
        ("running", running, CANCEL_NOW, "noted", ""),
        ("retrying", retrying, CANCEL, "noted", ""),
        ("waiting", waiting, CANCEL, "noted", ""),
        ("paused", paused, CANCEL, "noted", ""),
        ("cancelled", || told(paused(), CANCEL), CANCEL, "already", ""),
        ("cancelled", || told(paused(), CANCEL), CANCEL_NOW, "noted", ""),
        ("cancelled at once", || told(paused(), CANCEL_NOW), CANCEL, "already", ""),
        ("cancelled, an attempt runs", || told(running(), CANCEL), CANCEL_NOW, "noted", ""),
        ("cancelled, an attempt runs", || told(running(), CANCEL), CANCEL, "already", ""),
        ("compensating", compensating, CANCEL_NOW, "already", ""),
        ("compensated", compensated, CANCEL, "already", ""),
        ("succeeded", succeeded, CANCEL, "run_ended", "the run is succeeded: `compensate` takes it back"),
        ("stuck", stuck, CANCEL, "run_ended", "the run is stuck"),
        ("killed", killed, CANCEL, "run_ended", "the run is killed"),
        ("past its pivot", past_pivot, CANCEL, "past_pivot", "past its pivot `p`"),
        ("running", running, Demand::Pause, "noted", ""),
        ("compensating", compensating, Demand::Pause, "noted", ""),
        ("paused", paused, Demand::Pause, "already", ""),
        ("succeeded", succeeded, Demand::Pause, "run_ended", "the run is succeeded: `pause` needs one that is open"),
        ("paused", paused, Demand::Resume, "noted", ""),
        ("running", running, Demand::Resume, "already", ""),
        ("stuck", stuck, Demand::Resume, "run_ended", "the run is stuck: `resume`"),
        ("running", running, Demand::Kill, "noted", ""),
        ("paused", paused, Demand::Kill, "noted", ""),
        ("compensating", compensating, Demand::Kill, "noted", ""),
        ("stuck", stuck, Demand::Kill, "noted", ""),
        ("past its pivot", past_pivot, Demand::Kill, "noted", ""),
        ("killed, an attempt runs", || told(running(), Demand::Kill), Demand::Kill, "already", ""),
        ("killed", killed, Demand::Kill, "already", ""),
        ("compensated", compensated, Demand::Kill, "run_ended", "the run is compensated: `kill`"),
        ("succeeded", succeeded, Demand::Kill, "run_ended", "the run is succeeded: `kill`"),
    ];
    for (name, story, demand, right, part) in cases {
        check(name, story(), demand, right, part);
    }
}

#[test]
fn signals_and_retries_are_admitted_while_something_waits_for_them() {
    let too_long =
        || Demand::Signal { name: "go".parse().expect("a name"), payload: Payload::from(vec![b'1'; PAYLOAD_LEN_MAX + 1]) };
    let back = || {
        let mut story = told(waiting(), CANCEL);
        story.orders();
        story
    };
    let cases: Vec<Case> = vec![
        ("waiting", waiting, signal("go", r#"{"a":1}"#), "noted", ""),
        ("before its wait", before_its_wait, signal("go", "null"), "noted", ""),
        ("paused", || told(waiting(), Demand::Pause), signal("go", "1"), "noted", ""),
        ("waiting", waiting, signal("stop", "1"), "unknown_signal", "no step waits for a signal `stop`; signals of this saga: go"),
        ("no signals", running, signal("go", "1"), "unknown_signal", "signals of this saga: none"),
        ("waiting", waiting, signal("go", "{"), "payload_not_json", "the payload is not JSON: EOF"),
        ("waiting", waiting, too_long(), "payload_too_long", "the payload has 262145 bytes: 262144 are allowed"),
        ("taken, ended", signalled, signal("go", "1"), "run_ended", "the run is succeeded: `signal`"),
        ("taken", signalled_and_running, signal("go", "1"), "signal_not_awaited", "the run is running and waits for `go` no more"),
        ("compensating", back, signal("go", "1"), "signal_not_awaited", "the run is compensating"),
        ("full", full_of_signals, signal("go", "1"), "too_many_signals", "16 signals wait to be taken"),
        ("retrying", retrying, Demand::Retry, "noted", ""),
        ("running", running, Demand::Retry, "nothing_to_retry", "the run is running and no step of it waits for another attempt"),
        ("waiting", waiting, Demand::Retry, "nothing_to_retry", "the run is waiting"),
        ("stuck", stuck, Demand::Retry, "run_ended", "the run is stuck: `retry`"),
    ];
    for (name, story, demand, right, part) in cases {
        check(name, story(), demand, right, part);
    }
}

#[test]
fn what_succeeded_can_be_taken_back_as_a_whole_or_from_a_step_on() {
    let from = |index| Demand::Compensate { from: Some(step(index)) };
    let cases: Vec<Case> = vec![
        ("succeeded", succeeded, WHOLE, "noted", ""),
        ("succeeded", succeeded, from(2), "noted", ""),
        ("succeeded", succeeded, from(9), "unknown_step", "the saga has 3 steps, and not step 9"),
        ("running", running, WHOLE, "run_open", "the run is running: `compensate` needs one that succeeded; `cancel`"),
        ("going back", compensating, WHOLE, "already", ""),
        ("going back from b on", going_back_from_b, from(1), "already", ""),
        ("going back from b on", going_back_from_b, WHOLE, "run_open", "the run is compensating from step `b` on"),
        ("going back from b on", going_back_from_b, from(2), "run_open", "from step `b` on: ask for more when that is done"),
        ("taken back from b on", taken_back_from_b, from(1), "already", ""),
        ("taken back from b on", taken_back_from_b, from(2), "noted", ""),
        ("taken back from b on", taken_back_from_b, WHOLE, "noted", ""),
        ("taken back", taken_back_twice, WHOLE, "already", ""),
        ("taken back", taken_back_twice, from(1), "already", ""),
        ("cancelled", compensated, WHOLE, "already", ""),
        ("stuck", stuck, WHOLE, "run_ended", "the run is stuck: `compensate` needs one that succeeded"),
        ("killed", killed, WHOLE, "run_ended", "the run is killed"),
        (
            "through, past its pivot",
            succeeded_past_pivot,
            WHOLE,
            "past_pivot",
            "past its pivot `p`: nothing is taken back any more",
        ),
    ];
    for (name, story, demand, right, part) in cases {
        check(name, story(), demand, right, part);
    }
}

#[test]
fn dead_letters_can_be_redriven_and_resolved() {
    let undone = |index| resolve(step(index), Resolution::Undone);
    let done = |index| resolve(step(index), Resolution::Done);
    let with = |demand: Demand, change: fn(&mut amends_domain::event::Resolve)| match demand {
        Demand::Resolve(mut resolve) => {
            change(&mut resolve);
            Demand::Resolve(resolve)
        }
        other => other,
    };
    let cases: Vec<Case> = vec![
        ("stuck", stuck, redrive(step(0)), "noted", ""),
        ("redriven", redriven, redrive(step(0)), "already", ""),
        (
            "stuck",
            stuck,
            redrive(step(1)),
            "not_a_dead_letter",
            "step `b` is compensation-not-needed and no dead letter (the run is stuck)",
        ),
        ("running", running, redrive(step(0)), "not_a_dead_letter", "step `a` is running"),
        ("retrying", retrying, redrive(step(0)), "not_a_dead_letter", "step `a` is retrying"),
        ("stuck", stuck, redrive(step(7)), "unknown_step", "the saga has 2 steps, and not step 7"),
        ("killed", killed, redrive(step(0)), "run_ended", "the run is killed: nothing of it is tried again"),
        ("resolved", resolved, redrive(step(0)), "not_a_dead_letter", "step `a` is resolved"),
        ("stuck", stuck, undone(0), "noted", ""),
        ("resolved", resolved, undone(0), "already", ""),
        ("stuck", stuck, done(0), "resolution_unfit", "the run goes back: a step of it can be resolved as undone only"),
        ("stuck", stuck, undone(1), "not_a_dead_letter", "step `b`"),
        ("stuck", stuck, undone(9), "unknown_step", "not step 9"),
        ("killed", killed, undone(0), "run_ended", "the run is killed"),
        ("running", running, undone(0), "not_a_dead_letter", "step `a` is running"),
        ("stuck past its pivot", stuck_past_pivot, done(1), "noted", ""),
        (
            "stuck past its pivot",
            stuck_past_pivot,
            undone(1),
            "resolution_unfit",
            "past its pivot `p`: a step of it can be resolved as done only",
        ),
        ("stuck past its pivot", stuck_past_pivot, redrive(step(1)), "noted", ""),
        (
            "stuck",
            stuck,
            with(undone(0), |r| r.evidence = Some(Payload::from("{"))),
            "payload_not_json",
            "the evidence is not JSON",
        ),
        ("stuck", stuck, with(undone(0), |r| r.evidence = Some(Payload::from(r#"{"ticket":1}"#))), "noted", ""),
        (
            "stuck past its pivot",
            stuck_past_pivot,
            with(done(1), |r| r.output = Some(Payload::from("x"))),
            "payload_not_json",
            "the output is not JSON",
        ),
    ];
    for (name, story, demand, right, part) in cases {
        check(name, story(), demand, right, part);
    }
}

/// Who says what, what becomes of the last one, and whether the run is settled then.
type Said<'a> = (&'a [(&'a str, &'a Demand)], &'a str, bool);

#[test]
fn where_two_people_are_asked_for_the_second_one_must_be_another_and_say_the_same() {
    let stuck = || {
        let mut story = at_doubt();
        story.resolvers = Resolvers::Two;
        story
    };
    let (done, undone) = (resolve(step(0), Resolution::Done), resolve(step(0), Resolution::Undone));
    // Who says what, and what becomes of the last one.
    let cases: [Said<'_>; 7] = [
        (&[("ann", &done)], "noted", false),
        (&[("ann", &done), ("ann", &done)], "second_person_needed", false),
        (&[("ann", &done), ("bob", &done)], "noted", true),
        (&[("ann", &done), ("bob", &undone)], "noted", false),
        (&[("ann", &done), ("ann", &undone)], "noted", false),
        (&[("ann", &done), ("bob", &undone), ("ann", &undone)], "noted", true),
        (&[("ann", &done), ("ann", &undone), ("bob", &done)], "noted", false),
    ];
    for (said, right, settled) in cases {
        let mut story = stuck();
        let answers: Vec<_> = said.iter().map(|(who, demand)| story.ask_by((*demand).clone(), author(who))).collect();
        let last = answers.last().expect("somebody says something");
        assert_eq!(answer(last), right, "{said:?}: {last:?}");
        let found = &story.step("p").settled;
        assert_eq!(found.is_some(), settled, "{said:?}");
        if let Some(found) = found {
            let people = (found.by.who.as_str(), found.confirmed_by.as_ref().map(|by| by.who.as_str()));
            assert!(people == ("ann", Some("bob")) || people == ("bob", Some("ann")), "{people:?}");
        }
    }
}

#[test]
fn whoever_demands_something_has_a_name_and_where_it_is_for_ever_a_reason() {
    let by = |who: usize, why: Option<usize>, key: Option<usize>| Author {
        who: "w".repeat(who),
        why: why.map(|len| "y".repeat(len)),
        key: key.map(|len| "k".repeat(len)),
    };
    for (author, right) in [
        (by(1, None, None), "noted"),
        (by(WHO_LEN_MAX, Some(REASON_LEN_MAX), Some(WHO_LEN_MAX)), "noted"),
        (by(0, None, None), "who_length"),
        (by(WHO_LEN_MAX + 1, None, None), "who_length"),
        (by(1, Some(REASON_LEN_MAX + 1), None), "reason_length"),
        (by(1, None, Some(0)), "key_length"),
        (by(1, None, Some(WHO_LEN_MAX + 1)), "key_length"),
    ] {
        assert_eq!(answer(&running().ask_by(Demand::Pause, author)), right);
    }
    for (why, right) in [(None, "reason_missing"), (Some(" \n"), "reason_missing"), (Some("the bank called"), "noted")] {
        let author = Author { who: "ann".into(), why: why.map(str::to_owned), key: None };
        assert_eq!(answer(&stuck().ask_by(Demand::Kill, author.clone())), right);
        assert_eq!(answer(&stuck().ask_by(resolve(step(0), Resolution::Undone), author)), right);
    }
}

#[test]
fn a_demand_with_the_key_of_an_earlier_one_is_that_one() {
    let with_key = |who: &str, key: &str| Author { key: Some(key.to_owned()), ..author(who) };
    let mut story = waiting();
    assert_eq!(answer(&story.ask_by(Demand::Pause, with_key("ann", "1"))), "noted");
    assert_eq!(answer(&story.ask_by(Demand::Resume, with_key("ann", "2"))), "noted");
    assert_eq!(answer(&story.ask_by(Demand::Pause, with_key("bob", "1"))), "already", "it was done, and undone since");
    assert!(!story.run.wishes().paused);
    let reused = story.ask_by(Demand::Kill, with_key("ann", "1"));
    assert_eq!(answer(&reused), "key_reused");
    assert_eq!(answer(&story.ask_by(signal("go", "1"), with_key("ann", "3"))), "noted");
    assert_eq!(answer(&story.ask_by(signal("go", "1"), with_key("ann", "3"))), "already", "also after the run has ended");
    assert_eq!(answer(&story.ask_by(signal("go", "2"), with_key("ann", "3"))), "key_reused");

    let mut story = at_doubt();
    story.resolvers = Resolvers::Two;
    let done = resolve(step(0), Resolution::Done);
    assert_eq!(answer(&story.ask_by(done.clone(), with_key("ann", "1"))), "noted");
    assert_eq!(answer(&story.ask_by(done.clone(), with_key("ann", "1"))), "already");
    assert_eq!(answer(&story.ask_by(done, with_key("bob", "2"))), "noted");
}

#[test]
fn somebody_in_a_loop_cannot_fill_a_journal() {
    let mut story = running();
    for _ in 0..DEMANDS_MAX / 2 {
        story.demand(Demand::Pause);
        story.demand(Demand::Resume);
    }
    assert_eq!(answer(&story.ask(Demand::Pause)), "too_many_demands");
    assert_eq!(answer(&story.ask(CANCEL)), "noted", "what ends a run is always heard");
    assert_eq!(answer(&story.ask(Demand::Kill)), "noted");
}
