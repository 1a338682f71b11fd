//! The parts of a run, each alone.

use crate::figures::{Figures, time};
use amends::sandbox::{
    Access, Answer, Call, CompilerSettings, Context, EffectAccess, EffectError, EgressSettings, Fence, Intent, Sandbox,
    SandboxSettings, Secrets, StateAccess, StateError, StateValue,
};
use amends::store::Store;
use amends::store::redb::RedbStore;
use amends::store::writer::{Append, What, Writer};
use amends_domain::audit::{Body, Head};
use amends_domain::decide::{Command, decide};
use amends_domain::definition::{Definition, Limits, read};
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, Direction, Ending, Entry, Event, Spent, Started};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use anyhow::Result;
use futures_util::future::{BoxFuture, ready};
use harness::{guest, root, small_guest};
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

/// A state without keys and a world without ways.
struct Empty;

impl StateAccess for Empty {
    fn get<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(ready(Ok(None)))
    }
}

impl EffectAccess for Empty {
    fn intend(&self, _: Intent) -> BoxFuture<'_, Result<u32, EffectError>> {
        Box::pin(ready(Err(EffectError("nothing is sent".into()))))
    }

    fn answered(&self, _: Answer) -> BoxFuture<'_, Result<(), EffectError>> {
        Box::pin(ready(Err(EffectError("nothing is sent".into()))))
    }
}

pub(crate) fn measure(figures: &mut Figures, times: usize) -> Result<()> {
    attempt(figures, times)?;
    let definition = Arc::new(read(&std::fs::read_to_string(root().join("examples/order-fulfillment/saga.yaml"))?)?);
    let journal = rules(figures, &definition, times);
    record(figures, &journal, times);
    commit(figures, &definition, times)?;
    disk(figures, times)
}

/// Store, instance, call and drop: what a step costs beside its own work.
fn attempt(figures: &mut Figures, times: usize) -> Result<()> {
    let input = r#"{"refuse":false,"text":"twelve bytes"}"#;
    attempt_of(figures, "instantiate: store, instance, empty call, drop", (small_guest("echo"), "echo", "1"), times)?;
    let nothing = std::fs::read(guest("nothing"))?;
    attempt_of(figures, "call: the same with a step of the SDK that does nothing", (nothing, "pass", input), times)
}

fn attempt_of(figures: &mut Figures, what: &str, (bytes, handler, input): (Vec<u8>, &str, &str), times: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sandbox = Sandbox::new(SandboxSettings {
        attempts_max: 4,
        components_max: 4,
        code_len_max: 64 << 20,
        compiler: CompilerSettings::InProcess,
        code_dir: None,
        outside: None,
        egress: EgressSettings::system(),
    })?;
    let component = runtime.block_on(sandbox.load(Digest::of(&bytes), bytes.into()))?;
    let context = Context {
        tenant: "local".parse()?,
        saga: "echo".parse()?,
        run: RunId(1),
        step: "a".parse()?,
        handler: handler.parse()?,
        attempt: 1,
        idempotency_key: "key".into(),
        deadline: Timestamp(0),
    };
    let call = || Call {
        direction: Direction::Forward,
        input: Payload(input.to_owned().into()),
        output: None,
        context: context.clone(),
        effects: Vec::new(),
        limits: Limits { fuel: 1_000_000, timeout: Span(10_000), memory: 16 << 20 },
        log_len_max: u64::MAX,
        access: Access::ReadWrite,
        state: Arc::new(Empty),
        outbound: Arc::new(Empty),
        grants: Arc::default(),
        secrets: Secrets::default(),
        fence: Fence::default(),
    };
    let one = || drop(black_box(runtime.block_on(sandbox.invoke(&component, call()))));
    time(times.min(200), one);
    figures.add(what, time(times * 5, one));
    Ok(())
}

/// The rules of a run of three steps, mappings included, without anything else. Gives its journal.
fn rules(figures: &mut Figures, definition: &Arc<Definition>, times: usize) -> Vec<Entry> {
    let mut journal = Vec::new();
    let spans = time(times, || journal = walk(definition));
    figures.add("decide: the rules of a whole run, mappings included", spans);
    journal
}

fn walk(definition: &Arc<Definition>) -> Vec<Entry> {
    let at = Timestamp(1_764_000_000_000);
    let started = started(definition);
    let mut run = Run::new(RunId(1), Arc::clone(definition), Arc::new(started.clone()), at);
    let mut journal = vec![Entry { at, event: Event::Started(Box::new(started)) }];
    let outputs = [
        r#"{"sku":"lamp","quantity":1,"total":10}"#,
        r#"{"charge":"charge/run/step","amount":10}"#,
        r#"{"id":"shipment/run/step","country":"DE"}"#,
    ];
    loop {
        let commands = decide(&run, at);
        if commands.is_empty() {
            return journal;
        }
        for command in commands {
            let events = match command {
                Command::Record(event) => vec![event],
                Command::WaitUntil(_) | Command::Fence(_) => Vec::new(),
                Command::Start(start) => {
                    let ending = Ending::Ok { output: outputs[start.attempt.step.at()].into() };
                    let spent = Spent { fuel: 20_000, micros: 20, conflicts: 0 };
                    let ended = AttemptEnded { attempt: start.attempt, ending, spent, log: Vec::new(), writes: Vec::new() };
                    vec![start.event(), Event::AttemptEnded(Box::new(ended))]
                }
            };
            for event in events {
                let entry = Entry { at, event };
                run.apply(&entry).expect("the rules follow themselves");
                journal.push(entry);
            }
        }
    }
}

fn started(definition: &Definition) -> Started {
    Started {
        saga: definition.saga.clone(),
        version: 1,
        definition: definition.digest,
        components: vec![("orders".parse().expect("a name"), Digest::of(b"orders"))],
        input: Payload::from(r#"{"sku":"lamp","quantity":1,"customer":"ada","country":"DE"}"#),
        key: None,
    }
}

/// Encoding, hashing and linking all that a run did as one record.
fn record(figures: &mut Figures, journal: &[Entry], times: usize) {
    let tenant: TenantId = "local".parse().expect("a name");
    let mut head = Head::genesis(&tenant, Lane(0));
    let body = Body::Run { run: RunId(1), previous: 0, entries: journal.to_vec() };
    figures.add("record: encode, hash and link a whole run", time(times, || drop(black_box(head.seal(&body)))));
}

/// Queue, one transaction, one sync, and the way back to who waits.
fn commit(figures: &mut Figures, definition: &Arc<Definition>, times: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(directory.path())?);
    let writer = Writer::start(store)?;
    let mut number = 0;
    let spans = time(times, || {
        number += 1;
        let journal = walk(definition);
        let mut run = Run::new(RunId(number), Arc::clone(definition), Arc::new(started(definition)), journal[0].at);
        for entry in &journal[1..] {
            run.apply(entry).expect("the rules follow themselves");
        }
        let what = What::Run { run: run.id(), entries: journal, head: run.head() };
        let position = writer.append(Append { tenant: "local".parse().expect("a name"), lane: Lane(0), what });
        runtime.block_on(writer.durable(position)).expect("the disk takes it");
    });
    figures.add("commit: queue, transaction, sync, wake, for one run", spans);
    let mark = writer.durable_mark();
    let spans = time(times, || runtime.block_on(writer.durable(mark)).expect("it is there"));
    figures.add("gate: for what is on the disk already", spans);
    writer.close()?;
    Ok(())
}

/// What the disk itself asks for: the bound below which no durable thing gets.
fn disk(figures: &mut Figures, times: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut file = File::create(directory.path().join("probe"))?;
    let spans = time(times, || {
        file.write_all(&[0; 1024]).expect("the disk takes it");
        file.sync_data().expect("the disk takes it");
    });
    figures.add("the disk alone: append 1 KiB and sync", spans);
    Ok(())
}
