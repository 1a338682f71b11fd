//! Fuzzing that every build does: whatever tenants and guests can hand to the host, made by chance from good examples and from grammars, and
//! for each a rule that must hold whatever comes in. Not a word of it is kept between two calls: a case is its seed.
//!
//! `AMENDS_SEED=n` plays one case of each target and shows what it was made of; `AMENDS_FUZZ_ONLY=name` plays one target;
//! `AMENDS_FUZZ_FOR=2h` plays fresh cases for as long; `AMENDS_SEEDS_FROM=n` says from which seed on.

#[path = "fuzz/campaign.rs"]
mod campaign;
#[path = "fuzz/definitions.rs"]
mod definitions;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "fuzz/entries.rs"]
mod entries;
#[path = "fuzz/exports.rs"]
mod exports;
#[path = "fuzz/expressions.rs"]
mod expressions;
#[path = "fuzz/json.rs"]
mod json;
#[path = "fuzz/manifests.rs"]
mod manifests;
#[path = "fuzz/memory.rs"]
mod memory;
#[path = "fuzz/modules.rs"]
mod modules;
#[path = "fuzz/mutation.rs"]
mod mutation;
#[path = "fuzz/played.rs"]
mod played;
#[path = "fuzz/puppet.rs"]
mod puppet;
#[path = "fuzz/records.rs"]
mod records;
#[path = "fuzz/replies.rs"]
mod replies;
#[path = "fuzz/sandboxes.rs"]
mod sandboxes;
#[path = "fuzz/trees.rs"]
mod trees;
#[path = "fuzz/uploads.rs"]
mod uploads;
#[path = "fuzz/wanted.rs"]
mod wanted;

use campaign::{Target, campaign};
use wanted::Wanted;

/// Cases in which a planted mistake must be found.
const PLANTED_CASES_MAX: u64 = 3_000;

/// The name of a target, what makes it, and in words the mistake that can be planted into it.
type Make = (&'static str, fn(Plant) -> Box<dyn Target>, &'static str);

/// Whether something between the host and what is asked of it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// All is as it is.
    Nothing,
    /// One rule is broken.
    Mistake,
}

const TARGETS: &[Make] = &[
    (
        "modules",
        |plant| Box::new(modules::Modules::new(plant)),
        "takes an upload that the compiler cannot compile for one that it can",
    ),
    ("trees", |plant| Box::new(trees::Trees::new(plant)), "does not multiply instances out"),
    ("uploads", |plant| Box::new(uploads::Uploads::new(plant)), "says nothing about an upload that it cannot read"),
    ("manifests", |plant| Box::new(manifests::Manifests::new(plant)), "does not see that a handler is there twice"),
    ("definitions", |plant| Box::new(definitions::Definitions::new(plant)), "forgets where a mistake is"),
    ("puppets", |plant| Box::new(puppet::Puppets::new(plant)), "keeps what a failed attempt wrote"),
    ("expressions", |plant| Box::new(expressions::Expressions::new(plant)), "gives another value the second time"),
    ("entries", |plant| Box::new(entries::Entries::new(plant)), "compares all bytes of the MAC but the last"),
    ("records", |plant| Box::new(records::Records::new(plant)), "does not see what stands behind a record"),
    ("exports", |plant| Box::new(exports::Exports::new(plant)), "does not look at the last line of an export"),
];

#[test]
fn whatever_comes_in_the_host_holds_and_its_rules_do() {
    let wanted = Wanted::of_environment();
    let targets: Vec<_> = TARGETS.iter().filter(|(name, ..)| wanted.wants(name)).collect();
    let known: Vec<_> = TARGETS.iter().map(|(name, ..)| *name).collect();
    assert!(!targets.is_empty(), "AMENDS_FUZZ_ONLY names none of the targets: {}", known.join(", "));
    let mut wrong = Vec::new();
    for (name, make, _) in &targets {
        let target = make(Plant::Nothing);
        assert_eq!(target.name(), *name);
        let played = campaign(&*target, wanted.of_one(target.cases(), targets.len()));
        wanted::say(&played.summary());
        wrong.extend(played.wrong(&*target));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn each_planted_mistake_is_found() {
    let wanted = Wanted::of_environment();
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (_, make, mistake) in TARGETS.iter().filter(|(name, ..)| wanted.wants(name)) {
        let target = make(Plant::Mistake);
        let found = (0..PLANTED_CASES_MAX).find_map(|seed| Some((seed, campaign::play(&*target, seed).err()?)));
        match found {
            Some((seed, find)) => {
                lines.push(format!("  {:>5} cases  {}: {mistake}: {}", seed + 1, target.name(), played::short(&find)));
            }
            None => wrong.push(format!("{}: {mistake}, and nothing is found in {PLANTED_CASES_MAX} cases", target.name())),
        }
    }
    wanted::say(&format!("fuzz: planted mistakes, and how many cases it took to find each\n{}", lines.join("\n")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
