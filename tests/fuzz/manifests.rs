//! What a plugin says about itself: read as text, and now and then told by a guest.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::json;
use crate::mutation::mutate_text;
use crate::sandboxes::{Beside, is_tidy};
use amends_domain::plugin::{HANDLERS_MAX, Manifest};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

const NAMES: [&str; 9] = ["handlers", "name", "input", "output", "compensates", "doc", "type", "$ref", "x"];
const WORDS: [&str; 10] = ["\"handlers\":", "[", "{", "}", "]", "{\"name\":\"a\"}", ",", "\"", "\\u0000", "\\ud800"];
/// One case of so many is told by a guest: it has to be compiled.
const TOLD: u64 = 60;
/// Most bytes of what is said about a manifest, when a guest told it.
const SAID_LEN_MAX: usize = 700;
/// Largest manifest that a guest tells, in bytes: one that fits into its page.
const TOLD_LEN_MAX: usize = 30_000;

pub(crate) struct Manifests {
    plant: Plant,
    examples: Vec<Value>,
    beside: Beside,
    /// The text of the guest that tells.
    guest: String,
}

impl Manifests {
    pub(crate) fn new(plant: Plant) -> Self {
        let schema = json!({"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}});
        let handler = |n: usize| json!({"name": format!("handler-{n}"), "input": schema, "output": {}, "compensates": n.is_multiple_of(2), "doc": "Does."});
        let many: Vec<Value> = (0..HANDLERS_MAX).map(|n| json!({ "name": format!("h{n}") })).collect();
        let examples = vec![
            json!({"handlers": [{"name": "a"}]}),
            json!({"handlers": [handler(0), handler(1), handler(2)]}),
            json!({ "handlers": many }),
        ];
        Self { plant, examples, beside: Beside::in_process(), guest: harness::small_guest_text("described") }
    }

    fn read(&self, text: &str) -> Result<Manifest, String> {
        match self.plant {
            Plant::Nothing => Manifest::read(text),
            Plant::Mistake => {
                let manifest: Option<Manifest> = serde_json::from_str::<Value>(text).ok().and_then(|value| {
                    let handlers = value["handlers"].as_array()?.iter();
                    let handlers: Option<Vec<_>> =
                        handlers.map(|handler| Some(Manifest::single(handler["name"].as_str()?.parse().ok()?))).collect();
                    Some(Manifest { handlers: handlers?.into_iter().flat_map(|manifest| manifest.handlers).collect() })
                });
                let is_some = |manifest: &Manifest| (1..=HANDLERS_MAX).contains(&manifest.handlers.len());
                manifest.filter(is_some).ok_or_else(|| "no manifest".to_owned())
            }
        }
    }

    /// Has a guest tell it; `Err` is what the host says of it.
    fn told(&self, text: &str) -> Result<Result<(), String>, String> {
        let escaped = text.bytes().fold(String::new(), |mut escaped, byte| {
            write!(escaped, "\\{byte:02x}").expect("a string takes all");
            escaped
        });
        let guest = self.guest.replace("(;manifest;)", &escaped).replace("(;length;)", &text.len().to_string());
        let bytes = wat::parse_str(&guest).map_err(|error| error.to_string())?;
        match self.beside.inspect(bytes) {
            Ok(_) => Ok(Ok(())),
            Err(refusal) if refusal.code() == "manifest_malformed" => Ok(Err(refusal.to_string())),
            Err(refusal) => Err(format!("{}: {refusal}", refusal.code())),
        }
    }
}

impl Target for Manifests {
    fn name(&self) -> &'static str {
        "manifests"
    }

    fn cases(&self) -> u64 {
        15_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("accepted", 100), ("not JSON", 100), ("another shape", 100), ("twice", 1), ("told by a guest", 5)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn memory_max(&self) -> usize {
        64 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let dice = &mut case.dice;
        let of = if dice.hits(90) { 2 } else { 3 };
        let mut value = dice.one(&self.examples[..of]).clone();
        if dice.hits(60) {
            json::mutate(dice, &mut value, &NAMES);
        }
        let mut text = value.to_string();
        if dice.hits(30) {
            mutate_text(dice, &mut text, &WORDS);
        }
        let is_told = text.len() <= TOLD_LEN_MAX && dice.below(TOLD) == 0;
        case.show(|| text.clone());
        let read = self.read(&text);
        if is_told {
            let told = self.told(&text)?;
            if told.is_ok() != read.is_ok() {
                return Err(format!("read as {read:?} and told as {told:?}: {text}"));
            }
            return match told {
                Err(said) if !is_tidy(&said, SAID_LEN_MAX) => Err(format!("it says {said:?}: {text}")),
                Ok(()) | Err(_) => Ok("told by a guest".into()),
            };
        }
        match read {
            Ok(manifest) => check(&manifest).map(|()| "accepted".into()).map_err(|what| format!("{what}: {text}")),
            Err(said) if said.trim().is_empty() => Err(format!("nothing is said of {text}")),
            Err(_) if serde_json::from_str::<Value>(&text).is_err() => Ok("not JSON".into()),
            Err(said) if said.contains("twice") => Ok("twice".into()),
            Err(said) if said.contains("handlers: 1 to") => Ok("too few or too many".into()),
            Err(_) => Ok("another shape".into()),
        }
    }
}

/// What is true of every manifest that is accepted.
fn check(manifest: &Manifest) -> Result<(), String> {
    let names: HashSet<&str> = manifest.handlers.iter().map(|handler| handler.name.as_str()).collect();
    if names.len() != manifest.handlers.len() {
        return Err("a handler is there twice".to_owned());
    }
    if !(1..=HANDLERS_MAX).contains(&names.len()) {
        return Err(format!("{} handlers", names.len()));
    }
    let found = manifest.handlers.iter().all(|handler| manifest.handler(&handler.name) == Some(handler));
    if found { Ok(()) } else { Err("a handler is not found by its name".to_owned()) }
}
