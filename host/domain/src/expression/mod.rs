//! Mappings: JSON in which `${…}` is a CEL expression (Common Expression Language, github.com/google/cel-spec). They make the input
//! of a step from the run's input and from the outputs of steps before it.

mod program;
mod template;
mod value;

pub use program::{EXPRESSION_LEN_MAX, Expression, ExpressionError};
pub use template::{Mapping, MappingError};

use crate::event::Fault;
use crate::payload::Payload;
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// The code of the fault with which a mapping fails at run time.
pub const MAPPING_FAILED: &str = "mapping_failed";

/// What an expression can see: `input`, and `steps['id'].output` of steps that completed.
pub struct Scope<'a> {
    input: Lazy<'a>,
    outputs: BTreeMap<&'a str, Lazy<'a>>,
}

/// A payload that is parsed when an expression first looks at it, and once.
struct Lazy<'a> {
    payload: &'a Payload,
    parsed: OnceCell<Result<Value, Fault>>,
    /// The same as expressions see it: each expression of a mapping would make it anew.
    seen: OnceCell<cel::Value>,
}

impl<'a> Scope<'a> {
    /// A scope with the run's input and the outputs of the completed steps.
    pub fn new(input: &'a Payload, outputs: impl Iterator<Item = (&'a str, &'a Payload)>) -> Self {
        Self { input: Lazy::new(input), outputs: outputs.map(|(step, output)| (step, Lazy::new(output))).collect() }
    }

    /// The run's input, not parsed.
    pub fn input_payload(&self) -> &Payload {
        self.input.payload
    }

    fn input(&self) -> Result<Seen<'_>, Fault> {
        self.input.get("input")
    }

    fn output(&self, step: &str) -> Result<Seen<'_>, Fault> {
        let output = self.outputs.get(step).ok_or_else(|| failed(&format!("steps['{step}'] has no output here")))?;
        output.get(&format!("steps['{step}'].output"))
    }
}

impl<'a> Lazy<'a> {
    fn new(payload: &'a Payload) -> Self {
        Self { payload, parsed: OnceCell::new(), seen: OnceCell::new() }
    }

    fn get(&self, name: &str) -> Result<Seen<'_>, Fault> {
        let parsed = self.parsed.get_or_init(|| self.payload.json().map_err(|e| failed(&format!("{name} is not JSON: {e}"))));
        parsed.as_ref().map(|json| Seen { json, cel: &self.seen }).map_err(Clone::clone)
    }
}

/// A payload that was parsed.
#[derive(Clone, Copy)]
struct Seen<'s> {
    json: &'s Value,
    cel: &'s OnceCell<cel::Value>,
}

impl Seen<'_> {
    /// As expressions see it. Cheap but for the first time: the parts are shared.
    fn cel(self) -> cel::Value {
        self.cel.get_or_init(|| value::to_cel(self.json)).clone()
    }
}

fn failed(message: &str) -> Fault {
    Fault::new(MAPPING_FAILED, message)
}
