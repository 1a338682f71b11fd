//! What a guest gets of WASI: enough for a standard library, and nothing of this machine.

use super::*;
use harness::guest as plugin;
use serde_json::{Value, json};

async fn probe(script: Value, change: impl FnOnce(&mut Call)) -> Reply {
    let sandbox = sandbox(1);
    let component = load(&sandbox, std::fs::read(plugin("probe")).expect("it is built")).await;
    let mut call = call(&component, json!({ "forward": script }).to_string().as_bytes());
    call.context.handler = HandlerName::new("probe").expect("a name");
    call.context.deadline = Timestamp(1_764_000_020_000);
    change(&mut call);
    invoke(&sandbox, call).await
}

fn answer(reply: &Reply) -> Value {
    serde_json::from_slice(output(reply)).expect("the probe answers JSON")
}

fn lines(reply: &Reply) -> Vec<(LogLevel, &str)> {
    reply.log.iter().map(|line| (line.level, line.message.as_str())).collect()
}

#[tokio::test]
async fn a_guest_sees_nothing_of_this_machine() {
    let reply = probe(json!(["surroundings"]), |_| {}).await;
    assert_eq!(answer(&reply), json!([[[], [], null, 0]]));
}

#[tokio::test]
async fn what_a_guest_prints_is_in_its_log_line_by_line_and_harmless() {
    let reply = probe(json!([{ "print": "one\ntwo " }, { "complain": "\u{1b}[2Jno\n" }, { "print": "three" }]), |_| {}).await;
    assert_eq!(answer(&reply), json!([true, true, true]));
    assert_eq!(lines(&reply), [(LogLevel::Info, "one"), (LogLevel::Warn, "\\u{1b}[2Jno"), (LogLevel::Info, "two three")]);
    let reply = probe(json!([{ "print": "x\n".repeat(5000) }]), |_| {}).await;
    assert_eq!(answer(&reply), json!([true]));
    assert_eq!(reply.log.len(), 1001);
    assert!(reply.log[1000].message.starts_with("4000 lines dropped"), "{}", reply.log[1000].message);
    // More than it may write at once would be so much memory of the host.
    assert_eq!(answer(&probe(json!([{ "print-zeroes": 4096 }]), |_| {}).await), json!([true]));
    for len in [4097, 1_u64 << 40] {
        assert_halted(&probe(json!([{ "print-zeroes": len }]), |_| {}).await, Halt::Trap, &["zeroes"]);
    }
}

#[tokio::test]
async fn time_begins_with_the_attempt_and_moves_on_in_milliseconds() {
    let reply = probe(json!(["now", { "sleep": { "ms": 20 } }, "now"]), |_| {}).await;
    let answer = answer(&reply);
    let at = |act: usize, clock: usize| answer[act][clock].as_u64().expect("a number");
    assert!((1_764_000_000_000..1_764_000_020_000).contains(&at(0, 0)), "it has 20 s until its deadline: {answer}");
    assert!(at(2, 0) >= at(0, 0) + 19 && at(2, 1) >= at(0, 1) + 19_000_000, "{answer}");
    assert!(at(0, 1) < 20_000_000_000 && at(0, 1) % 1_000_000 == 0 && at(2, 1) % 1_000_000 == 0, "{answer}");
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_attempt_and_no_other() {
    let drawn = |change: fn(&mut Call)| async move { answer(&probe(json!([{ "random": 16 }, { "random": 16 }]), change).await) };
    let first = drawn(|_| {}).await;
    assert_ne!(first[0], first[1]);
    assert_eq!(drawn(|_| {}).await, first);
    for change in [
        (|call: &mut Call| call.context.run = RunId(2)) as fn(&mut Call),
        |call| call.context.attempt = 4,
        |call| call.context.step = StepId::new("ship").expect("a name"),
        |call| call.context.tenant = TenantId::new("other").expect("a name"),
    ] {
        assert_ne!(drawn(change).await, first);
    }
}

#[tokio::test]
async fn chance_is_bounded() {
    let reply = probe(json!([{ "random": 65_536 }]), |_| {}).await;
    assert!(matches!(reply.ending, Ending::Ok { .. } | Ending::Halted { halt: Halt::Oversized, .. }), "{:?}", reply.ending);
    for len in [65_537, 1_u64 << 40] {
        assert_halted(&probe(json!([{ "random": len }]), |_| {}).await, Halt::Trap, &["exceeds limit 65536"]);
    }
}

#[tokio::test]
async fn sleeping_ends_with_the_time_of_the_attempt_and_naps_with_its_fuel() {
    let year = 366_u64 * 24 * 3_600_000;
    let reply = probe(json!([{ "sleep": { "ms": year } }]), |call| call.limits.timeout = Span(30)).await;
    assert_halted(&reply, Halt::Timeout, &["30ms"]);
    // Each costs the guest a few instructions and the host a few hundred nanoseconds.
    let reply = probe(json!([{ "nap": 2_000_000_000 }]), |call| call.limits.fuel = 100_000_000).await;
    assert_halted(&reply, Halt::OutOfFuel, &["100000000 units"]);
    assert_eq!(reply.spent.fuel, 100_000_000);
}

#[tokio::test]
async fn exit_ends_the_attempt_and_not_the_host() {
    assert_halted(&probe(json!(["exit"]), |_| {}).await, Halt::Trap, &["called exit with status 0", "a step ends by answering"]);
}

#[tokio::test]
async fn who_imports_wasi_can_be_installed_and_who_sends_says_so() {
    let sandbox = sandbox(1);
    let probe = std::fs::read(plugin("probe")).expect("it is built");
    let described = sandbox.inspect(probe.into()).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(described.sends_requests);
    assert!(
        described.imports.iter().any(|import| import.starts_with("wasi:http/outgoing-handler@0.2.")),
        "{:?}",
        described.imports
    );
    let echo = sandbox.inspect(guest("echo").into()).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(!echo.sends_requests);
    // The name is offered, what is asked behind it is not.
    let import = r#"(import "wasi:random/random@0.2.9" (instance (export "get-luck" (func (result u64)))))"#;
    let bytes = harness::framed_guest(&[import, &harness::small_guest_text("echo")].concat());
    let refused = sandbox.load(Digest::of(&bytes), bytes.into()).await.expect_err("there is no luck");
    assert_eq!(refused.code(), "import_mistyped", "{refused}");
}
