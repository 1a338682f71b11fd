//! The sandbox against guests that behave, and guests that do not. Guests are components in the text format under `guests/`, small
//! enough to be read beside the test. Every deny has its allow beside it; wall time is only ever bounded generously.

use amends::sandbox::{
    Access, Allocation, Call, CompilerSettings, Component, Context, EffectAccess, EgressSettings, Fence, Outside, Reply, Sandbox,
    SandboxSettings, Secrets, StateAccess, StateError, StateValue,
};
use amends_domain::definition::Limits;
use amends_domain::digest::Digest;
use amends_domain::event::{Direction, Ending, Failure, Halt, LogLevel};
use amends_domain::id::{HandlerName, RunId, SagaName, StepId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Effect;
use amends_domain::time::{Span, Timestamp};
use amends_domain::trace::TraceId;
use harness::small_guest as guest;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[path = "sandbox/bombs.rs"]
mod bombs;
#[path = "sandbox/compiler.rs"]
mod compiler;
#[path = "sandbox/effects.rs"]
mod effects;
#[path = "sandbox/egress.rs"]
mod egress;
#[path = "sandbox/fence.rs"]
mod fence;
#[path = "sandbox/kept.rs"]
mod kept;
#[path = "sandbox/limits.rs"]
mod limits;
#[path = "sandbox/state.rs"]
mod state;
#[path = "sandbox/upload.rs"]
mod upload;
#[path = "sandbox/wasi.rs"]
mod wasi;
#[path = "sandbox/world.rs"]
mod world;

use world::{Mood, World};

/// No case takes longer, however slow the machine.
const PATIENCE: Duration = Duration::from_mins(1);
const MIB: u64 = 1024 * 1024;
/// Enough for every guest that behaves.
const LIMITS: Limits = Limits { fuel: 100_000_000, timeout: Span(20_000), memory: 64 * MIB };

const SETTINGS: SandboxSettings = SandboxSettings {
    attempts_max: 1,
    components_max: 16,
    code_len_max: 64 << 20,
    compiler: CompilerSettings::InProcess,
    code_dir: None,
    outside: None,
    egress: EgressSettings::system(),
};

fn sandbox(attempts_max: u32) -> Sandbox {
    Sandbox::new(SandboxSettings { attempts_max, ..SETTINGS }).expect("this machine runs guests")
}

/// A sandbox with a world outside, and room for one attempt.
fn sandbox_in(world: &Arc<World>) -> Sandbox {
    let outside = Some(Arc::clone(world) as Arc<dyn Outside>);
    Sandbox::new(SandboxSettings { outside, ..SETTINGS }).expect("this machine runs guests")
}

async fn load(sandbox: &Sandbox, bytes: Vec<u8>) -> Arc<Component> {
    sandbox.load(Digest::of(&bytes), bytes.into()).await.unwrap_or_else(|refusal| panic!("{refusal}"))
}

type Read<'a> = Pin<Box<dyn Future<Output = Result<Option<StateValue>, StateError>> + Send + 'a>>;

/// The tenant's state: key `k`, and how often it is asked for.
#[derive(Default)]
struct State {
    k: Option<&'static str>,
    asked: AtomicUsize,
}

impl StateAccess for State {
    fn get<'a>(&'a self, key: &'a str) -> Read<'a> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        // A new version each time it is asked for: whoever asks twice sees it.
        let version = 7 + asked as u64;
        let value = (key == "k").then_some(self.k).flatten().map(|k| StateValue { version, value: k.into() });
        Box::pin(async { Ok(value) })
    }
}

/// A state that never answers.
struct Silent;

impl StateAccess for Silent {
    fn get<'a>(&'a self, _: &'a str) -> Read<'a> {
        Box::pin(std::future::pending())
    }
}

/// A call and the component that it is for.
struct Ready {
    component: Arc<Component>,
    call: Call,
}

impl Deref for Ready {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

impl DerefMut for Ready {
    fn deref_mut(&mut self) -> &mut Call {
        &mut self.call
    }
}

impl Ready {
    /// As long as it takes.
    async fn invoke(self, sandbox: &Sandbox) -> Reply {
        sandbox.invoke(&self.component, self.call).await
    }
}

fn call(component: &Arc<Component>, input: &[u8]) -> Ready {
    let call = Call {
        direction: Direction::Forward,
        input: input.to_vec().into(),
        output: None,
        context: Context {
            tenant: TenantId::new("acme").expect("a name"),
            saga: SagaName::new("order").expect("a name"),
            run: RunId(1),
            trace: TraceId::of(RunId(1), None),
            step: StepId::new("pay").expect("a name"),
            handler: HandlerName::new("charge").expect("a name"),
            attempt: 3,
            idempotency_key: "key-1".into(),
            deadline: Timestamp(77),
        },
        effects: Vec::new(),
        limits: LIMITS,
        log_len_max: u64::MAX,
        access: Access::ReadWrite,
        state: Arc::new(State::default()),
        outbound: World::new(Mood::Prompt),
        grants: Arc::default(),
        secrets: Secrets::default(),
        fence: Fence::default(),
    };
    Ready { component: Arc::clone(component), call }
}

/// A call whose handles are all those of `world`.
fn call_in(world: &Arc<World>, component: &Arc<Component>, input: &str) -> Ready {
    let mut ready = call(component, input.as_bytes());
    ready.call.state = Arc::clone(world) as Arc<dyn StateAccess>;
    ready.call.outbound = Arc::clone(world) as Arc<dyn EffectAccess>;
    ready
}

async fn invoke(sandbox: &Sandbox, call: Ready) -> Reply {
    tokio::time::timeout(PATIENCE, call.invoke(sandbox)).await.expect("every attempt ends")
}

/// Runs `guest` with what `change` makes of the call.
async fn run(name: &str, input: &[u8], change: impl FnOnce(&mut Call)) -> Reply {
    let sandbox = sandbox(2);
    let component = load(&sandbox, guest(name)).await;
    let mut call = call(&component, input);
    change(&mut call);
    invoke(&sandbox, call).await
}

fn output(reply: &Reply) -> &[u8] {
    match &reply.ending {
        Ending::Ok { output } => &output.0,
        ending => panic!("{ending:?}"),
    }
}

#[track_caller]
fn assert_halted(reply: &Reply, expected: Halt, says: &[&str]) {
    match &reply.ending {
        Ending::Halted { halt, message } => {
            assert_eq!(*halt, expected, "{message}");
            assert!(says.iter().all(|part| message.contains(part)), "{says:?} in {message:?}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
        ending => panic!("{ending:?}"),
    }
    assert!(reply.writes.is_empty());
}

#[tokio::test]
async fn a_good_guest_answers_and_is_billed() {
    let reply = run("echo", b"{\"a\":1}", |_| {}).await;
    assert_eq!(output(&reply), b"{\"a\":1}");
    assert!(reply.spent.fuel > 0 && reply.spent.fuel < 10_000, "{:?}", reply.spent);
    assert!(reply.log.is_empty() && reply.reads.is_empty() && reply.writes.is_empty() && reply.host_error.is_none());
    // As large as a payload may be.
    let largest = vec![b'x'; 256 * 1024];
    assert_eq!(output(&run("echo", &largest, |_| {}).await), largest);
}

#[tokio::test]
async fn a_compensation_is_told_the_output_if_it_is_known() {
    for (known, line, level) in [(Some("{}"), "{}", LogLevel::Info), (None, "not told", LogLevel::Warn)] {
        let reply = run("echo", b"1", |call| {
            call.direction = Direction::Backward;
            call.output = known.map(Payload::from);
        });
        let reply = reply.await;
        assert_eq!(output(&reply), b"");
        assert_eq!(reply.log.iter().map(|line| (line.level, line.message.as_str())).collect::<Vec<_>>(), [(level, line)]);
    }
}

#[tokio::test]
async fn a_guest_says_in_which_way_it_failed() {
    let later = Some(Span(1500));
    for (kind, failure, retry_after) in
        [(0, Failure::Rejected, None), (1, Failure::Unavailable, later), (2, Failure::Uncertain, later)]
    {
        for direction in [Direction::Forward, Direction::Backward] {
            let reply = run("fail", &[kind, b'{', b'}'], |call| call.direction = direction).await;
            let Ending::Failed { failure: found, fault, retry_after: after } = reply.ending else { panic!("{:?}", reply.ending) };
            assert_eq!((found, after), (failure, retry_after));
            assert_eq!((fault.code.as_str(), fault.message.as_str()), ("card_declined", "the bank said \\u{1b}[31mno"));
            assert_eq!(fault.details, Some(Payload::from("{}")));
        }
    }
}

#[tokio::test]
async fn details_over_the_limit_are_left_out_and_the_failure_stays() {
    let detailed = |len: usize| async move {
        let reply = run("fail", &vec![2; len + 1], |_| {}).await;
        let Ending::Failed { failure, fault, .. } = reply.ending else { panic!("{:?}", reply.ending) };
        assert_eq!(failure, Failure::Uncertain);
        fault
    };
    assert_eq!(detailed(262_144).await.details.map(|details| details.len()), Some(262_144));
    let cut = detailed(262_145).await;
    assert_eq!(cut.details, None);
    assert!(cut.message.starts_with("details of 262145 bytes left out, the limit is 262144; the bank said"), "{}", cut.message);
}

#[tokio::test]
async fn endless_work_ends_by_fuel() {
    for (name, direction) in
        [("loop", Direction::Forward), ("loop", Direction::Backward), ("call", Direction::Forward), ("start", Direction::Forward)]
    {
        let reply = run(name, b"", |call| {
            call.direction = direction;
            call.limits.fuel = 1_000_000;
        });
        let reply = reply.await;
        assert_halted(&reply, Halt::OutOfFuel, &["1000000 units"]);
        assert_eq!(reply.spent.fuel, 1_000_000, "{name}");
    }
}

#[tokio::test]
async fn host_calls_are_billed_by_number_and_by_length() {
    // A guest cannot keep the host at work for the price of its own instructions.
    let fuel = |lines: u32, len| async move {
        let input = [lines.to_le_bytes().as_slice(), &vec![b'x'; len]].concat();
        run("flood", &input, |_| {}).await.spent.fuel
    };
    let (none, short, long) = (fuel(0, 0).await, fuel(10, 0).await, fuel(10, 4000).await);
    assert!(short - none >= 10 * 100, "{none} without a call, {short} with ten");
    assert!(long - short >= 10 * 500, "{short} with ten short ones, {long} with ten long ones");
}

#[test]
fn endless_time_ends_by_the_clock() {
    // On a thread that looks at its timers after a million time slices, so: never. A guest that computes must be ended all the
    // same. If it were not, its fuel would end it, after seconds.
    let mut blind = tokio::runtime::Builder::new_current_thread();
    let blind = blind.enable_all().event_interval(1_000_000).build().expect("a runtime");
    blind.block_on(check_endless_time("loop", None));
    blind.block_on(check_endless_time("start", None));
    // A guest that waits is ended by the timer.
    let mut common = tokio::runtime::Builder::new_multi_thread();
    let common = common.worker_threads(2).enable_all().build().expect("a runtime");
    common.block_on(check_endless_time("loop", None));
    common.block_on(check_endless_time("state", Some(Arc::new(Silent))));
}

async fn check_endless_time(name: &'static str, state: Option<Arc<dyn StateAccess>>) {
    let attempt = async move {
        let change = |call: &mut Call| {
            call.limits.fuel = 20_000_000_000;
            call.limits.timeout = Span(100);
            call.state = state.unwrap_or_else(|| Arc::clone(&call.state));
        };
        run(name, b"g", change).await
    };
    let reply = tokio::spawn(attempt).await.expect("no attempt panics");
    assert_halted(&reply, Halt::Timeout, &["100ms"]);
    assert!(reply.spent.micros >= 100_000, "{name}: {:?}", reply.spent);
}

#[tokio::test]
async fn memory_is_bounded_over_all_memories_together() {
    let ate = |input: &'static [u8], memory| run("eat", input, move |call| call.limits.memory = memory);
    for mib in [1, 4] {
        let reply = ate(b"answer", mib * MIB).await;
        assert_eq!(output(&reply), u32::try_from(mib * 16).expect("few").to_le_bytes(), "all of {mib} MiB in pages, and no more");
        let reply = ate(b"!", mib * MIB).await;
        assert_halted(&reply, Halt::OutOfMemory, &[&(mib * MIB).to_string(), &(mib * MIB + 65536).to_string(), "unreachable"]);
    }
}

#[tokio::test]
async fn a_memory_that_starts_too_large_never_starts() {
    let start = |memory| run("start-big", b"", move |call| call.limits.memory = memory);
    assert_eq!(output(&start(66 * MIB).await), b"");
    assert_halted(&start(64 * MIB).await, Halt::OutOfMemory, &["67108864 bytes"]);
}

#[tokio::test]
async fn a_trap_says_what_and_where_on_one_line() {
    for direction in [Direction::Forward, Direction::Backward] {
        let reply = run("trap", b"", |call| call.direction = direction).await;
        assert_halted(&reply, Halt::Trap, &["unreachable", "; in ", "charge_card < ", "pay < "]);
        assert!(reply.spent.fuel > 0 && reply.spent.fuel <= LIMITS.fuel);
    }
}

#[tokio::test]
async fn a_stack_that_is_used_up_is_a_trap_with_few_frames() {
    let reply = run("recurse", b"", |_| {}).await;
    assert_halted(&reply, Halt::Trap, &["call stack exhausted", "deeper < "]);
    let Ending::Halted { message, .. } = reply.ending else { panic!("halted") };
    assert!((10..=20).contains(&message.matches("deeper").count()), "{message}");
}

#[tokio::test]
async fn answers_have_a_limit() {
    let answered = |len: u32| async move { run("big", &len.to_le_bytes(), |_| {}).await };
    assert_eq!(output(&answered(262_144).await).len(), 262_144);
    assert_halted(&answered(262_145).await, Halt::Oversized, &["262145 bytes", "262144 bytes"]);
    assert_halted(&answered(60_000_000).await, Halt::Oversized, &["more than 2097152 bytes", "262144 bytes"]);
    // As long as an address can say, which is more than the memory there is.
    assert_halted(&answered(0x8000_0000).await, Halt::OutOfMemory, &[]);
}

#[tokio::test]
async fn a_log_is_bounded_and_harmless() {
    let flood = |lines: u32, line: &'static [u8]| async move {
        let reply = run("flood", &[&lines.to_le_bytes(), line].concat(), |_| {}).await;
        assert_eq!(output(&reply), b"", "a full log harms nobody");
        reply.log
    };
    let log = flood(2, b"\x1b[2J{\"level\":\"info\"}\nforged").await;
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].level, log[0].message.as_str()), (LogLevel::Error, "\\u{1b}[2J{\"level\":\"info\"}\\nforged"));
    let log = flood(1000, b"x").await;
    assert!(log.len() == 1000 && log[999].message == "x");
    let log = flood(5000, b"x").await;
    assert_eq!(log.len(), 1001);
    assert!(log[1000].message.starts_with("4000 lines dropped"), "{}", log[1000].message);
    assert_eq!(log[1000].level, LogLevel::Warn);
    // More than a host call may move: that is no line to be cut, it is not even read.
    let input = [1_u32.to_le_bytes().as_slice(), &vec![b'x'; 3 << 20]].concat();
    assert_halted(&run("flood", &input, |_| {}).await, Halt::Trap, &["too much data", "; in "]);
}

#[tokio::test]
async fn nothing_survives_from_one_attempt_to_the_next() {
    let sandbox = sandbox(1);
    let component = load(&sandbox, guest("count")).await;
    for _ in 0..20 {
        assert_eq!(output(&invoke(&sandbox, call(&component, b"")).await), b"2");
    }
}

#[tokio::test]
async fn a_guest_is_told_about_its_own_attempt_and_no_other() {
    let effect = Effect {
        direction: Direction::Forward,
        attempt: 1,
        call: 1,
        method: "POST".into(),
        target: "https://bank.example/charges".into(),
        sent: Timestamp(5),
        answer: Some(201),
        response: Some("{}".into()),
    };
    for (granted, effects, text) in [
        ("token", vec![effect.clone(), effect], "acme order run_00000000000000000000000001 pay charge key-1 s3cret "),
        ("other", vec![], "acme order run_00000000000000000000000001 pay charge key-1 "),
    ] {
        let count = u32::try_from(effects.len()).expect("few");
        let reply = run("context", b"", |call| {
            call.effects = effects;
            call.secrets = Secrets(Arc::new(BTreeMap::from([(granted.into(), "s3cret".into())])));
        });
        let numbers: Vec<u8> = [3, 77, count, 1].iter().flat_map(|number: &u32| number.to_le_bytes()).collect();
        assert_eq!(output(&reply.await), [text.as_bytes(), &numbers].concat());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_attempts_than_room_wait_and_all_finish() {
    let sandbox = Arc::new(sandbox(3));
    let (echo, eat) = (load(&sandbox, guest("echo")).await, load(&sandbox, guest("eat")).await);
    // Four memories are two shares of the pool: three of these at a time would leave it dry.
    let many = load(&sandbox, guest("many")).await;
    let attempts: Vec<_> = (0..300)
        .map(|n| {
            let sandbox = Arc::clone(&sandbox);
            let mut call = call([&echo, &eat, &many][n % 3], b"g");
            call.limits.memory = MIB;
            if n % 3 == 2 {
                call.state = Arc::new(Silent);
                call.limits.timeout = Span(1);
            }
            tokio::spawn(async move { invoke(&sandbox, call).await })
        })
        .collect();
    for (n, attempt) in attempts.into_iter().enumerate() {
        let reply = attempt.await.expect("no attempt panics");
        match n % 3 {
            0 => assert_eq!(output(&reply), b"g"),
            1 => assert_eq!(output(&reply), 16_u32.to_le_bytes()),
            _ => assert_halted(&reply, Halt::Timeout, &["1ms"]),
        }
    }
}

#[tokio::test]
async fn without_address_space_guests_run_all_the_same() {
    for (attempts_max, allocation) in [(1, Allocation::Pooling), (16_384, Allocation::OnDemand)] {
        let sandbox = sandbox(attempts_max);
        assert_eq!(sandbox.allocation(), allocation, "{attempts_max}");
        let (echo, eat) = (load(&sandbox, guest("echo")).await, load(&sandbox, guest("eat")).await);
        assert_eq!(output(&invoke(&sandbox, call(&echo, b"{}")).await), b"{}");
        let mut bounded = call(&eat, b"!");
        bounded.limits.memory = MIB;
        assert_halted(&invoke(&sandbox, bounded).await, Halt::OutOfMemory, &["1048576 bytes"]);
    }
}

#[test]
fn a_sandbox_for_nobody_or_for_too_many_is_refused() {
    for attempts_max in [0, 16_385] {
        let settings = SandboxSettings { attempts_max, ..SETTINGS };
        let error = Sandbox::new(settings).err().expect("refused").to_string();
        assert!(error.contains(&format!("{attempts_max} concurrent attempts")), "{error}");
    }
}
