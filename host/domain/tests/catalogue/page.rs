//! Writes `docs/events.md` from the table of types and their schemas.

use amends_domain::catalogue::{EventType, INLINE_LEN_MAX, KEYS_SHOWN_MAX, TYPES};
use serde_json::Value;
use std::fmt::Write;

const BEGINNING: &str = r#"# Events
What happens in a tenant is told to others as [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md), in JSON.
Every event comes from a fact of the audit chain, and every fact gives at least one. This page is made from the table in
`host/domain/src/catalogue/`; a test holds it equal.

```json
{
  "specversion": "1.0",
  "id": "0-42-3-1",
  "source": "acme",
  "type": "workflow.step.completed",
  "subject": "run_01kb0v7m4q8r5t2x9y3z6w1a0c/charge-payment",
  "time": "2026-01-31T09:00:00.123Z",
  "datacontenttype": "application/json",
  "sequence": "00000000000000000042.000003.1",
  "audithash": "936c75c17da27eeae92b9378d03aa9274e3fe8c5a25aa53f768c726b4d495dbd",
  "data": { "run": "run_01kb0v7m4q8r5t2x9y3z6w1a0c", "step": "charge-payment", "attempt": 1, "output": { "charge": "ch_17" } }
}
```

| attribute | what it is |
|---|---|
| `source` | the tenant |
| `subject` | the run, or `RUN/STEP`; `plugin/NAME`, `saga/NAME`, `secret/NAME`, `key/ID`, `webhook/NAME`, `part/NAME` of the host; none: the tenant itself |
| `id` | lane, record, fact in the record, part of the fact: each from 1, but lanes from 0. Name the last one that you have to go on behind it |
| `sequence` | the same without the lane: texts sort as events of one lane do |
| `audithash` | the link of the record that the fact is in, as exports and `amends audit verify` have it |
| `time` | when the fact was noted |

Events are delivered at least once, and in order within a lane: who wants each once keeps (`source`, `id`). A fact is durable before anybody hears of
it. Types never change their meaning; `data` may get more fields, so ignore those that you do not know. A field that has nothing to say is left out.
"#;

pub(crate) fn page() -> String {
    let mut page = BEGINNING.to_owned();
    let cut = format!(
        "A value longer than {INLINE_LEN_MAX} bytes of JSON does not stand in an event: `cut` says which field, how long it is, its digest and where to read it.\n\
         Events about the state name at most {KEYS_SHOWN_MAX} keys.\n\n\
         A webhook that wants some types only names them, or the beginning of several: `workflow.saga.failed`, `workflow.step.*`, `*`. See [webhooks.md](webhooks.md).\n\n\
         ## Types\n| type | when |\n|---|---|\n"
    );
    page.push_str(&cut);
    for EventType { name, when, .. } in TYPES {
        writeln!(page, "| [`{name}`](#{}) | {when} |", anchor(name)).expect("a string takes all");
    }
    page.push_str("\n## Fields of `data`\n");
    for kind in TYPES {
        describe(&mut page, kind);
    }
    page
}

/// As GitHub makes them of titles.
fn anchor(name: &str) -> String {
    name.replace('.', "")
}

fn describe(page: &mut String, kind: &EventType) {
    let schema = (kind.schema)().to_value();
    writeln!(page, "### {}\n{}\n\n| field | kind | what it is |\n|---|---|---|", kind.name, kind.when).expect("a string takes all");
    rows(page, &schema, &schema, "");
    page.push('\n');
}

/// A row for each field, those of objects within it behind it.
fn rows(page: &mut String, root: &Value, schema: &Value, before: &str) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = required.iter().any(|required| required == name);
        let maybe = if is_required { "" } else { ", may be left out" };
        let says = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        let place = format!("{before}{name}");
        writeln!(page, "| `{place}` | {}{maybe} | {says} |", kind(field)).expect("a string takes all");
        if let Some(inner) = inner(root, field) {
            let list = if field.get("items").is_some() { "[]" } else { "" };
            rows(page, root, inner, &format!("{place}{list}."));
        }
    }
}

/// The schema that a field refers to.
fn inner<'v>(root: &'v Value, field: &'v Value) -> Option<&'v Value> {
    let choices = field["anyOf"].as_array().into_iter().flatten();
    let path = [field, &field["items"]].into_iter().chain(choices).find_map(|schema| schema["$ref"].as_str())?;
    root.pointer(path.strip_prefix('#').expect("references are local"))
}

fn kind(field: &Value) -> String {
    let named = match &field["type"] {
        Value::String(name) => Some(name.as_str()),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    };
    match named {
        Some("array") => format!("list of {}s", kind(&field["items"])),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("string") => "text".to_owned(),
        Some(other) => other.to_owned(),
        None if field.get("$ref").is_some() || field.get("anyOf").is_some() => "object".to_owned(),
        None => "any JSON".to_owned(),
    }
}
