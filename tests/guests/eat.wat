;; Takes memory, a page at a time and by turns for two memories, until one is refused. Then traps, if the input starts with `!`, or
;; answers how many pages it got, in 4 bytes, the lowest first. A module has one memory, so the second one has a module of its own.
(core module $second
  (memory 1)
  (func (export "grow") (result i32) (memory.grow (i32.const 1))))
(core instance $second (instantiate $second))
(core module $guest
  (import "libc" "memory" (memory 1))
  (import "second" "grow" (func $second-grow (result i32)))
  (func $eat (result i32) (local $pages i32)
    (local.set $pages (i32.const 2))
    (loop $more
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (local.get $pages))))
      (local.set $pages (i32.add (local.get $pages) (i32.const 1)))
      (if (i32.eq (call $second-grow) (i32.const -1)) (then (return (local.get $pages))))
      (local.set $pages (i32.add (local.get $pages) (i32.const 1)))
      (br $more))
    (unreachable))
  (func (export "execute") (param $at i32) (param $len i32) (result i32)
    (i32.store (i32.const 100) (call $eat))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then (unreachable)))
    (i32.store (i32.const 4) (i32.const 100))
    (i32.store (i32.const 8) (i32.const 4))
    (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (unreachable)))
(core instance $it (instantiate $guest (with "libc" (instance $libc)) (with "second" (instance $second))))
