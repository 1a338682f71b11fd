//! All that was measured, for programs: one object in a file under `target/bench`. Tables are for people and are printed as they come.

use amends::client::load::Process;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What was measured, by section.
#[derive(Debug, Default)]
pub(crate) struct Book(Map<String, Value>);

impl Book {
    /// One more line of a section.
    pub(crate) fn add(&mut self, section: &str, line: Value) {
        let lines = self.0.entry(section).or_insert_with(|| Value::Array(Vec::new()));
        lines.as_array_mut().expect("it was made one").push(line);
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let all = json!({ "machine": machine(), "amends": env!("CARGO_PKG_VERSION"), "sections": self.0 });
        std::fs::write(path, format!("{all:#}\n"))?;
        println!("\nall of it as JSON: {}", path.display());
        Ok(())
    }
}

/// What this machine is, as far as it says.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory, kernel) = (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    format!("{count} × {}, {} of memory, Linux {}", after(&cpus, "model name"), after(&memory, "MemTotal"), kernel.trim())
}

/// Memory of this process that is in use, bytes.
pub(crate) fn resident() -> u64 {
    Process::own().usage().map_or(0, |usage| usage.resident)
}
