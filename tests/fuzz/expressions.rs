//! Mappings: expressions from a grammar and texts that are almost expressions, over values by chance. What they give is bounded, always
//! the same, and where there is nothing to give, a fault that says so.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::dice::Dice;
use crate::json;
use crate::mutation::mutate_text;
use amends_domain::event::Fault;
use amends_domain::expression::{MAPPING_FAILED, Mapping, Scope};
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload};
use serde_json::{Value, json};
use std::time::Duration;

/// Names that an expression may use.
const PLACES: [&str; 14] = [
    "input",
    "input.n",
    "input.s",
    "input.list",
    "input.deep",
    "input.deep.x",
    "input.big",
    "input.none",
    "input.list[0]",
    "steps['a'].output",
    "steps.a.output.list",
    "steps['a-b'].output.n",
    "steps['none'].output",
    "inptu",
];
const LITERALS: [&str; 18] = [
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615u",
    "1.5",
    "1e308",
    "'x'",
    "\"\"",
    "b'\\xff'",
    "null",
    "true",
    "[]",
    "{}",
    "duration('1h')",
    "timestamp('2026-01-01T00:00:00Z')",
    "r'\\'",
];
const INFIX: [&str; 15] = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", " in ", "?:"];
const METHODS: [&str; 9] = ["contains", "startsWith", "endsWith", "matches", "size", "getFullYear", "getHours", "min", "max"];
const FUNCTIONS: [&str; 13] =
    ["size", "string", "int", "uint", "double", "bytes", "type", "dyn", "has", "duration", "timestamp", "matches", "bool"];
const LOOPS: [&str; 5] = ["map", "filter", "all", "exists", "exists_one"];
/// What texts are changed with.
const WORDS: [&str; 16] = [
    "${",
    "}",
    "$${",
    "input",
    "steps['a'].output",
    "[1].map(x, x)",
    "[1].map(x, x + x)",
    "[1].map(x, [x, x])",
    "[1].filter(x, true)",
    "[0]",
    "(",
    ")",
    "'",
    "\\",
    "?",
    " + ",
];

pub(crate) struct Expressions(Plant);

impl Expressions {
    pub(crate) fn new(plant: Plant) -> Self {
        Self(plant)
    }

    fn evaluate(&self, case: &Pair, time: u32) -> Result<Payload, Fault> {
        let given = case.evaluate();
        match (self.0, given) {
            (Plant::Mistake, Ok(_)) if time == 2 => Ok(Payload::null()),
            (Plant::Mistake | Plant::Nothing, given) => given,
        }
    }
}

impl Target for Expressions {
    fn name(&self) -> &'static str {
        "expressions"
    }

    fn cases(&self) -> u64 {
        8_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("a value", 200), ("mapping_failed", 50), ("refused: not a CEL expression", 20)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn memory_max(&self) -> usize {
        192 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let value = any_mapping(&mut case.dice);
        let (input, output) = (any_payload(&mut case.dice), any_payload(&mut case.dice));
        case.show(|| format!("mapping {value}\ninput {}\noutput {}", input.readable(), output.readable()));
        let mut mistakes = Vec::new();
        let mapping = Mapping::new(&value, &mut |path, mistake| mistakes.push((path.to_owned(), mistake.to_string())));
        if let Some((_, mistake)) = mistakes.first() {
            let words: Vec<_> = mistake.split([':', '`']).next().unwrap_or_default().split(' ').take(5).collect();
            let is_number = |word: &str| word.parse::<u64>().is_ok();
            let words: Vec<_> = words.into_iter().filter(|word| !is_number(word)).collect();
            return Ok(format!("refused: {}", words.join(" ")).into());
        }
        let pair = Pair { mapping, input, output };
        let (once, again) = (self.evaluate(&pair, 1), self.evaluate(&pair, 2));
        if once != again {
            return Err(format!("twice the same gives {once:?} and {again:?}: {value}"));
        }
        match once {
            Ok(payload) if payload.len() > PAYLOAD_LEN_MAX => Err(format!("{} bytes: {value}", payload.len())),
            Ok(payload) => payload.json().map(|_| "a value".into()).map_err(|error| format!("no JSON: {error}: {value}")),
            Err(fault) if fault.code == MAPPING_FAILED && !fault.message.is_empty() => Ok(MAPPING_FAILED.into()),
            Err(fault) => Err(format!("{fault:?}: {value}")),
        }
    }
}

/// A mapping and what it sees.
struct Pair {
    mapping: Mapping,
    input: Payload,
    output: Payload,
}

impl Pair {
    fn evaluate(&self) -> Result<Payload, Fault> {
        self.mapping.evaluate(&Scope::new(&self.input, [("a", &self.output), ("a-b", &self.output)].into_iter()))
    }
}

/// What an expression looks into: most of it has the places that expressions name.
fn any_payload(dice: &mut Dice) -> Payload {
    if dice.hits(2) {
        return Payload::from("{\"n\": 1");
    }
    let list: Vec<Value> = (0..*dice.one(&[0, 1, 3, 40, 900])).map(|_| json::any(dice, 0)).collect();
    let long = "x".repeat(*dice.one(&[0, 1, 100, 60_000, 200_000]));
    Payload::from(&json!({
        "n": dice.below(10), "s": "text", "list": list, "deep": { "x": json::any(dice, 2) }, "big": long, "any": json::any(dice, 3),
    }))
}

fn any_mapping(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0..5 => json!(format!("${{{}}}", any_expression(dice))),
        5 => json!(any_text(dice)),
        6 => {
            let mut text = any_text(dice);
            mutate_text(dice, &mut text, &WORDS);
            json!(text)
        }
        7 => {
            // The same again and again: what it gives grows, and it does not.
            let times = *dice.one(&[2, 30, 2_000]);
            json!(any_text(dice).repeat(times))
        }
        8 => {
            let (part, times) = (json!(any_text(dice)), *dice.one(&[2, 30, 2_000]));
            Value::Array(vec![part; times])
        }
        _ => {
            let depth = *dice.one(&[1, 5, 32, 33, 100]);
            (0..depth).fold(json!(any_text(dice)), |inner, _| if dice.hits(50) { json!([inner]) } else { json!({ "a": inner }) })
        }
    }
}

fn any_text(dice: &mut Dice) -> String {
    let parts = (0..=dice.below(3)).map(|_| match dice.below(4) {
        0 => "plain $${ ".to_owned(),
        1 => format!("${{{}}}", dice.one(&PLACES[..10])),
        _ => format!("${{{}}}", any_expression(dice)),
    });
    parts.collect()
}

fn any_expression(dice: &mut Dice) -> String {
    let depth = dice.below(5);
    let first = any_part(dice, depth);
    if dice.hits(85) {
        return first;
    }
    // A chain of loops, each over what the one before gives.
    let body = dice.one(&["x", "x + x", "[x, x]", "{'a': x, 'b': x}", "string(x) + string(x)", "[x] + [x]"]);
    let start = dice.one(&["[1]", "['x']", "[input]", "input.list", "[input.big]", "[[]]"]);
    (0..dice.below(40)).fold((*start).to_owned(), |chain, _| format!("{chain}.map(x, {body})"))
}

/// A part that is not deeper than `depth`.
fn any_part(dice: &mut Dice, depth: u64) -> String {
    if depth == 0 {
        return (*if dice.hits(60) { dice.one(&PLACES) } else { dice.one(&LITERALS) }).to_owned();
    }
    let depth = depth - 1;
    let part = |dice: &mut Dice| any_part(dice, depth);
    match dice.below(12) {
        0..4 => {
            let (left, right) = (part(dice), part(dice));
            match *dice.one(&INFIX) {
                "?:" => format!("({left}) ? ({right}) : ({})", part(dice)),
                infix => format!("{left} {infix} {right}"),
            }
        }
        4 => format!("({})", part(dice)),
        5 => format!("{}({})", dice.one(&["!", "-", ""]), part(dice)),
        6 => format!("{}({})", dice.one(&FUNCTIONS), part(dice)),
        7 => format!("({}).{}({})", part(dice), dice.one(&METHODS), if dice.hits(60) { part(dice) } else { String::new() }),
        // Over lists: in which order a loop goes over the keys of a map, CEL leaves open.
        8 | 9 => {
            let body = dice.one(&["x", "x > 1", "x == input.n", "[x]", "x.y", "true", "string(x)"]);
            let list = if dice.hits(50) { "input.list".to_owned() } else { format!("[{}, {}]", part(dice), part(dice)) };
            format!("{list}.{}(x, {body})", dice.one(&LOOPS))
        }
        10 => format!("[{}, {}]", part(dice), part(dice)),
        _ => format!("{{'k': {}, {}: 1}}", part(dice), part(dice)),
    }
}
