//! From what wasmtime gives back to how an attempt ended, in words that a person can act on: the limit and the value found, or the
//! trap and where it happened. Pure, and apart from running.

use super::access::Secrets;
use super::bindings::{Failure, Fault};
use super::limits::{HOSTCALL_LEN_MAX, MemoryLimiter};
use super::text;
use amends_domain::definition::Limits;
use amends_domain::event::{self, Ending, FAULT_CODE_LEN_MAX, FAULT_MESSAGE_LEN_MAX, Halt};
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload};
use amends_domain::time::Span;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Longest message of a halt, bytes.
const MESSAGE_LEN_MAX: usize = 2048;
/// Longest name of a function in it, bytes.
const FRAME_LEN_MAX: usize = 80;

/// What came back from the guest.
pub(super) enum End {
    /// It answered; `compensate` with nothing.
    Answered(Result<Vec<u8>, Failure>),
    /// It trapped, or never started.
    Broke(wasmtime::Error),
    /// It was ended by the clock.
    TimedOut,
    /// It was ended by its fence.
    Fenced,
}

/// How the attempt ended.
pub(super) fn ending(end: End, memory: &MemoryLimiter, retry_after: Option<Span>, limits: Limits) -> Ending {
    match end {
        End::Answered(Ok(output)) if output.len() > PAYLOAD_LEN_MAX => {
            Ending::Halted { halt: Halt::Oversized, message: oversized(&format!("{} bytes", output.len())) }
        }
        End::Answered(Ok(output)) => Ending::Ok { output: Payload::from(output) },
        End::Answered(Err(failure)) => failed(failure, retry_after),
        End::Broke(error) => {
            let (halt, message) = halt(&error, memory, limits);
            Ending::Halted { halt, message }
        }
        End::TimedOut => Ending::Halted { halt: Halt::Timeout, message: timeout(limits) },
        End::Fenced => fenced("while it was running"),
    }
}

/// An attempt that was ended from outside; `when` as a person would say it.
pub(super) fn fenced(when: &str) -> Ending {
    Ending::Halted { halt: Halt::Cancelled, message: format!("ended from outside {when}") }
}

/// The message for an attempt that the clock ended.
pub(super) fn timeout(limits: Limits) -> String {
    format!("still running after its time limit of {}", limits.timeout)
}

fn failed(failure: Failure, retry_after: Option<Span>) -> Ending {
    let (failure, fault, retry_after) = match failure {
        Failure::Rejected(fault) => (event::Failure::Rejected, fault, None),
        Failure::Unavailable(fault) => (event::Failure::Unavailable, fault, retry_after),
        Failure::Uncertain(fault) => (event::Failure::Uncertain, fault, retry_after),
    };
    Ending::Failed { failure, fault: kept(fault), retry_after }
}

/// The fault in the guest's words, safe to show. Details over the limit are left out and not an `Oversized` ending: what the guest
/// says about effects decides what happens next, and must not be lost over an attachment.
fn kept(fault: Fault) -> event::Fault {
    let code = text::tidy(&fault.code, FAULT_CODE_LEN_MAX);
    let message = text::tidy(&fault.message, FAULT_MESSAGE_LEN_MAX);
    match fault.details {
        Some(details) if details.len() > PAYLOAD_LEN_MAX => {
            let found = details.len();
            let message = format!("details of {found} bytes left out, the limit is {PAYLOAD_LEN_MAX}; {message}");
            event::Fault::new(&code, &message)
        }
        details => event::Fault { details: details.map(Payload::from), ..event::Fault::new(&code, &message) },
    }
}

/// The same without secrets in what the guest says of its failure. What it answers is its own: it is not touched.
pub(super) fn hiding(secrets: &Secrets, ending: Ending) -> Ending {
    match ending {
        Ending::Ok { .. } => ending,
        Ending::Failed { failure, mut fault, retry_after } => {
            secrets.hide(&mut fault.code);
            secrets.hide(&mut fault.message);
            let details = fault.details.take().map(|details| match String::from_utf8(details.0.to_vec()) {
                Ok(mut text) => {
                    secrets.hide(&mut text);
                    Payload::from(text.into_bytes())
                }
                Err(_) => details,
            });
            Ending::Failed { failure, fault: event::Fault { details, ..fault }, retry_after }
        }
        Ending::Halted { halt, mut message } => {
            secrets.hide(&mut message);
            Ending::Halted { halt, message }
        }
    }
}

/// Which limit or trap broke an attempt, and the message for it.
pub(super) fn halt(error: &wasmtime::Error, memory: &MemoryLimiter, limits: Limits) -> (Halt, String) {
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        return (Halt::OutOfFuel, format!("used up its fuel: the limit is {} units{}", limits.fuel, trace(error)));
    }
    let told = text::tidy(&format!("{}{}", cause(error), trace(error)), MESSAGE_LEN_MAX);
    // A guest may live with a refusal. If it breaks afterwards, the refusal is the likely reason: allocators trap.
    if let Some(wanted) = memory.refused() {
        let message = format!("memory: wanted {wanted} bytes, the limit is {} bytes; {told}", limits.memory);
        return (Halt::OutOfMemory, message);
    }
    if is_answer_cut_short(error) {
        return (Halt::Oversized, oversized(&format!("more than {HOSTCALL_LEN_MAX} bytes")));
    }
    (Halt::Trap, told)
}

fn oversized(found: &str) -> String {
    format!("answered {found}, the limit is {PAYLOAD_LEN_MAX} bytes")
}

/// Whether reading the answer was given up because it is far too long. Wasmtime has no type for this to ask for; its version is
/// pinned, and the test of a huge answer fails if the words change. With a trace it is the argument of a host call, and a trap like
/// others.
fn is_answer_cut_short(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<WasmBacktrace>().is_none() && error.root_cause().to_string().contains("fuel allocated for hostcalls")
}

/// The trap's own words, or those of the host call that refused.
fn cause(error: &wasmtime::Error) -> String {
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return format!("the guest called exit with status {status}: a step ends by answering");
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    }
}

/// `; in f < g < h`: the functions on the guest's stack, the innermost first. Empty if there are none.
///
/// Names come from wasmtime's own rendering, ` 0: 0x1f - module!name` a line, because only there they are demangled.
fn trace(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let rendered = backtrace.to_string();
    let names = rendered.lines().filter_map(|line| Some(line.split_once(" - ")?.1.split_once('!')?.1));
    let names: Vec<String> = names.take(super::engine::FRAMES_MAX).map(|name| text::tidy(name, FRAME_LEN_MAX)).collect();
    if names.is_empty() { String::new() } else { format!("; in {}", names.join(" < ")) }
}
