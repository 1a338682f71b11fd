//! Uploads as bytes: sections of the binary format, and components that are small and become large. Written by hand, because no tool
//! writes what is wrong.

use std::fmt::Write;

/// A number as WebAssembly writes lengths.
pub fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
    bytes
}

/// One section.
pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// A section of so many equal items.
pub fn items(id: u8, count: usize, item: &[u8]) -> Vec<u8> {
    section(id, &[leb(count), item.repeat(count)].concat())
}

/// A component of these sections and no others.
pub fn bare_component(sections: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", sections].concat()
}

/// `component` with more sections behind its own.
pub fn with_sections(mut component: Vec<u8>, sections: &[u8]) -> Vec<u8> {
    component.extend_from_slice(sections);
    component
}

/// A core module.
pub fn core_module(sections: &[&[u8]]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".as_slice(), &sections.concat()].concat()
}

/// A core module with one function, which takes nothing and gives nothing; `body` is its locals and instructions.
pub fn core_function(body: &[u8]) -> Vec<u8> {
    let code = section(10, &[&[1], leb(body.len()).as_slice(), body].concat());
    core_module(&[&items(1, 1, &[0x60, 0, 0]), &items(3, 1, &[0]), &code])
}

/// `component` with core modules in it that nobody instantiates: they are checked and compiled all the same.
pub fn with_modules(component: Vec<u8>, modules: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    modules.into_iter().fold(component, |component, module| with_sections(component, &section(1, &module)))
}

/// A component of `levels` components, each of which instantiates the one before `fan_out` times.
///
/// # Panics
/// Never: it is WebAssembly text.
pub fn bomb(levels: usize, fan_out: usize) -> Vec<u8> {
    let mut text = "(component (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..levels {
        let inner = level - 1;
        let instances = format!("(instance (instantiate $c{inner}))").repeat(fan_out);
        write!(text, "(component $c{level} (alias outer 1 $c{inner} (component $c{inner})) {instances})")
            .expect("a string takes all");
    }
    let instances = format!("(instance (instantiate $c{}))", levels - 1).repeat(fan_out);
    wat::parse_str(format!("{text} {instances} (instance $s) (export \"amends:saga/step@0.1.0\" (instance $s)))")).expect("text")
}

/// The guest `echo` with modules beside it that keep a compiler busy for many seconds, and every one of which is allowed: values that
/// live from end to end, and thousands of places where each may have come from another one.
///
/// # Panics
/// Never: it is WebAssembly text.
pub fn busy() -> Vec<u8> {
    let locals = 60;
    let choice = |n: usize| {
        let (from, to) = (n * 7 % locals, n * 13 % locals);
        format!("(if (local.get {from}) (then (local.set {to} (i32.add (local.get {from}) (local.get {to})))))")
    };
    let body: String = (0..5_000).map(choice).collect();
    let module = wat::parse_str(format!("(module (func (param i32) (local {}) {body}))", "i32 ".repeat(locals))).expect("text");
    with_modules(crate::small_guest("echo"), std::iter::repeat_n(module, 60))
}
