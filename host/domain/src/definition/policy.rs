//! Reads how a step is tried: `retry` and `limits`, each field that is not there taken from what stands above it. Apart, because the
//! same fields stand in four places of a document.

use super::reading::{Mistakes, join, shown};
use super::{Limits, Policy};
use crate::retry::Retry;
use crate::time::Span;
use bytesize::ByteSize;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

pub(super) const RETRY_FIELDS: &[&str] = &["attempts", "initial", "max", "factor", "jitter", "for"];
pub(super) const LIMIT_FIELDS: &[&str] = &["fuel", "timeout", "memory"];

pub(super) const FUEL_MAX: u64 = 1_000_000_000_000_000;
pub(super) const ATTEMPTS_MAX: u64 = 1000;
const HOUR: Span = Span(3_600_000);
pub(super) const DAY: Span = Span(24 * HOUR.0);
pub(super) const YEAR: Span = Span(365 * DAY.0);
const MEMORY_MIN: ByteSize = ByteSize::kib(64);
const MEMORY_MAX: ByteSize = ByteSize::gib(4);

/// What a step gets that says nothing of its own. Written out in `docs/definition.md`: sagas rely on it.
pub(super) const DEFAULTS: Policy = Policy {
    retry: Retry {
        attempts: Some(3),
        initial: Span(1000),
        max: Span(10_000),
        factor_thousandths: 2000,
        jitter: Span(100),
        total: None,
    },
    limits: Limits { fuel: 1_000_000_000, timeout: Span(10_000), memory: 64 << 20 },
};

impl Mistakes {
    /// `retry` and `limits` of `fields`, each field that is not there taken from `base`.
    pub(super) fn policy(&mut self, path: &str, fields: &Map<String, Value>, base: Policy) -> Policy {
        Policy {
            retry: fields.get("retry").map_or(base.retry, |v| self.retry(&join(path, "retry"), v, base.retry)),
            limits: fields.get("limits").map_or(base.limits, |v| self.limits(&join(path, "limits"), v, base.limits)),
        }
    }

    fn retry(&mut self, path: &str, value: &Value, base: Retry) -> Retry {
        let Some(fields) = self.object(path, value, RETRY_FIELDS) else { return base };
        let mut span =
            |name: &str, base| fields.get(name).and_then(|v| self.span(&join(path, name), v, Span(0)..=DAY)).unwrap_or(base);
        let (initial, max, jitter) = (span("initial", base.initial), span("max", base.max), span("jitter", base.jitter));
        let attempts = fields.get("attempts").map_or(base.attempts, |v| self.attempts(&join(path, "attempts"), v, base.attempts));
        let factor = fields.get("factor").and_then(|v| self.factor(&join(path, "factor"), v));
        let total = fields.get("for").and_then(|v| self.span(&join(path, "for"), v, Span(1)..=YEAR));
        Retry {
            attempts,
            initial,
            max,
            factor_thousandths: factor.unwrap_or(base.factor_thousandths),
            jitter,
            total: total.or(base.total),
        }
    }

    /// None: unlimited. Where it cannot be read, `base`, so that the mistake is not told again as one of having no bound.
    fn attempts(&mut self, path: &str, value: &Value, base: Option<u32>) -> Option<u32> {
        if value == "unlimited" {
            return None;
        }
        let found = value.as_u64().filter(|n| (1..=ATTEMPTS_MAX).contains(n)).and_then(|n| u32::try_from(n).ok());
        if found.is_none() {
            self.add(path, format!("is {}: write a whole number from 1 to {ATTEMPTS_MAX}, or `unlimited`", shown(value)));
        }
        found.or(base)
    }

    fn factor(&mut self, path: &str, value: &Value) -> Option<u32> {
        let found = value.as_f64().filter(|f| (1.0..=100.0).contains(f));
        if found.is_none() {
            self.add(path, format!("is {}: write a number from 1 to 100, such as 2 or 1.5", shown(value)));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1000 and 100000")]
        found.map(|f| (f * 1000.0).round() as u32)
    }

    fn limits(&mut self, path: &str, value: &Value, base: Limits) -> Limits {
        let Some(fields) = self.object(path, value, LIMIT_FIELDS) else { return base };
        let timeout = fields.get("timeout").and_then(|v| self.span(&join(path, "timeout"), v, Span(1)..=HOUR));
        Limits {
            fuel: fields.get("fuel").and_then(|v| self.integer(&join(path, "fuel"), v, 1..=FUEL_MAX)).unwrap_or(base.fuel),
            timeout: timeout.unwrap_or(base.timeout),
            memory: fields.get("memory").and_then(|v| self.size(&join(path, "memory"), v)).unwrap_or(base.memory),
        }
    }

    /// A span of time, written with its unit.
    pub(super) fn span(&mut self, path: &str, value: &Value, range: RangeInclusive<Span>) -> Option<Span> {
        let span = self.parsed::<Span>(path, value, "10s or 250ms")?;
        if !range.contains(&span) {
            self.add(path, format!("is {span}: write a span from {} to {}", range.start(), range.end()));
        }
        Some(span)
    }

    fn size(&mut self, path: &str, value: &Value) -> Option<u64> {
        let size =
            value.as_str().and_then(|text| text.parse::<ByteSize>().ok()).filter(|size| (MEMORY_MIN..=MEMORY_MAX).contains(size));
        if size.is_none() {
            self.add(path, format!("is {}: write a size from {MEMORY_MIN} to {MEMORY_MAX}, such as 64MiB", shown(value)));
        }
        size.map(|size| size.0)
    }
}
