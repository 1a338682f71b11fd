//! Decisions in which time and mappings matter; the exhaustive test walks everything else.

use amends_domain::decide::{Command, decide};
use amends_domain::definition::read;
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Cause, Direction, Ending, Entry, Event, Failure, Fault, Halt, Outcome, Spent, Started,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run, StepStatus};
use amends_domain::time::{Span, Timestamp};
use std::sync::Arc;

const BEGIN: Timestamp = Timestamp(1_000_000);

/// A run whose attempts end as they are told to.
struct Story {
    run: Run,
    now: Timestamp,
}

impl Story {
    fn new(document: &str, input: &'static str) -> Self {
        let definition = Arc::new(read(document).expect("a definition"));
        let started = Started {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            components: vec![("p".parse().expect("a name"), Digest::of(b"p"))],
            input: input.into(),
            key: None,
        };
        Self { run: Run::new(RunId(1), definition, Arc::new(started), BEGIN), now: BEGIN }
    }

    /// Notes facts until there is something else to do, and gives that.
    fn orders(&mut self) -> Vec<Command> {
        loop {
            let commands = decide(&self.run, self.now);
            if !commands.iter().any(|command| matches!(command, Command::Record(_))) {
                return commands;
            }
            for command in commands {
                let Command::Record(event) = command else { panic!("facts come alone") };
                self.note(event);
            }
        }
    }

    fn note(&mut self, event: Event) {
        self.run.apply(&Entry { at: self.now, event }).expect("a fact that fits");
    }

    /// Starts the attempt that is ordered, gives its input, and ends it so.
    fn attempt(&mut self, ending: Ending) -> Payload {
        let orders = self.orders();
        let Some(Command::Start(start)) = orders.first().cloned() else { panic!("no attempt is ordered but {orders:?}") };
        self.note(start.event());
        let ended = AttemptEnded { attempt: start.attempt, ending, spent: Spent::default(), log: Vec::new(), writes: Vec::new() };
        self.note(Event::AttemptEnded(Box::new(ended)));
        start.input
    }

    fn outcome(&mut self) -> (Outcome, Option<Payload>, Option<String>) {
        assert_eq!(self.orders(), []);
        match self.run.phase() {
            Phase::Ended(ended) => (ended.outcome, ended.output.clone(), ended.fault.as_ref().map(|fault| fault.code.clone())),
            phase => panic!("{phase:?}"),
        }
    }
}

fn ok(output: &'static str) -> Ending {
    Ending::Ok { output: output.into() }
}

fn unavailable(retry_after: Option<u64>) -> Ending {
    Ending::Failed { failure: Failure::Unavailable, fault: Fault::new("busy", "busy"), retry_after: retry_after.map(Span) }
}

const TWO: &str = r#"{"saga":"s","deadline":"10s","defaults":{"retry":{"attempts":3,"initial":"100ms","max":"1s","factor":2,"jitter":"0s"}},
    "steps":[{"id":"a","uses":"p/a","input":{"x":"${input.x}"}},{"id":"b","uses":"p/b","input":{"y":"${steps.a.output.y}"}}],
    "output":{"z":"${steps['b'].output.z}"}}"#;

#[test]
fn inputs_and_outputs_are_mapped_from_step_to_step() {
    let mut story = Story::new(TWO, r#"{"x":1}"#);
    assert_eq!(story.attempt(ok(r#"{"y":[2]}"#)), Payload::from(r#"{"x":1}"#));
    assert_eq!(story.attempt(ok(r#"{"z":"three"}"#)), Payload::from(r#"{"y":[2]}"#));
    assert_eq!(story.outcome(), (Outcome::Succeeded, Some(Payload::from(r#"{"z":"three"}"#)), None));
}

#[test]
fn a_mapping_that_fails_fails_its_step_cleanly() {
    let mut story = Story::new(TWO, r#"{"x":1}"#);
    story.attempt(ok(r#"{"no":"y"}"#));
    story.attempt(ok(""));
    assert_eq!(story.outcome().0, Outcome::Compensated);
    assert_eq!(story.run.status_of(StepIndex(0)), StepStatus::Compensated);
    assert_eq!(story.run.status_of(StepIndex(1)), StepStatus::CompensationNotNeeded);
    assert_eq!(story.run.step(StepIndex(1)).forward.attempts, 0, "no guest ran for it");
}

#[test]
fn an_output_that_cannot_be_made_does_not_take_the_work_back() {
    let mut story = Story::new(TWO, r#"{"x":1}"#);
    story.attempt(ok(r#"{"y":2}"#));
    story.attempt(ok("not JSON"));
    assert_eq!(story.outcome(), (Outcome::Succeeded, None, Some("mapping_failed".into())));
}

#[test]
fn retries_wait_longer_each_time_and_as_long_as_the_guest_asks() {
    let mut story = Story::new(TWO, r#"{"x":1}"#);
    let due = |span| Timestamp(BEGIN.0 + span);
    let until =
        |orders: &[Command]| orders.iter().find_map(|c| if let Command::WaitUntil(until) = c { Some(*until) } else { None });
    story.attempt(unavailable(None));
    assert_eq!(until(&story.orders()), Some(due(100)));
    story.now = due(99);
    assert_eq!(story.orders(), [Command::WaitUntil(due(100))]);
    story.now = due(100);
    story.attempt(unavailable(Some(5000)));
    assert_eq!(until(&story.orders()), Some(due(5100)), "the guest asked for more than the policy");
    story.now = due(5100);
    story.attempt(unavailable(None));
    assert_eq!(story.outcome().0, Outcome::Compensated);
}

#[test]
fn the_deadline_turns_the_run_around_but_lets_what_runs_end() {
    let mut story = Story::new(TWO, r#"{"x":1}"#);
    story.attempt(ok(r#"{"y":2}"#));
    let Some(Command::Start(second)) = story.orders().first().cloned() else { panic!("the second step starts") };
    story.note(second.event());
    story.now = BEGIN.plus(Span(9_999));
    assert_eq!(story.orders(), [Command::WaitUntil(BEGIN.plus(Span(10_000)))]);
    story.now = BEGIN.plus(Span(10_000));
    assert_eq!(story.orders(), [], "nothing is taken back while an attempt forward runs");
    assert_eq!(story.run.phase(), &Phase::Backward(Cause::DeadlinePassed));
    let ended =
        AttemptEnded { attempt: second.attempt, ending: ok("{}"), spent: Spent::default(), log: Vec::new(), writes: Vec::new() };
    story.note(Event::AttemptEnded(Box::new(ended)));
    for step in [1, 0] {
        let orders = story.orders();
        assert!(matches!(&orders[..], [Command::Start(start)] if start.attempt.step == StepIndex(step)), "{orders:?}");
        story.now = story.now.plus(Span(60_000));
        story.attempt(ok(""));
    }
    assert_eq!(story.outcome().0, Outcome::Compensated, "the deadline is not for compensations");
}

#[test]
fn compensations_get_the_input_and_the_output_if_there_is_one() {
    let mut story = Story::new(TWO, r#"{"x":1}"#);
    story.attempt(ok(r#"{"y":2}"#));
    for _ in 0..3 {
        story.attempt(Ending::Failed { failure: Failure::Uncertain, fault: Fault::new("f", "f"), retry_after: None });
        story.now = story.now.plus(Span(2000));
    }
    let orders = story.orders();
    let [Command::Start(second)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((&second.input, &second.output), (&Payload::from(r#"{"y":2}"#), &None));
    story.attempt(ok(""));
    let orders = story.orders();
    let [Command::Start(first)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((&first.input, &first.output), (&Payload::from(r#"{"x":1}"#), &Some(Payload::from(r#"{"y":2}"#))));
}

#[test]
fn requests_with_a_safe_method_raise_no_doubt_and_others_do() {
    for (method, answered, ending, doubt) in [
        ("GET", false, Ending::Halted { halt: Halt::Trap, message: String::new() }, false),
        ("POST", false, Ending::Halted { halt: Halt::Trap, message: String::new() }, true),
        ("POST", true, Ending::Halted { halt: Halt::Timeout, message: String::new() }, true),
        ("POST", true, unavailable(None), false),
        ("POST", false, unavailable(None), true),
        ("DELETE", false, ok("{}"), false),
    ] {
        let mut story = Story::new(TWO, r#"{"x":1}"#);
        let Some(Command::Start(start)) = story.orders().first().cloned() else { panic!("the first step starts") };
        story.note(start.event());
        let attempt = AttemptRef { step: StepIndex(0), direction: Direction::Forward, number: 1 };
        story.note(Event::EffectIntended { attempt, call: 1, method: method.into(), target: "https://example.org".into() });
        if answered {
            story.note(Event::EffectAnswered { attempt, call: 1, status: 200, response: None });
        }
        let shown = format!("{method} {answered} {ending:?}");
        story.note(Event::AttemptEnded(Box::new(AttemptEnded {
            attempt,
            ending,
            spent: Spent::default(),
            log: Vec::new(),
            writes: Vec::new(),
        })));
        assert_eq!(story.run.step(StepIndex(0)).doubt, doubt, "{shown}");
    }
}

#[test]
fn facts_that_cannot_follow_are_refused() {
    let attempt = |step, direction, number| AttemptRef { step: StepIndex(step), direction, number };
    let started = |attempt| Event::AttemptStarted { attempt, input: None };
    for event in [
        started(attempt(1, Direction::Forward, 1)),
        started(attempt(0, Direction::Forward, 2)),
        started(attempt(0, Direction::Backward, 1)),
        started(attempt(9, Direction::Forward, 1)),
        Event::StepFailed { step: StepIndex(9), fault: None },
        Event::RetryScheduled { step: StepIndex(0), direction: Direction::Forward, due: BEGIN },
        Event::CompensationFailed { step: StepIndex(0) },
        Event::EffectIntended { attempt: attempt(0, Direction::Forward, 1), call: 1, method: "POST".into(), target: "t".into() },
    ] {
        let mut story = Story::new(TWO, "{}");
        assert!(story.run.apply(&Entry { at: BEGIN, event: event.clone() }).is_err(), "{event:?}");
    }
}
