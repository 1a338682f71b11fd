//! What the types of a saga say that its document does not: whether the fields that are asked for are there, whether what a step gets
//! fits its handler, whether the handler can be compensated. Everything else the host's own reader checks.

use std::collections::BTreeSet;

use amends_domain::definition::{Mistake, Mistakes};
use schemars::Schema;
use serde_json::Value;

use super::misfit::{schema_of, wrong_shape};
use super::node::Node;
use super::reads::{Path, Reads, reads};
use super::schema::{Field, Shape, View};
use super::step::{Handler, Parts};

/// The types of a saga.
pub(super) struct Types {
    input: Schema,
    /// The id of each step and what it gives.
    outputs: Vec<(String, Schema)>,
}

impl Types {
    pub(super) fn new(input: Schema, steps: &[(String, Parts)]) -> Self {
        Self { input, outputs: steps.iter().map(|(id, parts)| (id.clone(), (parts.output)())).collect() }
    }

    /// The schema of what a path begins with.
    fn root(&self, path: &Path) -> Option<&Schema> {
        match &path.step {
            None => Some(&self.input),
            Some(step) => self.outputs.iter().find(|(id, _)| id == step).map(|(_, output)| output),
        }
    }

    /// Notes what is wrong with the step at `at`.
    pub(super) fn check_step(&self, at: usize, parts: &Parts, mistakes: &mut Mistakes) {
        let path = |field: &str| format!("steps[{at}].{field}");
        let mut scope = self.scope();
        if let Some(when) = &parts.when {
            scope.check(when, &path("when"), mistakes);
            // What the condition looks for is there where the rest is evaluated.
            scope.known = reads(&when.cel()).map(|reads| reads.tested).unwrap_or_default();
        }
        for (field, node) in [("wait.until", &parts.until), ("input", &parts.input)] {
            if let Some(node) = node {
                scope.check(node, &path(field), mistakes);
            }
        }
        if let Some(handler) = &parts.handler {
            let schema = (handler.input)();
            let mut fitting = Fitting { scope: &scope, handler, mistakes };
            fitting.check(parts.input.as_ref().unwrap_or(&Node::Input), View::new(&schema), &path("input"));
        }
    }

    /// Notes what is wrong with the output of the saga.
    pub(super) fn check_output(&self, output: &Node, mistakes: &mut Mistakes) {
        self.scope().check(output, "output", mistakes);
    }

    fn scope(&self) -> Scope<'_> {
        Scope { types: self, known: Vec::new() }
    }
}

/// What an expression sees at its place.
struct Scope<'t> {
    types: &'t Types,
    /// What is neither absent nor null by then.
    known: Vec<Path>,
}

impl<'t> Scope<'t> {
    /// Notes the fields that `node` asks for and that are not there, or perhaps not.
    fn check(&self, node: &Node, path: &str, mistakes: &mut Mistakes) {
        match node {
            Node::Object(fields) => {
                for (name, node) in fields {
                    self.check(node, &format!("{path}.{name}"), mistakes);
                }
            }
            Node::List(items) => {
                for (at, node) in items.iter().enumerate() {
                    self.check(node, &format!("{path}[{at}]"), mistakes);
                }
            }
            Node::Text(pieces) => pieces.iter().for_each(|node| self.check(node, path, mistakes)),
            Node::Literal(_) => {}
            Node::Flawed(cause) => mistakes.add(path, format!("has no form in JSON: {cause}")),
            Node::Input | Node::Output(_) | Node::Select { .. } | Node::Cel { .. } => {
                let problems = self.reads(node).map(|reads| self.problems(&reads)).unwrap_or_default();
                for problem in problems {
                    mistakes.add(path, problem);
                }
            }
        }
    }

    fn reads(&self, node: &Node) -> Option<Reads> {
        let mut reads = reads(&node.cel())?;
        reads.tested.extend_from_slice(&self.known);
        Some(reads)
    }

    fn problems(&self, reads: &Reads) -> BTreeSet<String> {
        reads.paths.iter().filter_map(|path| self.walk(path, &reads.tested)?.err()).collect()
    }

    /// What stands at `path`; none where nobody can say, or where the host's reader says that there is no such step.
    fn walk(&self, path: &Path, tested: &[Path]) -> Option<Result<View<'t>, String>> {
        let mut view = View::new(self.types.root(path)?);
        for (at, name) in path.fields.iter().enumerate() {
            let (from, here) = (path.first(at), path.first(at + 1));
            if view.may_be_null() && !tested.contains(&from) {
                let problem = format!("`{from}` may be null: say what stands for it, with `.map_or(…)` or `.unwrap_or(…)`");
                return Some(Err(problem));
            }
            view = match view.field(name) {
                Field::Always(there) => there,
                Field::Perhaps(there) if tested.contains(&here) => there,
                Field::Perhaps(_) => return Some(Err(format!("`{here}` may be absent: say what stands for it, with `.or(…)`"))),
                Field::None => return Some(Err(no_field(view, &from, name))),
                Field::Unsaid => return None,
            };
        }
        Some(Ok(view))
    }
}

fn no_field(view: View, path: &Path, name: &str) -> String {
    let names = view.names();
    if names.is_empty() {
        return format!("`{path}` has no field `{name}`: it has none");
    }
    format!("`{path}` has no field `{name}`; it has: {}", names.join(", "))
}

/// Compares what a step gets with what its handler takes.
struct Fitting<'t, 'm> {
    scope: &'t Scope<'t>,
    handler: &'t Handler,
    mistakes: &'m mut Mistakes,
}

impl Fitting<'_, '_> {
    fn check(&mut self, node: &Node, to: View, path: &str) {
        match node {
            Node::Object(fields) => self.object(fields, to, path),
            Node::List(items) => self.list(items, to, path),
            Node::Text(_) => self.compare(View::of(&serde_json::json!({ "type": "string" })), to, path),
            Node::Literal(value) => self.compare(View::of(&schema_of(value)), to, path),
            Node::Flawed(_) => {}
            Node::Select { gives, .. } | Node::Cel { gives, .. } => self.expression(node, Some(*gives), to, path),
            Node::Input | Node::Output(_) => self.expression(node, None, to, path),
        }
    }

    /// An expression that only walks down to a field gives what is there; any other, and one that was looked for, what its author says.
    fn expression(&mut self, node: &Node, gives: Option<fn() -> Schema>, to: View, path: &str) {
        let Some(reads) = self.scope.reads(node) else { return };
        let whole = reads.whole.filter(|whole| !reads.tested.contains(whole));
        match (whole.and_then(|whole| self.scope.walk(&whole, &reads.tested)), gives) {
            (Some(Ok(view)), _) => self.compare(view, to, path),
            // What is not there is told already.
            (Some(Err(_)), _) | (None, None) => {}
            (None, Some(gives)) => self.compare(View::new(&gives()), to, path),
        }
    }

    fn compare(&mut self, from: View, to: View, path: &str) {
        for misfit in from.misfits(to) {
            self.mistakes.add(&format!("{path}{}", misfit.below), misfit.problem);
        }
    }

    fn object(&mut self, fields: &[(String, Node)], to: View, path: &str) {
        let alternatives = to.alternatives();
        match to.objects().as_slice() {
            _ if alternatives.iter().any(|(shape, _)| *shape == Shape::Any) => {}
            [] => self.mistakes.add(path, wrong_shape(Shape::Object, &alternatives)),
            [only] => self.fields(fields, *only, path),
            forms => {
                let fits = forms.iter().any(|form| self.attempt(fields, *form, path).is_empty());
                if !fits {
                    let problem = format!("fits none of the {} forms that `{}` takes", forms.len(), self.handler.name);
                    self.mistakes.add(path, problem);
                }
            }
        }
    }

    /// The mistakes if `form` were meant.
    fn attempt(&self, fields: &[(String, Node)], form: View, path: &str) -> Vec<Mistake> {
        let mut mistakes = Mistakes::default();
        Fitting { scope: self.scope, handler: self.handler, mistakes: &mut mistakes }.fields(fields, form, path);
        mistakes.0
    }

    fn fields(&mut self, fields: &[(String, Node)], to: View, path: &str) {
        for name in to.required().filter(|name| !fields.iter().any(|(given, _)| given == name)) {
            self.mistakes.add(path, format!("has no field `{name}`, which `{}` requires", self.handler.name));
        }
        for (name, node) in fields {
            let place = format!("{path}.{name}");
            match to.field(name) {
                Field::Always(there) | Field::Perhaps(there) => self.check(node, there, &place),
                Field::None => {
                    let problem = format!("is not a field of `{}`; it has: {}", self.handler.name, to.names().join(", "));
                    self.mistakes.add(&place, problem);
                }
                Field::Unsaid => {}
            }
        }
    }

    fn list(&mut self, items: &[Node], to: View, path: &str) {
        let alternatives = to.alternatives();
        let list = alternatives.iter().find(|(shape, _)| *shape == Shape::List);
        match list {
            Some((_, list)) => {
                let Some(to) = list.items() else { return };
                for (at, item) in items.iter().enumerate() {
                    self.check(item, to, &format!("{path}[{at}]"));
                }
            }
            None if alternatives.iter().any(|(shape, _)| *shape == Shape::Any) => {}
            None => self.mistakes.add(path, wrong_shape(Shape::List, &alternatives)),
        }
    }
}

/// Notes the steps that would be compensated and cannot be.
pub(super) fn check_compensations(steps: &[(String, Parts)], mistakes: &mut Mistakes) {
    let behind = behind_pivot(steps);
    for (at, (_, parts)) in steps.iter().enumerate() {
        let Some(handler) = parts.handler.as_ref().filter(|handler| !handler.compensates) else { continue };
        let is_compensated = !behind[at] && !is(parts, "kind", "read-only") && !is(parts, "compensate", "none");
        if is_compensated {
            let problem =
                format!("`{}` cannot be compensated: say so with `.compensate_none()`, or use another handler", handler.name);
            mistakes.add(&format!("steps[{at}].uses"), problem);
        }
    }
}

/// Which steps come after the pivot. Steps only come after earlier ones: there are no references to others.
fn behind_pivot(steps: &[(String, Parts)]) -> Vec<bool> {
    let mut behind = Vec::with_capacity(steps.len());
    for (at, (_, parts)) in steps.iter().enumerate() {
        let follows = |earlier: usize| behind[earlier] || is(&steps[earlier].1, "kind", "pivot");
        let is_behind = match &parts.after {
            None => at.checked_sub(1).is_some_and(follows),
            Some(ids) => (0..at).any(|earlier| ids.contains(&steps[earlier].0) && follows(earlier)),
        };
        behind.push(is_behind);
    }
    behind
}

fn is(parts: &Parts, field: &str, word: &str) -> bool {
    parts.fields.get(field).and_then(Value::as_str) == Some(word)
}
