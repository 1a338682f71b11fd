;; Counts how often it was asked, in a global and in its memory, and answers the sum as a digit.
(core module $guest
  (import "libc" "memory" (memory 1))
  (global $asked (mut i32) (i32.const 0))
  (func (export "execute") (param i32 i32) (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (i32.store (i32.const 200) (i32.add (i32.load (i32.const 200)) (i32.const 1)))
    (i32.store8 (i32.const 100) (i32.add (i32.const 48) (i32.add (global.get $asked) (i32.load (i32.const 200)))))
    (i32.store (i32.const 4) (i32.const 100))
    (i32.store (i32.const 8) (i32.const 1))
    (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
(core instance $it (instantiate $guest (with "libc" (instance $libc))))
