//! Uploads that are small and become large when they are compiled. Refused before that, at once, with the limit and the value found.

use crate::sandbox;
use harness::bomb;
use std::time::{Duration, Instant};

/// No refusal takes longer, or more memory.
const REFUSAL_MAX: Duration = Duration::from_millis(50);
const MEMORY_MAX: u64 = 50 * crate::MIB;

/// Most memory that this process has had, bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is told");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[tokio::test]
async fn nested_instantiation_bombs_are_refused_at_once() {
    let sandbox = sandbox(1);
    for (levels, fan_out, found) in [(23, 2, "16777214"), (3, 900, "729810900"), (60, 30, "18446744073709551615")] {
        let bytes = bomb(levels, fan_out);
        let (memory, begun) = (memory_peak(), Instant::now());
        let refusal = sandbox.inspect(bytes.into()).await.expect_err("it is a bomb");
        let (took, more) = (begun.elapsed(), memory_peak() - memory);
        assert_eq!(refusal.code(), "component_has_too_many");
        assert!(refusal.to_string().starts_with(&format!("{found} nested instances")), "{refusal}");
        assert!(took < REFUSAL_MAX, "{took:?}");
        assert!(more < MEMORY_MAX, "{more} bytes");
    }
    let modest = bomb(5, 2);
    let refusal = sandbox.inspect(modest.into()).await.expect_err("its step has nothing in it");
    assert_eq!(refusal.code(), "step_mistyped", "it was compiled: {refusal}");
}
