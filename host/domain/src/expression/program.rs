//! One CEL expression: compiled once, its cost bounded before it runs.

use super::{Scope, Seen, failed, value};
use crate::event::Fault;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Env, Program};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Longest expression in bytes.
pub const EXPRESSION_LEN_MAX: usize = 2048;
/// Most operators: reading and evaluating a chain takes up to a kilobyte of stack for each, and no tenant may overflow it.
const OPERATORS_MAX: usize = 128;
/// Most brackets open at a time: the parser takes up to thirty kilobytes of stack for each.
const BRACKETS_MAX: usize = 16;
/// Most JSON values that an expression with a loop (`map`, `filter`, `all`, `exists`) may see: loops copy what they have gathered.
const LOOP_VALUES_MAX: usize = 4096;
/// Most bytes that a loop may move, reckoned as values seen × their bytes × mentions in the expression.
const LOOP_BYTES_MAX: usize = 64 << 20;

/// The functions of standard CEL. Built once: it is the same for all.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Why a text is not an expression that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Longer than [`EXPRESSION_LEN_MAX`].
    #[error("the expression has {0} bytes: {EXPRESSION_LEN_MAX} are allowed")]
    TooLong(usize),
    /// Not CEL.
    #[error("not a CEL expression: {0}")]
    Syntax(String),
    /// Too long a chain, or nested too deep.
    #[error("more than {OPERATORS_MAX} operators, or {BRACKETS_MAX} brackets inside each other: split it, or let a step do this")]
    TooDeep,
    /// A loop inside a loop.
    #[error("a loop inside a loop: its cost cannot be bounded; let a step do this")]
    NestedLoop,
    /// A variable that there is not.
    #[error("unknown name `{0}`: an expression sees `input` and `steps['id'].output`")]
    UnknownName(String),
    /// `steps` without a literal step id.
    #[error("`steps` must be followed by the id of a step in quotes, such as steps['charge-payment'].output")]
    StepsWithoutId,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    form: Form,
    steps: Vec<String>,
}

#[derive(Debug)]
enum Form {
    /// `input.a.b` or `steps['x'].output.a`: by far the most common, walked in the JSON itself. `step` none: the input.
    Path { step: Option<String>, fields: Vec<String> },
    /// Everything else.
    Program { program: Program, facts: Facts },
}

/// What a walk over the syntax tree finds.
#[derive(Debug, Default, Clone)]
struct Facts {
    input: bool,
    steps: Vec<String>,
    /// How many loops there are. They stand in a row: none is within another.
    loops: usize,
    /// How much larger what a loop gives is than what it goes over, multiplied over all loops but the first.
    growth: usize,
    mentions: usize,
    /// Parts of lists and maps that stand in the expression itself.
    written: usize,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`ExpressionError`]: what is wrong with it.
    pub fn new(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > EXPRESSION_LEN_MAX {
            return Err(ExpressionError::TooLong(source.len()));
        }
        if operators(source) > OPERATORS_MAX || brackets(source) > BRACKETS_MAX {
            return Err(ExpressionError::TooDeep);
        }
        let program = ENV.compile(source).map_err(|errors| ExpressionError::Syntax(first_line(&errors)))?;
        let mut facts = Facts { growth: 1, ..Facts::default() };
        facts.walk(&program.expression().expr, &mut Vec::new(), false)?;
        let steps = facts.steps.clone();
        let form = match path(&program.expression().expr) {
            Some((step, fields)) => Form::Path { step, fields },
            None => Form::Program { program, facts },
        };
        Ok(Self { form, steps })
    }

    /// The ids of the steps whose output it asks for.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// Its value in `scope`.
    ///
    /// # Errors
    /// A fault with code `mapping_failed`: a missing key, a wrong type, too much work, input that is not JSON.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Fault> {
        match &self.form {
            Form::Path { step, fields } => {
                let root = step.as_ref().map_or_else(|| scope.input(), |step| scope.output(step))?.json;
                let missing = |field: &str| failed(&format!("no such key: {field}"));
                // Borrowed down to the last field: only what is asked for is copied.
                let found = fields.iter().try_fold(root, |value, field| value.get(field).ok_or_else(|| missing(field)))?;
                Ok(found.clone())
            }
            Form::Program { program, facts } => facts.run(program, scope),
        }
    }
}

/// How many operators there are. Selections count, and what stands in texts as well: it is a bound, not a grammar.
fn operators(source: &str) -> usize {
    source.bytes().filter(|byte| b"+-*/%&|<>=!?:.,".contains(byte)).count()
}

/// How many brackets are open at a time, at most; those in texts count as well.
fn brackets(source: &str) -> usize {
    let depths = source.bytes().scan(0_usize, |depth, byte| {
        match byte {
            b'(' | b'[' | b'{' => *depth += 1,
            b')' | b']' | b'}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    depths.max().unwrap_or(0)
}

fn first_line(errors: &cel::ParseErrors) -> String {
    let text = errors.errors.first().map_or_else(String::new, |e| format!("{} (column {})", e.msg, e.pos.1));
    text.lines().next().unwrap_or_default().to_owned()
}

/// The step and the fields, if the expression only walks down from the input or from a step's output.
fn path(mut expr: &Expr) -> Option<(Option<String>, Vec<String>)> {
    let mut fields = Vec::new();
    loop {
        if let Some(step) = step_named(expr) {
            // The last field walked must be `output`; it is where the payload hangs.
            return (fields.pop()? == "output").then(|| (Some(step.to_owned()), fields.into_iter().rev().collect()));
        }
        match expr {
            Expr::Ident(name) if name == "input" => return Some((None, fields.into_iter().rev().collect())),
            Expr::Select(select) if !select.test => {
                fields.push(select.field.clone());
                expr = &select.operand.expr;
            }
            _ => return None,
        }
    }
}

/// `steps['id']` or `steps.id`: the id.
fn step_named(expr: &Expr) -> Option<&str> {
    let is_steps = |e: &IdedExpr| matches!(&e.expr, Expr::Ident(name) if name == "steps");
    match expr {
        Expr::Select(select) if is_steps(&select.operand) => Some(&select.field),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
            match operands.as_slice() {
                [steps, IdedExpr { expr: Expr::Literal(LiteralValue::String(id)), .. }] if is_steps(steps) => Some(id.inner()),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Facts {
    /// Collects what the expression asks for and refuses what cannot be bounded. `bound`: variables of enclosing loops.
    fn walk(&mut self, expr: &Expr, bound: &mut Vec<String>, in_loop: bool) -> Result<(), ExpressionError> {
        if let Some(step) = step_named(expr) {
            self.mentions += 1;
            if !self.steps.iter().any(|s| s == step) {
                self.steps.push(step.to_owned());
            }
            return Ok(());
        }
        match expr {
            Expr::Ident(name) => self.name(name, bound),
            Expr::Select(select) => self.walk(&select.operand.expr, bound, in_loop),
            Expr::Call(call) => {
                call.target.as_deref().into_iter().chain(&call.args).try_for_each(|e| self.walk(&e.expr, bound, in_loop))
            }
            Expr::List(list) => {
                self.written += list.elements.len();
                list.elements.iter().try_for_each(|e| self.walk(&e.expr, bound, in_loop))
            }
            Expr::Map(map) => {
                self.written += map.entries.len();
                map.entries.iter().try_for_each(|e| self.entry(&e.expr, bound, in_loop))
            }
            Expr::Struct(built) => built.entries.iter().try_for_each(|e| self.entry(&e.expr, bound, in_loop)),
            Expr::Comprehension(_) if in_loop => Err(ExpressionError::NestedLoop),
            Expr::Comprehension(each) => {
                self.walk(&each.iter_range.expr, bound, in_loop)?;
                let mentions_before = self.mentions;
                let names = [Some(each.iter_var.clone()), each.iter_var2.clone(), Some(each.accu_var.clone())];
                let before = bound.len();
                bound.extend(names.into_iter().flatten());
                for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                    self.walk(&part.expr, bound, true)?;
                }
                bound.truncate(before);
                // A loop over what a loop gives: `[x].map(a, [a, a]).map(a, [a, a])` doubles it each time.
                if self.loops > 0 {
                    self.growth = self.growth.saturating_mul((self.mentions - mentions_before).max(1));
                }
                self.loops += 1;
                Ok(())
            }
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn name(&mut self, name: &str, bound: &[String]) -> Result<(), ExpressionError> {
        self.mentions += 1;
        match name {
            _ if name.starts_with('@') || bound.iter().any(|b| b == name) => Ok(()),
            "input" => {
                self.input = true;
                Ok(())
            }
            "steps" => Err(ExpressionError::StepsWithoutId),
            // Names of types are values in CEL: `type(input.n) == int`.
            "int" | "uint" | "double" | "string" | "bool" | "bytes" | "list" | "map" | "null_type" | "type" => Ok(()),
            _ => Err(ExpressionError::UnknownName(name.to_owned())),
        }
    }

    fn entry(&mut self, entry: &EntryExpr, bound: &mut Vec<String>, in_loop: bool) -> Result<(), ExpressionError> {
        match entry {
            EntryExpr::StructField(field) => self.walk(&field.value.expr, bound, in_loop),
            EntryExpr::MapEntry(pair) => {
                self.walk(&pair.key.expr, bound, in_loop)?;
                self.walk(&pair.value.expr, bound, in_loop)
            }
        }
    }

    fn run(&self, program: &Program, scope: &Scope) -> Result<Value, Fault> {
        let mut seen = Vec::new();
        let mut context = Context::with_env(ENV.clone());
        if self.input {
            let input = scope.input()?;
            seen.push(input.json);
            context.add_variable_from_value("input", input.cel());
        }
        let mut steps = BTreeMap::new();
        for step in &self.steps {
            let output = scope.output(step)?;
            seen.push(output.json);
            steps.insert(step.as_str(), output);
        }
        self.check_cost(&seen)?;
        let output = |output: Seen<'_>| value::object([("output", output.cel())]);
        context.add_variable_from_value("steps", value::object(steps.into_iter().map(|(step, seen)| (step, output(seen)))));
        let given = program.execute(&context).map_err(|e| failed(&value::told(&e)))?;
        value::to_json(&given)
    }

    /// Without loops the work is bounded by the expression's length times its input's; a loop multiplies it by what it sees, and one over
    /// what another gives by how much that grew.
    fn check_cost(&self, seen: &[&Value]) -> Result<(), Fault> {
        if self.loops == 0 {
            return Ok(());
        }
        let values: usize = seen.iter().map(|v| count(v)).sum::<usize>() + self.written + 1;
        let bytes: usize = seen.iter().map(|v| v.to_string().len()).sum::<usize>() + EXPRESSION_LEN_MAX;
        let moved = values.saturating_mul(bytes).saturating_mul(self.mentions).saturating_mul(self.growth);
        if values > LOOP_VALUES_MAX {
            return Err(failed(&format!("the loop would see {values} values: {LOOP_VALUES_MAX} are allowed")));
        }
        if moved > LOOP_BYTES_MAX {
            return Err(failed(&format!("the loop could move {moved} bytes: {LOOP_BYTES_MAX} are allowed")));
        }
        Ok(())
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;
    use serde_json::json;

    fn evaluate(source: &str) -> Result<Value, String> {
        let input = Payload::from(
            &json!({"sku": "lamp", "quantity": 3, "price": 1.5, "big": 18_446_744_073_709_551_615_u64, "lines": [1, 2, 3]}),
        );
        let output = Payload::from(&json!({"total": 40, "nested": {"id": "x"}}));
        let scope = Scope::new(&input, [("charge-payment", &output)].into_iter());
        let expression = Expression::new(source).map_err(|e| e.to_string())?;
        expression.evaluate(&scope).map_err(|f| format!("{}: {}", f.code, f.message))
    }

    #[test]
    fn values_come_from_the_input_and_from_outputs() {
        for (source, value) in [
            ("input.sku", json!("lamp")),
            (
                "input",
                json!({"sku": "lamp", "quantity": 3, "price": 1.5, "big": 18_446_744_073_709_551_615_u64, "lines": [1, 2, 3]}),
            ),
            ("steps['charge-payment'].output.total", json!(40)),
            ("steps[\"charge-payment\"].output.nested.id", json!("x")),
            ("input.quantity * 2 + 1", json!(7)),
            ("input.price * 2.0", json!(3.0)),
            ("input.big", json!(18_446_744_073_709_551_615_u64)),
            ("input.lines.map(l, l * 2)", json!([2, 4, 6])),
            ("input.lines.exists(l, l == steps['charge-payment'].output.total)", json!(false)),
            ("has(input.nothing) ? input.nothing : {}", json!({})),
            ("input.lines[1]", json!(2)),
            ("input.sku + '-' + string(input.quantity)", json!("lamp-3")),
            ("{'a': [input.quantity, null, true]}", json!({"a": [3, null, true]})),
            ("type(input.quantity) == int", json!(true)),
            (&format!("1{}", " + 1".repeat(120)), json!(121)),
            (&format!("{}1{}", "(".repeat(16), ")".repeat(16)), json!(1)),
        ] {
            assert_eq!(evaluate(source), Ok(value), "{source}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_said_when_it_is_compiled() {
        for (source, part) in [
            ("input.", "not a CEL expression"),
            ("", "not a CEL expression"),
            ("inptu.sku", "unknown name `inptu`"),
            ("steps", "followed by the id of a step"),
            ("steps[input.sku].output", "followed by the id of a step"),
            ("input.lines.map(a, input.lines.map(b, a))", "a loop inside a loop"),
            (&format!("'{}'", "x".repeat(3000)), "3002 bytes"),
            (&format!("input{}", ".a".repeat(129)), "128 operators"),
            (&format!("1{}", "+1".repeat(200)), "128 operators"),
            (&format!("{}1{}", "(".repeat(17), ")".repeat(17)), "16 brackets"),
        ] {
            let error = Expression::new(source).map(|_| ()).expect_err(source).to_string();
            assert!(error.contains(part), "{source}: {error}");
        }
    }

    #[test]
    fn what_fails_at_run_time_fails_cleanly() {
        for (source, part) in [
            ("input.colour", "no such key: colour"),
            ("input.sku.length", "no such key: length"),
            ("steps['ship'].output.id", "steps['ship'] has no output"),
            ("input.quantity / 0", "ivision by zero"),
            ("input.sku * 2", "mapping_failed"),
            ("b'abc'", "no form in JSON"),
        ] {
            let error = evaluate(source).expect_err(source);
            assert!(error.contains(part) && error.starts_with("mapping_failed"), "{source}: {error}");
        }
    }

    /// A fault is stored. Values in it would be a tenant's, and those of maps stand in another order each time.
    #[test]
    fn what_failed_is_told_by_types_and_not_by_values() {
        let error = evaluate("input - 1").expect_err("a map is no number");
        assert_eq!(error, "mapping_failed: `sub` does not take map and int");
        for source in ["-input", "input < 1", "input[input]", "input.lines[input]", "input.contains('x')", "input()"] {
            let error = evaluate(source).expect_err(source);
            assert!(!error.contains("lamp"), "{source}: {error}");
        }
    }

    #[test]
    fn a_loop_over_too_much_is_refused_and_one_within_the_limit_is_not() {
        let check = |len: usize, text: &str| {
            let input = Payload::from(&json!({ "lines": vec![text; len] }));
            Expression::new("input.lines.map(l, l)").expect("it compiles").evaluate(&Scope::new(&input, std::iter::empty()))
        };
        assert!(check(1000, "x").is_ok());
        assert!(check(5000, "x").is_err_and(|f| f.message.contains("4096 are allowed")));
        assert!(check(1000, &"x".repeat(200)).is_err_and(|f| f.message.contains("bytes")));
    }

    /// Forty of them would have made a list of a trillion values, or a text of as many bytes, from nothing.
    #[test]
    fn loops_over_what_loops_give_are_reckoned_with_what_they_multiply() {
        for body in ["[a, a]", "a + a", "{'x': a, 'y': a}"] {
            let chain = |loops: usize| evaluate(&format!("['x']{}", format!(".map(a, {body})").repeat(loops)));
            assert!(chain(2).is_ok(), "{body}: {:?}", chain(2));
            for loops in [12, 24] {
                assert!(chain(loops).is_err_and(|error| error.contains("the loop could move")), "{body}, {loops} times");
            }
        }
        assert_eq!(evaluate("input.lines.filter(l, l > 1).map(l, l * 2).exists(l, l == 6)"), Ok(json!(true)));
    }
}
