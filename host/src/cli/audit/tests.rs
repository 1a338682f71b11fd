//! What `audit` finds in a data directory and in an export that somebody laid hands on.

use super::super::error::message;
use super::*;
use crate::store::redb::RedbStore;
use crate::store::{Commit, LaneCommit};
use amends_domain::audit::{Body, Head};
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEntry, TenantEvent, Write};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use std::fs;
use std::path::Path;

// The tables, as a stranger finds them in the file. Numbers of tenants and lanes are given from 1 on: `acme`, its lane, `local`, its lane.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("records");
const STATE: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("state");
const ACME: u32 = 1;
const LANE_OF_LOCAL: u32 = 4;

/// A folder of its own for each test, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("amends-audit-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a folder");
        Self(dir)
    }

    /// With a data directory in it: two tenants, each with a few records.
    fn with_data(test: &str) -> Self {
        let folder = Self::new(test);
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
        self.0.join("data")
    }

    fn out(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// Changes the data file behind the store's back.
    fn lay_hands_on(&self, change: impl FnOnce(&WriteTransaction)) {
        let database = Database::open(self.data().join("amends.redb")).expect("the data file");
        let transaction = database.begin_write().expect("a transaction");
        change(&transaction);
        transaction.commit().expect("it is changed");
    }

    fn verify_data(&self, tenant: Option<&str>) -> anyhow::Result<Exit> {
        verify(None, Some(&self.data()), tenant)
    }

    fn verify_export(&self, tenant: Option<&str>) -> anyhow::Result<Exit> {
        verify(Some(&self.out()), None, tenant)
    }

    fn export(&self, tenant: Option<&str>) -> anyhow::Result<Exit> {
        let tenant = tenant.map(|name| name.parse().expect("a name"));
        run(&Audit::Export(Export { data: self.data(), out: self.out(), tenant }), Format::Json)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn verify(path: Option<&Path>, data: Option<&Path>, tenant: Option<&str>) -> anyhow::Result<Exit> {
    let tenant = tenant.map(|name| name.parse().expect("a name"));
    let verify = Verify { path: path.map(Into::into), data: data.map(Into::into), tenant };
    run(&Audit::Verify(verify), Format::Text)
}

/// What the verification of a data directory finds, in words.
fn found(folder: &Folder) -> String {
    let verify = Verify { path: None, data: Some(folder.data()), tenant: None };
    let error = verify::run(&verify, &mut Telling { format: Format::Json, lanes: Vec::new() }).expect_err("it was changed");
    Broken::of(&error).expect("the chain is broken").to_string()
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
    let folder = Folder::with_data("untouched");
    assert_eq!(folder.verify_data(None).expect("it runs"), Exit::Done);
    assert_eq!(folder.verify_data(Some("acme")).expect("it runs"), Exit::Done);
    assert_eq!(folder.export(None).expect("it runs"), Exit::Done);
    assert_eq!(folder.verify_export(None).expect("it runs"), Exit::Done);
    assert_eq!(folder.verify_export(Some("local")).expect("it runs"), Exit::Done);
    for nobody in [folder.verify_data(Some("nobody")), folder.verify_export(Some("nobody"))] {
        assert_eq!(message(&nobody.expect_err("there is none")), "there are no records of tenant `nobody`");
    }
}

#[test]
fn an_export_is_not_replaced_and_nothing_is_left_of_one_that_failed() {
    let folder = Folder::with_data("whole");
    folder.export(Some("acme")).expect("it runs");
    let first = fs::read(folder.out()).expect("an export");
    assert!(message(&folder.export(None).expect_err("it is there")).contains("is there already"));
    assert_eq!(fs::read(folder.out()).expect("an export"), first);

    fs::remove_file(folder.out()).expect("it is there");
    folder.lay_hands_on(|transaction| flip(transaction, 1, IN_BODY));
    assert_eq!(folder.export(None).expect("it runs"), Exit::ChainBroken);
    assert!(folder.export(Some("nobody")).is_err());
    assert_eq!(folder.names(), ["data"]);
}

#[test]
fn an_export_that_was_changed_is_broken() {
    let folder = Folder::with_data("changed-export");
    folder.export(None).expect("it runs");
    let whole = fs::read(folder.out()).expect("an export");
    for len in [whole.len() - 1, whole.len() / 2, 0] {
        fs::write(folder.out(), &whole[..len]).expect("a write");
        assert_eq!(folder.verify_export(None).expect("it runs"), Exit::ChainBroken, "{len} bytes");
    }
    let mut altered = whole.clone();
    let at = altered.windows(5).position(|five| five == b"facts").expect("a record") + 1;
    altered[at] ^= 0x20;
    fs::write(folder.out(), &altered).expect("a write");
    assert_eq!(folder.verify_export(Some("local")).expect("it runs"), Exit::ChainBroken);
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
        let folder = Folder::with_data(name);
        folder.lay_hands_on(change);
        assert_eq!(folder.verify_data(None).expect("it runs"), Exit::ChainBroken, "{name}");
        assert!(found(&folder).contains(says), "{name}: {}", found(&folder));
    }
}

fn put(transaction: &WriteTransaction, key: &str, row: &[u8]) {
    transaction.open_table(STATE).expect("the table").insert((ACME, key), row).expect("a write");
}

#[test]
fn a_chain_that_the_store_itself_finds_broken_is_a_broken_chain() {
    let folder = Folder::with_data("unclean");
    folder.lay_hands_on(|transaction| {
        flip(transaction, 1, IN_BODY);
        let unclean: &[u8] = &[1, 0];
        transaction.open_table(META).expect("the table").insert("ending", unclean).expect("a write");
    });
    assert_eq!(folder.verify_data(None).expect("it runs"), Exit::ChainBroken);
    assert!(found(&folder).starts_with("local lane 0 record 1: the link is"));
}

#[test]
fn nothing_is_made_where_there_is_nothing() {
    let folder = Folder::new("nothing");
    assert!(folder.verify_data(None).is_err());
    assert!(folder.verify_export(None).is_err());
    assert!(folder.export(None).is_err());
    assert!(folder.names().is_empty());
}
