//! What a host knows about an attempt that died: killed after its request was sent, it is in doubt and is taken back, told what was sent;
//! killed before, it is proven clean and left alone. With a real process that is killed, and an import that counts as an effect.

use amends::sandbox::{Outside, OutsideRequest};
use amends::store::redb::RedbStore;
use amends_domain::event::{Direction, Event, Omission, Outcome};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::run::{Phase, Run, StepStatus};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use harness::{Host, PATIENCE};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// One step that sends, one attempt: a lost one is its last. What is before `/` is what it does forward, behind it backward.
const DOCUMENT: &str = r#"{"saga":"charge","defaults":{"retry":{"attempts":1},"limits":{"timeout":"30s","fuel":1000000000000}},
    "steps":[{"id":"pay","uses":"sender/sender","input":"${input}"}]}"#;

/// A process that is killed whatever ends the test.
struct LoneHost {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    /// Lines that nobody has asked for yet.
    heard: Vec<String>,
}

impl LoneHost {
    fn start(dir: &Path, input: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lone-host"))
            .args([dir.as_os_str(), DOCUMENT.as_ref(), input.as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built beside this test");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines, heard: Vec::new() }
    }

    /// The line that begins so, without its beginning. Lines may come in any order: the guest is not waited for.
    fn hears(&mut self, beginning: &str) -> String {
        loop {
            if let Some(found) = self.heard.iter().find_map(|line| line.strip_prefix(beginning)) {
                return found.to_owned();
            }
            let line = self.lines.next().unwrap_or_else(|| panic!("it ended without `{beginning}`"));
            self.heard.push(line.expect("it is text"));
        }
    }
}

impl Drop for LoneHost {
    fn drop(&mut self) {
        // SIGKILL; one that has ended is not there to be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers every request, and remembers it.
#[derive(Default)]
struct Ledger(Mutex<Vec<OutsideRequest>>);

impl Outside for Ledger {
    fn send(&self, request: OutsideRequest) -> BoxFuture<'_, u16> {
        self.0.lock().expect("nothing panics while it holds this lock").push(request);
        ready(200).boxed()
    }
}

/// Drives the run to its end over what the killed process left. Gives the run, its facts and what was sent meanwhile.
fn go_on(dir: &Path, run: RunId) -> (Run, Vec<Event>, Vec<OutsideRequest>) {
    let ledger = Arc::new(Ledger::default());
    let host = Host::beside(Some(ledger.clone()), Arc::new(RedbStore::open(dir).expect("it opens")), 2).expect("a host");
    let driven = host.coordinator.adopt(&host.tenant, run).expect("its journal reads").expect("it is open");
    let ended = host.block_on(async { tokio::time::timeout(PATIENCE, driven.ended()).await }).expect("in time").expect("it ends");
    let events = host.journal(run).expect("it is stored").into_iter().map(|entry| entry.event).collect();
    let sent = ledger.0.lock().expect("nothing panics while it holds this lock").clone();
    (ended, events, sent)
}

fn outcome(run: &Run) -> Option<Outcome> {
    if let Phase::Ended(ended) = run.phase() { Some(ended.outcome) } else { None }
}

#[test]
fn an_attempt_killed_between_request_and_answer_is_taken_back_and_told_what_was_sent() {
    let dir = TempDir::new().expect("a directory");
    let mut host = LoneHost::start(dir.path(), r#""p/ep""#);
    let run: RunId = host.hears("run ").parse().expect("an id");
    let sent = host.hears("sent ");
    drop(host);
    assert_eq!(sent, format!("POST https://bank.example/charges {run}.pay.forward-1"));
    let (ended, events, requests) = go_on(dir.path(), run);
    assert_eq!((outcome(&ended), ended.status_of(StepIndex(0))), (Some(Outcome::Compensated), StepStatus::Compensated));
    assert!(ended.step(StepIndex(0)).doubt, "it may have happened");
    let effects: Vec<_> =
        ended.step(StepIndex(0)).effects.iter().map(|e| (e.direction, e.call, e.method.as_str(), e.answer)).collect();
    assert_eq!(effects, [(Direction::Forward, 1, "POST", None), (Direction::Backward, 1, "POST", Some(200))]);
    let keys: Vec<_> = requests.iter().map(|request| request.idempotency_key.as_str()).collect();
    assert_eq!(keys, [format!("{run}.pay.backward-1")], "forward nothing more was sent");
    // The guest logs how many effects it was told of.
    let told = events.iter().find_map(|event| match event {
        Event::AttemptEnded(ended) if ended.attempt.direction == Direction::Backward => {
            ended.log.first().map(|line| line.message.clone())
        }
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("[1,200]"), "one effect of the forward attempt, and its own answer");
}

#[test]
fn an_attempt_killed_before_it_sent_anything_is_proven_clean_and_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let mut host = LoneHost::start(dir.path(), r#""lp/ep""#);
    let run: RunId = host.hears("run ").parse().expect("an id");
    host.hears("started");
    drop(host);
    let (ended, events, requests) = go_on(dir.path(), run);
    assert_eq!((outcome(&ended), ended.status_of(StepIndex(0))), (Some(Outcome::Compensated), StepStatus::CompensationNotNeeded));
    assert!(!ended.step(StepIndex(0)).doubt && requests.is_empty());
    assert!(events.contains(&Event::CompensationOmitted { step: StepIndex(0), reason: Omission::ProvenClean }));
}
