//! Every way in which small sagas can go: rows, branches, gaps, pivots, waits, clocks, people. Guests of several branches run at the same
//! time and end in any order, hosts die anywhere with and without a trace, people ask for everything at every point in between; after each
//! transition the rules of the saga contract are checked against what really happened. Then each rule is broken on purpose, and must be
//! found by the check that is there for it.

#[path = "exhaustive/facts.rs"]
mod facts;
#[path = "exhaustive/graph.rs"]
mod graph;
#[path = "exhaustive/graphs.rs"]
mod graphs;
#[path = "exhaustive/key.rs"]
mod key;
#[path = "exhaustive/memory.rs"]
mod memory;
#[path = "exhaustive/naive.rs"]
mod naive;
#[path = "exhaustive/outcomes.rs"]
mod outcomes;
#[path = "exhaustive/people.rs"]
mod people;
mod planted;
#[path = "exhaustive/rules.rs"]
mod rules;
#[path = "exhaustive/walk.rs"]
mod walk;
#[path = "exhaustive/world.rs"]
mod world;

use amends_domain::decide::Command;
use amends_domain::event::Outcome;
use amends_domain::run::Phase;
use graph::{Bounds, Graph};
use walk::{Tally, walk};
use world::{Core, Crash, World};

/// Walks through all of `graphs`. They must have so many runs between them: fewer are too few to prove anything.
fn check(graphs: Vec<Graph>, runs_min: u128) {
    let mut all = Tally::default();
    for graph in graphs {
        let (tally, seen) = walk(&graph, Core::RIGHT).unwrap_or_else(|violation| panic!("{}: {violation:?}", graph.name));
        println!("exhaustive, {}: {seen}; {tally}", graph.name);
        for outcome in [Outcome::Succeeded, Outcome::Compensated, Outcome::Stuck, Outcome::Killed] {
            let expected = graph.outcomes.contains(&outcome);
            assert_eq!(tally.of(outcome) > 0, expected, "{}: there are runs that are {}", graph.name, outcome.word());
        }
        assert!(graph.asks.is_empty() || (seen.noted > 0 && seen.refused > 0), "{}: people are not heard", graph.name);
        all.add(tally);
    }
    println!("exhaustive: {all}, every one within the contract");
    assert!(all.runs > runs_min, "{} runs are too few to prove anything", all.runs);
}

#[test]
fn every_way_of_three_steps_keeps_the_contract() {
    check(graphs::rows(), 1_000_000_000);
}

#[test]
fn every_way_of_two_branches_keeps_the_contract() {
    check(graphs::diamonds(), 1_000_000_000);
}

#[test]
fn every_way_around_a_gap_keeps_the_contract() {
    check(graphs::gaps(), 1_000_000);
}

#[test]
fn every_way_past_a_pivot_keeps_the_contract() {
    check(graphs::pivots(), 1_000_000);
}

#[test]
fn every_way_of_waiting_keeps_the_contract() {
    check(graphs::waits(), 1_000_000);
}

#[test]
fn every_way_of_clocks_keeps_the_contract() {
    check(graphs::clocks(), 1_000_000);
}

#[test]
fn every_way_of_two_people_keeps_the_contract() {
    check(graphs::pairs(), 1000);
}

#[test]
fn every_planted_bug_is_found() {
    let graphs = graphs::all();
    let mut wrong = Vec::new();
    for plant in planted::all() {
        let graph = graphs.iter().find(|graph| graph.name == plant.graph).unwrap_or_else(|| panic!("no graph {}", plant.graph));
        match walk(graph, plant.core) {
            Err(found) if found.rule == plant.rule => println!("planted, {}: found by {found}", plant.name),
            Err(found) => wrong.push(format!("{}: {:?} should find it, but {found:?}", plant.name, plant.rule)),
            Ok(_) => wrong.push(format!("{}: nobody found it", plant.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_guest_that_always_kills_the_host_is_given_up() {
    let mut graph = graphs::rows().swap_remove(0);
    let crashes = 4;
    graph.bounds = Bounds { crashes, ..graph.bounds };
    let mut world = World::new(&graph, Core::RIGHT).expect("a run");
    for deaths in 0.. {
        assert!(deaths < crashes, "it may kill the host for ever");
        loop {
            let commands = world.decide().expect("within the contract");
            for command in &commands {
                world.obey(command).expect("within the contract");
            }
            if commands.is_empty() || commands.iter().any(|command| matches!(command, Command::Start(_))) {
                break;
            }
        }
        if world.running.is_empty() {
            break;
        }
        world.crash(Crash::Forgetful, world.now).expect("within the contract");
    }
    assert!(matches!(world.run.phase(), Phase::Ended(ended) if ended.outcome == Outcome::Compensated), "{:?}", world.run.phase());
}
