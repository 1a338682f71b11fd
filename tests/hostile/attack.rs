//! One attack: a component, and what must become of it.

use std::time::Duration;

/// A component that means harm.
#[derive(Clone)]
pub(crate) struct Attack {
    /// What it tries.
    pub(crate) name: &'static str,
    /// The upload.
    pub(crate) component: Vec<u8>,
    /// `refused CODE`, or how its only attempt ends: the word of the ending.
    pub(crate) verdict: &'static str,
    /// Longest time from the upload to the end of the run. Generous: the machine may be busy.
    pub(crate) wall_max: Duration,
    /// Most bytes that the host's memory grows by meanwhile.
    pub(crate) memory_max: u64,
}

/// What an attempt may use, and something for the host's own doing.
const MEMORY_MAX: u64 = 128 << 20;

impl Attack {
    /// A guest that runs, in the usual frame.
    pub(crate) fn guest(name: &'static str, verdict: &'static str, text: &str) -> Self {
        Self::component(name, verdict, harness::framed_guest(text))
    }

    /// The same in a frame that is changed, too.
    pub(crate) fn framed(name: &'static str, verdict: &'static str, text: &str, changes: &[(&str, &str)]) -> Self {
        let frame = harness::small_guest_text("frame").replace("(;guest;)", text);
        let frame = changes.iter().fold(frame, |frame, (from, to)| {
            assert!(frame.contains(from), "{name}: the frame has no {from}");
            frame.replace(from, to)
        });
        Self::component(name, verdict, wat::parse_str(&frame).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// An upload.
    pub(crate) fn component(name: &'static str, verdict: &'static str, component: Vec<u8>) -> Self {
        Self { name, component, verdict, wall_max: Duration::from_secs(20), memory_max: MEMORY_MAX }
    }
}

/// The guest that `execute` makes: a body that gives the address of the answer.
pub(crate) fn executes(before: &str, body: &str) -> String {
    format!(
        r#"(core module $guest
          (import "libc" "memory" (memory 1))
          {before}
          (func (export "execute") (param $at i32) (param $len i32) (result i32) {body})
          (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $it (instantiate $guest (with "libc" (instance $libc)) (with "host" (instance $host))))"#
    )
}
