//! From a document to a definition: the fields of the saga itself, and the whole of what all its parts say.

use super::graph::{Graph, Place};
use super::policy::{DEFAULTS, YEAR};
use super::reading::{Mistakes, join, listed};
use super::step::{Item, KINDS};
use super::{Compensation, Definition, Kind, OnStuck, Order, Policy, Step};
use crate::digest::Digest;
use crate::expression::Mapping;
use crate::id::{SagaName, StepIndex};
use crate::payload::Payload;
use crate::time::Span;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Most steps of a saga.
pub const STEPS_MAX: usize = 1000;
/// Largest document in bytes.
const DOCUMENT_LEN_MAX: usize = 1 << 20;
const TITLE_LEN_MAX: usize = 200;

const SAGA_FIELDS: &[&str] = &["saga", "name", "deadline", "compensation", "defaults", "steps", "output"];
const COMPENSATION_FIELDS: &[&str] = &["order", "on_stuck", "deadline"];

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
    let definition = Reader { mistakes: &mut mistakes, ids: ids(&value) }.saga(&value);
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

pub(super) struct Reader<'m> {
    pub(super) mistakes: &'m mut Mistakes,
    pub(super) ids: Vec<Option<&'m str>>,
}

impl Reader<'_> {
    fn saga(&mut self, value: &Value) -> Option<Definition> {
        let fields = self.mistakes.object("", value, SAGA_FIELDS)?;
        let saga = self
            .needed(fields, "", "saga", "a name such as order.fulfillment")
            .and_then(|v| self.mistakes.parsed::<SagaName>("saga", v, "order.fulfillment"));
        let title = fields.get("name").and_then(|v| self.title(v));
        let deadline = fields.get("deadline").and_then(|v| self.mistakes.span("deadline", v, Span(1)..=YEAR));
        let compensation = fields.get("compensation").map_or(Compensation::default(), |v| self.compensation(v));
        let defaults = fields.get("defaults").map_or(DEFAULTS, |v| self.defaults(v));
        let steps = self.needed(fields, "", "steps", "a list of steps").and_then(|v| self.steps(v, defaults, fields.get("output")));
        let document = Payload::from(value);
        let digest = Digest::of(&document.0);
        let Steps { list: steps, order, pivot, output } = steps?;
        let places = (0..).map(StepIndex).zip(&steps).map(|(at, step)| (step.id.as_str().to_owned(), at)).collect();
        Some(Definition { saga: saga?, title, deadline, compensation, steps, order, pivot, output, places, document, digest })
    }

    pub(super) fn needed<'v>(&mut self, fields: &'v Map<String, Value>, path: &str, name: &str, what: &str) -> Option<&'v Value> {
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

    fn compensation(&mut self, value: &Value) -> Compensation {
        let Some(fields) = self.mistakes.object("compensation", value, COMPENSATION_FIELDS) else { return Compensation::default() };
        let orders = [("reverse", Order::Reverse), ("parallel", Order::Parallel)];
        let stuck = [("continue", OnStuck::Continue), ("halt", OnStuck::Halt)];
        let order = fields.get("order").and_then(|v| self.mistakes.word("compensation.order", v, &orders));
        let on_stuck = fields.get("on_stuck").and_then(|v| self.mistakes.word("compensation.on_stuck", v, &stuck));
        let deadline = fields.get("deadline").and_then(|v| self.mistakes.span("compensation.deadline", v, Span(1)..=YEAR));
        Compensation { order: order.unwrap_or(Order::Reverse), on_stuck: on_stuck.unwrap_or(OnStuck::Continue), deadline }
    }

    fn defaults(&mut self, value: &Value) -> Policy {
        let Some(fields) = self.mistakes.object("defaults", value, &["retry", "limits"]) else { return DEFAULTS };
        let policy = self.mistakes.policy("defaults", fields, DEFAULTS);
        if policy.retry.attempts.is_none() && policy.retry.total.is_none() {
            // Every compensation would inherit it.
            self.mistakes.add("defaults.retry", "is unlimited in attempts and in time: write `for: 1h` or another span as well");
        }
        policy
    }

    /// A mapping. The outputs that it names must be of steps that are over when it is evaluated: those before `step`, or all.
    pub(super) fn mapping(&mut self, path: &str, value: &Value, step: Option<usize>, graph: &Graph) -> Mapping {
        let mapping = Mapping::new(value, &mut |below, error| self.mistakes.add(&format!("{path}{below}"), error.to_string()));
        let over = |earlier: usize| step.is_none_or(|step| graph.comes_after(step, earlier));
        for (below, name) in mapping.steps() {
            let place = format!("{path}{below}");
            match self.ids.iter().position(|id| *id == Some(name)) {
                Some(found) if over(found) => {}
                Some(_) => {
                    let problem = format!("step `{name}` is not certainly over by then: name a step that this one comes after");
                    self.mistakes.add(&place, problem);
                }
                None => {
                    let known: Vec<_> = (0..self.ids.len()).filter(|at| over(*at)).filter_map(|at| self.ids[at]).take(10).collect();
                    self.mistakes.add(&place, format!("there is no step `{name}`; over by then: {}", listed(&known)));
                }
            }
        }
        mapping
    }

    fn steps(&mut self, value: &Value, defaults: Policy, output: Option<&Value>) -> Option<Steps> {
        let items = value.as_array().filter(|items| (1..=STEPS_MAX).contains(&items.len()));
        let Some(items) = items else {
            self.mistakes.add("steps", format!("write a list of 1 to {STEPS_MAX} steps"));
            return None;
        };
        self.duplicates();
        let mut graph = self.graph(items);
        let pivot = self.pivot(items);
        if let Some(pivot) = pivot {
            graph.gather_before(pivot);
        }
        let read: Vec<_> =
            items.iter().enumerate().map(|(at, value)| self.step(Item { at, value, pivot }, &graph, defaults)).collect();
        let output = output.map(|v| self.mapping("output", v, None, &graph));
        let mut steps: Vec<Step> = read.into_iter().collect::<Option<_>>()?;
        for (step, before) in steps.iter_mut().zip(graph.before()) {
            step.before = before;
        }
        let pivot = pivot.map(|at| StepIndex(u16::try_from(at).expect("at most 1000 steps")));
        Some(Steps { list: steps, order: graph.order(), pivot, output })
    }

    fn graph(&mut self, items: &[Value]) -> Graph {
        let names: Vec<Option<Vec<&str>>> = items.iter().enumerate().map(|(at, item)| self.after(at, item)).collect();
        let places: Vec<_> = self.ids.iter().zip(&names).map(|(id, after)| Place { id: *id, after: after.as_deref() }).collect();
        Graph::read(&places, self.mistakes)
    }

    fn after<'v>(&mut self, at: usize, item: &'v Value) -> Option<Vec<&'v str>> {
        let value = item.get("after")?;
        let names = value.as_array().and_then(|names| names.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        if names.is_none() {
            self.mistakes.add(&format!("steps[{at}].after"), "write a list of ids of steps, such as [charge-payment], or []");
        }
        names
    }

    /// The step from which on nothing is taken back.
    fn pivot(&mut self, items: &[Value]) -> Option<usize> {
        let word = KINDS.iter().find(|(_, kind)| *kind == Kind::Pivot).map(|(word, _)| *word).expect("there is a word for it");
        // A wait has no kind; that it says one is told where it is read.
        let is_pivot = |item: &Value| item.get("wait").is_none() && item.get("kind").is_some_and(|kind| kind == word);
        let mut pivots = items.iter().enumerate().filter(|(_, item)| is_pivot(item));
        let (first, _) = pivots.next()?;
        for (at, _) in pivots {
            self.mistakes.add(
                &format!("steps[{at}].kind"),
                format!("is a second pivot, after steps[{first}]: there is one point of no return; write `kind: retriable`"),
            );
        }
        Some(first)
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

/// What the list of steps says, and what can only be read knowing it.
struct Steps {
    list: Vec<Step>,
    order: Vec<StepIndex>,
    pivot: Option<StepIndex>,
    output: Option<Mapping>,
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::policy::{ATTEMPTS_MAX, FUEL_MAX, LIMIT_FIELDS, RETRY_FIELDS};
    use super::super::step::{STEP_FIELDS, WAIT_FIELDS};
    use super::*;

    const ORDER: &str = r#"
saga: order.fulfillment
name: Order Fulfillment
deadline: 5m
compensation: { order: reverse, on_stuck: halt, deadline: 1h }
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
            (saga.saga.as_str(), saga.deadline, saga.compensation),
            (
                "order.fulfillment",
                Some(Span(300_000)),
                Compensation { order: Order::Reverse, on_stuck: OnStuck::Halt, deadline: Some(Span(3_600_000)) }
            )
        );
        let uses = |at: usize| saga.steps[at].uses().expect("a step that uses a handler");
        let (reserve, charge, tell) = (uses(0), uses(1), uses(2));
        assert_eq!((reserve.forward.retry.attempts, reserve.forward.retry.factor_thousandths), (Some(1), 1500));
        assert_eq!(reserve.forward.limits, Limits { fuel: 1_000_000, timeout: Span(2000), memory: 16 << 20 });
        assert_eq!(
            reserve.backward.map(|b| b.retry.attempts),
            Some(Some(4)),
            "a compensation takes the saga's defaults, not the step's"
        );
        assert_eq!(
            charge.backward.map(|b| (b.retry.attempts, b.limits.timeout, b.limits.memory)),
            Some((Some(10), Span(30_000), 16 << 20))
        );
        let last = &saga.steps[2];
        assert_eq!((tell.backward, last.after.as_slice(), last.before.as_slice()), (None, &[StepIndex(1)][..], &[][..]));
    }

    #[test]
    fn what_is_left_out_has_the_documented_defaults() {
        let saga = read(r#"{"saga":"s","steps":[{"id":"a","uses":"p/a"}]}"#).expect("it is right");
        let step = saga.steps[0].uses().expect("it uses a handler");
        assert_eq!((step.forward, step.backward, step.kind), (DEFAULTS, Some(DEFAULTS), Kind::Compensatable));
        assert_eq!((saga.deadline, saga.compensation), (None, Compensation::default()));
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
  - { id: c, input: { z: "${steps['nope'].output}" }, aftr: [a] }
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
            ("steps[0].input.y: step `c` is not certainly over by then", "comes after"),
            ("steps[1].id: `a` is the id of steps[0] already", "its own"),
            ("steps[1].retry.initial: `2 days ago` is not a span", "such as"),
            ("steps[1].compensation: stands beside `compensate: none`", "one of the two"),
            ("steps[2].uses: is missing", "orders/charge-payment"),
            ("steps[2].input.z: there is no step `nope`", "a, a"),
            ("steps[2].aftr: unknown field", "did you mean `after`?"),
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
        assert_eq!(fields("/properties/compensation/properties"), known(COMPENSATION_FIELDS));
        assert_eq!(fields("/$defs/policy/properties/retry/properties"), known(RETRY_FIELDS));
        assert_eq!(fields("/$defs/policy/properties/limits/properties"), known(LIMIT_FIELDS));
        assert_eq!(fields("/$defs/step/properties/wait/properties"), known(WAIT_FIELDS));
        let step = &fields("/$defs/step/properties") | &fields("/$defs/policy/properties");
        assert_eq!(step, known(STEP_FIELDS));
        assert_eq!(schema.pointer("/properties/steps/maxItems"), Some(&Value::from(STEPS_MAX)));
        assert_eq!(
            schema.pointer("/$defs/policy/properties/retry/properties/attempts/oneOf/0/maximum"),
            Some(&Value::from(ATTEMPTS_MAX))
        );
        assert_eq!(schema.pointer("/$defs/policy/properties/limits/properties/fuel/maximum"), Some(&Value::from(FUEL_MAX)));
    }
}
