//! Checks a value against a JSON Schema, as far as the schemas of this crate go: a keyword that it does not know fails, so that nothing is
//! passed over. Stricter than JSON Schema in one thing: an object has no other fields than the schema names, or the schema would be of
//! something else. Apart from what it checks; it knows nothing of events.

use serde_json::{Map, Value};

/// What says nothing about a value.
const REMARKS: &[&str] = &["$schema", "$defs", "title", "description", "default"];

/// What is wrong with `value`, with the place; none if it fits.
pub(crate) fn misfit(schema: &Value, value: &Value) -> Option<String> {
    misfit_at(schema, schema, value, "$")
}

fn misfit_at(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let keywords = match schema {
        Value::Bool(true) => return None,
        Value::Object(keywords) => keywords,
        other => return Some(format!("{at}: no schema: {other}")),
    };
    keywords.iter().find_map(|(keyword, wanted)| match keyword.as_str() {
        remark if REMARKS.contains(&remark) => None,
        "type" => (!has_type(wanted, value)).then(|| format!("{at}: {value} is not {wanted}")),
        // What the number fits into; the minimum and maximum say the rest.
        "format" => {
            (!["uint64", "uint32", "uint16", "uint8"].iter().any(|known| wanted == known)).then(|| format!("{at}: {wanted}"))
        }
        "minimum" => value
            .as_f64()
            .filter(|number| *number < wanted.as_f64().expect("a number"))
            .map(|_| format!("{at}: {value} < {wanted}")),
        "maximum" => value
            .as_f64()
            .filter(|number| *number > wanted.as_f64().expect("a number"))
            .map(|_| format!("{at}: {value} > {wanted}")),
        "required" => missing(wanted, value, at),
        "properties" => properties(root, wanted, value, at)
            .or_else(|| additional(root, keywords, keywords.get("additionalProperties").unwrap_or(&Value::Bool(false)), value, at)),
        "additionalProperties" => additional(root, keywords, wanted, value, at),
        "items" => items(root, wanted, value, at),
        "$ref" => {
            let path = wanted.as_str().and_then(|path| path.strip_prefix('#')).expect("references are local");
            misfit_at(root, root.pointer(path).expect("what is referred to is there"), value, at)
        }
        "anyOf" => {
            let fits = |schema: &Value| misfit_at(root, schema, value, at).is_none();
            (!wanted.as_array().expect("a list").iter().any(fits)).then(|| format!("{at}: {value} fits none of {wanted}"))
        }
        unknown => Some(format!("{at}: the keyword {unknown} is not known here")),
    })
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("types are named") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known here"),
    };
    wanted.as_array().map_or_else(|| is(wanted), |names| names.iter().any(is))
}

fn missing(wanted: &Value, value: &Value, at: &str) -> Option<String> {
    let mut names = wanted.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name"));
    names.find(|name| value.get(name).is_none()).map(|name| format!("{at}: `{name}` is missing"))
}

fn properties(root: &Value, wanted: &Value, value: &Value, at: &str) -> Option<String> {
    let mut wanted = wanted.as_object().expect("an object").iter();
    wanted.find_map(|(name, schema)| misfit_at(root, schema, value.get(name)?, &format!("{at}.{name}")))
}

fn additional(root: &Value, keywords: &Map<String, Value>, wanted: &Value, value: &Value, at: &str) -> Option<String> {
    let known = |name: &String| keywords.get("properties").is_some_and(|properties| properties.get(name).is_some());
    let mut others = value.as_object()?.iter().filter(|(name, _)| !known(name));
    match wanted {
        Value::Bool(false) => others.next().map(|(name, _)| format!("{at}: `{name}` is not in the schema")),
        schema => others.find_map(|(name, value)| misfit_at(root, schema, value, &format!("{at}.{name}"))),
    }
}

fn items(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let mut items = value.as_array()?.iter().enumerate();
    items.find_map(|(index, item)| misfit_at(root, schema, item, &format!("{at}[{index}]")))
}

#[test]
fn what_does_not_fit_is_found() {
    use serde_json::json;
    let schema = json!({
        "type": "object", "required": ["n"],
        "properties": {
            "n": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
            "list": {"type": "array", "items": {"$ref": "#/$defs/word"}},
            "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
            "any": true, "maybe": {"anyOf": [{"$ref": "#/$defs/word"}, {"type": "null"}]},
        },
        "$defs": {"word": {"type": ["string"]}},
    });
    for good in [json!({"n": 0}), json!({"n": 255, "list": ["a"], "map": {"x": true}, "any": [1.5], "maybe": null})] {
        assert_eq!(misfit(&schema, &good), None);
    }
    for (bad, place) in [
        (json!([]), "$:"),
        (json!({}), "`n` is missing"),
        (json!({"n": -1}), "$.n"),
        (json!({"n": 256}), "$.n"),
        (json!({"n": "1"}), "$.n"),
        (json!({"n": 1.5}), "$.n"),
        (json!({"n": 1, "list": ["a", 2]}), "$.list[1]"),
        (json!({"n": 1, "map": {"x": 1}}), "$.map.x"),
        (json!({"n": 1, "maybe": 1}), "$.maybe"),
        (json!({"n": 1, "more": 1}), "`more`"),
    ] {
        let found = misfit(&schema, &bad).unwrap_or_else(|| panic!("{bad} fits"));
        assert!(found.contains(place), "{bad}: {found}");
    }
    assert!(misfit(&json!({"oneOf": []}), &json!(1)).is_some_and(|what| what.contains("oneOf")));
}
