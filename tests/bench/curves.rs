//! How a host fares as what it holds grows: payloads, open runs, tenants, plugins. Each curve has a bound of time; a point that would come behind it is
//! left out, and that is said. How runs grow with their steps is in `growth`.

use crate::book::{Book, resident};
use crate::site::{SetClock, Site, THREE, folder, given, three};
use amends_domain::event::TenantEvent;
use amends_domain::id::TenantId;
use anyhow::Result;
use futures_util::{StreamExt, stream};
use harness::{executes, framed_guest, guest};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs at each point, one at a time.
const RUNS: usize = 200;
/// Most that are begun at a time while a host is filled.
const TOGETHER: usize = 256;
/// How long filling a host for one point may take.
const FILLING_MAX: Duration = Duration::from_mins(3);

const PAYLOADS: [usize; 6] = [0, 1 << 10, 4 << 10, 16 << 10, 64 << 10, (256 << 10) - 64];
const OPEN: [usize; 5] = [100, 1000, 10_000, 100_000, 1_000_000];
const TENANTS: [usize; 5] = [1, 10, 100, 1000, 10_000];
const PLUGINS: [usize; 4] = [1, 10, 100, 1000];

/// A saga that waits for somebody who never comes.
const WAITS: &str = r#"{"saga":"waits","steps":[{"id":"w","wait":{"signal":"never"}}]}"#;

/// Spans of runs, and what else there is to say of a point.
struct Point {
    nanos: Histogram<u64>,
}

impl Point {
    fn of(mut one: impl FnMut(usize) -> Result<()>) -> Result<Self> {
        let mut nanos = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        for number in 0..RUNS + RUNS / 10 {
            let begin = Instant::now();
            one(number)?;
            if number >= RUNS / 10 {
                nanos.saturating_record(u64::try_from(begin.elapsed().as_nanos())?);
            }
        }
        Ok(Self { nanos })
    }

    fn tell(&self, book: &mut Book, curve: &str, at: usize, more: &Value) {
        let micros = |quantile| self.nanos.value_at_quantile(quantile) / 1000;
        let (p50, p99) = (micros(0.5), micros(0.99));
        println!("{curve:<10} {at:>9}   p50 {p50:>7} µs   p99 {p99:>7} µs   {more}");
        book.add(&format!("curve of {curve}"), json!({ "at": at, "p50_us": p50, "p99_us": p99, "more": more }));
    }
}

pub(crate) fn payloads(book: &mut Book) -> Result<()> {
    println!("\na run of three steps, by the length of what each is given and answers, bytes");
    for len in PAYLOADS {
        let directory = folder()?;
        let site = Site::with_three(directory.path(), Arc::new(SetClock::default()))?;
        let input = given(false, len);
        let before = data_len(directory.path());
        Point::of(|_| site.run(THREE, &input).map(drop))?.tell(book, "payload", len, &json!({}));
        let grown = data_len(directory.path()).saturating_sub(before) / (RUNS as u64);
        book.add("curve of payload", json!({ "at": len, "file_bytes_each": grown }));
        site.close()?;
    }
    Ok(())
}

/// `most`: how many runs are open at the last point.
pub(crate) fn open_runs(book: &mut Book, most: usize) -> Result<()> {
    println!("\na run of three steps while so many others wait; and the host opened again");
    let (directory, before) = (folder()?, resident());
    let mut site = waiting(directory.path())?;
    let mut open = 0;
    for wanted in OPEN.into_iter().filter(|wanted| *wanted <= most) {
        let begin = Instant::now();
        open += fill_with_waiting(&site, wanted - open)?;
        if open < wanted {
            println!("only {open} of {wanted} in {FILLING_MAX:?}: the rest is left out");
            break;
        }
        let filled = begin.elapsed();
        let held = resident().saturating_sub(before);
        let point = Point::of(|_| site.run(THREE, &given(false, 72)).map(drop))?;
        site.close()?;
        let begin = Instant::now();
        site = Site::open(directory.path(), Arc::new(SetClock::default()))?.resting_at_once();
        let opened = begin.elapsed();
        let more = json!({
            "filled_s": filled.as_secs_f64(), "memory_each": held / wanted as u64, "opened_ms": opened.as_millis(),
            "file_bytes": data_len(directory.path()),
        });
        point.tell(book, "open runs", wanted, &more);
    }
    site.close()
}

fn waiting(data: &Path) -> Result<Site> {
    let site = Site::with_three(data, Arc::new(SetClock::default()))?.resting_at_once();
    site.apply(&site.tenant.clone(), WAITS)?;
    Ok(site)
}

/// Starts runs that wait, as many as there is time for. Gives how many.
fn fill_with_waiting(site: &Site, runs: usize) -> Result<usize> {
    let begin = Instant::now();
    let input = json!(null);
    let one = |_| async {
        if begin.elapsed() > FILLING_MAX {
            return Ok(0);
        }
        site.rest(&site.tenant, "waits", &input).await.map(|_| 1)
    };
    let counts: Vec<Result<usize>> = site.block_on(stream::iter(0..runs).map(one).buffer_unordered(TOGETHER).collect());
    counts.into_iter().sum()
}

pub(crate) fn tenants(book: &mut Book) -> Result<()> {
    println!("\na run of three steps, by how many tenants take turns");
    let directory = folder()?;
    let site = Site::open(directory.path(), Arc::new(SetClock::default()))?;
    let (before, begin, component) = (resident(), Instant::now(), std::fs::read(guest("nothing"))?);
    let mut all: Vec<TenantId> = Vec::new();
    for wanted in TENANTS {
        while all.len() < wanted && begin.elapsed() < FILLING_MAX {
            let tenant: TenantId = format!("t{}", all.len()).parse()?;
            site.block_on(site.coordinator.alter(&tenant, TenantEvent::TenantCreated { by: "bench".to_owned() }))?;
            site.install(&tenant, "nothing", component.clone())?;
            site.apply(&tenant, &three().to_string())?;
            all.push(tenant);
        }
        if all.len() < wanted {
            println!("only {} of {wanted} in {FILLING_MAX:?}: the rest is left out", all.len());
            break;
        }
        let held = resident().saturating_sub(before) / wanted as u64;
        let input = given(false, 72);
        // Spread, so that neighbours in memory and on disk are not run one behind the other.
        let tenant = |number: usize| &all[number * 7919 % all.len()];
        let point = Point::of(|number| site.block_on(site.rest(tenant(number), THREE, &input)).map(drop))?;
        point.tell(book, "tenants", wanted, &json!({ "memory_each": held, "file_bytes": data_len(directory.path()) }));
    }
    site.close()
}

pub(crate) fn plugins(book: &mut Book) -> Result<()> {
    println!("\na run of one step, by how many plugins take turns (256 are kept in memory)");
    let directory = folder()?;
    let site = Site::open(directory.path(), Arc::new(SetClock::default()))?;
    let tenant = site.tenant.clone();
    let (before, begin) = (resident(), Instant::now());
    let mut installed = 0;
    for wanted in PLUGINS {
        while installed < wanted && begin.elapsed() < FILLING_MAX {
            site.install(&tenant, &format!("p{installed}"), distinct(installed))?;
            site.apply(&tenant, &format!(r#"{{"saga":"s{installed}","steps":[{{"id":"a","uses":"p{installed}/x"}}]}}"#))?;
            installed += 1;
        }
        if installed < wanted {
            println!("only {installed} of {wanted} in {FILLING_MAX:?}: the rest is left out");
            break;
        }
        let held = resident().saturating_sub(before) / wanted as u64;
        let point = Point::of(|number| site.run(&format!("s{}", number * 7919 % wanted), &json!(1)).map(drop))?;
        point.tell(book, "plugins", wanted, &json!({ "memory_each": held, "filled_s": begin.elapsed().as_secs_f64() }));
    }
    site.close()
}

/// A component that answers nothing and is no other one.
fn distinct(number: usize) -> Vec<u8> {
    framed_guest(&executes(&format!("(global i32 (i32.const {number}))"), "(i32.const 0)"))
}

fn data_len(data: &Path) -> u64 {
    std::fs::metadata(data.join("amends.redb")).map_or(0, |metadata| metadata.len())
}
