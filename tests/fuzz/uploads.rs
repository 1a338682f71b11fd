//! Uploads that are almost components: real plugins and small guests, changed by bytes and by sections. The check says something about each,
//! and what it lets through the compiler compiles or refuses.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::dice::Dice;
use crate::mutation::{leb, mutate};
use crate::sandboxes::{Beside, compiled};
use std::ops::Range;
use std::time::Duration;

/// The plugins that are built with this project, and guests of the tests.
const PLUGINS: [&str; 6] = ["ledger", "onboarding", "orders", "payments-http", "probe", "provisioning"];
const GUESTS: [&str; 6] = ["echo", "context", "many", "fail", "count", "flood"];
/// One of so many that are let through is compiled, too.
const COMPILED: u64 = 25;
/// Bytes in front of the first section.
const PREAMBLE_LEN: usize = 8;

pub(crate) struct Uploads {
    plant: Plant,
    checks: Beside,
    compiles: Beside,
    examples: Vec<Vec<u8>>,
}

impl Uploads {
    pub(crate) fn new(plant: Plant) -> Self {
        let plugins = PLUGINS.iter().map(|name| std::fs::read(harness::guest(name)).expect("it is built"));
        let guests = GUESTS.iter().map(|name| harness::small_guest(name));
        let examples = plugins.chain(guests.clone()).chain(guests.clone()).chain(guests).collect();
        Self { plant, checks: Beside::without_compiler(None), compiles: Beside::in_a_process(), examples }
    }

    fn any(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = dice.one(&self.examples).clone();
        if dice.hits(35) {
            let other = dice.one(&self.examples);
            change_sections(dice, &mut bytes, other);
        } else if dice.hits(50) {
            // Within the first kilobyte: what is said about all the rest stands there.
            let mut rest = bytes.split_off(bytes.len().min(PREAMBLE_LEN + 1024));
            mutate(dice, &mut bytes);
            bytes.append(&mut rest);
        } else {
            mutate(dice, &mut bytes);
        }
        bytes
    }
}

/// Where the sections of a component stand, as far as they can be told.
fn sections(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = PREAMBLE_LEN;
    while at < bytes.len() {
        let (mut len, mut shift, mut behind) = (0_usize, 0, at + 1);
        while let Some(byte) = bytes.get(behind) {
            behind += 1;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 28 {
                break;
            }
        }
        let end = behind.saturating_add(len);
        if end > bytes.len() {
            break;
        }
        found.push(at..end);
        at = end;
    }
    found
}

/// Takes a section out, doubles it, moves it, changes its kind or puts one of another component in, or a core module in a component.
fn change_sections(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let (own, others) = (sections(bytes), sections(other));
    let (from, to) = (dice.one(&own).clone(), dice.one(&own).start);
    let section = bytes[from.clone()].to_vec();
    match dice.below(6) {
        0 => drop(bytes.drain(from)),
        1 => drop(bytes.splice(to..to, section)),
        2 => bytes[from.start] = u8::try_from(dice.below(16)).expect("a byte"),
        3 => drop(bytes.splice(to..to, other[dice.one(&others).clone()].iter().copied())),
        4 => {
            let inner = if dice.hits(50) { other } else { &section };
            let within = [&[*dice.one(&[0, 1, 4])], leb(inner.len() as u64).as_slice(), inner].concat();
            drop(bytes.splice(to..to, within));
        }
        _ => {
            let times = *dice.one(&[2, 70, 2000]);
            let again = section.repeat(if section.len() > 2000 { 2 } else { times });
            drop(bytes.splice(to..to, again));
        }
    }
}

impl Target for Uploads {
    fn name(&self) -> &'static str {
        "uploads"
    }

    fn cases(&self) -> u64 {
        4_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("let through", 100), ("component_malformed", 100), ("component_has_too_many", 2), ("component_not_compilable", 2)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn memory_max(&self) -> usize {
        64 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let bytes = self.any(&mut case.dice);
        case.show(|| format!("{} bytes: {:02x?}…", bytes.len(), &bytes[..bytes.len().min(2000)]));
        match (self.checks.check(bytes.clone())?, self.plant) {
            (Ok(()), _) if case.dice.below(COMPILED) == 0 => Ok(compiled(&self.compiles, bytes)?.into()),
            (Ok(()), _) => Ok("let through".into()),
            (Err(refusal), Plant::Mistake) if refusal.code() == "component_malformed" => Err("nothing is said of it".to_owned()),
            (Err(refusal), Plant::Mistake | Plant::Nothing) => Ok(refusal.code().into()),
        }
    }
}
