//! Reading a document without stopping at the first mistake.

use serde_json::{Map, Value};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Most mistakes that are told; behind them stands how many more there are.
const MISTAKES_MAX: usize = 100;

/// Something wrong in a document: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Such as `steps[2].retry.factor`.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.path, self.problem) }
    }
}

/// All that is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} mistake{}", if count == 1 { "" } else { "s" })?;
        for mistake in self.0.iter().take(MISTAKES_MAX) {
            write!(f, "\n  {mistake}")?;
        }
        if count > MISTAKES_MAX { write!(f, "\n  and {} more", count - MISTAKES_MAX) } else { Ok(()) }
    }
}

impl Mistakes {
    /// Notes one more.
    pub fn add(&mut self, path: &str, problem: impl Into<String>) {
        self.0.push(Mistake { path: path.to_owned(), problem: problem.into() });
    }

    /// An object with no other fields than `known`; unknown ones are told with the nearest known.
    pub(crate) fn object<'v>(&mut self, path: &str, value: &'v Value, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Value::Object(fields) = value else {
            self.add(path, format!("is {}: write an object with the fields {}", kind(value), known.join(", ")));
            return None;
        };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = known
                .iter()
                .min_by_key(|k| strsim::damerau_levenshtein(k, name))
                .filter(|k| strsim::damerau_levenshtein(k, name) <= 2);
            let remedy = near.map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            self.add(&join(path, name), format!("unknown field; {remedy}"));
        }
        Some(fields)
    }

    /// A text that parses as `T`; its error says what would be right.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, path: &str, value: &Value, example: &str) -> Option<T> {
        let Value::String(text) = value else {
            self.add(path, format!("is {}: write a text such as {example}", kind(value)));
            return None;
        };
        text.parse().map_err(|error: T::Err| self.add(path, error.to_string())).ok()
    }

    /// A text.
    pub(super) fn text(&mut self, path: &str, value: &Value, example: &str) -> Option<String> {
        self.parsed(path, value, example)
    }

    /// A whole number within a range.
    pub(crate) fn integer(&mut self, path: &str, value: &Value, range: RangeInclusive<u64>) -> Option<u64> {
        let found = value.as_u64().filter(|n| range.contains(n));
        if found.is_none() {
            self.add(path, format!("is {}: write a whole number from {} to {}", shown(value), range.start(), range.end()));
        }
        found
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, path: &str, value: &Value, words: &[(&str, T)]) -> Option<T> {
        let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text)).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let allowed: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.add(path, format!("is {}: write {}", shown(value), allowed.join(" or ")));
        }
        found
    }
}

/// The names with commas between them, `none` if there are none.
pub(super) fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// `path.name`, or `name` at the top.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The value itself where it is short, else what kind of value it is.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 40 { text } else { kind(value).to_owned() }
}
