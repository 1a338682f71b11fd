//! Whole runs: three steps of the order plugin, from the start to the durable outcome.

use crate::figures::Figures;
use crate::site::{FineClock, Site, TEXT_LEN, THREE, folder, given};
use amends::clock::Clock;
use amends_domain::event::{Ending, Entry, Event};
use amends_domain::id::RunId;
use amends_domain::time::Timestamp;
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream;
use harness::{Host, guest, root, small_guest};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ORDERS: &str = "order.fulfillment";
/// The same three steps, each of which answers its input and nothing else.
const ECHO: &str = r#"{"saga":"echo","steps":[
    {"id":"a","uses":"echo/echo","compensate":"none"},
    {"id":"b","uses":"echo/echo","compensate":"none"},
    {"id":"c","uses":"echo/echo","compensate":"none"}]}"#;
/// Runs that are not measured: the first ones fill caches.
const WARM_UP: usize = 50;

/// How many runs of steps that do nothing are in flight.
const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 1024];

pub(crate) fn measure(figures: &mut Figures, runs: usize) -> Result<()> {
    orders(figures, runs)?;
    nothing(figures, runs)
}

/// Steps of the SDK that do nothing: what is left is the host.
fn nothing(figures: &mut Figures, runs: usize) -> Result<()> {
    let (directory, clock) = (folder()?, Arc::new(FineClock::new()));
    let site = Site::with_three(directory.path(), Arc::clone(&clock) as Arc<dyn Clock>)?;
    for (mix, refuse) in [("three steps that do nothing", false), ("the third of three refuses, two are taken back", true)] {
        let input = given(refuse, TEXT_LEN);
        for in_flight in IN_FLIGHT {
            let runs = if in_flight == 1 { runs } else { runs * 5 };
            let (mut backs, begin) = (Vec::new(), Instant::now());
            let one = |_| async {
                let begin = Instant::now();
                let run = site.rest(&site.tenant, THREE, &input).await?;
                anyhow::Ok((begin.elapsed(), run.id(), clock.now()))
            };
            let ended: Vec<Result<_>> = site.block_on(stream::iter(0..runs).map(one).buffer_unordered(in_flight).collect());
            let (total, ended) = (begin.elapsed(), ended.into_iter().collect::<Result<Vec<_>>>()?);
            let spans: Vec<_> = ended.iter().map(|(span, ..)| *span).collect();
            figures.add_parallel(format!("{mix}, {in_flight} in flight"), &spans, total);
            for (_, run, durable) in ended.iter().filter(|_| refuse).take(runs.min(2000)) {
                backs.push(back(&site, *run, *durable)?);
            }
            if refuse {
                figures.add("  from its failure until it is compensated and durable", backs);
            }
        }
    }
    site.close()
}

/// How long a run took from its failure until it was told that it is compensated. The clock's milliseconds are microseconds here.
fn back(site: &Site, run: RunId, durable: Timestamp) -> Result<Duration> {
    let failed = |entry: &Entry| match &entry.event {
        Event::AttemptEnded(ended) => matches!(ended.ending, Ending::Failed { .. }).then_some(entry.at),
        _ => None,
    };
    let failed = site.journal(run)?.iter().find_map(failed).with_context(|| format!("{run} did not fail"))?;
    Ok(Duration::from_micros(durable.0.saturating_sub(failed.0)))
}

fn orders(figures: &mut Figures, runs: usize) -> Result<()> {
    let directory = folder()?;
    let host = host(directory.path())?;
    let good = order(&json!({}));
    let bad = order(&json!({"create-shipment": {"execute": "reject"}}));
    one_by_one(figures, &host, "run of three steps, one at a time", (ORDERS, &good), runs)?;
    guests(figures, &host)?;
    one_by_one(figures, &host, "third step fails, two compensated, one at a time", (ORDERS, &bad), runs)?;
    one_by_one(figures, &host, "run of three empty steps, one at a time", ("echo", &json!(1)), runs)?;
    together(figures, &host, "run of three steps, 64 in flight, one stock", (ORDERS, &good), runs)?;
    together(figures, &host, "run of three empty steps, 64 in flight", ("echo", &json!(1)), runs * 5)?;
    host.coordinator.close()?;
    Ok(())
}

fn host(directory: &std::path::Path) -> Result<Host> {
    let host = Host::open(directory, 1)?;
    host.install("orders", &guest("orders"))?;
    let echo = directory.join("echo.wasm");
    std::fs::write(&echo, small_guest("echo"))?;
    host.install("echo", &echo)?;
    host.apply(ECHO)?;
    host.apply(&std::fs::read_to_string(root().join("examples/order-fulfillment/saga.yaml"))?)?;
    host.write_state(&json!({
        "stock/lamp": {"available": 100_000_000_u64, "reserved": 0, "shipped": 0, "price_cents": 10},
        "account/ada": {"balance_cents": 1_000_000_000_000_u64},
        "revenue": {"balance_cents": 0},
        "carriers": ["DE"],
    }))?;
    Ok(host)
}

fn order(rehearse: &Value) -> Value {
    json!({"sku": "lamp", "quantity": 1, "customer": "ada", "country": "DE", "rehearse": rehearse})
}

fn one_by_one(
    figures: &mut Figures,
    host: &Host,
    what: impl Into<String>,
    (saga, input): (&str, &Value),
    runs: usize,
) -> Result<()> {
    let mut spans = Vec::with_capacity(runs);
    for n in 0..runs + WARM_UP {
        let begin = Instant::now();
        host.run(saga, input)?;
        if n >= WARM_UP {
            spans.push(begin.elapsed());
        }
    }
    figures.add(what, spans);
    Ok(())
}

fn together(figures: &mut Figures, host: &Host, what: impl Into<String>, (saga, input): (&str, &Value), runs: usize) -> Result<()> {
    let begin = Instant::now();
    let one = |_| async {
        let begin = Instant::now();
        host.drive(saga, input).await?;
        anyhow::Ok(begin.elapsed())
    };
    let spans: Vec<Result<Duration>> = host.block_on(stream::iter(0..runs).map(one).buffer_unordered(64).collect());
    let total = begin.elapsed();
    figures.add_parallel(what, &spans.into_iter().collect::<Result<Vec<_>>>()?, total);
    Ok(())
}

/// What the journals of the runs so far say about their attempts.
fn guests(figures: &mut Figures, host: &Host) -> Result<()> {
    let mut spans = Vec::new();
    for (run, _) in host.coordinator.store().runs(&host.tenant, None, 1000)? {
        for entry in host.journal(run)? {
            if let Event::AttemptEnded(ended) = entry.event {
                ensure!(matches!(ended.ending, Ending::Ok { .. }), "{run}: {:?}", ended.ending);
                spans.push(Duration::from_micros(ended.spent.micros));
            }
        }
    }
    figures.add("  guest: one attempt of it, whole (from the journals)", spans);
    Ok(())
}
