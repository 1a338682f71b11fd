//! The stored form of every fact, and its readable form in an export. Both are in files that nobody can rewrite, so neither may ever
//! change: what is compared here was written once. A new variant stops the compiler until it has an example.

use amends_domain::audit::export::Exporter;
use amends_domain::audit::{Body, Head};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Author, Cause, Confirmation, Demand, Demanded, Direction, Ending, Entry, Event, Failure, Fault, Halt,
    HostGrant, InFlight, LimitName, LogLevel, LogLine, Omission, Outcome, PartState, Reach, RemovedRun, RemovedUsage, RemovedWrite,
    Resolution, Resolve, Resolvers, Role, Spent, Started, TenantEntry, TenantEvent, Transport, WaitEnd, WebhookKey, Write,
};
use amends_domain::id::{KeyId, Lane, RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const AT: Timestamp = Timestamp(1_764_000_000_123);

/// Every variant of a type with its name and an example, as `(name, example)`. The `match` that is made of the same lines has no `_`.
macro_rules! every {
    ($kind:ident: $($pattern:pat => $name:literal, $example:expr;)*) => {{
        fn name(example: &$kind) -> &'static str {
            match example { $($pattern => $name),* }
        }
        let examples: Vec<(&'static str, $kind)> = vec![$(($name, $example)),*];
        for (wanted, example) in &examples {
            assert_eq!(name(example), *wanted, "the example is of another variant");
        }
        examples
    }};
}

fn attempt(direction: Direction) -> AttemptRef {
    AttemptRef { step: StepIndex(300), direction, number: 2 }
}

fn of_run(event: Event) -> Body {
    Body::Run { run: RunId(0x0199_0000_0000_0000_0000_0000_0000_0007), previous: 300, entries: vec![Entry { at: AT, event }] }
}

fn of_tenant(event: TenantEvent) -> Body {
    Body::Tenant { entries: vec![TenantEntry { at: AT, event }] }
}

fn ended(ending: Ending, level: LogLevel) -> Event {
    Event::AttemptEnded(Box::new(AttemptEnded {
        attempt: attempt(Direction::Forward),
        ending,
        spent: Spent { fuel: 1_000_000_000, micros: 250, conflicts: 1 },
        log: vec![LogLine { level, message: "a \"line\"".into() }],
        writes: vec![write()],
    }))
}

fn write() -> Write {
    Write { key: "stock/ä".into(), version: 7, value: Some(Payload::from(vec![0xff, 0x00])) }
}

fn ok() -> Ending {
    Ending::Ok { output: Payload::from(r#" {"total": 12.50, "z": 1e400, "a": [null, true, "\u00e4"]}"#) }
}

fn failed(failure: Failure) -> Ending {
    let fault = Fault {
        code: "card_declined".into(),
        message: "no".into(),
        details: Some(Payload::from(r#"{"total":12.50,"big":12345678901234567890}"#)),
    };
    Ending::Failed { failure, fault, retry_after: Some(Span(1500)) }
}

fn halted(halt: Halt) -> Ending {
    Ending::Halted { halt, message: "wasm trap: unreachable\n".into() }
}

fn events() -> Vec<(&'static str, Event)> {
    let step = StepIndex(300);
    every! { Event:
        Event::Started(_) => "started", Event::Started(Box::new(Started {
            saga: "order.fulfillment".parse().expect("a name"),
            version: 3,
            definition: Digest::of(b"document"),
            components: vec![("orders".parse().expect("a name"), Digest::of(b"component"))],
            input: Payload::from("{}"),
            key: Some("key".into()),
            parent: None,
        }));
        Event::Adopted => "adopted", Event::Adopted;
        Event::AttemptStarted { .. } => "attempt-started", Event::AttemptStarted { attempt: attempt(Direction::Forward), input: Some(Payload::from("1")) };
        Event::EffectIntended { .. } => "effect-intended", Event::EffectIntended {
            attempt: attempt(Direction::Forward), call: 1, method: "POST".into(), target: "https://example.com/".into(),
        };
        Event::EffectAnswered { .. } => "effect-answered", Event::EffectAnswered {
            attempt: attempt(Direction::Forward), call: 1, status: 503, response: Some(Payload::from("<plain>")),
        };
        Event::AttemptEnded(_) => "attempt-ended", ended(ok(), LogLevel::Info);
        Event::RetryScheduled { .. } => "retry-scheduled", Event::RetryScheduled { step, direction: Direction::Backward, due: AT };
        Event::StepFailed { .. } => "step-failed", Event::StepFailed { step, fault: Some(Fault::new("mapping_failed", "why")) };
        Event::CompensationStarted { .. } => "compensation-started", Event::CompensationStarted { cause: Cause::StepFailed(step) };
        Event::CompensationOmitted { .. } => "compensation-omitted", Event::CompensationOmitted { step, reason: Omission::ProvenClean };
        Event::CompensationFailed { .. } => "compensation-failed", Event::CompensationFailed { step };
        Event::Ended { .. } => "ended", Event::Ended { outcome: Outcome::Succeeded, output: Some(Payload::from("null")), fault: None };
        Event::Delayed { .. } => "delayed", Event::Delayed { until: AT };
        Event::StepSkipped { .. } => "step-skipped", Event::StepSkipped { step };
        Event::WaitStarted { .. } => "wait-started", Event::WaitStarted { step, due: Some(AT) };
        Event::WaitEnded { .. } => "wait-ended", Event::WaitEnded { step, end: WaitEnd::Signalled };
        Event::Demanded(_) => "demanded", demanded(Demand::Pause);
    }
}

fn demanded(demand: Demand) -> Event {
    let by = Author { who: "bea@example.com".into(), why: Some("because".into()), key: Some("key".into()) };
    Event::Demanded(Box::new(Demanded { demand, by }))
}

fn resolve(resolution: Resolution, confirmation: Confirmation) -> Demand {
    let (evidence, output) = (Some(Payload::from(r#"{"ticket":17}"#)), Some(Payload::from("null")));
    Demand::Resolve(Box::new(Resolve { step: StepIndex(300), resolution, evidence, output, confirmation }))
}

fn grant(transport: Transport, reach: Reach) -> HostGrant {
    HostGrant { host: "*.example.com".into(), port: Some(8443), methods: vec!["POST".into()], transport, reach }
}

fn granted(transport: Transport, reach: Reach) -> Body {
    of_tenant(TenantEvent::HostGranted {
        plugin: "orders".parse().expect("a name"),
        grant: grant(transport, reach),
        by: "ada".into(),
    })
}

fn tenant_events() -> Vec<(&'static str, TenantEvent)> {
    every! { TenantEvent:
        TenantEvent::SagaApplied { .. } => "saga-applied", TenantEvent::SagaApplied {
            saga: "s".parse().expect("a name"), version: 1, definition: Digest::of(b"{}"), document: Payload::from("{}"),
        };
        TenantEvent::PluginInstalled { .. } => "plugin-installed", TenantEvent::PluginInstalled {
            plugin: "orders".parse().expect("a name"), component: Digest::of(b"component"), size: 4711,
        };
        TenantEvent::StateWritten { .. } => "state-written", TenantEvent::StateWritten {
            writes: vec![write(), Write { key: String::new(), version: u64::MAX, value: None }],
        };
        TenantEvent::ResolversSet { .. } => "resolvers-set", TenantEvent::ResolversSet { resolvers: Resolvers::Two, by: "ada".into() };
        TenantEvent::HostGranted { .. } => "host-granted", TenantEvent::HostGranted {
            plugin: "orders".parse().expect("a name"), grant: grant(Transport::Tls, Reach::Public), by: "ada".into(),
        };
        TenantEvent::HostRevoked { .. } => "host-revoked", TenantEvent::HostRevoked {
            plugin: "orders".parse().expect("a name"), place: "*.example.com:8443".into(), by: "ada".into(),
        };
        TenantEvent::SecretSet { .. } => "secret-set", TenantEvent::SecretSet {
            secret: "token".parse().expect("a name"), sealed: Digest::of(b"new"), replaces: Some(Digest::of(b"old")), by: "ada".into(),
        };
        TenantEvent::SecretRemoved { .. } => "secret-removed", TenantEvent::SecretRemoved {
            secret: "token".parse().expect("a name"), sealed: Digest::of(b"new"), by: "ada".into(),
        };
        TenantEvent::SecretGranted { .. } => "secret-granted", TenantEvent::SecretGranted {
            secret: "token".parse().expect("a name"), plugin: "orders".parse().expect("a name"), by: "ada".into(),
        };
        TenantEvent::SecretWithdrawn { .. } => "secret-withdrawn", TenantEvent::SecretWithdrawn {
            secret: "token".parse().expect("a name"), plugin: "orders".parse().expect("a name"), by: "ada".into(),
        };
        TenantEvent::TenantCreated { .. } => "tenant-created", TenantEvent::TenantCreated { by: "ada".into() };
        TenantEvent::LimitsSet { .. } => "limits-set", TenantEvent::LimitsSet {
            limits: vec![(LimitName::Weight, 200), (LimitName::StoredBytes, u64::MAX)], by: "ada".into(),
        };
        TenantEvent::TenantSuspended { .. } => "tenant-suspended", TenantEvent::TenantSuspended {
            reason: "unpaid".into(), by: "ada".into(),
        };
        TenantEvent::TenantReopened { .. } => "tenant-reopened", TenantEvent::TenantReopened { by: "ada".into() };
        TenantEvent::TenantDeleted { .. } => "tenant-deleted", TenantEvent::TenantDeleted { by: "ada".into() };
        TenantEvent::KeyCreated { .. } => "key-created", key_created(Role::Developer);
        TenantEvent::KeyRevoked { .. } => "key-revoked", TenantEvent::KeyRevoked { key: KeyId(7 << 64), by: "ada".into() };
        TenantEvent::PluginPublished { .. } => "plugin-published", TenantEvent::PluginPublished {
            plugin: "orders".parse().expect("a name"), version: "1.4.0-rc.1+g77".parse().expect("a version"),
            component: Digest::of(b"component"), size: 4711, by: "ada".into(),
        };
        TenantEvent::PluginVersionDeleted { .. } => "plugin-version-deleted", TenantEvent::PluginVersionDeleted {
            plugin: "orders".parse().expect("a name"), version: "1.4.0-rc.1+g77".parse().expect("a version"), by: "ada".into(),
        };
        TenantEvent::WebhookSet { .. } => "webhook-set", TenantEvent::WebhookSet {
            webhook: "billing".parse().expect("a name"), url: "https://example.com/hooks".into(),
            types: vec!["workflow.saga.*".into()], secret: Some("token".parse().expect("a name")), by: "ada".into(),
        };
        TenantEvent::WebhookRemoved { .. } => "webhook-removed", TenantEvent::WebhookRemoved {
            webhook: "billing".parse().expect("a name"), by: "ada".into(),
        };
        TenantEvent::HostPartChanged { .. } => "host-part-changed", TenantEvent::HostPartChanged {
            part: "disk".into(), state: PartState::Failing, says: "almost full".into(),
        };
        TenantEvent::RunsRemoved { .. } => "runs-removed", TenantEvent::RunsRemoved {
            ended_before: AT,
            runs: vec![RemovedRun { run: RunId(7), outcome: Outcome::Compensated, records: vec![3, 300] }],
            writes: vec![
                RemovedWrite { key: "stock".into(), version: 4, value: Some(Digest::of(b"5")) },
                RemovedWrite { key: "gone".into(), version: 5, value: None },
            ],
            used: RemovedUsage {
                runs: 1, attempts: 2, compensations: 3, fuel: 4, micros: 5, stored_bytes: 600, requests: 7, log_bytes: 8,
            },
        };
        TenantEvent::WebhookKeysSet { .. } => "webhook-keys-set", TenantEvent::WebhookKeysSet {
            webhook: "billing".parse().expect("a name"),
            keys: vec![
                WebhookKey { sealed: Digest::of(b"new"), until: None },
                WebhookKey { sealed: Digest::of(b"old"), until: Some(AT) },
            ],
            destroyed: vec![Digest::of(b"older")],
            by: "ada".into(),
        };
        TenantEvent::WebhookPaused { .. } => "webhook-paused", TenantEvent::WebhookPaused {
            webhook: "billing".parse().expect("a name"), reason: "it answered 410".into(), by: "host".into(),
        };
        TenantEvent::RequestsDenied { .. } => "requests-denied", TenantEvent::RequestsDenied {
            who: Some("ci (key_1)".into()), code: "not_allowed".into(), count: 4711, since: AT,
        };
    }
}

fn key_created(role: Role) -> TenantEvent {
    let (key, name) = (KeyId(7 << 64), "ci".parse().expect("a name"));
    TenantEvent::KeyCreated { key, name, role, token: Digest::of(b"token"), expires: Some(AT), by: "ada".into() }
}

/// The smaller words of the facts of a tenant.
fn tenant_words() -> Vec<(String, Body)> {
    let roles = every! { Role:
        Role::Operator => "operator", Role::Operator;
        Role::TenantAdmin => "tenant-admin", Role::TenantAdmin;
        Role::Developer => "developer", Role::Developer;
        Role::Starter => "starter", Role::Starter;
        Role::Viewer => "viewer", Role::Viewer;
    };
    let limited = |name| TenantEvent::LimitsSet { limits: vec![(name, 7)], by: "ada".into() };
    let limits = LimitName::ALL.iter().map(|name| (format!("limit.{}", name.word()), of_tenant(limited(*name))));
    roles.into_iter().map(|(name, role)| (format!("role.{name}"), of_tenant(key_created(role)))).chain(limits).collect()
}

/// The smaller words, each in a fact that has it.
fn words() -> Vec<(String, Event)> {
    let mut words = Vec::new();
    let mut add = |kind: &str, name: &str, event| words.push((format!("{kind}.{name}"), event));
    for (name, direction) in every! { Direction:
        Direction::Forward => "forward", Direction::Forward;
        Direction::Backward => "backward", Direction::Backward;
    } {
        add("direction", name, Event::AttemptStarted { attempt: attempt(direction), input: None });
    }
    for (name, ending) in every! { Ending:
        Ending::Ok { .. } => "ok", ok();
        Ending::Failed { .. } => "failed", failed(Failure::Rejected);
        Ending::Halted { .. } => "halted", halted(Halt::Trap);
    } {
        add("ending", name, ended(ending, LogLevel::Info));
    }
    for (name, failure) in every! { Failure:
        Failure::Rejected => "rejected", Failure::Rejected;
        Failure::Unavailable => "unavailable", Failure::Unavailable;
        Failure::Uncertain => "uncertain", Failure::Uncertain;
    } {
        add("failure", name, ended(failed(failure), LogLevel::Info));
    }
    for (name, halt) in every! { Halt:
        Halt::Trap => "trap", Halt::Trap;
        Halt::OutOfFuel => "out-of-fuel", Halt::OutOfFuel;
        Halt::Timeout => "timeout", Halt::Timeout;
        Halt::OutOfMemory => "out-of-memory", Halt::OutOfMemory;
        Halt::Oversized => "oversized", Halt::Oversized;
        Halt::Lost => "lost", Halt::Lost;
        Halt::Cancelled => "cancelled", Halt::Cancelled;
    } {
        add("halt", name, ended(halted(halt), LogLevel::Info));
    }
    for (name, level) in every! { LogLevel:
        LogLevel::Debug => "debug", LogLevel::Debug;
        LogLevel::Info => "info", LogLevel::Info;
        LogLevel::Warn => "warn", LogLevel::Warn;
        LogLevel::Error => "error", LogLevel::Error;
    } {
        add("log-level", name, ended(ok(), level));
    }
    for (name, cause) in every! { Cause:
        Cause::StepFailed(_) => "step-failed", Cause::StepFailed(StepIndex(300));
        Cause::DeadlinePassed => "deadline-passed", Cause::DeadlinePassed;
        Cause::Cancelled => "cancelled", Cause::Cancelled;
        Cause::Requested { .. } => "requested", Cause::Requested { from: Some(StepIndex(300)) };
    } {
        add("cause", name, Event::CompensationStarted { cause });
    }
    for (name, reason) in every! { Omission:
        Omission::ProvenClean => "proven-clean", Omission::ProvenClean;
        Omission::NotDeclared => "not-declared", Omission::NotDeclared;
        Omission::OnlyWaited => "only-waited", Omission::OnlyWaited;
    } {
        add("omission", name, Event::CompensationOmitted { step: StepIndex(300), reason });
    }
    for (name, outcome) in every! { Outcome:
        Outcome::Succeeded => "succeeded", Outcome::Succeeded;
        Outcome::Compensated => "compensated", Outcome::Compensated;
        Outcome::Stuck => "stuck", Outcome::Stuck;
        Outcome::Killed => "killed", Outcome::Killed;
    } {
        add("outcome", name, Event::Ended { outcome, output: None, fault: Some(Fault::new("mapping_failed", "why")) });
    }
    for (name, end) in every! { WaitEnd:
        WaitEnd::Elapsed => "elapsed", WaitEnd::Elapsed;
        WaitEnd::Signalled => "signalled", WaitEnd::Signalled;
        WaitEnd::TimedOut => "timed-out", WaitEnd::TimedOut;
    } {
        add("wait-end", name, Event::WaitEnded { step: StepIndex(300), end });
    }
    let started = |key: Option<&str>| {
        let (saga, definition) = ("s".parse().expect("a name"), Digest::of(b"document"));
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok();
        let (components, input, key) = (Vec::new(), Payload::from("{}"), key.map(str::to_owned));
        Event::Started(Box::new(Started { saga, version: 3, definition, components, input, key, parent }))
    };
    add("start", "with-parent", started(None));
    add("start", "with-key-and-parent", started(Some("key")));
    words.extend(demands());
    words
}

/// What people may ask of a run.
fn demands() -> Vec<(String, Event)> {
    let mut words = Vec::new();
    let mut add = |kind: &str, name: &str, demand| words.push((format!("{kind}.{name}"), demanded(demand)));
    let (step, undone) = (StepIndex(300), Resolution::Undone);
    for (name, demand) in every! { Demand:
        Demand::Cancel { .. } => "cancel", Demand::Cancel { in_flight: InFlight::MayEnd };
        Demand::Pause => "pause", Demand::Pause;
        Demand::Resume => "resume", Demand::Resume;
        Demand::Signal { .. } => "signal", Demand::Signal { name: "approved".parse().expect("a name"), payload: Payload::from("{}") };
        Demand::Retry => "retry", Demand::Retry;
        Demand::Compensate { .. } => "compensate", Demand::Compensate { from: Some(step) };
        Demand::Redrive { .. } => "redrive", Demand::Redrive { step, component: Some(Digest::of(b"component")) };
        Demand::Resolve(_) => "resolve", resolve(undone, Confirmation::NotNeeded);
        Demand::Kill => "kill", Demand::Kill;
    } {
        add("demand", name, demand);
    }
    for (name, in_flight) in every! { InFlight:
        InFlight::MayEnd => "may-end", InFlight::MayEnd;
        InFlight::EndNow => "end-now", InFlight::EndNow;
    } {
        add("in-flight", name, Demand::Cancel { in_flight });
    }
    for (name, resolution) in every! { Resolution:
        Resolution::Done => "done", Resolution::Done;
        Resolution::Undone => "undone", Resolution::Undone;
    } {
        add("resolution", name, resolve(resolution, Confirmation::NotNeeded));
    }
    for (name, confirmation) in every! { Confirmation:
        Confirmation::NotNeeded => "not-needed", Confirmation::NotNeeded;
        Confirmation::Awaited => "awaited", Confirmation::Awaited;
        Confirmation::Given => "given", Confirmation::Given;
    } {
        add("confirmation", name, resolve(undone, confirmation));
    }
    words
}

fn grants() -> Vec<(String, Body)> {
    let transports = every! { Transport:
        Transport::Tls => "tls", Transport::Tls;
        Transport::Any => "any", Transport::Any;
    };
    let reaches = every! { Reach:
        Reach::Public => "public", Reach::Public;
        Reach::Loopback => "loopback", Reach::Loopback;
    };
    let transports = transports.into_iter().map(|(name, word)| (format!("transport.{name}"), granted(word, Reach::Public)));
    let reaches = reaches.into_iter().map(|(name, word)| (format!("reach.{name}"), granted(Transport::Tls, word)));
    transports.chain(reaches).collect()
}

fn examples() -> Vec<(String, Body)> {
    let bodies = every! { Body:
        Body::Run { .. } => "run", Body::Run {
            run: RunId(1), previous: 0,
            entries: vec![Entry { at: AT, event: Event::Adopted }, Entry { at: Timestamp(u64::MAX), event: Event::Adopted }],
        };
        Body::Tenant { .. } => "tenant", of_tenant(TenantEvent::StateWritten { writes: Vec::new() });
    };
    let bodies = bodies.into_iter().map(|(name, body)| (format!("body.{name}"), body));
    let events = events().into_iter().map(|(name, event)| (format!("event.{name}"), of_run(event)));
    let tenant_events = tenant_events().into_iter().map(|(name, event)| (format!("tenant-event.{name}"), of_tenant(event)));
    let resolvers = every! { Resolvers:
        Resolvers::One => "one", Resolvers::One;
        Resolvers::Two => "two", Resolvers::Two;
    };
    let set = |resolvers| of_tenant(TenantEvent::ResolversSet { resolvers, by: "ada".into() });
    let resolvers = resolvers.into_iter().map(|(name, resolvers)| (format!("resolvers.{name}"), set(resolvers)));
    let words =
        words().into_iter().map(|(name, event)| (name, of_run(event))).chain(resolvers).chain(grants()).chain(tenant_words());
    bodies.chain(events).chain(tenant_events).chain(words).collect()
}

/// Compares what each example is now with what a file of `tests/golden` says by its name; `meaning` says what a changed line is.
fn check(file: &str, now: &[(String, String)], meaning: &str) {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some_and(|set| set == "1") {
        let lines: String = now.iter().flat_map(|(name, form)| [name, " ", form, "\n"]).collect();
        std::fs::write(&path, lines).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let mut golden: BTreeMap<&str, &str> = golden.lines().map(|line| line.split_once(' ').expect("a name and a form")).collect();
    let mut new = Vec::new();
    for (name, form) in now {
        match golden.remove(name.as_str()) {
            Some(was) => assert_eq!(form, was, "`{name}` of {path} has changed: {meaning}"),
            None => new.push(name),
        }
    }
    assert!(golden.is_empty(), "{:?} of {path} are gone: {meaning}", golden.keys());
    assert!(new.is_empty(), "{new:?} are not in {path}: add them with AMENDS_RENEW_GOLDEN=1 cargo test -p amends-domain");
}

#[test]
fn every_fact_has_the_stored_form_that_it_always_had() {
    let now: Vec<_> = examples()
        .into_iter()
        .map(|(name, body)| {
            let stored = body.encode();
            assert_eq!(Body::decode(&stored), Ok(body), "{name}");
            let hex = stored.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a string takes all");
                hex
            });
            (name, hex)
        })
        .collect();
    check(
        "events.txt",
        &now,
        "a data file of an earlier release would no longer open, or be read as something that did not happen. Put the variant or the \
         field back where it was; what is new is a new variant at the end. AMENDS_RENEW_GOLDEN=1 is for lines that no release has written",
    );
}

#[test]
fn every_fact_reads_in_an_export_as_it_always_did() {
    let (tenant, lane) = ("local".parse().expect("a name"), Lane(0));
    let now: Vec<_> = examples()
        .into_iter()
        .map(|(name, body)| {
            let mut exporter = Exporter::default();
            drop(exporter.section(&tenant, lane));
            let (rendered, _) = exporter.record(&Head::genesis(&tenant, lane).seal(&body)).expect("the links are right");
            (name, String::from_utf8(rendered).expect("JSON is text").trim_end().to_owned())
        })
        .collect();
    check(
        "export_lines.txt",
        &now,
        "exports of an earlier release would no longer verify. Put the names back; where a library writes JSON otherwise now, pin it or \
         make amends-audit/2. AMENDS_RENEW_GOLDEN=1 is for lines that no release has written",
    );
}
