//! What a plugin says that it has.

use crate::id::HandlerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most handlers of a plugin.
pub const HANDLERS_MAX: usize = 1000;
/// Largest manifest in bytes.
pub const MANIFEST_LEN_MAX: usize = 1 << 20;

/// The handlers of a plugin, as its `describe` gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// At least one, names without repeats.
    pub handlers: Vec<Handler>,
}

/// One handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handler {
    /// Its name inside the plugin.
    pub name: HandlerName,
    /// JSON Schema of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// JSON Schema of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Whether it can be compensated.
    #[serde(default = "yes")]
    pub compensates: bool,
    /// For people.
    #[serde(default)]
    pub doc: String,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads what `describe` gave.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MANIFEST_LEN_MAX {
            return Err(format!("the manifest has {} bytes: {MANIFEST_LEN_MAX} are allowed", text.len()));
        }
        let manifest: Self =
            serde_json::from_str(text).map_err(|e| format!("the manifest is not what the contract asks for: {e}"))?;
        if !(1..=HANDLERS_MAX).contains(&manifest.handlers.len()) {
            return Err(format!("the manifest has {} handlers: 1 to {HANDLERS_MAX} are allowed", manifest.handlers.len()));
        }
        let mut names: Vec<_> = manifest.handlers.iter().map(|handler| &handler.name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the manifest has the handler `{}` twice", pair[0])),
            None => Ok(manifest),
        }
    }

    /// The manifest of a plugin without one: a single handler, named like the plugin.
    pub fn single(name: HandlerName) -> Self {
        Self { handlers: vec![Handler { name, input: None, output: None, compensates: true, doc: String::new() }] }
    }

    /// The handler with this name.
    pub fn handler(&self, name: &HandlerName) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_and_its_mistakes_are_named() {
        let good = r#"{"handlers":[{"name":"a","input":{"type":"object"},"compensates":false},{"name":"b"}]}"#;
        let manifest = Manifest::read(good).expect("it is good");
        let names: Vec<_> = manifest.handlers.iter().map(|h| (h.name.as_str(), h.compensates)).collect();
        assert_eq!(names, [("a", false), ("b", true)]);
        for (text, part) in [
            ("{", "EOF"),
            (r#"{"handlers":[]}"#, "0 handlers"),
            (r#"{"handlers":[{"name":"A"}]}"#, "`A` is not a name"),
            (r#"{"handlers":[{"name":"a"},{"name":"a"}]}"#, "`a` twice"),
            (&" ".repeat(MANIFEST_LEN_MAX + 1), "1048577 bytes"),
        ] {
            let error = Manifest::read(text).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
