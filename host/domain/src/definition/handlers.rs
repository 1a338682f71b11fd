//! Checks a definition against the plugins that it uses: do the handlers exist, can they be compensated, can the input fit.

use super::reading::listed;
use super::{Definition, Mistakes, Uses};
use crate::expression::Mapping;
use crate::id::PluginName;
use crate::plugin::{Handler, Manifest};
use serde_json::Value;
use std::collections::BTreeMap;

/// Notes every step whose plugin or handler does not exist, that declares a compensation which the handler does not have, or whose
/// input cannot fit the handler's schema. Whether an expression's value fits is known only at run time, so of the input the names of
/// its fields are checked.
pub fn check_handlers(definition: &Definition, plugins: &BTreeMap<PluginName, Manifest>) -> Mistakes {
    let mut mistakes = Mistakes::default();
    for (at, step) in definition.steps.iter().enumerate() {
        let Some(used) = step.uses() else { continue };
        let name = &used.handler;
        let place = format!("steps[{at}].uses");
        let Some(manifest) = plugins.get(&name.plugin) else {
            let known: Vec<_> = plugins.keys().map(PluginName::as_str).collect();
            mistakes.add(&place, format!("plugin `{}` is not installed; installed: {}", name.plugin, listed(&known)));
            continue;
        };
        let Some(handler) = manifest.handler(&name.handler) else {
            let known: Vec<_> = manifest.handlers.iter().map(|h| h.name.as_str()).collect();
            mistakes.add(&place, format!("plugin `{}` has no handler `{}`; it has: {}", name.plugin, name.handler, listed(&known)));
            continue;
        };
        if !handler.compensates && used.backward.is_some() {
            mistakes.add(&place, format!("`{name}` cannot be compensated: say so with `compensate: none`, or use another handler"));
        }
        check_fields(&mut mistakes, &format!("steps[{at}].input"), used, handler);
    }
    mistakes
}

/// Required fields that are missing, and fields that a closed schema does not know.
fn check_fields(mistakes: &mut Mistakes, path: &str, used: &Uses, handler: &Handler) {
    let (Some(fields), Some(schema)) = (used.input.as_ref().and_then(Mapping::fields), &handler.input) else { return };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains(name)) {
        mistakes.add(path, format!("has no field `{name}`, which `{}` requires", used.handler));
    }
    let known = schema.get("properties").and_then(Value::as_object);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    if let Some(known) = known.filter(|_| closed) {
        for name in fields.iter().filter(|name| !known.contains_key(**name)) {
            let names: Vec<_> = known.keys().map(String::as_str).collect();
            mistakes.add(&format!("{path}.{name}"), format!("is not a field of `{}`; it has: {}", used.handler, listed(&names)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn handlers_that_do_not_fit_are_all_named() {
        let manifest = r#"{"handlers":[
            {"name":"a","input":{"type":"object","required":["sku"],"properties":{"sku":{},"n":{}},"additionalProperties":false}},
            {"name":"no-way-back","compensates":false}]}"#;
        let plugins = BTreeMap::from([("p".parse().expect("a name"), Manifest::read(manifest).expect("a manifest"))]);
        let check = |steps: &str| {
            let definition = read(&format!(r#"{{"saga":"s","steps":[{steps}]}}"#)).expect("a definition");
            check_handlers(&definition, &plugins).0.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let good = r#"{"id":"1","uses":"p/a","input":{"sku":"${input.sku}"}},{"id":"2","uses":"p/no-way-back","compensate":"none"},
            {"id":"3","uses":"p/a"}"#;
        assert_eq!(check(good), Vec::<String>::new());
        let bad = r#"{"id":"1","uses":"q/a"},{"id":"2","uses":"p/b"},{"id":"3","uses":"p/no-way-back"},{"id":"4","uses":"p/a","input":{"m":1}}"#;
        assert_eq!(
            check(bad),
            [
                "steps[0].uses: plugin `q` is not installed; installed: p",
                "steps[1].uses: plugin `p` has no handler `b`; it has: a, no-way-back",
                "steps[2].uses: `p/no-way-back` cannot be compensated: say so with `compensate: none`, or use another handler",
                "steps[3].input: has no field `sku`, which `p/a` requires",
                "steps[3].input.m: is not a field of `p/a`; it has: n, sku",
            ]
        );
    }
}
