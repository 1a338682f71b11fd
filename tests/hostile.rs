//! What a tenant who means harm may upload, and what becomes of it: each case has its verdict and its bounds, and all the while a
//! neighbour's runs succeed. The host that lived through all of it is the same one, and its chains hold.
//!
//! Prints a table; `cargo test --release -p amends-tests --test hostile -- --nocapture` shows it.

#[path = "hostile/abi.rs"]
mod abi;
#[path = "hostile/attack.rs"]
mod attack;
#[path = "hostile/cpu.rs"]
mod cpu;
#[path = "hostile/egress.rs"]
mod egress;
#[path = "hostile/instantiate.rs"]
mod instantiate;
#[path = "hostile/meter.rs"]
mod meter;
#[path = "hostile/neighbour.rs"]
mod neighbour;
#[path = "hostile/secrets.rs"]
mod secrets;
#[path = "hostile/site.rs"]
mod site;
#[path = "hostile/tenancy.rs"]
mod tenancy;
#[path = "hostile/upload.rs"]
mod upload;
#[path = "hostile/wasi.rs"]
mod wasi;

use attack::Attack;
use meter::Meter;
use neighbour::{Neighbour, Percentiles};
use site::Site;
use std::time::Duration;

/// How long the neighbour is alone before the attacks, and again behind them, to know what it gets then: disks have their moods.
const QUIET: Duration = Duration::from_secs(5);

#[test]
fn every_attack_ends_as_it_should_and_the_neighbour_does_not_notice() {
    let site = Site::new();
    let neighbour = Neighbour::beside(&site);
    std::thread::sleep(QUIET);
    let mut quiet = neighbour.take();
    let alone = [upload::attacks(), instantiate::attacks(), cpu::attacks(), abi::attacks(), wasi::attacks()].concat();
    let attacks: Vec<Attack> = [alone, egress::attacks(site.outside.port())].concat();
    println!("{:<42} {:<40} {:>10} {:>11} {:>13}", "case", "verdict", "wall", "memory", "neighbour max");
    // All of them are tried: a table with one row missing says little.
    let mut wrong = Vec::new();
    for attack in &attacks {
        let (found, measured) = Meter::around(|| site.suffer(attack));
        println!("{:<42} {found:<40} {measured} {:>13.1?}", attack.name, neighbour.longest());
        measured.check(attack);
        if found != attack.verdict {
            wrong.push(format!("{}: {found}, expected {}", attack.name, attack.verdict));
        }
    }
    for (name, attack) in [tenancy::attacks(), secrets::attacks()].concat() {
        let ((), measured) = Meter::around(|| attack(&site));
        println!("{name:<42} {:<40} {measured} {:>13.1?}", "as expected", neighbour.longest());
    }
    let besieged = Percentiles::of(neighbour.take());
    std::thread::sleep(QUIET);
    quiet.extend(neighbour.end());
    println!("neighbour, alone:    {}\nneighbour, besieged: {besieged}", Percentiles::of(quiet));
    site.check_chains();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
