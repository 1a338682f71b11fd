//! The proof of what happened, in the hands of somebody who changed a byte of it.

use crate::{Site, at_input};
use harness::{Ended, run_amends};
use serde_json::Value;
use std::fs;

/// A site with a run, and the path of its export.
fn exported() -> (Site, String) {
    let site = Site::with_books();
    let ended = site.exec(&at_input("nobody-can-ship.json"), &[]);
    assert_eq!(ended.code, Some(1), "{ended}");
    let out = site.0.path().join("audit.jsonl").into_os_string().into_string().expect("our paths are text");
    let ended = site.amends(&["audit", "export", "--out", &out]);
    assert_eq!(ended.code, Some(0), "{ended}");
    (site, out)
}

/// The digest on the line of the only lane.
fn head(ended: &Ended) -> String {
    let text = ended.text();
    let head = text.split_once("head ").and_then(|(_, rest)| rest.split(',').next());
    head.unwrap_or_else(|| panic!("{ended}")).to_owned()
}

#[test]
fn an_export_verifies_without_its_data_directory_and_has_the_same_head() {
    let (site, out) = exported();
    let stored = site.amends(&["audit", "verify"]);
    fs::remove_dir_all(site.data()).expect("it was there");
    let offline = run_amends(["audit", "verify", &out]);
    assert_eq!((stored.code, offline.code), (Some(0), Some(0)), "{stored}\n{offline}");
    assert_eq!(head(&stored), head(&offline));
    assert!(offline.text().starts_with("local lane 0: records ") && offline.text().ends_with(", ok"), "{offline}");
}

#[test]
fn an_export_is_not_replaced() {
    let (site, out) = exported();
    let before = fs::read(&out).expect("it is there");
    let again = site.amends(&["audit", "export", "--out", &out]);
    assert_eq!(again.code, Some(3), "{again}");
    assert!(again.stderr.starts_with("error[file_exists]: "), "{again}");
    assert_eq!(fs::read(&out).expect("it is there"), before);
}

/// Each case: what somebody does to the lines of the export, and the line that is blamed.
#[test]
fn a_tampered_export_exits_with_5_and_names_the_place() {
    let (_site, out) = exported();
    let whole = fs::read_to_string(&out).expect("it is there");
    let lines: Vec<_> = whole.lines().map(str::to_owned).collect();
    let check = |what: &str, lines: &[String], line: usize, record: Option<usize>| {
        fs::write(&out, lines.join("\n") + "\n").expect("it can be written");
        let ended = run_amends(["audit", "verify", &out]);
        assert_eq!(ended.code, Some(5), "{what}: {ended}");
        let place = format!("line {line}{}", record.map(|record| format!(", local lane 0 record {record}")).unwrap_or_default());
        assert!(ended.stderr.starts_with(&format!("error[chain_broken]: {place}: ")), "{what}: not {place}: {ended}");
    };
    let replaced = |at: usize, from: &str, to: &str| {
        let mut lines = lines.clone();
        assert!(lines[at].contains(from), "line {} has no {from}: {}", at + 1, lines[at]);
        lines[at] = lines[at].replacen(from, to, 1);
        lines
    };
    check("a balance", &replaced(1, "50000", "90000"), 2, Some(1));
    check("a link", &replaced(2, "\"link\":\"", "\"link\":\"0"), 3, Some(2));
    let mut missing = lines.clone();
    missing.remove(2);
    check("a missing record", &missing, 3, Some(2));
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    check("swapped records", &swapped, 3, Some(2));
    let cut: Vec<_> = lines[..lines.len() - 1].to_vec();
    check("a lost end", &cut, lines.len(), None);

    fs::write(&out, &whole).expect("it can be written");
    assert_eq!(run_amends(["audit", "verify", &out]).code, Some(0), "put back");
}

#[test]
fn a_tampered_data_file_exits_with_5_and_names_the_record() {
    let (site, _) = exported();
    let path = site.data().join("amends.redb");
    let mut bytes = fs::read(&path).expect("it is there");
    let (from, to) = (b"BOOK-1", b"BOOK-2");
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(&path, bytes).expect("it can be written");
    let ended = site.amends(&["audit", "verify"]);
    assert_eq!(ended.code, Some(5), "{ended}");
    assert!(ended.stderr.starts_with("error[chain_broken]: local lane 0 record 1: "), "{ended}");
    let told = site.amends(&["audit", "verify", "--json"]);
    assert_eq!((told.code, &told.json()["ok"], &told.json()["broken"]["record"]), (Some(5), &Value::Bool(false), &Value::from(1)));
}
