//! Whatever is changed in an export, by however little, is found, and at the first line that is not as it was.

mod chain;

use amends_domain::audit::export::FORMAT;
use amends_domain::digest::Digest;
use chain::{Dice, export, lanes, verify};
use serde_json::Value;
use std::collections::HashSet;

const CASES: usize = 1000;
/// Runs of each lane beside those by chance. Two of them are open at the end: one that never ended, one that was taken up again.
const TOLD: u64 = 29;
/// Another one with the variable `AMENDS_SEED`.
const SEED: u64 = 20_260_731;

type Alter = fn(&mut Dice, &mut Vec<u8>);

/// Single alterations.
const ALTERATIONS: &[(&str, Alter)] = &[
    ("a bit is flipped", |dice, file| {
        let at = dice.roll(file.len());
        file[at] ^= 1 << dice.roll(8);
    }),
    ("a byte is left out", |dice, file| {
        file.remove(dice.roll(file.len()));
    }),
    ("a byte is put in", |dice, file| {
        let byte = u8::try_from(dice.roll(256)).expect("a byte");
        file.insert(dice.roll(file.len() + 1), byte);
    }),
    ("a byte is doubled", |dice, file| {
        let at = dice.roll(file.len());
        file.insert(at, file[at]);
    }),
    ("two bytes are swapped", |dice, file| {
        let (a, b) = (dice.roll(file.len()), dice.roll(file.len()));
        file.swap(a, b);
    }),
    ("a letter changes its case", |dice, file| {
        let at = dice.roll(file.len());
        if let Some(letter) = file[at..].iter_mut().find(|byte| byte.is_ascii_alphabetic()) {
            *letter ^= 0x20;
        }
    }),
    ("a space, a tab or a carriage return is put in where JSON allows it", |dice, file| {
        let at = dice.roll(file.len());
        let gap = (at..file.len()).find(|at| matches!(file[*at], b',' | b':' | b'{' | b'}' | b'\n')).unwrap_or(file.len() - 1);
        file.insert(gap, *b" \t\r".get(dice.roll(3)).expect("one of three"));
    }),
    ("a line is left out", |dice, file| {
        by_lines(file, |lines| {
            lines.remove(dice.roll(lines.len()));
        });
    }),
    ("a line is doubled or copied elsewhere", |dice, file| {
        by_lines(file, |lines| lines.insert(dice.roll(lines.len() + 1), lines[dice.roll(lines.len())]));
    }),
    ("an empty line is put in", |dice, file| by_lines(file, |lines| lines.insert(dice.roll(lines.len() + 1), b"\n"))),
    ("two lines are swapped", |dice, file| {
        by_lines(file, |lines| {
            let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
            lines.swap(a, b);
        });
    }),
    ("the end is cut off", |dice, file| file.truncate(dice.roll(file.len()))),
    ("lines at the end are cut off", |dice, file| by_lines(file, |lines| lines.truncate(dice.roll(lines.len())))),
    ("a section is left out", |dice, file| {
        by_lines(file, |lines| {
            let headers: Vec<_> = (0..lines.len()).filter(|at| lines[*at].starts_with(b"{\"format\"")).collect();
            let from = headers[dice.roll(headers.len())];
            let len = lines[from..].iter().position(|line| line.starts_with(b"{\"records\"")).expect("it ends") + 1;
            lines.drain(from..from + len);
        });
    }),
];

fn by_lines(file: &mut Vec<u8>, alter: impl FnOnce(&mut Vec<&[u8]>)) {
    let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    alter(&mut lines);
    *file = lines.concat();
}

#[test]
fn an_untouched_export_passes_and_holds_every_kind_of_fact() {
    let lanes = lanes(SEED, 12);
    let file = export(&lanes);
    let reports = verify(&file).expect("it is untouched");
    for (report, lane) in reports.iter().zip(&lanes) {
        assert_eq!((&report.tenant, report.lane), (&lane.tenant, lane.lane));
        assert_eq!((report.head.seq, report.counts.records), (lane.bodies.len() as u64, lane.bodies.len() as u64));
        assert_eq!((report.counts.runs, report.counts.open), (TOLD + 12, 2));
    }
    assert_eq!(reports.len(), 3);
    let words = words(&file);
    let mut wanted = 0;
    let golden = include_str!("golden/events.txt").lines().filter_map(|line| line.split_once(' ')?.0.split_once('.'));
    // The forms of a start are no words: what differs is which fields it has.
    for (kind, word) in golden.filter(|(kind, _)| *kind != "start") {
        let word = (field(kind).to_owned(), word.to_owned());
        assert!(words.contains(&word), "no fact has {word:?}");
        wanted += 1;
    }
    assert!(wanted > 70, "{wanted} words are too few to be all");
}

/// The field of a fact that has a word of this kind, as the golden files name kinds.
fn field(kind: &str) -> &str {
    match kind {
        "event" | "tenant-event" => "event",
        "log-level" => "level",
        "omission" => "reason",
        "wait-end" => "end",
        "in-flight" => "in_flight",
        "limit" => "limits",
        "body" | "direction" | "ending" | "failure" | "halt" | "cause" | "outcome" | "demand" | "resolution" | "confirmation"
        | "resolvers" | "transport" | "reach" | "role" => kind,
        other => panic!("`{other}` is a new kind of word: say in which field of a fact it stands"),
    }
}

/// Every field of every fact with the word that is its value. What belongs to tenants is left out.
fn words(file: &[u8]) -> HashSet<(String, String)> {
    let mut words = HashSet::new();
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        let line: Value = serde_json::from_slice(line).expect("a line is JSON");
        if line.get("facts").is_some() {
            let body = if line.get("run").is_some() { "run" } else { "tenant" };
            words.insert(("body".to_owned(), body.to_owned()));
        }
        gather(&line, &mut words);
    }
    words
}

fn gather(value: &Value, words: &mut HashSet<(String, String)>) {
    const TENANTS: &[&str] = &["input", "output", "document", "payload", "evidence", "details", "response", "value"];
    match value {
        Value::Array(values) => values.iter().for_each(|value| gather(value, words)),
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !TENANTS.contains(&name.as_str())) {
                let word = value
                    .as_str()
                    .or_else(|| value.as_object().filter(|fields| fields.len() == 1)?.keys().next().map(String::as_str));
                words.extend(word.map(|word| (name.clone(), word.to_owned())));
                // Words with numbers: `[["weight",100],…]`.
                let pairs = value.as_array().into_iter().flatten().filter_map(|pair| pair.as_array()?.first()?.as_str());
                words.extend(pairs.map(|word| (name.clone(), word.to_owned())));
                gather(value, words);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn an_export_that_was_written_long_ago_verifies() {
    // Written once, by the first release of the format; never renewed.
    let reports = verify(include_bytes!("golden/export.jsonl")).expect("it always did");
    assert_eq!(reports.iter().map(|report| report.head.seq).collect::<Vec<_>>(), [27, 32, 22]);
}

#[test]
fn a_thousand_random_alterations_are_all_found_at_their_line() {
    let seed = std::env::var("AMENDS_SEED").ok().map_or(SEED, |seed| seed.parse().expect("AMENDS_SEED is a number"));
    let mut dice = Dice(seed);
    let file = export(&lanes(seed, 3));
    let mut cases = 0;
    while cases < CASES {
        let (name, alter) = ALTERATIONS[dice.roll(ALTERATIONS.len())];
        let mut altered = file.clone();
        alter(&mut dice, &mut altered);
        if altered == file {
            continue;
        }
        cases += 1;
        let same = file.iter().zip(&altered).take_while(|(a, b)| a == b).count();
        let line = file[..same].split(|byte| *byte == b'\n').count() as u64;
        match verify(&altered) {
            Ok(_) => panic!("seed {seed}, case {cases}: {name} at byte {same}, line {line}, and nothing is found"),
            Err(flaw) => assert_eq!(flaw.line, line, "seed {seed}, case {cases}: {name} at byte {same}: {flaw}"),
        }
    }
}

#[test]
fn every_byte_of_a_small_export_counts_at_its_line() {
    let mut lanes = lanes(SEED, 0);
    for lane in &mut lanes {
        lane.bodies.truncate(3);
    }
    let file = export(&lanes);
    assert!(verify(&file).is_ok());
    let mut line = 1;
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(verify(&flipped).map_err(|flaw| flaw.line), Err(line), "byte {at}");
        if matches!(file[at], b',' | b':' | b'{' | b'}' | b'\n') {
            let mut spaced = file.clone();
            spaced.insert(at, b' ');
            assert_eq!(verify(&spaced).map_err(|flaw| flaw.line), Err(line), "a space before byte {at}");
        }
        line += u64::from(file[at] == b'\n');
    }
}

/// Replaces `from` once and makes the digests fit again, as somebody would who knows the format.
fn forged(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(file).expect("JSON is text");
    assert!(text.contains(from), "no {from} in it");
    let mut forged = String::new();
    for line in text.replacen(from, to, 1).split_inclusive('\n') {
        let digest = Digest::of(forged.as_bytes()).hex();
        match line.split_once("\"digest\":\"") {
            Some((begin, _)) if !line.starts_with("{\"seq\"") => {
                forged += begin;
                forged += "\"digest\":\"";
                forged += &digest;
                forged += "\"}\n";
            }
            Some(_) | None => forged += line,
        }
    }
    forged.into_bytes()
}

#[test]
fn a_forged_export_is_told_from_one_by_more_than_its_digests() {
    let file = export(&lanes(SEED, 0));
    let own = || format!("{{\"format\":\"{FORMAT}\",\"section\":1,\"tenant\":\"acme\",\"lane\":0,\"from\":1,");
    assert!(verify(&forged(&file, "acme", "acme")).is_ok());
    for (from, to, says) in [
        (
            "amends-audit/2",
            "amends-audit/3",
            "the format is `amends-audit/3`, this release reads amends-audit/2 and amends-audit/1",
        ),
        ("\"section\":2", "\"section\":3", "section 3 stands where section 2 belongs"),
        ("\"tenant\":\"local\"", "\"tenant\":\"abacus\"", "the link before the first record is"),
        (&own(), &own().replace("\"from\":1", "\"from\":2"), "all begin with record 1"),
        (&own(), &format!("{}\"note\":1,", own()), "unknown field `note`"),
        ("\"seq\":4", "\"seq\":5", "record 5 stands where record 4 belongs"),
        ("\"quantity\":1.5", "\"quantity\":2.5", "instead of `1.5,"),
        ("{\"records\":", "{\"records\":1", "the section ends with 1"),
        ("{\"sections\":3", "{\"sections\":2", "the export ends with 2 sections, 3 are here"),
        ("{\"sections\":3", "{\"checkpoint\":{}}\n{\"sections\":3", "has no lines that begin with `{\"checkpoint\""),
        ("{\"sections\":3", "\n{\"sections\":3", "has no lines that begin with `"),
    ] {
        let flaw = verify(&forged(&file, from, to)).expect_err(from);
        assert!(flaw.what.contains(says), "{from}: {flaw}");
    }
    let twice = [&file[..], &file[..]].concat();
    assert!(verify(&twice).expect_err("twice").what.contains("behind the last line"));
    assert!(verify(&file[..file.len() - 1]).expect_err("cut").what.contains("does not end with a newline"));
    assert!(verify(b"").expect_err("empty").what.contains("the rest is missing"));
}
