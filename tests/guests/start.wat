;; Loops before it is even asked: in the start function of its module.
(core module $guest
  (func $start (loop $ever (br $ever)))
  (start $start)
  (func (export "execute") (param i32 i32) (result i32) (unreachable))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (unreachable)))
(core instance $it (instantiate $guest (with "libc" (instance $libc)) (with "host" (instance $host))))
