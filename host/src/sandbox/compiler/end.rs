//! What it means that the compiler's process died. Apart, because it is decided from what the kernel and the runtime say, and can be
//! tried without a process.

use super::CompileLimits;
use crate::sandbox::refusal::{QUOTE_LEN_MAX, Refusal};
use crate::sandbox::text;
use amends_domain::time::Span;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What Rust's runtime says before it aborts a process that gets no memory.
const OUT_OF_MEMORY: &str = "memory allocation of ";

/// What Rust's runtime ends a process with whose main thread panics: the compiler on an upload, since what comes before it returns its errors.
const PANICKED: i32 = 101;

/// Stands in front of the place of a panic.
const PANICKED_AT: &str = "panicked at ";

/// Why a process that ended so gave no code. What no upload can bring about is the loss of the compiler: that it ends by itself without a word, and
/// that others kill it, since its own limits do not.
pub(super) fn refusal(status: ExitStatus, stderr: &str, limits: CompileLimits) -> Refusal {
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Refusal::CompileTimeout { what: "of the processor", limit: Span(limits.cpu_max_s.saturating_mul(1000)) };
    }
    if stderr.contains(OUT_OF_MEMORY) {
        return Refusal::CompileOutOfMemory { limit: limits.memory_max };
    }
    if status.signal() == Some(Signal::KILL.as_raw()) {
        return Refusal::CompilerLost("its process was killed: by the system, short of memory, or by a person".into());
    }
    let said = text::tidy(&placeless(stderr.trim()), QUOTE_LEN_MAX);
    let colon = if said.is_empty() { "" } else { ": " };
    let says = format!("its process ended with {status}{colon}{said}");
    match status.code() {
        None | Some(PANICKED) => Refusal::CompileFailed(says),
        Some(_) => Refusal::CompilerLost(says),
    }
}

/// What a panic says, without the folder that its file was compiled in: that is of the machine on which this host was built.
fn placeless(said: &str) -> String {
    let Some((before, place)) = said.split_once(PANICKED_AT) else { return said.to_owned() };
    let path_len = place.find(':').unwrap_or(place.len());
    let file_at = place[..path_len].rfind('/').map_or(0, |slash| slash + 1);
    format!("{before}{PANICKED_AT}{}", &place[file_at..])
}

/// It was stopped because it took too long, whatever it did.
pub(super) fn out_of_wall_time(limits: CompileLimits) -> Refusal {
    Refusal::CompileTimeout { what: "on the clock", limit: limits.wall_max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_death_has_its_own_refusal() {
        let limits = CompileLimits { memory_max: 1 << 20, cpu_max_s: 3, wall_max: Span(5_000) };
        let killed = |signal: Signal| ExitStatus::from_raw(signal.as_raw());
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        for (status, stderr, code, says, lost) in [
            (killed(Signal::XCPU), "", "compile_timeout", "3s of the processor", false),
            (
                killed(Signal::ABORT),
                "memory allocation of 268435456 bytes failed\n",
                "compile_out_of_memory",
                "1048576 bytes",
                false,
            ),
            (killed(Signal::ABORT), "", "compile_failed", "signal: 6", false),
            (killed(Signal::SEGV), "", "compile_failed", "signal: 11", false),
            (killed(Signal::KILL), "", "compile_failed", "was killed", true),
            (exited(101), "thread 'main' panicked at x:\n\u{1b}[2Jboom", "compile_failed", "\\u{1b}[2Jboom", false),
            (
                exited(101),
                "thread 'main' panicked at /home/me/a-1.0/src/b.rs:7:9:\nno",
                "compile_failed",
                "panicked at b.rs:7:9:",
                false,
            ),
            (exited(1), "error[failed]: Operation not permitted", "compile_failed", "not permitted", true),
            (exited(0), "", "compile_failed", "exit status: 0", true),
        ] {
            let refusal = refusal(status, stderr, limits);
            assert_eq!((refusal.code(), matches!(refusal, Refusal::CompilerLost(_))), (code, lost), "{refusal}");
            assert!(refusal.to_string().contains(says), "{says} in {refusal}");
        }
        assert_eq!(out_of_wall_time(limits).to_string(), "compiling it took more than 5s on the clock");
    }
}
