;; The component around the guests of tests/sandbox.rs. A guest's file is put in the place marked for it: a core module and its
;; instance `$it`, which exports `execute` and `compensate` with the canonical ABI. Its memory is that of `$libc`, what it calls is
;; in `$host`.
;;
;; What `execute` gives back is the address of: 0 the tag (0 ok, 1 failed); if ok 4 address and 8 length of the output; if failed 4
;; which failure, 8 and 12 the code, 16 and 20 the message, 24 the tag of the details, 28 and 32 the details. `compensate` alike,
;; without an output.
(component
  (import "amends:saga/types@0.1.0" (instance $types
    (type $fault' (record (field "code" string) (field "message" string) (field "details" (option (list u8)))))
    (export "fault" (type $fault (eq $fault')))
    (type $failure' (variant (case "rejected" $fault) (case "unavailable" $fault) (case "uncertain" $fault)))
    (export "failure" (type (eq $failure')))
    (type $effect' (record (field "method" string) (field "target" string) (field "sent-at-ms" u64) (field "answer" (option u16))
      (field "response" (option (list u8)))))
    (export "effect" (type (eq $effect')))))
  (alias export $types "failure" (type $failure))
  (alias export $types "effect" (type $effect))
  (import "amends:saga/invocation@0.1.0" (instance $invocation
    (alias outer 1 $effect (type $effect'))
    (export "effect" (type $effect (eq $effect')))
    (export "tenant" (func (result string)))
    (export "saga" (func (result string)))
    (export "run" (func (result string)))
    (export "step-id" (func (result string)))
    (export "handler" (func (result string)))
    (export "attempt" (func (result u32)))
    (export "idempotency-key" (func (result string)))
    (export "deadline-ms" (func (result u64)))
    (export "fuel-remaining" (func (result u64)))
    (export "effects" (func (result (list $effect))))
    (export "retry-after-ms" (func (param "ms" u64)))))
  (import "amends:saga/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (import "amends:saga/state@0.1.0" (instance $state
    (export "get" (func (param "key" string) (result (option (list u8)))))
    (export "set" (func (param "key" string) (param "value" (list u8))))
    (export "remove" (func (param "key" string)))))
  (import "amends:saga/secrets@0.1.0" (instance $secrets
    (export "get" (func (param "name" string) (result (option string))))))

  ;; One memory and an allocator that never frees. Below 32768 guests have their own data.
  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32) (param $align i32) (param $len i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $len)))
      (loop $more
        (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
          (then
            (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
            (br $more))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core func $tenant (canon lower (func $invocation "tenant") (memory $memory) (realloc $realloc)))
  (core func $saga (canon lower (func $invocation "saga") (memory $memory) (realloc $realloc)))
  (core func $run (canon lower (func $invocation "run") (memory $memory) (realloc $realloc)))
  (core func $step-id (canon lower (func $invocation "step-id") (memory $memory) (realloc $realloc)))
  (core func $handler (canon lower (func $invocation "handler") (memory $memory) (realloc $realloc)))
  (core func $idempotency-key (canon lower (func $invocation "idempotency-key") (memory $memory) (realloc $realloc)))
  (core func $attempt (canon lower (func $invocation "attempt")))
  (core func $deadline-ms (canon lower (func $invocation "deadline-ms")))
  (core func $fuel-remaining (canon lower (func $invocation "fuel-remaining")))
  (core func $effects (canon lower (func $invocation "effects") (memory $memory) (realloc $realloc)))
  (core func $retry-after-ms (canon lower (func $invocation "retry-after-ms")))
  (core func $write (canon lower (func $log "write") (memory $memory)))
  (core func $get (canon lower (func $state "get") (memory $memory) (realloc $realloc)))
  (core func $set (canon lower (func $state "set") (memory $memory)))
  (core func $remove (canon lower (func $state "remove") (memory $memory)))
  (core func $secret (canon lower (func $secrets "get") (memory $memory) (realloc $realloc)))
  (core instance $host
    (export "tenant" (func $tenant)) (export "saga" (func $saga)) (export "run" (func $run)) (export "step-id" (func $step-id))
    (export "handler" (func $handler)) (export "idempotency-key" (func $idempotency-key)) (export "attempt" (func $attempt))
    (export "deadline-ms" (func $deadline-ms)) (export "fuel-remaining" (func $fuel-remaining)) (export "effects" (func $effects))
    (export "retry-after-ms" (func $retry-after-ms)) (export "write" (func $write)) (export "get" (func $get))
    (export "set" (func $set)) (export "remove" (func $remove)) (export "secret" (func $secret)))

  (;guest;)

  (func $execute (param "input" (list u8)) (result (result (list u8) (error $failure)))
    (canon lift (core func $it "execute") (memory $memory) (realloc $realloc)))
  (func $compensate (param "input" (list u8)) (param "output" (option (list u8))) (result (result (error $failure)))
    (canon lift (core func $it "compensate") (memory $memory) (realloc $realloc)))
  (instance $step (export "execute" (func $execute)) (export "compensate" (func $compensate)))
  (export "amends:saga/step@0.1.0" (instance $step)))
