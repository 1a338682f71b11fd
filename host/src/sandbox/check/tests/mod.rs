//! Each rule of the check with a component that just keeps it beside one that just breaks it.

mod forms;
mod limits;
mod nesting;

use super::*;

/// What the contract asks of a component, and nothing in it.
const STEP_OF_NOTHING: &str = r#"(instance $step) (export "amends:saga/step@0.1.0" (instance $step))"#;

/// A component in the text format, with a step.
fn component(text: &str) -> Vec<u8> {
    let text = format!("(component {text} {STEP_OF_NOTHING})");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {}", &text[..text.len().min(2000)]))
}

/// A component with one core module.
fn module(text: &str) -> Vec<u8> {
    component(&format!("(core module {text})"))
}

fn checked(bytes: Vec<u8>) -> Result<Checked, Refusal> {
    check(&bytes.into(), &["amends:saga/log@0.1.0"])
}

/// One section of the binary format.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// A section of so many equal items.
fn items(id: u8, count: usize, item: &[u8]) -> Vec<u8> {
    section(id, &[leb(count), item.repeat(count)].concat())
}

/// A component with `sections`, and with a step.
fn component_of(sections: &[u8]) -> Vec<u8> {
    let instance = section(5, &[1, 1, 0]);
    let export = section(11, &[&[1, 0], leb(STEP.len()).as_slice(), STEP.as_bytes(), &[5, 0, 0]].concat());
    [b"\0asm\x0d\0\x01\0", sections, &instance, &export].concat()
}

/// A component with one core module that has `sections`.
fn module_of(sections: &[&[u8]]) -> Vec<u8> {
    component_of(&section(1, &[b"\0asm\x01\0\0\0".as_slice(), &sections.concat()].concat()))
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
    bytes
}
