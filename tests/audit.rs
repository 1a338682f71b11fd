//! What `audit` finds in a data directory and in an export that somebody laid hands on.

use amends::store::redb::RedbStore;
use amends::store::{Commit, LaneCommit, Store};
use amends_domain::audit::{Body, Head};
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEntry, TenantEvent, Write};
use amends_domain::id::{Lane, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use harness::amends;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

// The tables, as a stranger finds them in the file. Numbers of tenants and lanes are given from 1 on: `acme`, its lane, `local`, its lane.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("records");
const STATE: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("state");
const ACME: u32 = 1;
const LANE_OF_LOCAL: u32 = 4;

/// Exit codes of `amends`.
const DONE: i32 = 0;
const CHAIN_BROKEN: i32 = 5;

/// A folder of its own for each test, gone when it ends.
struct Folder(tempfile::TempDir);

/// What a command said, and how it ended.
struct Said {
    exit: i32,
    error: String,
}

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// With a data directory in it: two tenants, each with a few records.
    fn with_data() -> Self {
        let folder = Self::new();
        let store = RedbStore::open(&folder.data()).expect("a new data directory");
        for tenant in ["acme", "local"] {
            let tenant: TenantId = tenant.parse().expect("a name");
            let mut head = Head::genesis(&tenant, Lane(0));
            let (plugin, component) = ("p".parse().expect("a name"), Digest::of(b"p"));
            let installed = TenantEvent::PluginInstalled { plugin, component, size: 1 };
            let written = (1..).zip(["a", "b", "c"]).map(|(version, key)| TenantEvent::StateWritten {
                writes: vec![Write { key: key.into(), version, value: Some(Payload::from("{\"n\":1}")) }],
            });
            for event in std::iter::once(installed).chain(written) {
                let body = Body::Tenant { entries: vec![TenantEntry { at: Timestamp(9), event }] };
                let records = vec![(head.seal(&body), body)];
                let lanes = vec![LaneCommit { tenant: tenant.clone(), lane: Lane(0), records, runs: Vec::new() }];
                store.commit(&Commit { lanes, components: Vec::new() }).expect("a commit");
            }
        }
        store.close().expect("it closes");
        folder
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("audit.jsonl")
    }

    /// Changes the data file behind the store's back.
    fn lay_hands_on(&self, change: impl FnOnce(&WriteTransaction)) {
        let database = Database::open(self.data().join("amends.redb")).expect("the data file");
        let transaction = database.begin_write().expect("a transaction");
        change(&transaction);
        transaction.commit().expect("it is changed");
    }

    fn verify_data(&self, tenant: Option<&str>) -> Said {
        Self::audit(Command::new(amends()).args(["audit", "verify", "--data"]).arg(self.data()), tenant)
    }

    fn verify_export(&self, tenant: Option<&str>) -> Said {
        Self::audit(Command::new(amends()).args(["audit", "verify"]).arg(self.out()), tenant)
    }

    fn export(&self, tenant: Option<&str>) -> Said {
        let mut command = Command::new(amends());
        command.args(["audit", "export", "--data"]).arg(self.data()).arg("--out").arg(self.out());
        Self::audit(&mut command, tenant)
    }

    fn audit(command: &mut Command, tenant: Option<&str>) -> Said {
        if let Some(tenant) = tenant {
            command.args(["--tenant", tenant]);
        }
        let output = command.output().expect("it runs");
        Said { exit: output.status.code().expect("it ends by itself"), error: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

/// A row is the link, 32 bytes, and the body.
const IN_LINK: usize = 3;
const IN_BODY: usize = 40;

fn flip(transaction: &WriteTransaction, seq: u64, at: usize) {
    let mut table = transaction.open_table(RECORDS).expect("the table");
    let mut row = table.get((LANE_OF_LOCAL, seq)).expect("a read").expect("the record").value().to_vec();
    row[at] ^= 1;
    table.insert((LANE_OF_LOCAL, seq), &row[..]).expect("a write");
}

#[test]
fn what_was_not_touched_passes_in_place_and_exported() {
    let folder = Folder::with_data();
    assert_eq!(folder.verify_data(None).exit, DONE);
    assert_eq!(folder.verify_data(Some("acme")).exit, DONE);
    assert_eq!(folder.export(None).exit, DONE);
    assert_eq!(folder.verify_export(None).exit, DONE);
    assert_eq!(folder.verify_export(Some("local")).exit, DONE);
    for nobody in [folder.verify_data(Some("nobody")), folder.verify_export(Some("nobody"))] {
        assert!(nobody.exit != DONE && nobody.error.contains("there are no records of tenant `nobody`"), "{}", nobody.error);
    }
}

#[test]
fn an_export_is_not_replaced_and_nothing_is_left_of_one_that_failed() {
    let folder = Folder::with_data();
    assert_eq!(folder.export(Some("acme")).exit, DONE);
    let first = fs::read(folder.out()).expect("an export");
    assert!(folder.export(None).error.contains("is there already"));
    assert_eq!(fs::read(folder.out()).expect("an export"), first);

    fs::remove_file(folder.out()).expect("it is there");
    folder.lay_hands_on(|transaction| flip(transaction, 1, IN_BODY));
    assert_eq!(folder.export(None).exit, CHAIN_BROKEN);
    assert_ne!(folder.export(Some("nobody")).exit, DONE);
    assert_eq!(folder.names(), ["data"]);
}

#[test]
fn an_export_that_was_changed_is_broken() {
    let folder = Folder::with_data();
    assert_eq!(folder.export(None).exit, DONE);
    let whole = fs::read(folder.out()).expect("an export");
    for len in [whole.len() - 1, whole.len() / 2, 0] {
        fs::write(folder.out(), &whole[..len]).expect("a write");
        assert_eq!(folder.verify_export(None).exit, CHAIN_BROKEN, "{len} bytes");
    }
    let mut altered = whole.clone();
    let at = altered.windows(5).position(|five| five == b"facts").expect("a record") + 1;
    altered[at] ^= 0x20;
    fs::write(folder.out(), &altered).expect("a write");
    assert_eq!(folder.verify_export(Some("local")).exit, CHAIN_BROKEN);
}

#[test]
fn a_data_directory_that_was_changed_is_broken_at_the_place() {
    type Change = fn(&WriteTransaction);
    let cases: [(&str, Change, &str); 8] = [
        ("body", |t| flip(t, 2, IN_BODY), "local lane 0 record 2: the link is"),
        ("link", |t| flip(t, 1, IN_LINK), "local lane 0 record 1: the link is"),
        (
            "missing",
            |t| drop(t.open_table(RECORDS).expect("it").remove((LANE_OF_LOCAL, 1)).expect("it")),
            "local lane 0 record 1: record 2 stands where record 1 belongs",
        ),
        (
            "end",
            |t| drop(t.open_table(RECORDS).expect("it").remove((LANE_OF_LOCAL, 4)).expect("it")),
            "local lane 0 record 3: the chain ends here",
        ),
        ("value", |t| put(t, "a", b"\x01\x01\x07{\"n\":2}"), "the state of tenant acme: key `a` is stored with another value"),
        ("version", |t| put(t, "a", b"\x01\x09\x07{\"n\":1}"), "the chain has version 1"),
        ("new key", |t| put(t, "z", b"\x01\x09\x07{\"n\":1}"), "key `z` is stored with version 9, the chain does not have it"),
        ("removed key", |t| drop(t.open_table(STATE).expect("it").remove((ACME, "b")).expect("it")), "key `b` is not stored"),
    ];
    for (name, change, says) in cases {
        let folder = Folder::with_data();
        folder.lay_hands_on(change);
        assert_eq!(folder.verify_data(None).exit, CHAIN_BROKEN, "{name}");
        assert!(folder.verify_data(None).error.contains(says), "{name}: {}", folder.verify_data(None).error);
    }
}

fn put(transaction: &WriteTransaction, key: &str, row: &[u8]) {
    transaction.open_table(STATE).expect("the table").insert((ACME, key), row).expect("a write");
}

#[test]
fn a_chain_that_the_store_itself_finds_broken_is_a_broken_chain() {
    let folder = Folder::with_data();
    folder.lay_hands_on(|transaction| {
        flip(transaction, 1, IN_BODY);
        let unclean: &[u8] = &[1, 0];
        transaction.open_table(META).expect("the table").insert("ending", unclean).expect("a write");
    });
    assert_eq!(folder.verify_data(None).exit, CHAIN_BROKEN);
    assert!(folder.verify_data(None).error.contains("local lane 0 record 1: the link is"));
}

#[test]
fn nothing_is_made_where_there_is_nothing() {
    let folder = Folder::new();
    assert_ne!(folder.verify_data(None).exit, DONE);
    assert_ne!(folder.verify_export(None).exit, DONE);
    assert_ne!(folder.export(None).exit, DONE);
    assert!(folder.names().is_empty());
}
