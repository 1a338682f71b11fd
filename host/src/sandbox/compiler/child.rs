//! What the compiler's process does: it limits itself, reads one component from standard input, writes its code to standard output
//! and ends. It opens no file, starts no process and is given no environment.

use super::reply::{self, Kind};
use super::{CompileLimits, confine};
use crate::sandbox::check::COMPONENT_LEN_MAX;
use crate::sandbox::engine;
use crate::sandbox::pace::{Pace, set_pace};
use crate::sandbox::refusal::quote;
use std::io::{self, Read};
use std::thread;

/// Exit code where nobody listens any more, or the process could not be limited.
const GONE: u8 = 70;

/// Compiles one component. Whatever goes wrong ends the process; what is wrong with the component is a reply.
///
/// # Errors
/// If it cannot limit itself, or whoever started it is gone.
pub fn run(limits: CompileLimits) -> io::Result<()> {
    // Before anything else: what follows is bounded by it.
    confine::confine(limits)?;
    // Whoever started it may be brisk.
    set_pace(Pace::Steady);
    let component = reply::read_component(&mut io::stdin().lock(), COMPONENT_LEN_MAX)?;
    thread::Builder::new().name("amends-orphan".into()).stack_size(64 * 1024).spawn(end_when_orphaned)?;
    let engine = engine::compiling().map_err(|error| io::Error::other(quote(&error)))?;
    let mut stdout = io::stdout().lock();
    match engine.precompile_component(&component) {
        Ok(code) => reply::write(&mut stdout, Kind::Code, &code),
        Err(error) => reply::write(&mut stdout, Kind::Refusal, quote(&error).as_bytes()),
    }
}

/// Whoever waits for the code keeps our standard input open. When it dies, nobody needs the code, and nothing else would tell us
/// before the limits do.
fn end_when_orphaned() {
    let _ = io::stdin().lock().read(&mut [0]);
    std::process::exit(GONE.into());
}
