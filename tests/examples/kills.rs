//! The real program, killed while it runs an example and while it goes on with what it left: the books balance whenever it is killed, and
//! every run that was accepted reaches an outcome.

use crate::case::{Answers, Example};
use crate::site::{Site, content};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many processes are killed.
const KILLS: u32 = 8;
/// More than it takes to kill so many.
const BATCHES_MAX: u32 = 40;
/// Answers and going on again, until nothing waits any more.
const ROUNDS_MAX: usize = 10;

/// Kills the program over all inputs of an example.
pub(crate) fn check(example: &Example) {
    let site = Site::new(example);
    let books = (example.books)(&site.state());
    let began = Instant::now();
    site.exec_all("unhurt");
    let mut life = began.elapsed();
    let (mut killed, mut batch) = (0, 0);
    while killed < KILLS {
        batch += 1;
        assert!(batch < BATCHES_MAX, "only {killed} processes were killed");
        for command in [site.all_args(&format!("batch-{batch}")), vec!["resume".to_owned()]] {
            if site.kill(&command, instant(life, killed)) {
                killed += 1;
            } else {
                // It lives shorter than that.
                life = life.mul_f64(0.7);
            }
            assert_eq!((example.books)(&site.state()), books, "after kill {killed} of {}", command[0]);
        }
    }
    settle(example, &site);
    assert_eq!((example.books)(&site.state()), books);
    site.verify();
}

/// Most of what happens, happens early.
fn instant(life: Duration, killed: u32) -> Duration {
    let share = f64::from(killed % KILLS + 1) / f64::from(KILLS + 1);
    life.mul_f64(share * share)
}

/// Brings all runs to their outcomes.
fn settle(example: &Example, site: &Site) {
    for _ in 0..ROUNDS_MAX {
        site.go_on();
        let open = site.open();
        if open.is_empty() {
            return;
        }
        for run in open {
            answer(example, site, run["id"].as_str().expect("an id"));
        }
    }
    panic!("runs are open still");
}

/// Says what the first case says that has the input of a run and is answered.
fn answer(example: &Example, site: &Site, id: &str) {
    let run = site.show(id);
    let awaited = run["awaits"]["signals"][0].as_str().unwrap_or_else(|| panic!("nobody can help: {run:#}"));
    let is_answered = |case: &&crate::case::Case| {
        let input: Value = serde_json::from_str(&content(Path::new(&site.input(case.input)))).expect("JSON");
        matches!(case.answers, Answers::Signals(_)) && input == run["input"]
    };
    let case = example.cases.iter().find(is_answered).unwrap_or_else(|| panic!("nobody answers: {run:#}"));
    let (signal, file) = case.answers.signals().iter().find(|(signal, _)| *signal == awaited).expect("this signal is one of its");
    site.note(id, signal, file);
}
