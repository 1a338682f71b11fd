//! Whether every value of one schema fits another, and why not. Apart from what a schema says, because this is about two of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schema::{Field, Shape, View};

/// Why a value does not fit: where, and a sentence without its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Such as `.lines[].sku`.
    pub(super) below: String,
    pub(super) problem: String,
}

/// Pairs of places that fit, or are being compared further up. Types may contain themselves, in several of their fields: a pair is not
/// looked at again, or it would never end. Nothing is read through the pointers; they tell places apart.
type Met = BTreeSet<(*const Value, *const Value)>;

impl View<'_> {
    /// Why a value of this schema may not fit `to`. Empty if it fits, and where only the value itself can tell.
    pub(super) fn misfits(self, to: View) -> Vec<Misfit> {
        self.misfits_to(to, &mut Met::new())
    }

    fn misfits_to(self, to: View, met: &mut Met) -> Vec<Misfit> {
        let targets = to.alternatives();
        self.alternatives().into_iter().flat_map(|from| misfits_of(from, &targets, met)).collect()
    }

    /// What `compare` finds, unless the two were met.
    fn unmet(self, to: View, met: &mut Met, compare: fn(Self, View, &mut Met) -> Vec<Misfit>) -> Vec<Misfit> {
        let pair = (self.place(), to.place());
        if !met.insert(pair) {
            return Vec::new();
        }
        let misfits = compare(self, to, met);
        if !misfits.is_empty() {
            // Told again where it stands a second time.
            met.remove(&pair);
        }
        misfits
    }

    fn object_misfits(self, to: View, met: &mut Met) -> Vec<Misfit> {
        let lacking = to.required().filter_map(|name| match self.own_field(name) {
            Field::Always(_) | Field::Unsaid => None,
            // A map may have any field.
            Field::Perhaps(_) if self.own_fields().next().is_none() => None,
            Field::Perhaps(_) => Some(format!("may lack the field `{name}`, which is required")),
            Field::None => Some(format!("has no field `{name}`, which is required")),
        });
        let given = self.own_fields().flat_map(|(name, schema)| match to.own_field(name) {
            Field::Always(there) | Field::Perhaps(there) => {
                let misfits = self.at(schema).misfits_to(there, met);
                misfits.into_iter().map(|misfit| misfit.within(&format!(".{name}"))).collect()
            }
            Field::None if to.is_closed() => vec![Misfit::here(format!("has the field `{name}`, which is not taken"))],
            Field::None | Field::Unsaid => Vec::new(),
        });
        lacking.map(Misfit::here).chain(given).collect()
    }

    fn list_misfits(self, to: View, met: &mut Met) -> Vec<Misfit> {
        let (Some(mine), Some(theirs)) = (self.items(), to.items()) else { return Vec::new() };
        mine.misfits_to(theirs, met).into_iter().map(|misfit| misfit.within("[]")).collect()
    }

    /// Whether one of the texts that this may be is none of those that are taken.
    fn constant_misfit(self, to: View) -> Option<Misfit> {
        let (mine, theirs) = (self.constants()?, to.constants()?);
        let other = mine.into_iter().find(|value| !theirs.contains(value))?;
        let taken: Vec<_> = theirs.into_iter().map(Value::to_string).collect();
        Some(Misfit::here(format!("may be {other}: write {}", taken.join(" or "))))
    }
}

/// Why one of the things that a value may be fits none of the targets: where several have its shape, the first of them says.
fn misfits_of((shape, view): (Shape, View), targets: &[(Shape, View)], met: &mut Met) -> Vec<Misfit> {
    let mut first = None;
    for (target, to) in targets.iter().filter(|(target, _)| shape.fits(*target)) {
        let misfits = match (shape, target) {
            (Shape::Object, Shape::Object) => view.unmet(*to, met, View::object_misfits),
            (Shape::List, Shape::List) => view.unmet(*to, met, View::list_misfits),
            (Shape::Text, Shape::Text) => view.constant_misfit(*to).into_iter().collect(),
            // Of another shape than these, or of any, nothing more is known.
            _ => Vec::new(),
        };
        if misfits.is_empty() {
            return misfits;
        }
        first.get_or_insert(misfits);
    }
    first.unwrap_or_else(|| vec![Misfit::here(wrong_shape(shape, targets))])
}

impl Misfit {
    fn here(problem: String) -> Self {
        Self { below: String::new(), problem }
    }

    fn within(self, part: &str) -> Self {
        Self { below: format!("{part}{}", self.below), ..self }
    }
}

/// Says that a value of this shape is none of those that are taken.
pub(super) fn wrong_shape(shape: Shape, targets: &[(Shape, View)]) -> String {
    let mut words: Vec<_> = targets.iter().map(|(target, _)| target.word()).collect();
    words.dedup();
    let wanted = words.join(" or ");
    match shape {
        Shape::Null => format!("may be null: give {wanted}, for instance with `.unwrap_or(…)`"),
        Shape::Any | Shape::Bool | Shape::Integer | Shape::Number | Shape::Text | Shape::List | Shape::Object => {
            format!("is {}: give {wanted}", shape.word())
        }
    }
}

/// The schema that only this value fits, as far as it is looked at here.
pub(super) fn schema_of(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "type": "null" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(number) if number.is_f64() => json!({ "type": "number" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::String(text) => json!({ "type": "string", "const": text }),
        Value::Array(items) if items.is_empty() => json!({ "type": "array" }),
        Value::Array(items) => json!({ "type": "array", "items": { "anyOf": items.iter().map(schema_of).collect::<Vec<_>>() } }),
        Value::Object(fields) => {
            let properties: serde_json::Map<_, _> = fields.iter().map(|(name, value)| (name.clone(), schema_of(value))).collect();
            let required: Vec<_> = fields.keys().collect();
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::{JsonSchema, Schema};
    use serde::{Deserialize, Serialize};

    use super::super::schema::{input_schema, output_schema};
    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Line {
        sku: String,
        #[serde(default)]
        quantity: u32,
        note: Option<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sku {
        sku: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Open {
        sku: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Closed {}

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Two {
        sku: String,
        count: u32,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Perhaps {
        #[serde(skip_serializing_if = "String::is_empty")]
        sku: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Given {
        sku: String,
        total: Option<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Wanted {
        sku: f64,
        total: String,
        note: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Tree {
        left: Option<Box<Tree>>,
        right: Vec<Tree>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Size {
        Small,
        /// Not small.
        Large,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum OnlySmall {
        Small,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Way {
        Card { number: String },
        Cash { number: String, cents: u32 },
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Bush {
        a: Option<Box<Bush>>,
        b: Option<Box<Bush>>,
        c: Option<Box<Bush>>,
        d: Option<Box<Bush>>,
        leaf: String,
    }

    /// Two lines of one type, and a list that contains nothing but itself.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Pair {
        one: Open,
        two: Open,
        nest: Nest,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct OtherPair {
        one: Two,
        two: Two,
        nest: Nest,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Nest(Vec<Nest>);

    /// A bush of other leaves.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Shrub {
        a: Option<Box<Shrub>>,
        b: Option<Box<Shrub>>,
        c: Option<Box<Shrub>>,
        d: Option<Box<Shrub>>,
        leaf: u32,
    }

    fn misfits<From: JsonSchema, To: JsonSchema>() -> Vec<String> {
        let (from, to) = (output_schema::<From>(), input_schema::<To>());
        shown(View::new(&from).misfits(View::new(&to)))
    }

    fn shown(misfits: Vec<Misfit>) -> Vec<String> {
        misfits.into_iter().map(|misfit| format!("{}: {}", misfit.below, misfit.problem)).collect()
    }

    #[test]
    fn what_fits_fits() {
        let fitting = [
            ("the same", misfits::<Line, Line>()),
            ("a type that contains itself", misfits::<Tree, Tree>()),
            ("whole numbers are numbers", misfits::<u8, f64>()),
            ("perhaps", misfits::<String, Option<String>>()),
            ("anything", misfits::<Line, Value>()),
            ("who knows", misfits::<Value, Line>()),
            ("more fields than an open type has", misfits::<Line, Open>()),
            ("a type as a map", misfits::<Sku, BTreeMap<String, String>>()),
            ("a map as a type", misfits::<BTreeMap<String, String>, Sku>()),
            ("fewer words", misfits::<OnlySmall, Size>()),
            ("a text may be a word", misfits::<String, Size>()),
            ("a word is a text", misfits::<Size, String>()),
            ("an enum", misfits::<Way, Way>()),
            ("nested", misfits::<Vec<Vec<Line>>, Vec<Vec<Line>>>()),
        ];
        for (what, found) in fitting {
            assert_eq!(found, [""; 0], "{what}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (found, told) in [
            (misfits::<String, u32>(), ": is a text: give a whole number"),
            (misfits::<f64, u32>(), ": is a number: give a whole number"),
            (misfits::<Option<u32>, u32>(), ": may be null: give a whole number, for instance with `.unwrap_or(…)`"),
            (misfits::<Option<Sku>, Sku>(), ": may be null: give an object, for instance with `.unwrap_or(…)`"),
            (misfits::<bool, Option<String>>(), ": is true or false: give a text or null"),
            (misfits::<Open, Two>(), ": has no field `count`, which is required"),
            (misfits::<Perhaps, Sku>(), ": may lack the field `sku`, which is required"),
            (misfits::<Open, Closed>(), ": has the field `sku`, which is not taken"),
            (misfits::<Vec<u32>, Vec<String>>(), "[]: is a whole number: give a text"),
            (misfits::<BTreeMap<String, u32>, String>(), ": is an object: give a text"),
            (misfits::<Size, OnlySmall>(), ": may be \"large\": write \"small\""),
        ] {
            assert_eq!(found, [told]);
        }
    }

    #[test]
    fn all_that_does_not_fit_is_told() {
        let told = [
            ": has no field `note`, which is required",
            ".sku: is a text: give a number",
            ".total: may be null: give a text, for instance with `.unwrap_or(…)`",
        ];
        assert_eq!(misfits::<Given, Wanted>(), told);
    }

    #[test]
    fn types_that_contain_themselves_often_are_compared_once() {
        assert_eq!(misfits::<Bush, Bush>(), [""; 0]);
        assert_eq!(misfits::<Bush, Shrub>(), [".leaf: is a text: give a whole number"]);
        assert_eq!(misfits::<Nest, Nest>(), [""; 0]);
    }

    #[test]
    fn what_does_not_fit_at_two_places_is_told_of_both() {
        let lacking = ["one", "two"].map(|field| format!(".{field}: has no field `count`, which is required"));
        assert_eq!(misfits::<Pair, OtherPair>(), lacking);
    }

    #[test]
    fn a_literal_is_compared_as_a_type_is() {
        let check = |value: Value, to: Schema| shown(View::of(&schema_of(&value)).misfits(View::new(&to)));
        assert_eq!(check(json!({ "sku": "a", "note": null }), input_schema::<Line>()), [""; 0]);
        assert_eq!(check(json!([]), input_schema::<Vec<Line>>()), [""; 0]);
        assert_eq!(check(json!("small"), input_schema::<Size>()), [""; 0]);
        assert_eq!(check(json!({}), input_schema::<Sku>()), [": has no field `sku`, which is required"]);
        assert_eq!(check(json!({ "sku": 1 }), input_schema::<Sku>()), [".sku: is a whole number: give a text"]);
        assert_eq!(check(json!(["a", 1]), input_schema::<Vec<String>>()), ["[]: is a whole number: give a text"]);
        assert_eq!(check(json!(2.5), input_schema::<u8>()), [": is a number: give a whole number"]);
    }
}
