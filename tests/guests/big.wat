;; Answers as many bytes as the first 4 bytes of its input say, the lowest first.
(core module $guest
  (import "libc" "memory" (memory 1))
  (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (func (export "execute") (param $at i32) (param i32) (result i32)
    (i32.store (i32.const 8) (i32.load (local.get $at)))
    (i32.store (i32.const 4) (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.load (local.get $at))))
    (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
(core instance $it (instantiate $guest (with "libc" (instance $libc))))
