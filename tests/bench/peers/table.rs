//! What the comparison found: a line for each load as it comes, and the table of all rounds. Of the rounds the one in the middle counts.

use super::{Comparison, Measured, Mix, System};
use crate::book::{Book, machine};
use serde_json::json;

/// One load of one system.
pub(crate) fn line(measured: &Measured) -> String {
    let Measured { system, mix, clients, level, flushes_each } = measured;
    let cpu = level.server.map_or(f64::NAN, |took| took.cpu_s_per_1000);
    let flushes = flushes_each.map_or_else(|| "-".to_owned(), |each| format!("{each:.2}"));
    format!(
        "{:<26}{:<13}{clients:>5} clients {:>9.0}/s  p50 {:>9}  p99 {:>9}  CPU s/1000 {cpu:>7.3}  flushes {flushes:>6}  errors {}",
        system.name(),
        mix.word(),
        level.per_second,
        millis(level.latency.p50),
        millis(level.latency.p99),
        level.errors.count()
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn millis(micros: u64) -> String {
    format!("{:.2} ms", micros as f64 / 1000.0)
}

/// All of it.
pub(crate) fn tell(systems: &[System], all: &[Measured], comparison: &Comparison, book: &mut Book) {
    println!("\n{}", machine());
    for system in systems {
        println!("{}: {}", system.name(), system.durability());
    }
    println!(
        "\n| system | load | clients | sagas/s | of the first | p50 | p90 | p99 | CPU s/1000 | memory | written/saga | flushes/saga | errors |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for mix in [Mix::Success, Mix::Compensation] {
        for clients in &comparison.clients {
            let of = |system: System| middle(all, system, mix, *clients);
            let first = systems.first().and_then(|system| of(*system)).map_or(f64::NAN, |measured| measured.level.per_second);
            for measured in systems.iter().filter_map(|system| of(*system)) {
                row(measured, first);
            }
        }
    }
    for Measured { system, mix, clients, level, flushes_each } in all {
        let (name, durability) = (system.name(), system.durability());
        book.add(
            "peers",
            json!({
                "system": name, "durability": durability, "mix": mix.word(), "clients": clients, "level": level, "flushes_each": flushes_each,
            }),
        );
    }
}

fn row(measured: &Measured, first: f64) {
    let Measured { system, mix, clients, level, flushes_each } = measured;
    let took = level.server;
    let number = |number: Option<f64>, digits: usize| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"));
    #[expect(clippy::cast_precision_loss, reason = "shown in MiB")]
    let memory = took.map(|took| took.resident as f64 / 1_048_576.0);
    println!(
        "| {} | {} | {clients} | {:.0} | 1/{:.1} | {} | {} | {} | {} | {} MiB | {} B | {} | {} |",
        system.name(),
        mix.word(),
        level.per_second,
        first / level.per_second,
        millis(level.latency.p50),
        millis(level.latency.p90),
        millis(level.latency.p99),
        number(took.map(|took| took.cpu_s_per_1000), 3),
        number(memory, 0),
        number(took.map(|took| took.written_each), 0),
        number(*flushes_each, 2),
        level.errors.count(),
    );
}

/// The round in the middle, by what was answered.
fn middle(all: &[Measured], system: System, mix: Mix, clients: usize) -> Option<&Measured> {
    let mut of: Vec<_> = all.iter().filter(|one| one.system == system && one.mix == mix && one.clients == clients).collect();
    of.sort_by(|one, other| one.level.per_second.total_cmp(&other.level.per_second));
    of.get(of.len() / 2).copied()
}
