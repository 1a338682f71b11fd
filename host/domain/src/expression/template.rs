//! A mapping: JSON with expressions in its strings.

use super::program::{Expression, ExpressionError};
use super::{Scope, failed};
use crate::event::Fault;
use crate::payload::{PAYLOAD_LEN_MAX, Payload};
use serde_json::{Map, Value};

/// Deepest nesting of a mapping, so that walking it never runs out of stack.
const DEPTH_MAX: usize = 32;
/// Most expressions in a mapping: each may look at all of its input, and a document has room for a hundred thousand.
const EXPRESSIONS_MAX: usize = 256;

/// A compiled mapping. A string that is `${…}` and nothing else becomes the expression's value; inside a longer string the value
/// is written into the text. `$${` stands for `${` itself.
#[derive(Debug)]
pub struct Mapping {
    node: Node,
    /// The ids of steps whose output it asks for, each once.
    names: Vec<String>,
}

#[derive(Debug)]
enum Node {
    Constant(Value),
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
    Expression(Expression),
    Text(Vec<Piece>),
}

#[derive(Debug)]
enum Piece {
    Plain(String),
    Expression(Expression),
}

/// What is wrong with one string of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The expression in it.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// No `}` for a `${`.
    #[error("`${{` without its `}}`: close the expression, or write `$${{` for the characters themselves")]
    Unclosed,
    /// Too deep.
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Too many expressions.
    #[error("{0} expressions in one mapping: {EXPRESSIONS_MAX} are allowed; let a step do this")]
    TooMany(usize),
}

impl Mapping {
    /// Compiles `value`. Every mistake goes to `mistake` with its path below the mapping (`.lines[0].sku`); what could be compiled is
    /// in the result.
    pub fn new(value: &Value, mistake: &mut dyn FnMut(&str, MappingError)) -> Self {
        let expressions = expressions(value, 0);
        if expressions > EXPRESSIONS_MAX {
            // Before any of them is read: that takes a millisecond each.
            mistake("", MappingError::TooMany(expressions));
            return Self { node: Node::Constant(Value::Null), names: Vec::new() };
        }
        let node = node(value, &mut String::new(), 0, mistake);
        let mut found = Vec::new();
        steps(&node, &mut String::new(), &mut found);
        let mut names: Vec<String> = found.into_iter().map(|(_, name)| name.to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        Self { node, names }
    }

    /// The payload that it makes of `scope`.
    ///
    /// # Errors
    /// A fault with code `mapping_failed`.
    pub fn evaluate(&self, scope: &Scope) -> Result<Payload, Fault> {
        let payload = Payload::from(&evaluate(&self.node, scope, &mut 0)?);
        within(payload.len())?;
        Ok(payload)
    }

    /// The ids of steps whose output it asks for, each with the path below the mapping.
    pub fn steps(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        steps(&self.node, &mut String::new(), &mut found);
        found
    }

    /// The ids of steps whose output it asks for, each once.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is one expression and nothing else.
    pub fn is_expression(&self) -> bool {
        matches!(self.node, Node::Expression(_))
    }

    /// The names of its fields, if it is an object whose fields are known before it runs.
    pub fn fields(&self) -> Option<Vec<&str>> {
        match &self.node {
            Node::Object(fields) => Some(fields.iter().map(|(name, _)| name.as_str()).collect()),
            Node::Constant(Value::Object(fields)) => Some(fields.keys().map(String::as_str).collect()),
            Node::Constant(_) | Node::List(_) | Node::Expression(_) | Node::Text(_) => None,
        }
    }
}

fn node(value: &Value, path: &mut String, depth: usize, mistake: &mut dyn FnMut(&str, MappingError)) -> Node {
    if depth > DEPTH_MAX {
        mistake(path, MappingError::TooDeep);
        return Node::Constant(Value::Null);
    }
    match value {
        Value::Object(fields) => {
            let parts = fields
                .iter()
                .map(|(name, value)| (name.clone(), below(path, &format!(".{name}"), |p| node(value, p, depth + 1, mistake))));
            Node::Object(parts.collect())
        }
        Value::Array(items) => {
            let parts =
                items.iter().enumerate().map(|(at, value)| below(path, &format!("[{at}]"), |p| node(value, p, depth + 1, mistake)));
            Node::List(parts.collect())
        }
        Value::String(text) => match pieces(text) {
            Ok(node) => node,
            Err(error) => {
                mistake(path, error);
                Node::Constant(Value::Null)
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Constant(value.clone()),
    }
}

fn below<T>(path: &mut String, part: &str, work: impl FnOnce(&mut String) -> T) -> T {
    let len = path.len();
    path.push_str(part);
    let result = work(path);
    path.truncate(len);
    result
}

/// Takes a string apart into plain text and expressions.
fn pieces(text: &str) -> Result<Node, MappingError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            plain.push_str(&rest[..at - 1]);
            plain.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = end_of_expression(inside).ok_or(MappingError::Unclosed)?;
        let expression = Expression::new(inside[..end].trim())?;
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Expression(expression));
        rest = &inside[end + 1..];
    }
    plain.push_str(rest);
    if pieces.is_empty() {
        return Ok(Node::Constant(Value::String(plain)));
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    match pieces.pop() {
        Some(Piece::Expression(only)) if pieces.is_empty() => Ok(Node::Expression(only)),
        last => Ok(Node::Text(pieces.into_iter().chain(last).collect())),
    }
}

/// Where the `}` stands that closes the expression: braces of map literals and quoted strings inside it do not.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(q), _) if q == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    None
}

/// `made`: bytes that expressions gave so far, all of which will be in the result. Looked at after each of them: a result that is too
/// large must not be there as a whole before that is seen.
fn evaluate(node: &Node, scope: &Scope, made: &mut usize) -> Result<Value, Fault> {
    match node {
        Node::Constant(value) => Ok(value.clone()),
        Node::Expression(expression) => {
            let value = expression.evaluate(scope)?;
            *made += value.to_string().len();
            within(*made)?;
            Ok(value)
        }
        Node::List(items) => items.iter().map(|item| evaluate(item, scope, made)).collect::<Result<_, _>>().map(Value::Array),
        Node::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| Ok((name.clone(), evaluate(value, scope, made)?)));
            pairs.collect::<Result<Map<_, _>, Fault>>().map(Value::Object)
        }
        Node::Text(pieces) => {
            pieces.iter().try_fold(String::new(), |text, piece| append(text, piece, scope, made)).map(Value::String)
        }
    }
}

fn append(mut text: String, piece: &Piece, scope: &Scope, made: &mut usize) -> Result<String, Fault> {
    match piece {
        Piece::Plain(plain) => text.push_str(plain),
        Piece::Expression(expression) => {
            let value = match expression.evaluate(scope)? {
                Value::String(value) => value,
                value => value.to_string(),
            };
            *made += value.len();
            within(*made)?;
            text.push_str(&value);
        }
    }
    Ok(text)
}

fn within(len: usize) -> Result<(), Fault> {
    if len <= PAYLOAD_LEN_MAX {
        return Ok(());
    }
    Err(failed(&format!("the result has {len} bytes or more: {PAYLOAD_LEN_MAX} are allowed")))
}

/// How many expressions begin in a mapping. What is too deep has none.
fn expressions(value: &Value, depth: usize) -> usize {
    match value {
        _ if depth > DEPTH_MAX => 0,
        Value::String(text) => text.matches("${").count().saturating_sub(text.matches("$${").count()),
        Value::Object(fields) => fields.values().map(|value| expressions(value, depth + 1)).sum(),
        Value::Array(items) => items.iter().map(|value| expressions(value, depth + 1)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn steps<'a>(node: &'a Node, path: &mut String, found: &mut Vec<(String, &'a str)>) {
    let mut asked =
        |expression: &'a Expression, path: &str| found.extend(expression.steps().iter().map(|s| (path.to_owned(), s.as_str())));
    match node {
        Node::Constant(_) => {}
        Node::Expression(expression) => asked(expression, path),
        Node::Text(pieces) => {
            for piece in pieces {
                if let Piece::Expression(expression) = piece {
                    asked(expression, path);
                }
            }
        }
        Node::Object(fields) => {
            for (name, value) in fields {
                below(path, &format!(".{name}"), |p| steps(value, p, found));
            }
        }
        Node::List(items) => {
            for (at, value) in items.iter().enumerate() {
                below(path, &format!("[{at}]"), |p| steps(value, p, found));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: &Value) -> Result<Value, String> {
        let input = Payload::from(&json!({"a": 1, "s": "x", "deep": {"b": [true]}}));
        let mut mistakes = Vec::new();
        let mapping = Mapping::new(value, &mut |path, error| mistakes.push(format!("{path}: {error}")));
        if !mistakes.is_empty() {
            return Err(mistakes.join(" | "));
        }
        let payload = mapping.evaluate(&Scope::new(&input, std::iter::empty())).map_err(|f| f.message)?;
        Ok(payload.json().expect("a mapping makes JSON"))
    }

    #[test]
    fn values_keep_their_type_and_texts_are_filled_in() {
        for (mapping, value) in [
            (json!({"n": "${input.a}", "t": "<${input.s}:${input.a}>", "c": 5}), json!({"n": 1, "t": "<x:1>", "c": 5})),
            (json!(["${input.deep}", "${ input.a + 1 }"]), json!([{"b": [true]}, 2])),
            (json!("${has(input.q) ? input.q : {}}"), json!({})),
            (json!("${'}' + input.s + \"}\"}"), json!("}x}")),
            (json!("${'it\\'s {' + input.s}"), json!("it's {x")),
            (json!("$${input.a} costs $5"), json!("${input.a} costs $5")),
            (json!("${input.a}$${x}"), json!("1${x}")),
        ] {
            assert_eq!(map(&mapping), Ok(value), "{mapping}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_path() {
        let error = map(&json!({"a": "${", "b": ["ok", "${input.}"], "c": {"d": "${who}"}})).expect_err("three mistakes");
        for part in [".a: `${` without", ".b[1]: not a CEL", ".c.d: unknown name `who`"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert!(map(&deep).is_err_and(|e| e.contains("deeper than 32")));
    }

    #[test]
    fn a_result_over_the_limit_fails_the_mapping() {
        let long = "${input.s}".repeat(10) + &"y".repeat(PAYLOAD_LEN_MAX);
        assert!(map(&json!(long)).is_err_and(|e| e.contains("262144 are allowed")));
    }

    /// A document has room for so many that a result would have had gigabytes before anybody looked at its length.
    #[test]
    fn many_expressions_are_refused_and_a_few_may_not_make_more_than_fits() {
        let input = Payload::from(&json!({ "s": "y".repeat(PAYLOAD_LEN_MAX / 4) }));
        let evaluate = |value: &Value| {
            let mapping = Mapping::new(value, &mut |path, error| panic!("{path}: {error}"));
            mapping.evaluate(&Scope::new(&input, std::iter::empty()))
        };
        for (three, many) in [
            (json!("${input.s}".repeat(3)), json!("${input.s}".repeat(EXPRESSIONS_MAX))),
            (json!(vec!["${input.s}"; 3]), json!(vec!["${input.s}"; EXPRESSIONS_MAX])),
        ] {
            assert!(evaluate(&three).is_ok());
            // Said after the fourth or the fifth of them, not after all.
            assert!(
                evaluate(&many).is_err_and(
                    |fault| fault.message.contains("the result has 262") || fault.message.contains("the result has 327")
                )
            );
        }
        assert!(map(&json!(vec!["${input.a}"; EXPRESSIONS_MAX])).is_ok());
        let error = map(&json!(vec!["${input.a}"; EXPRESSIONS_MAX + 1])).expect_err("one too many");
        assert_eq!(error, ": 257 expressions in one mapping: 256 are allowed; let a step do this");
    }

    #[test]
    fn it_tells_which_steps_and_fields_it_names() {
        let mapping =
            Mapping::new(&json!({"x": ["${steps['a'].output}"], "y": "${steps.b.output.c}!"}), &mut |p, e| panic!("{p}: {e}"));
        assert_eq!(mapping.steps(), [(".x[0]".to_owned(), "a"), (".y".to_owned(), "b")]);
        assert_eq!(mapping.fields(), Some(vec!["x", "y"]));
    }
}
