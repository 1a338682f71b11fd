//! What is different between two versions of a saga, and what of it breaks something for others: for whoever starts runs, signals them or reads
//! what they give, or because what was taken back no longer is. Open runs are never touched: each keeps the version that it was started with.

use super::{Definition, Node, OnTimeout, Step, Wait};
use crate::definition::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Most changes that are told; behind them stands how many more there are.
const CHANGES_MAX: usize = 200;

/// Something that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Where, such as `steps.pay.kind`. Steps are named by their ids.
    pub path: String,
    /// What is different.
    pub what: String,
    /// Whether it breaks something.
    pub weight: Weight,
}

/// Whether a change breaks something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Weight {
    /// Others may have to change something, too.
    Breaking,
    /// Nobody has to.
    Compatible,
}

impl Change {
    /// Whether it breaks something.
    pub fn is_breaking(&self) -> bool {
        self.weight == Weight::Breaking
    }
}

use Weight::{Breaking, Compatible};

/// What is different in `after`, in the order of its document; what is gone stands first.
pub fn changes(before: &Definition, after: &Definition) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.of_saga(before, after);
    for step in before.steps.iter().filter(|step| after.index_of(step.id.as_str()).is_none()) {
        changes.add(&format!("steps.{}", step.id), "the step is gone", Breaking);
    }
    for step in &after.steps {
        match before.index_of(step.id.as_str()) {
            Some(index) => changes.of_step(before.step(index), step),
            None => changes.of_new_step(step),
        }
    }
    changes.of_documents(before, after);
    changes.cut()
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, path: &str, what: impl Into<String>, weight: Weight) {
        self.0.push(Change { path: path.to_owned(), what: what.into(), weight });
    }

    fn of_saga(&mut self, before: &Definition, after: &Definition) {
        match (before.deadline, after.deadline) {
            (was, is) if was == is => {}
            (None, Some(is)) => self.add("deadline", format!("runs may go forward for {is} only"), Breaking),
            (Some(was), Some(is)) if is < was => self.add("deadline", format!("it is {is} and was {was}"), Breaking),
            (Some(was), Some(is)) => self.add("deadline", format!("it is {is} and was {was}"), Compatible),
            (Some(was), None) => self.add("deadline", format!("there is none and was {was}"), Compatible),
            (None, None) => {}
        }
        if before.compensation != after.compensation {
            self.add("compensation", "what was done is taken back in another way", Compatible);
        }
        let fields = |definition: &Definition| {
            let output = definition.output.as_ref()?;
            Some(output.fields()?.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
        };
        match (before.output.is_some(), after.output.is_some()) {
            (true, false) => self.add("output", "runs give none any more", Breaking),
            (false, true) => self.add("output", "runs give one", Compatible),
            (true, true) | (false, false) => {}
        }
        if let (Some(was), Some(is)) = (fields(before), fields(after)) {
            for gone in was.difference(&is) {
                self.add(&format!("output.{gone}"), "the field is gone", Breaking);
            }
            for new in is.difference(&was) {
                self.add(&format!("output.{new}"), "the field is new", Compatible);
            }
        }
    }

    fn of_new_step(&mut self, step: &Step) {
        let path = format!("steps.{}", step.id);
        match &step.node {
            Node::Wait(Wait::Signal { name, timeout: None, .. }) => {
                self.add(&path, format!("the step is new, and waits for the signal `{name}` without a timeout"), Breaking);
            }
            Node::Wait(_) | Node::Uses(_) => self.add(&path, "the step is new", Compatible),
        }
    }

    fn of_step(&mut self, before: &Step, after: &Step) {
        let path = format!("steps.{}", after.id);
        match (&before.node, &after.node) {
            (Node::Uses(was), Node::Uses(is)) => {
                if was.handler != is.handler {
                    let what = format!("it uses {} and used {}", is.handler, was.handler);
                    self.add(&format!("{path}.uses"), what, Compatible);
                }
                if was.kind != is.kind {
                    let weight = if is.kind == Kind::Pivot { Breaking } else { Compatible };
                    let what = format!("it is {} and was {}", is.kind.word(), was.kind.word());
                    self.add(&format!("{path}.kind"), what, weight);
                }
                match (was.backward, is.backward) {
                    (Some(_), None) => self.add(&format!("{path}.compensation"), "it is not taken back any more", Breaking),
                    (None, Some(_)) => self.add(&format!("{path}.compensation"), "it is taken back", Compatible),
                    (Some(was), Some(is)) if was != is => {
                        self.add(&format!("{path}.compensation"), "it is taken back with other attempts or limits", Compatible);
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                }
                if was.forward != is.forward {
                    self.add(&path, "it is tried with other attempts or limits", Compatible);
                }
            }
            (Node::Wait(was), Node::Wait(is)) => self.of_wait(&format!("{path}.wait"), was, is),
            (Node::Uses(_), Node::Wait(_)) => self.add(&path, "it waits and used a handler", Breaking),
            (Node::Wait(_), Node::Uses(_)) => self.add(&path, "it uses a handler and waited", Breaking),
        }
    }

    fn of_wait(&mut self, path: &str, before: &Wait, after: &Wait) {
        let (
            Wait::Signal { name: was, timeout: lasted, on_timeout: then },
            Wait::Signal { name: is, timeout: lasts, on_timeout: now },
        ) = (before, after)
        else {
            match (before, after) {
                (Wait::Signal { name, .. }, _) => self.add(path, format!("it waits for the signal `{name}` no more"), Breaking),
                (_, Wait::Signal { name, .. }) => self.add(path, format!("it waits for the signal `{name}`"), Breaking),
                (Wait::For(was), Wait::For(is)) if was != is => {
                    self.add(path, format!("it waits {is} and waited {was}"), Compatible);
                }
                (Wait::For(_), Wait::Until(_)) => self.add(path, "it waits until an instant and waited a span", Compatible),
                (Wait::Until(_), Wait::For(is)) => self.add(path, format!("it waits {is} and waited until an instant"), Compatible),
                // What an instant is made of stands in the document, and is compared there.
                (Wait::For(_), Wait::For(_)) | (Wait::Until(_), Wait::Until(_)) => {}
            }
            return;
        };
        if was != is {
            self.add(path, format!("it waits for the signal `{is}` and waited for `{was}`"), Breaking);
        }
        match (lasted, lasts) {
            (Some(was), Some(is)) if is < was => self.add(path, format!("it waits {is} at most and waited {was}"), Breaking),
            (None, Some(is)) => self.add(path, format!("it waits {is} at most and waited for ever"), Breaking),
            (Some(was), Some(is)) if was < is => self.add(path, format!("it waits {is} at most and waited {was}"), Compatible),
            (Some(was), None) => self.add(path, format!("it waits for ever and waited {was}"), Compatible),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if then != now {
            let says = match now {
                OnTimeout::Fail => "without the signal it fails now, and the run is taken back",
                OnTimeout::Continue => "without the signal the run goes on now",
            };
            self.add(path, says, Breaking);
        }
    }

    /// What only the documents show: mappings, and what they read.
    fn of_documents(&mut self, before: &Definition, after: &Definition) {
        let (Ok(was), Ok(is)) = (before.document.json(), after.document.json()) else { return };
        if was.get("title") != is.get("title") {
            self.add("title", "it is another one", Compatible);
        }
        let read = inputs(&was);
        for name in inputs(&is).difference(&read) {
            self.add(&format!("input.{name}"), "an expression reads this field of a run's input now", Breaking);
        }
        if was.get("output") != is.get("output") && !self.0.iter().any(|change| change.path.starts_with("output")) {
            self.add("output", "it is made in another way", Compatible);
        }
        for step in steps(&is) {
            let Some(id) = step.get("id").and_then(Value::as_str) else { continue };
            let Some(old) = steps(&was).find(|old| old.get("id").and_then(Value::as_str) == Some(id)) else { continue };
            for (field, says) in [
                ("input", "what it gets is made in another way"),
                ("when", "it is done under another condition"),
                ("after", "it comes after other steps"),
            ] {
                if old.get(field) != step.get(field) {
                    self.add(&format!("steps.{id}.{field}"), says, Compatible);
                }
            }
            if old.pointer("/wait/until") != step.pointer("/wait/until") {
                self.add(&format!("steps.{id}.wait"), "it waits until another instant", Compatible);
            }
        }
    }

    fn cut(mut self) -> Vec<Change> {
        let count = self.0.len();
        if count > CHANGES_MAX {
            // What breaks something must not be what is cut.
            self.0.sort_by_key(|change| !change.is_breaking());
            let broken = self.0[CHANGES_MAX..].iter().any(Change::is_breaking);
            self.0.truncate(CHANGES_MAX);
            let weight = if broken { Breaking } else { Compatible };
            self.add("", format!("and {} more", count - CHANGES_MAX), weight);
        }
        self.0
    }
}

fn steps(document: &Value) -> impl Iterator<Item = &Value> {
    document.get("steps").and_then(Value::as_array).into_iter().flatten()
}

/// The fields of a run's input that expressions of a document name, as far as that can be seen in their text.
fn inputs(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk(document, &mut names);
    names
}

/// Definitions are nested no deeper than JSON may be.
fn walk(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let expressions = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap_or(rest));
            expressions.for_each(|expression| read_by(expression, names));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn read_by(expression: &str, names: &mut BTreeSet<String>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in expression.match_indices("input.") {
        let stands_alone = !expression[..at].ends_with(|c| is_word(c) || c == '.');
        let name: String = expression[at + "input.".len()..].chars().take_while(|c| is_word(*c)).collect();
        // A field that is asked for before it is read need not be there.
        let is_asked_for = expression.contains(&format!("has(input.{name})"));
        if stands_alone && !name.is_empty() && !is_asked_for {
            names.insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let read = |document: &str| read(&format!("saga: s\n{document}")).expect("a definition");
        let line = |change: &Change| {
            let mark = if change.is_breaking() { "!" } else { "" };
            format!("{}{mark}: {}", change.path, change.what)
        };
        changes(&read(before), &read(after)).iter().map(line).collect()
    }

    const PAY: &str = "steps: [{ id: pay, uses: p/pay }]";

    #[test]
    fn nothing_is_different_in_the_same() {
        assert_eq!(told(PAY, PAY), Vec::<String>::new());
        assert_eq!(told(PAY, "steps:\n  - uses: p/pay\n    id: pay"), Vec::<String>::new(), "written in another way");
    }

    #[test]
    fn what_breaks_something_is_told_apart_from_what_does_not() {
        for (before, after, expected) in [
            (
                PAY,
                "steps: [{ id: pay, uses: p/pay, compensate: none }]",
                vec!["steps.pay.compensation!: it is not taken back any more"],
            ),
            ("steps: [{ id: pay, uses: p/pay, compensate: none }]", PAY, vec!["steps.pay.compensation: it is taken back"]),
            (PAY, "steps: [{ id: pay, uses: q/pay }]", vec!["steps.pay.uses: it uses q/pay and used p/pay"]),
            (PAY, "steps: [{ id: buy, uses: p/pay }]", vec!["steps.pay!: the step is gone", "steps.buy: the step is new"]),
            (PAY, "deadline: 1h\nsteps: [{ id: pay, uses: p/pay }]", vec!["deadline!: runs may go forward for 1h only"]),
            (
                PAY,
                "steps: [{ id: pay, uses: p/pay, input: { sum: '${input.sum}', note: '${has(input.note) ? input.note : \"\"}' } }]",
                vec![
                    "input.sum!: an expression reads this field of a run's input now",
                    "steps.pay.input: what it gets is made in another way",
                ],
            ),
            (
                "output: { a: 1, b: 2 }\nsteps: [{ id: pay, uses: p/pay }]",
                "output: { a: 1, c: 2 }\nsteps: [{ id: pay, uses: p/pay }]",
                vec!["output.b!: the field is gone", "output.c: the field is new"],
            ),
            (
                PAY,
                "steps: [{ id: pay, uses: p/pay }, { id: w, wait: { signal: go } }]",
                vec!["steps.w!: the step is new, and waits for the signal `go` without a timeout"],
            ),
            (
                "steps: [{ id: w, wait: { signal: go, timeout: 2h } }]",
                "steps: [{ id: w, wait: { signal: ok, timeout: 1h, on_timeout: continue } }]",
                vec![
                    "steps.w.wait!: it waits for the signal `ok` and waited for `go`",
                    "steps.w.wait!: it waits 1h at most and waited 2h",
                    "steps.w.wait!: without the signal the run goes on now",
                ],
            ),
            (
                "steps: [{ id: w, wait: { for: 1s } }]",
                "steps: [{ id: w, wait: { for: 2s } }]",
                vec!["steps.w.wait: it waits 2s and waited 1s"],
            ),
            (
                "steps: [{ id: w, wait: { for: 1s } }]",
                "steps: [{ id: w, uses: p/pay }]",
                vec!["steps.w!: it uses a handler and waited"],
            ),
            (PAY, "steps: [{ id: pay, uses: p/pay, kind: pivot }]", vec!["steps.pay.kind!: it is pivot and was compensatable"]),
        ] {
            assert_eq!(told(before, after), expected, "{before} → {after}");
        }
    }

    #[test]
    fn so_many_changes_are_told_and_those_that_break_something_first() {
        let steps = |uses: &str| {
            let step = |n| format!("  - {{ id: s{n}, uses: {uses}/h }}\n");
            format!("steps:\n{}", (0..CHANGES_MAX + 7).map(step).collect::<String>())
        };
        let told = told(&steps("p"), &format!("deadline: 1h\n{}", steps("q")));
        assert_eq!(told.len(), CHANGES_MAX + 1);
        assert_eq!((told[0].as_str(), told[CHANGES_MAX].as_str()), ("deadline!: runs may go forward for 1h only", ": and 8 more"));
    }
}
