//! What an expression is made of, and its two written forms: JSON with `${…}` for the document, CEL for use within a larger
//! expression. Apart from the types of expressions, because both forms must say the same of every node.

use schemars::Schema;
use serde_json::Value;

/// A value that a run makes when it gets there. `gives` is the schema of what its author says that it gives.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Literal(Value),
    /// A literal that has no form in JSON, and why.
    Flawed(String),
    /// The run's input.
    Input,
    /// The output of the step with this id.
    Output(String),
    Select {
        from: Box<Node>,
        field: String,
        gives: fn() -> Schema,
    },
    Cel {
        source: String,
        gives: fn() -> Schema,
    },
    /// Pieces of one text.
    Text(Vec<Node>),
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
}

impl Node {
    /// The form in which it stands in a document.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Literal(value) => escaped(value),
            Self::Flawed(_) => Value::Null,
            Self::Input | Self::Output(_) | Self::Select { .. } | Self::Cel { .. } => Value::String(format!("${{{}}}", self.cel())),
            Self::Text(pieces) => Value::String(template(pieces)),
            Self::Object(fields) => Value::Object(fields.iter().map(|(name, node)| (name.clone(), node.json())).collect()),
            Self::List(items) => Value::Array(items.iter().map(Self::json).collect()),
        }
    }

    /// The form in which it stands in an expression of its own.
    pub(super) fn cel(&self) -> String {
        match self {
            Self::Literal(value) => literal(value),
            Self::Flawed(_) => "null".to_owned(),
            Self::Input => "input".to_owned(),
            Self::Output(step) => format!("steps[{}].output", quoted(step)),
            Self::Select { from, field, .. } if is_identifier(field) => format!("{}.{field}", from.operand()),
            Self::Select { from, field, .. } => format!("{}[{}]", from.operand(), quoted(field)),
            Self::Cel { source, .. } => source.clone(),
            Self::Text(pieces) if pieces.is_empty() => quoted(""),
            Self::Text(pieces) => pieces.iter().map(text_piece).collect::<Vec<_>>().join(" + "),
            Self::Object(fields) => braced(fields.iter().map(|(name, node)| (name, node.cel()))),
            Self::List(items) => bracketed(items.iter().map(Self::cel)),
        }
    }

    /// The form in which it stands beside an operator.
    pub(super) fn operand(&self) -> String {
        match self {
            Self::Cel { .. } | Self::Text(_) => format!("({})", self.cel()),
            Self::Literal(Value::Number(number)) if number.to_string().starts_with('-') => format!("({})", self.cel()),
            Self::Literal(_)
            | Self::Flawed(_)
            | Self::Input
            | Self::Output(_)
            | Self::Select { .. }
            | Self::Object(_)
            | Self::List(_) => self.cel(),
        }
    }

    /// An expression that is false where a selected field is absent; none for what cannot be.
    pub(super) fn is_there(&self) -> Option<String> {
        match self {
            Self::Select { field, .. } if is_identifier(field) => Some(format!("has({})", self.cel())),
            Self::Select { from, field, .. } => Some(format!("{} in {}", quoted(field), from.operand())),
            Self::Literal(_)
            | Self::Flawed(_)
            | Self::Input
            | Self::Output(_)
            | Self::Cel { .. }
            | Self::Text(_)
            | Self::Object(_)
            | Self::List(_) => None,
        }
    }
}

/// `${` of a literal text is written `$${`, or it would begin an expression.
fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Array(items) => Value::Array(items.iter().map(escaped).collect()),
        Value::Object(fields) => Value::Object(fields.iter().map(|(name, value)| (name.clone(), escaped(value))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn template(pieces: &[Node]) -> String {
    let mut text = String::new();
    let mut plain = String::new();
    for piece in pieces {
        if let Some(part) = plain_piece(piece) {
            plain.push_str(&part);
            continue;
        }
        push_plain(&mut text, &std::mem::take(&mut plain));
        // A `$` before an expression would make `$${` of it, which stands for the characters themselves.
        if text.ends_with('$') {
            text.pop();
            text.push_str("${'$'}");
        }
        text.push_str("${");
        text.push_str(&piece.cel());
        text.push('}');
    }
    push_plain(&mut text, &plain);
    text
}

fn push_plain(text: &mut String, plain: &str) {
    text.push_str(&plain.replace("${", "$${"));
}

/// The characters of a piece that is no expression. Anything but a text is written as JSON, as the host does it.
fn plain_piece(piece: &Node) -> Option<String> {
    match piece {
        Node::Literal(Value::String(text)) => Some(text.clone()),
        Node::Literal(value) => Some(value.to_string()),
        Node::Flawed(_) => Some(String::new()),
        Node::Input
        | Node::Output(_)
        | Node::Select { .. }
        | Node::Cel { .. }
        | Node::Text(_)
        | Node::Object(_)
        | Node::List(_) => None,
    }
}

fn text_piece(piece: &Node) -> String {
    plain_piece(piece).map_or_else(|| format!("string({})", piece.cel()), |plain| quoted(&plain))
}

/// A value as CEL writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        // Above the range of `int` there is `uint`, which has another form.
        Value::Number(number) if number.is_u64() && !number.is_i64() => format!("{number}u"),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => bracketed(items.iter().map(literal)),
        Value::Object(fields) => braced(fields.iter().map(|(name, value)| (name, literal(value)))),
    }
}

fn bracketed(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn braced<'n>(fields: impl Iterator<Item = (&'n String, String)>) -> String {
    let entries: Vec<_> = fields.map(|(name, value)| format!("{}: {value}", quoted(name))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// A text as CEL writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => written.extend(['\\', c]),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if c.is_control() => written.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => written.push(c),
        }
    }
    written.push('\'');
    written
}

/// Whether a field can be selected with a dot. These four words are no identifiers in CEL.
fn is_identifier(field: &str) -> bool {
    let starts = field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !matches!(field, "in" | "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use amends_domain::expression::{Mapping, Scope};
    use amends_domain::payload::Payload;
    use serde_json::json;

    use super::super::schema::output_schema;
    use super::*;

    fn select(from: Node, field: &str) -> Node {
        Node::Select { from: Box::new(from), field: field.to_owned(), gives: output_schema::<Value> }
    }

    fn cel(source: &str) -> Node {
        Node::Cel { source: source.to_owned(), gives: output_schema::<Value> }
    }

    fn text(value: &str) -> Node {
        Node::Literal(json!(value))
    }

    /// What the host makes of a mapping.
    fn evaluated(mapping: &Value) -> Value {
        let input = Payload::from(&json!({ "sku": "lamp", "n": 3, "of-it": 4 }));
        let output = Payload::from(&json!({ "total": 40 }));
        let mapping = Mapping::new(mapping, &mut |path, error| panic!("{path}: {error}"));
        let payload = mapping.evaluate(&Scope::new(&input, [("charge-it", &output)].into_iter()));
        payload.unwrap_or_else(|fault| panic!("{}", fault.message)).json().unwrap()
    }

    /// Both forms of `node` make `value` in the host.
    fn check(node: &Node, form: &Value, value: &Value) {
        assert_eq!(node.json(), *form);
        assert_eq!(evaluated(&node.json()), *value, "{form}");
        assert_eq!(evaluated(&json!(format!("${{{}}}", node.cel()))), *value, "{}", node.cel());
        assert_eq!(evaluated(&json!(format!("${{[{}][0]}}", node.operand()))), *value, "{}", node.operand());
    }

    #[test]
    fn both_forms_of_a_node_make_the_same_value_in_the_host() {
        let total = select(Node::Output("charge-it".to_owned()), "total");
        check(&total, &json!("${steps['charge-it'].output.total}"), &json!(40));
        check(&select(Node::Input, "of-it"), &json!("${input['of-it']}"), &json!(4));
        check(&cel("input.n + 1"), &json!("${input.n + 1}"), &json!(4));
        let object = Node::Object(vec![("a b".to_owned(), total.clone()), ("c".to_owned(), text("d"))]);
        check(&object, &json!({ "a b": "${steps['charge-it'].output.total}", "c": "d" }), &json!({ "a b": 40, "c": "d" }));
        check(&Node::List(vec![text("x"), select(Node::Input, "n")]), &json!(["x", "${input.n}"]), &json!(["x", 3]));
    }

    #[test]
    fn literals_keep_every_character_and_digit() {
        for value in [
            json!(null),
            json!(true),
            json!(-7),
            json!(u64::MAX),
            json!(i64::MIN + 1),
            json!(0.25),
            json!(2.0),
            json!(-1.5e-9),
            json!("it's a \\ \"q\" \n\r\t\u{1} ä {}"),
            json!({ "k'": [1, { "l": [] }], "m": {} }),
        ] {
            check(&Node::Literal(value.clone()), &value, &value);
        }
        check(&text("${a} $${b} costs $5"), &json!("$${a} $$${b} costs $5"), &json!("${a} $${b} costs $5"));
    }

    #[test]
    fn a_text_is_filled_in_and_a_dollar_before_an_expression_stays_one() {
        let sku = select(Node::Input, "sku");
        let pieces = |pieces: Vec<Node>| Node::Text(pieces);
        check(&pieces(vec![text("<"), sku.clone(), text(">")]), &json!("<${input.sku}>"), &json!("<lamp>"));
        check(&pieces(vec![sku.clone(), Node::Literal(json!(5))]), &json!("${input.sku}5"), &json!("lamp5"));
        check(&pieces(vec![text("$"), select(Node::Input, "n")]), &json!("${'$'}${input.n}"), &json!("$3"));
        check(&pieces(vec![text("$"), text("{"), sku]), &json!("$${${input.sku}"), &json!("${lamp"));
        check(&pieces(vec![]), &json!(""), &json!(""));
    }

    #[test]
    fn what_stands_beside_an_operator_keeps_its_meaning() {
        for (node, operand) in [
            (cel("a ? b : c"), "(a ? b : c)"),
            (Node::Literal(json!(-1)), "(-1)"),
            (Node::Literal(json!(1)), "1"),
            (select(Node::Input, "n"), "input.n"),
            (select(cel("a + b"), "n"), "(a + b).n"),
            (Node::Text(vec![text("a")]), "('a')"),
        ] {
            assert_eq!(node.operand(), operand);
        }
    }

    #[test]
    fn only_a_field_can_be_absent() {
        assert_eq!(select(Node::Input, "n").is_there().as_deref(), Some("has(input.n)"));
        assert_eq!(select(Node::Input, "of-it").is_there().as_deref(), Some("'of-it' in input"));
        assert_eq!(Node::Input.is_there(), None);
    }
}
