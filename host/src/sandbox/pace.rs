//! How the kernel shares the processors between our threads. While a thread computes, Linux looks at others only every few milliseconds, unless
//! one wakes up that asked for shorter slices: that one goes first. So threads that work for microseconds ask for short slices, and a thread on
//! which a guest computes on asks for a long one meanwhile. Where the kernel knows no such wish (before Linux 6.12), all is only slower.

use std::cell::Cell;
use std::mem::size_of;

/// What a thread does, for the kernel to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It works for microseconds and sleeps.
    Brisk,
    /// It computes on.
    Steady,
}

impl Pace {
    /// The slice to ask for, in nanoseconds: the shortest that there is, and what is given to those who ask for none.
    fn slice(self) -> u64 {
        match self {
            Self::Brisk => 100_000,
            Self::Steady => 3_000_000,
        }
    }
}

thread_local! {
    /// What this thread asked for.
    static ASKED: Cell<Option<Pace>> = const { Cell::new(None) };
}

/// Says what this thread does from now on; threads that it starts later do the same. Costs a system call where it was something else before.
pub fn set_pace(pace: Pace) {
    if ASKED.replace(Some(pace)) != Some(pace) {
        ask(pace.slice());
    }
}

/// A wish: whether it was heard is not looked at.
#[expect(unsafe_code, reason = "no crate of ours has a safe name for this system call")]
fn ask(slice: u64) {
    // It says all or nothing of how a thread is scheduled, so what stays is said again.
    let Ok(nice) = rustix::process::getpriority_process(None) else { return };
    let wish = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).expect("it has a few words"),
        sched_policy: libc::SCHED_OTHER.cast_unsigned(),
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: slice,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads one structure, of the size that is written in it, and keeps no pointer. 0: this thread; 0: no flags.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel tells it: since Linux 6.12 it says what was asked for.
    fn told() -> Option<u64> {
        let said = std::fs::read_to_string("/proc/thread-self/sched").ok()?;
        let slice = said.lines().find_map(|line| line.strip_prefix("se.slice"))?;
        slice.trim_start_matches([' ', ':']).trim().parse().ok()
    }

    /// Whether this kernel hears such wishes.
    fn hears() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
        (numbers.next(), numbers.next()) >= (Some(6), Some(12))
    }

    #[test]
    fn a_thread_gets_the_slice_that_it_asks_for_and_so_do_those_that_it_starts() {
        set_pace(Pace::Steady);
        let Some(steady) = told().filter(|_| hears()) else { return };
        set_pace(Pace::Brisk);
        let brisk = told().expect("it said so before");
        let inherited = std::thread::spawn(|| told().expect("it says so of every thread")).join().expect("it does not panic");
        assert!(brisk < steady && inherited == brisk, "{brisk} {inherited} {steady}");
    }
}
