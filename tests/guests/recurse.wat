;; Calls itself until its stack is used up.
(core module $guest
  (func $deeper (param $depth i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get $depth) (i32.const 1))) (local.get $depth)))
  (func (export "execute") (param i32 i32) (result i32) (call $deeper (i32.const 0)))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (unreachable)))
(core instance $it (instantiate $guest (with "libc" (instance $libc)) (with "host" (instance $host))))
