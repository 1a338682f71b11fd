//! The parts of a run, each alone.

use crate::figures::{Figures, time};
use crate::site::folder;
use crate::walked::{started, walk};
use amends::sandbox::{
    Access, Answer, Call, CompilerSettings, Context, EffectAccess, EffectError, EgressSettings, Fence, Intent, Sandbox,
    SandboxSettings, Secrets, StateAccess, StateError, StateValue,
};
use amends::store::Store;
use amends::store::redb::RedbStore;
use amends::store::writer::{Append, What, Writer};
use amends_domain::audit::{Body, Head};
use amends_domain::definition::{Definition, Limits, read};
use amends_domain::digest::Digest;
use amends_domain::event::{Direction, Ending, Entry};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use amends_domain::trace::TraceId;
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
        trace: TraceId::of(RunId(1), None),
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
    let spans = time(times, || journal = journal_of(definition));
    figures.add("decide: the rules of a whole run, mappings included", spans);
    journal
}

/// What a run of the example is given, and what its steps answer.
const ORDER: &str = r#"{"sku":"lamp","quantity":1,"customer":"ada","country":"DE"}"#;
const OUTPUTS: [&str; 3] = [
    r#"{"sku":"lamp","quantity":1,"total":10}"#,
    r#"{"charge":"charge/run/step","amount":10}"#,
    r#"{"id":"shipment/run/step","country":"DE"}"#,
];

fn journal_of(definition: &Arc<Definition>) -> Vec<Entry> {
    walk(definition, started(definition, "orders", ORDER), &|step| Ending::Ok { output: OUTPUTS[step].into() })
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
    let directory = folder()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(directory.path())?);
    let writer = Writer::start(store)?;
    let mut number = 0;
    let spans = time(times, || {
        number += 1;
        let journal = journal_of(definition);
        let mut run =
            Run::new(RunId(number), Arc::clone(definition), Arc::new(started(definition, "orders", ORDER)), journal[0].at);
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
    let directory = folder()?;
    let mut file = File::create(directory.path().join("probe"))?;
    let spans = time(times, || {
        file.write_all(&[0; 1024]).expect("the disk takes it");
        file.sync_data().expect("the disk takes it");
    });
    figures.add("the disk alone: append 1 KiB and sync", spans);
    Ok(())
}
