//! How it is told: a table for people, line by line as it comes, and one object for programs.

use super::super::output::{Exit, Format, plain, remark, say, say_json};
use super::super::text::{count, micros, size};
use super::Bench;
use super::numbers::{Disk, Numbers, Stored};
use super::shots::Place;
use crate::client::load::{Latencies, Level, Took};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// With more of a processor than this the client may be what is measured.
const OWN_CPU_MAX: f64 = 0.8;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    saga: String,
    server: String,
    /// Of a hundred runs.
    failing_percent: u32,
    processors: usize,
    pub(super) rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Stored>,
}

/// One load.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<Disk>,
}

impl Report {
    pub(super) fn of(place: &Place, bench: &Bench) -> Self {
        Self {
            saga: place.saga.to_string(),
            server: place.url.clone(),
            failing_percent: if bench.failing.is_some() { bench.failing_percent } else { 0 },
            processors: available_parallelism().map_or(1, NonZeroUsize::get),
            rows: Vec::new(),
            stored: None,
        }
    }

    /// The head of the table.
    pub(super) fn title(&self) -> String {
        let Self { saga, server, failing_percent, processors, .. } = self;
        let mix = if *failing_percent > 0 { format!(", {failing_percent} % of them compensated") } else { String::new() };
        let mix = plain(&format!("runs of {saga} on {server}{mix}; {}", count(*processors, "processor")));
        let columns = [
            ("in flight", 12),
            ("runs/s", 9),
            ("p50", 8),
            ("p90", 8),
            ("p99", 8),
            ("p99.9", 8),
            ("longest", 8),
            ("errors", 7),
            ("CPU s/1000", 11),
            ("client", 7),
            ("memory", 9),
            ("commits", 8),
            ("bytes", 7),
        ];
        let columns: Vec<_> = columns.iter().map(|(name, width)| format!("{name:>width$}")).collect();
        format!("{mix}\n{}", columns.concat())
    }

    /// What is told when all is over.
    pub(super) fn tell(mut self, stored: Option<Stored>, format: Format) -> anyhow::Result<Exit> {
        self.stored = stored;
        match format {
            Format::Json => say_json(&self)?,
            Format::Text => self.say_rest()?,
        }
        let failed = self.rows.iter().any(|row| row.level.errors.count() > 0);
        Ok(if failed { Exit::NotSucceeded } else { Exit::Done })
    }

    fn say_rest(&self) -> anyhow::Result<()> {
        if let Some(Stored { runs, bytes_each, compacted_bytes_each }) = self.stored {
            say(format_args!(
                "on the disk, of all {runs:.0} runs: {bytes_each:.0} bytes each, {compacted_bytes_each:.0} compacted"
            ))?;
        }
        let is_busy = |row: &Row| row.level.own.is_some_and(|own| own.cpu_s / row.level.seconds > OWN_CPU_MAX);
        if self.rows.iter().any(is_busy) {
            remark("warning: this client had most of a processor: what is measured may be the client")?;
        }
        Ok(())
    }
}

impl Row {
    pub(super) fn of(level: Level, numbers: Option<(&Numbers, &Numbers)>) -> Self {
        Self { level, disk: numbers.and_then(|(before, behind)| Disk::between(before, behind)) }
    }

    /// What it is in the table.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { level, disk } = self;
        let pace = level.rate.map_or_else(|| level.in_flight.to_string(), |rate| format!("{rate}/s"));
        let Latencies { p50, p90, p99, p999, max, .. } = level.latency;
        let spans = [p50, p90, p99, p999, max].map(|span| format!("{:>8}", micros(span))).concat();
        let cpu = |took: Option<Took>| took.map_or_else(|| "-".to_owned(), |took| format!("{:.3}", took.cpu_s_per_1000));
        let memory = level.server.map_or_else(|| "-".to_owned(), |took| size(usize::try_from(took.resident).unwrap_or(usize::MAX)));
        let of_disk = |number: fn(&Disk) -> f64, digits: usize| {
            disk.as_ref().map_or_else(|| "-".to_owned(), |disk| format!("{:.digits$}", number(disk)))
        };
        let (commits, bytes) = (of_disk(|disk| disk.commits, 3), of_disk(|disk| disk.record_bytes, 0));
        let (per_second, errors) = (level.per_second, level.errors.count());
        let (server, own) = (cpu(level.server), cpu(level.own));
        let mut lines =
            vec![format!("{pace:>12}{per_second:>9.0}{spans}{errors:>7}{server:>11}{own:>7}{memory:>9}{commits:>8}{bytes:>7}")];
        let further = level.kinds.iter().map(|(name, latencies)| (*name, latencies));
        let further = further.chain(level.looked.iter().map(|looked| ("failure to compensated", looked)));
        lines.extend(further.map(|(name, Latencies { count, mean, p50, p99, .. })| {
            let spans = format!("p50 {}, p99 {}, mean {mean:.0}µs", micros(*p50), micros(*p99));
            format!("{:>12}  {name}: {spans} ({count})", "")
        }));
        lines.extend(level.errors.first.iter().map(|first| format!("{:>12}  first error: {}", "", plain(first))));
        lines
    }
}
