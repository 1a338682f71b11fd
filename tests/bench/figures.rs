//! Spans of time, gathered and shown.

use crate::book::Book;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One line of the table for each thing measured.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Line>);

#[derive(Debug)]
struct Line {
    what: String,
    nanos: Histogram<u64>,
    /// Things done in one second, where many were done at once.
    per_second: Option<f64>,
}

impl Figures {
    /// Gathers one line from single spans.
    pub(crate) fn add(&mut self, what: impl Into<String>, spans: impl IntoIterator<Item = Duration>) {
        self.line(what, spans, None);
    }

    /// Gathers one line from spans of things that ran at the same time, `total` in all.
    pub(crate) fn add_parallel(&mut self, what: impl Into<String>, spans: &[Duration], total: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a count of runs")]
        let per_second = spans.len() as f64 / total.as_secs_f64();
        self.line(what, spans.iter().copied(), Some(per_second));
    }

    fn line(&mut self, what: impl Into<String>, spans: impl IntoIterator<Item = Duration>, per_second: Option<f64>) {
        let mut nanos = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("a minute in three digits");
        for span in spans {
            nanos.saturating_record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        }
        self.0.push(Line { what: what.into(), nanos, per_second });
    }

    /// Prints all lines, and puts them into a section of the book.
    pub(crate) fn close(self, book: &mut Book, section: &str) {
        println!("\n{section}");
        self.0.iter().for_each(|line| book.add(section, line.json()));
        println!("{:<58} {:>7} {:>10} {:>10} {:>10}", "", "n", "p50", "p99", "per s");
        for line in &self.0 {
            let rate = line.per_second.map_or_else(String::new, |rate| format!("{rate:.0}"));
            println!("{:<58} {:>7} {:>10} {:>10} {rate:>10}", line.what, line.nanos.len(), line.shown(0.5), line.shown(0.99));
        }
    }
}

impl Line {
    fn shown(&self, quantile: f64) -> String {
        let nanos = self.nanos.value_at_quantile(quantile);
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let micros = nanos as f64 / 1000.0;
        if micros >= 1000.0 { format!("{:.2} ms", micros / 1000.0) } else { format!("{micros:.1} µs") }
    }

    fn json(&self) -> Value {
        let at = |quantile| self.nanos.value_at_quantile(quantile);
        json!({ "what": self.what, "n": self.nanos.len(), "p50_ns": at(0.5), "p90_ns": at(0.9), "p99_ns": at(0.99), "p999_ns": at(0.999), "max_ns": self.nanos.max(), "per_second": self.per_second })
    }
}

/// How long `work` takes, again and again.
pub(crate) fn time(times: usize, mut work: impl FnMut()) -> Vec<Duration> {
    let one = |_| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    (0..times).map(one).collect()
}
