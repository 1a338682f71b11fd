//! What a component says about itself. Asked once, when it is installed or checked, under limits of its own: a plugin must not need
//! much to list its handlers.

use super::attempt::{self, Attempt};
use super::call::{Context, Secrets, StateAccess, StateError, StateValue};
use super::compile::Component;
use super::refusal::Refusal;
use super::text;
use amends_domain::definition::Limits;
use amends_domain::digest::Digest;
use amends_domain::id::{HandlerName, RunId, SagaName, StepId, TenantId};
use amends_domain::time::{Span, Timestamp};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::Engine;

/// What `describe` may use: an interpreter starts within it.
const LIMITS: Limits = Limits { fuel: 2_000_000_000, timeout: Span(10_000), memory: 256 * 1024 * 1024 };
/// Longest manifest, bytes.
const MANIFEST_LEN_MAX: usize = 256 * 1024;
/// Most handlers of one plugin.
const HANDLERS_MAX: usize = 256;

/// What is known of a component without running any of its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// What its bytes are named by.
    pub digest: Digest,
    /// Bytes as uploaded.
    pub component_len: usize,
    /// Bytes of machine code and constants.
    pub code_len: usize,
    /// What it imports, in its order; control characters escaped, long names cut.
    pub imports: Vec<String>,
    /// What it exports, likewise.
    pub exports: Vec<String>,
    /// What handlers it has; none if it exports no manifest: then it has one, named like the plugin.
    pub handlers: Option<Vec<Handler>>,
}

/// A handler as the manifest tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Handler {
    /// Its name inside the plugin.
    pub name: HandlerName,
    /// JSON Schema of what it takes.
    #[serde(default)]
    pub input: Option<serde_json::Value>,
    /// JSON Schema of what it answers.
    #[serde(default)]
    pub output: Option<serde_json::Value>,
    /// Whether it can take back what it did. If it does not say so, it can.
    #[serde(default = "yes")]
    pub compensates: bool,
    /// What it does, for people.
    #[serde(default)]
    pub doc: Option<String>,
}

fn yes() -> bool {
    true
}

/// Other fields are for later versions and are let be.
#[derive(Deserialize)]
struct Manifest {
    handlers: Vec<Handler>,
}

/// Describes a component; runs its `describe`, if it has one.
pub(super) async fn describe(engine: &Engine, component: &Component) -> Result<Description, Refusal> {
    let handlers = match &component.manifest {
        None => None,
        Some(manifest) => {
            let answered = attempt::describe(engine, component, manifest, nobody(), LIMITS).await;
            Some(read(&answered.map_err(Refusal::ManifestUnanswered)?)?)
        }
    };
    Ok(Description {
        digest: component.digest(),
        component_len: component.component_len(),
        code_len: component.code_len(),
        imports: component.imports().to_vec(),
        exports: component.exports().to_vec(),
        handlers,
    })
}

fn read(manifest: &str) -> Result<Vec<Handler>, Refusal> {
    let refuse = |what: &str| Refusal::ManifestMalformed(text::tidy(what, 512));
    if manifest.len() > MANIFEST_LEN_MAX {
        return Err(refuse(&format!("{} bytes, the limit is {MANIFEST_LEN_MAX}", manifest.len())));
    }
    let Manifest { handlers } = serde_json::from_str(manifest).map_err(|error| refuse(&error.to_string()))?;
    if handlers.len() > HANDLERS_MAX {
        return Err(refuse(&format!("{} handlers, the limit is {HANDLERS_MAX}", handlers.len())));
    }
    let mut names = BTreeSet::new();
    match handlers.iter().find(|handler| !names.insert(&handler.name)) {
        Some(twice) => Err(refuse(&format!("the handler `{}` is there twice", twice.name))),
        None => Ok(handlers),
    }
}

/// `describe` belongs to no run. What it asks for is answered with names that no tenant has a run under, and no state.
fn nobody() -> Attempt {
    let context = Context {
        tenant: TenantId::new("none").expect("a name"),
        saga: SagaName::new("describe").expect("a name"),
        run: RunId(0),
        step: StepId::new("describe").expect("a name"),
        handler: HandlerName::new("describe").expect("a name"),
        attempt: 1,
        idempotency_key: "describe".into(),
        deadline: Timestamp(0),
    };
    Attempt::new(context, Vec::new(), Secrets::default(), Arc::new(NoState), LIMITS)
}

struct NoState;

impl StateAccess for NoState {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(async { Err(StateError("describe runs for no tenant".into())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_each_handler_once() {
        for (manifest, names) in [
            (r#"{"handlers":[]}"#, Ok(vec![])),
            (r#"{"handlers":[{"name":"a"},{"name":"b","compensates":false,"later":1}],"later":2}"#, Ok(vec!["a", "b"])),
            (r#"{"handlers":[{"name":"a"},{"name":"a"}]}"#, Err("the handler `a` is there twice")),
            (r#"{"handlers":[{"name":"A"}]}"#, Err("`A` is not a name")),
            ("[", Err("EOF")),
            ("{}", Err("missing field `handlers`")),
        ] {
            let found = read(manifest);
            match (&found, names) {
                (Ok(handlers), Ok(names)) => assert!(handlers.iter().map(|handler| handler.name.as_str()).eq(names), "{manifest}"),
                (Err(refusal), Err(says)) => assert!(refusal.to_string().contains(says), "{refusal}"),
                (found, _) => panic!("{manifest}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_manifest_has_bounds() {
        let many = |count: usize| {
            let names: Vec<_> = (0..count).map(|n| format!(r#"{{"name":"h{n}"}}"#)).collect();
            format!(r#"{{"handlers":[{}]}}"#, names.join(","))
        };
        assert!(read(&many(HANDLERS_MAX)).is_ok());
        assert!(read(&many(HANDLERS_MAX + 1)).is_err_and(|refusal| refusal.to_string().contains("257 handlers, the limit is 256")));
        let long = |len: usize| format!(r#"{{"handlers":[]{}}}"#, " ".repeat(len - 15));
        assert!(read(&long(MANIFEST_LEN_MAX)).is_ok());
        assert!(read(&long(MANIFEST_LEN_MAX + 1)).is_err_and(|refusal| refusal.to_string().contains("the limit is 262144")));
    }
}
