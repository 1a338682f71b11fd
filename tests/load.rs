//! The real server under load: how much it takes, whether it stays so, what is left when it is killed or asked to stop in the middle of it,
//! what a tenant who floods it does to another, and how soon it is back with many open runs. Prints figures; what it claims are outcomes.
//!
//! `AMENDS_LOAD_S` is how long the steady load lasts (5), `AMENDS_LOAD_RATE` how many runs a second that is (four fifths of the most; a machine whose
//! speed changes takes less than it did in its best moments), `AMENDS_LOAD_RUNS` how many runs flood it and are open (2000):
//! `AMENDS_LOAD_S=900 AMENDS_LOAD_RUNS=100000 cargo test --release --test load -- --nocapture`.

#[path = "load/crowd.rs"]
mod crowd;
#[path = "load/site.rs"]
mod site;

use crowd::{Crowd, Tally};
use harness::{Heard, Session};
use serde_json::{Value, json};
use site::{Site, alone, variable};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Clients at a time.
const CLIENTS: usize = 16;

/// How many of those that got no answer are asked again.
const AGAIN_MAX: usize = 4 * CLIENTS;

fn seconds() -> u64 {
    variable("AMENDS_LOAD_S").unwrap_or(5)
}

fn many() -> u64 {
    variable("AMENDS_LOAD_RUNS").unwrap_or(2000)
}

#[test]
fn four_fifths_of_what_it_takes_are_taken_without_an_error_and_without_growing() {
    let _alone = alone();
    let site = Site::new("three");
    let most = Crowd::of(&site, CLIENTS).at_full_speed(Duration::from_secs(seconds().min(20)));
    println!("as fast as it goes, {CLIENTS} clients: {most}");
    let rate = variable("AMENDS_LOAD_RATE").and_then(|rate| u32::try_from(rate).ok()).map_or(most.per_second() * 0.8, f64::from);
    println!("resident: {} KiB", site.resident());
    let steady = [1, 2, 3].map(|third| {
        let tally = Crowd::of(&site, CLIENTS).numbered(third).at_a_rate(rate, Duration::from_secs(seconds().div_ceil(3)));
        println!("{rate:.0} a second, third {third}: {tally}; resident: {} KiB", site.resident());
        tally
    });
    for tally in [&most].into_iter().chain(&steady) {
        assert_eq!((tally.refused, tally.broken, tally.unanswered.len()), (0, 0, 0), "{tally}");
    }
    site.stop();
}

#[test]
fn what_was_accepted_before_a_kill_reaches_its_outcome_and_happens_once() {
    let _alone = alone();
    let mut site = Site::with_bank();
    let mut accepted = Vec::new();
    for round in 0..3 {
        let crowd = Crowd::of(&site, CLIENTS).numbered(round);
        let tally = crowd.until_killed(&mut site, Duration::from_millis(700 + 300 * round));
        println!("killed under load: {tally}, ready again behind {:.1?}", site.ready_behind);
        assert_eq!(tally.broken, 0, "{tally}");
        accepted.extend(tally.accepted);
        // Nobody knows what became of those: asked again with their keys, they happen once all the same.
        let again = Crowd::of(&site, 1).again(&tally.unanswered[..tally.unanswered.len().min(AGAIN_MAX)]);
        assert_eq!(again.broken + again.refused + again.unanswered.len(), 0, "{again}");
        accepted.extend(again.accepted);
    }
    assert!(accepted.len() > 30, "{} runs say little", accepted.len());
    let ended = site.ended(&accepted);
    let succeeded = ended.iter().filter(|(_, outcome)| *outcome == "succeeded").count();
    println!("{} accepted, {succeeded} succeeded, {} requests of a payment", ended.len(), site.bank().requests());
    site.check_books(&ended);
    site.stop();
}

#[test]
fn whoever_asks_while_it_stops_gets_a_whole_answer_or_none() {
    let _alone = alone();
    let mut site = Site::new("three");
    let tally = Crowd::of(&site, CLIENTS).until_stopped(&mut site, Duration::from_secs(1));
    println!("stopped under load: {tally}");
    assert_eq!(tally.broken, 0, "{tally}");
    let accepted = tally.accepted;
    assert!(accepted.len() > 100, "{} runs say little", accepted.len());
    site.start_again();
    let ended = site.ended(&accepted);
    assert!(ended.iter().all(|(_, outcome)| outcome == "succeeded"));
    site.stop();
}

/// One tenant starts thousands of runs of a step that computes for milliseconds, whose second step fails: all of them are compensated.
#[test]
fn a_tenant_who_floods_it_does_not_keep_another_waiting_and_its_compensations_get_through() {
    let _alone = alone();
    let site = Site::new("three");
    let neighbour = site.tenant("neighbour", "three");
    let pause = Duration::from_millis(if seconds() > 5 { 1000 } else { 50 });
    let one = |times: u64| Tally::of((0..times).map(|_| neighbour.timed(pause)).collect());
    let quiet = one(60);
    let flood = site.tenant("flood", "costly");
    let over = AtomicBool::new(false);
    let besieged = std::thread::scope(|scope| {
        let starts = scope.spawn(|| flood.started(many(), CLIENTS, &over));
        // It takes a moment until there are enough of them.
        std::thread::sleep(Duration::from_millis(500));
        let besieged = one(60);
        over.store(true, Ordering::Release);
        println!("flood: {} started", starts.join().expect("it does not panic"));
        besieged
    });
    println!("neighbour, alone:    {quiet}\nneighbour, besieged: {besieged}");
    assert_eq!((besieged.refused, besieged.broken, besieged.unanswered.len()), (0, 0, 0), "{besieged}");
    let compensated = flood.count("compensated");
    println!("flood: {compensated} compensated meanwhile");
    assert!(compensated > 10, "{compensated} of the flood's runs were compensated");
    site.stop();
}

#[test]
fn it_is_ready_soon_with_many_open_runs() {
    let _alone = alone();
    let mut site = Site::new("waits");
    let over = AtomicBool::new(false);
    let started = site.owner("acme").started(many(), CLIENTS, &over);
    site.kill();
    let began = Instant::now();
    site.start_again();
    println!("ready behind {:.1?} with {started} open runs ({:.1?} until it listens)", began.elapsed(), site.ready_behind);
    let mut session = Session::new(site.owner("acme").client());
    let Heard::Answer(200, body) = session.ask("GET", "/v1/tenants/acme/usage", "", b"") else { panic!("it answers") };
    let usage: Value = serde_json::from_slice(&body).expect("JSON");
    let open = usage["limits"].as_array().and_then(|limits| limits.iter().find(|limit| limit["limit"] == "queued_runs"));
    assert_eq!(open.map(|open| &open["used"]), Some(&json!(started)), "all of them are known");
    site.stop();
}
