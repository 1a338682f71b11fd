//! The numbers: one table, from which the metrics are made and to which `docs/metrics.md` is held equal by a test. What only rises is counted
//! when it happens; how things stand is looked at when somebody asks.

use amends_domain::id::TenantId;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What every name begins with.
pub const PREFIX: &str = "amends";
/// What [`Metrics::text`] is: `OpenMetrics` 1.0, which Prometheus reads.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Most tenants that are told apart. Those that come later are counted together, as [`OTHERS`]: their names are their own to choose, and each costs
/// whoever collects the numbers a series of every metric.
pub const TENANTS_MAX: usize = 100;
/// Tenants beyond [`TENANTS_MAX`].
const OTHERS: &str = "other";

/// Names of labels and what they say.
type Labels = Vec<(&'static str, Cow<'static, str>)>;
type Counted = Family<Labels, Counter>;
type Measured = Family<Labels, Histogram, fn() -> Histogram>;
type Level = Gauge<f64, AtomicU64>;

/// A metric, for the documentation.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Without the prefix, and without the suffix that counters have.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: &'static str,
    /// What it is, with its unit.
    pub what: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $field:ident: $type:ty = $make:expr, $labels:literal, $what:literal;)*) => {
        /// All of them, in the order of the documentation.
        pub const LIST: &[Listed] = &[$(Listed {
            name: stringify!($field),
            kind: stringify!($kind),
            labels: $labels,
            what: $what,
        }),*];

        /// The numbers of one host. Counting takes tens of nanoseconds and waits for nobody for long.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// Which tenants are told apart.
            tenants: Mutex<HashSet<TenantId>>,
            $($field: $type,)*
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix(PREFIX);
                $(
                    let $field: $type = $make;
                    registry.register(stringify!($field), $what, $field.clone());
                )*
                Self { registry, tenants: Mutex::default(), $($field,)* }
            }
        }
    };
}

metrics! {
    counter runs_started: Counted = Counted::default(), "tenant", "Runs that were accepted";
    counter runs_ended: Counted = Counted::default(), "tenant, outcome",
        "Runs that came to an outcome: succeeded, compensated, stuck, killed. One that was stuck and goes on comes to another";
    counter attempts_ended: Counted = Counted::default(), "direction, result",
        "Attempts that ended: ok, rejected, unavailable, uncertain, trap, out-of-fuel, timeout, out-of-memory, oversized, lost, cancelled";
    histogram attempt_seconds: Measured = Measured::new_with_constructor(of_attempts), "direction", "How long attempts took, seconds";
    counter fuel: Counted = Counted::default(), "tenant", "Fuel that attempts used, units";
    counter requests_intended: Counted = Counted::default(), "tenant", "Requests of plugins that were noted, to be sent";
    counter commits: Counter = Counter::default(), "", "Transactions that became durable";
    histogram commit_seconds: Histogram = Histogram::new(exponential_buckets(0.000_25, 2.0, 14)), "",
        "How long a commit took from its beginning until it was durable, seconds";
    histogram commit_bytes: Histogram = Histogram::new(exponential_buckets(256.0, 4.0, 10)), "",
        "How long the records and components of one commit were, bytes";
    counter facts: Counter = Counter::default(), "", "Facts that became durable";
    counter http_requests: Counted = Counted::default(), "operation, status",
        "Requests that were answered: 401, 403 and 404 are those that were denied";
    histogram http_request_seconds: Measured = Measured::new_with_constructor(of_requests), "operation",
        "How long requests took until their answer began, seconds";
    counter runs_untraced: Counter = Counter::default(), "", "Runs whose trace was not sent though there is a collector";
    counter webhook_requests: Counted = Counted::default(), "tenant, result",
        "Requests to webhooks: delivered, failed";
    counter webhook_events: Counted = Counted::default(), "tenant", "Events that webhooks took";
    histogram webhook_request_seconds: Histogram = Histogram::new(exponential_buckets(0.001, 4.0, 8)), "",
        "How long requests to webhooks took until there was an answer or none, seconds";
    gauge webhooks: Level = Level::default(), "", "Webhooks of all tenants";
    gauge webhooks_failing: Level = Level::default(), "", "Webhooks that take nothing at the moment";
    gauge webhook_records_behind_max: Level = Level::default(), "", "Records by which the webhook that is furthest behind is behind its chain";
    gauge queue_facts: Level = Level::default(), "", "Facts that are not durable yet";
    gauge queue_bytes: Level = Level::default(), "", "How long they are, bytes";
    gauge queue_age_seconds: Level = Level::default(), "", "How long the oldest of them has waited, seconds";
    gauge runs_open: Level = Level::default(), "", "Runs without an outcome";
    gauge runs_stuck: Level = Level::default(), "", "Runs in which something waits for a person";
    gauge runs_driven: Level = Level::default(), "", "Runs that are driven at this moment";
    gauge runs_scheduled: Level = Level::default(), "", "Runs that nobody drives and that will be due";
    gauge guests_running: Level = Level::default(), "", "Places for attempts that are taken";
    gauge guests_waiting: Level = Level::default(), "", "Attempts that wait for a place";
    gauge guests_max: Level = Level::default(), "", "Places for attempts";
    counter compilations: Counter = Counter::default(), "", "Components whose compilation was begun";
    counter compilations_refused: Counter = Counter::default(), "", "Of these, those that the compiler refused or that took too much";
    gauge data_bytes: Level = Level::default(), "", "Length of the data file, bytes";
    gauge disk_free_bytes: Level = Level::default(), "", "Free space where the data file is, bytes";
    gauge disk_low: Level = Level::default(), "", "1 while nothing new is taken because the disk is almost full, else 0";
    gauge memory_resident_bytes: Level = Level::default(), "", "Memory of this process that is in use, bytes";
}

fn of_attempts() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 4.0, 11))
}

fn of_requests() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 4.0, 10))
}

/// How things stand when somebody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Levels {
    /// Facts that are not durable yet.
    pub queue_facts: usize,
    /// Their length.
    pub queue_bytes: usize,
    /// How long the oldest has waited.
    pub queue_age: Duration,
    /// Runs without an outcome.
    pub runs_open: u64,
    /// Runs in which something waits for a person.
    pub runs_stuck: u64,
    /// Runs that are driven.
    pub runs_driven: usize,
    /// Runs that will be due.
    pub runs_scheduled: usize,
    /// Places for attempts that are taken.
    pub guests_running: u32,
    /// Attempts that wait for one.
    pub guests_waiting: usize,
    /// All places.
    pub guests_max: u32,
    /// Compilations that were begun, ever.
    pub compilations: u64,
    /// Those that were refused, ever.
    pub compilations_refused: u64,
    /// Webhooks of all tenants.
    pub webhooks: usize,
    /// Those that take nothing at the moment.
    pub webhooks_failing: usize,
    /// How far the last of them is behind.
    pub webhook_records_behind_max: u64,
    /// Length of the data file.
    pub data_bytes: u64,
    /// Free space beside it.
    pub disk_free_bytes: u64,
    /// Whether that is too little.
    pub disk_low: bool,
}

impl Metrics {
    /// What one tenant did in a commit is durable.
    pub fn happened(&self, tenant: &TenantId, tally: &Tally) {
        let tenant = self.tenant(tenant);
        let one = || vec![tenant.clone()];
        let count = |counted: &Counted, labels: Labels, by: u64| {
            if by > 0 {
                counted.get_or_create(&labels).inc_by(by);
            }
        };
        count(&self.runs_started, one(), tally.runs_started);
        count(&self.requests_intended, one(), tally.requests_intended);
        count(&self.fuel, one(), tally.fuel);
        for (outcome, by) in &tally.runs_ended {
            count(&self.runs_ended, vec![tenant.clone(), ("outcome", (*outcome).into())], *by);
        }
        for ((direction, result), spans) in &tally.attempts_ended {
            count(&self.attempts_ended, vec![("direction", (*direction).into()), ("result", (*result).into())], spans.len() as u64);
            let measured = self.attempt_seconds.get_or_create(&vec![("direction", (*direction).into())]);
            for took in spans {
                measured.observe(took.as_secs_f64());
            }
        }
    }

    /// Runs were not told to the collector.
    pub fn untraced(&self, runs: u64) {
        self.runs_untraced.inc_by(runs);
    }

    /// A commit is durable.
    pub fn committed(&self, facts: u64, bytes: usize, took: Duration) {
        self.commits.inc();
        self.facts.inc_by(facts);
        self.commit_seconds.observe(took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "commits are far below 2^53 bytes")]
        self.commit_bytes.observe(bytes as f64);
    }

    /// A request was answered. `operation` is of a fixed list.
    pub fn answered(&self, operation: &'static str, status: u16, took: Duration) {
        let labels = vec![("operation", operation.into()), ("status", status.to_string().into())];
        self.http_requests.get_or_create(&labels).inc();
        self.http_request_seconds.get_or_create(&vec![("operation", operation.into())]).observe(took.as_secs_f64());
    }

    /// Something was sent to a webhook. `taken`: how many events, if they were.
    pub fn sent_to_webhook(&self, tenant: &TenantId, taken: Option<usize>, took: Duration) {
        let (tenant, result) = (self.tenant(tenant), if taken.is_some() { "delivered" } else { "failed" });
        self.webhook_requests.get_or_create(&vec![tenant.clone(), ("result", result.into())]).inc();
        if let Some(events) = taken {
            self.webhook_events.get_or_create(&vec![tenant]).inc_by(events as u64);
        }
        self.webhook_request_seconds.observe(took.as_secs_f64());
    }

    /// All of them, in the form that is [`CONTENT_TYPE`].
    ///
    /// # Panics
    /// Never: a text takes all.
    pub fn text(&self, levels: &Levels) -> String {
        self.look(levels);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a text takes all");
        text
    }

    fn look(&self, levels: &Levels) {
        let Levels { queue_age, disk_low, compilations, compilations_refused, .. } = *levels;
        self.queue_facts.set(real(levels.queue_facts));
        self.queue_bytes.set(real(levels.queue_bytes));
        self.queue_age_seconds.set(queue_age.as_secs_f64());
        self.runs_open.set(real(levels.runs_open));
        self.runs_stuck.set(real(levels.runs_stuck));
        self.runs_driven.set(real(levels.runs_driven));
        self.runs_scheduled.set(real(levels.runs_scheduled));
        self.guests_running.set(levels.guests_running.into());
        self.guests_waiting.set(real(levels.guests_waiting));
        self.guests_max.set(levels.guests_max.into());
        self.compilations.inner().store(compilations, Ordering::Relaxed);
        self.compilations_refused.inner().store(compilations_refused, Ordering::Relaxed);
        self.webhooks.set(real(levels.webhooks));
        self.webhooks_failing.set(real(levels.webhooks_failing));
        self.webhook_records_behind_max.set(real(levels.webhook_records_behind_max));
        self.data_bytes.set(real(levels.data_bytes));
        self.disk_free_bytes.set(real(levels.disk_free_bytes));
        self.disk_low.set(f64::from(u8::from(disk_low)));
        self.memory_resident_bytes.set(real(resident()));
    }

    /// The label for a tenant: one of a bounded number.
    fn tenant(&self, tenant: &TenantId) -> (&'static str, Cow<'static, str>) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told = tenants.contains(tenant) || (tenants.len() < TENANTS_MAX && tenants.insert(tenant.clone()));
        ("tenant", if is_told { tenant.to_string().into() } else { OTHERS.into() })
    }
}

/// What one tenant did in one commit, added up: a commit has thousands of facts, and whoever writes waits for none of them to be counted. Words are
/// of fixed lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs that were accepted.
    pub runs_started: u64,
    /// Runs that came to an outcome, by its word.
    pub runs_ended: BTreeMap<&'static str, u64>,
    /// How long each attempt took that ended, by direction and by how it ended.
    pub attempts_ended: BTreeMap<(&'static str, &'static str), Vec<Duration>>,
    /// Fuel that they used.
    pub fuel: u64,
    /// Requests that were noted.
    pub requests_intended: u64,
}

#[expect(clippy::cast_precision_loss, reason = "a level that is off by a billionth is right")]
fn real(number: impl TryInto<u64>) -> f64 {
    number.try_into().unwrap_or(u64::MAX) as f64
}

/// Memory of this process that is in use, bytes; 0 where nobody can say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::path::Path;

    fn full() -> Metrics {
        let metrics = Metrics::default();
        let tenant: TenantId = "acme".parse().expect("a name");
        let took = Duration::from_millis(3);
        let tally = Tally {
            runs_started: 1,
            runs_ended: [("succeeded", 1)].into(),
            attempts_ended: [(("forward", "ok"), vec![took, took])].into(),
            fuel: 7,
            requests_intended: 1,
        };
        metrics.happened(&tenant, &tally);
        metrics.committed(5, 1000, took);
        metrics.answered("startRun", 201, took);
        metrics.sent_to_webhook(&tenant, Some(9), took);
        metrics.sent_to_webhook(&tenant, None, took);
        metrics
    }

    #[test]
    fn every_metric_is_told_under_its_name_with_what_it_is() {
        let text = full().text(&Levels { queue_age: Duration::from_millis(1500), compilations: 3, ..Levels::default() });
        for Listed { name, kind, what, .. } in LIST {
            assert!(text.contains(&format!("# TYPE {PREFIX}_{name} {kind}\n")), "{name} in {text}");
            assert!(text.contains(&format!("# HELP {PREFIX}_{name} {what}.\n")), "{name}");
        }
        for line in [
            "amends_runs_started_total{tenant=\"acme\"} 1",
            "amends_runs_ended_total{tenant=\"acme\",outcome=\"succeeded\"} 1",
            "amends_attempts_ended_total{direction=\"forward\",result=\"ok\"} 2",
            "amends_fuel_total{tenant=\"acme\"} 7",
            "amends_facts_total 5",
            "amends_webhook_requests_total{tenant=\"acme\",result=\"failed\"} 1",
            "amends_webhook_events_total{tenant=\"acme\"} 9",
            "amends_http_requests_total{operation=\"startRun\",status=\"201\"} 1",
            "amends_queue_age_seconds 1.5",
            "amends_compilations_total 3",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn tenants_beyond_the_bound_are_counted_together() {
        let (metrics, one) = (Metrics::default(), Tally { runs_started: 1, ..Tally::default() });
        for number in 0..TENANTS_MAX + 50 {
            metrics.happened(&format!("t{number}").parse().expect("a name"), &one);
        }
        metrics.happened(&"t0".parse().expect("a name"), &one);
        let text = metrics.text(&Levels::default());
        let series = text.lines().filter(|line| line.starts_with("amends_runs_started_total{"));
        assert_eq!(series.count(), TENANTS_MAX + 1);
        for line in ["amends_runs_started_total{tenant=\"other\"} 50", "amends_runs_started_total{tenant=\"t0\"} 2"] {
            assert!(text.lines().any(|told| told == line), "{line}");
        }
    }

    /// What the page must say. `AMENDS_RENEW_GOLDEN=1` writes it.
    #[test]
    fn the_documentation_has_every_metric() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let page = std::fs::read_to_string(&path).expect("the page is there");
        let (before, rest) = page.split_once("<!-- metrics -->\n").expect("the table begins");
        let (_, after) = rest.split_once("<!-- end of metrics -->").expect("the table ends");
        let mut table = "| name | kind | labels | what it is |\n|---|---|---|---|\n".to_owned();
        for Listed { name, kind, labels, what } in LIST {
            let suffix = if *kind == "counter" { "_total" } else { "" };
            writeln!(table, "| `{PREFIX}_{name}{suffix}` | {kind} | {labels} | {what}. |").expect("a text takes all");
        }
        let wanted = format!("{before}<!-- metrics -->\n{table}<!-- end of metrics -->{after}");
        if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some() {
            std::fs::write(&path, &wanted).expect("the page can be written");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("the page is there"), wanted, "renew it with AMENDS_RENEW_GOLDEN=1");
    }
}
