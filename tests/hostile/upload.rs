//! Uploads that are no plugin, or one that would hurt whoever compiles it. What is refused is refused before it is compiled, but for
//! one that only the compiler's own limits end.

use crate::attack::{Attack, executes};
use harness::{
    amends, bare_component, bomb, busy, core_function, core_module, items, leb, section, small_guest, small_guest_text,
    with_modules, with_sections,
};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// No refusal of a bomb takes longer, or more memory.
const REFUSED_WITHIN: (Duration, u64) = (Duration::from_millis(50), 50 << 20);
const TOO_MANY: &str = "refused component_has_too_many";
const MALFORMED: &str = "refused component_malformed";
const NO_FEATURE: &str = "refused component_feature_not_offered";
const MIB: usize = 1 << 20;
const MILLION: usize = 1_000_000;

pub(crate) fn attacks() -> Vec<Attack> {
    [bombs(), much(), no_components(), custom_sections(), borders(), segments(), compilers()].concat()
}

fn refused(name: &'static str, verdict: &'static str, component: Vec<u8>) -> Attack {
    Attack::component(name, verdict, component).within(REFUSED_WITHIN.0 * 20, REFUSED_WITHIN.1)
}

fn bombs() -> Vec<Attack> {
    let bomb = |name, levels, fan_out| Attack::component(name, TOO_MANY, bomb(levels, fan_out));
    let bombs = [bomb("a bomb 23 levels deep by 2", 23, 2), bomb("a bomb 3 levels deep by 900", 3, 900)];
    bombs.map(|bomb| bomb.within(REFUSED_WITHIN.0, REFUSED_WITHIN.1)).to_vec()
}

/// A good guest, and beside it a module that nobody instantiates.
fn beside(module: Vec<u8>) -> Vec<u8> {
    with_modules(small_guest("echo"), [module])
}

fn much() -> Vec<Attack> {
    let blocks = |n: usize| [&[0], [0x02, 0x40].repeat(n).as_slice(), &vec![0x0b; n + 1]].concat();
    let branches = |n: usize| [&[0, 0x41, 0, 0x0e], leb(n).as_slice(), &vec![0; n + 1], &[0x0b]].concat();
    let types = items(1, 1, &[0x60, 0, 0]);
    [
        ("a function of 1 MiB", TOO_MANY, core_function(&[&[0], vec![1; MIB].as_slice(), &[0x0b]].concat())),
        ("11,000 nested blocks", TOO_MANY, core_function(&blocks(11_000))),
        ("3,000 nested blocks", "ok", core_function(&blocks(3_000))),
        ("50,000 locals", TOO_MANY, core_function(&[&[1], leb(50_000).as_slice(), &[0x7f, 0x0b]].concat())),
        ("a br_table of a million", TOO_MANY, core_function(&branches(MILLION))),
        ("a million types", TOO_MANY, core_module(&[&items(1, MILLION, &[0x60, 0, 0])])),
        ("a million imports", TOO_MANY, core_module(&[&types, &items(2, MILLION, &[0, 0, 0, 0])])),
        ("a million exports", TOO_MANY, core_module(&[&types, &items(7, MILLION, &[0, 0, 0])])),
    ]
    .map(|(name, verdict, module)| refused(name, verdict, beside(module)))
    .to_vec()
}

fn no_components() -> Vec<Attack> {
    let echo = small_guest("echo");
    let scrap: Vec<u8> = (0..100_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    [
        ("cut off in the middle", MALFORMED, echo[..echo.len() / 2].to_vec()),
        ("garbage", "refused component_is_not_webassembly", scrap.clone()),
        ("garbage behind the right beginning", MALFORMED, bare_component(&scrap)),
        ("a length that overflows", MALFORMED, bare_component(&[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("a length behind the end", MALFORMED, bare_component(&[7, 0xff, 0xff, 0xff, 0x0f])),
        ("a core module", "refused component_is_core_module", core_module(&[])),
        (
            "a program of this machine",
            "refused component_is_native_code",
            std::fs::read(amends()).expect("it is built")[..MIB].into(),
        ),
        ("code that this host compiled", "refused component_is_native_code", compiled(&echo)),
        ("text", "refused component_is_text", small_guest_text("frame").into_bytes()),
        ("nothing", "refused component_is_not_webassembly", Vec::new()),
        ("32 MiB and a byte", "refused component_too_large", vec![0; 32 * MIB + 1]),
    ]
    .map(|(name, verdict, component)| refused(name, verdict, component))
    .to_vec()
}

/// What the compiler's process answers for a component: code that this very host would run, had it asked for it.
fn compiled(component: &[u8]) -> Vec<u8> {
    let mut child = Command::new(amends())
        .args(["compile-child", "--memory-max", "1073741824", "--cpu-max-s", "60"])
        // As the host starts it: else its allocator takes all that it may name.
        .env("MIMALLOC_ARENA_RESERVE", "32768")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is built");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(&(component.len() as u64).to_le_bytes()).and_then(|()| stdin.write_all(component)).expect("it listens");
    let mut said = Vec::new();
    child.stdout.take().expect("it is piped").read_to_end(&mut said).expect("it answers");
    assert!(child.wait().expect("it is ours").success());
    // The kind of the answer and its length stand in front.
    said.split_off(1 + size_of::<u64>())
}

fn custom_sections() -> Vec<Attack> {
    let custom = |name: &str, len: usize| section(0, &[leb(name.len()).as_slice(), name.as_bytes(), &vec![b'x'; len]].concat());
    let echo = |sections: &[u8]| with_sections(small_guest("echo"), sections);
    vec![
        refused("a custom section of 2 MiB", TOO_MANY, echo(&custom("notes", 2 * MIB))),
        refused("names of 5 MiB", TOO_MANY, echo(&custom("component-name", 5 * MIB))),
        refused("60,000 custom sections of one name", TOO_MANY, echo(&custom("notes", 0).repeat(60_000))),
        refused("names three times, and all of them scrap", "ok", echo(&custom("component-name", 500).repeat(3))),
    ]
}

fn borders() -> Vec<Attack> {
    let frame = |from: &str, to: &str| {
        let text = small_guest_text("frame").replace("(;guest;)", &small_guest_text("echo"));
        assert!(text.contains(from), "the frame has no {from}");
        wat::parse_str(text.replace(from, to)).unwrap_or_else(|error| panic!("{to}: {error}"))
    };
    let importing = |name: &str| frame("(component\n", &format!("(component (import \"{name}\" (instance))\n"));
    let module = |module: &str| frame("(core module $libc", &format!("(core module {module}) (core module $libc"));
    let gives = "(param \"input\" (list u8)) (result (result (list u8) (error $failure)))";
    [
        ("a name that erases the screen", "refused component_name_not_plain", module(r#"(func (export "\1b[2Jharmless"))"#)),
        ("a name that turns the line around", "refused component_name_not_plain", module(r#"(func (export "a\e2\80\aeb"))"#)),
        ("imports sockets", "refused import_not_offered", importing("wasi:sockets/tcp@0.2.6")),
        ("imports another tenant's interface", "refused import_not_offered", importing("acme:evil/backdoor@1.0.0")),
        ("imports the next version of the contract", "refused import_not_offered", importing("amends:saga/state@0.2.0")),
        ("a step that gives a text", "refused step_mistyped", frame(gives, &gives.replace("(list u8) (error", "string (error"))),
        ("no step", "refused step_not_exported", frame("amends:saga/step@0.1.0\" (instance $step)", "s\" (instance $step)")),
        ("a memory of 64 bits", NO_FEATURE, module("(memory i64 1)")),
        ("a memory for several threads", NO_FEATURE, module("(memory 1 2 shared)")),
        ("objects that are collected", NO_FEATURE, module("(type (struct))")),
        ("exceptions", NO_FEATURE, module("(tag)")),
        ("instructions of the wrong type", "refused component_not_compilable", module("(func (result i32) (i64.const 1))")),
    ]
    .map(|(name, verdict, component)| refused(name, verdict, component))
    .to_vec()
}

/// Data for two instances of one module, so that the upload has half of it.
fn segments() -> Vec<Attack> {
    let twice = |len: usize| {
        let module = format!("(core module $data (memory {}) (data (i32.const 0) \"{}\"))", len.div_ceil(65536), "x".repeat(len));
        let instances = "(core instance (instantiate $data)) (core instance (instantiate $data))";
        harness::framed_guest(&format!("{module}{instances}{}", executes("", "(i32.const 0)")))
    };
    vec![
        Attack::component("data segments of 50 MiB", TOO_MANY, twice(25 * MIB)),
        Attack::component("data segments of 48 MiB", "ok", twice(24 * MIB)).within(Duration::from_secs(20), 200 << 20),
    ]
}

fn compilers() -> Vec<Attack> {
    // Each of both is allowed.
    let import = |n: u32| [&[0, 5], format!("{n:05}").as_bytes(), &[0, 0]].concat();
    let imports = section(2, &[leb(45_000), (0..45_000).flat_map(import).collect()].concat());
    let globals = items(6, 45_000, &[0x7f, 0, 0x41, 0, 0x0b]);
    let many = core_module(&[&items(1, 1, &[0x60, 0, 0]), &imports, &globals]);
    vec![
        Attack::component("keeps the compiler busy", "refused compile_timeout", busy()).within(Duration::from_mins(1), 32 << 20),
        Attack::component("an instance of more than 1 MiB", "refused compile_failed", beside(many)),
    ]
}
