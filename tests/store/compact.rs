//! A file that takes the place of another one: smaller, with the same in it, and nobody writes to the one that lost its name.

use super::*;

/// Runs of two tenants in turn, each in two lanes: keys that come in no order.
fn in_turn(store: &RedbStore, runs: u32) {
    let mut author = Author::default();
    for run in 0..runs {
        let deeds = ["a", "b"].map(|tenant| (tenant, run % 2, Deed::Run(run.into(), vec![adopted(run.into())], head(RUNNING, 0))));
        store.commit(&author.commit(deeds.into())).expect("it follows");
    }
}

#[test]
fn a_compacted_file_is_smaller_and_answers_as_before() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    in_turn(&store, 2000);
    let before = answers(&store).expect("it can be read");
    store.close().expect("it is marked");
    drop(store);
    let compacted = open(dir.path()).compact(dir.path()).expect("there is room");
    assert!(compacted.after * 3 < compacted.before * 2, "{compacted:?}");
    assert_eq!(compacted.after, dir.path().join("amends.redb").metadata().expect("it is there").len());
    assert_eq!(answers(&open(dir.path())).expect("it can be read"), before);
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).expect("it is there").map(|found| found.expect("it is there").file_name()).collect();
    assert_eq!(left, ["amends.redb"]);
}

#[test]
fn what_a_killed_compaction_left_is_removed_by_the_next_open_and_does_not_count() {
    let dir = TempDir::new().expect("a directory");
    let draft = dir.path().join("amends.compacting");
    in_turn(&open(dir.path()), 3);
    std::fs::write(&draft, "half of it").expect("there is room");
    let store = open(dir.path());
    assert!(!draft.exists());
    assert_eq!(store.runs(&tenant("a"), None, PAGE_LEN_MAX).expect("it can be read").len(), 3);
}
