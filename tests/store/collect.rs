//! Components that nothing uses, taken out of the file: what stays whatever becomes of names, and that nothing goes by a guess.

use crate::author::{Author, Deed};
use crate::damage::{RECORDS, damage};
use crate::facts::{ENDED, head, started};
use crate::removal::of_ended;
use crate::{RUNNING, open};
use amends::store::redb::Collected;
use amends::store::{Commit, Store};
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Event, TenantEvent};
use bytes::Bytes;
use redb::ReadableTable;
use tempfile::TempDir;

fn bytes(name: &str) -> Bytes {
    Bytes::from(format!("\0asm{name}"))
}

fn digest(name: &str) -> Digest {
    Digest::of(&bytes(name))
}

/// An upload that its plugin's name means from then on.
fn installed(author: &mut Author, plugin: &str, name: &str) -> Commit {
    let event =
        TenantEvent::PluginInstalled { plugin: plugin.parse().expect("a name"), component: digest(name), size: name.len() as u64 };
    Commit { components: vec![(digest(name), bytes(name))], ..author.commit(vec![("a", 0, Deed::Tenant(vec![event]))]) }
}

/// The first fact of a run that pins a component.
fn pins(at: u64, name: &str) -> Entry {
    let mut entry = started(at, None);
    let Event::Started(started) = &mut entry.event else { unreachable!("it is the first fact") };
    started.components = vec![("orders".parse().expect("a name"), digest(name))];
    entry
}

/// A tenant whose plugin had four components one after the other; a run that has ended pins the first, an open one the second.
fn filled(dir: &TempDir) -> Author {
    let (store, mut author) = (open(dir.path()), Author::default());
    let sealed = Bytes::from_static(b"\x01sealed, whatever it is");
    for name in ["one", "two", "three", "four"] {
        store.commit(&installed(&mut author, "orders", name)).expect("it follows");
    }
    let secret =
        Commit { components: vec![(Digest::of(&sealed), sealed)], ..author.run("a", 2, vec![pins(1, "one")], head(ENDED, 1)) };
    store.commit(&secret).expect("it follows");
    store.commit(&author.run("a", 3, vec![pins(2, "two")], head(RUNNING, 2))).expect("it follows");
    store.close().expect("it is noted");
    author
}

fn there(store: &dyn Store) -> Vec<&'static str> {
    let is_there = |name: &&str| store.component(digest(name)).expect("an answer").is_some();
    ["one", "two", "three", "four"].into_iter().filter(is_there).collect()
}

#[test]
fn what_nothing_uses_goes_and_what_is_sealed_stays_and_an_upload_brings_it_back() {
    let dir = TempDir::new().expect("a directory");
    let mut author = filled(&dir);
    let mut store = open(dir.path());
    let gone = Collected { components: 1, bytes: bytes("three").len() as u64 };
    assert_eq!(store.collect().expect("it is durable"), gone);
    assert_eq!(there(&store), ["one", "two", "four"]);
    assert_eq!(store.collect().expect("an answer"), Collected::default(), "nothing is left to go");
    assert!(store.component(Digest::of(b"\x01sealed, whatever it is")).expect("an answer").is_some());

    let removal = of_ended(&mut author, &store, "a", 0).expect("one ended");
    store.commit(&removal).expect("it follows");
    assert_eq!(store.collect().expect("it is durable").components, 1, "the run that pinned it is no longer kept");
    assert_eq!(there(&store), ["two", "four"]);
    store.commit(&installed(&mut author, "orders", "three")).expect("it follows");
    assert_eq!(there(&store), ["two", "three", "four"]);
    amends::store::verify_tail(&store, u64::MAX).expect("the chain is whole");
    store.close().expect("it is noted");
    drop(store);
    assert_eq!(there(&open(dir.path())), ["two", "three", "four"], "found again");
}

#[test]
fn while_anything_cannot_be_read_nothing_goes() {
    let dir = TempDir::new().expect("a directory");
    filled(&dir);
    // The fifth record is the start of the first run.
    damage(dir.path(), RECORDS, |table| {
        let mut row = table.get((2, 5))?.expect("it is there").value().to_vec();
        row[32] = 9;
        table.insert((2, 5), &row[..]).map(drop)
    });
    let mut store = open(dir.path());
    let error = store.collect().expect_err("it may pin any").to_string();
    assert_eq!(error, "records 2 5: the body has format 9, this release reads format 1");
    assert_eq!(there(&store), ["one", "two", "three", "four"]);
}
