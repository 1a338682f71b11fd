//! Checks a value against a JSON Schema, as far as the description of the API goes: a keyword that it does not know fails, so that nothing is
//! passed over. Stricter than JSON Schema in one thing: an object has no other fields than the schema names, or the schema would be of something
//! else. Patterns are left to programs that speak to the server by its description.

use serde_json::{Map, Value};

/// What says nothing about a value, or is looked at with another keyword.
const REMARKS: &[&str] =
    &["title", "description", "default", "examples", "pattern", "externalDocs", "additionalProperties", "minLength", "maxLength"];

/// Whether fields that are not named are allowed: parts of an `allOf` are of the same object, and one of them names all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Refused,
    Allowed,
}

/// What is wrong with `value`, with the place; none if it fits. `root`: what references are into.
pub(crate) fn misfit(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    Check { root, others: Others::Refused }.at(schema, value, "$")
}

#[derive(Clone, Copy)]
struct Check<'a> {
    root: &'a Value,
    others: Others,
}

impl Check<'_> {
    fn at(self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let keywords = match schema {
            Value::Bool(true) => return None,
            Value::Object(keywords) => keywords,
            other => return Some(format!("{at}: no schema: {other}")),
        };
        let inside = Check { others: Others::Refused, ..self };
        keywords.iter().find_map(|(keyword, wanted)| match keyword.as_str() {
            remark if REMARKS.contains(&remark) => None,
            "type" => (!has_type(wanted, value)).then(|| format!("{at}: {value} is not {wanted}")),
            "const" => (wanted != value).then(|| format!("{at}: {value} is not {wanted}")),
            "enum" => (!list(wanted).contains(value)).then(|| format!("{at}: {value} is none of {wanted}")),
            "format" => format(wanted, value).then(|| format!("{at}: {value} is no {wanted}")),
            "minimum" => number(value).is_some_and(|n| Some(n) < number(wanted)).then(|| format!("{at}: {value} < {wanted}")),
            "maximum" => number(value).is_some_and(|n| Some(n) > number(wanted)).then(|| format!("{at}: {value} > {wanted}")),
            "required" => {
                let missing = list(wanted).iter().find(|name| value.get(name.as_str().expect("a name")).is_none());
                missing.map(|name| format!("{at}: {name} is missing"))
            }
            "properties" => inside.fields(wanted, value, at).or_else(|| self.more(keywords, value, at)),
            "items" => {
                let mut items = value.as_array()?.iter().enumerate();
                items.find_map(|(index, item)| inside.at(wanted, item, &format!("{at}[{index}]")))
            }
            "$ref" => {
                let place = wanted.as_str().and_then(|place| place.strip_prefix('#')).expect("references are local");
                inside.at(self.root.pointer(place).expect("what is referred to is there"), value, at)
            }
            "anyOf" | "oneOf" => {
                let misfits: Vec<_> = list(wanted).iter().map(|schema| inside.at(schema, value, at)).collect();
                let none_fits = misfits.iter().all(Option::is_some);
                none_fits.then(|| misfits.into_iter().flatten().collect::<Vec<_>>().join("; or "))
            }
            "allOf" => {
                let part = Check { others: Others::Allowed, ..self };
                list(wanted).iter().find_map(|schema| part.at(schema, value, at))
            }
            unknown => Some(format!("{at}: the keyword {unknown} is not known here")),
        })
    }

    fn fields(self, wanted: &Value, value: &Value, at: &str) -> Option<String> {
        let mut wanted = wanted.as_object().expect("an object").iter();
        wanted.find_map(|(name, schema)| self.at(schema, value.get(name)?, &format!("{at}.{name}")))
    }

    fn more(self, keywords: &Map<String, Value>, value: &Value, at: &str) -> Option<String> {
        let known = |name: &String| keywords["properties"].get(name).is_some();
        let mut others = value.as_object()?.keys().filter(|name| self.others == Others::Refused && !known(name));
        others.next().map(|name| format!("{at}: `{name}` is not in the schema"))
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// Whether a text is not what its format says. Numbers say the same with their bounds.
fn format(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().expect("formats are named") {
        "date-time" => value.as_str().is_none_or(|text| text.parse::<amends_domain::time::Timestamp>().is_err()),
        "uri-reference" => value.as_str().is_none_or(|text| !text.is_ascii() || text.contains(' ')),
        "uint" | "uint8" | "uint16" | "uint32" | "uint64" => false,
        unknown => panic!("the format {unknown} is not known here"),
    }
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("types are named") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known here"),
    };
    wanted.as_array().map_or_else(|| is(wanted), |names| names.iter().any(is))
}

#[test]
fn what_does_not_fit_is_found() {
    use serde_json::json;
    let root = json!({ "defs": { "word": { "type": "string" }, "named": {
        "type": "object", "properties": { "code": { "$ref": "#/defs/word" }, "n": { "type": "integer", "minimum": 1 } }, "required": ["code"],
    } } });
    let schema = json!({ "allOf": [{ "$ref": "#/defs/named" }, { "properties": { "code": { "enum": ["a", "b"] } } }] });
    let fits = |value: Value| misfit(&root, &schema, &value);
    assert_eq!((fits(json!({ "code": "a" })), fits(json!({ "code": "b", "n": 1 }))), (None, None));
    for (bad, place) in [
        (json!({}), "is missing"),
        (json!({ "code": 1 }), "$.code"),
        (json!({ "code": "c" }), "is none of"),
        (json!({ "code": "a", "n": 0 }), "$.n"),
        (json!({ "code": "a", "more": 1 }), "`more`"),
        (json!([]), "is missing"),
    ] {
        assert!(fits(bad.clone()).is_some_and(|found| found.contains(place)), "{bad}");
    }
    let either = json!({ "anyOf": [{ "type": "null" }, { "type": "array", "items": { "const": 7 } }] });
    assert_eq!(misfit(&root, &either, &json!([7, 7])), None);
    assert!(misfit(&root, &either, &json!([7, 8])).is_some_and(|found| found.contains("[1]")));
}
