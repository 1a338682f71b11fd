//! Guests that lie where their values pass the border: lengths, addresses, texts and tags that are none.

use crate::attack::{Attack, executes};

/// Gives `ok` with an output of `len` bytes at `at`.
fn answers(at: &str, len: &str) -> String {
    executes("", &format!("(i32.store (i32.const 4) (i32.const {at})) (i32.store (i32.const 8) (i32.const {len})) (i32.const 0)"))
}

/// Gives a fault with a code of `len` bytes at `at`, `rejected`.
fn fails(before: &str, failure: &str, at: &str, len: &str) -> String {
    let store = |address: u32, value: &str| format!("(i32.store (i32.const {address}) (i32.const {value}))");
    let stores = [(0, "1"), (4, failure), (8, at), (12, len), (16, "1000"), (20, "2"), (24, "0")];
    let stores: Vec<_> = stores.iter().map(|(address, value)| store(*address, value)).collect();
    executes(before, &format!("{} (i32.const 0)", stores.join(" ")))
}

pub(crate) fn attacks() -> Vec<Attack> {
    let realloc = |gives: &str| {
        let tenant = r#"(import "host" "tenant" (func $tenant (param i32)))"#;
        (executes(tenant, "(call $tenant (i32.const 100)) (i32.const 0)"), gives.to_owned())
    };
    let hostile_realloc = |name, verdict, gives: &str| {
        let (text, gives) = realloc(gives);
        Attack::framed(
            name,
            verdict,
            &text,
            &[("(local.get $at)))\n  (core instance $libc", &format!("{gives}))\n  (core instance $libc"))],
        )
    };
    vec![
        Attack::guest(
            "an answer of 60 MB",
            "oversized",
            &executes(
                "",
                "(drop (memory.grow (i32.const 950))) (i32.store (i32.const 4) (i32.const 0)) (i32.store (i32.const 8) (i32.const 60000000))
                 (i32.const 0)",
            ),
        ),
        Attack::guest("an answer of 2^31 bytes", "trap", &answers("0", "0x80000000")),
        Attack::guest("an answer of 2^32-1 bytes", "trap", &answers("0", "0xffffffff")),
        Attack::guest("an answer behind the memory", "trap", &answers("0xfffffff0", "8")),
        Attack::guest("an answer at no address", "trap", &executes("", "(i32.const -4)")),
        Attack::guest("an answer at an odd address", "trap", &executes("", "(i32.const 3)")),
        Attack::guest("a result that is neither", "trap", &executes("", "(i32.store (i32.const 0) (i32.const 7)) (i32.const 0)")),
        Attack::guest("a failure that there is not", "trap", &fails("", "9", "1000", "1")),
        Attack::guest("a code that is no UTF-8", "trap", &fails(r#"(data (i32.const 1000) "\ff\fe")"#, "0", "1000", "2")),
        Attack::guest("a code behind the memory", "trap", &fails("", "0", "0xffffff00", "8")),
        Attack::guest("a code of 60 kB", "rejected", &fails("", "0", "2000", "60000")),
        Attack::guest("a code of zeros and escapes", "rejected", &fails(r#"(data (i32.const 1000) "\00\1b[2J\e2\80\ae")"#, "0", "1000", "8")),
        hostile_realloc("realloc gives what is outside", "trap", "(i32.const -65536)"),
        hostile_realloc("realloc gives nothing", "trap", "(i32.const 0)"),
        hostile_realloc("realloc traps", "trap", "(unreachable)"),
        // A list of records, which begin at multiples of eight.
        Attack::framed(
            "realloc gives an odd address",
            "trap",
            &executes(r#"(import "host" "effects" (func $effects (param i32)))"#, "(call $effects (i32.const 96)) (i32.const 0)"),
            &[("(local.get $at)))\n  (core instance $libc", "(i32.const 32769)))\n  (core instance $libc")],
        ),
    ]
}
