//! Runs that are no longer kept: a chain proves as much as it can without their bodies, and nothing can be taken out of it unnoticed.

mod chain;

use amends_domain::audit::export::Exporter;
use amends_domain::audit::{Body, Checked, Checker, Head, Kept, Removal, Sealed};
use amends_domain::event::{Event, Outcome, TenantEntry, TenantEvent};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::time::Timestamp;
use chain::{Dice, LaneBodies, lanes, verify};
use std::collections::{BTreeMap, BTreeSet};

const LATER: Timestamp = Timestamp(2_000_000_000_000);

fn tenant() -> TenantId {
    "local".parse().expect("a name")
}

/// A lane as a host has it that removed some of the runs which ended.
struct Thinned {
    records: Vec<Sealed>,
    /// Every key that was ever written, its newest version, and whether that is a value.
    state: BTreeMap<String, (u64, bool)>,
    removed: BTreeSet<RunId>,
}

/// What the records of a lane say.
fn bodies(seed: u64, runs: u64) -> Vec<Body> {
    let LaneBodies { tenant: of, lane, bodies } = lanes(seed, runs).swap_remove(1);
    assert_eq!((of, lane), (tenant(), Lane(0)));
    bodies
}

/// The runs that ended and can be removed, with how they did.
fn ended(bodies: &[Body]) -> BTreeMap<RunId, Outcome> {
    let mut outcomes = BTreeMap::new();
    for body in bodies {
        let Body::Run { run, entries, .. } = body else { continue };
        for entry in entries {
            match &entry.event {
                Event::Ended { outcome, .. } => drop(outcomes.insert(*run, *outcome)),
                // It goes on after its end.
                _ => drop(outcomes.remove(run)),
            }
        }
    }
    outcomes.retain(|_, outcome| *outcome != Outcome::Stuck);
    outcomes
}

fn state(bodies: &[Body]) -> BTreeMap<String, (u64, bool)> {
    let mut state = BTreeMap::new();
    let mut write = |key: &str, version: u64, there: bool| {
        let known: &mut (u64, bool) = state.entry(key.to_owned()).or_default();
        *known = (*known).max((version, there));
    };
    for body in bodies {
        match body {
            Body::Run { entries, .. } => {
                for entry in entries {
                    let Event::AttemptEnded(ended) = &entry.event else { continue };
                    for w in &ended.writes {
                        write(&w.key, w.version, w.value.is_some());
                    }
                }
            }
            Body::Tenant { entries } => {
                for entry in entries {
                    let TenantEvent::StateWritten { writes } = &entry.event else { continue };
                    for w in writes {
                        write(&w.key, w.version, w.value.is_some());
                    }
                }
            }
        }
    }
    state
}

fn removal_of(bodies: &[Body], run: RunId, outcome: Outcome, removal: &mut Removal) {
    removal.add(run, outcome);
    for (seq, body) in (1..).zip(bodies) {
        match body {
            Body::Run { run: of, entries, .. } if *of == run => removal.add_record(seq, entries, body.encode().len()),
            Body::Run { .. } | Body::Tenant { .. } => {}
        }
    }
}

/// Removes about every second run that ended, in two facts.
fn thinned(seed: u64) -> Thinned {
    let mut bodies = bodies(seed, 12);
    let (state, mut dice) = (state(&bodies), Dice(seed));
    let chosen: Vec<_> = ended(&bodies).into_iter().filter(|_| dice.roll(2) == 0).collect();
    let mut removed = BTreeSet::new();
    for part in chosen.chunks(chosen.len().div_ceil(2).max(1)) {
        let mut removal = Removal::new(LATER);
        for (run, outcome) in part {
            removal_of(&bodies, *run, *outcome, &mut removal);
            removed.insert(*run);
        }
        let stored = |key: &str| Ok::<_, ()>(state.get(key).filter(|(_, there)| *there).map(|(version, _)| *version));
        let event = removal.fact(stored).expect("the state is known");
        bodies.push(Body::Tenant { entries: vec![TenantEntry { at: LATER, event }] });
    }
    let mut head = Head::genesis(&tenant(), Lane(0));
    let mut records: Vec<Sealed> = bodies.iter().map(|body| head.seal(body)).collect();
    for (record, body) in records.iter_mut().zip(&bodies) {
        if matches!(body, Body::Run { run, .. } if removed.contains(run)) {
            record.kept = Kept::Digest(record.kept.digest());
        }
    }
    Thinned { records, state, removed }
}

/// What a checker says of the records of one lane.
fn read(records: &[Sealed]) -> Result<BTreeMap<String, u64>, String> {
    let mut checker = Checker::default();
    loop {
        let mut head = Head::genesis(&tenant(), Lane(0));
        let mut found = Ok(());
        for record in records {
            found = match head.check(record) {
                Ok(Some(body)) => checker.take(record.seq, &body),
                Ok(None) => {
                    checker.take_removed(record.seq);
                    Ok(())
                }
                Err(broken) => Err(broken),
            };
            if found.is_err() {
                break;
            }
        }
        found = found.and_then(|()| checker.end_lane());
        match checker.finish() {
            Checked::Again(again) => checker = *again,
            Checked::Done(implied) => return found.map(|()| implied.versions()).map_err(|broken| broken.to_string()),
        }
    }
}

fn export(records: &[Sealed]) -> Vec<u8> {
    let mut exporter = Exporter::default();
    let mut file = exporter.section(&tenant(), Lane(0));
    for record in records {
        file.extend(exporter.record(record).expect("the links are right").0);
    }
    file.extend(exporter.end_section());
    file.extend(exporter.end());
    file
}

#[test]
fn a_chain_without_the_bodies_of_removed_runs_verifies_and_implies_the_same_state() {
    let mut removed = 0;
    for seed in 0..40 {
        let lane = thinned(seed);
        removed += lane.removed.len();
        let kept = lane.state.iter().filter(|(_, (_, there))| *there).map(|(key, (version, _))| (key.clone(), *version));
        assert_eq!(read(&lane.records), Ok(kept.collect()), "seed {seed}");
        let report = verify(&export(&lane.records)).expect("it is whole").remove(0);
        assert_eq!(report.counts.removed, lane.removed.len() as u64, "seed {seed}");
        assert_eq!(report.counts.records, lane.records.len() as u64, "seed {seed}");
        let whole = verify(&chain::export(&lanes(seed, 12))).expect("it is whole");
        assert!(whole.iter().all(|report| report.counts.removed == 0), "seed {seed}");
    }
    assert!(removed > 100, "{removed} runs were removed");
}

#[test]
fn a_body_that_no_fact_explains_is_missed() {
    for seed in 0..10 {
        let lane = thinned(seed);
        for at in 0..lane.records.len() {
            let mut records = lane.records.clone();
            if records[at].kept.body().is_none() {
                continue;
            }
            records[at].kept = Kept::Digest(records[at].kept.digest());
            assert!(read(&records).is_err(), "seed {seed}: the body of record {} can go unnoticed", at + 1);
            assert!(verify(&export(&records)).is_err(), "seed {seed}: the body of record {} can go unnoticed", at + 1);
        }
    }
}

#[test]
fn a_body_that_was_read_before_it_was_removed_is_no_harm_and_no_other_value_is() {
    for seed in 0..10 {
        let lane = thinned(seed);
        let whole = bodies(seed, 12);
        let mut records = lane.records.clone();
        // Whoever reads page by page has the beginning as it was before.
        let read_before = Dice(seed).roll(whole.len());
        for (record, body) in records.iter_mut().zip(&whole).take(read_before) {
            record.kept = Kept::Body(body.encode().into());
        }
        assert_eq!(read(&records), read(&lane.records), "seed {seed}");
    }
    let mut bodies = bodies(3, 6);
    let removed = |bodies: &[Body]| {
        let mut removal = Removal::new(LATER);
        for (run, outcome) in ended(bodies) {
            removal_of(bodies, run, outcome, &mut removal);
        }
        removal.fact(|_| Ok::<_, ()>(None)).expect("nothing to ask")
    };
    let mut event = removed(&bodies);
    let TenantEvent::RunsRemoved { writes, .. } = &mut event else { panic!("{event:?}") };
    writes[0].value = Some(amends_domain::digest::Digest::of(b"another"));
    bodies.push(Body::Tenant { entries: vec![TenantEntry { at: LATER, event }] });
    let mut head = Head::genesis(&tenant(), Lane(0));
    let records: Vec<Sealed> = bodies.iter().map(|body| head.seal(body)).collect();
    assert!(read(&records).is_err_and(|what| what.contains("another value")), "{:?}", read(&records));
}

#[test]
fn in_the_first_format_every_record_has_its_body() {
    let file =
        String::from_utf8(export(&thinned(1).records)).expect("JSON is text").replacen("amends-audit/2", "amends-audit/1", 1);
    let flaw = verify(file.as_bytes()).expect_err("bodies are missing");
    assert!(flaw.what.contains("missing field `body`"), "{flaw}");
}

#[test]
fn what_removed_runs_used_is_in_the_fact() {
    let bodies = bodies(5, 12);
    let (run, outcome) = ended(&bodies).pop_first().expect("some ended");
    let mut removal = Removal::new(LATER);
    removal_of(&bodies, run, outcome, &mut removal);
    let event = removal.fact(|_| Ok::<_, ()>(None)).expect("nothing to ask");
    let TenantEvent::RunsRemoved { runs, used, .. } = &event else { panic!("{event:?}") };
    let len: usize = runs[0].records.iter().map(|seq| bodies[usize::try_from(*seq).expect("few") - 1].encode().len()).sum();
    assert_eq!((used.runs, used.stored_bytes), (1, len as u64));
    let usage = amends_domain::quota::Usage::of_tenant(&event);
    assert_eq!((usage.removed_bytes, usage.stored_bytes, usage.runs), (len as u64, 0, 0), "nothing is billed twice");
}
