//! JSON values by chance, and values that are almost those of an example.

use crate::dice::Dice;
use crate::mutation::edge;
use serde_json::{Map, Value, json};

/// Texts that somebody may take for something else.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "a",
    "A",
    "a-b",
    "\u{0}",
    "\u{202e}x",
    "ä",
    "🦀",
    "0",
    "-1",
    "1e999",
    "10s",
    "1h",
    "-5m",
    "64MiB",
    "true",
    "null",
    "p/q",
    "${",
    "${input}",
    "${steps['a'].output}",
    "2026-01-01T00:00:00Z",
    "9999999999999999999999s",
];

/// A value of any kind, not deep.
pub(crate) fn any(dice: &mut Dice, depth: u64) -> Value {
    match dice.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(dice.hits(50)),
        2 => json!(edge(dice)),
        3 => json!(-(i64::try_from(edge(dice) >> 1).expect("63 bits"))),
        4 => json!(*dice.one(&[0.0, -0.0, 0.1, 1.5, 1e308, -1e-308, 9_007_199_254_740_993.0])),
        5 => json!(*dice.one(&TEXTS)),
        6 => json!(dice.one(&TEXTS).repeat(*dice.one(&[2, 30, 300]))),
        7 => Value::Array((0..dice.below(4)).map(|_| any(dice, depth - 1)).collect()),
        _ => Value::Object((0..dice.below(4)).map(|_| ((*dice.one(&TEXTS)).to_owned(), any(dice, depth - 1))).collect()),
    }
}

/// Changes a value once or a few times. `names` are fields that mean something there.
pub(crate) fn mutate(dice: &mut Dice, value: &mut Value, names: &[&str]) {
    for _ in 0..*dice.one(&[1, 1, 1, 2, 4]) {
        let other = somewhere(dice, value).clone();
        let place = somewhere(dice, value);
        change(dice, place, other, names);
    }
}

/// A value within the value, any of them.
fn somewhere<'v>(dice: &mut Dice, value: &'v mut Value) -> &'v mut Value {
    let count = count(value);
    let mut left = dice.below(count);
    let mut place = value;
    // Down to the one with this number, counted from the outside in.
    while left > 0 {
        left -= 1;
        let parts: Vec<&mut Value> = match place {
            Value::Array(items) => items.iter_mut().collect(),
            Value::Object(fields) => fields.values_mut().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => unreachable!("it was counted"),
        };
        let mut found = None;
        for part in parts {
            let within = self::count(part);
            if left < within {
                found = Some(part);
                break;
            }
            left -= within;
        }
        place = found.expect("it was counted");
    }
    place
}

fn count(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn change(dice: &mut Dice, place: &mut Value, other: Value, names: &[&str]) {
    let name = (*dice.one(names)).to_owned();
    let choice = dice.below(6);
    match place {
        Value::Object(fields) if choice < 4 => change_fields(dice, fields, name, other, choice),
        Value::Array(items) if choice < 4 && !items.is_empty() => {
            let at = usize::try_from(dice.below(items.len() as u64)).expect("a length");
            match choice {
                0 => drop(items.remove(at)),
                1 => items.insert(at, other),
                2 => items.insert(at, items[at].clone()),
                _ => items.swap(at, 0),
            }
        }
        Value::String(text) if choice < 3 => {
            let part = *dice.one(&TEXTS);
            match choice {
                0 => text.push_str(part),
                1 => text.insert_str(0, part),
                _ => *text = text.repeat(*dice.one(&[2, 50])),
            }
        }
        place if choice == 4 => *place = other,
        place => *place = any(dice, 2),
    }
}

fn change_fields(dice: &mut Dice, fields: &mut Map<String, Value>, name: String, other: Value, choice: u64) {
    let found = fields.keys().nth(usize::try_from(dice.below(fields.len().max(1) as u64)).expect("a length")).cloned();
    match (choice, found) {
        (0, Some(found)) => drop(fields.remove(&found)),
        (1, Some(found)) => {
            let value = fields.remove(&found).expect("it is there");
            fields.insert(name, value);
        }
        (2, _) => drop(fields.insert(name, other)),
        _ => drop(fields.insert(name, any(dice, 2))),
    }
}
