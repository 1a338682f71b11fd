//! Sagas as people and programs write them: documents that are almost those of the examples. A mistake names its place, and what is
//! accepted is accepted again when it is written out.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::json;
use crate::mutation::mutate_text;
use amends_domain::definition::{Definition, Mistakes, read};
use serde_json::Value;
use std::time::Duration;

const EXAMPLES: [&str; 4] = ["employee-onboarding", "journal-approval", "order-fulfillment", "tenant-provisioning"];
/// Features of documents that no example has.
const MORE: &str = r#"
saga: more
name: "More, of everything"
deadline: 1h
compensation: { order: parallel, on_stuck: halt, deadline: 2h }
defaults: { retry: { attempts: 2, initial: 10ms, max: 1s, factor: 1.5, jitter: 5ms, for: 1h }, limits: { fuel: 1000, timeout: 1s, memory: 1MiB } }
steps:
  - { id: a, uses: p/a, after: [], kind: read-only, input: { x: ["${input.x}", { y: "a ${input.y} b" }] } }
  - { id: b, uses: p/b, after: [], compensate: none, when: "${input.b}" }
  - { id: w, after: [a, b], wait: { for: 10m } }
  - { id: u, wait: { until: "${input.at}" } }
  - { id: s, wait: { signal: approved, timeout: 48h, on_timeout: continue } }
  - { id: p, uses: p/p, kind: pivot, compensation: { retry: { attempts: 10 }, limits: { timeout: 30s } } }
  - { id: r, uses: p/r, kind: retriable, retry: { attempts: unlimited }, input: "${steps['p'].output}" }
output: { a: "${steps.a.output}", r: "${steps['r'].output.id}" }
"#;
/// What fields may be called.
const NAMES: [&str; 34] = [
    "saga",
    "name",
    "deadline",
    "compensation",
    "order",
    "on_stuck",
    "defaults",
    "retry",
    "limits",
    "attempts",
    "initial",
    "max",
    "factor",
    "jitter",
    "for",
    "fuel",
    "timeout",
    "memory",
    "steps",
    "id",
    "uses",
    "input",
    "after",
    "when",
    "kind",
    "wait",
    "until",
    "signal",
    "on_timeout",
    "compensate",
    "output",
    "step",
    "",
    "a.b[0]",
];
/// What documents are changed with.
const WORDS: [&str; 26] = [
    "saga: s\n",
    "steps:\n",
    "- {id: a, uses: p/q}\n",
    "  ",
    "\n",
    "&a ",
    "*a",
    "[",
    "{",
    "}",
    "]",
    "!!binary ",
    "\t",
    "|\n",
    "? ",
    "<<: ",
    "${",
    "}",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "#",
    "'",
    "\"",
    ": ",
    "a: &a [*a, *a]\n",
];
/// A document of a few lines that becomes a billion values.
const LAUGHS: &str = "saga: s\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                      d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                      g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\nsteps: [*g,*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";

pub(crate) struct Definitions {
    plant: Plant,
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Definitions {
    pub(crate) fn new(plant: Plant) -> Self {
        let examples = EXAMPLES.iter().map(|name| {
            let path = harness::root().join("examples").join(name).join("saga.yaml");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        });
        let mut texts: Vec<_> = examples.chain([MORE.to_owned()]).collect();
        let document =
            |text: &String| read(text).unwrap_or_else(|mistakes| panic!("{mistakes}: {text}")).document.json().expect("JSON");
        let values = texts.iter().map(document).collect();
        texts.push(LAUGHS.to_owned());
        Self { plant, texts, values }
    }

    fn read(&self, text: &str) -> Result<Definition, Mistakes> {
        read(text).map_err(|mut mistakes| {
            match (self.plant, mistakes.0.last_mut()) {
                (Plant::Mistake, Some(last)) => last.path = last.path.replace("steps[0]", "steps[0]x"),
                (Plant::Mistake | Plant::Nothing, _) => {}
            }
            mistakes
        })
    }
}

impl Target for Definitions {
    fn name(&self) -> &'static str {
        "definitions"
    }

    fn cases(&self) -> u64 {
        6_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[
            ("accepted as JSON", 50),
            ("accepted as YAML", 8),
            ("refused: steps[].input", 10),
            ("refused: steps[].uses", 2),
            ("not YAML", 20),
        ]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn memory_max(&self) -> usize {
        256 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let dice = &mut case.dice;
        if dice.hits(25) {
            let mut text = dice.one(&self.texts).clone();
            mutate_text(dice, &mut text, &WORDS);
            case.show(|| text.clone());
            return self.take(&text, None).map_err(|what| format!("{what}: {text}"));
        }
        let mut value = dice.one(&self.values).clone();
        json::mutate(dice, &mut value, &NAMES);
        let (as_yaml, text) = (dice.hits(20), value.to_string());
        case.show(|| text.clone());
        let verdict = self.take(&text, Some(&value)).map_err(|what| format!("{what}: {text}"))?;
        if as_yaml && verdict == "accepted as JSON" {
            // Every JSON text is YAML; both readers must see the same in it.
            let (json, yaml) = (self.read(&text), self.read(&format!("---\n{text}")));
            return match (json, yaml) {
                (Ok(json), Ok(yaml)) if json.digest == yaml.digest => Ok("the same as JSON and as YAML".into()),
                (Ok(_), Ok(_)) => Err(format!("as JSON it says something else than as YAML: {text}")),
                (_, Err(mistakes)) => Err(format!("accepted as JSON and not as YAML: {mistakes}: {text}")),
                (Err(_), Ok(_)) => Err(format!("not accepted the second time: {text}")),
            };
        }
        Ok(verdict)
    }
}

impl Definitions {
    /// Reads a document. `value`: what it says, where that is known.
    fn take(&self, text: &str, value: Option<&Value>) -> Result<Verdict, String> {
        match self.read(text) {
            Ok(definition) => {
                let written = std::str::from_utf8(&definition.document.0).map_err(|error| error.to_string())?;
                let again = self.read(written).map_err(|mistakes| format!("not accepted when it is written out: {mistakes}"))?;
                if (again.digest, &again.document) != (definition.digest, &definition.document) {
                    return Err("another document when it is written out".to_owned());
                }
                if (again.steps.len(), &again.order, again.pivot) != (definition.steps.len(), &definition.order, definition.pivot) {
                    return Err("another graph when it is written out".to_owned());
                }
                Ok(if value.is_some() { "accepted as JSON" } else { "accepted as YAML" }.into())
            }
            Err(mistakes) => refused(&mistakes, value),
        }
    }
}

fn refused(mistakes: &Mistakes, value: Option<&Value>) -> Result<Verdict, String> {
    let Some(first) = mistakes.0.first() else { return Err("refused, and no mistake is told".to_owned()) };
    for mistake in &mistakes.0 {
        if mistake.problem.is_empty() {
            return Err(format!("nothing is said about `{}`", mistake.path));
        }
        if value.is_some_and(|value| !names_a_place(&mistake.path, value)) {
            return Err(format!("there is no place `{}` for: {}", mistake.path, mistake.problem));
        }
    }
    if first.path.is_empty() {
        let what = ["not JSON", "not YAML"].into_iter().find(|what| first.problem.starts_with(what));
        return Ok(what.unwrap_or("not an object").into());
    }
    let place: String = first.path.chars().filter(|c| !c.is_ascii_digit()).collect();
    // What tenants name themselves is behind the second dot, or the first bracket of an input.
    let place = place.split('.').take(2).collect::<Vec<_>>().join(".");
    Ok(format!("refused: {}", if place.len() > 40 { "elsewhere" } else { &place }).into())
}

/// Whether a path leads to a value, or to where one is missing. Names may have dots and brackets in them, so every way is tried.
fn names_a_place(path: &str, value: &Value) -> bool {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return true;
    }
    match value {
        Value::Object(fields) => {
            let found =
                fields.iter().any(|(name, value)| path.strip_prefix(name.as_str()).is_some_and(|rest| names_rest(rest, value)));
            found || is_missing(path)
        }
        Value::Array(items) => {
            let index = path.strip_prefix('[').and_then(|path| path.split_once(']'));
            let item = index.and_then(|(at, rest)| Some((items.get(at.parse::<usize>().ok()?)?, rest)));
            item.is_some_and(|(item, rest)| names_rest(rest, item))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn names_rest(rest: &str, value: &Value) -> bool {
    (rest.is_empty() || rest.starts_with(['.', '['])) && names_a_place(rest, value)
}

/// Whether a field that is not there may be spoken of: it is one that documents have.
fn is_missing(name: &str) -> bool {
    NAMES.contains(&name) && !name.is_empty()
}
