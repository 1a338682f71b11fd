//! Limits of one attempt that no other file is about, each just kept and just broken.

use super::*;
use harness::{executes, framed_guest, small_guest_text};

/// Runs a guest whose `execute` has this body.
async fn executed(before: &str, body: &str, change: impl FnOnce(&mut Call)) -> Reply {
    attempted(framed_guest(&executes(before, body)), b"", change).await
}

async fn attempted(component: Vec<u8>, input: &[u8], change: impl FnOnce(&mut Call)) -> Reply {
    let sandbox = sandbox(1);
    let component = load(&sandbox, component).await;
    let mut call = call(&component, input);
    change(&mut call);
    invoke(&sandbox, call).await
}

/// Ends an `execute` with an answer of four bytes.
fn answering(number: &str) -> String {
    format!(
        "(i32.store (i32.const 16) {number}) (i32.store (i32.const 4) (i32.const 16)) (i32.store (i32.const 8) (i32.const 4)) (i32.const 0)"
    )
}

fn number(reply: &Reply) -> u32 {
    u32::from_le_bytes(output(reply).try_into().expect("four bytes"))
}

#[tokio::test]
async fn a_table_grows_to_its_limit_or_to_that_of_the_memory_and_no_further() {
    let until_refused = format!(
        "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) {}",
        answering("(table.size $t)")
    );
    let grown = |memory| executed("(table $t 0 funcref)", &until_refused, move |call| call.limits.memory = memory);
    assert_eq!(number(&grown(64 * MIB).await), 20_000);
    // A page of memory, and 10,000 elements of eight bytes.
    assert_eq!(number(&grown(65_536 + 80_000).await), 10_000);
}

#[tokio::test]
async fn handles_are_bounded_held_or_lent() {
    let imports = r#"(import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "wasi" "poll" (func $poll (param i32 i32 i32)))"#;
    let asks = |body: String| {
        let guest = executes(imports, &body).replace("(with \"host\"", "(with \"wasi\" (instance $wasi)) (with \"host\"");
        attempted(framed_guest(&[small_guest_text("asks-wasi"), guest].concat()), b"", |_| {})
    };
    let repeat = |count: u32, what: &str| {
        format!(
            "(local $n i32) (local $one i32) (local.set $one (call $subscribe (i64.const 0)))
             (loop $more {what}
               (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))"
        )
    };
    // Each takes two places in the host's table, which has 1,000.
    let held = |count| asks(format!("{} (i32.const 0)", repeat(count, "(drop (call $subscribe (i64.const 0)))")));
    assert_eq!(output(&held(490).await), b"");
    assert_halted(&held(500).await, Halt::Trap, &["no free keys"]);
    let again = "(i32.store (i32.add (i32.const 1000) (i32.mul (local.get $n) (i32.const 4))) (local.get $one))";
    let lent = |count: u32| {
        asks(format!("{} (call $poll (i32.const 1000) (i32.const {count}) (i32.const 16)) (i32.const 0)", repeat(count, again)))
    };
    assert_eq!(output(&lent(990).await), b"");
    assert_halted(&lent(1_001).await, Halt::Trap, &["handle limit exceeded"]);
}

#[tokio::test]
async fn what_a_guest_used_before_it_broke_is_billed() {
    let burns = |end: &str| {
        let before = "(global $n (mut i32) (i32.const 0))";
        let body = format!(
            "(loop $more (global.set $n (i32.add (global.get $n) (i32.const 1)))
               (br_if $more (i32.lt_u (global.get $n) (i32.const 5000000)))) {end}"
        );
        async move { executed(before, &body, |_| {}).await }
    };
    let (answered, broke) = (burns("(i32.const 0)").await, burns("(unreachable)").await);
    assert!(answered.spent.fuel > 20_000_000, "{:?}", answered.spent);
    assert_halted(&broke, Halt::Trap, &["unreachable"]);
    // What it counted is lost; what is billed is at least its time.
    assert!(broke.spent.fuel > 1_000_000, "{:?}", broke.spent);
}

#[tokio::test]
async fn a_log_is_bounded_by_its_bytes_too() {
    let flood = |lines: u32| async move {
        let input = [lines.to_le_bytes().as_slice(), &[b'x'; 4096]].concat();
        attempted(guest("flood"), &input, |_| {}).await.log
    };
    assert!(flood(64).await.iter().all(|line| line.message == "x".repeat(4096)));
    let log = flood(100).await;
    assert_eq!(log.len(), 65);
    assert!(log[64].message.starts_with("36 lines dropped"), "{}", log[64].message);
}

#[tokio::test]
async fn what_is_not_a_number_is_the_same_on_every_machine() {
    // One with a payload goes in, of which processors keep what they like.
    let sum = "(i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 (i32.const 0xffa12345)) (f32.const 1)))";
    assert_eq!(number(&executed("", &answering(sum), |_| {}).await), 0x7fc0_0000);
}
