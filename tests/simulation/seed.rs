//! From a seed to a world, and through its lives.

use crate::books::Books;
use crate::coverage::Coverage;
use crate::dice::Dice;
use crate::disk::{Death, Disk, Where};
use crate::invariants::Violation;
use crate::life::{Plan, World};
use crate::plants::Plant;
use crate::players::{Crowd, Heard, Start};
use crate::sagas::Saga;
use crate::sectors::Platter;
use crate::stage::{Mood, Play, Stage};
use crate::trace::{Reader, Trace};
use amends::store::memory::{Fate, MemoryStore};
use amends_domain::id::TenantId;
use amends_domain::time::{Span, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// The first instant of every world.
const BEGINNING_MS: u64 = 1_767_225_600_000;
/// The names of tenants are found wherever they do not belong.
const TENANTS: &[&str] = &["tenant-ash", "tenant-oak"];
/// The sagas of a tenant. Their names are no secret: all tenants have the same. A name that comes again is another version.
const SAGAS: &[&[&str]] = &[&["a"], &["a", "b"], &["a", "b", "a"]];
/// One world of so many keeps its records in a file.
const FILES: u64 = 16;

/// What became of a world.
pub(crate) struct Course {
    pub(crate) violation: Option<Violation>,
    pub(crate) coverage: Coverage,
    /// The same for the same course.
    pub(crate) digest: u64,
}

/// Plays the world of a seed.
pub(crate) fn play(seed: u64, plant: Option<Plant>, reader: Reader) -> Course {
    let mut dice = Dice::new(seed);
    let tenants = any_tenants(&mut dice, plant);
    let crowd = Crowd::new(any_starts(&mut dice, &tenants));
    let file = dice.below(FILES) == 0;
    let disk = if file { Disk::File(Arc::new(Platter::default())) } else { Disk::Memory(Arc::new(MemoryStore::new())) };
    let deaths: Vec<Plan> = (0..*dice.one(&[0_u8, 1, 1, 2, 2, 3, 4])).map(|_| any_life(&mut dice, &disk)).collect();
    let play = Play::new(dice, Trace::new(reader), Books::new(&tenants), crowd, plant);
    let world = World { stage: Stage::new(play), disk: Arc::new(disk), tenants };
    world.show_sagas();
    let mut base_ms = BEGINNING_MS;
    for plan in deaths {
        base_ms = next(&world, world.live(Plan { base_ms, ..plan }));
        if world.stage.act(|play| play.violation.is_some()) {
            break;
        }
    }
    if world.stage.act(|play| play.violation.is_none()) {
        world.stage.act(|play| play.mood = Mood::Healed);
        world.live(Plan { base_ms, death: None, longest_ms: 0, demands: 0, tidy_percent: 0 });
        world.close();
    }
    world.stage.act(|play| {
        let digest = play.trace.digest();
        Course { violation: play.violation.take(), coverage: std::mem::take(&mut play.coverage), digest }
    })
}

/// When the next life begins, on a machine whose clock may have been set back a little.
fn next(world: &World, ended_ms: u64) -> u64 {
    world.stage.act(|play| match play.dice.below(10) {
        0 => ended_ms.saturating_sub(play.dice.below(60)).max(BEGINNING_MS),
        1 => ended_ms + play.dice.below(900_000),
        _ => ended_ms + play.dice.below(3_000),
    })
}

fn any_tenants(dice: &mut Dice, plant: Option<Plant>) -> Vec<(TenantId, Vec<Arc<Saga>>)> {
    let number = if dice.hits(40) { 2 } else { 1 };
    let tenants = TENANTS.iter().take(number).map(|name| {
        let sagas = *dice.one::<&[&str]>(SAGAS);
        let sagas = sagas.iter().map(|name| Arc::new(Saga::any(dice, name).known_wrongly(plant)));
        (name.parse().expect("a name"), sagas.collect())
    });
    tenants.collect()
}

fn any_starts(dice: &mut Dice, tenants: &[(TenantId, Vec<Arc<Saga>>)]) -> Vec<Start> {
    let number = *dice.one(&[1, 2, 3, 4, 6]);
    let longest = *dice.one(&[10, 300, 3_000]);
    let mut starts: Vec<Start> = (0..number).map(|at| any_start(dice, tenants, at, longest)).collect();
    if dice.hits(20) {
        // Somebody uses a key again, for the same or for something else.
        let mut again = dice.one(&starts).clone();
        again.at_ms += dice.below(100);
        if let Some((tenant, sagas)) = tenants.iter().find(|(tenant, _)| *tenant != again.tenant).filter(|_| dice.hits(30)) {
            // The keys of one tenant are nothing to another.
            (again.tenant, again.saga) = (tenant.clone(), sagas[0].definition.saga.clone());
            again.input["of"] = json!(tenant.as_str());
        }
        if dice.hits(50) {
            again.input["n"] = json!(99);
        }
        starts.push(again);
    }
    starts
}

fn any_start(dice: &mut Dice, tenants: &[(TenantId, Vec<Arc<Saga>>)], at: u64, longest: u64) -> Start {
    let (tenant, sagas) = dice.one(tenants);
    let saga = dice.one(sagas).definition.saga.clone();
    let key = dice.hits(60).then(|| format!("start-{at}"));
    let begin = dice.hits(10).then(|| Span(*dice.one(&[5, 400, 90_000])));
    let at_ms = dice.below(longest);
    Start { tenant: tenant.clone(), saga, input: any_input(dice, tenant, at), key, begin, at_ms, heard: Heard::Nothing }
}

fn any_input(dice: &mut Dice, tenant: &TenantId, at: u64) -> Value {
    let instant = Timestamp(BEGINNING_MS + dice.below(4_000)).to_string();
    json!({ "id": format!("order-{at}"), "n": dice.below(8), "flag": dice.hits(75), "at": instant, "of": tenant.as_str() })
}

fn any_life(dice: &mut Dice, disk: &Disk) -> Plan {
    let middle = match disk {
        Disk::Memory(_) => Where::Behind,
        Disk::File(_) => Where::Middle,
    };
    let place = *dice.one(&[Where::Before, Where::Behind, middle, middle, Where::Fails(Fate::Lost), Where::Fails(Fate::Kept)]);
    let death = match dice.below(11) {
        0..3 => Death::At(1 + any_below(dice, &[20, 300, 3_000, 100_000])),
        10 => Death::Stop(1 + any_below(dice, &[300, 3_000])),
        3..6 => Death::AfterDeeds(any_below(dice, &[20, 150, 600])),
        _ => Death::InCommit(1 + any_below(dice, &[3, 12, 40]), place),
    };
    let longest_ms = *dice.one(&[1_000, 5_000, 120_000]);
    let (demands, tidy_percent) = (*dice.one(&[0, 4, 10, 25]), *dice.one(&[0, 0, 0, 30]));
    Plan { base_ms: 0, death: Some(death), longest_ms, demands, tidy_percent }
}

/// A number below any of `ends`: small ones come often, and large ones come.
fn any_below(dice: &mut Dice, ends: &[u64]) -> u64 {
    let end = *dice.one(ends);
    dice.below(end)
}
