//! What the tests share: where things are, and a host in this process over a directory that goes away.

mod bank;
mod client;
mod host;
mod idle;
mod names;
mod program;
mod session;
mod site;
mod uploads;

pub use bank::{Bank, Charged, Keys};
pub use client::{Answered, Client, Server, Stream, Streamed};
pub use host::{Host, payload};
pub use idle::Idle;
pub use names::ScriptedNames;
pub use program::{Ended, PATIENCE, Program, run_amends, run_amends_with};
pub use session::{Heard, Session};
pub use site::{Arrived, Reply, Site};
pub use uploads::{bare_component, bomb, busy, core_function, core_module, items, leb, section, with_modules, with_sections};

use std::path::PathBuf;

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout").to_owned()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The component of a plugin of `plugins/`.
///
/// # Panics
/// If it is not built.
pub fn guest(plugin: &str) -> PathBuf {
    let path = target().join("guests").join(format!("{plugin}.wasm"));
    assert!(path.exists(), "{} is not built: run `cargo xtask guests`", path.display());
    path
}

/// The `amends` binary that lies beside this test.
///
/// # Panics
/// If it is not built.
pub fn amends() -> PathBuf {
    let path = target().join("release/amends");
    assert!(path.exists(), "{} is not built: run `cargo build --release`", path.display());
    path
}

/// A component of a few dozen bytes of code: [`framed_guest`] of [`small_guest_text`].
///
/// # Panics
/// If there is no such guest, or it is not WebAssembly text.
pub fn small_guest(name: &str) -> Vec<u8> {
    framed_guest(&small_guest_text(name))
}

/// The text of `guests/<name>.wat`, without the frame around it.
///
/// # Panics
/// If there is no such guest.
pub fn small_guest_text(name: &str) -> String {
    let path = format!("{}/guests/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The component that the frame in `guests/frame.wat` makes of a guest's text.
///
/// # Panics
/// If it is not WebAssembly text.
pub fn framed_guest(text: &str) -> Vec<u8> {
    let framed = small_guest_text("frame").replace("(;guest;)", text);
    wat::parse_str(&framed).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The text of a guest, for the frame, whose `execute` has this body, which gives the address of the answer; `before` is what else its
/// module has. Its compensation succeeds.
pub fn executes(before: &str, body: &str) -> String {
    format!(
        r#"(core module $guest
          (import "libc" "memory" (memory 1))
          {before}
          (func (export "execute") (param $at i32) (param $len i32) (result i32) {body})
          (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $it (instantiate $guest (with "libc" (instance $libc)) (with "host" (instance $host))))"#
    )
}

/// Letters in which nothing repeats, so that nothing makes them shorter on the disk.
pub fn chance(seed: u64, len: usize) -> String {
    let next = |x: &u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(seed), next).map(|x| char::from(b'a' + (x >> 59) as u8 % 26)).take(len).collect()
}
