//! How many instructions the rules take for each part of a run, against what they took: a regression shows on a machine of any speed, at any load.
//! Valgrind counts them. What it counts for so many times is taken from what it counts for twice as many, so that the start of the process is in
//! neither.
//!
//! `AMENDS_RENEW_GOLDEN=1 cargo test --release --test counted` writes what there is now.

use harness::root;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// The parts: `bench/counted.rs` has them.
const PARTS: [&str; 6] = ["read", "forward", "backward", "record", "decode", "replay"];
/// How often each is done; and twice as often.
const TIMES: u64 = 150;
/// How far from what is written it may be, of a thousand. Tables with random seeds and where memory comes to lie move it by less.
const TOLERANCE: u64 = 30;

/// Instructions by part.
type Counts = BTreeMap<String, u64>;

fn golden() -> PathBuf {
    root().join("tests/golden/instructions.txt")
}

fn instructions(part: &str, times: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_counted"), part, &times.to_string()]);
    let ended =
        valgrind.output().expect("valgrind is there: `cargo xtask test` installs it, and so does `apt-get install valgrind`");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{told}");
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("valgrind does not say how many: {told}"))
}

fn counted() -> Counts {
    let one = |part: &&str| ((*part).to_owned(), (instructions(part, 2 * TIMES) - instructions(part, TIMES)) / TIMES);
    PARTS.iter().map(one).collect()
}

fn read(text: &str) -> Counts {
    let line = |line: &str| {
        let (part, count) = line.split_once(' ').unwrap_or_else(|| panic!("`{line}` is no part and its count"));
        (part.to_owned(), count.trim().parse().unwrap_or_else(|error| panic!("{line}: {error}")))
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(line).collect()
}

fn written(counts: &Counts) -> String {
    let head = "# Instructions for each part of a run, on x86-64, in the release build. Renew: AMENDS_RENEW_GOLDEN=1 cargo test --release --test counted\n";
    let lines = counts.iter().map(|(part, count)| format!("{part} {count}\n"));
    std::iter::once(head.to_owned()).chain(lines).collect()
}

/// What is another number than it was, with both.
fn changed(was: &Counts, is: &Counts) -> Vec<String> {
    let mut all = Vec::new();
    for (part, count) in is {
        match was.get(part) {
            None => all.push(format!("{part}: {count} now, and no number is written")),
            Some(was) if count.abs_diff(*was) * 1000 > *was * TOLERANCE => {
                let (change, word) = (count.abs_diff(*was) * 1000 / was, if count > was { "more" } else { "fewer" });
                all.push(format!("{part}: {count} now, {was} written: {}.{} % {word}", change / 10, change % 10));
            }
            Some(_) => {}
        }
    }
    all.extend(was.keys().filter(|part| !is.contains_key(*part)).map(|part| format!("{part}: written, and counted no more")));
    all
}

#[test]
fn no_part_of_a_run_takes_another_number_of_instructions_than_is_written() {
    if cfg!(not(target_arch = "x86_64")) {
        println!("what is written is of x86-64: nothing is compared here");
        return;
    }
    let is = counted();
    if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some() {
        std::fs::write(golden(), written(&is)).expect("it can be written");
    }
    let was = read(&std::fs::read_to_string(golden()).expect("it is there"));
    let changed = changed(&was, &is);
    let remedy = "if that is what the change is for, renew tests/golden/instructions.txt (its first line says how) and say why in the commit";
    assert!(changed.is_empty(), "\n{}\n{remedy}\n", changed.join("\n"));
}

#[test]
fn what_is_beyond_the_tolerance_is_found_in_both_directions_and_what_is_within_is_not() {
    let counts = |forward: u64| Counts::from([("forward".to_owned(), forward)]);
    for same in [1000, 1030, 970] {
        assert_eq!(changed(&counts(1000), &counts(same)), Vec::<String>::new(), "{same}");
    }
    for (other, says) in [(1031, "3.1 % more"), (969, "3.1 % fewer"), (2000, "100.0 % more")] {
        assert!(changed(&counts(1000), &counts(other)).concat().contains(says), "{other}");
    }
    assert_eq!(changed(&Counts::new(), &counts(1)).len(), 1, "a part that is new");
    assert_eq!(changed(&counts(1), &Counts::new()).len(), 1, "a part that is gone");
    assert_eq!(read(&written(&counts(7))), counts(7));
}
