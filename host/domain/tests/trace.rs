//! What a trace tells of a run: every attempt once, inside its step, inside its run, whatever happened between.

use amends_domain::definition::{Definition, read};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Direction, Ending, Entry, Event, Failure, Fault, Halt, Outcome, Spent, Started, TraceParent, WaitEnd,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use amends_domain::trace::{Attribute, Span, SpanId, TraceId, spans, traceparent};

const RUN: RunId = RunId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
const SAGA: &str = r#"{"saga":"s","steps":[{"id":"a","uses":"p/a"},{"id":"w","wait":{"for":"1s"}},{"id":"b","uses":"p/b"}]}"#;

fn definition() -> Definition {
    read(SAGA).expect("it is right")
}

fn attempt(step: u16, direction: Direction, number: u32) -> AttemptRef {
    AttemptRef { step: StepIndex(step), direction, number }
}

fn started() -> Event {
    started_in(None)
}

fn started_in(parent: Option<TraceParent>) -> Event {
    let (saga, definition) = ("s".parse().expect("a name"), Digest::of(b""));
    Event::Started(Box::new(Started {
        saga,
        version: 3,
        definition,
        components: Vec::new(),
        input: Payload::from("1"),
        key: None,
        parent,
    }))
}

fn begins(attempt: AttemptRef) -> Event {
    Event::AttemptStarted { attempt, input: None }
}

fn ends(attempt: AttemptRef, ending: Ending) -> Event {
    let spent = Spent { fuel: 42, ..Spent::default() };
    Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log: Vec::new(), writes: Vec::new() }))
}

fn ok() -> Ending {
    Ending::Ok { output: Payload::from("1") }
}

fn ended(outcome: Outcome) -> Event {
    Event::Ended { outcome, output: None, fault: None }
}

/// A journal with a fact each ten milliseconds.
fn told(events: Vec<Event>) -> Vec<Span> {
    let journal: Vec<_> = (1..).zip(events).map(|(n, event)| Entry { at: Timestamp(10 * n), event }).collect();
    spans(RUN, &definition(), &journal)
}

fn shown(span: &Span) -> (&str, u64, u64, Option<&str>) {
    (&span.name, span.begun.0, span.ended.0, span.failure.as_deref())
}

#[test]
fn a_run_is_a_trace_of_its_steps_and_their_attempts() {
    let (first, second) = (attempt(0, Direction::Forward, 1), attempt(0, Direction::Forward, 2));
    let (b, back) = (attempt(2, Direction::Forward, 1), attempt(0, Direction::Backward, 1));
    let refused = Ending::Failed { failure: Failure::Rejected, fault: Fault::new("sold_out", "no more"), retry_after: None };
    let lost = Ending::Halted { halt: Halt::Lost, message: String::new() };
    let told = told(vec![
        started(),
        begins(first),
        // The host dies, and another one goes on.
        Event::Adopted,
        ends(first, lost),
        begins(second),
        ends(second, ok()),
        Event::WaitStarted { step: StepIndex(1), due: None },
        Event::WaitEnded { step: StepIndex(1), end: WaitEnd::Elapsed },
        begins(b),
        ends(b, refused),
        begins(back),
        ends(back, ok()),
        ended(Outcome::Compensated),
    ]);
    let all: Vec<_> = told.iter().map(shown).collect();
    assert_eq!(
        all,
        [
            ("s", 10, 130, Some("compensated")),
            ("a", 20, 60, None),
            ("attempt 1", 20, 40, Some("lost")),
            ("attempt 2", 50, 60, None),
            ("w", 70, 80, None),
            ("b", 90, 100, Some("rejected sold_out")),
            ("attempt 1", 90, 100, Some("rejected sold_out")),
            ("compensate a", 110, 120, None),
            ("attempt 1", 110, 120, None),
        ]
    );
    let parents: Vec<_> = told.iter().map(|span| span.parent).collect();
    let (run, a, b) = (Some(told[0].id), Some(told[1].id), Some(told[5].id));
    assert_eq!(parents, [None, run, a, a, run, run, b, run, Some(told[7].id)]);
    let of = |span: &Span, name: &str| span.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
    assert_eq!(of(&told[0], "amends.outcome"), Some(Attribute::Text("compensated".to_owned())));
    assert_eq!((of(&told[3], "amends.fuel"), of(&told[0], "amends.saga_version")), (Some(42.into()), Some(3.into())));
}

#[test]
fn what_had_not_ended_ends_with_the_run_and_a_later_outcome_replaces_the_first() {
    let first = attempt(0, Direction::Forward, 1);
    let killed = told(vec![started(), begins(first), ended(Outcome::Killed)]);
    assert_eq!(
        killed.iter().map(shown).collect::<Vec<_>>(),
        [("s", 10, 30, Some("killed")), ("a", 20, 30, None), ("attempt 1", 20, 30, None)]
    );
    let again = told(vec![started(), ended(Outcome::Stuck), ended(Outcome::Succeeded)]);
    assert_eq!(shown(&again[0]), ("s", 10, 30, None));
    assert_eq!(again[0].attributes.iter().filter(|(name, _)| *name == "amends.outcome").count(), 1);
    assert_eq!(told(Vec::new()), []);
}

#[test]
fn a_run_that_was_started_in_a_trace_is_a_part_of_it() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".parse::<TraceParent>().expect("it is one");
    let first = attempt(0, Direction::Forward, 1);
    let told = told(vec![started_in(Some(parent)), begins(first), ends(first, ok()), ended(Outcome::Succeeded)]);
    let parents: Vec<_> = told.iter().map(|span| span.parent).collect();
    assert_eq!(parents, [Some(SpanId(parent.span)), Some(SpanId::of_run(RUN)), Some(told[1].id)]);
    let (trace, own) = (TraceId::of(RUN, Some(&parent)), TraceId::of(RUN, None));
    assert_ne!(trace, own);
    let sent = traceparent(trace, SpanId([0, 0, 0, 0, 0, 0, 0, 1]));
    assert_eq!(sent, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01", "what the host tells of is sampled");
}

#[test]
fn names_follow_from_what_is_named_and_differ() {
    let step = "a".parse().expect("a name");
    let names = [
        SpanId::of_run(RUN),
        SpanId::of_run(RunId(8)),
        SpanId::of_step(RUN, &step, Direction::Forward),
        SpanId::of_step(RUN, &step, Direction::Backward),
        SpanId::of_attempt(RUN, &step, Direction::Forward, 1),
        SpanId::of_attempt(RUN, &step, Direction::Forward, 2),
        SpanId::of_attempt(RUN, &step, Direction::Backward, 1),
    ];
    let different: std::collections::HashSet<_> = names.into_iter().collect();
    assert_eq!(different.len(), names.len());
    assert_eq!(TraceId::of(RUN, None).0[..4], [0x01, 0x23, 0x45, 0x67]);
    assert_eq!(
        traceparent(TraceId::of(RUN, None), SpanId([0, 1, 2, 3, 4, 5, 6, 255])),
        "00-0123456789abcdef0011223344556677-00010203040506ff-01"
    );
}
