//! How steps are tried and taken back: retry, limits and compensation, each with only what its author said of it. What is not said
//! comes from the defaults; bounds are checked when the saga is built.

use std::marker::PhantomData;
use std::time::Duration;

use serde_json::{Map, Value};

type Fields = Map<String, Value>;

fn with(mut fields: Fields, name: &str, value: impl Into<Value>) -> Fields {
    fields.insert(name.to_owned(), value.into());
    fields
}

/// A span of time as a document writes it: from a text such as `"250ms"` or `"1m 30s"`, or from a [`Duration`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span(String);

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        if !span.subsec_nanos().is_multiple_of(1_000_000) {
            // Finer than a document can say: built, it is a mistake.
            return Self(format!("{}ns", span.as_nanos()));
        }
        let ms = span.as_millis();
        let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let whole = units.iter().find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms));
        Self(whole.map_or_else(|| format!("{ms}ms"), |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms)))
    }
}

impl From<Span> for Value {
    fn from(span: Span) -> Self {
        Self::String(span.0)
    }
}

/// Trying that ends: by its number of attempts, or by its time.
#[derive(Debug)]
pub enum Bounded {}

/// Trying that does not end by itself.
#[derive(Debug)]
pub enum Unbounded {}

/// How often and how soon a step is tried again in one direction.
///
/// `Retry::attempts(5)`, `Retry::unlimited().for_("1h")`, or `Retry::new()` for the number of attempts that the defaults say. Trying
/// without any end is for [retriable](crate::saga::Plugin::retriable) steps alone.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Retry<B = Bounded> {
    pub(super) fields: Fields,
    ends: PhantomData<fn() -> B>,
}

impl Retry {
    /// As often as the defaults say.
    #[expect(clippy::new_without_default, reason = "there is nothing to be said for a retry that says nothing")]
    pub fn new() -> Self {
        Self { fields: Fields::new(), ends: PhantomData }
    }

    /// This many attempts in all, the first included: 1 to 1000.
    pub fn attempts(attempts: u32) -> Self {
        Self::new().set("attempts", attempts)
    }

    /// As many attempts as it takes.
    pub fn unlimited() -> Retry<Unbounded> {
        Retry { fields: Fields::new(), ends: PhantomData }.set("attempts", "unlimited")
    }
}

impl<B> Retry<B> {
    /// The wait after the first failed attempt, up to a day.
    pub fn initial(self, span: impl Into<Span>) -> Self {
        self.set("initial", span.into())
    }

    /// The longest wait, up to a day.
    pub fn max(self, span: impl Into<Span>) -> Self {
        self.set("max", span.into())
    }

    /// By how much each wait is longer than the one before it: 1 to 100.
    pub fn factor(self, factor: impl Into<f64>) -> Self {
        let factor = factor.into();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 100")]
        if factor.fract() == 0.0 && (0.0..=100.0).contains(&factor) {
            return self.set("factor", factor as u64);
        }
        self.set("factor", factor)
    }

    /// By how much a wait is moved at most, up to a day.
    pub fn jitter(self, span: impl Into<Span>) -> Self {
        self.set("jitter", span.into())
    }

    /// How long after the start of the first attempt another one may start, up to a year. The document's word is `for`.
    pub fn for_(self, span: impl Into<Span>) -> Retry {
        Retry { fields: with(self.fields, "for", span.into()), ends: PhantomData }
    }

    fn set(self, name: &str, value: impl Into<Value>) -> Self {
        Self { fields: with(self.fields, name, value), ends: PhantomData }
    }
}

/// What each attempt may use.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Limits(pub(super) Fields);

impl Limits {
    /// As much as the defaults say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Units of deterministic work, from 1.
    pub fn fuel(self, fuel: u64) -> Self {
        Self(with(self.0, "fuel", fuel))
    }

    /// Wall time, from 1ms to 1h.
    pub fn timeout(self, span: impl Into<Span>) -> Self {
        Self(with(self.0, "timeout", span.into()))
    }

    /// Memory with its unit, such as `64MiB`: 64KiB to 4GiB.
    pub fn memory(self, size: &str) -> Self {
        Self(with(self.0, "memory", size))
    }
}

/// How steps are tried in one direction: the defaults of a saga, or the compensation of a step.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Policy(pub(super) Fields);

impl Policy {
    /// As the defaults say.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often and how soon, with an end:
    ///
    /// ```
    /// # use amends_sdk::saga::{Policy, Retry};
    /// let patient = Policy::new().retry(Retry::unlimited().for_("1h"));
    /// ```
    ///
    /// ```compile_fail,E0308
    /// # use amends_sdk::saga::{Policy, Retry};
    /// let patient = Policy::new().retry(Retry::unlimited());
    /// ```
    pub fn retry(self, retry: Retry) -> Self {
        Self(with(self.0, "retry", retry.fields))
    }

    /// What each attempt may use.
    pub fn limits(self, limits: Limits) -> Self {
        Self(with(self.0, "limits", limits.0))
    }
}

/// How a run of the saga is taken back.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Compensation(pub(super) Fields);

impl Compensation {
    /// In reverse; the others continue when one is stuck; without a deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// A step after all that were built on it, as it is without a word.
    pub fn order_reverse(self) -> Self {
        Self(with(self.0, "order", "reverse"))
    }

    /// All at once.
    pub fn order_parallel(self) -> Self {
        Self(with(self.0, "order", "parallel"))
    }

    /// When one is stuck the others go on, as they do without a word.
    pub fn on_stuck_continue(self) -> Self {
        Self(with(self.0, "on_stuck", "continue"))
    }

    /// When one is stuck nothing new starts.
    pub fn on_stuck_halt(self) -> Self {
        Self(with(self.0, "on_stuck", "halt"))
    }

    /// How long it may take; what is left then is a dead letter. Up to a year.
    pub fn deadline(self, span: impl Into<Span>) -> Self {
        Self(with(self.0, "deadline", span.into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_are_written_with_their_largest_whole_unit() {
        for (ms, text) in
            [(0, "0ms"), (250, "250ms"), (1500, "1500ms"), (10_000, "10s"), (90_000, "90s"), (300_000, "5m"), (172_800_000, "48h")]
        {
            assert_eq!(Span::from(Duration::from_millis(ms)), Span::from(text));
        }
        assert_eq!(Span::from(Duration::from_micros(1500)), Span::from("1500000ns"));
    }

    #[test]
    fn every_field_is_written_as_a_document_has_it_and_no_other() {
        let retry = Retry::attempts(5).initial("1s").max(Duration::from_secs(10)).factor(2).jitter("100ms").for_("1h");
        let written = json!({ "attempts": 5, "initial": "1s", "max": "10s", "factor": 2, "jitter": "100ms", "for": "1h" });
        assert_eq!(Value::Object(retry.fields), written);
        assert_eq!(Value::Object(Retry::unlimited().factor(1.5).fields), json!({ "attempts": "unlimited", "factor": 1.5 }));
        assert_eq!(Value::Object(Retry::unlimited().for_("2h").fields), json!({ "attempts": "unlimited", "for": "2h" }));
        let policy = Policy::new().retry(Retry::new()).limits(Limits::new().fuel(7).timeout("2s").memory("16MiB"));
        assert_eq!(Value::Object(policy.0), json!({ "retry": {}, "limits": { "fuel": 7, "timeout": "2s", "memory": "16MiB" } }));
        let compensation = Compensation::new().order_parallel().on_stuck_halt().deadline("1h");
        assert_eq!(Value::Object(compensation.0), json!({ "order": "parallel", "on_stuck": "halt", "deadline": "1h" }));
        let compensation = Compensation::new().order_reverse().on_stuck_continue();
        assert_eq!(Value::Object(compensation.0), json!({ "order": "reverse", "on_stuck": "continue" }));
    }
}
