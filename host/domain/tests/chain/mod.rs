//! A chain as a host would have written it: runs driven by `decide` through every kind of ending, cut into records, mixed with one
//! another. Apart, because several tests need one that is right before they make it wrong.

use amends_domain::audit::export::{Exporter, Flaw, LaneReport, Verifier};
use amends_domain::audit::{Body, Head};
use amends_domain::decide::{Command, StartAttempt, decide};
use amends_domain::definition::{Definition, read};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, Direction, Ending, Entry, Event, Failure, Fault, Halt, LogLevel, LogLine, Outcome, Spent, Started, TenantEntry,
    TenantEvent, Write,
};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run};
use amends_domain::time::{Span, Timestamp};
use std::sync::Arc;

const DOCUMENT: &str = r#"{"saga":"order","deadline":"1h","defaults":{"retry":{"attempts":2}},"output":{"id":"${steps.ship.output.id}"},
"steps":[{"id":"log","uses":"orders/log","compensate":"none"},{"id":"reserve","uses":"orders/reserve"},{"id":"ship","uses":"orders/ship"}]}"#;

const BORN: u64 = 1_764_000_000_000;

/// A lane and what its records say.
pub(super) struct LaneBodies {
    pub(super) tenant: TenantId,
    pub(super) lane: Lane,
    pub(super) bodies: Vec<Body>,
}

/// How an attempt goes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Ok,
    /// After a request that was answered.
    OkSent,
    Failed(Failure),
    /// The guest asks for more patience than the run's deadline has.
    FailedPatiently,
    Halted(Halt),
    /// After a request that nobody answered.
    HaltedSent(Halt),
    /// The host dies.
    Lost,
    /// An operator ends the run.
    Killed,
}

const FATES: &[Fate] = &[
    Fate::Ok,
    Fate::OkSent,
    Fate::Ok,
    Fate::OkSent,
    Fate::Failed(Failure::Rejected),
    Fate::Failed(Failure::Unavailable),
    Fate::Failed(Failure::Uncertain),
    Fate::Halted(Halt::Trap),
    Fate::Halted(Halt::OutOfFuel),
    Fate::Halted(Halt::Timeout),
    Fate::Halted(Halt::OutOfMemory),
    Fate::Halted(Halt::Oversized),
    Fate::HaltedSent(Halt::Trap),
    Fate::Lost,
];

/// Numbers that look random: `SplitMix64` (Steele, Lea & Flood 2014).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("less than a usize")
    }
}

/// Two lanes of one tenant and one of another, with `runs` runs each beside the ones that show every kind of fact.
pub(super) fn lanes(seed: u64, runs: u64) -> Vec<LaneBodies> {
    let mut dice = Dice(seed);
    let local: TenantId = "local".parse().expect("a name");
    let acme: TenantId = "acme".parse().expect("a name");
    let mut lanes = Vec::new();
    for (tenant, lane) in [(acme, Lane(0)), (local.clone(), Lane(0)), (local, Lane(1))] {
        let mut journals = told(u128::from(lane.0) << 64);
        for n in 0..runs {
            let mut script = std::iter::repeat_with(|| FATES[dice.roll(FATES.len())]).take(40).collect::<Vec<_>>().into_iter();
            let run = RunId::from_parts(BORN + n, [u8::try_from(lane.0).expect("few lanes"); 10]);
            journals.push((run, drive(run, || script.next().unwrap_or(Fate::Ok))));
        }
        let own = if lane == Lane(0) { own_facts() } else { Vec::new() };
        lanes.push(LaneBodies { tenant, lane, bodies: mix(&mut dice, own, journals) });
    }
    let (acme, local) = lanes.split_at_mut(1);
    number_writes(acme);
    number_writes(local);
    lanes
}

/// The export of `lanes`.
pub(super) fn export(lanes: &[LaneBodies]) -> Vec<u8> {
    let mut exporter = Exporter::default();
    let mut file = Vec::new();
    for LaneBodies { tenant, lane, bodies } in lanes {
        file.extend(exporter.section(tenant, *lane));
        let mut head = Head::genesis(tenant, *lane);
        for body in bodies {
            file.extend(exporter.record(&head.seal(body)).expect("the links are right"));
        }
        file.extend(exporter.end_section());
    }
    file.extend(exporter.end());
    file
}

/// Checks a whole file.
pub(super) fn verify(file: &[u8]) -> Result<Vec<LaneReport>, Flaw> {
    let mut verifier = Verifier::default();
    let mut reports = Vec::new();
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        reports.extend(verifier.line(line)?);
    }
    verifier.end()?;
    Ok(reports)
}

/// Runs that between them have every kind of fact.
fn told(first: u128) -> Vec<(RunId, Vec<Entry>)> {
    use Fate::{Failed, FailedPatiently, HaltedSent, Killed, Lost, Ok, OkSent};
    let scripts: [&[Fate]; 5] = [
        &[Ok, OkSent, Ok],
        &[Ok, Failed(Failure::Unavailable), OkSent, Failed(Failure::Rejected)],
        &[Ok, OkSent, HaltedSent(Halt::Timeout), Lost, Failed(Failure::Rejected)],
        &[Ok, FailedPatiently],
        &[Ok, Killed],
    ];
    let runs = (first..).map(RunId).zip(scripts);
    runs.map(|(run, script)| {
        let mut script = script.iter().copied();
        (run, drive(run, || script.next().unwrap_or(Ok)))
    })
    .collect()
}

fn own_facts() -> Vec<TenantEvent> {
    let definition = definition();
    let plugin = "orders".parse().expect("a name");
    let write = |key: &str, value| Write { key: key.into(), version: 0, value };
    vec![
        TenantEvent::PluginInstalled { plugin, component: Digest::of(b"orders"), size: 4711 },
        TenantEvent::SagaApplied {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            document: definition.document.clone(),
        },
        TenantEvent::StateWritten { writes: vec![write("by-hand", Some(Payload::from("not JSON\u{7}"))), write("stock", None)] },
        TenantEvent::StateWritten { writes: vec![write("by-hand", Some(Payload::from(vec![0xff, 0x00])))] },
    ]
}

fn definition() -> Arc<Definition> {
    Arc::new(read(DOCUMENT).expect("a definition"))
}

/// The journal of one run.
fn drive(run: RunId, mut fate: impl FnMut() -> Fate) -> Vec<Entry> {
    let definition = definition();
    let mut now = Timestamp(BORN);
    let started = Started {
        saga: definition.saga.clone(),
        version: 1,
        definition: definition.digest,
        components: vec![("orders".parse().expect("a name"), Digest::of(b"orders"))],
        input: Payload::from(r#"{"sku":"ä/1","quantity":1.50,"nested":[{"a":null},true]}"#),
        key: Some(format!("key of {run}")),
    };
    let mut journal = vec![Entry { at: now, event: Event::Started(Box::new(started)) }];
    let mut folded = Run::of_journal(run, definition, &journal).expect("a start");
    while !matches!(folded.phase(), Phase::Ended(_)) {
        let commands = decide(&folded, now);
        let idle = commands.len() == 1;
        for command in commands {
            let events = match command {
                Command::Record(event) => vec![event],
                Command::Start(start) => attempt(&start, fate()),
                Command::WaitUntil(until) => {
                    now = if idle { until } else { now };
                    Vec::new()
                }
            };
            for event in events {
                now = now.plus(Span(3));
                let entry = Entry { at: now, event };
                folded.apply(&entry).expect("what was decided fits");
                journal.push(entry);
            }
        }
    }
    journal
}

/// The facts of an attempt.
fn attempt(start: &StartAttempt, fate: Fate) -> Vec<Event> {
    let attempt = start.attempt;
    let intent = Event::EffectIntended { attempt, call: 1, method: "POST".into(), target: "https://example.com/a?b=\"c\"".into() };
    let answered = Event::EffectAnswered { attempt, call: 1, status: 201, response: Some(Payload::from("<html>")) };
    let failed = |failure, retry_after| Ending::Failed { failure, fault: Fault::new("code", "why \u{1f600}"), retry_after };
    let ok = || match attempt.direction {
        Direction::Forward => Ending::Ok { output: Payload::from(r#"{"id":"s-1"}"#) },
        Direction::Backward => Ending::Ok { output: Payload::default() },
    };
    let (between, ending) = match fate {
        Fate::Ok => (vec![], ok()),
        Fate::OkSent => (vec![intent, answered], ok()),
        Fate::Failed(failure) => (vec![], failed(failure, None)),
        Fate::FailedPatiently => (vec![], failed(Failure::Unavailable, Some(Span(7_200_000)))),
        Fate::Halted(halt) => (vec![], Ending::Halted { halt, message: "limit 1, found 2".into() }),
        Fate::HaltedSent(halt) => (vec![intent], Ending::Halted { halt, message: String::new() }),
        Fate::Lost => return vec![start.event(), intent, Event::Adopted],
        Fate::Killed => return vec![start.event(), Event::Ended { outcome: Outcome::Killed, output: None, fault: None }],
    };
    let writes = match &ending {
        Ending::Ok { .. } => vec![
            Write { key: "stock".into(), version: 0, value: Some(Payload::from("41")) },
            Write { key: format!("step-{}", attempt.step.0), version: 0, value: None },
        ],
        Ending::Failed { .. } | Ending::Halted { .. } => Vec::new(),
    };
    let log = vec![LogLine { level: LogLevel::Info, message: "a line".into() }];
    let spent = Spent { fuel: 1234, micros: 56, conflicts: 0 };
    let ended = Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log, writes }));
    [vec![start.event()], between, vec![ended]].concat()
}

/// Cuts the journals into records and mixes them with the tenant's own, the first two of which come first. The last run stays open.
fn mix(dice: &mut Dice, own: Vec<TenantEvent>, mut journals: Vec<(RunId, Vec<Entry>)>) -> Vec<Body> {
    let own_body = |event| Body::Tenant { entries: vec![TenantEntry { at: Timestamp(BORN), event }] };
    let mut own = own.into_iter();
    let mut bodies: Vec<Body> = own.by_ref().take(2).map(own_body).collect();
    if let Some((_, last)) = journals.last_mut() {
        last.truncate(4);
    }
    let mut previous = vec![0; journals.len()];
    let mut left: Vec<usize> = (0..journals.len()).collect();
    while !left.is_empty() {
        let pick = dice.roll(left.len());
        let at = left[pick];
        let (run, journal) = &mut journals[at];
        let len = (1 + dice.roll(5)).min(journal.len());
        bodies.push(Body::Run { run: *run, previous: previous[at], entries: journal.drain(..len).collect() });
        previous[at] = bodies.len() as u64;
        if journal.is_empty() {
            left.swap_remove(pick);
        }
        if dice.roll(10) == 0 {
            bodies.extend(own.next().map(own_body));
        }
    }
    bodies.extend(own.map(own_body));
    bodies
}

/// Versions in the order of the records, as a host gives them that commits each by itself.
fn number_writes(lanes: &mut [LaneBodies]) {
    let mut version = 0;
    for body in lanes.iter_mut().flat_map(|lane| &mut lane.bodies) {
        let writes: Vec<&mut Write> = match body {
            Body::Run { entries, .. } => {
                let ended = entries.iter_mut().filter_map(|entry| match &mut entry.event {
                    Event::AttemptEnded(ended) => Some(&mut ended.writes),
                    _ => None,
                });
                ended.flatten().collect()
            }
            Body::Tenant { entries } => {
                let written = entries.iter_mut().filter_map(|entry| match &mut entry.event {
                    TenantEvent::StateWritten { writes } => Some(writes),
                    TenantEvent::SagaApplied { .. } | TenantEvent::PluginInstalled { .. } => None,
                });
                written.flatten().collect()
            }
        };
        for write in writes {
            version += 1;
            write.version = version;
        }
    }
}
