//! Components that do their harm before they are asked for anything.

use crate::attack::{Attack, executes};

pub(crate) fn attacks() -> Vec<Attack> {
    let modules = |count: usize, module: &str| {
        let one = |n| format!("(core module $m{n} {module}) (core instance (instantiate $m{n}))");
        let all: Vec<_> = (0..count).map(one).collect();
        format!("{}\n{}", all.join("\n"), executes("", "(i32.const 0)"))
    };
    vec![
        Attack::guest("a memory of 4 GiB at once", "out-of-memory", &modules(1, "(memory 65536)")),
        Attack::guest("a memory of 64 MiB at once", "out-of-memory", &modules(1, "(memory 1024)")),
        Attack::guest("100 memories", "refused component_has_too_many", &modules(100, "(memory 1)")),
        Attack::guest("5 memories", "refused component_has_too_many", &modules(5, "(memory 1)")),
        Attack::guest("a table of 10 million", "refused component_has_too_many", &modules(1, "(table 10000000 funcref)")),
        Attack::guest(
            "a data segment out of bounds",
            "trap",
            &executes(r#"(data (i32.const 65530) "0123456789")"#, "(i32.const 0)"),
        ),
        Attack::guest(
            "an element segment out of bounds",
            "trap",
            &executes("(func $f) (table 1 funcref) (elem (i32.const 5) $f)", "(i32.const 0)"),
        ),
        Attack::guest("a start that traps", "trap", &executes("(func $start (unreachable)) (start $start)", "(i32.const 0)")),
        Attack::guest(
            "a start that calls the host",
            "ok",
            &executes(
                r#"(import "host" "attempt" (func $attempt (result i32))) (func $start (drop (call $attempt))) (start $start)"#,
                "(i32.const 0)",
            ),
        ),
    ]
}
