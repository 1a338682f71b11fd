//! The simulation: the real coordinator and the real rules over a clock, a disk, a sandbox, a world outside and people that are all played,
//! each world from one seed. Sagas are random, everything fails at any instant, and after every commit each invariant of the saga contract
//! (§6) is asked. The same seed takes the same course.
//!
//! `AMENDS_SEED=n` plays one world and tells its course; `AMENDS_SEEDS=n` says how many are played, `AMENDS_SEEDS_FROM=n` from which on;
//! `AMENDS_SIMULATE_FOR=2h` plays fresh ones for as long.

#[path = "simulation/books/mod.rs"]
mod books;
#[path = "simulation/campaign.rs"]
mod campaign;
#[path = "simulation/clock.rs"]
mod clock;
#[path = "simulation/coverage.rs"]
mod coverage;
#[path = "simulation/demands.rs"]
mod demands;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/finish.rs"]
mod finish;
#[path = "simulation/guests.rs"]
mod guests;
#[path = "simulation/handlers.rs"]
mod handlers;
#[path = "simulation/invariants/mod.rs"]
mod invariants;
#[path = "simulation/life.rs"]
mod life;
#[path = "simulation/outside.rs"]
mod outside;
#[path = "simulation/plants.rs"]
mod plants;
#[path = "simulation/players.rs"]
mod players;
#[path = "simulation/requests.rs"]
mod requests;
#[path = "simulation/sagas.rs"]
mod sagas;
#[path = "simulation/scenes.rs"]
mod scenes;
#[path = "simulation/sectors.rs"]
mod sectors;
#[path = "simulation/seed.rs"]
mod seed;
#[path = "simulation/stage.rs"]
mod stage;
#[path = "simulation/store.rs"]
mod store;
#[path = "simulation/tidy.rs"]
mod tidy;
#[path = "simulation/trace.rs"]
mod trace;

use campaign::{Campaign, Wanted};
use plants::Plant;
use trace::Reader;

/// A planted violation that is not found in as many worlds is not found.
const PLANTED_SEEDS_MAX: u64 = 3_000;
/// Worlds that are played twice.
const TWICE: u64 = 64;

#[test]
fn whatever_happens_every_invariant_of_the_contract_holds() {
    let wanted = Wanted::of_environment();
    if let Wanted::One(seed) = wanted {
        let course = seed::play(seed, None, Reader::Person);
        assert!(course.violation.is_none(), "seed {seed}: {}", course.violation.expect("there is one"));
        return;
    }
    let campaign = Campaign::run(wanted);
    campaign::say(&campaign.summary());
    assert!(campaign.violations.is_empty(), "{}", campaign.told());
    let missing = campaign.missing();
    assert!(missing.is_empty(), "the simulation never came to: {missing:?}\n{}", campaign.coverage);
}

#[test]
fn each_planted_violation_is_found_by_the_invariant_that_it_breaks() {
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (plant, invariant) in Plant::ALL {
        let found = (0..PLANTED_SEEDS_MAX).find_map(|seed| Some((seed, seed::play(seed, Some(*plant), Reader::Nobody).violation?)));
        match found {
            Some((seed, violation)) if violation.invariant == *invariant => {
                lines.push(format!("  {:>5} worlds  {plant:?}: {invariant:?}", seed + 1));
            }
            Some((seed, violation)) => wrong.push(format!("{plant:?} is found in world {seed} as {violation}")),
            None => wrong.push(format!("{plant:?} is not found in {PLANTED_SEEDS_MAX} worlds")),
        }
    }
    campaign::say(&format!("simulation: planted violations, and how many worlds it took to find each\n{}", lines.join("\n")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_seed_takes_the_same_course() {
    let digests = || (0..TWICE).map(|seed| seed::play(seed, None, Reader::Nobody).digest).collect::<Vec<_>>();
    let (once, again) = (digests(), digests());
    let differ: Vec<usize> = (0..once.len()).filter(|at| once[*at] != again[*at]).collect();
    assert!(differ.is_empty(), "seeds {differ:?} took another course the second time");
    assert!(once.windows(2).all(|pair| pair[0] != pair[1]), "other seeds take other courses");
}
