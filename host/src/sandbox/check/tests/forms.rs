//! What kind of thing was uploaded, what it is called and which parts of WebAssembly it uses.

use super::*;

/// An empty component with `sections` in it, without a step.
fn bare(sections: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".as_slice(), sections].concat()
}

#[test]
fn what_is_not_a_component_is_refused_each_with_its_own_code() {
    let deep = |levels: usize| (1..levels).fold(bare(&[]), |inner, _| bare(&section(4, &inner)));
    for (bytes, code) in [
        (vec![0; COMPONENT_LEN_MAX + 1], "component_too_large"),
        (vec![0; COMPONENT_LEN_MAX], "component_is_not_webassembly"),
        (b"\0asm\x01\0\0\0".to_vec(), "component_is_core_module"),
        (b"\x7fELF\x02\x01\x01".to_vec(), "component_is_native_code"),
        (b"  (component)".to_vec(), "component_is_text"),
        (b";; later".to_vec(), "component_is_text"),
        (b"".to_vec(), "component_is_not_webassembly"),
        (b"\0asm".to_vec(), "component_is_not_webassembly"),
        (bare(&[99, 200]), "component_malformed"),
        (bare(&[99, 0]), "component_malformed"),
        (bare(&[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), "component_malformed"),
        (bare(&section(1, &bare(&[]))), "component_malformed"),
        (deep(5), "component_nested_too_deep"),
        (deep(4), "step_not_exported"),
        (bare(&[]), "step_not_exported"),
    ] {
        assert_eq!(checked(bytes).map_err(|refusal| refusal.code()).err(), Some(code));
    }
    assert!(checked(component("")).is_ok());
    let other = wat::parse_str(r#"(component (component $c) (export "amends:saga/step@0.1.0" (component $c)))"#).expect("text");
    assert_eq!(checked(other).map_err(|refusal| refusal.code()).err(), Some("step_mistyped"));
}

#[test]
fn parts_of_webassembly_that_no_guest_needs_are_refused_by_name() {
    for (text, feature) in [
        ("(memory i64 1)", "memory64"),
        (r#"(import "m" "m" (memory i64 1))"#, "memory64"),
        ("(table i64 1 funcref)", "memory64"),
        ("(memory 1 2 shared)", "threads"),
        (r#"(import "m" "m" (memory 1 2 shared))"#, "threads"),
        ("(func (atomic.fence))", "threads"),
        ("(memory 1 (pagesize 1))", "custom_page_sizes"),
        ("(type (struct))", "gc"),
        ("(type (array i32))", "gc"),
        ("(rec (type (func)) (type (func)))", "gc"),
        ("(type (sub (func)))", "gc"),
        ("(func (drop (ref.i31 (i32.const 0))))", "gc"),
        ("(func (param (ref null any)))", "function_references"),
        ("(func (local anyref))", "function_references"),
        ("(global (ref null eq) (ref.null eq))", "function_references"),
        ("(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))", "function_references"),
        ("(table 1 externref)", "externref"),
        ("(func (result externref) (unreachable))", "externref"),
        ("(func (drop (ref.null extern)))", "externref"),
        ("(func (drop (select (result externref) (unreachable))))", "externref"),
        ("(func (drop (block (result externref) (unreachable))))", "externref"),
        ("(elem declare externref)", "externref"),
        ("(tag)", "exceptions"),
        (r#"(import "t" "t" (tag))"#, "exceptions"),
        ("(func (throw_ref (unreachable)))", "exceptions"),
        ("(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))", "relaxed_simd"),
        (
            "(func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
            "wide_arithmetic",
        ),
    ] {
        assert_eq!(checked(module(text)).map(|_| ()), Err(Refusal::Feature(feature)), "{text}");
    }
    let offered = r#"(import "m" "m" (memory 1 2)) (table 1 funcref) (global (mut i64) (i64.const 1)) (elem declare func $f)
        (func $f (param funcref) (local v128) (drop (i32x4.add (local.get 1) (local.get 1)))
          (drop (i32.extend8_s (i32.const 1))) (drop (i32.trunc_sat_f32_s (f32.const 1)))
          (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (return_call $f (ref.func $f)))"#;
    checked(module(offered)).unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[test]
fn names_that_would_read_as_something_else_are_refused_wherever_they_stand() {
    for (name, told) in
        [("a\u{202e}b", "a\\u{202e}b"), ("a\u{1b}[2J", "a\\u{1b}[2J"), ("\0", "\\u{0}"), ("x\u{2066}y", "x\\u{2066}y")]
    {
        let name = name.escape_default();
        for text in [
            format!(r#"(core module (import "{name}" "f" (func)))"#),
            format!(r#"(core module (import "f" "{name}" (func)))"#),
            format!(r#"(core module (func (export "{name}")))"#),
        ] {
            assert_eq!(checked(component(&text)).map(|_| ()), Err(Refusal::NameNotPlain(told.into())), "{text}");
        }
    }
    // The text format refuses these at a component's border; the binary one can say anything.
    let named =
        |id: u8, name: &str, rest: &[u8]| section(id, &[&[1, 0], leb(name.len()).as_slice(), name.as_bytes(), rest].concat());
    for (id, rest) in [(10, [1, 0].as_slice()), (11, [3, 0, 0].as_slice())] {
        let refused = checked(component_of(&named(id, "a\u{202e}b", rest)));
        assert_eq!(refused.map(|_| ()), Err(Refusal::NameNotPlain("a\\u{202e}b".into())));
        assert!(!matches!(checked(component_of(&named(id, "a-b", rest))), Err(Refusal::NameNotPlain(_))));
    }
    checked(component(r#"(core module (import "memory_ä" "漢" (func)))"#)).unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[test]
fn only_what_is_offered_may_be_imported() {
    let importing = |name: &str| checked(component(&format!(r#"(import "{name}" (instance))"#)));
    assert_eq!(importing("amends:saga/log@0.1.0").expect("it is offered").border.imports, ["amends:saga/log@0.1.0"]);
    for name in ["amends:saga/log@0.2.0", "amends:saga/log", "wasi:sockets/tcp@0.2.0"] {
        assert_eq!(importing(name).map(|_| ()), Err(Refusal::ForbiddenImports(vec![name.into()])));
    }
    // What a nested component imports is given to it by the component around it.
    assert!(checked(component(r#"(component (import "a:b/c" (instance)))"#)).is_ok());
}

#[test]
fn no_truncation_and_no_flipped_byte_breaks_the_check() {
    let text = format!(
        "(core module $m (import \"a\" \"b\" (func)) (memory 1) (table 2 funcref) (func (block (br_table 0 0 (i32.const 0)))) (data \"x\"))
        (component $c (core module $n) (core instance (instantiate $n)) (type (func (param \"a\" (list u8)))))
        (instance (instantiate $c)) {}",
        "(alias outer 0 $c (component))"
    );
    let whole = component(&text);
    assert!(checked(whole.clone()).is_ok());
    for len in 0..whole.len() {
        let _ = checked(whole[..len].to_vec());
        for flipped in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[len] ^= flipped;
            let _ = checked(bytes);
        }
    }
}
