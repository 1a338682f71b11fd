;; Traps, two named functions deep, when it is asked to do or to take back something.
(core module $guest
  (func $charge_card (unreachable))
  (func $pay (call $charge_card))
  (func (export "execute") (param i32 i32) (result i32) (call $pay) (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (call $pay) (i32.const 0)))
(core instance $it (instantiate $guest))
