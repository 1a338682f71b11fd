//! The promises of `Store`, asked of both stores; then what only the file promises: that it is found again, whole, after any end.

#[path = "store/author.rs"]
mod author;
#[path = "store/collect.rs"]
mod collect;
#[path = "store/compact.rs"]
mod compact;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/facts.rs"]
mod facts;
#[path = "store/removal.rs"]
mod removal;
#[path = "store/tenants.rs"]
mod tenants;

use amends::store::memory::{Fate, MemoryStore};
use amends::store::redb::RedbStore;
use amends::store::{PAGE_LEN_MAX, Store, StoreError, verify_tail};
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Outcome, Resolvers, TenantEvent};
use amends_domain::id::{Lane, PluginName, RunId, SagaName};
use amends_domain::payload::Payload;
use amends_domain::run::{RunHead, RunStatus};
use author::{Author, Deed};
use facts::{ENDED, adopted, head, started, tenant, write, wrote};
use proptest::prelude::*;
use std::path::Path;
use tempfile::TempDir;

const RUNNING: RunStatus = RunStatus::Running;

/// Asks both stores, each empty at first.
fn check(promise: impl Fn(&dyn Store)) {
    promise(&MemoryStore::new());
    let dir = TempDir::new().expect("a directory");
    promise(&open(dir.path()));
}

fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir).expect("it opens")
}

/// The file as a process that is killed now would leave it.
fn crash_image(dir: &Path) -> TempDir {
    let image = TempDir::new().expect("a directory");
    std::fs::copy(dir.join("amends.redb"), image.path().join("amends.redb")).expect("a copy");
    image
}

/// All answers of a store that a test can name, as text.
fn answers(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let mut all = vec![format!("{:?}", store.lanes()?)];
    for name in ["a", "b", "nobody"] {
        let tenant = tenant(name);
        all.push(format!("{name} open {:?}", pages(|after, len| store.open_runs(&tenant, after, len), |row| row.run)?));
        all.push(format!("{name} dead {:?}", pages(|after, len| store.runs_with_dead_letters(&tenant, after, len), |run| *run)?));
        all.push(format!("{name} {:?}", store.resolvers(&tenant)?));
        let runs = pages(|before, len| store.runs(&tenant, before, len), |row| row.0)?;
        for (run, _) in &runs {
            let journal = store.journal(&tenant, *run)?;
            all.push(format!("{name} {run} {:?} {:?} {journal:?}", store.run(&tenant, *run)?, store.last_record(&tenant, *run)?));
        }
        all.push(format!("{name} runs {runs:?}"));
        for lane in [0, 1] {
            let records =
                pages(|from, len| store.records(&tenant, Lane(lane), from.map_or(1, |seq: u64| seq + 1), len), |row| row.seq)?;
            all.push(format!("{name} lane {lane} {records:?}"));
        }
        let states = pages(|after: Option<String>, len| store.states(&tenant, after.as_deref(), len), |row| row.0.clone())?;
        for key in ["k0", "k1", "k2"] {
            let found = states.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
            assert_eq!(store.state(&tenant, key)?, found, "{name} {key}");
            all.push(format!("{name} {key} {found:?} {:?}", store.run_of_key(&tenant, key)?));
        }
        let saga = store.saga(&tenant, &"order".parse().expect("a name"))?;
        let document = saga.as_ref().map(|row| store.definition(&tenant, row.definition)).transpose()?;
        all.push(format!("{name} {saga:?} {document:?} {:?}", store.plugin(&tenant, &"orders".parse().expect("a name"))?));
        all.push(format!("{name} webhooks {:?}", store.webhook_cursors(&tenant)?));
        all.push(format!("{name} facts {:?} used {:?}", store.tenant_facts(&tenant)?, store.usage(&tenant)?));
        let sagas = pages(|after: Option<SagaName>, len| store.sagas(&tenant, after.as_ref(), len), |row| row.0.clone())?;
        let plugins = pages(|after: Option<PluginName>, len| store.plugins(&tenant, after.as_ref(), len), |row| row.0.clone())?;
        for (saga, row) in &sagas {
            assert_eq!(store.saga(&tenant, saga)?.as_ref(), Some(row), "{name} {saga}");
            let versions =
                (0..=row.version).map(|version| store.saga_version(&tenant, saga, version)).collect::<Result<Vec<_>, _>>()?;
            all.push(format!("{name} {saga} {versions:?}"));
        }
        for (plugin, component) in &plugins {
            assert_eq!(store.plugin(&tenant, plugin)?, Some(*component), "{name} {plugin}");
        }
        all.push(format!("{name} {sagas:?} {plugins:?}"));
    }
    all.push(format!("{:?}", store.component(Digest::of(b"wasm"))?));
    Ok(all)
}

/// All rows, two at a time.
fn pages<T, K>(page: impl Fn(Option<K>, usize) -> Result<Vec<T>, StoreError>, key: impl Fn(&T) -> K) -> Result<Vec<T>, StoreError> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let rows = page(all.last().map(&key), 2)?;
        assert!(rows.len() <= 2, "no page is longer than asked");
        if rows.is_empty() {
            return Ok(all);
        }
        all.extend(rows);
    }
}

#[test]
fn a_journal_is_read_back_over_many_records() {
    check(|store| {
        let mut author = Author::default();
        for at in 0..30_u64 {
            let deeds = (0..50).flat_map(|i| {
                let at = at * 50 + i;
                let first = if at == 0 { started(at, None) } else { adopted(at) };
                [("a", 0, Deed::Run(7, vec![first, adopted(at)], head(RUNNING, at))), ("a", 0, Deed::Tenant(Vec::new()))]
            });
            store.commit(&author.commit(deeds.collect())).expect("it follows");
        }
        let journal = store.journal(&tenant("a"), RunId(7)).expect("it is whole").expect("there is such a run");
        let instants: Vec<u64> = journal.iter().map(|entry: &Entry| entry.at.0).collect();
        assert_eq!(instants, (0..1500).flat_map(|at| [at, at]).collect::<Vec<_>>());
        assert_eq!(store.last_record(&tenant("a"), RunId(7)).expect("an answer"), Some(2999));
        assert_eq!(store.records(&tenant("a"), Lane(0), 1, usize::MAX).expect("a page").len(), PAGE_LEN_MAX);
        verify_tail(store, u64::MAX).expect("the chain is whole");
    });
}

#[test]
fn a_value_gives_way_to_a_higher_version_only() {
    type Case<'a> = (&'a [(u64, Option<&'static str>)], Option<(u64, &'a str)>);
    let cases: [Case<'_>; 6] = [
        (&[(1, Some("1"))], Some((1, "1"))),
        (&[(1, Some("1")), (2, Some("2"))], Some((2, "2"))),
        (&[(2, Some("2")), (1, Some("1"))], Some((2, "2"))),
        (&[(2, Some("2")), (1, None)], Some((2, "2"))),
        (&[(1, Some("1")), (2, None)], None),
        (&[(1, Some("1")), (2, None), (3, Some("3"))], Some((3, "3"))),
    ];
    for (writes, expected) in cases {
        check(|store| {
            let mut author = Author::default();
            for (version, value) in writes {
                let entries = vec![wrote(0, vec![write("k", *version, *value)])];
                store.commit(&author.run("a", 1, entries, head(RUNNING, 0))).expect("it follows");
            }
            let found = store.state(&tenant("a"), "k").expect("an answer");
            assert_eq!(
                found.map(|v| (v.version, v.value)),
                expected.map(|(n, v)| (n, Payload::from(v.as_bytes().to_vec()))),
                "{writes:?}"
            );
            let highest = writes.iter().map(|w| w.0).max().expect("there are writes");
            assert_eq!(store.lanes().expect("an answer")[0].state_version, highest);
            assert_eq!(store.state(&tenant("b"), "k").expect("an answer"), None, "another tenant's");
        });
    }
}

#[test]
fn a_run_is_open_from_its_first_commit_to_the_one_that_ends_it() {
    check(|store| {
        let mut author = Author::default();
        let open = || store.open_runs(&tenant("a"), None, 10).expect("an answer").iter().map(|row| row.run.0).collect::<Vec<_>>();
        let commits: [(u128, RunStatus, &[u128]); 6] = [
            (2, RUNNING, &[2]),
            (1, RUNNING, &[1, 2]),
            (3, ENDED, &[1, 2]),
            (2, RunStatus::Compensating, &[1, 2]),
            (1, ENDED, &[2]),
            (2, ENDED, &[]),
        ];
        for (run, status, expected) in commits {
            store.commit(&author.run("a", run, vec![adopted(1)], head(status, 1))).expect("it follows");
            assert_eq!(open(), expected, "{run} {status:?}");
        }
        let runs = store.runs(&tenant("a"), None, 10).expect("an answer");
        assert_eq!(runs.iter().map(|(run, _)| run.0).collect::<Vec<_>>(), [3, 2, 1], "newest first, ended or not");
    });
}

#[test]
fn a_run_is_among_those_with_dead_letters_while_it_has_some() {
    check(|store| {
        let mut author = Author::default();
        let stuck = RunStatus::Ended(Outcome::Stuck);
        let with = |status, dead_letters| RunHead { dead_letters, ..head(status, 0) };
        for (run, entries, head, expected) in [
            (1, vec![started(0, None)], with(RUNNING, 0), vec![]),
            (2, vec![started(0, None)], with(stuck, 2), vec![2]),
            (1, vec![adopted(0)], with(RunStatus::Compensating, 1), vec![1, 2]),
            (2, vec![adopted(0)], with(RunStatus::Compensating, 1), vec![1, 2]),
            (2, vec![adopted(0)], with(RunStatus::Ended(Outcome::Compensated), 0), vec![1]),
            (1, vec![adopted(0)], with(stuck, 1), vec![1]),
        ] {
            store.commit(&author.run("a", run, entries, head)).expect("it follows");
            let found = store.runs_with_dead_letters(&tenant("a"), None, 10).expect("an answer");
            assert_eq!(found.iter().map(|run| run.0).collect::<Vec<_>>(), expected);
            assert_eq!(store.runs_with_dead_letters(&tenant("b"), None, 10).expect("an answer"), []);
        }
        assert_eq!(store.runs_with_dead_letters(&tenant("a"), Some(RunId(1)), 10).expect("an answer"), []);
    });
}

#[test]
fn the_first_run_with_an_idempotency_key_has_it() {
    check(|store| {
        let mut author = Author::default();
        for run in [5, 6] {
            store.commit(&author.run("a", run, vec![started(0, Some("key"))], head(RUNNING, 0))).expect("it follows");
        }
        assert_eq!(store.run_of_key(&tenant("a"), "key").expect("an answer"), Some((RunId(5), Digest::of(b"{}"))));
        assert_eq!(store.run_of_key(&tenant("b"), "key").expect("an answer"), None);
    });
}

#[test]
fn a_commit_that_does_not_follow_is_refused_and_leaves_nothing() {
    check(|store| {
        let mut author = Author::default();
        let first = author.run("a", 1, vec![adopted(0)], head(RUNNING, 0));
        let second = author.run("a", 1, vec![wrote(0, vec![write("k0", 9, Some("1"))])], head(ENDED, 0));
        for (commit, numbers) in [(&second, (1, 2)), (&first, (2, 1))] {
            let before = answers(store).expect("answers");
            let error = store.commit(commit).expect_err("it does not follow");
            assert!(matches!(error, StoreError::OutOfOrder { expected, found, .. } if (expected, found) == numbers), "{error}");
            assert_eq!(answers(store).expect("answers"), before);
            if numbers.0 == 1 {
                store.commit(&first).expect("it follows");
            }
        }
    });
}

#[test]
fn a_commit_that_fails_is_lost_or_kept_and_its_caller_cannot_know() {
    for (fate, runs) in [(Fate::Lost, 0), (Fate::Kept, 1)] {
        let store = MemoryStore::new();
        store.fail_next_commit(fate);
        assert!(store.commit(&Author::default().run("a", 1, vec![adopted(0)], head(RUNNING, 0))).is_err());
        assert_eq!(store.runs(&tenant("a"), None, 9).expect("an answer").len(), runs, "{fate:?}");
    }
}

#[test]
fn a_directory_is_its_owners_and_one_process_has_it() {
    use std::os::unix::fs::PermissionsExt;
    let parent = TempDir::new().expect("a directory");
    let dir = parent.path().join("new/amends");
    let store = open(&dir);
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("amends.redb"))), (0o700, 0o600));
    let error = RedbStore::open(&dir).expect_err("it is in use");
    assert!(matches!(error, StoreError::InUse(_)) && error.to_string().contains("in use by another process"), "{error}");
    drop(store);
    open(&dir);
    std::fs::write(parent.path().join("file"), "").expect("a file");
    assert!(matches!(RedbStore::open(&parent.path().join("file")), Err(StoreError::Disk(_))));
}

/// A process was killed while it made the file: whatever it left under the draft's name is no data.
#[test]
fn a_file_that_was_left_half_made_is_made_anew() {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("amends.draft"), vec![0; 70_000]).expect("a write");
    assert!(open(dir.path()).lanes().expect("it reads").is_empty());
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).expect("it is there").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["amends.redb"]);
}

#[test]
fn the_image_of_a_crash_has_every_commit_so_far() {
    let dir = TempDir::new().expect("a directory");
    let (store, model, mut author) = (open(dir.path()), MemoryStore::new(), Author::default());
    for at in 0..20 {
        let commit = author.run(["a", "b"][at % 2], (at / 3) as u128, vec![adopted(at as u64)], head(RUNNING, at as u64));
        store.commit(&commit).expect("it follows");
        model.commit(&commit).expect("it follows");
        let found = open(crash_image(dir.path()).path());
        assert_eq!(answers(&found).expect("answers"), answers(&model).expect("answers"), "after commit {at}");
        verify_tail(&found, u64::MAX).expect("the chains are whole");
    }
}

/// One record of a random commit.
#[derive(Debug, Clone)]
enum Random {
    Run { run: u8, facts: u8, status: RunStatus, key: Option<u8>, write: Option<(u8, bool)> },
    Write(u8, bool),
    Saga(u8),
    Plugin(u8),
    Deletion,
    Facts(u8),
}

fn random_record() -> impl Strategy<Value = (bool, bool, Random)> {
    let status = prop_oneof![4 => Just(RUNNING), 1 => Just(RunStatus::Compensating), 2 => Just(ENDED)];
    let change = || (0..3_u8, any::<bool>());
    let run = (0..6_u8, 0..3_u8, status, prop::option::of(0..3_u8), prop::option::of(change()));
    let run = run.prop_map(|(run, facts, status, key, write)| Random::Run { run, facts, status, key, write });
    let tenants_own = prop_oneof![
        change().prop_map(|(key, there)| Random::Write(key, there)),
        (0..9_u8).prop_map(Random::Saga),
        (0..9_u8).prop_map(Random::Plugin),
        Just(Random::Deletion),
        (1..4_u8).prop_map(Random::Facts),
    ];
    (any::<bool>(), any::<bool>(), prop_oneof![3 => run, 1 => tenants_own])
}

/// Writes `records` as one commit. Inside it versions fall, so that the order of the records is not that of the versions.
fn random_commit(author: &mut Author, at: u64, records: &[(bool, bool, Random)]) -> amends::store::Commit {
    const KEYS: [&str; 3] = ["k0", "k1", "k2"];
    let change =
        |place: usize, (key, there): (u8, bool)| write(KEYS[usize::from(key)], at * 100 - place as u64, there.then_some("1"));
    let deed = |(place, (other_tenant, other_lane, record)): (usize, &(bool, bool, Random))| {
        let (name, lane) = (if *other_tenant { "b" } else { "a" }, u32::from(*other_lane));
        let deed = match record.clone() {
            Random::Run { run, facts, status, key, write } => {
                let mut entries: Vec<Entry> = (0..facts).map(|_| adopted(at)).collect();
                entries.push(started(at, key.map(|key| KEYS[usize::from(key)])));
                entries.extend(write.map(|write| wrote(at, vec![change(place, write)])));
                // A run stays in one lane.
                Deed::Run(u128::from(run) * 2 + u128::from(lane), entries, head(status, at))
            }
            Random::Write(key, there) => {
                Deed::Tenant(vec![TenantEvent::StateWritten { writes: vec![change(place, (key, there))] }])
            }
            Random::Saga(text) => {
                let document = Payload::from(vec![text]);
                let (saga, definition) = ("order".parse().expect("a name"), Digest::of(&document.0));
                Deed::Tenant(vec![TenantEvent::SagaApplied { saga, version: u32::from(text % 3) + 1, definition, document }])
            }
            Random::Plugin(text) => {
                let plugin = "orders".parse().expect("a name");
                Deed::Tenant(vec![TenantEvent::PluginInstalled { plugin, component: Digest::of(&[text]), size: 1 }])
            }
            Random::Deletion => {
                let (plugin, version) = ("orders".parse().expect("a name"), "1".parse().expect("a version"));
                Deed::Tenant(vec![TenantEvent::PluginVersionDeleted { plugin, version, by: "ada".to_owned() }])
            }
            Random::Facts(count) => {
                let reopened = |n| TenantEvent::TenantReopened { by: format!("{at} {n}") };
                Deed::Tenant((0..count).map(reopened).collect())
            }
        };
        (name, lane, deed)
    };
    let mut commit = author.commit(records.iter().enumerate().map(deed).collect());
    commit.components.push((Digest::of(b"wasm"), "wasm".into()));
    commit
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_file_answers_as_the_model_does_also_after_any_end(
        commits in prop::collection::vec((prop::collection::vec(random_record(), 1..12), 0..5_u8), 1..12),
    ) {
        let mut dir = TempDir::new().expect("a directory");
        let (mut store, model, mut author) = (open(dir.path()), MemoryStore::new(), Author::default());
        for (at, (records, end)) in commits.iter().enumerate() {
            let commit = random_commit(&mut author, at as u64 + 1, records);
            store.commit(&commit).expect("it follows");
            model.commit(&commit).expect("it follows");
            match end {
                0 => {
                    store.close().expect("the note is written");
                    drop(store);
                    store = open(dir.path());
                }
                1 => {
                    dir = crash_image(dir.path());
                    store = open(dir.path());
                }
                2 => {
                    for (name, lane) in [("a", 0), ("a", 1), ("b", 0), ("b", 1)] {
                        let Some(commit) = removal::of_ended(&mut author, &model, name, lane) else { continue };
                        store.commit(&commit).expect("it follows");
                        model.commit(&commit).expect("it follows");
                    }
                }
                _ => {}
            }
            prop_assert_eq!(answers(&store).expect("answers"), answers(&model).expect("answers"));
        }
        verify_tail(&store, u64::MAX).expect("the chains are whole");
        verify_tail(&model, u64::MAX).expect("the chains are whole");
    }
}
