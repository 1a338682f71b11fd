//! What was written and is read as something else: found, and named by its place.

use super::*;
use redb::{Database, ReadableTable, TableDefinition};

pub(crate) const RECORDS: TableDefinition<(u32, u64), &[u8]> = TableDefinition::new("records");
const LANES: TableDefinition<(u32, u32), &[u8]> = TableDefinition::new("lanes");
const RUNS: TableDefinition<(u32, u128), &[u8]> = TableDefinition::new("runs");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// Opens a file as redb alone sees it and changes rows of one table.
pub(crate) fn damage<K: redb::Key + 'static>(
    dir: &Path,
    table: TableDefinition<K, &'static [u8]>,
    change: impl FnOnce(&mut redb::Table<'_, K, &'static [u8]>) -> Result<(), redb::StorageError>,
) {
    let file = Database::open(dir.join("amends.redb")).expect("it opens");
    let transaction = file.begin_write().expect("a transaction");
    change(&mut transaction.open_table(table).expect("the table is there")).expect("it is changed");
    transaction.commit().expect("a commit");
}

fn flip(row: &[u8], at: usize) -> Vec<u8> {
    let mut row = row.to_vec();
    row[at] ^= 1;
    row
}

/// A store of one tenant (number 1) with one lane (number 2) of 1100 records, left as a crash leaves it.
fn damageable() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let (store, mut author) = (open(dir.path()), Author::default());
    for at in 0..11 {
        let deeds = (0..100).map(|i| ("a", 0, Deed::Run(1, vec![adopted(at * 100 + i)], head(RUNNING, at))));
        store.commit(&author.commit(deeds.collect())).expect("it follows");
    }
    crash_image(dir.path())
}

#[test]
fn a_damaged_chain_is_found_on_the_open_after_a_crash_and_named() {
    type Records<'a> = redb::Table<'a, (u32, u64), &'static [u8]>;
    type Change = Box<dyn Fn(&mut Records<'_>) -> Result<(), redb::StorageError>>;
    let set = |seq: u64, change: fn(&[u8]) -> Vec<u8>| {
        move |table: &mut Records<'_>| {
            let row = change(table.get((2, seq))?.expect("it is there").value());
            table.insert((2, seq), &row[..]).map(drop)
        }
    };
    let remove = |seq: u64| move |table: &mut Records<'_>| table.remove((2, seq)).map(drop);
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(set(1050, |row| flip(row, row.len() - 1))), "a lane 0 record 1050: the link is"),
        (Box::new(set(1050, |row| flip(row, 0))), "a lane 0 record 1050: the link is"),
        (Box::new(set(1100, |row| flip(row, 40))), "a lane 0 record 1100: the link is"),
        (Box::new(set(1050, |row| row[..20].to_vec())), "a lane 0 record 1050: it is shorter than a link"),
        (Box::new(remove(1050)), "a lane 0 record 1050: record 1051 stands where record 1050 belongs"),
        (Box::new(remove(1100)), "a lane 0 record 1099: the chain ends here, the row of the lane says at 1100"),
        (Box::new(remove(76)), "a lane 0 record 76: it is missing"),
        (Box::new(|table| table.insert((2, 1101), &[1; 40][..]).map(drop)), "a lane 0 record 1101: it is there"),
    ];
    let whole = damageable();
    open(crash_image(whole.path()).path());
    let image = crash_image(whole.path());
    damage(image.path(), LANES, |table| {
        let row = table.get((1, 0))?.expect("it is there").value().to_vec();
        table.insert((1, 0), &flip(&row, row.len() - 1)[..]).map(drop)
    });
    let error = RedbStore::open(image.path()).expect_err("another link").to_string();
    assert!(error.starts_with("a lane 0 record 1100: its link is"), "{error}");
    for (change, words) in cases {
        let image = crash_image(whole.path());
        damage(image.path(), RECORDS, change);
        let error = RedbStore::open(image.path()).expect_err(words).to_string();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn after_a_clean_end_the_chains_are_not_read_again() {
    let image = crash_image(damageable().path());
    open(image.path()).close().expect("the note is written");
    damage(image.path(), RECORDS, |table| table.remove((2, 1100)).map(drop));
    let store = open(image.path());
    assert!(verify_tail(&store, 1).is_err(), "who asks is told");
    drop(store);
    assert!(RedbStore::open(image.path()).is_err(), "the open before had no clean end");
}

#[test]
fn a_damaged_row_is_an_error_that_names_it() {
    let image = damageable();
    for garbage in [&[][..], &[1], &[9, 9], &[0; 300], &[255; 40]] {
        let image = crash_image(image.path());
        damage(image.path(), RUNS, |table| table.insert((1, 1), garbage).map(drop));
        let store = open(image.path());
        for error in [
            store.run(&tenant("a"), RunId(1)).map(drop),
            store.runs(&tenant("a"), None, 9).map(drop),
            store.journal(&tenant("a"), RunId(1)).map(drop),
            store.last_record(&tenant("a"), RunId(1)).map(drop),
        ] {
            let error = error.expect_err("it is damaged").to_string();
            assert!(error.starts_with("runs a run_00000000000000000000000001: the row "), "{error}");
        }
        drop(store);
        damage(image.path(), LANES, |table| table.insert((1, 0), garbage).map(drop));
        let error = RedbStore::open(image.path()).expect_err("it is damaged").to_string();
        assert!(error.starts_with("lanes a 0: the row "), "{error}");
    }
}

#[test]
fn a_journal_takes_no_record_of_another_run() {
    let dir = TempDir::new().expect("a directory");
    let (store, mut author) = (open(dir.path()), Author::default());
    for run in [1, 2] {
        store.commit(&author.run("a", run, vec![adopted(0)], head(RUNNING, 0))).expect("it follows");
    }
    drop(store);
    damage(dir.path(), RUNS, |table| {
        let row = table.get((1, 2))?.expect("it is there").value().to_vec();
        table.insert((1, 1), &row[..]).map(drop)
    });
    let error = open(dir.path()).journal(&tenant("a"), RunId(1)).expect_err("it is damaged").to_string();
    assert_eq!(error, format!("a lane 0 record 2: it belongs to {} and not to {}", RunId(2), RunId(1)));
}

#[test]
fn a_file_of_a_later_release_is_refused_and_not_touched() {
    let image = damageable();
    damage(image.path(), META, |table| table.insert("format", &[1, 8][..]).map(drop));
    for _ in 0..2 {
        assert!(matches!(RedbStore::open(image.path()), Err(StoreError::Format { found: 8, known: 7 })));
    }
}

#[test]
fn a_file_of_the_first_format_opens_and_its_stuck_runs_are_found() {
    let dir = TempDir::new().expect("a directory");
    let (store, mut author) = (open(dir.path()), Author::default());
    let stuck = RunHead { dead_letters: 0, ..head(RunStatus::Ended(Outcome::Stuck), 4) };
    store.commit(&author.run("a", 1, vec![adopted(0)], stuck.clone())).expect("it follows");
    store.commit(&author.run("a", 2, vec![adopted(0)], head(ENDED, 0))).expect("it follows");
    let used = store.usage(&tenant("a")).expect("it reads");
    assert!(used.stored_bytes > 0, "{used:?}");
    drop(store);
    // As the first format had it: the last byte of a run's row, the number of its dead letters, was not there, nor were the tables.
    damage(dir.path(), RUNS, |table| {
        for run in [1, 2] {
            let mut row = table.get((1, run))?.expect("it is there").value().to_vec();
            row.pop();
            row[0] = 1;
            table.insert((1, run), &row[..])?;
        }
        Ok(())
    });
    damage(dir.path(), META, |table| table.insert("format", &[1, 1][..]).map(drop));
    let database = redb::Database::create(dir.path().join("amends.redb")).expect("it opens");
    let transaction = database.begin_write().expect("nobody else writes");
    transaction.delete_table(redb::TableDefinition::<(u32, u128), ()>::new("dead_letters")).expect("it is there");
    transaction.delete_table(redb::TableDefinition::<u32, &[u8]>::new("resolvers")).expect("it is there");
    transaction.delete_table(redb::TableDefinition::<(u32, &str, &str), &[u8]>::new("grants")).expect("it is there");
    transaction.delete_table(redb::TableDefinition::<u32, &[u8]>::new("usage")).expect("it is there");
    transaction.delete_table(redb::TableDefinition::<(u32, &str), &[u8]>::new("webhooks")).expect("it is there");
    transaction.commit().expect("the disk works");
    drop(database);
    let store = open(dir.path());
    assert_eq!(store.grants(&tenant("a"), &"pay".parse().expect("a name")).expect("it reads"), []);
    assert_eq!(store.run(&tenant("a"), RunId(1)).expect("it reads"), Some(stuck));
    assert_eq!(store.runs_with_dead_letters(&tenant("a"), None, 10).expect("it reads"), [RunId(1)]);
    assert_eq!(store.resolvers(&tenant("a")).expect("it reads"), Resolvers::One);
    assert_eq!(store.usage(&tenant("a")).expect("it reads"), used, "added up again");
    assert_eq!(store.webhook_cursors(&tenant("a")).expect("it reads"), []);
}
