//! What an expression asks for: which fields of the run's input and of steps' outputs, and for which of them it asks first whether
//! they are there. Found in its syntax tree, so that it does not matter who wrote the CEL.

use std::fmt;

use amends_domain::expression::Expression;
use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::node::quoted;

/// What an expression asks for.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Every field that is asked for, outermost only: of `input.a.b` not `input.a`.
    pub(super) paths: Vec<Path>,
    /// Those that may be absent or null, because the expression looks whether they are.
    pub(super) tested: Vec<Path>,
    /// The one path that is all of the expression.
    pub(super) whole: Option<Path>,
}

/// A field, or the whole, of the run's input or of a step's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The step; none: the run's input.
    pub(super) step: Option<String>,
    pub(super) fields: Vec<String>,
}

impl Path {
    /// The path to its first `len` fields.
    pub(super) fn first(&self, len: usize) -> Self {
        Self { step: self.step.clone(), fields: self.fields[..len].to_vec() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            None => f.write_str("input")?,
            Some(step) => write!(f, "steps[{}].output", quoted(step))?,
        }
        self.fields.iter().try_for_each(|field| write!(f, ".{field}"))
    }
}

/// What `source` asks for; none if the host would refuse it, and says so itself.
pub(super) fn reads(source: &str) -> Option<Reads> {
    // Looked at by the host first: it bounds how deep an expression may be, before anybody walks down.
    Expression::new(source).ok()?;
    let program = Program::compile(source).ok()?;
    let expr = &program.expression().expr;
    let mut reads = Reads { whole: path(expr, &[]), ..Reads::default() };
    reads.walk(expr, &mut Vec::new());
    Some(reads)
}

impl Reads {
    /// `bound`: the variables of the loops around.
    fn walk(&mut self, expr: &Expr, bound: &mut Vec<String>) {
        if let Some(path) = path(expr, bound) {
            self.paths.push(path);
            return;
        }
        match expr {
            Expr::Select(select) if select.test => {
                if let Some(mut tested) = path(&select.operand.expr, bound) {
                    tested.fields.push(select.field.clone());
                    self.paths.push(tested.clone());
                    self.tested.push(tested);
                } else {
                    self.walk(&select.operand.expr, bound);
                }
            }
            Expr::Select(select) => self.walk(&select.operand.expr, bound),
            Expr::Call(call) => self.call(call, bound),
            Expr::List(list) => list.elements.iter().for_each(|item| self.walk(&item.expr, bound)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, bound)),
            Expr::Struct(built) => built.entries.iter().for_each(|entry| self.entry(&entry.expr, bound)),
            Expr::Comprehension(each) => self.each(each, bound),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn call(&mut self, call: &CallExpr, bound: &mut Vec<String>) {
        let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        self.tested.extend(tested(&call.func_name, &operands, bound));
        for operand in operands {
            self.walk(&operand.expr, bound);
        }
    }

    fn entry(&mut self, entry: &EntryExpr, bound: &mut Vec<String>) {
        match entry {
            EntryExpr::StructField(field) => self.walk(&field.value.expr, bound),
            EntryExpr::MapEntry(pair) => {
                self.walk(&pair.key.expr, bound);
                self.walk(&pair.value.expr, bound);
            }
        }
    }

    fn each(&mut self, each: &ComprehensionExpr, bound: &mut Vec<String>) {
        self.walk(&each.iter_range.expr, bound);
        let before = bound.len();
        bound.extend([Some(each.iter_var.clone()), each.iter_var2.clone(), Some(each.accu_var.clone())].into_iter().flatten());
        for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
            self.walk(&part.expr, bound);
        }
        bound.truncate(before);
    }
}

/// What is looked for with `x == null`, `x != null` or `'field' in x`.
fn tested(function: &str, operands: &[&IdedExpr], bound: &[String]) -> Option<Path> {
    let [one, other] = operands else { return None };
    match function {
        operators::EQUALS | operators::NOT_EQUALS => match (&one.expr, &other.expr) {
            (expr, Expr::Literal(LiteralValue::Null)) | (Expr::Literal(LiteralValue::Null), expr) => path(expr, bound),
            _ => None,
        },
        operators::IN => {
            let mut path = path(&other.expr, bound)?;
            path.fields.push(text(&one.expr)?.to_owned());
            Some(path)
        }
        _ => None,
    }
}

/// The path that an expression walks down, if that is all that it does.
fn path(mut expr: &Expr, bound: &[String]) -> Option<Path> {
    let is_free = |name: &str| !bound.iter().any(|variable| variable == name);
    let mut fields = Vec::new();
    loop {
        match expr {
            Expr::Ident(name) if name == "input" && is_free(name) => {
                fields.reverse();
                return Some(Path { step: None, fields });
            }
            Expr::Ident(name) if name == "steps" && is_free(name) => {
                // Walked from the end: `steps`, the id, `output`, and then the fields.
                let step = fields.pop()?;
                let output = fields.pop()?;
                fields.reverse();
                return (output == "output").then_some(Path { step: Some(step), fields });
            }
            Expr::Select(select) if !select.test => {
                fields.push(select.field.clone());
                expr = &select.operand.expr;
            }
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
                let [from, index] = operands.as_slice() else { return None };
                fields.push(text(&index.expr)?.to_owned());
                expr = &from.expr;
            }
            _ => return None,
        }
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(paths: &[Path]) -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    }

    /// What is asked for, and what is looked for first.
    fn check(source: &str, paths: &[&str], tested: &[&str]) {
        let reads = reads(source).unwrap_or_else(|| panic!("{source} is no expression"));
        assert_eq!(
            (shown(&reads.paths), shown(&reads.tested)),
            (paths.iter().map(ToString::to_string).collect(), tested.iter().map(ToString::to_string).collect()),
            "{source}"
        );
    }

    #[test]
    fn every_field_that_is_asked_for_is_found() {
        check("input", &["input"], &[]);
        check("input.a.b + steps['x'].output.c", &["input.a.b", "steps['x'].output.c"], &[]);
        check("steps.x.output", &["steps['x'].output"], &[]);
        check("input['of-it'].b", &["input.of-it.b"], &[]);
        check("input.lines[0].sku", &["input.lines"], &[]);
        check("input.sku.size() > 3 && !input.paid", &["input.sku", "input.paid"], &[]);
        check("{'a': [input.b], input.c: 1}", &["input.b", "input.c"], &[]);
        check("'input.a' + string(1)", &[], &[]);
    }

    #[test]
    fn the_variables_of_a_loop_are_no_fields() {
        check("input.lines.map(l, l.sku + input.sku)", &["input.lines", "input.sku"], &[]);
        check("input.lines.all(input, input.a == 1)", &["input.lines"], &[]);
    }

    #[test]
    fn what_is_looked_for_first_is_told_apart() {
        check("has(input.a) ? input.a.b : 1", &["input.a", "input.a.b"], &["input.a"]);
        check("input.a != null ? input.a : 1", &["input.a", "input.a"], &["input.a"]);
        check("null == steps['x'].output", &["steps['x'].output"], &["steps['x'].output"]);
        check("'of-it' in input ? 1 : 2", &["input"], &["input.of-it"]);
        check("input.a == input.b", &["input.a", "input.b"], &[]);
        check("1 in input.list", &["input.list"], &[]);
        check("has(input.lines[0].sku)", &["input.lines"], &[]);
    }

    #[test]
    fn a_path_alone_is_known_as_such() {
        assert_eq!(reads("input.a.b").unwrap().whole, Some(Path { step: None, fields: vec!["a".to_owned(), "b".to_owned()] }));
        assert_eq!(reads("input.a + 1").unwrap().whole, None);
    }

    #[test]
    fn what_the_host_refuses_is_left_to_it() {
        for source in ["input.", "inptu.a", "steps[input.a].output", &format!("input{}", ".a".repeat(200))] {
            assert!(reads(source).is_none(), "{source}");
        }
    }
}
