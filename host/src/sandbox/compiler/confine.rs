//! What the compiler's process takes from itself before it reads a byte of an upload. It does so itself: between `fork` and `exec`
//! nothing safe can be done, and it has nothing to gain from cheating, because until then it runs nothing but our own code.

use super::CompileLimits;
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use rustix::thread::set_no_new_privs;
use std::io;

/// As far behind all else as there is.
const NICENESS: i32 = 19;

/// Limits this process for good.
pub(super) fn confine(limits: CompileLimits) -> io::Result<()> {
    set_no_new_privs(true)?;
    // Whoever waits for a run is served before whoever waits for an installation.
    nice(NICENESS)?;
    limit(Resource::As, limits.memory_max, limits.memory_max)?;
    // At the soft limit the kernel says why it ends the process, a second later it does not.
    limit(Resource::Cpu, limits.cpu_max_s, limits.cpu_max_s.saturating_add(1))?;
    // What a core file would hold is somebody's upload. Nothing else is written to a file either: pipes are not meant by it.
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, 0, 0)
}

/// Never raises a limit that the process was started with.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(resource, Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) })?;
    Ok(())
}
