//! What processes take of the machine, as Linux tells it. Apart, because a server may run where nobody can see it.

use std::time::Duration;

/// What one clock tick is in what Linux tells, whatever its own clock does: a hundredth of a second on every machine that this is built for.
const TICK: Duration = Duration::from_millis(10);

/// A process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

/// What processes took so far, and hold now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors, in the kernel too; a hundredth of a second is the least that is counted.
    pub cpu: Duration,
    /// Memory in use, bytes.
    pub resident: u64,
    /// What they had written to disks, bytes; 0 where nobody may know.
    pub written: u64,
}

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// What it took so far; none if it is over, or nobody can say.
    pub fn usage(self) -> Option<Usage> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.0)).ok();
        let cpu = cpu(&read("stat")?)?;
        let resident = field(&read("status")?, "VmRSS:")? * 1024;
        let written = read("io").and_then(|io| field(&io, "write_bytes:")).unwrap_or_default();
        Some(Usage { cpu, resident, written })
    }
}

impl Usage {
    /// What several processes took together; none if one of them cannot be seen, or there are none.
    pub fn of(processes: &[Process]) -> Option<Self> {
        let usages = processes.iter().map(|process| process.usage()).collect::<Option<Vec<_>>>()?;
        usages.into_iter().reduce(|one, other| Self {
            cpu: one.cpu + other.cpu,
            resident: one.resident + other.resident,
            written: one.written + other.written,
        })
    }
}

/// Fields 14 and 15 of proc(5): clock ticks in user mode and in the kernel. What stands in brackets before them may have spaces.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_process_that_computes_is_seen_to() {
        let before = Process::own().usage().expect("Linux says it");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(60) {
            std::hint::black_box(begun);
        }
        let behind = Process::own().usage().expect("Linux says it");
        assert!(behind.cpu > before.cpu, "{before:?} {behind:?}");
        assert!(behind.resident > 100_000, "{behind:?}");
        let twice = Usage::of(&[Process::own(), Process::own()]).expect("Linux says it");
        assert!(twice.resident > behind.resident, "{twice:?}");
    }

    #[test]
    fn a_process_that_there_is_not_takes_nothing_that_is_known() {
        assert_eq!(Process(u32::MAX).usage(), None);
        assert_eq!(Usage::of(&[]), None);
    }

    #[test]
    fn a_name_with_brackets_and_spaces_hides_nothing() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
    }
}
