;; Wants 64 MiB before it is even asked.
(core module $guest
  (memory 1024)
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
(core instance $it (instantiate $guest))
