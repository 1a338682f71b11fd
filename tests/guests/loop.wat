;; Never comes back: computes for ever, forward and backward.
(core module $guest
  (func (export "execute") (param i32 i32) (result i32) (loop $ever (br $ever)) (unreachable))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (loop $ever (br $ever)) (unreachable)))
(core instance $it (instantiate $guest (with "libc" (instance $libc)) (with "host" (instance $host))))
