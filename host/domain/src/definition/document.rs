//! From a document to a definition: the fields, their bounds and their defaults.

use super::reading::{Mistakes, join, shown};
use super::{Definition, Limits, OnStuck, Order, Policy, Step};
use crate::digest::Digest;
use crate::expression::Mapping;
use crate::id::{HandlerRef, SagaName, StepId, StepIndex};
use crate::payload::Payload;
use crate::retry::Retry;
use crate::time::Span;
use bytesize::ByteSize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Most steps of a saga.
pub const STEPS_MAX: usize = 1000;
/// Largest document in bytes.
const DOCUMENT_LEN_MAX: usize = 1 << 20;
const TITLE_LEN_MAX: usize = 200;
const FUEL_MAX: u64 = 1_000_000_000_000_000;
const ATTEMPTS_MAX: u64 = 1000;
const HOUR: Span = Span(3_600_000);
const DAY: Span = Span(24 * HOUR.0);
const MEMORY_MIN: ByteSize = ByteSize::kib(64);
const MEMORY_MAX: ByteSize = ByteSize::gib(4);

/// What a step gets that says nothing of its own. Written out in `docs/definition.md`: sagas rely on it.
const RETRY: Retry = Retry { attempts: 3, initial: Span(1000), max: Span(10_000), factor_thousandths: 2000, jitter: Span(100) };
const LIMITS: Limits = Limits { fuel: 1_000_000_000, timeout: Span(10_000), memory: 64 << 20 };

const SAGA_FIELDS: &[&str] = &["saga", "name", "deadline", "compensation", "defaults", "steps", "output"];
const STEP_FIELDS: &[&str] = &["id", "uses", "input", "retry", "limits", "compensation", "compensate"];
const RETRY_FIELDS: &[&str] = &["attempts", "initial", "max", "factor", "jitter"];
const LIMIT_FIELDS: &[&str] = &["fuel", "timeout", "memory"];

/// Reads a definition from YAML or JSON.
///
/// # Errors
/// Every mistake of the document, each with its path and what would be right.
pub fn read(text: &str) -> Result<Definition, Mistakes> {
    let mut mistakes = Mistakes::default();
    let value = match parse(text) {
        Ok(value) => value,
        Err(problem) => {
            mistakes.add("", problem);
            return Err(mistakes);
        }
    };
    let definition = Document { mistakes: &mut mistakes, ids: ids(&value) }.saga(&value);
    match definition {
        Some(definition) if mistakes.0.is_empty() => Ok(definition),
        _ => Err(mistakes),
    }
}

fn parse(text: &str) -> Result<Value, String> {
    if text.len() > DOCUMENT_LEN_MAX {
        return Err(format!("the document has {} bytes: {DOCUMENT_LEN_MAX} are allowed", text.len()));
    }
    if text.trim_start().starts_with('{') {
        // YAML may begin so as well; where it is neither, it was most likely meant to be JSON.
        return serde_json::from_str(text).or_else(|e| serde_saphyr::from_str(text).map_err(|_| format!("not JSON: {e}")));
    }
    serde_saphyr::from_str(text).map_err(|e| format!("not YAML: {e}"))
}

/// The ids as they stand in the document, so that a mistake in one step does not hide a wrong reference in another.
fn ids(document: &Value) -> Vec<Option<&str>> {
    let steps = document.get("steps").and_then(Value::as_array);
    steps.into_iter().flatten().map(|step| step.get("id").and_then(Value::as_str)).collect()
}

struct Document<'m> {
    mistakes: &'m mut Mistakes,
    ids: Vec<Option<&'m str>>,
}

impl Document<'_> {
    fn saga(&mut self, value: &Value) -> Option<Definition> {
        let fields = self.mistakes.object("", value, SAGA_FIELDS)?;
        let saga = self
            .needed(fields, "", "saga", "a name such as order.fulfillment")
            .and_then(|v| self.mistakes.parsed::<SagaName>("saga", v, "order.fulfillment"));
        let title = fields.get("name").and_then(|v| self.title(v));
        let deadline = fields.get("deadline").and_then(|v| self.span("deadline", v, Span(1)..=Span(365 * DAY.0)));
        let (order, on_stuck) = fields.get("compensation").map_or((Order::Reverse, OnStuck::Continue), |v| self.compensation(v));
        let defaults = fields.get("defaults").map_or(Policy { retry: RETRY, limits: LIMITS }, |v| self.defaults(v));
        let steps = self.needed(fields, "", "steps", "a list of steps").and_then(|v| self.steps(v, defaults));
        let output = fields.get("output").map(|v| self.mapping("output", v, self.ids.len()));
        let document = Payload::from(value);
        let digest = Digest::of(&document.0);
        Some(Definition { saga: saga?, title, deadline, order, on_stuck, steps: steps?, output, document, digest })
    }

    fn needed<'v>(&mut self, fields: &'v Map<String, Value>, path: &str, name: &str, what: &str) -> Option<&'v Value> {
        let found = fields.get(name);
        if found.is_none() {
            self.mistakes.add(&join(path, name), format!("is missing: write {what}"));
        }
        found
    }

    fn title(&mut self, value: &Value) -> Option<String> {
        let title = self.mistakes.text("name", value, "Order Fulfillment")?;
        if title.len() > TITLE_LEN_MAX || title.chars().any(char::is_control) {
            self.mistakes.add("name", format!("write one line of at most {TITLE_LEN_MAX} bytes"));
        }
        Some(title)
    }

    fn compensation(&mut self, value: &Value) -> (Order, OnStuck) {
        let path = "compensation";
        let Some(fields) = self.mistakes.object(path, value, &["order", "on_stuck"]) else {
            return (Order::Reverse, OnStuck::Continue);
        };
        let orders = [("reverse", Order::Reverse), ("parallel", Order::Parallel)];
        let stuck = [("continue", OnStuck::Continue), ("halt", OnStuck::Halt)];
        let order = fields.get("order").and_then(|v| self.mistakes.word("compensation.order", v, &orders));
        let on_stuck = fields.get("on_stuck").and_then(|v| self.mistakes.word("compensation.on_stuck", v, &stuck));
        (order.unwrap_or(Order::Reverse), on_stuck.unwrap_or(OnStuck::Continue))
    }

    fn defaults(&mut self, value: &Value) -> Policy {
        let built_in = Policy { retry: RETRY, limits: LIMITS };
        match self.mistakes.object("defaults", value, &["retry", "limits"]) {
            Some(fields) => self.policy("defaults", fields, built_in),
            None => built_in,
        }
    }

    /// `retry` and `limits` of `fields`, each field that is not there taken from `base`.
    fn policy(&mut self, path: &str, fields: &Map<String, Value>, base: Policy) -> Policy {
        Policy {
            retry: fields.get("retry").map_or(base.retry, |v| self.retry(&join(path, "retry"), v, base.retry)),
            limits: fields.get("limits").map_or(base.limits, |v| self.limits(&join(path, "limits"), v, base.limits)),
        }
    }

    fn retry(&mut self, path: &str, value: &Value, base: Retry) -> Retry {
        let Some(fields) = self.mistakes.object(path, value, RETRY_FIELDS) else { return base };
        let mut span =
            |name: &str, base| fields.get(name).and_then(|v| self.span(&join(path, name), v, Span(0)..=DAY)).unwrap_or(base);
        let (initial, max, jitter) = (span("initial", base.initial), span("max", base.max), span("jitter", base.jitter));
        let attempts = fields.get("attempts").and_then(|v| self.mistakes.integer(&join(path, "attempts"), v, 1..=ATTEMPTS_MAX));
        let factor = fields.get("factor").and_then(|v| self.factor(&join(path, "factor"), v));
        Retry {
            attempts: attempts.map_or(base.attempts, |n| u32::try_from(n).expect("at most 1000")),
            initial,
            max,
            factor_thousandths: factor.unwrap_or(base.factor_thousandths),
            jitter,
        }
    }

    fn factor(&mut self, path: &str, value: &Value) -> Option<u32> {
        let found = value.as_f64().filter(|f| (1.0..=100.0).contains(f));
        if found.is_none() {
            self.mistakes.add(path, format!("is {}: write a number from 1 to 100, such as 2 or 1.5", shown(value)));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1000 and 100000")]
        found.map(|f| (f * 1000.0).round() as u32)
    }

    fn limits(&mut self, path: &str, value: &Value, base: Limits) -> Limits {
        let Some(fields) = self.mistakes.object(path, value, LIMIT_FIELDS) else { return base };
        Limits {
            fuel: fields.get("fuel").and_then(|v| self.mistakes.integer(&join(path, "fuel"), v, 1..=FUEL_MAX)).unwrap_or(base.fuel),
            timeout: fields
                .get("timeout")
                .and_then(|v| self.span(&join(path, "timeout"), v, Span(1)..=HOUR))
                .unwrap_or(base.timeout),
            memory: fields.get("memory").and_then(|v| self.size(&join(path, "memory"), v)).unwrap_or(base.memory),
        }
    }

    fn span(&mut self, path: &str, value: &Value, range: std::ops::RangeInclusive<Span>) -> Option<Span> {
        let span = self.mistakes.parsed::<Span>(path, value, "10s or 250ms")?;
        if !range.contains(&span) {
            self.mistakes.add(path, format!("is {span}: write a span from {} to {}", range.start(), range.end()));
        }
        Some(span)
    }

    fn size(&mut self, path: &str, value: &Value) -> Option<u64> {
        let size =
            value.as_str().and_then(|text| text.parse::<ByteSize>().ok()).filter(|size| (MEMORY_MIN..=MEMORY_MAX).contains(size));
        if size.is_none() {
            self.mistakes.add(path, format!("is {}: write a size from {MEMORY_MIN} to {MEMORY_MAX}, such as 64MiB", shown(value)));
        }
        size.map(|size| size.0)
    }

    /// A mapping. The outputs that it names must be of steps that are completed when it is evaluated: those before `until`.
    fn mapping(&mut self, path: &str, value: &Value, until: usize) -> Mapping {
        let mapping = Mapping::new(value, &mut |below, error| self.mistakes.add(&format!("{path}{below}"), error.to_string()));
        for (below, name) in mapping.steps() {
            match self.ids.iter().position(|id| *id == Some(name)) {
                Some(found) if found < until => {}
                Some(_) => self
                    .mistakes
                    .add(&format!("{path}{below}"), format!("step `{name}` is not completed by then: name an earlier step")),
                None => {
                    let known: Vec<_> = self.ids.iter().take(until.min(10)).flatten().copied().collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    self.mistakes.add(&format!("{path}{below}"), format!("there is no step `{name}`; completed by then: {known}"));
                }
            }
        }
        mapping
    }

    fn steps(&mut self, value: &Value, defaults: Policy) -> Option<Vec<Step>> {
        let items = value.as_array().filter(|items| (1..=STEPS_MAX).contains(&items.len()));
        let Some(items) = items else {
            self.mistakes.add("steps", format!("write a list of 1 to {STEPS_MAX} steps"));
            return None;
        };
        let read: Vec<_> = items.iter().enumerate().map(|(at, item)| self.step(at, item, items.len(), defaults)).collect();
        self.duplicates();
        read.into_iter().collect()
    }

    fn step(&mut self, at: usize, value: &Value, len: usize, defaults: Policy) -> Option<Step> {
        let path = format!("steps[{at}]");
        let fields = self.mistakes.object(&path, value, STEP_FIELDS)?;
        let id = self.needed(fields, &path, "id", "a name such as charge-payment");
        let id = id.and_then(|v| self.mistakes.parsed::<StepId>(&join(&path, "id"), v, "charge-payment"));
        let uses = self.needed(fields, &path, "uses", "plugin/handler, such as orders/charge-payment");
        let uses = uses.and_then(|v| self.mistakes.parsed::<HandlerRef>(&join(&path, "uses"), v, "orders/charge-payment"));
        let input = fields.get("input").map(|v| self.mapping(&join(&path, "input"), v, at));
        let forward = self.policy(&path, fields, defaults);
        let backward = self.backward(&path, fields, defaults);
        let index = |at: usize| StepIndex(u16::try_from(at).expect("at most 1000 steps"));
        let after = at.checked_sub(1).map(index).into_iter().collect();
        let before = (at + 1 < len).then(|| index(at + 1)).into_iter().collect();
        Some(Step { id: id?, uses: uses?, input, forward, backward, after, before })
    }

    /// A compensation takes its policy from the saga's defaults, not from the step: what a step may fail at often is no measure for
    /// taking it back.
    fn backward(&mut self, path: &str, fields: &Map<String, Value>, defaults: Policy) -> Option<Policy> {
        let place = join(path, "compensation");
        let policy = match fields.get("compensation") {
            None => defaults,
            Some(value) => match self.mistakes.object(&place, value, &["retry", "limits"]) {
                Some(own) => self.policy(&place, own, defaults),
                None => defaults,
            },
        };
        let none = fields.get("compensate").map(|v| self.mistakes.word(&join(path, "compensate"), v, &[("none", ())]));
        if none.is_some() && fields.contains_key("compensation") {
            self.mistakes.add(&place, "stands beside `compensate: none`: leave out one of the two");
        }
        none.is_none().then_some(policy)
    }

    fn duplicates(&mut self) {
        let mut seen = HashMap::new();
        for (at, id) in self.ids.iter().enumerate() {
            let Some(id) = id else { continue };
            if let Some(first) = seen.insert(id, at) {
                self.mistakes
                    .add(&format!("steps[{at}].id"), format!("`{id}` is the id of steps[{first}] already: give each step its own"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"
saga: order.fulfillment
name: Order Fulfillment
deadline: 5m
compensation: { order: reverse, on_stuck: halt }
defaults:
  retry: { attempts: 4, initial: 1s, max: 10s, factor: 1.5, jitter: 100ms }
  limits: { fuel: 1000000, timeout: 2s, memory: 16MiB }
steps:
  - id: reserve
    uses: orders/reserve
    input: { sku: "${input.sku}" }
    retry: { attempts: 1 }
  - id: charge
    uses: orders/charge
    input: { amount: "${steps['reserve'].output.total}" }
    compensation: { retry: { attempts: 10 }, limits: { timeout: 30s } }
  - id: tell
    uses: mail/send
    compensate: none
output: { paid: "${steps.charge.output.amount}" }
"#;

    #[test]
    fn a_document_becomes_a_definition() {
        let saga = read(ORDER).expect("it is right");
        assert_eq!(
            (saga.saga.as_str(), saga.deadline, saga.order, saga.on_stuck),
            ("order.fulfillment", Some(Span(300_000)), Order::Reverse, OnStuck::Halt)
        );
        let [reserve, charge, tell] = saga.steps.as_slice() else { panic!("three steps") };
        assert_eq!((reserve.forward.retry.attempts, reserve.forward.retry.factor_thousandths), (1, 1500));
        assert_eq!(reserve.forward.limits, Limits { fuel: 1_000_000, timeout: Span(2000), memory: 16 << 20 });
        assert_eq!(reserve.backward.map(|b| b.retry.attempts), Some(4), "a compensation takes the saga's defaults, not the step's");
        assert_eq!(
            charge.backward.map(|b| (b.retry.attempts, b.limits.timeout, b.limits.memory)),
            Some((10, Span(30_000), 16 << 20))
        );
        assert_eq!((tell.backward, tell.after.as_slice(), tell.before.as_slice()), (None, &[StepIndex(1)][..], &[][..]));
    }

    #[test]
    fn what_is_left_out_has_the_documented_defaults() {
        let saga = read(r#"{"saga":"s","steps":[{"id":"a","uses":"p/a"}]}"#).expect("it is right");
        let policy = Policy { retry: RETRY, limits: LIMITS };
        assert_eq!((saga.steps[0].forward, saga.steps[0].backward), (policy, Some(policy)));
        assert_eq!((saga.deadline, saga.order, saga.on_stuck), (None, Order::Reverse, OnStuck::Continue));
    }

    #[test]
    fn a_document_in_braces_may_be_yaml_as_well() {
        assert!(read("{saga: s, steps: [{id: a, uses: p/a}]}").is_ok());
    }

    #[test]
    fn yaml_and_json_of_the_same_document_have_the_same_digest() {
        let yaml = read(ORDER).expect("it is right");
        let json = read(std::str::from_utf8(&yaml.document.0).expect("JSON is text")).expect("it is right");
        assert_eq!((yaml.digest, &yaml.document), (json.digest, &json.document));
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_path_and_remedy() {
        let text = r#"
saga: Order
deadlin: 5m
compensation: { order: sideways }
defaults: { retry: { factor: two, attempts: 0 }, limits: { memory: 1kB, timeout: 10 } }
steps:
  - { id: a, uses: orders, input: { x: "${inptu.x}", y: "${steps['c'].output.y}" } }
  - { id: a, uses: p/q, retry: { initial: 2 days ago }, compensate: none, compensation: {} }
  - { id: c, input: { z: "${steps['nope'].output}" }, after: [a] }
output: "${"
"#;
        let mistakes = read(text).expect_err("it is full of mistakes");
        let told: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
        for (path, remedy) in [
            ("saga: `Order` is not a name", "lower-case"),
            ("deadlin: unknown field", "did you mean `deadline`?"),
            ("compensation.order: is \"sideways\"", "`reverse` or `parallel`"),
            ("defaults.retry.factor: is \"two\"", "a number from 1 to 100"),
            ("defaults.retry.attempts: is 0", "from 1 to 1000"),
            ("defaults.limits.memory: is \"1kB\"", "such as 64MiB"),
            ("defaults.limits.timeout: is a number", "10s or 250ms"),
            ("steps[0].uses: `orders` names no handler", "plugin/handler"),
            ("steps[0].input.x: unknown name `inptu`", "`input`"),
            ("steps[0].input.y: step `c` is not completed by then", "earlier"),
            ("steps[1].id: `a` is the id of steps[0] already", "its own"),
            ("steps[1].retry.initial: `2 days ago` is not a span", "such as"),
            ("steps[1].compensation: stands beside `compensate: none`", "one of the two"),
            ("steps[2].uses: is missing", "orders/charge-payment"),
            ("steps[2].input.z: there is no step `nope`", "a, a"),
            ("steps[2].after: unknown field", "known are"),
            ("output: `${` without its `}`", "close"),
        ] {
            assert!(told.iter().any(|t| t.starts_with(path) && t.contains(remedy)), "no mistake `{path} … {remedy}` in {told:#?}");
        }
        assert_eq!(told.len(), 17, "{told:#?}");
        assert!(mistakes.to_string().starts_with("17 mistakes\n  "));
    }

    #[test]
    fn what_is_no_document_at_all_is_refused_in_one_sentence() {
        for (text, part) in [
            ("{", "not JSON"),
            ("a: [", "not YAML"),
            ("[]", "is a list: write an object"),
            ("", "is empty: write an object"),
            ("{}", "saga: is missing"),
            (r#"{"saga":"s","steps":[]}"#, "steps: write a list of 1 to 1000"),
            (&format!("# {}", "x".repeat(DOCUMENT_LEN_MAX)), "1048576 are allowed"),
        ] {
            let error = read(text).map(|_| ()).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    /// The published schema and this reader must know the same fields.
    #[test]
    fn the_published_schema_has_the_fields_that_are_read() {
        let schema: Value = serde_json::from_str(include_str!("../../../../docs/saga.schema.json")).expect("JSON");
        let fields = |pointer: &str| {
            let properties = schema.pointer(pointer).and_then(Value::as_object).unwrap_or_else(|| panic!("no {pointer}"));
            properties.keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let known = |names: &[&str]| names.iter().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(fields("/properties"), known(SAGA_FIELDS));
        assert_eq!(fields("/$defs/policy/properties/retry/properties"), known(RETRY_FIELDS));
        assert_eq!(fields("/$defs/policy/properties/limits/properties"), known(LIMIT_FIELDS));
        let step = &fields("/$defs/step/properties") | &fields("/$defs/policy/properties");
        assert_eq!(step, known(STEP_FIELDS));
        assert_eq!(schema.pointer("/properties/steps/maxItems"), Some(&Value::from(STEPS_MAX)));
        assert_eq!(schema.pointer("/$defs/policy/properties/retry/properties/attempts/maximum"), Some(&Value::from(ATTEMPTS_MAX)));
        assert_eq!(schema.pointer("/$defs/policy/properties/limits/properties/fuel/maximum"), Some(&Value::from(FUEL_MAX)));
    }
}
