//! What is asked of WASI, as directly as a guest can.

use crate::Act;
use amends_sdk::json;
use serde_json::Value;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated: which of them it breaks changes with the generator"
)]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "amends:probe/asked", generate_all });
}

use bindings::wasi::cli::{environment, exit, stderr, stdout};
use bindings::wasi::clocks::{monotonic_clock, wall_clock};
use bindings::wasi::filesystem::preopens;
use bindings::wasi::io::streams::OutputStream;
use bindings::wasi::random::random;

/// What a stream takes at a time.
const CHUNK_LEN: usize = 4096;

pub(crate) fn act(act: Act) -> Value {
    match act {
        Act::Print(text) => print(&stdout::get_stdout(), &text),
        Act::Complain(text) => print(&stderr::get_stderr(), &text),
        Act::PrintZeroes(len) => json!(stdout::get_stdout().write_zeroes(len).is_ok()),
        Act::Now => {
            let wall = wall_clock::now();
            json!([wall.seconds * 1000 + u64::from(wall.nanoseconds / 1_000_000), monotonic_clock::now()])
        }
        Act::Sleep { ms } => {
            monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
            Value::Null
        }
        Act::Nap(times) => {
            (0..times).for_each(|_| monotonic_clock::subscribe_duration(0).block());
            Value::Null
        }
        Act::Random(len) => json!(random::get_random_bytes(len)),
        Act::Surroundings => {
            let directories = preopens::get_directories().len();
            json!([environment::get_environment(), environment::get_arguments(), environment::initial_cwd(), directories])
        }
        Act::Exit => {
            exit::exit(Ok(()));
            Value::Null
        }
        Act::Send { .. } | Act::Effects | Act::Secret(_) | Act::Uncertain => Value::Null,
    }
}

fn print(stream: &OutputStream, text: &str) -> Value {
    json!(text.as_bytes().chunks(CHUNK_LEN).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok()))
}
