//! The timeline as people see it, line by line.

use super::super::fixture::{BACKWARD, FORWARD, attempt, demanded, end, failed, journal, journal_of, ok, start};
use super::super::journal::Journal;
use super::*;
use amends_domain::digest::Digest;
use amends_domain::event::{Cause, Confirmation, Ending, Failure, Halt, InFlight, Omission, Outcome, Resolution, Resolve, WaitEnd};
use amends_domain::payload::Payload;
use anstream::adapter::strip_str;

/// The timeline of the fixture's run.
fn told(events: Vec<Event>) -> String {
    told_of(&journal(events))
}

fn told_of(journal: &Journal) -> String {
    let mut timeline = journal.timeline();
    let mut lines = vec![timeline.heading()];
    for entry in &journal.entries[1..] {
        lines.extend(timeline.tell(entry).expect("a journal that makes sense"));
    }
    lines.extend(timeline.open());
    assert!(lines.iter().all(|line| strip_str(line).to_string().chars().count() <= WIDTH), "{lines:#?}");
    lines.iter().map(|line| strip_str(line).to_string()).chain([String::new()]).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_compensated_run_is_told_step_by_step() {
    let out_of_fuel = Ending::Halted { halt: Halt::OutOfFuel, message: "used up its fuel: the limit is 100 units".into() };
    let message = format!("3 pieces \u{1b}[31mwanted, {}", "and none is there, ".repeat(20));
    let log = ["one", "two\u{1b}[2J", "three", "four", "five", "six", "seven"];
    let events = vec![
        start(0, FORWARD, 1),
        end(0, FORWARD, 1, ok(), &[]),
        start(1, FORWARD, 1),
        Event::EffectIntended {
            attempt: attempt(1, FORWARD, 1),
            call: 1,
            method: "POST".into(),
            target: "https://bank/a\n".into(),
        },
        Event::EffectAnswered { attempt: attempt(1, FORWARD, 1), call: 1, status: 201, response: None },
        end(1, FORWARD, 1, ok(), &[]),
        start(2, FORWARD, 1),
        end(2, FORWARD, 1, out_of_fuel, &[]),
        Event::RetryScheduled { step: StepIndex(2), direction: FORWARD, due: Timestamp(1_209) },
        start(2, FORWARD, 2),
        end(2, FORWARD, 2, failed(Failure::Rejected, "no_stock", &message), &log),
        Event::StepFailed { step: StepIndex(2), fault: None },
        Event::CompensationStarted { cause: Cause::StepFailed(StepIndex(2)) },
        Event::CompensationOmitted { step: StepIndex(2), reason: Omission::ProvenClean },
        start(1, BACKWARD, 1),
        end(1, BACKWARD, 1, failed(Failure::Rejected, "closed", "the account is closed"), &[]),
        Event::CompensationFailed { step: StepIndex(1) },
        start(0, BACKWARD, 1),
        end(0, BACKWARD, 1, ok(), &[]),
        Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
    ];
    assert_eq!(
        told(events),
        r"    time    step        direction   #   fuel    took  result
    +2ms  ✓ take-stock  forward     1  48.2k   312µs  completed
    +4ms  → pay         forward    request 1: POST https://bank/a\n
    +5ms  → pay         forward    request 1 answered: 201
    +6ms  ✓ pay         forward     1  48.2k   312µs  completed
    +8ms  ✗ ship        forward     1  48.2k   312µs  out-of-fuel
              used up its fuel: the limit is 100 units
    +9ms  … ship        forward    retry in 200ms
   +11ms  ✗ ship        forward     2  48.2k   312µs  rejected no_stock
              3 pieces \u{1b}[31mwanted, and none is there, and none is there, and none is there,
              and none is there, and none is there, and none is there, and none is there, and none
              is there, and none is there, and none is there, and none is there, and none is there,…
              info   one
              info   two\u{1b}[2J
              info   three
              info   four
              info   five
              …      2 more lines: amends run show run_00000000000000000000000007 --json
   +12ms  ✗ ship        failed after 2 attempts
   +13ms  ← compensating, because ship failed
   +14ms  · ship        compensation not needed: proven clean (2 attempts, no request sent)
   +16ms  ✗ pay         backward    1  48.2k   312µs  rejected closed: the account is closed
   +17ms  ! pay         dead letter: not compensated after 1 attempt, a person must decide
   +19ms  ↺ take-stock  backward    1  48.2k   312µs  compensated
"
    );
}

#[test]
fn a_run_that_was_interrupted_says_so_and_shows_what_runs() {
    let lost = Ending::Halted { halt: Halt::Lost, message: "its host went away".into() };
    let events = vec![
        start(0, FORWARD, 1),
        Event::Adopted,
        end(0, FORWARD, 1, lost, &[]),
        Event::RetryScheduled { step: StepIndex(0), direction: FORWARD, due: Timestamp(3_504) },
        start(0, FORWARD, 2),
    ];
    assert_eq!(
        told(events),
        "    time    step        direction   #   fuel    took  result
    +2ms  » found open after its host went away; goes on here
    +3ms  ✗ take-stock  forward     1  48.2k   312µs  lost: its host went away
    +4ms  … take-stock  forward    retry in 2.50s
    +5ms  … take-stock  forward    attempt 2 is running
"
    );
}

#[test]
fn what_no_attempt_says_is_said_below_the_line() {
    let fault = || Some(Fault::new("mapping_failed", "no such key: total"));
    let events = vec![
        Event::StepFailed { step: StepIndex(0), fault: fault() },
        Event::CompensationStarted { cause: Cause::DeadlinePassed },
        Event::CompensationOmitted { step: StepIndex(0), reason: Omission::ProvenClean },
        Event::Ended { outcome: Outcome::Compensated, output: None, fault: fault() },
    ];
    assert_eq!(
        told(events),
        "    time    step        direction   #   fuel    took  result
    +1ms  ✗ take-stock  failed before its first attempt
              mapping_failed: no such key: total
    +2ms  ← compensating, because the run's deadline passed
    +3ms  · take-stock  compensation not needed: proven clean (no attempt of it was made)
    +4ms  ✗ no output
              mapping_failed: no such key: total
"
    );
}

#[test]
fn waits_and_what_people_ask_for_are_told() {
    let steps = r#"{"id":"ask","wait":{"signal":"approved","timeout":"48h"}},{"id":"rest","wait":{"for":"10m"}},
        {"id":"gift","uses":"p/gift","when":"${false}"},{"id":"tell","wait":{"signal":"told","timeout":"1s","on_timeout":"continue"}},
        {"id":"last","wait":{"signal":"approved","timeout":"1s"}}"#;
    let [ask, rest, gift, tell, last] = [0, 1, 2, 3, 4].map(StepIndex);
    let signal = |text: String| Demand::Signal { name: "approved".parse().expect("a name"), payload: text.into_bytes().into() };
    let journal = journal_of(
        steps,
        vec![
            Event::Delayed { until: Timestamp(61_000) },
            Event::WaitStarted { step: ask, due: Some(Timestamp(172_860_000)) },
            demanded(Demand::Pause, Some("the bank\u{1b}[2J is down")),
            demanded(Demand::Resume, None),
            demanded(signal("{\"by\":\"bert\"}".to_owned()), None),
            Event::WaitEnded { step: ask, end: WaitEnd::Signalled },
            Event::WaitStarted { step: rest, due: Some(Timestamp(601_006)) },
            Event::WaitEnded { step: rest, end: WaitEnd::Elapsed },
            Event::StepSkipped { step: gift },
            Event::WaitStarted { step: tell, due: Some(Timestamp(2_000)) },
            demanded(signal(format!("\"{}\"", "x".repeat(200))), None),
            Event::WaitEnded { step: tell, end: WaitEnd::TimedOut },
            Event::WaitStarted { step: last, due: None },
            demanded(Demand::Cancel { in_flight: InFlight::EndNow }, None),
            Event::StepFailed { step: last, fault: Some(Fault::new("timed_out", "signal `approved` did not come in time")) },
            Event::CompensationStarted { cause: Cause::Cancelled },
            Event::CompensationOmitted { step: last, reason: Omission::OnlyWaited },
            demanded(Demand::Kill, Some("a test")),
            Event::Ended { outcome: Outcome::Killed, output: None, fault: None },
        ],
    );
    assert_eq!(
        told_of(&journal),
        "    time    step  direction   #   fuel    took  result
    +1ms  … begins at 1970-01-01T00:01:01.000Z
    +2ms  … ask   waits for signal approved, until 1970-01-03T00:01:00.000Z
    +3ms  @ paused by anna
              the bank\\u{1b}[2J is down
    +4ms  @ resumed by anna
    +5ms  @ signal approved by anna: {\"by\":\"bert\"}
    +6ms  ✓ ask   signal approved came: {\"by\":\"bert\"}
    +7ms  … rest  waits 9m59s, until 1970-01-01T00:10:01.006Z
    +8ms  ✓ rest  its time came
    +9ms  · gift  skipped: its condition does not hold
   +10ms  … tell  waits for signal told, until 1970-01-01T00:00:02.000Z
   +11ms  @ signal approved by anna: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
   +12ms  ✓ tell  signal told did not come in time; the run goes on
   +13ms  … last  waits for signal approved
   +14ms  @ cancelled by anna: attempts end now
   +15ms  ✗ last  failed
              timed_out: signal `approved` did not come in time
   +16ms  ← compensating, because it was cancelled
   +17ms  · last  compensation not needed: it only waited
   +18ms  @ killed by anna: nothing is taken back
              a test
"
    );
}

#[test]
fn dead_letters_and_what_is_done_about_them_are_told() {
    let resolve = |confirmation| {
        let evidence = Some(Payload::from(r#"{"refund":17}"#));
        Demand::Resolve(Box::new(Resolve {
            step: StepIndex(0),
            resolution: Resolution::Undone,
            evidence,
            output: None,
            confirmation,
        }))
    };
    let broken = || Ending::Halted { halt: Halt::Trap, message: "unreachable".into() };
    let events = vec![
        start(0, FORWARD, 1),
        end(0, FORWARD, 1, ok(), &[]),
        start(1, FORWARD, 1),
        end(1, FORWARD, 1, ok(), &[]),
        start(2, FORWARD, 1),
        end(2, FORWARD, 1, ok(), &[]),
        Event::Ended { outcome: Outcome::Succeeded, output: None, fault: None },
        demanded(Demand::Compensate { from: Some(StepIndex(1)) }, Some("sent back")),
        Event::CompensationStarted { cause: Cause::Requested { from: Some(StepIndex(1)) } },
        start(2, BACKWARD, 1),
        end(2, BACKWARD, 1, broken(), &[]),
        Event::CompensationFailed { step: StepIndex(2) },
        start(1, BACKWARD, 1),
        end(1, BACKWARD, 1, ok(), &[]),
        Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
        demanded(Demand::Redrive { step: StepIndex(2), component: Some(Digest([7; 32])) }, Some("corrected")),
        start(2, BACKWARD, 2),
        end(2, BACKWARD, 2, ok(), &[]),
        Event::Ended { outcome: Outcome::Compensated, output: None, fault: None },
        demanded(Demand::Compensate { from: None }, None),
        Event::CompensationStarted { cause: Cause::Requested { from: None } },
        start(0, BACKWARD, 1),
        end(0, BACKWARD, 1, broken(), &[]),
        Event::CompensationFailed { step: StepIndex(0) },
        Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
        demanded(resolve(Confirmation::Awaited), Some("refunded")),
        demanded(resolve(Confirmation::Given), None),
        Event::Ended { outcome: Outcome::Compensated, output: None, fault: None },
    ];
    let told = told(events);
    let told = &told[told.find("    +8ms").expect("it is long")..];
    assert_eq!(
        told,
        "    +8ms  @ to be taken back from pay on, says anna
              sent back
    +9ms  ← compensating, because somebody asked for it, from pay on
   +11ms  ✗ ship        backward    1  48.2k   312µs  trap: unreachable
   +12ms  ! ship        dead letter: not compensated after 1 attempt, a person must decide
   +14ms  ↺ pay         backward    1  48.2k   312µs  compensated
   +16ms  @ ship        redriven by anna
              corrected · with component
              sha256:0707070707070707070707070707070707070707070707070707070707070707
   +18ms  ↺ ship        backward    2  48.2k   312µs  compensated
   +20ms  @ to be taken back, says anna
   +21ms  ← compensating, because somebody asked for it
   +23ms  ✗ take-stock  backward    1  48.2k   312µs  trap: unreachable
   +24ms  ! take-stock  dead letter: not compensated after 1 attempt, a person must decide
   +26ms  @ take-stock  undone, says anna; a second person must confirm it
              refunded · evidence {\"refund\":17}
   +27ms  @ take-stock  resolved as undone, confirmed by anna
              evidence {\"refund\":17}
"
    );
}

#[test]
fn a_pivot_in_doubt_and_a_step_behind_it_wait_for_a_person() {
    let steps = r#"{"id":"pay","uses":"p/b","kind":"pivot","compensate":"none"},{"id":"tell","uses":"p/c","kind":"retriable"}"#;
    let journal = journal_of(
        steps,
        vec![
            start(0, FORWARD, 1),
            end(0, FORWARD, 1, failed(Failure::Uncertain, "late", "no answer"), &[]),
            Event::StepFailed { step: StepIndex(0), fault: None },
        ],
    );
    assert!(
        told_of(&journal).ends_with("! pay   dead letter: in doubt after 1 attempt, a person must find out\n"),
        "{}",
        told_of(&journal)
    );
    let journal = journal_of(
        steps,
        vec![
            start(0, FORWARD, 1),
            end(0, FORWARD, 1, ok(), &[]),
            start(1, FORWARD, 1),
            end(1, FORWARD, 1, failed(Failure::Rejected, "no", "no"), &[]),
            Event::StepFailed { step: StepIndex(1), fault: None },
        ],
    );
    assert!(
        told_of(&journal).ends_with("! tell  dead letter: failed after 1 attempt, a person must decide\n"),
        "{}",
        told_of(&journal)
    );
}
