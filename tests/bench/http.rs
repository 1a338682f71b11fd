//! Whole runs over HTTP: `amends bench --local`, which is what anybody has who wants to repeat it.

use crate::book::Book;
use crate::site::{TEXT_LEN, folder, given, three};
use anyhow::{Context, Result, ensure};
use harness::{amends, guest};
use serde_json::Value;
use std::ffi::OsString;
use std::process::{Command, Stdio};

/// How it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Loads {
    /// In flight, `1,16`.
    pub(crate) clients: String,
    /// For each, as `amends bench` takes it.
    pub(crate) lasts: String,
}

pub(crate) fn measure(book: &mut Book, loads: &Loads) -> Result<()> {
    let folder = folder()?;
    let saga = folder.path().join("three.json");
    std::fs::write(&saga, three().to_string())?;
    for (mix, failing) in [("success", None), ("compensation", Some(100)), ("10 of 100 compensated", Some(10))] {
        let data = folder.path().join(mix.replace(' ', "-"));
        let mut plugin = OsString::from("nothing=");
        plugin.push(guest("nothing"));
        let mut command = Command::new(amends());
        command.args(["bench", "--json", "--local"]).arg(&saga).arg("--plugin").arg(plugin).arg("--data").arg(&data);
        command.args(["--input", &given(false, TEXT_LEN).to_string(), "--clients", &loads.clients, "--for", &loads.lasts]);
        if let Some(percent) = failing {
            command.args(["--failing", &given(true, TEXT_LEN).to_string(), "--failing-percent", &percent.to_string()]);
        }
        let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("amends bench")?;
        let told: Value = serde_json::from_slice(&ended.stdout).context("what `amends bench` says")?;
        tell(mix, &told);
        ensure!(ended.status.success(), "`amends bench` ended with {}: {told}", ended.status);
        book.add("http", serde_json::json!({ "mix": mix, "told": told }));
        // What it left would fill the disk in the end.
        std::fs::remove_dir_all(&data)?;
    }
    Ok(())
}

fn tell(mix: &str, told: &Value) {
    println!("\nover HTTP, {mix}");
    println!(
        "{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}{:>10}{:>12}",
        "in flight", "runs/s", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "CPU s/1000", "of client", "commits", "record B"
    );
    for row in told["rows"].as_array().into_iter().flatten() {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let whole = |value: &Value| value.as_u64().unwrap_or_default();
        let latency = |quantile: &str| whole(&row["latency"][quantile]);
        println!(
            "{:>10}{:>10.0}{:>10}{:>10}{:>10}{:>10}{:>12.3}{:>12.3}{:>10.3}{:>12.0}",
            whole(&row["in_flight"]),
            number(&row["per_second"]),
            latency("p50"),
            latency("p90"),
            latency("p99"),
            latency("p999"),
            number(&row["server"]["cpu_s_per_1000"]),
            number(&row["own"]["cpu_s_per_1000"]),
            number(&row["disk"]["commits"]),
            number(&row["disk"]["record_bytes"]),
        );
    }
    let stored = |what: &str| told["stored"][what].as_f64().unwrap_or(f64::NAN);
    println!(
        "on the disk, of {} runs: {:.0} bytes each, {:.0} compacted",
        stored("runs"),
        stored("bytes_each"),
        stored("compacted_bytes_each")
    );
}
