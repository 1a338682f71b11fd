//! What an example is and what is promised of one run of it: the rows of the tables beside this file, and how they are read.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One folder of `examples/`.
#[derive(Debug)]
pub(crate) struct Example {
    /// The folder.
    pub(crate) folder: &'static str,
    /// The only plugin that it uses.
    pub(crate) plugin: &'static str,
    /// Pairs of steps, by their places: the second starts when the first is over, and is taken back before it.
    pub(crate) edges: &'static [(usize, usize)],
    /// Its runs, in an order in which none takes from the next what that one needs.
    pub(crate) cases: &'static [Case],
    /// What a run must not change, whatever becomes of it.
    pub(crate) books: fn(&State) -> Books,
}

/// The tenant's state.
pub(crate) type State = Map<String, Value>;

/// What adds up, by a name for it.
pub(crate) type Books = BTreeMap<String, i64>;

/// One run of an example.
#[derive(Debug)]
pub(crate) struct Case {
    /// A file in `inputs/`, without its `.json`.
    pub(crate) input: &'static str,
    /// What comes from outside while it waits.
    pub(crate) answers: Answers,
    /// `succeeded`, `compensated`, `stuck`.
    pub(crate) outcome: &'static str,
    /// The code of the fault on which it turned around or got stuck; empty if there is none.
    pub(crate) code: &'static str,
    /// How its steps stand at the end, one sign for each, in the order of the document: see [`status`].
    pub(crate) steps: &'static str,
    /// Steps that are tried more than once: the step, the direction, how many attempts.
    pub(crate) tried: &'static [(&'static str, &'static str, usize)],
}

/// A run of which nothing is said yet: rows say what differs.
pub(crate) const BLANK: Case = Case { input: "", answers: Answers::None, outcome: "succeeded", code: "", steps: "", tried: &[] };

/// Who answers a run that waits for signals.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answers {
    /// It is never asked.
    None,
    /// Each signal in its turn: its name, and a file in `signals/` without its `.json`.
    Signals(&'static [(&'static str, &'static str)]),
    /// The same, and then nobody: the wait that follows lasts as long as [`TIMEOUT`] says, not two days.
    ThenNobody(&'static [(&'static str, &'static str)]),
}

/// How long the document of an example waits for a signal, and how long a test does.
pub(crate) const TIMEOUT: (&str, &str) = ("timeout: 48h", "timeout: 300ms");

impl Answers {
    pub(crate) fn signals(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::None => &[],
            Self::Signals(signals) | Self::ThenNobody(signals) => signals,
        }
    }
}

impl Case {
    /// The statuses of its steps.
    pub(crate) fn statuses(&self) -> Vec<&'static str> {
        self.steps.split(' ').map(status).collect()
    }

    /// The files that it uses, as a README names them.
    pub(crate) fn files(&self) -> Vec<String> {
        let signals = self.answers.signals().iter().map(|(_, file)| *file);
        [self.input].into_iter().chain(signals).map(|name| format!("{name}.json")).collect()
    }
}

/// What a sign stands for. The signs are mostly those of the timeline.
fn status(sign: &str) -> &'static str {
    match sign {
        "o" => "pending",
        "-" => "skipped",
        "✓" => "completed",
        "✗" => "failed",
        "?" => "in-doubt",
        "·" => "compensation-not-needed",
        "↺" => "compensated",
        "!" => "compensation-failed",
        _ => panic!("no status has the sign `{sign}`"),
    }
}
