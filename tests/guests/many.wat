;; Has four memories, as many as there may be, and waits for key `k` of the state.
(core module $extra (memory 1))
(core instance (instantiate $extra))
(core instance (instantiate $extra))
(core instance (instantiate $extra))
(core module $guest
  (import "host" "get" (func $get (param i32 i32 i32)))
  (func (export "execute") (param $at i32) (param $len i32) (result i32)
    (call $get (local.get $at) (local.get $len) (i32.const 100))
    (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
(core instance $it (instantiate $guest (with "host" (instance $host))))
