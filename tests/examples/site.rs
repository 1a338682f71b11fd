//! A data directory with the state of an example, and how a run of it is brought to its outcome with the commands that a user has.

use crate::case::{Answers, Case, Example, State, TIMEOUT};
use harness::{Ended, PATIENCE, Program, guest, root, run_amends};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where the runs of one example happen.
pub(crate) struct Site {
    folder: TempDir,
    example: PathBuf,
    plugin: String,
}

impl Site {
    /// A data directory with the state of the example.
    pub(crate) fn new(example: &Example) -> Self {
        let plugin = format!("{}={}", example.plugin, text(&guest(example.plugin)));
        let folder = tempfile::tempdir().expect("a directory");
        let site = Self { folder, example: folder_of(example), plugin };
        let state = site.file("state.json");
        let ended = site.amends(&["state", "set", "--file", &state]);
        assert_eq!(ended.code, Some(0), "{ended}");
        site
    }

    /// The whole state.
    pub(crate) fn state(&self) -> State {
        let listed = self.amends(&["state", "list", "--json"]);
        assert_eq!(listed.code, Some(0), "{listed}");
        let Value::Object(state) = listed.json() else { panic!("no object: {listed}") };
        state
    }

    /// Brings a run to its outcome; gives it as JSON.
    pub(crate) fn run(&self, case: &Case) -> Value {
        let saga = match case.answers {
            Answers::None | Answers::Signals(_) => self.file("saga.yaml"),
            Answers::ThenNobody(signals) => self.impatient(signals.len()),
        };
        let input = format!("@{}", self.file(&format!("inputs/{}.json", case.input)));
        let begun = self.amends(&["exec", &saga, "--plugin", &self.plugin, "--input", &input]);
        let id = run_id(&begun);
        for (signal, file) in case.answers.signals() {
            self.check_waits(&id);
            self.signal(&id, signal, file);
        }
        match case.answers {
            Answers::ThenNobody(_) => self.wait(&id),
            Answers::Signals(_) => self.show(&id),
            Answers::None => {
                let code = Some(i32::from(case.outcome != "succeeded"));
                assert_eq!((begun.code, begun.stdout.last()), (code, Some(&format!("outcome {}", case.outcome))), "{begun}");
                self.show(&id)
            }
        }
    }

    /// Brings a run of each input to its outcome, as many at a time as the program likes.
    pub(crate) fn run_all(&self, inputs: impl Iterator<Item = Value>) -> Ended {
        let path = self.folder.path().join("inputs.jsonl");
        let lines: Vec<_> = inputs.map(|input| input.to_string()).collect();
        fs::write(&path, lines.join("\n")).expect("a file");
        let saga = self.file("saga.yaml");
        self.amends(&["exec", &saga, "--plugin", &self.plugin, "--inputs", text(&path)])
    }

    /// A run of each input of the example.
    pub(crate) fn exec_all(&self, key: &str) {
        let args = self.all_args(key);
        self.amends(&args.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// The command for it: handed in again with the same key, it starts what was not started.
    pub(crate) fn all_args(&self, key: &str) -> Vec<String> {
        let path = self.folder.path().join("all.jsonl");
        let inputs = fs::read_dir(self.example.join("inputs")).expect("inputs");
        let lines = inputs.map(|entry| content(&entry.expect("it is read").path()).replace('\n', " "));
        fs::write(&path, lines.collect::<Vec<_>>().join("\n")).expect("a file");
        let saga = self.file("saga.yaml");
        ["exec", &saga, "--plugin", &self.plugin, "--inputs", text(&path), "--key", key].map(str::to_owned).into()
    }

    /// Kills a command after a while; false if it was over before.
    pub(crate) fn kill(&self, args: &[String], after: Duration) -> bool {
        let data = self.data();
        let args = args.iter().map(String::as_str).chain(["--data", text(&data)]);
        Program::start(args).kill_after(after).code.is_none()
    }

    /// Goes on with all that is open.
    pub(crate) fn go_on(&self) {
        let ended = self.amends(&["resume"]);
        assert!(matches!(ended.code, Some(0 | 1)) && ended.stderr.is_empty(), "{ended}");
    }

    /// The runs without an outcome.
    pub(crate) fn open(&self) -> Vec<Value> {
        let listed = self.amends(&["run", "list", "--status", "open", "--limit", "1000", "--json"]);
        listed.json()["runs"].as_array().expect("a list").clone()
    }

    /// That the chain holds, and the state is what it says.
    pub(crate) fn verify(&self) {
        let verified = self.amends(&["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{verified}");
    }

    /// Gives a signal that somebody else acts on.
    pub(crate) fn note(&self, id: &str, signal: &str, file: &str) {
        let file = format!("@{}", self.file(&format!("signals/{file}.json")));
        let ended = self.amends(&["run", "signal", id, signal, &file, "--no-drive"]);
        assert_eq!(ended.code, Some(0), "{ended}");
    }

    /// The path of an input.
    pub(crate) fn input(&self, name: &str) -> String {
        self.file(&format!("inputs/{name}.json"))
    }

    pub(crate) fn show(&self, id: &str) -> Value {
        let shown = self.amends(&["run", "show", id, "--json"]);
        assert_eq!(shown.code, Some(0), "{shown}");
        shown.json()
    }

    /// It is open, and the program said so by leaving it.
    fn check_waits(&self, id: &str) {
        let run = self.show(id);
        assert_eq!((&run["status"], run.get("outcome")), (&Value::from("waiting"), None), "{run:#}");
    }

    /// Gives a signal in the name of the person whose decision it is.
    fn signal(&self, id: &str, signal: &str, file: &str) {
        let path = self.file(&format!("signals/{file}.json"));
        let decision: Value = serde_json::from_str(&content(Path::new(&path))).expect("JSON");
        let by = decision["by"].as_str().expect("somebody decided");
        let ended = self.amends(&["run", "signal", id, signal, &format!("@{path}"), "--by", by]);
        assert!(matches!(ended.code, Some(0 | 1)), "{ended}");
    }

    /// Nobody answers: whoever drives the run finds at last that its wait is over.
    fn wait(&self, id: &str) -> Value {
        let patience_ends = Instant::now() + PATIENCE;
        loop {
            self.amends(&["resume"]);
            let run = self.show(id);
            if run.get("outcome").is_some() {
                return run;
            }
            assert!(Instant::now() < patience_ends, "its wait does not end: {run:#}");
        }
    }

    fn amends(&self, args: &[&str]) -> Ended {
        let data = self.data();
        run_amends(args.iter().copied().chain(["--data", text(&data)]))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The path of a file of the example.
    fn file(&self, name: &str) -> String {
        text(&self.example.join(name)).to_owned()
    }

    /// The saga with a wait that a test can sit out: the one that comes after `answered` others.
    fn impatient(&self, answered: usize) -> String {
        let document = content(&self.example.join("saga.yaml"));
        let (patient, impatient) = TIMEOUT;
        let (at, _) = document.match_indices(patient).nth(answered).expect("the saga waits once more");
        let (before, after) = document.split_at(at);
        let path = self.folder.path().join("saga.yaml");
        fs::write(&path, format!("{before}{}", after.replacen(patient, impatient, 1))).expect("a file");
        text(&path).to_owned()
    }
}

/// The folder of an example.
pub(crate) fn folder_of(example: &Example) -> PathBuf {
    root().join("examples").join(example.folder)
}

/// What is in a file of ours.
pub(crate) fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

/// The id on the first line, `run ID`.
fn run_id(ended: &Ended) -> String {
    let id = ended.stdout.first().and_then(|line| line.strip_prefix("run "));
    id.unwrap_or_else(|| panic!("the first line is not `run ID`: {ended}")).to_owned()
}
