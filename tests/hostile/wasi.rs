//! Guests that ask more of WASI than it has: output without end, chance by the terabyte, sleep for years, handles and lists by the
//! hundred thousand.

use crate::attack::{Attack, executes};
use serde_json::json;

pub(crate) fn attacks() -> Vec<Attack> {
    [printed(), asked(), flooded()].concat()
}

fn printed() -> Vec<Attack> {
    let write = r#"(import "host" "write" (func $write (param i32 i32 i32)))"#;
    let logs =
        |len: u32| format!("(loop $ever (call $write (i32.const 3) (i32.const 0) (i32.const {len})) (br $ever)) (unreachable)");
    let forged = "\u{1b}[2J\u{1b}]0;owned\u{7}\r{\"level\":\"error\",\"message\":\"the host is down\"}\nINFO \u{202e}dlrow\u{2028}";
    vec![
        Attack::guest("a log of empty lines, for ever", "out-of-fuel", &executes(write, &logs(0))),
        Attack::guest("a log of lines of 64 KiB, for ever", "out-of-fuel", &executes(write, &logs(65_536))),
        Attack::probe("80,000 printed lines", "ok, 0 sent", &json!([{ "print": "x\n".repeat(80_000) }])),
        Attack::probe("a printed line of 200 kB", "ok, 0 sent", &json!([{ "complain": "x".repeat(200_000) }])),
        Attack::probe("forged lines that clear the screen", "ok, 0 sent", &json!([{ "print": forged }, { "complain": forged }])),
        Attack::probe("2^40 zeroes at once", "trap, 0 sent", &json!([{ "print-zeroes": 1_u64 << 40 }])),
    ]
}

fn asked() -> Vec<Attack> {
    vec![
        Attack::probe("2^40 random bytes", "trap, 0 sent", &json!([{ "random": 1_u64 << 40 }])),
        Attack::probe("sleeps a year", "timeout, 0 sent", &json!([{ "sleep": { "ms": 366_u64 * 86_400_000 } }])),
        Attack::probe("naps for no time, for ever", "out-of-fuel, 0 sent", &json!([{ "nap": u32::MAX }])),
        Attack::probe("exit(0)", "trap, 0 sent", &json!(["exit"])),
        Attack::probe("asks for environment, files, arguments", "ok, 0 sent", &json!(["surroundings"])),
    ]
}

/// A guest in the frame with what `asks-wasi.wat` imports: more functions at its start, and the body of `execute`.
fn asks(name: &'static str, verdict: &'static str, before: &str, body: &str) -> Attack {
    let imports = r#"
        (import "wasi" "poll" (func $poll (param i32 i32 i32)))
        (import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "wasi" "close" (func $close (param i32)))
        (import "wasi" "fields" (func $fields (param i32 i32 i32)))"#;
    let guest =
        executes(&format!("{imports} {before}"), body).replace("(with \"host\"", "(with \"wasi\" (instance $wasi)) (with \"host\"");
    // Whatever the host puts into its memory goes to the same place, so that what counts is what the host does.
    let in_place = ("(global.set $next (i32.add (local.get $at) (local.get $len)))", "");
    Attack::framed(name, verdict, &format!("{}{guest}", harness::small_guest_text("asks-wasi")), &[in_place])
}

fn flooded() -> Vec<Attack> {
    // `len` bytes of the same 4, from 2 MiB on.
    let same = "(func $same (param $value i32) (param $len i32) (local $at i32)
        (drop (memory.grow (i32.const 64)))
        (loop $more
          (i32.store offset=2097152 (local.get $at) (local.get $value))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if $more (i32.lt_u (local.get $at) (local.get $len)))))";
    let polls = |count: u32| {
        format!(
            "(call $same (call $subscribe (i64.const 0)) (i32.const {}))
             (loop $ever (call $poll (i32.const 2097152) (i32.const {count}) (i32.const 0)) (br $ever)) (unreachable)",
            count * 4
        )
    };
    let lists = |entries: u32| {
        // A name and a value of 1 KiB, the same ones again and again: lengths and addresses are all 1024.
        format!(
            "(call $same (i32.const 1024) (i32.const {})) (call $fields (i32.const 2097152) (i32.const {entries}) (i32.const 0))
             (i32.const 0)",
            entries * 16
        )
    };
    let hands_over = |len: u32| {
        // One header, whose value is as long as what one call may move.
        format!(
            "(call $same (i32.const 1024) (i32.const 16)) (i32.store offset=2097152 (i32.const 12) (i32.const {len}))
             (loop $ever (call $fields (i32.const 2097152) (i32.const 1) (i32.const 0)) (br $ever)) (unreachable)"
        )
    };
    vec![
        // What WASI moves for a list is not charged by its bytes, so it is the clock that ends this, and its memory is bounded.
        asks("hands over 2 MB for nothing, for ever", "timeout", same, &hands_over(2_000_000)),
        asks("a handle that it was never given", "trap", "", "(call $close (i32.const 3)) (i32.const 0)"),
        asks("handles without end", "trap", "", "(loop $ever (drop (call $subscribe (i64.const 0))) (br $ever)) (unreachable)"),
        // Each one that is lent counts as one that is held.
        asks("waits for 900 handles at once, for ever", "out-of-fuel", same, &polls(900)),
        asks("waits for 100,000 handles at once", "trap", same, &polls(100_000)),
        asks("a list of a hundred thousand headers", "trap", same, &lists(100_000)),
    ]
}
