//! A chain as a host would have written it: runs through every kind of ending and beyond, cut into records, mixed with one
//! another. Apart, because several tests need one that is right before they make it wrong.

pub(super) mod drive;
pub(super) mod told;

use amends_domain::audit::export::{Exporter, Flaw, LaneReport, Verdict, Verifier};
use amends_domain::audit::{Body, Head};
use amends_domain::digest::Digest;
use amends_domain::event::{
    Entry, Event, HostGrant, LimitName, PartState, Reach, RemovedUsage, Resolvers, Role, TenantEntry, TenantEvent, Transport,
    WebhookKey, Write,
};
use amends_domain::id::{KeyId, Lane, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use drive::{BORN, Saga};
use told::{by_chance, told};

/// A lane and what its records say.
pub(super) struct LaneBodies {
    pub(super) tenant: TenantId,
    pub(super) lane: Lane,
    pub(super) bodies: Vec<Body>,
}

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
            let run = RunId::from_parts(BORN + n, [u8::try_from(lane.0).expect("few lanes"); 10]);
            journals.push(by_chance(&mut dice, run));
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
            file.extend(exporter.record(&head.seal(body)).expect("the links are right").0);
        }
        file.extend(exporter.end_section());
    }
    file.extend(exporter.end());
    file
}

/// Checks a whole file.
pub(super) fn verify(file: &[u8]) -> Result<Vec<LaneReport>, Flaw> {
    let mut verifier = Verifier::default();
    loop {
        let lines = file.split_inclusive(|byte| *byte == b'\n');
        let _: Option<&[u8]> = lines.into_iter().find(|line| verifier.line(line).is_break());
        match verifier.end() {
            Verdict::Right(reports) => return Ok(reports),
            Verdict::Wrong { flaw, .. } => return Err(*flaw),
            Verdict::Again(again) => verifier = *again,
        }
    }
}

fn granted(place: &str, transport: Transport, reach: Reach) -> TenantEvent {
    let grant = HostGrant::read(place, &[], transport, reach).expect("a grant");
    TenantEvent::HostGranted { plugin: "orders".parse().expect("a name"), grant, by: "ada".into() }
}

fn secret_facts() -> Vec<TenantEvent> {
    let secret = || "token".parse().expect("a name");
    let (plugin, by) = (|| "orders".parse().expect("a name"), || "ada".into());
    let sealed = Digest::of(b"sealed");
    vec![
        TenantEvent::SecretSet { secret: secret(), sealed, replaces: None, by: by() },
        TenantEvent::SecretGranted { secret: secret(), plugin: plugin(), by: by() },
        TenantEvent::SecretWithdrawn { secret: secret(), plugin: plugin(), by: by() },
        TenantEvent::SecretRemoved { secret: secret(), sealed, by: by() },
    ]
}

/// The facts of a tenant from its beginning to its end.
fn tenant_facts() -> Vec<TenantEvent> {
    let by = || "ada".to_owned();
    let (key, plugin, version) = (KeyId(7 << 64), "orders", "1.4.0");
    let limits = LimitName::ALL.iter().map(|limit| (*limit, limit.default_value())).collect();
    let keys = (0..).zip(Role::ALL).map(|(n, role)| TenantEvent::KeyCreated {
        key: KeyId(key.0 + n),
        name: role.word().parse().expect("a name"),
        role,
        token: Digest::of(role.word().as_bytes()),
        expires: None,
        by: by(),
    });
    let webhook = || "billing".parse().expect("a name");
    let signed = WebhookKey { sealed: Digest::of(b"key"), until: None };
    let types = vec!["workflow.saga.*".to_owned()];
    let plugin = || plugin.parse().expect("a name");
    let version = || version.parse().expect("a version");
    let begin = vec![TenantEvent::TenantCreated { by: by() }, TenantEvent::LimitsSet { limits, by: by() }];
    let rest = vec![
        TenantEvent::PluginPublished {
            plugin: plugin(),
            version: version(),
            component: Digest::of(b"orders"),
            size: 4711,
            by: by(),
        },
        TenantEvent::WebhookSet { webhook: webhook(), url: "https://example.com/".into(), types, secret: None, by: by() },
        TenantEvent::WebhookKeysSet { webhook: webhook(), keys: vec![signed], destroyed: vec![Digest::of(b"before")], by: by() },
        TenantEvent::WebhookPaused { webhook: webhook(), reason: "it answered 410".into(), by: "host".into() },
        TenantEvent::TenantSuspended { reason: "unpaid".into(), by: by() },
        TenantEvent::TenantReopened { by: by() },
        TenantEvent::WebhookRemoved { webhook: webhook(), by: by() },
        TenantEvent::PluginVersionDeleted { plugin: plugin(), version: version(), by: by() },
        TenantEvent::KeyRevoked { key, by: by() },
        TenantEvent::TenantDeleted { by: by() },
    ];
    begin.into_iter().chain(keys).chain(rest).collect()
}

fn fares(state: PartState) -> TenantEvent {
    TenantEvent::HostPartChanged { part: "disk".into(), state, says: "1 MiB of 100 MiB are free".into() }
}

/// What is the tenant's own: in each list what is in one record. The first two come before every run.
fn own_facts() -> Vec<Vec<TenantEvent>> {
    let plugin = "orders".parse().expect("a name");
    let write = |key: &str, value| Write { key: key.into(), version: 0, value };
    let set = |resolvers| TenantEvent::ResolversSet { resolvers, by: "ada".into() };
    vec![
        vec![TenantEvent::PluginInstalled { plugin, component: Digest::of(b"orders"), size: 4711 }],
        vec![applied(Saga::Order), applied(Saga::Approval)],
        vec![TenantEvent::StateWritten {
            writes: vec![write("by-hand", Some(Payload::from("not JSON\u{7}"))), write("stock", None)],
        }],
        vec![TenantEvent::StateWritten { writes: vec![write("by-hand", Some(Payload::from(vec![0xff, 0x00])))] }],
        vec![set(Resolvers::Two)],
        vec![set(Resolvers::One)],
        vec![granted("*.example.com", Transport::Tls, Reach::Public), granted("127.0.0.1:8080", Transport::Any, Reach::Loopback)],
        vec![TenantEvent::HostRevoked {
            plugin: "orders".parse().expect("a name"),
            place: "*.example.com".into(),
            by: "ada".into(),
        }],
        secret_facts(),
        [PartState::Failing, PartState::Ready].map(fares).to_vec(),
        vec![TenantEvent::RunsRemoved {
            ended_before: Timestamp(BORN),
            runs: Vec::new(),
            writes: Vec::new(),
            used: RemovedUsage::default(),
        }],
        vec![TenantEvent::RequestsDenied { who: None, code: "key_unknown".into(), count: 3, since: Timestamp(1) }],
        tenant_facts(),
    ]
}

fn applied(saga: Saga) -> TenantEvent {
    let definition = saga.definition();
    let document = definition.document.clone();
    TenantEvent::SagaApplied { saga: definition.saga.clone(), version: 1, definition: definition.digest, document }
}

/// Cuts the journals into records and mixes them with the tenant's own, the first two of which come first.
fn mix(dice: &mut Dice, own: Vec<Vec<TenantEvent>>, mut journals: Vec<(RunId, Vec<Entry>)>) -> Vec<Body> {
    let entry = |event| TenantEntry { at: Timestamp(BORN), event };
    let mut own = own.into_iter().map(|events| Body::Tenant { entries: events.into_iter().map(entry).collect() });
    let mut bodies: Vec<Body> = own.by_ref().take(2).collect();
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
            bodies.extend(own.next());
        }
    }
    bodies.extend(own);
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
                    TenantEvent::SagaApplied { .. }
                    | TenantEvent::PluginInstalled { .. }
                    | TenantEvent::ResolversSet { .. }
                    | TenantEvent::HostGranted { .. }
                    | TenantEvent::HostRevoked { .. }
                    | TenantEvent::SecretSet { .. }
                    | TenantEvent::SecretRemoved { .. }
                    | TenantEvent::SecretGranted { .. }
                    | TenantEvent::SecretWithdrawn { .. }
                    | TenantEvent::HostPartChanged { .. }
                    | TenantEvent::RunsRemoved { .. }
                    | TenantEvent::RequestsDenied { .. }
                    | TenantEvent::TenantCreated { .. }
                    | TenantEvent::LimitsSet { .. }
                    | TenantEvent::TenantSuspended { .. }
                    | TenantEvent::TenantReopened { .. }
                    | TenantEvent::TenantDeleted { .. }
                    | TenantEvent::KeyCreated { .. }
                    | TenantEvent::KeyRevoked { .. }
                    | TenantEvent::PluginPublished { .. }
                    | TenantEvent::PluginVersionDeleted { .. }
                    | TenantEvent::WebhookSet { .. }
                    | TenantEvent::WebhookRemoved { .. }
                    | TenantEvent::WebhookKeysSet { .. }
                    | TenantEvent::WebhookPaused { .. } => None,
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
