//! How time and memory grow with a run: steps in a row, steps side by side, long waits. What grows faster than the run does shows in the
//! last columns.

use crate::book::{Book, resident};
use crate::site::{SetClock, Site, folder};
use crate::walked::{started, walk};
use amends_domain::definition::read;
use amends_domain::event::{Ending, Entry, Failure, Fault};
use amends_domain::id::RunId;
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::Span;
use anyhow::{Result, bail};
use harness::small_guest;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The shapes of runs.
const ROWS: [usize; 4] = [1, 10, 100, 1000];
const WIDTHS: [usize; 3] = [5, 50, 500];
/// Waiting runs at a time, to see what each costs.
const WAITING: usize = 2000;
const MONTH: Span = Span(30 * 24 * 3_600_000);
/// How often the rules of a run are walked through; the quickest counts.
const TIMES: usize = 5;

pub(crate) fn measure(book: &mut Book) -> Result<()> {
    println!("\n{:<58} {:>7} {:>10} {:>12} {:>12}", "growth", "steps", "run", "for a step", "journal/step");
    for len in ROWS {
        rules(book, "rules alone, steps in a row", &row(len), len)?;
    }
    for width in WIDTHS {
        rules(book, "rules alone, one step, then as many side by side, then one", &fan(width), width + 2)?;
    }
    for len in ROWS {
        back(book, "rules alone, the last of them fails, all are taken back", &row(len), len)?;
    }
    for len in ROWS {
        whole(book, "on disk, steps in a row", &row(len), len)?;
    }
    for width in WIDTHS {
        whole(book, "on disk, one step, then as many side by side, then one", &fan(width), width + 2)?;
    }
    month(book)
}

fn row(len: usize) -> String {
    let step = |n| format!(r#"{{"id":"s{n}","uses":"echo/echo","input":"${{input}}"}}"#);
    document("row", (0..len).map(step))
}

fn fan(width: usize) -> String {
    let side = |n| format!(r#"{{"id":"s{n}","uses":"echo/echo","after":["first"],"input":"${{steps['first'].output}}"}}"#);
    let names: Vec<_> = (0..width).map(|n| format!(r#""s{n}""#)).collect();
    let first = r#"{"id":"first","uses":"echo/echo"}"#.to_owned();
    let last = format!(r#"{{"id":"last","uses":"echo/echo","after":[{}]}}"#, names.join(","));
    document("fan", std::iter::once(first).chain((0..width).map(side)).chain(std::iter::once(last)))
}

fn document(name: &str, steps: impl Iterator<Item = String>) -> String {
    let retry = r#""defaults":{"retry":{"attempts":1}}"#;
    format!(r#"{{"saga":"{name}",{retry},"steps":[{}]}}"#, steps.collect::<Vec<_>>().join(","))
}

fn say(book: &mut Book, what: &str, steps: usize, took: Duration, bytes: usize) {
    let each = took / u32::try_from(steps).expect("few steps");
    println!("{what:<58} {steps:>7} {:>10} {:>12} {:>10} B", shown(took), shown(each), bytes / steps);
    let us = took.as_secs_f64() * 1e6;
    book.add("growth", json!({ "what": what, "steps": steps, "took_us": us, "journal_bytes": bytes }));
}

fn shown(span: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let micros = span.as_nanos() as f64 / 1000.0;
    if micros >= 1000.0 { format!("{:.2} ms", micros / 1000.0) } else { format!("{micros:.2} µs") }
}

fn rules(book: &mut Book, what: &str, document: &str, steps: usize) -> Result<()> {
    walked(book, what, document, steps, |_| Ending::Ok { output: Payload::from("1") })
}

fn back(book: &mut Book, what: &str, document: &str, steps: usize) -> Result<()> {
    let last = steps - 1;
    walked(book, what, document, steps, move |step| {
        let fault = Fault::new("no", "no");
        let failed = Ending::Failed { failure: Failure::Rejected, fault, retry_after: None };
        if step == last { failed } else { Ending::Ok { output: Payload::from("1") } }
    })
}

fn walked(book: &mut Book, what: &str, document: &str, steps: usize, ending: impl Fn(usize) -> Ending) -> Result<()> {
    let definition = Arc::new(read(document)?);
    let mut best: Option<(Duration, Vec<Entry>)> = None;
    for _ in 0..TIMES {
        let begin = Instant::now();
        let journal = walk(&definition, started(&definition, "echo", "1"), &ending);
        let took = begin.elapsed();
        if best.as_ref().is_none_or(|(best, _)| took < *best) {
            best = Some((took, journal));
        }
    }
    let Some((took, journal)) = best else { bail!("nothing was walked") };
    let begin = Instant::now();
    let run = Run::of_journal(RunId(1), Arc::clone(&definition), &journal)?;
    let replayed = begin.elapsed();
    drop(run);
    say(book, what, steps, took, journal.iter().map(|entry| postcard::to_stdvec(entry).map_or(0, |bytes| bytes.len())).sum());
    println!("{:<58} {steps:>7} {:>10}", "    and replayed from its journal", shown(replayed));
    Ok(())
}

fn whole(book: &mut Book, what: &str, document: &str, steps: usize) -> Result<()> {
    let directory = folder()?;
    let site = with_echo(directory.path(), document, Arc::new(SetClock::default()))?;
    let saga = read(document)?.saga;
    site.run(saga.as_str(), &json!(1))?;
    let mut best = Duration::MAX;
    let mut run = None;
    for _ in 0..TIMES {
        let begin = Instant::now();
        run = Some(site.run(saga.as_str(), &json!(1))?.id());
        best = best.min(begin.elapsed());
    }
    let Some(run) = run else { bail!("nothing was run") };
    say(book, what, steps, best, site.journal_len(run)?);
    site.close()
}

fn with_echo(data: &Path, document: &str, clock: Arc<SetClock>) -> Result<Site> {
    let site = Site::open(data, clock)?;
    let tenant = site.tenant.clone();
    site.install(&tenant, "echo", small_guest("echo"))?;
    site.apply(&tenant, document)?;
    Ok(site)
}

/// Runs that wait for thirty days.
fn month(book: &mut Book) -> Result<()> {
    let (directory, clock) = (folder()?, Arc::new(SetClock::default()));
    let document = r#"{"saga":"month","steps":[{"id":"w","wait":{"for":"30d"}},{"id":"a","uses":"echo/echo"}]}"#;
    let site = with_echo(directory.path(), document, Arc::clone(&clock))?;
    let start = || Ok(site.run("month", &json!(1))?.id());
    start()?;
    let (before, begin) = (resident(), Instant::now());
    let runs = (0..WAITING).map(|_| start()).collect::<Result<Vec<_>>>()?;
    let took = begin.elapsed() / u32::try_from(WAITING).expect("few runs");
    let memory = resident().saturating_sub(before) / WAITING as u64;
    let journal = site.journal_len(runs[0])?;
    println!(
        "\n{WAITING} runs that wait for 30 days, one after the other: {} to start and put aside; {memory} B of memory and {journal} B of journal for each",
        shown(took)
    );
    clock.0.store(MONTH.0 + 1000, Ordering::Relaxed);
    let begin = Instant::now();
    for run in &runs {
        let driven = site.coordinator.adopt(&site.tenant, *run)?;
        if let Some(driven) = driven {
            site.block_on(driven.ended())?;
        }
    }
    let woken = begin.elapsed() / u32::try_from(WAITING).expect("few runs");
    println!("30 days later, all overdue: {} to find each, wake it and drive it to its end", shown(woken));
    println!("data file: {} KiB", std::fs::metadata(directory.path().join("amends.redb"))?.len() / 1024);
    let micros = |span: Duration| span.as_secs_f64() * 1e6;
    book.add(
        "growth",
        json!({ "what": "a month's wait", "put_aside_us": micros(took), "woken_us": micros(woken), "memory": memory }),
    );
    site.close()
}
