//! What happens to a component before its first attempt: refused or accepted, described, compiled, kept and forgotten.

use crate::{SETTINGS, assert_halted, call, guest, invoke, load, sandbox};
use amends::sandbox::{Sandbox, SandboxSettings};
use amends_domain::digest::Digest;
use amends_domain::event::Halt;
use std::sync::Arc;

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_a_code() {
    let sandbox = sandbox(1);
    let component = |text: &str| wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let importing = |name: &str| component(&format!(r#"(component (import "{name}" (instance)))"#));
    let frame = |from: &str, to: &str| {
        let text = std::fs::read_to_string(format!("{}/guests/described.wat", env!("CARGO_MANIFEST_DIR"))).expect("there");
        assert!(text.contains(from));
        component(&text.replace(from, to).replace("(;length;)", "0"))
    };
    for (bytes, code, says) in [
        (component("(module)"), "component_is_core_module", "amends plugin build"),
        (b"(component)".to_vec(), "component_is_text", "text"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "component_is_native_code", "ELF"),
        (b"garbage".to_vec(), "component_is_not_webassembly", "not WebAssembly"),
        (Vec::new(), "component_is_not_webassembly", "not WebAssembly"),
        (vec![0; (32 << 20) + 1], "component_too_large", "33554433 bytes is over the limit of 33554432"),
        (guest("echo")[..400].to_vec(), "component_malformed", "unexpected end"),
        (component("(component)"), "step_not_exported", "amends:saga/step@0.1.0"),
        (importing("wasi:sockets/tcp@0.2.6"), "import_not_offered", "wasi:sockets/tcp@0.2.6 (of WASI only cli, clocks"),
        (importing("acme:evil/backdoor@1.0.0"), "import_not_offered", "acme:evil/backdoor@1.0.0"),
        (importing("amends:saga/state@0.2.0"), "import_not_offered", "amends:saga/state@0.2.0"),
        (
            component(
                r#"(component (import "a:b/c" (instance)) (import "amends:saga/log@0.1.0" (instance))
                    (import "d:e/f" (instance)))"#,
            ),
            "import_not_offered",
            "a:b/c, d:e/f",
        ),
        (
            frame("(component\n", "(component (import \"amends:saga/log@0.1.0\" (instance (export \"write\" (func))))\n"),
            "import_mistyped",
            "write",
        ),
        (
            frame("(result (result (list u8) (error $failure)))", "(result (result string (error $failure)))"),
            "step_mistyped",
            "`execute`",
        ),
        (frame("(instance $step (export \"execute\" (func $execute))", "(instance $step"), "step_mistyped", "`execute`"),
        (
            frame("(memory (export \"memory\") 1)", "(memory (export \"memory\") i64 1)"),
            "component_feature_not_offered",
            "memory64",
        ),
        (frame("(i32.const 32768))", "(i64.const 32768))"), "component_not_compilable", "type mismatch"),
        (
            frame("(core module $guest", "(core module (table 20001 funcref)) (core module $guest"),
            "component_has_too_many",
            "20001",
        ),
    ] {
        let refused = sandbox.load(Digest::of(&bytes), bytes.into()).await;
        let refusal = refused.expect_err(code);
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.to_string().contains(says), "{says:?} in {refusal}");
    }
    load(&sandbox, frame("(;describe;)", "")).await;
    let bytes = guest("echo");
    let misnamed = sandbox.load(Digest::of(b"another"), bytes.into()).await;
    assert_eq!(misnamed.map_err(|refusal| refusal.code()).err(), Some("digest_mismatch"));
}

#[tokio::test]
async fn a_component_is_described_without_running_its_steps() {
    let sandbox = sandbox(1);
    let text = std::fs::read_to_string(format!("{}/guests/described.wat", env!("CARGO_MANIFEST_DIR"))).expect("there");
    let described = |manifest: &str, describe: &str| {
        let text = text.replace("(;manifest;)", &manifest.replace('"', "\\\"")).replace("(;describe;)", describe);
        let bytes =
            wat::parse_str(text.replace("(;length;)", &manifest.len().to_string())).unwrap_or_else(|error| panic!("{error}"));
        sandbox.inspect(bytes.into())
    };
    let manifest =
        r#"{"handlers":[{"name":"reserve","input":{"type":"object"},"doc":"Takes stock."},{"name":"ship","compensates":false}]}"#;
    let description = described(manifest, "").await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(description.imports, ["amends:saga/types@0.1.0"]);
    assert_eq!(description.exports, ["amends:saga/step@0.1.0", "amends:saga/manifest@0.1.0"]);
    let handlers = description.manifest.expect("it has one").handlers;
    assert!(handlers.iter().map(|handler| (handler.name.as_str(), handler.compensates)).eq([("reserve", true), ("ship", false)]));
    for (manifest, describe, code, says) in [
        ("[", "", "manifest_malformed", "EOF"),
        (r#"{"handlers":[{"name":"a"},{"name":"a"}]}"#, "", "manifest_malformed", "twice"),
        ("{}", "unreachable", "manifest_unanswered", "unreachable"),
        ("{}", "(loop $ever (br $ever))", "manifest_unanswered", "fuel"),
    ] {
        let refusal = described(manifest, describe).await.expect_err(code);
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.to_string().contains(says), "{says:?} in {refusal}");
    }
    let plain = sandbox.inspect(guest("echo").into()).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(plain.manifest, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_compiled_once_and_the_oldest_one_is_forgotten() {
    let sandbox = Sandbox::new(SandboxSettings { components_max: 2, ..SETTINGS });
    let sandbox = Arc::new(sandbox.expect("this machine runs guests"));
    let echo = guest("echo");
    let loads = (0..8).map(|_| {
        let (sandbox, bytes) = (Arc::clone(&sandbox), echo.clone());
        tokio::spawn(async move { load(&sandbox, bytes).await })
    });
    let mut loaded = Vec::new();
    for load in loads.collect::<Vec<_>>() {
        loaded.push(load.await.expect("loads"));
    }
    assert!(loaded.iter().all(|component| Arc::ptr_eq(component, &loaded[0])), "all got the same one");

    let (trap, fail) = (load(&sandbox, guest("trap")).await, guest("fail"));
    assert!(sandbox.loaded(Digest::of(&echo)).is_some(), "there is room for two");
    load(&sandbox, fail).await;
    assert!(sandbox.loaded(trap.digest()).is_none(), "used longest ago");
    assert!(sandbox.loaded(Digest::of(&echo)).is_some(), "used since");
    assert_halted(&invoke(&sandbox, call(&trap, b"")).await, Halt::Trap, &["unreachable"]);
}
