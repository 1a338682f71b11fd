//! Small components that become large ones when they are instantiated.

use super::*;
use std::time::{Duration, Instant};

/// A component that becomes `fan_out ^ levels` instances. Each level is defined within the one above, or beside it.
fn bomb(levels: usize, fan_out: usize, nested: bool) -> Vec<u8> {
    let mut text = "(component $c0)".to_owned();
    for level in 1..levels {
        let inner = level - 1;
        let instances = format!("(instance (instantiate $c{inner}))").repeat(fan_out);
        text = if nested {
            format!("(component $c{level} {text} {instances})")
        } else {
            format!("{text} (component $c{level} (alias outer 1 $c{inner} (component $c{inner})) {instances})")
        };
    }
    let last = levels - 1;
    component(&format!("{text} {}", format!("(instance (instantiate $c{last}))").repeat(fan_out)))
}

fn found(refused: Result<Checked, Refusal>) -> Option<(&'static str, u64, u64)> {
    match refused {
        Err(Refusal::TooMany { what, found, limit }) => Some((what, found, limit)),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

const INSTANCES: &str = "nested instances, multiplied out";

#[test]
fn nested_instantiations_are_multiplied_out_and_bounded() {
    // 2 + 4 + 8 + 16 + 32 is 62, and one level more is too much.
    assert_eq!(found(checked(bomb(5, 2, false))), None);
    assert_eq!(found(checked(bomb(6, 2, false))), Some((INSTANCES, 126, 64)));
    // What is nested is bounded by the nesting, too.
    assert_eq!(found(checked(bomb(3, 3, true))), None);
    assert_eq!(found(checked(bomb(3, 4, true))), Some((INSTANCES, 84, 64)));
    assert_eq!(found(checked(bomb(1, 64, true))), None);
    assert_eq!(found(checked(bomb(1, 65, true))), Some((INSTANCES, 65, 64)));
}

#[test]
fn the_known_bombs_are_refused_at_once() {
    for (levels, fan_out, nested, instances) in [
        // 1.2 kB that became 16 million instances, 15 s and 4.5 GiB in a compiler.
        (23, 2, false, 16_777_214),
        // Three levels of 900, which ended the process.
        (3, 900, true, 729_810_900),
        (3, 900, false, 729_810_900),
        (60, 30, false, u64::MAX),
    ] {
        let bytes = bomb(levels, fan_out, nested);
        let begun = Instant::now();
        assert_eq!(found(checked(bytes)), Some((INSTANCES, instances, 64)));
        assert!(begun.elapsed() < Duration::from_millis(50), "{:?}", begun.elapsed());
    }
}

#[test]
fn core_instances_and_their_data_are_multiplied_out_and_bounded() {
    let modules = |instances: usize, data: usize| {
        let instances = "(core instance (instantiate $m))".repeat(instances);
        component(&format!(
            "(core module $m (data \"{}\")) (component $c (alias outer 1 $m (core module $m)) {instances})
             (instance (instantiate $c)) (instance (instantiate $c))",
            "x".repeat(data)
        ))
    };
    assert_eq!(found(checked(modules(32, 1024))), None);
    assert_eq!(found(checked(modules(33, 1024))), Some(("core instances, multiplied out", 66, 64)));
    assert_eq!(found(checked(modules(32, 768 * 1024))), None);
    let most = 48 * 1024 * 1024;
    assert_eq!(found(checked(modules(32, 768 * 1024 + 1))), Some(("bytes of data segments, multiplied out", most + 64, most)));
}

#[test]
fn memories_and_tables_are_multiplied_out_and_bounded() {
    let twice = |instances: usize, items: &str| {
        let instances = "(core instance (instantiate $m))".repeat(instances);
        component(&format!(
            "(core module $m {items}) (component $c (alias outer 1 $m (core module $m)) {instances})
             (instance (instantiate $c)) (instance (instantiate $c))"
        ))
    };
    assert_eq!(found(checked(twice(2, "(memory 1)"))), None);
    assert_eq!(found(checked(twice(3, "(memory 1)"))), Some(("memories, multiplied out", 6, 4)));
    assert_eq!(found(checked(twice(2, "(table 1 funcref) (table 1 funcref)"))), None);
    assert_eq!(found(checked(twice(3, "(table 1 funcref) (table 1 funcref)"))), Some(("tables, multiplied out", 12, 8)));
    // One that is imported is another module's.
    assert_eq!(found(checked(twice(5, r#"(import "m" "m" (memory 1))"#))), None);
}

#[test]
fn functions_between_components_are_multiplied_out_and_bounded() {
    let canonicals = |n: usize| {
        // Each one drops a handle; what of is not looked at.
        let nested = [b"\0asm\x0d\0\x01\0".as_slice(), &items(8, n, &[3, 0])].concat();
        let instance = section(5, &[2, 0, 0, 0, 0, 0, 0]);
        component_of(&[section(4, &nested), instance].concat())
    };
    assert_eq!(found(checked(canonicals(2_500))), None);
    assert_eq!(found(checked(canonicals(2_501))), Some(("canonical functions, multiplied out", 5_002, 5_000)));
}

#[test]
fn what_is_instantiated_must_be_defined_within() {
    let foreign = [
        r#"(component (import "c" (component $c)) (instance (instantiate $c)))"#,
        r#"(component (import "m" (core module $m)) (core instance (instantiate $m)))"#,
        r#"(component $c (component $d) (export "d" (component $d))) (instance $i (instantiate $c))
           (alias export $i "d" (component $e)) (instance (instantiate $e))"#,
    ];
    for text in foreign {
        assert_eq!(checked(component(text)).map(|_| ()), Err(Refusal::ForeignInstantiated), "{text}");
    }
    // Exported, and instantiated by its second index.
    let own = r#"(component $c) (export $d "d" (component $c)) (instance (instantiate $d))"#;
    checked(component(own)).unwrap_or_else(|refusal| panic!("{refusal}"));
    // An index that there is not, of every kind.
    for sections in [
        items(6, 1, &[4, 2, 9, 0]),
        items(6, 1, &[0, 0x11, 2, 0, 7]),
        section(5, &[1, 0, 5, 0]),
        section(2, &[1, 0, 5, 0]),
        items(11, 1, &[0, 1, b'a', 4, 6, 0]),
    ] {
        assert_eq!(checked(component_of(&sections)).map_err(|refusal| refusal.code()).err(), Some("component_malformed"));
    }
}
