;; What the guests of tests/hostile/wasi.rs ask of WASI, put before them in the frame. Only what they need of each interface.
(import "wasi:io/poll@0.2.0" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
  (alias outer 1 $pollable (type $pollable'))
  (export "pollable" (type $pollable (eq $pollable')))
  (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
(import "wasi:filesystem/types@0.2.0" (instance $files
  (export "descriptor" (type (sub resource)))))
(alias export $files "descriptor" (type $descriptor))
(import "wasi:http/types@0.2.0" (instance $http
  (export "fields" (type $fields (sub resource)))
  (type $header-error' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
  (export "header-error" (type $header-error (eq $header-error')))
  (export "[static]fields.from-list" (func (param "entries" (list (tuple string (list u8))))
    (result (result (own $fields) (error $header-error)))))))
(core func $poll (canon lower (func $poll "poll") (memory $memory) (realloc $realloc)))
(core func $subscribe (canon lower (func $clock "subscribe-duration")))
(core func $close (canon resource.drop $descriptor))
(core func $fields (canon lower (func $http "[static]fields.from-list") (memory $memory) (realloc $realloc)))
(core instance $wasi
  (export "poll" (func $poll)) (export "subscribe" (func $subscribe)) (export "close" (func $close)) (export "fields" (func $fields)))
