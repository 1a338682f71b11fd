//! The form of what is taken and given, as JSON Schema 2020-12, which is what `OpenAPI` 3.1 speaks. Made from the types themselves.

use super::Parameter;
use crate::store::PAGE_LEN_MAX;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the description keeps what has a name.
const PLACE: &str = "/components/schemas";

/// What has a form.
pub(in crate::api) trait Described: JsonSchema {}

impl<T: JsonSchema> Described for T {}

/// The form of something.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Shape {
    way: Way,
    of: fn(&mut SchemaGenerator) -> Schema,
}

/// Whether it is read or written: what may be left out is not the same.
#[derive(Debug, Clone, Copy)]
enum Way {
    Taken,
    Given,
}

impl Shape {
    /// Of what is taken.
    pub(super) fn taken<T: Described>() -> Self {
        Self { way: Way::Taken, of: SchemaGenerator::subschema_for::<T> }
    }

    /// Of what is given.
    pub(in crate::api) fn given<T: Described>() -> Self {
        Self { way: Way::Given, of: SchemaGenerator::subschema_for::<T> }
    }
}

/// Makes schemas and remembers what has a name.
pub(super) struct Shapes {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Shapes {
    pub(super) fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into());
        let present = RecursiveTransform(present as fn(&mut Schema));
        let bounded = RecursiveTransform(bounded as fn(&mut Schema));
        Self {
            taken: settings().for_deserialize().with_transform(bounded).into_generator(),
            given: settings().for_serialize().with_transform(present).into_generator(),
        }
    }

    /// The schema of a shape.
    pub(super) fn schema(&mut self, shape: Shape) -> Value {
        match shape.way {
            Way::Taken => (shape.of)(&mut self.taken).to_value(),
            Way::Given => {
                let mut schema = (shape.of)(&mut self.given);
                RecursiveTransform(present as fn(&mut Schema)).transform(&mut schema);
                schema.to_value()
            }
        }
    }

    /// Everything that has a name.
    ///
    /// # Panics
    /// If a name stands for two things.
    pub(super) fn named(mut self) -> Map<String, Value> {
        let mut named = self.given.take_definitions(true);
        for (name, schema) in self.taken.take_definitions(true) {
            let other = named.insert(name.clone(), schema.clone());
            assert!(other.is_none_or(|other| other == schema), "the name {name} stands for two shapes");
        }
        named
    }
}

/// A number that must fit says so with its bounds, too: not every program knows the names of formats.
fn bounded(schema: &mut Schema) {
    if schema.get("format").is_some_and(|format| format == "uint32") {
        schema.insert("maximum".to_owned(), u32::MAX.into());
    }
}

/// What is left out where it is not there is never null where it is.
fn present(schema: &mut Schema) {
    let required: Vec<String> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, field) in fields.iter_mut().filter(|(name, _)| !required.contains(name)) {
        without_null(field);
    }
}

fn without_null(field: &mut Value) {
    let Some(field) = field.as_object_mut() else { return };
    if let Some(Value::Array(types)) = field.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            field.insert("type".to_owned(), only);
        }
    }
    for word in ["anyOf", "oneOf"] {
        let Some(Value::Array(ways)) = field.get_mut(word) else { continue };
        ways.retain(|way| way != &json!({ "type": "null" }));
        if let [Value::Object(only)] = ways.as_slice() {
            let only = only.clone();
            field.remove(word);
            for (name, value) in only {
                field.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(words)) = field.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}

/// A parameter that is described by a type.
pub(in crate::api) fn parameter<T: Described>(name: &'static str, says: &'static str) -> Parameter {
    let schema = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>();
    let mut schema = schema;
    bounded(&mut schema);
    let mut schema = schema.to_value();
    if let Some(schema) = schema.as_object_mut() {
        for word in ["$schema", "title", "description"] {
            schema.remove(word);
        }
    }
    Parameter { name, says, schema }
}

/// Most items of a page.
pub(in crate::api) fn limit() -> Parameter {
    let schema = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_LEN_MAX, "default": 50 });
    Parameter { name: "limit", says: "Most items of the page.", schema }
}

/// Where a page begins.
pub(super) fn cursor<T: Described>() -> Parameter {
    parameter::<T>("cursor", "Where the page begins: `next_cursor` of the page before.")
}

/// How long to wait.
pub(in crate::api) fn wait() -> Parameter {
    let says = "How long to wait for the end before answering, 60 seconds at most.";
    Parameter {
        name: "wait",
        says,
        schema: json!({ "type": "string", "pattern": "^([0-9]{1,4}ms|[0-5][0-9]{4}ms|60000ms|[0-5]?[0-9]s|60s|[01]m)$", "examples": ["30s"] }),
    }
}

/// Where something is.
pub(in crate::api) fn location() -> Parameter {
    Parameter { name: "location", says: "Where it is.", schema: json!({ "type": "string", "format": "uri-reference" }) }
}

/// What an answer is of.
pub(in crate::api) fn etag() -> Parameter {
    let says = "Which version this is (RFC 9110 §8.8.3).";
    Parameter { name: "etag", says, schema: json!({ "type": "string", "pattern": "^\"[^\"]+\"$" }) }
}

/// Headers that make a question conditional.
pub(in crate::api) fn if_none_match() -> Parameter {
    let says = "Entity tags that the client has, or `*` (RFC 9110 §13.1.2).";
    Parameter { name: "If-None-Match", says, schema: tags() }
}

/// The same.
pub(in crate::api) fn if_match() -> Parameter {
    let says = "The entity tag that it must have now, or `*` (RFC 9110 §13.1.1).";
    Parameter { name: "If-Match", says, schema: tags() }
}

fn tags() -> Value {
    json!({ "type": "string", "pattern": "^([*]|(W/)?\"[!#-~]{0,80}\"(, ?(W/)?\"[!#-~]{0,80}\"){0,9})$", "examples": ["\"3\""] })
}
