//! What people are told about runs: what they wait for, why a step needs no compensation, and what to do about each kind of dead letter.
//! Told by a story of facts each: what is said must follow from them alone.

use amends_domain::decide::{Command, decide};
use amends_domain::definition::read;
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, Author, Demand, Demanded, Direction, Ending, Entry, Event, Failure, Fault, Halt, InFlight, Omission, Outcome,
    Spent, Started,
};
use amends_domain::explain::{Action, Awaited, DeadLetter, DeadLetterId, awaited, dead_letters, proof};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use std::sync::Arc;

const BEGIN: Timestamp = Timestamp(1_000_000);
const ONE: &str = r#""defaults":{"retry":{"attempts":1}}"#;

/// A run whose attempts end as they are told to.
struct Story {
    run: Run,
    journal: Vec<Entry>,
    now: Timestamp,
}

impl Story {
    fn new(document: &str) -> Self {
        let definition = Arc::new(read(document).unwrap_or_else(|mistakes| panic!("{mistakes}")));
        let started = Started {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            components: vec![("p".parse().expect("a name"), Digest::of(b"p"))],
            input: Payload::from("{}"),
            key: None,
            parent: None,
        };
        let first = Entry { at: BEGIN, event: Event::Started(Box::new(started)) };
        let run = Run::of_journal(RunId(7), definition, std::slice::from_ref(&first)).expect("a started run");
        Self { run, journal: vec![first], now: BEGIN }
    }

    fn note(&mut self, event: Event) {
        self.now = self.now.plus(Span(1));
        let entry = Entry { at: self.now, event };
        self.run.apply(&entry).expect("a fact that fits");
        self.journal.push(entry);
    }

    /// Notes facts until there is something else to do.
    fn orders(&mut self) -> Vec<Command> {
        loop {
            let orders = decide(&self.run, self.now);
            let facts: Vec<_> =
                orders.iter().filter_map(|o| if let Command::Record(event) = o { Some(event.clone()) } else { None }).collect();
            if facts.is_empty() {
                return orders;
            }
            for event in facts {
                self.note(event);
            }
        }
    }

    /// Makes the attempt that is ordered first: it sends these requests, of which those with a status are answered, and ends so.
    fn attempt(&mut self, requests: &[(&str, &str, Option<u16>)], ending: Ending) -> &mut Self {
        let orders = self.orders();
        let Some(Command::Start(start)) = orders.first() else { panic!("no attempt is ordered but {orders:?}") };
        let attempt = start.attempt;
        self.note(start.event());
        for (call, (method, target, status)) in (1..).zip(requests) {
            self.note(Event::EffectIntended { attempt, call, method: (*method).to_owned(), target: (*target).to_owned() });
            if let Some(status) = *status {
                self.note(Event::EffectAnswered { attempt, call, status, response: None });
            }
        }
        let ended = AttemptEnded { attempt, ending, spent: Spent::default(), log: Vec::new(), writes: Vec::new() };
        self.note(Event::AttemptEnded(Box::new(ended)));
        self.orders();
        self
    }

    fn demand(&mut self, demand: Demand) {
        let by = Author { who: "anna".into(), why: Some("because".into()), key: None };
        self.note(Event::Demanded(Box::new(Demanded { demand, by })));
        self.orders();
    }

    fn dead_letters(&self) -> Vec<DeadLetter<'_>> {
        dead_letters(&self.run, &self.journal)
    }
}

fn ok() -> Ending {
    Ending::Ok { output: Payload::from("{}") }
}

fn failed(failure: Failure) -> Ending {
    Ending::Failed { failure, fault: Fault::new("closed", "the account is closed"), retry_after: None }
}

fn halted(halt: Halt) -> Ending {
    Ending::Halted { halt, message: "as it is".into() }
}

fn two_steps() -> String {
    format!(r#"{{"saga":"s",{ONE},"steps":[{{"id":"pay","uses":"p/pay"}},{{"id":"ship","uses":"p/ship"}}]}}"#)
}

fn pivot_then(step: &str) -> String {
    format!(r#"{{"saga":"s",{ONE},"steps":[{{"id":"pay","uses":"p/pay","kind":"pivot","compensate":"none"}},{step}]}}"#)
}

const TELL: &str = r#"{"id":"tell","uses":"p/tell","kind":"retriable","retry":{"attempts":1}}"#;

/// Checks the only dead letter of a run.
fn check(story: &Story, direction: Direction, action: Action, says: &[&str]) {
    let [letter] = &story.dead_letters()[..] else { panic!("not one dead letter: {:?}", story.dead_letters()) };
    assert_eq!((letter.direction, letter.advice.action), (direction, action), "{}", letter.advice.text);
    for says in says {
        assert!(letter.advice.text.contains(says), "no `{says}`: {}", letter.advice.text);
    }
}

#[test]
fn a_compensation_that_failed_is_advised_on_by_how_it_ended() {
    let component = Digest::of(b"p").to_string();
    for (ending, action, says) in [
        (
            failed(Failure::Rejected),
            Action::ResolveUndone,
            ["Find out at POST https://bank/charges whether", "redrive it with a corrected plugin"],
        ),
        (failed(Failure::Uncertain), Action::ResolveUndone, ["Nobody knows whether it was taken back", "may be repeated"]),
        (
            failed(Failure::Unavailable),
            Action::Redrive,
            ["`p/pay` says that somebody it needs is away (closed)", "when the other side is back"],
        ),
        (halted(Halt::Timeout), Action::Redrive, ["not done in time", "when the other side is back"]),
        (halted(Halt::Trap), Action::RedriveCorrected, ["traps", &component]),
        (halted(Halt::OutOfFuel), Action::RedriveCorrected, ["uses up its fuel", "corrected plugin"]),
        (halted(Halt::OutOfMemory), Action::RedriveCorrected, ["memory", "corrected plugin"]),
        (halted(Halt::Oversized), Action::RedriveCorrected, ["answers more", "corrected plugin"]),
    ] {
        let mut story = Story::new(&two_steps());
        story.attempt(&[("POST", "https://bank/charges", Some(201)), ("GET", "https://bank/", Some(200))], ok());
        story.attempt(&[], failed(Failure::Rejected)).attempt(&[], ending);
        check(&story, Direction::Backward, action, &says);
        assert!(!story.dead_letters()[0].advice.text.contains("GET"), "what changes nothing need not be looked at");
    }
}

#[test]
fn what_is_behind_the_pivot_is_advised_to_go_forward_only() {
    for (ending, action, says) in [
        (failed(Failure::Rejected), Action::ResolveDone, "resolve it as done"),
        (failed(Failure::Unavailable), Action::Redrive, "when the other side is back"),
        (failed(Failure::Uncertain), Action::Redrive, "same idempotency key"),
        (halted(Halt::Trap), Action::RedriveCorrected, "corrected plugin"),
    ] {
        let mut story = Story::new(&pivot_then(TELL));
        story.attempt(&[], ok()).attempt(&[], ending);
        check(&story, Direction::Forward, action, &[says, "past its pivot"]);
        assert!(!story.dead_letters()[0].advice.text.contains("undone"));
    }
    let mut story = Story::new(&pivot_then(r#"{"id":"tell","uses":"p/tell","kind":"retriable","input":{"a":"${input.nothing}"}}"#));
    story.attempt(&[], ok());
    check(&story, Direction::Forward, Action::ResolveDone, &["mapping"]);
    let letter = &story.dead_letters()[0];
    assert_eq!((letter.attempts, letter.last, letter.fault.map(|fault| fault.code.as_str())), (0, None, Some("mapping_failed")));
}

#[test]
fn a_pivot_that_may_have_happened_is_to_be_found_out_about() {
    let mut story = Story::new(&pivot_then(TELL));
    story.attempt(&[("POST", "https://bank/charges", None)], halted(Halt::Trap));
    check(
        &story,
        Direction::Forward,
        Action::FindOut,
        &["at POST https://bank/charges whether it happened", "as done", "as undone"],
    );
    // One that is proven clean is no dead letter: the run is compensated.
    let mut clean = Story::new(&pivot_then(TELL));
    clean.attempt(&[], halted(Halt::Trap));
    assert!(clean.dead_letters().is_empty());
}

#[test]
fn a_dead_letter_knows_since_when_and_is_none_when_it_was_settled_or_the_run_killed() {
    let stuck = || {
        let mut story = Story::new(&two_steps());
        story.attempt(&[], ok()).attempt(&[], failed(Failure::Rejected)).attempt(&[], failed(Failure::Rejected));
        story
    };
    let story = stuck();
    let letter = &story.dead_letters()[0];
    assert_eq!(letter.id.to_string(), "run_00000000000000000000000007.pay");
    let given_up = story.journal.iter().find(|entry| matches!(entry.event, Event::CompensationFailed { .. })).expect("it was");
    assert_eq!((letter.since, letter.attempts), (given_up.at, 1));
    let mut redriven = stuck();
    redriven.demand(Demand::Redrive { step: StepIndex(0), component: None });
    assert!(redriven.dead_letters().is_empty());
    let mut killed = stuck();
    killed.demand(Demand::Kill);
    assert!(killed.dead_letters().is_empty() && killed.run.head().dead_letters == 0, "nobody can settle it any more");
}

#[test]
fn the_id_of_a_dead_letter_is_its_run_and_its_step() {
    let run = "run_00000000000000000000000007";
    let id: DeadLetterId = format!("{run}.pay.twice").parse().expect("it is one");
    assert_eq!((id.run, id.step.as_str(), id.to_string()), (RunId(7), "pay.twice", format!("{run}.pay.twice")));
    for (bad, says) in [(run, "names no step"), ("run_7.pay", "not a run id"), ("run_00000000000000000000000007.Pay", "not a name")]
    {
        let error = bad.parse::<DeadLetterId>().expect_err(bad).to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// Each case: what one attempt sends and how it ends, and the proof that the step needs no compensation; none if it does.
#[test]
fn a_step_that_is_not_compensated_says_why() {
    let post = |status| ("POST", "https://a/", status);
    for (requests, ending, says) in [
        (&[][..], failed(Failure::Rejected), Some("1 attempt, no request sent")),
        (
            &[("GET", "https://a/", Some(200)), ("HEAD", "https://a/", None)],
            halted(Halt::Trap),
            Some("1 attempt, 2 requests with safe methods only"),
        ),
        (&[post(Some(409))], failed(Failure::Rejected), Some("1 attempt, 1 request; of 1 with other methods each was answered")),
        (&[post(None)], failed(Failure::Rejected), None),
        (&[], failed(Failure::Uncertain), None),
    ] {
        let mut story = Story::new(&two_steps());
        story.attempt(requests, ending);
        let found = proof(&story.run, StepIndex(0)).map(|proof| proof.to_string());
        assert_eq!(found.is_some(), says.is_some(), "{found:?}");
        assert!(found.unwrap_or_default().starts_with(says.unwrap_or_default()));
    }
}

#[test]
fn waits_and_declarations_are_proofs_too() {
    let saga = format!(
        r#"{{"saga":"s",{ONE},"steps":[{{"id":"look","uses":"p/look","kind":"read-only"}},{{"id":"w","wait":{{"for":"1s"}}}},
            {{"id":"mail","uses":"p/mail","compensate":"none"}},{{"id":"ship","uses":"p/ship","input":{{"a":"${{input.nothing}}"}}}}]}}"#
    );
    let mut story = Story::new(&saga);
    story.attempt(&[("GET", "https://a/", Some(200))], ok());
    story.now = story.now.plus(Span(2_000));
    story.attempt(&[("POST", "https://mail/", Some(200))], ok());
    let proofs: Vec<_> = (0..4).map(|step| proof(&story.run, StepIndex(step)).expect("none needs one")).collect();
    assert_eq!(
        proofs.iter().map(|proof| proof.reason).collect::<Vec<_>>(),
        [Omission::ProvenClean, Omission::OnlyWaited, Omission::NotDeclared, Omission::ProvenClean]
    );
    let texts: Vec<_> = proofs.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "1 attempt, 1 request with safe methods only; it is read-only");
    assert_eq!(texts[3], "no attempt of it was made");
}

#[test]
fn what_a_run_waits_for_is_the_clock_a_signal_or_somebody() {
    let check = |story: &mut Story, says: &str| {
        story.orders();
        assert_eq!(awaited(&story.run).to_string(), says);
    };
    let saga = |wait: &str| format!(r#"{{"saga":"s",{ONE},"steps":[{{"id":"w","wait":{wait}}}]}}"#);
    check(&mut Story::new(&saga(r#"{"for":"1h"}"#)), "until 1970-01-01T01:16:40.000Z, when `w` is over");
    check(&mut Story::new(&saga(r#"{"signal":"go"}"#)), "for signal `go`");
    check(&mut Story::new(&saga(r#"{"signal":"go","timeout":"1h"}"#)), "for signal `go`, until 1970-01-01T01:16:40.000Z");
    let two = r#"{"saga":"s","steps":[{"id":"v","wait":{"signal":"go"}},{"id":"w","after":[],"wait":{"signal":"come"}},
        {"id":"x","after":[],"wait":{"signal":"go"}}]}"#;
    check(&mut Story::new(two), "for one of the signals `go`, `come`");
    // A signal and a timer: the clock goes on with it.
    let timer = r#"{"saga":"s","steps":[{"id":"v","wait":{"signal":"go"}},{"id":"w","after":[],"wait":{"for":"1h"}}]}"#;
    check(&mut Story::new(timer), "until 1970-01-01T01:16:40.000Z, when `w` is over");

    let mut retrying = Story::new(
        r#"{"saga":"s","defaults":{"retry":{"jitter":"0s","initial":"1h","max":"1h"}},"steps":[{"id":"a","uses":"p/a"}]}"#,
    );
    assert_eq!(awaited(&retrying.run), Awaited::Nothing);
    retrying.attempt(&[], failed(Failure::Uncertain));
    check(&mut retrying, "until 1970-01-01T01:16:40.002Z for the next attempt of `a`");
    retrying.demand(Demand::Pause);
    check(&mut retrying, "for somebody to resume it");
    retrying.demand(Demand::Resume);
    retrying.demand(Demand::Cancel { in_flight: InFlight::MayEnd });
    retrying.attempt(&[], failed(Failure::Unavailable));
    assert!(awaited(&retrying.run).to_string().ends_with("for the next compensation of `a`"));
    retrying.demand(Demand::Kill);
    assert_eq!(awaited(&retrying.run), Awaited::Nothing);

    let mut delayed = Story::new(&saga(r#"{"signal":"go"}"#));
    delayed.note(Event::Delayed { until: Timestamp(BEGIN.0 + 60_000) });
    check(&mut delayed, "until 1970-01-01T00:17:40.000Z, when it begins");
    let mut ended = Story::new(r#"{"saga":"s","steps":[{"id":"a","uses":"p/a"}]}"#);
    ended.attempt(&[], ok());
    assert!(matches!(ended.journal.last(), Some(Entry { event: Event::Ended { outcome: Outcome::Succeeded, .. }, .. })));
    assert_eq!(awaited(&ended.run), Awaited::Nothing);
}
