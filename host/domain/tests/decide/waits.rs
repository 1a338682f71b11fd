//! Waits: when each is over and by what, whenever a host looks.

use crate::story::{BEGIN, Story, after, ok, saga, signal};
use amends_domain::event::{Demand, Event, Outcome, WaitEnd};
use amends_domain::payload::Payload;
use amends_domain::run::{RunStatus, StepStatus};
use amends_domain::time::Timestamp;

/// What became of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Became {
    /// The host looks again so long after the beginning; none: when its signal comes.
    Waits(Option<u64>),
    Over(WaitEnd, &'static str),
    /// With this fault.
    Failed(&'static str),
}

fn became(story: &mut Story) -> Became {
    story.orders();
    let ends: Vec<WaitEnd> = story
        .journal
        .iter()
        .filter_map(|entry| if let Event::WaitEnded { end, .. } = entry.event { Some(end) } else { None })
        .collect();
    let step = story.step("w");
    if let Some(fault) = &step.fault {
        let codes = ["mapping_failed", "timed_out"];
        return Became::Failed(codes.into_iter().find(|code| *code == fault.code).expect("a known code"));
    }
    match (ends.as_slice(), &step.output) {
        ([], None) => Became::Waits(story.waits_until()),
        ([end], Some(output)) => Became::Over(*end, if *output == Payload::null() { "null" } else { r#"{"yes":1}"# }),
        other => panic!("{other:?}"),
    }
}

/// A saga with one wait; signals come at these instants, and the host looks at each of the others.
fn check(wait: &str, input: &'static str, signals: &[u64], looks: &[(u64, Became)]) {
    let mut story = Story::new(&saga("", &[&format!(r#"{{"id":"w","wait":{wait}}}"#)]), input);
    story.orders();
    let mut signals = signals.iter().peekable();
    for (at, right) in looks {
        while let Some(came) = signals.next_if(|came| *came <= at) {
            // The host was busy: the signal is noted, and nothing else.
            let event = amends_domain::decide::admit(
                &story.run,
                signal("go", r#"{"yes":1}"#),
                crate::story::author("ann"),
                story.resolvers,
            );
            let Ok(amends_domain::decide::Admission::Note(event)) = event else { panic!("{event:?}") };
            story.at(*came).note(event);
        }
        let found = became(story.at(*at));
        assert_eq!(found, *right, "{wait} with {input}, looked at after {at} ms");
    }
}

#[test]
fn a_wait_is_over_when_its_time_comes_or_its_signal() {
    use Became::{Failed, Over, Waits};
    use WaitEnd::{Elapsed, Signalled, TimedOut};
    let span = r#"{"for":"10s"}"#;
    check(span, "{}", &[], &[(0, Waits(Some(10_000))), (9_999, Waits(Some(10_000))), (10_000, Over(Elapsed, "null"))]);
    check(span, "{}", &[], &[(0, Waits(Some(10_000))), (999_999, Over(Elapsed, "null"))]);

    let until = r#"{"until":"${input.at}"}"#;
    check(until, r#"{"at":"1970-01-01T00:16:43Z"}"#, &[], &[(0, Waits(Some(3000))), (3000, Over(Elapsed, "null"))]);
    check(until, r#"{"at":"1970-01-01T01:46:43.5+01:30"}"#, &[], &[(0, Waits(Some(3500))), (3499, Waits(Some(3500)))]);
    check(until, r#"{"at":"1970-01-01T00:00:01Z"}"#, &[], &[(0, Over(Elapsed, "null"))]);
    for bad in [r#"{"at":"tomorrow"}"#, r#"{"at":1}"#, r#"{"at":null}"#, "{}", r#"{"at":"2026-02-30T00:00:00Z"}"#] {
        check(until, bad, &[], &[(0, Failed("mapping_failed"))]);
    }

    let fail = r#"{"signal":"go","timeout":"10s"}"#;
    check(fail, "{}", &[], &[(0, Waits(Some(10_000))), (9_999, Waits(Some(10_000))), (10_000, Failed("timed_out"))]);
    check(fail, "{}", &[0], &[(0, Over(Signalled, r#"{"yes":1}"#))]);
    check(fail, "{}", &[9_999], &[(9_998, Waits(Some(10_000))), (9_999, Over(Signalled, r#"{"yes":1}"#))]);
    check(fail, "{}", &[9_999], &[(60_000, Over(Signalled, r#"{"yes":1}"#))]);
    check(fail, "{}", &[10_000], &[(10_000, Failed("timed_out"))]);
    check(fail, "{}", &[20_000], &[(60_000, Failed("timed_out"))]);

    let go_on = r#"{"signal":"go","timeout":"10s","on_timeout":"continue"}"#;
    check(go_on, "{}", &[], &[(9_999, Waits(Some(10_000))), (10_000, Over(TimedOut, "null"))]);
    check(go_on, "{}", &[5_000], &[(5_000, Over(Signalled, r#"{"yes":1}"#))]);
    check(go_on, "{}", &[10_000], &[(60_000, Over(TimedOut, "null"))]);

    let for_ever = r#"{"signal":"go"}"#;
    check(for_ever, "{}", &[], &[(0, Waits(None)), (u64::from(u32::MAX), Waits(None))]);
    check(for_ever, "{}", &[7], &[(6, Waits(None)), (7, Over(Signalled, r#"{"yes":1}"#))]);
}

#[test]
fn a_wait_that_fails_has_the_run_compensated() {
    let steps = [r#"{"id":"a","uses":"p/a"}"#, r#"{"id":"w","wait":{"signal":"go","timeout":"1s"}}"#];
    let mut story = Story::new(&saga("", &steps), "{}");
    story.attempt(ok("1"));
    assert_eq!(story.waits_until(), Some(1000));
    assert_eq!((story.run.status(), story.status("w")), (RunStatus::Waiting, StepStatus::Waiting));
    story.at(1000).attempt(ok(""));
    assert_eq!(story.outcome(), Outcome::Compensated);
    assert_eq!((story.status("a"), story.status("w")), (StepStatus::Compensated, StepStatus::CompensationNotNeeded));
}

#[test]
fn signals_are_kept_for_the_waits_to_come_and_each_is_taken_once() {
    let steps = [
        r#"{"id":"a","uses":"p/a"}"#,
        r#"{"id":"w","wait":{"signal":"go"}}"#,
        r#"{"id":"x","wait":{"signal":"stop"}}"#,
        r#"{"id":"v","wait":{"signal":"go"}}"#,
        r#"{"id":"b","uses":"p/b","input":["${steps.w.output}","${steps.x.output}","${steps.v.output}"]}"#,
    ];
    let mut story = Story::new(&saga("", &steps), "{}");
    story.start();
    for (name, payload) in [("go", "1"), ("go", "2"), ("stop", "3")] {
        story.demand(signal(name, payload));
    }
    assert_eq!(story.run.signals_len(), 3);
    story.end("a", ok("0"));
    let started = story.start();
    assert_eq!(started[0].input, Payload::from("[1,3,2]"), "the oldest with its name first");
    assert_eq!(story.run.signals_len(), 0);
}

#[test]
fn two_waits_for_one_signal_take_one_each() {
    let steps = [
        r#"{"id":"v","wait":{"signal":"go","timeout":"4s","on_timeout":"continue"},"after":[]}"#,
        r#"{"id":"w","wait":{"signal":"go","timeout":"8s","on_timeout":"continue"},"after":[]}"#,
        r#"{"id":"u","wait":{"for":"9s"},"after":[]}"#,
    ];
    let mut story = Story::new(&saga("", &steps), "{}");
    story.orders();
    story.at(1000).demand(signal("go", "1"));
    story.at(60_000).orders();
    let ends: Vec<_> = story
        .journal
        .iter()
        .filter_map(|entry| if let Event::WaitEnded { step, end } = entry.event { Some((step.0, end)) } else { None })
        .collect();
    assert_eq!(ends, [(0, WaitEnd::Signalled), (1, WaitEnd::TimedOut), (2, WaitEnd::Elapsed)], "and behind it what is due later");
}

#[test]
fn timers_that_a_host_slept_through_fire_in_the_order_of_their_instants() {
    // How long three waits last, the deadline, and which of them are over when the host wakes after a minute.
    for (spans, deadline, over) in [
        ([6, 3, 9], None, vec![1, 0, 2]),
        ([6, 3, 9], Some(10), vec![1, 0, 2]),
        ([6, 3, 9], Some(9), vec![1, 0, 2]),
        ([6, 3, 9], Some(8), vec![1, 0]),
        ([6, 3, 9], Some(6), vec![1, 0]),
        ([6, 3, 9], Some(5), vec![1]),
        ([6, 3, 9], Some(2), vec![]),
        ([5, 5, 5], Some(5), vec![0, 1, 2]),
    ] {
        let fields = deadline.map_or_else(String::new, |s| format!(r#""deadline":"{s}s","#));
        let waits: Vec<String> =
            spans.iter().enumerate().map(|(at, s)| format!(r#"{{"id":"w{at}","wait":{{"for":"{s}s"}},"after":[]}}"#)).collect();
        let waits: Vec<&str> = waits.iter().map(String::as_str).collect();
        let mut story = Story::new(&saga(&fields, &waits), "{}");
        story.orders();
        story.at(60_000).orders();
        let ended =
            |entry: &amends_domain::event::Entry| if let Event::WaitEnded { step, .. } = entry.event { Some(step.0) } else { None };
        let found: Vec<u16> = story.journal.iter().filter_map(ended).collect();
        assert_eq!(found, over, "{spans:?} {deadline:?}");
        let outcome = if over.len() == 3 { Outcome::Succeeded } else { Outcome::Compensated };
        assert_eq!(story.outcome(), outcome, "{spans:?} {deadline:?}");
    }
}

#[test]
fn a_pause_stops_every_timer_and_no_clock() {
    // When the run is paused and let go on, when a signal comes, and what becomes of a wait of 10 s for it.
    for (paused, resumed, signalled, end) in [
        (1, 5, Some(3), Ok(WaitEnd::Signalled)),
        (1, 20, Some(3), Ok(WaitEnd::Signalled)),
        (1, 20, Some(15), Err("timed_out")),
        (1, 20, None, Err("timed_out")),
        (1, 5, Some(7), Ok(WaitEnd::Signalled)),
    ] {
        let shown = format!("{paused} {resumed} {signalled:?}");
        let mut story = Story::new(&saga("", &[r#"{"id":"w","wait":{"signal":"go","timeout":"10s"}}"#]), "{}");
        story.orders();
        story.at(paused * 1000).demand(Demand::Pause);
        assert_eq!((story.run.status(), story.run.head().due), (RunStatus::Paused, Some(Timestamp(u64::MAX))));
        let early = signalled.filter(|at| *at < resumed);
        if let Some(at) = early {
            story.at(at * 1000).demand(signal("go", "1"));
        }
        story.at(resumed * 1000 - 1);
        assert_eq!((story.orders(), story.status("w")), (Vec::new(), StepStatus::Waiting), "{shown}");
        story.at(resumed * 1000).demand(Demand::Resume);
        story.orders();
        if let Some(at) = signalled.filter(|_| early.is_none()) {
            story.at(at * 1000).demand(signal("go", "1"));
            story.orders();
        }
        let found = story.journal.iter().find_map(|entry| match &entry.event {
            Event::WaitEnded { end, .. } => Some(Ok(*end)),
            Event::StepFailed { fault: Some(fault), .. } => Some(Err(fault.code.clone())),
            _ => None,
        });
        assert_eq!(found, Some(end.map_err(str::to_owned)), "{shown}");
    }
}

#[test]
fn the_deadline_does_not_stand_still_in_a_pause() {
    let mut story = Story::new(&saga(r#""deadline":"10s","#, &[r#"{"id":"w","wait":{"for":"20s"}}"#]), "{}");
    assert_eq!(story.waits_until(), Some(10_000));
    story.at(1000).demand(Demand::Pause);
    assert_eq!(story.at(15_000).orders(), []);
    assert_eq!(story.run.phase(), &amends_domain::run::Phase::Forward, "nothing turns around in a pause");
    story.demand(Demand::Resume);
    assert_eq!(story.outcome(), Outcome::Compensated);
}

#[test]
fn a_head_says_when_a_waiting_run_needs_somebody() {
    let steps = [r#"{"id":"w","wait":{"signal":"go","timeout":"10s"},"after":[]}"#, r#"{"id":"a","uses":"p/a","after":[]}"#];
    let mut story = Story::new(&saga("", &steps), "{}");
    assert_eq!(story.run.head().due, None, "nothing has begun");
    story.start();
    assert_eq!(story.run.head().due, None, "an attempt runs, and is lost if its host dies");
    story.end("a", ok("1"));
    assert_eq!(story.run.head().due, Some(after(10_000)));
    let Ok(amends_domain::decide::Admission::Note(event)) =
        amends_domain::decide::admit(&story.run, signal("go", "1"), crate::story::author("ann"), story.resolvers)
    else {
        panic!("a signal that is waited for")
    };
    story.note(event);
    assert_eq!(story.run.head().due, None, "the signal came and is not taken yet");
    story.orders();
    assert_eq!((story.outcome(), story.run.head().due, story.run.head().ended), (Outcome::Succeeded, None, Some(BEGIN)));
}
