//! Everything that is counted: as many as there may be, and one more.

use super::super::tally::Counted;
use super::*;

/// `make(limit)` is accepted, and `make(limit + 1)` refused with these words and numbers.
fn check_limit(what: &'static str, limit: u64, make: impl Fn(usize) -> Vec<u8>) {
    let at = usize::try_from(limit).expect("limits are small");
    if let Err(refusal) = checked(make(at)) {
        panic!("{limit} {what}: {refusal}");
    }
    let refused = Refusal::TooMany { what, found: limit + 1, limit };
    assert_eq!(checked(make(at + 1)).map(|_| ()), Err(refused), "{what}");
}

fn check_counted(counted: Counted, make: impl Fn(usize) -> Vec<u8>) {
    let (what, limit) = counted.limit();
    check_limit(what, limit, make);
}

/// `()`: a type of 3 bytes.
const EMPTY_TYPE: &[u8] = &[0x60, 0, 0];
/// A module with one type, `()`.
fn typed(sections: &[&[u8]]) -> Vec<u8> {
    module_of(&[[items(1, 1, EMPTY_TYPE).as_slice()].as_slice(), sections].concat())
}

#[test]
fn whatever_a_core_module_has_much_of_is_bounded() {
    check_counted(Counted::Modules, |n| component_of(&section(1, b"\0asm\x01\0\0\0").repeat(n)));
    check_counted(Counted::Types, |n| module_of(&[&items(1, n, EMPTY_TYPE)]));
    check_counted(Counted::Imports, |n| typed(&[&items(2, n, &[0, 0, 0, 0])]));
    check_counted(Counted::Functions, |n| typed(&[&items(3, n, &[0]), &items(10, n, &[2, 0, 0x0b])]));
    check_counted(Counted::Tables, |n| module_of(&[&items(4, n, &[0x70, 0, 1])]));
    check_counted(Counted::Memories, |n| module_of(&[&items(5, n, &[0, 1])]));
    check_counted(Counted::Globals, |n| module_of(&[&items(6, n, &[0x7f, 0, 0x41, 0, 0x0b])]));
    check_counted(Counted::Exports, |n| module_of(&[&items(7, n, &[0, 0, 0])]));
    check_counted(Counted::ElementSegments, |n| module_of(&[&items(9, n, &[1, 0, 0])]));
    check_counted(Counted::Elements, |n| module_of(&[&section(9, &[&[1, 1, 0], leb(n).as_slice(), &vec![0; n]].concat())]));
    check_counted(Counted::DataSegments, |n| module_of(&[&items(11, n, &[1, 0])]));
}

#[test]
fn types_are_bounded_by_their_bytes_before_they_are_read() {
    let wide = |len: usize| {
        // One type of parameters up to the last bytes, which are many types.
        let groups = len / 98;
        let content = [leb(groups), [&[0x60, 95], [0x7f; 95].as_slice(), &[0]].concat().repeat(groups)].concat();
        module_of(&[&section(1, &content)])
    };
    assert!(checked(wide(1024 * 1024 - 1000)).is_ok());
    let refused = checked(wide(1024 * 1024 + 1000)).map(|_| ());
    assert!(matches!(refused, Err(Refusal::TooMany { what: "bytes of types", limit: 1_048_576, .. })), "{refused:?}");
    // What claims to be one group of a million types is not read.
    let group = section(1, &[&[1, 0x4e], leb(1_000_000).as_slice(), &EMPTY_TYPE.repeat(1_000_000)].concat());
    assert!(matches!(checked(module_of(&[&group])), Err(Refusal::TooMany { what: "bytes of types", found: 3_000_005, .. })));
}

#[test]
fn whatever_a_component_has_much_of_is_bounded() {
    let empty = b"\0asm\x0d\0\x01\0";
    check_counted(Counted::Components, |n| component_of(&section(4, empty).repeat(n)));
    check_counted(Counted::ComponentTypes, |n| component_of(&items(7, n, &[0x7f])));
    check_counted(Counted::ComponentTypeBytes, |n| {
        // One type section of `n` bytes: it is not looked into.
        component_of(&section(7, &[leb(1), vec![0x7f; n - 1]].concat()))
    });
    check_counted(Counted::Aliases, |n| {
        // Aliases of a core type, 0 further out.
        component_of(&items(6, n, &[0, 0x10, 2, 0, 0]))
    });
    // One of these names is `step`.
    check_counted(Counted::BorderNames, |n| component_of(&items(11, n - 1, &[0, 1, b'a', 3, 0, 0])));
    // The header, the end, the instance and the export are sections of the walk, too.
    check_counted(Counted::Sections, |n| component_of(&items(7, 0, &[]).repeat(n - 4)));
}

#[test]
fn every_function_is_bounded() {
    let function = |body: &[u8]| typed(&[&items(3, 1, &[0]), &section(10, &[&[1], leb(body.len()).as_slice(), body].concat())]);
    check_limit("bytes in one function", 1024 * 1024, |n| function(&[&[0], vec![1; n - 2].as_slice(), &[0x0b]].concat()));
    check_limit("locals in one function", 10_000, |n| function(&[&[1], leb(n).as_slice(), &[0x7f, 0x0b]].concat()));
    // Two groups whose sum does not fit 32 bits.
    let many = [&[2], leb(9_000).as_slice(), &[0x7f], &leb(0xffff_ffff), &[0x7f, 0x0b]].concat();
    assert!(matches!(checked(function(&many)), Err(Refusal::Malformed(_) | Refusal::TooMany { .. })));
    check_limit("nested blocks in one function", 4_000, |n| {
        function(&[&[0], [0x02, 0x40].repeat(n).as_slice(), &vec![0x0b; n], &[0x0b]].concat())
    });
    let table = |n: usize| [&[0x41, 0, 0x0e], leb(n).as_slice(), &vec![0; n + 1]].concat();
    check_limit("branches of one br_table", 20_000, |n| function(&[&[0], table(n).as_slice(), &[0x0b]].concat()));
    check_counted(Counted::Branches, |n| {
        // Twenty a function, so that only their sum is large.
        let body = |tables: usize, last: usize| {
            let body = [&[0], table(20_000).repeat(tables).as_slice(), &table(last), &[0x0b]].concat();
            [leb(body.len()), body].concat()
        };
        let (full, rest) = (n / 400_000, n % 400_000);
        let bodies = [body(19, 20_000).repeat(full), body(rest / 20_000, rest % 20_000)].concat();
        typed(&[&items(3, full + 1, &[0]), &section(10, &[leb(full + 1), bodies].concat())])
    });
    for (parameters, results) in [("param", "result"), ("result", "param")] {
        let what = if parameters == "param" { "parameters of one function" } else { "results of one function" };
        check_limit(what, 128, |n| {
            module(&format!("(type (func {} ({results} i32)))", format!("({parameters} i32)").repeat(n)).replace(
                // Parameters stand before results.
                &format!("{} (param i32)", "(result i32)".repeat(n)),
                &format!("(param i32) {}", "(result i32)".repeat(n)),
            ))
        });
    }
    check_limit("elements in a table", 20_000, |n| module(&format!("(table {n} funcref)")));
}

#[test]
fn custom_sections_are_bounded_and_only_names_and_producers_reach_the_compiler() {
    let custom = |name: &str, len: usize| {
        let head = [leb(name.len()), name.into()].concat();
        section(0, &[head.as_slice(), &vec![b'x'; len - head.len()]].concat())
    };
    check_counted(Counted::DroppedBytes, |n| component_of(&custom(".debug_info", n)));
    check_counted(Counted::DroppedBytes, |n| component_of(&[custom("a", n / 2), custom("a", n - n / 2)].concat()));
    check_counted(Counted::KeptBytes, |n| component_of(&custom("producers", n)));

    let inner = [module_of(&[&custom(".debug_info", 3000), &custom("name", 20)]), custom("other", 300)].concat();
    let full = component_of(&[section(4, &inner), custom("linking", 50), custom("component-name", 30)].concat());
    let stripped = checked(full).expect("it is small").bytes;
    let expected = component_of(&[section(4, &module_of(&[&custom("name", 20)])), custom("component-name", 30)].concat());
    assert_eq!(stripped, expected);

    let plain = Bytes::from(component_of(&custom("name", 30)));
    let same = check(&plain, &[]).expect("it is small").bytes;
    assert_eq!(same.as_ptr(), plain.as_ptr(), "what has nothing to drop is not copied");
}
