//! Whole runs: three steps of the order plugin, from the start to the durable outcome.

use crate::figures::Figures;
use amends_domain::event::{Ending, Event};
use anyhow::{Result, ensure};
use futures_util::StreamExt;
use futures_util::stream;
use harness::{Host, guest, root, small_guest};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ORDERS: &str = "order.fulfillment";
/// The same three steps, each of which answers its input and nothing else.
const ECHO: &str = r#"{"saga":"echo","steps":[
    {"id":"a","uses":"echo/echo","compensate":"none"},
    {"id":"b","uses":"echo/echo","compensate":"none"},
    {"id":"c","uses":"echo/echo","compensate":"none"}]}"#;
/// Runs that are not measured: the first ones fill caches.
const WARM_UP: usize = 50;

pub(crate) fn measure(figures: &mut Figures, runs: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
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

fn one_by_one(figures: &mut Figures, host: &Host, what: &'static str, (saga, input): (&str, &Value), runs: usize) -> Result<()> {
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

fn together(figures: &mut Figures, host: &Host, what: &'static str, (saga, input): (&str, &Value), runs: usize) -> Result<()> {
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
