//! Guests that want the processor.

use crate::attack::{Attack, executes};

pub(crate) fn attacks() -> Vec<Attack> {
    let attempt = r#"(import "host" "attempt" (func $attempt (result i32)))"#;
    vec![
        Attack::guest("loop", "out-of-fuel", &executes("", "(loop $ever (br $ever)) (unreachable)")),
        Attack::guest(
            "loop in the start function",
            "out-of-fuel",
            &executes("(func $start (loop $ever (br $ever))) (start $start)", "(unreachable)"),
        ),
        Attack::guest(
            "deep recursion",
            "trap",
            &executes(
                "(func $deeper (param i32) (result i32) (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (local.get 0)))",
                "(call $deeper (i32.const 0))",
            ),
        ),
        Attack::guest(
            "mutual recursion",
            "trap",
            &executes(
                "(func $a (param i32) (result i32) (i32.add (call $b (local.get 0)) (i32.const 1)))
                 (func $b (param i32) (result i32) (i32.add (call $a (local.get 0)) (i32.const 1)))",
                "(call $a (i32.const 0))",
            ),
        ),
        Attack::guest(
            "memory.grow by nothing, for ever",
            "out-of-fuel",
            &executes("", "(loop $ever (drop (memory.grow (i32.const 0))) (br $ever)) (unreachable)"),
        ),
        Attack::guest(
            "memory.grow refused, for ever",
            "out-of-fuel",
            &executes("", "(loop $ever (drop (memory.grow (i32.const 60000))) (br $ever)) (unreachable)"),
        ),
        Attack::guest(
            "memory.fill for ever",
            "out-of-fuel",
            &executes("", "(loop $ever (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $ever)) (unreachable)"),
        ),
        Attack::guest(
            "a billion host calls",
            "out-of-fuel",
            &executes(attempt, "(loop $ever (drop (call $attempt)) (br $ever)) (unreachable)"),
        ),
        Attack::guest(
            "burns, then traps",
            "trap",
            &executes(
                "(global $n (mut i32) (i32.const 0))",
                "(loop $more (global.set $n (i32.add (global.get $n) (i32.const 1)))
                   (br_if $more (i32.lt_u (global.get $n) (i32.const 5000000)))) (unreachable)",
            ),
        ),
        Attack::framed(
            "loop in post-return",
            "out-of-fuel",
            r#"(core module $guest
                 (import "libc" "memory" (memory 1))
                 (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
                 (func (export "post") (param i32) (loop $ever (br $ever)))
                 (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
               (core instance $it (instantiate $guest (with "libc" (instance $libc))))"#,
            &[(
                r#"(canon lift (core func $it "execute") (memory $memory) (realloc $realloc))"#,
                r#"(canon lift (core func $it "execute") (memory $memory) (realloc $realloc) (post-return (func $it "post")))"#,
            )],
        ),
        Attack::framed(
            "loop in realloc",
            "out-of-fuel",
            &executes("", "(i32.const 0)"),
            &[("(local.set $at (i32.and", "(loop $ever (br $ever)) (local.set $at (i32.and")],
        ),
    ]
}
