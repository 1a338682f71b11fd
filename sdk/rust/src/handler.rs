//! Handlers with their types erased: from bytes to bytes. Apart from the bindings, so that the test kit goes the same way as the host.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, Step, place};

/// One step of a plugin, called with payloads.
#[derive(Debug)]
pub struct Handler {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) compensates: bool,
    pub(crate) input: fn() -> schemars::Schema,
    pub(crate) output: fn() -> schemars::Schema,
    execute: Execute,
    compensate: Compensate,
}

type Execute = fn(input: &[u8]) -> Result<Vec<u8>, Failure>;
type Compensate = fn(input: &[u8], output: Option<&[u8]>) -> Result<(), Failure>;

impl Handler {
    /// The handler of the step `S`.
    #[must_use]
    pub const fn of<S: Step>() -> Self {
        Self {
            name: S::NAME,
            doc: S::DOC,
            compensates: S::COMPENSATES,
            input: crate::manifest::input_schema::<S::Input>,
            output: crate::manifest::output_schema::<S::Output>,
            execute: execute_step::<S>,
            compensate: compensate_step::<S>,
        }
    }
}

/// Whether no two handlers have the same name. For plugins of a few dozen handlers: every pair is compared.
#[must_use]
pub const fn distinct(handlers: &[Handler]) -> bool {
    let mut i = 0;
    while i < handlers.len() {
        let mut j = i + 1;
        while j < handlers.len() {
            if same(handlers[i].name.as_bytes(), handlers[j].name.as_bytes()) {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Executes the handler called `name`.
///
/// # Errors
/// What the step answers; rejected as `unknown_handler` or `invalid_input` if it could not be called.
pub(crate) fn execute(handlers: &[Handler], name: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    (find(handlers, name)?.execute)(input)
}

/// Compensates the handler called `name`.
///
/// # Errors
/// What the step answers; rejected as `unknown_handler`, `invalid_input` or `invalid_output` if it could not be called.
pub(crate) fn compensate(handlers: &[Handler], name: &str, input: &[u8], output: Option<&[u8]>) -> Result<(), Failure> {
    (find(handlers, name)?.compensate)(input, output)
}

fn find<'a>(handlers: &'a [Handler], name: &str) -> Result<&'a Handler, Failure> {
    handlers.iter().find(|handler| handler.name == name).ok_or_else(|| unknown(handlers, name))
}

#[cold]
fn unknown(handlers: &[Handler], name: &str) -> Failure {
    let names: Vec<_> = handlers.iter().map(|handler| handler.name).collect();
    Failure::rejected("unknown_handler", format!("plugin has no handler `{name}`, only: {}", names.join(", ")))
}

fn execute_step<S: Step>(input: &[u8]) -> Result<Vec<u8>, Failure> {
    let output = S::execute(parse("invalid_input", input)?)?;
    write(&output)
}

fn compensate_step<S: Step>(input: &[u8], output: Option<&[u8]>) -> Result<(), Failure> {
    let input = parse("invalid_input", input)?;
    let output = output.map(|output| parse("invalid_output", output)).transpose()?;
    S::compensate(input, output)
}

fn parse<T: DeserializeOwned>(code: &'static str, payload: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|cause| unreadable(code, payload, &cause))
}

#[cold]
fn unreadable(code: &'static str, payload: &[u8], cause: &serde_json::Error) -> Failure {
    let path = place::path(payload, cause.line(), cause.column());
    let message = if path.is_empty() { cause.to_string() } else { format!("`{path}`: {cause}") };
    Failure::rejected(code, message)
}

fn write<T: Serialize>(output: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(output).map_err(|cause| Failure::rejected("unwritable_output", format!("output has no JSON form: {cause}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    struct Double;
    impl Step for Double {
        const NAME: &'static str = "double";
        const COMPENSATES: bool = false;
        type Input = BTreeMap<String, u32>;
        type Output = u32;
        fn execute(input: Self::Input) -> Result<u32, Failure> {
            Ok(input.values().sum::<u32>() * 2)
        }
    }

    struct Halve;
    impl Step for Halve {
        const NAME: &'static str = "halve";
        type Input = u32;
        type Output = u32;
        fn execute(input: u32) -> Result<u32, Failure> {
            Ok(input / 2)
        }
        fn compensate(input: u32, output: Option<u32>) -> Result<(), Failure> {
            Err(Failure::uncertain("called", format!("{input} {output:?}")))
        }
    }

    const HANDLERS: &[Handler] = &[Handler::of::<Double>(), Handler::of::<Halve>()];

    fn rejected<T: std::fmt::Debug>(answer: Result<T, Failure>, code: &str, message: &str) {
        assert_eq!(answer.unwrap_err(), Failure::rejected(code.to_owned(), message.to_owned()));
    }

    #[test]
    fn the_name_decides_which_step_is_called() {
        assert_eq!(execute(HANDLERS, "double", br#"{"a": 2, "b": 1}"#), Ok(b"6".to_vec()));
        assert_eq!(execute(HANDLERS, "halve", b"6"), Ok(b"3".to_vec()));
    }

    #[test]
    fn an_unknown_handler_is_rejected_with_the_names_there_are() {
        let message = "plugin has no handler `treble`, only: double, halve";
        rejected(execute(HANDLERS, "treble", b"1"), "unknown_handler", message);
        rejected(compensate(HANDLERS, "treble", b"1", None), "unknown_handler", message);
    }

    #[test]
    fn input_that_does_not_fit_is_rejected_with_its_place() {
        let message = "`a`: invalid type: string \"x\", expected u32 at line 1 column 8";
        rejected(execute(HANDLERS, "double", br#"{"a":"x"}"#), "invalid_input", message);
        rejected(compensate(HANDLERS, "double", br#"{"a":"x"}"#, None), "invalid_input", message);
        rejected(execute(HANDLERS, "halve", b"1 2"), "invalid_input", "trailing characters at line 1 column 3");
        rejected(execute(HANDLERS, "halve", b""), "invalid_input", "EOF while parsing a value at line 1 column 0");
    }

    #[test]
    fn compensation_gets_the_output_or_none() {
        let called = |message: &str| Err(Failure::uncertain("called", message.to_owned()));
        assert_eq!(compensate(HANDLERS, "halve", b"6", Some(b"3")), called("6 Some(3)"));
        assert_eq!(compensate(HANDLERS, "halve", b"6", None), called("6 None"));
    }

    #[test]
    fn an_output_that_does_not_fit_is_rejected_as_such() {
        let message = "invalid type: boolean `true`, expected u32 at line 1 column 4";
        rejected(compensate(HANDLERS, "halve", b"6", Some(b"true")), "invalid_output", message);
    }

    #[test]
    fn a_step_that_has_no_compensation_answers_that_all_is_well() {
        assert_eq!(compensate(HANDLERS, "double", b"{}", Some(b"0")), Ok(()));
    }

    #[test]
    fn names_are_compared_pairwise() {
        assert!(distinct(&[]));
        assert!(distinct(HANDLERS));
        assert!(!distinct(&[Handler::of::<Double>(), Handler::of::<Halve>(), Handler::of::<Double>()]));
    }

    #[test]
    fn an_output_without_a_json_form_is_rejected() {
        let unwritable = BTreeMap::from([(vec![1_u8], Value::Null)]);
        rejected(write(&unwritable), "unwritable_output", "output has no JSON form: key must be a string");
    }
}
