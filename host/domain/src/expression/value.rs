//! Between JSON and CEL. Ours, because numbers matter: a JSON `3` is a CEL int, so that `input.quantity * 2` is an int again.

use super::failed;
use crate::event::Fault;
use cel::Value as Cel;
use cel::objects::{Key, Map};
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

fn key_to_json(key: &Key) -> String {
    key.to_string()
}
