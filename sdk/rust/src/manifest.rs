//! The manifest: what handlers a plugin has, as the host reads it when the plugin is installed.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::handler::Handler;

#[derive(Serialize)]
struct Manifest {
    handlers: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    input: Schema,
    output: Schema,
    compensates: bool,
    doc: &'static str,
}

/// JSON: `{"handlers": [{"name", "input", "output", "compensates", "doc"}]}`, in the order of `export!`.
#[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "only a component is asked for its manifest"))]
pub(crate) fn describe(handlers: &[Handler]) -> String {
    let entries = handlers.iter().map(|handler| Entry {
        name: handler.name,
        input: (handler.input)(),
        output: (handler.output)(),
        compensates: handler.compensates,
        doc: handler.doc,
    });
    serde_json::to_string(&Manifest { handlers: entries.collect() }).expect("schemas are JSON, and all keys are strings")
}

/// What may be sent to a handler: JSON Schema 2020-12.
pub(crate) fn input_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

/// What a handler answers: JSON Schema 2020-12.
pub(crate) fn output_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Failure, Step};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Line {
        /// What is ordered.
        sku: String,
        #[serde(default)]
        quantity: u32,
    }

    struct Look;
    impl Step for Look {
        const NAME: &'static str = "look";
        const DOC: &'static str = "Looks.";
        const COMPENSATES: bool = false;
        type Input = Line;
        type Output = Line;
        fn execute(input: Line) -> Result<Line, Failure> {
            Ok(input)
        }
    }

    #[test]
    fn the_manifest_tells_all_of_a_handler() {
        let manifest: Value = serde_json::from_str(&describe(&[Handler::of::<Look>()])).unwrap();
        let schema = |required: Value| {
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Line",
                "type": "object",
                "properties": {
                    "sku": { "type": "string", "description": "What is ordered." },
                    "quantity": { "type": "integer", "format": "uint32", "minimum": 0, "default": 0 },
                },
                "required": required,
            })
        };
        // What has a default may be left out on the way in; it is always there on the way out.
        let (input, output) = (schema(json!(["sku"])), schema(json!(["sku", "quantity"])));
        let entry = json!({ "name": "look", "doc": "Looks.", "compensates": false, "input": input, "output": output });
        assert_eq!(manifest, json!({ "handlers": [entry] }));
    }

    #[test]
    fn a_plugin_without_handlers_has_an_empty_manifest() {
        assert_eq!(describe(&[]), r#"{"handlers":[]}"#);
    }
}
