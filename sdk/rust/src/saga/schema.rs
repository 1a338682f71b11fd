//! A JSON Schema as this module looks at it: what a value may be and which fields it has. Apart from the checks of a saga, because it
//! knows nothing of steps.
//!
//! What schemars writes for types is understood; of anything else nothing is said, for the handler looks at the value itself.

use schemars::{JsonSchema, Schema};
use serde_json::Value;

pub(super) use crate::manifest::{input_schema, output_schema};

/// How many references and choices are followed at one place. A schema may go round in a circle; what schemars writes does not.
const DEPTH_MAX: usize = 16;

/// A place in a schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'s> {
    root: &'s Value,
    here: &'s Value,
}

/// What a value may be, told apart by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    Null,
    Bool,
    Integer,
    Number,
    Text,
    List,
    Object,
}

impl Shape {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }

    fn of_type(name: &str) -> Self {
        match name {
            "null" => Self::Null,
            "boolean" => Self::Bool,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::Text,
            "array" => Self::List,
            "object" => Self::Object,
            _ => Self::Any,
        }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    pub(super) fn fits(self, other: Self) -> bool {
        self == other || other == Self::Any || self == Self::Any || (self == Self::Integer && other == Self::Number)
    }
}

/// What a schema says of one field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'s> {
    Always(View<'s>),
    Perhaps(View<'s>),
    /// There is no such field.
    None,
    /// The schema does not say which fields there are.
    Unsaid,
}

impl<'s> View<'s> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self::of(schema.as_value())
    }

    pub(super) fn of(schema: &'s Value) -> Self {
        Self { root: schema, here: schema }
    }

    pub(super) fn at(self, here: &'s Value) -> Self {
        Self { root: self.root, here }.resolved()
    }

    /// What tells this place apart from others.
    pub(super) fn place(self) -> *const Value {
        self.resolved().here
    }

    fn resolved(self) -> Self {
        let mut here = self.here;
        for _ in 0..DEPTH_MAX {
            let Some(pointer) = here.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) else { break };
            match self.root.pointer(pointer) {
                Some(there) => here = there,
                None => break,
            }
        }
        Self { here, ..self }
    }

    /// All that a value may be. Never empty.
    pub(super) fn alternatives(self) -> Vec<(Shape, Self)> {
        self.alternatives_to(DEPTH_MAX)
    }

    fn alternatives_to(self, depth: usize) -> Vec<(Shape, Self)> {
        let this = self.resolved();
        let found: Vec<_> = match (this.here.get("type"), this.choices()) {
            (Some(Value::String(name)), _) => vec![(Shape::of_type(name), this)],
            (Some(Value::Array(names)), _) => {
                names.iter().filter_map(Value::as_str).map(|name| (Shape::of_type(name), this)).collect()
            }
            (_, Some(choices)) if depth > 0 => choices.iter().flat_map(|c| this.at(c).alternatives_to(depth - 1)).collect(),
            _ => this.constants().into_iter().flatten().map(|value| (Shape::of_value(value), this)).collect(),
        };
        if found.is_empty() { vec![(Shape::Any, this)] } else { found }
    }

    fn choices(self) -> Option<&'s Vec<Value>> {
        ["anyOf", "oneOf"].iter().find_map(|word| self.here.get(word)?.as_array())
    }

    /// The values that it may have, where they are listed.
    pub(super) fn constants(self) -> Option<Vec<&'s Value>> {
        let listed = || Some(self.here.get("enum")?.as_array()?.iter().collect());
        self.here.get("const").map(|only| vec![only]).or_else(listed)
    }

    pub(super) fn may_be_null(self) -> bool {
        self.alternatives().iter().any(|(shape, _)| *shape == Shape::Null)
    }

    /// The names of the fields of an object, of every form that it may have.
    pub(super) fn names(self) -> Vec<&'s str> {
        let mut names: Vec<_> = self.objects().iter().flat_map(|view| view.own_fields()).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What is said of a field of whatever object this may be. Whether it may be null is another question.
    pub(super) fn field(self, name: &str) -> Field<'s> {
        if self.alternatives().iter().any(|(shape, _)| *shape == Shape::Any) {
            return Field::Unsaid;
        }
        let said: Vec<_> = self.objects().into_iter().map(|object| object.own_field(name)).collect();
        if said.iter().any(|field| matches!(field, Field::Unsaid)) {
            return Field::Unsaid;
        }
        let found = said.iter().find_map(|field| match field {
            Field::Always(view) | Field::Perhaps(view) => Some(*view),
            Field::None | Field::Unsaid => None,
        });
        match found {
            // Of several forms of an object, the first speaks for all.
            Some(view) if said.iter().all(|field| matches!(field, Field::Always(_))) => Field::Always(view),
            Some(view) => Field::Perhaps(view),
            None => Field::None,
        }
    }

    /// The forms that it may have as an object.
    pub(super) fn objects(self) -> Vec<Self> {
        self.alternatives().into_iter().filter(|(shape, _)| *shape == Shape::Object).map(|(_, view)| view).collect()
    }

    pub(super) fn own_fields(self) -> impl Iterator<Item = (&'s String, &'s Value)> {
        self.here.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    pub(super) fn own_field(self, name: &str) -> Field<'s> {
        if let Some((_, schema)) = self.own_fields().find(|(own, _)| *own == name) {
            let view = self.at(schema);
            return if self.required().any(|required| required == name) { Field::Always(view) } else { Field::Perhaps(view) };
        }
        match self.here.get("additionalProperties") {
            Some(Value::Bool(false)) => Field::None,
            Some(schema @ Value::Object(_)) => Field::Perhaps(self.at(schema)),
            // Serde ignores fields that a type does not have, so its schema is open; but what has fields has no others.
            Some(_) | None if self.is_whole() => Field::None,
            Some(_) | None => Field::Unsaid,
        }
    }

    /// Whether all fields are listed here, and not partly in schemas beside this.
    fn is_whole(self) -> bool {
        self.own_fields().next().is_some() && self.choices().is_none() && self.here.get("allOf").is_none()
    }

    pub(super) fn required(self) -> impl Iterator<Item = &'s str> {
        self.here.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    pub(super) fn is_closed(self) -> bool {
        self.here.get("additionalProperties") == Some(&Value::Bool(false))
    }

    /// What the items of a list are.
    pub(super) fn items(self) -> Option<Self> {
        self.here.get("items").map(|items| self.at(items))
    }
}

/// The name under which a field of `T` stands in JSON: as serde renamed it, if one of the usual ways of writing names was asked for.
pub(super) fn written_name<T: JsonSchema>(rust: &str) -> String {
    let rust = rust.strip_prefix("r#").unwrap_or(rust);
    let fold = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let schemas = [input_schema::<T>(), output_schema::<T>()];
    let names: Vec<_> = schemas.iter().flat_map(|schema| View::new(schema).names()).collect();
    if names.contains(&rust) {
        return rust.to_owned();
    }
    names.into_iter().find(|name| fold(name) == fold(rust)).unwrap_or(rust).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Line {
        sku: String,
        #[serde(default)]
        quantity: u32,
        note: Option<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Tree {
        left_branch: Option<Box<Tree>>,
        r#type: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Way {
        Card { number: String },
        Cash { number: String, cents: u32 },
    }

    #[test]
    fn fields_are_always_there_or_perhaps_or_not() {
        let (input, output) = (input_schema::<Line>(), output_schema::<Line>());
        assert!(matches!(View::new(&input).field("sku"), Field::Always(_)));
        assert!(matches!(View::new(&input).field("quantity"), Field::Perhaps(_)));
        assert!(matches!(View::new(&output).field("quantity"), Field::Always(_)));
        assert!(matches!(View::new(&output).field("colour"), Field::None));
        assert_eq!(View::new(&output).names(), ["note", "quantity", "sku"]);
        let nullable = output_schema::<Option<Line>>();
        assert!(matches!(View::new(&nullable).field("sku"), Field::Always(_)) && View::new(&nullable).may_be_null());
        let map = output_schema::<BTreeMap<String, u32>>();
        assert!(matches!(View::new(&map).field("any"), Field::Perhaps(_)));
        let ways = output_schema::<Way>();
        assert!(matches!(View::new(&ways).field("number"), Field::Always(_)));
        assert!(matches!(View::new(&ways).field("cents"), Field::Perhaps(_)));
        assert!(matches!(View::new(&output_schema::<Value>()).field("any"), Field::Unsaid));
        assert!(matches!(View::new(&output_schema::<String>()).field("any"), Field::None));
    }

    #[test]
    fn a_field_is_found_under_the_name_that_serde_gave_it() {
        assert_eq!(written_name::<Tree>("left_branch"), "leftBranch");
        assert_eq!(written_name::<Tree>("r#type"), "type");
        assert_eq!(written_name::<Line>("sku"), "sku");
        assert_eq!(written_name::<Line>("colour"), "colour");
    }
}
