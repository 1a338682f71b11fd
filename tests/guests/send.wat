;; Sends requests into the world outside of the tests, and does what its input says, a letter at a time:
;;   p  send a POST     g  send a GET     m  send with a method that is none     n  send to a target that is none
;;   e  ask for the effects of earlier attempts     s  write `new` to key `k`     w  write a line to the log
;;   r  be rejected     u  be unavailable     c  be uncertain     t  trap     l  compute for ever
;; Any other letter means nothing, so that an input may be a JSON text. Forward it reads up to `/`, backward what is behind it. Parts
;; between commas are for one attempt each; the last one is for all later ones, too: `"pt,p/ep"`.
;;
;; Answers a JSON array of the status of each request and the number of effects, in the order of the letters. Backward it logs that.
(import "amends:test/outside@0.1.0" (instance $outside
  (export "send" (func (param "method" string) (param "target" string) (result u16)))))
(core func $send (canon lower (func $outside "send") (memory $memory)))
(core instance $outside (export "send" (func $send)))
(core module $guest
  (import "libc" "memory" (memory 1))
  (import "host" "attempt" (func $attempt (result i32)))
  (import "host" "effects" (func $effects (param i32)))
  (import "host" "set" (func $set (param i32 i32 i32 i32)))
  (import "host" "write" (func $write (param i32 i32 i32)))
  (import "outside" "send" (func $send (param i32 i32 i32 i32) (result i32)))
  (data (i32.const 1000) "POSTGETpost")
  (data (i32.const 1100) "https://bank.example/charges\n")
  (data (i32.const 1200) "as toldknew")
  (global $out (mut i32) (i32.const 2000))
  (func $letter (param $letter i32)
    (i32.store8 (global.get $out) (local.get $letter))
    (global.set $out (i32.add (global.get $out) (i32.const 1))))
  (func $digits (param $number i32)
    (if (i32.ge_u (local.get $number) (i32.const 10))
      (then (call $digits (i32.div_u (local.get $number) (i32.const 10)))))
    (call $letter (i32.add (i32.const 0x30) (i32.rem_u (local.get $number) (i32.const 10)))))
  ;; Adds a number to the answer, which starts with a bracket.
  (func $say (param $number i32)
    (if (i32.gt_u (global.get $out) (i32.const 2001)) (then (call $letter (i32.const 0x2c))))
    (call $digits (local.get $number)))
  (func $post (result i32) (call $send (i32.const 1000) (i32.const 4) (i32.const 1100) (i32.const 28)))
  (func $fail (param $failure i32)
    (i32.store (i32.const 0) (i32.const 1))
    (i32.store (i32.const 4) (local.get $failure))
    (i32.store (i32.const 8) (i32.const 1200)) (i32.store (i32.const 12) (i32.const 7))
    (i32.store (i32.const 16) (i32.const 1200)) (i32.store (i32.const 20) (i32.const 7)))
  (func $do (param $letter i32)
    (if (i32.eq (local.get $letter) (i32.const 0x70)) (then (call $say (call $post))))
    (if (i32.eq (local.get $letter) (i32.const 0x67))
      (then (call $say (call $send (i32.const 1004) (i32.const 3) (i32.const 1100) (i32.const 28)))))
    (if (i32.eq (local.get $letter) (i32.const 0x6d))
      (then (call $say (call $send (i32.const 1007) (i32.const 4) (i32.const 1100) (i32.const 28)))))
    (if (i32.eq (local.get $letter) (i32.const 0x6e))
      (then (call $say (call $send (i32.const 1000) (i32.const 4) (i32.const 1100) (i32.const 29)))))
    (if (i32.eq (local.get $letter) (i32.const 0x65))
      (then (call $effects (i32.const 100)) (call $say (i32.load (i32.const 104)))))
    (if (i32.eq (local.get $letter) (i32.const 0x73))
      (then (call $set (i32.const 1207) (i32.const 1) (i32.const 1208) (i32.const 3))))
    (if (i32.eq (local.get $letter) (i32.const 0x77)) (then (call $write (i32.const 1) (i32.const 1200) (i32.const 7))))
    (if (i32.eq (local.get $letter) (i32.const 0x72)) (then (call $fail (i32.const 0))))
    (if (i32.eq (local.get $letter) (i32.const 0x75)) (then (call $fail (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 0x63)) (then (call $fail (i32.const 2))))
    (if (i32.eq (local.get $letter) (i32.const 0x74)) (then (unreachable)))
    (if (i32.eq (local.get $letter) (i32.const 0x6c)) (then (loop $ever (br $ever)))))
  ;; Where the first such letter is, or the end.
  (func $find (param $at i32) (param $end i32) (param $letter i32) (result i32)
    (loop $more
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (if (i32.ne (i32.load8_u (local.get $at)) (local.get $letter))
            (then
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br $more))))))
    (local.get $at))
  ;; Does the part for this attempt.
  (func $do-part (param $at i32) (param $end i32) (local $skip i32) (local $comma i32)
    (call $letter (i32.const 0x5b))
    (local.set $skip (i32.sub (call $attempt) (i32.const 1)))
    (loop $more
      (local.set $comma (call $find (local.get $at) (local.get $end) (i32.const 0x2c)))
      (if (i32.and (i32.gt_u (local.get $skip) (i32.const 0)) (i32.lt_u (local.get $comma) (local.get $end)))
        (then
          (local.set $at (i32.add (local.get $comma) (i32.const 1)))
          (local.set $skip (i32.sub (local.get $skip) (i32.const 1)))
          (br $more))))
    (loop $more
      (if (i32.lt_u (local.get $at) (local.get $comma))
        (then
          (call $do (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $more))))
    (call $letter (i32.const 0x5d)))
  (func $len (result i32) (i32.sub (global.get $out) (i32.const 2000)))
  (func (export "execute") (param $at i32) (param $len i32) (result i32) (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    (call $do-part (local.get $at) (call $find (local.get $at) (local.get $end) (i32.const 0x2f)))
    (if (i32.eqz (i32.load8_u (i32.const 0)))
      (then (i32.store (i32.const 4) (i32.const 2000)) (i32.store (i32.const 8) (call $len))))
    (i32.const 0))
  (func (export "compensate") (param $at i32) (param $len i32) (param i32 i32 i32) (result i32) (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    (local.set $at (i32.add (call $find (local.get $at) (local.get $end) (i32.const 0x2f)) (i32.const 1)))
    (call $do-part (local.get $at) (local.get $end))
    (call $write (i32.const 1) (i32.const 2000) (call $len))
    (i32.const 0)))
(core instance $it (instantiate $guest
  (with "libc" (instance $libc)) (with "host" (instance $host)) (with "outside" (instance $outside))))
