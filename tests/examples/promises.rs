//! What the README of an example promises is what is tested, no file of it is left out of either, and its saga has the shape that the
//! tests believe in.

use crate::case::{Case, Example};
use crate::site::{content, folder_of};
use amends_domain::definition::read;
use std::collections::BTreeSet;
use std::fs;

/// Checks that README, cases, files and saga of an example tell of the same runs.
pub(crate) fn check(example: &Example) {
    let folder = folder_of(example);
    let mut promised = rows(&content(&folder.join("README.md")));
    let mut tested: Vec<_> = example.cases.iter().map(|case| (case.files(), case.outcome.to_owned())).collect();
    promised.sort();
    tested.sort();
    assert_eq!(promised, tested, "rows of {}/README.md, and what is tested", example.folder);

    let saga = read(&content(&folder.join("saga.yaml"))).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let after = saga.indexed().flat_map(|(at, step)| step.after.iter().map(move |earlier| (earlier.at(), at.at())));
    let mut edges: Vec<_> = after.collect();
    edges.sort_unstable();
    assert_eq!(edges, example.edges, "the shape of {}/saga.yaml, and what is tested", example.folder);

    let inputs = example.cases.iter().map(|case| format!("inputs/{}.json", case.input));
    let signals = example.cases.iter().flat_map(signals).map(|file| format!("signals/{file}.json"));
    let used: BTreeSet<_> = inputs.chain(signals).collect();
    let there: BTreeSet<_> = ["inputs", "signals"].iter().flat_map(|kind| files(example, kind)).collect();
    assert_eq!(there, used, "files of {}, and what is tested", example.folder);
}

fn signals(case: &Case) -> impl Iterator<Item = &'static str> + use<> {
    case.answers.signals().iter().map(|(_, file)| *file)
}

/// Each row of the table: the files that it names before its last two cells, and the outcome in its last one.
fn rows(readme: &str) -> Vec<(Vec<String>, String)> {
    let rows = readme.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (outcome, rest) = cells.split_last().expect("a row has cells");
        let (_seen, named) = rest.split_last().expect("a row says what is to be seen");
        let files = named.iter().filter_map(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        (files.map(str::to_owned).collect(), (*outcome).to_owned())
    });
    rows.collect()
}

/// The files of one kind, where the example has any.
fn files(example: &Example, kind: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder_of(example).join(kind)) else { return Vec::new() };
    let names = entries.map(|entry| entry.expect("it is read").file_name().into_string().expect("our names are text"));
    names.map(|name| format!("{kind}/{name}")).collect()
}

#[test]
fn a_row_names_the_files_of_a_run_and_its_outcome() {
    let readme = "| input | signal | seen | outcome |\n|---|---|---|---|\n| `a.json` | – | `b.json` is not used | stuck |\n\
                  | `a.json` | `c.json` | … | succeeded |\n";
    let row = |files: &[&str], outcome: &str| (files.iter().map(|file| (*file).to_owned()).collect(), outcome.to_owned());
    assert_eq!(rows(readme), [row(&["a.json"], "stuck"), row(&["a.json", "c.json"], "succeeded")]);
}
