//! Between JSON and CEL. Ours, because numbers matter: a JSON `3` is a CEL int, so that `input.quantity * 2` is an int again.

use super::failed;
use crate::event::Fault;
use cel::objects::{Key, Map};
use cel::{ExecutionError, Value as Cel};
use serde_json::{Number, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;

/// A JSON value as CEL sees it. Whole numbers are int, or uint above the range of int; all others are double.
pub(super) fn to_cel(json: &Json) -> Cel {
    match json {
        Json::Null => Cel::Null,
        Json::Bool(b) => Cel::Bool(*b),
        Json::Number(n) => number_to_cel(n),
        Json::String(s) => Cel::String(Arc::new(s.clone())),
        Json::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(fields) => object(fields.iter().map(|(name, value)| (name.as_str(), to_cel(value)))),
    }
}

/// An object as CEL sees it.
pub(super) fn object<'n>(fields: impl IntoIterator<Item = (&'n str, Cel)>) -> Cel {
    let map: HashMap<Key, Cel> = fields.into_iter().map(|(name, value)| (Key::String(Arc::new(name.to_owned())), value)).collect();
    Cel::Map(Map { map: Arc::new(map) })
}

fn number_to_cel(number: &Number) -> Cel {
    match (number.as_i64(), number.as_u64()) {
        (Some(int), _) => Cel::Int(int),
        (None, Some(uint)) => Cel::UInt(uint),
        (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// What an expression gave, as JSON.
pub(super) fn to_json(value: &Cel) -> Result<Json, Fault> {
    match value {
        Cel::Null => Ok(Json::Null),
        Cel::Bool(b) => Ok(Json::Bool(*b)),
        Cel::Int(i) => Ok(Json::from(*i)),
        Cel::UInt(u) => Ok(Json::from(*u)),
        Cel::Float(f) => Number::from_f64(*f).map(Json::Number).ok_or_else(|| failed(&format!("{f} has no form in JSON"))),
        Cel::String(s) => Ok(Json::String(s.as_ref().clone())),
        Cel::List(items) => items.iter().map(to_json).collect::<Result<_, _>>().map(Json::Array),
        Cel::Map(map) => {
            map.map.iter().map(|(key, value)| Ok((key_to_json(key), to_json(value)?))).collect::<Result<_, _>>().map(Json::Object)
        }
        other => Err(failed(&format!("a CEL {} has no form in JSON", other.type_of()))),
    }
}

/// Why an expression gave nothing, by the types of what it met: their values belong to a tenant, and CEL shows maps in any order.
pub(super) fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!("`{operator}` does not take {} and {}", left.type_of(), right.type_of())
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} and {} cannot be compared", left.type_of(), right.type_of())
        }
        ExecutionError::UnsupportedTargetType { target } => format!("{} is not of a type for this", target.type_of()),
        ExecutionError::NotSupportedAsMethod { method, target } => format!("{} has no method `{method}`", target.type_of()),
        ExecutionError::UnsupportedKeyType(key) => format!("{} is no type of a key", key.type_of()),
        ExecutionError::UnsupportedIndex(index, of) => {
            format!("{} and {}: one is no place in the other", index.type_of(), of.type_of())
        }
        // Foreign enum; what the others show is a number or a name.
        other => other.to_string(),
    }
}

fn key_to_json(key: &Key) -> String {
    key.to_string()
}
