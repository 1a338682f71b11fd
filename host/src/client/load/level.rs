//! One load, measured: a warm-up, then a fixed time, of which everything is told. Apart from who asks when, and from how it is shown.

use super::super::ClientError;
use super::crowd::{Asker, Heard, Pace, Timed, bear};
use super::process::{Process, Usage};
use super::wire::{Shape, Target};
use bytes::Bytes;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest that is told apart, nanoseconds: two minutes.
const LONGEST_NS: u64 = 120_000_000_000;
/// Of how many answers one is looked into.
const LOOK_EACH: u64 = 8;
/// Most of an answer that is told where it was not the one that was wanted, characters.
const TOLD_MAX: usize = 300;

/// One kind of request, and its answer.
#[derive(Debug, Clone)]
pub struct Shot {
    /// What it is called.
    pub name: &'static str,
    /// What is sent.
    pub shape: Shape,
    /// What is in the answer if it is the one that is wanted.
    pub wants: Bytes,
    /// What else is measured in some of its answers.
    pub look: Option<Look>,
}

/// Finds a span in an answer.
pub type Look = fn(&[u8]) -> Option<Duration>;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What is asked if nothing else is.
    pub usual: Shot,
    /// What so many of a hundred requests are instead.
    pub other: Option<(Shot, u32)>,
}

/// How long it takes.
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    /// Before anything counts.
    pub warm_up: Duration,
    /// How long it counts.
    pub lasts: Duration,
}

/// What is measured, and how.
#[derive(Clone, Copy)]
pub struct Measuring<'a> {
    /// Where requests go.
    pub target: &'a Target,
    /// What they are.
    pub workload: &'a Workload,
    /// How fast.
    pub pace: Pace,
    /// How long.
    pub spans: Spans,
    /// The processes of the server, where they can be seen.
    pub server: &'a [Process],
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Level {
    /// How many were in flight; at a rate: at most.
    pub in_flight: usize,
    /// How many a second were due; none: as many as were answered.
    pub rate: Option<f64>,
    /// How long it counted, seconds.
    pub seconds: f64,
    /// Answers that were wanted ones.
    pub answered: u64,
    /// Of these, in a second.
    pub per_second: f64,
    /// How long they took.
    pub latency: Latencies,
    /// The same for each kind, where there are two.
    pub kinds: Vec<(&'static str, Latencies)>,
    /// What a [`Look`] found.
    pub looked: Option<Latencies>,
    /// What was not answered as it was wanted to.
    pub errors: Errors,
    /// What the server took.
    pub server: Option<Took>,
    /// What this process took.
    pub own: Option<Took>,
}

/// Spans, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latencies {
    pub count: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// What went wrong, and the first of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Answers that were not the ones that were wanted.
    pub unwanted: u64,
    /// Requests that nothing came back to.
    pub unanswered: u64,
    /// Answers that broke off.
    pub broken: u64,
    /// Requests that were due and not even sent before the end. How long they had waited then counts as their latency.
    pub unsent: u64,
    /// The first.
    pub first: Option<String>,
}

/// What a process took while it counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Took {
    /// Seconds on processors.
    pub cpu_s: f64,
    /// The same for a thousand answers.
    pub cpu_s_per_1000: f64,
    /// Memory in use at the end, bytes.
    pub resident: u64,
    /// What it had written to disks for each answer, bytes.
    pub written_each: f64,
}

impl Errors {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.unwanted + self.unanswered + self.broken + self.unsent
    }
}

/// Measures one load. `look` is called when counting begins and when it ends; what it gave is the second answer.
///
/// # Errors
/// [`ClientError::Runtime`] if this process has no room for a client.
pub fn measure<T>(measuring: Measuring<'_>, mut look: impl FnMut() -> T) -> Result<(Level, [T; 2]), ClientError> {
    let Measuring { target, workload, pace, spans, server } = measuring;
    let over = AtomicBool::new(false);
    let from = Instant::now() + spans.warm_up;
    let mut tally = Tally::new(workload, from, from + spans.lasts);
    let (unsent, looks, usages) = std::thread::scope(|scope| {
        let bearing = scope.spawn(|| bear(target, pace, &mut tally, &over));
        std::thread::sleep(from.saturating_duration_since(Instant::now()));
        let (first, before) = (look(), Usages::now(server));
        std::thread::sleep((from + spans.lasts).saturating_duration_since(Instant::now()));
        let (behind, last) = (Usages::now(server), look());
        over.store(true, Ordering::Release);
        let unsent = bearing.join().expect("it does not panic")?;
        Ok((unsent, [first, last], [before, behind]))
    })?;
    tally.wait_for(unsent, pace);
    Ok((tally.level(pace, &usages), looks))
}

#[derive(Clone, Copy)]
struct Usages {
    server: Option<Usage>,
    own: Option<Usage>,
}

impl Usages {
    fn now(server: &[Process]) -> Self {
        Self { server: Usage::of(server), own: Process::own().usage() }
    }
}

/// Asks, and counts what comes back.
struct Tally<'a> {
    workload: &'a Workload,
    from: Instant,
    to: Instant,
    /// Wanted answers that came while it counted.
    answered: u64,
    nanos: [Histogram<u64>; 2],
    looked: Histogram<u64>,
    errors: Errors,
}

impl<'a> Tally<'a> {
    fn new(workload: &'a Workload, from: Instant, to: Instant) -> Self {
        let (nanos, looked, errors) = ([empty(), empty()], empty(), Errors::default());
        Self { workload, from, to, answered: 0, nanos, looked, errors }
    }

    /// Which kind a request is, 0 or 1: spread evenly, so that each second has its share.
    fn kind(&self, number: u64) -> usize {
        let share = self.workload.other.as_ref().map_or(0, |(_, share)| u64::from(*share));
        let before = |number: u64| number * share / 100;
        usize::from(before(number + 1) > before(number))
    }

    fn shot(&self, kind: usize) -> &'a Shot {
        match &self.workload.other {
            Some((other, _)) if kind == 1 => other,
            Some(_) | None => &self.workload.usual,
        }
    }

    fn counts(&self, instant: Instant) -> bool {
        (self.from..self.to).contains(&instant)
    }

    fn failed(&mut self, which: impl FnOnce(&mut Errors) -> &mut u64, what: impl FnOnce() -> String) {
        *which(&mut self.errors) += 1;
        self.errors.first.get_or_insert_with(what);
    }

    /// What was due and not even sent has waited until the end.
    fn wait_for(&mut self, unsent: u64, pace: Pace) {
        let Pace::Rate { per_second, .. } = pace else { return };
        self.errors.unsent = unsent;
        if unsent > 0 {
            self.errors.first.get_or_insert_with(|| "it does not keep up with the rate".to_owned());
        }
        for number in 0..unsent {
            #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
            record(&mut self.nanos[0], Duration::from_secs_f64(number as f64 / per_second));
        }
    }

    fn level(self, pace: Pace, usages: &[Usages; 2]) -> Level {
        let (in_flight, rate) = match pace {
            Pace::InFlight(clients) => (clients, None),
            Pace::Rate { per_second, in_flight_max } => (in_flight_max, Some(per_second)),
        };
        let seconds = (self.to - self.from).as_secs_f64();
        let mut all = self.nanos[0].clone();
        all.add(&self.nanos[1]).expect("both have the same bounds");
        let kinds = (0..).zip(&self.nanos).map(|(kind, nanos)| (self.shot(kind).name, Latencies::of(nanos)));
        let took = |which: fn(&Usages) -> Option<Usage>| Some(Took::of(which(&usages[0])?, which(&usages[1])?, self.answered));
        Level {
            in_flight,
            rate,
            seconds,
            answered: self.answered,
            #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
            per_second: self.answered as f64 / seconds,
            latency: Latencies::of(&all),
            kinds: if self.workload.other.is_some() { kinds.collect() } else { Vec::new() },
            looked: (!self.looked.is_empty()).then(|| Latencies::of(&self.looked)),
            server: took(|usages| usages.server),
            own: took(|usages| usages.own),
            errors: self.errors,
        }
    }
}

impl Asker for Tally<'_> {
    fn ask(&mut self, number: u64) -> Shape {
        self.shot(self.kind(number)).shape.clone()
    }

    fn hear(&mut self, Timed { number, due, over, heard }: Timed) {
        let kind = self.kind(number);
        let shot = self.shot(kind);
        match heard {
            Heard::Answer { status: 200..300, body } if has(&body, &shot.wants) => {
                self.answered += u64::from(self.counts(over));
                if !self.counts(due) {
                    return;
                }
                record(&mut self.nanos[kind], over - due);
                // By what is heard of this kind, not by numbers, of which a kind may have the odd ones only.
                if let Some(look) = shot.look.filter(|_| self.nanos[kind].len() % LOOK_EACH == 1)
                    && let Some(span) = look(&body)
                {
                    record(&mut self.looked, span);
                }
            }
            Heard::Answer { status, body } => {
                let told = || String::from_utf8_lossy(&body).chars().take(TOLD_MAX).collect::<String>();
                self.failed(|errors| &mut errors.unwanted, || format!("{status}: {}", told()));
            }
            Heard::Nothing(what) => self.failed(|errors| &mut errors.unanswered, || what),
            Heard::Broken(what) => self.failed(|errors| &mut errors.broken, || what),
        }
    }
}

impl Latencies {
    fn of(nanos: &Histogram<u64>) -> Self {
        let at = |quantile| nanos.value_at_quantile(quantile) / 1000;
        let mean = nanos.mean() / 1000.0;
        Self { count: nanos.len(), mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: nanos.max() / 1000 }
    }
}

impl Took {
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    fn of(before: Usage, behind: Usage, answered: u64) -> Self {
        let (cpu_s, each) = (behind.cpu.saturating_sub(before.cpu).as_secs_f64(), answered.max(1) as f64);
        let written = behind.written.saturating_sub(before.written);
        Self { cpu_s, cpu_s_per_1000: cpu_s * 1000.0 / each, resident: behind.resident, written_each: written as f64 / each }
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("two minutes in three digits")
}

fn record(nanos: &mut Histogram<u64>, span: Duration) {
    nanos.saturating_record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
}

/// Whether `body` has `wanted` in it. Answers are short, and what is wanted stands at their beginning.
fn has(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
