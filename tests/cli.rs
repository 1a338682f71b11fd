//! The program as whoever types its commands sees it: what it prints first and last, its exit codes, its JSON, and how it refuses. What
//! is promised here is what scripts rely on.

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/dead_letters.rs"]
mod dead_letters;
#[path = "cli/demands.rs"]
mod demands;
#[path = "cli/dev.rs"]
mod dev;
#[path = "cli/grants.rs"]
mod grants;
#[path = "cli/json.rs"]
mod json;
#[path = "cli/outcomes.rs"]
mod outcomes;
#[path = "cli/profiles.rs"]
mod profiles;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/server.rs"]
mod server;
#[path = "cli/server_reach.rs"]
mod server_reach;
#[path = "cli/server_refusals.rs"]
mod server_refusals;
#[path = "cli/server_tls.rs"]
mod server_tls;
#[path = "cli/starts.rs"]
mod starts;
#[path = "cli/unfit.rs"]
mod unfit;
#[path = "cli/waits.rs"]
mod waits;

use harness::{Ended, guest, root, run_amends};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a data directory in it, or the place for one.
struct Site(TempDir);

impl Site {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// With the books of the example in its state.
    fn with_books() -> Self {
        let site = Self::new();
        let file = example("state.json");
        let ended = site.amends(&["state", "set", "--file", text(&file)]);
        assert_eq!(ended.code, Some(0), "{ended}");
        site
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// A file in the folder, beside the data directory.
    fn file(&self, name: &str, content: &str) -> String {
        self.file_of(name, content.as_bytes())
    }

    fn file_of(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    }

    /// Runs `amends` on the data directory.
    fn amends(&self, args: &[&str]) -> Ended {
        let data = self.data();
        run_amends(args.iter().copied().chain(["--data", text(&data)]))
    }

    /// Runs the saga of the example with what follows `--input`, and more arguments.
    fn exec(&self, input: &str, more: &[&str]) -> Ended {
        self.exec_saga(text(&example("saga.yaml")), input, more)
    }

    /// Likewise with another saga over the same plugin.
    fn exec_saga(&self, saga: &str, input: &str, more: &[&str]) -> Ended {
        let plugin = orders();
        let args = ["exec", saga, "--plugin", &plugin, "--input", input];
        self.amends(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Runs the saga of the example, whose retries wait for ten minutes, up to its first wait, and gives the id of the run.
    fn open_run(&self, rehearse: &Value) -> String {
        let document = std::fs::read_to_string(example("saga.yaml")).expect("the example is there");
        let slow = document.replace("initial: 200ms, max: 2s", "initial: 10m, max: 10m");
        assert_ne!(slow, document);
        let saga = self.file("slow.yaml", &slow);
        let ended = self.exec_saga(&saga, &order(rehearse), &["--wait-max", "0s"]);
        assert_eq!(ended.code, Some(1), "{ended}");
        let id = run_id(&ended);
        let last = ended.stdout.last().expect("it said something");
        assert!(last.starts_with(&format!("waiting {id} until ")), "{ended}");
        id
    }

    /// What `amends run show --json` gives.
    fn shown(&self, run: &str) -> Value {
        let shown = self.amends(&["run", "show", run, "--json"]);
        assert_eq!(shown.code, Some(0), "{shown}");
        shown.json()
    }

    /// The status of each step of a run.
    fn statuses(&self, run: &str) -> Vec<String> {
        let shown = self.shown(run);
        let steps = shown["steps"].as_array().expect("a list");
        steps.iter().map(|step| step["status"].as_str().expect("a word").to_owned()).collect()
    }

    /// What `amends state list --json` gives.
    fn state(&self) -> Value {
        let listed = self.amends(&["state", "list", "--json"]);
        assert_eq!(listed.code, Some(0), "{listed}");
        listed.json()
    }
}

/// `NAME=FILE` for the plugin of the example.
fn orders() -> String {
    format!("orders={}", text(&guest("orders")))
}

/// A file of the example.
fn example(name: &str) -> PathBuf {
    root().join("examples/order-fulfillment").join(name)
}

/// An order with failures to rehearse.
fn order(rehearse: &Value) -> String {
    serde_json::json!({ "customer": "anna", "sku": "BOOK-1", "quantity": 2, "country": "DE", "rehearse": rehearse }).to_string()
}

/// What rehearses that the payment is not available the first time.
fn unavailable_once() -> Value {
    serde_json::json!({ "charge-payment": { "execute": { "unavailable": { "attempts": 1 } } } })
}

/// That a command is done, and its last line.
#[track_caller]
fn last_line(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{ended}");
    ended.stdout.last().unwrap_or_else(|| panic!("nothing is said: {ended}"))
}

/// `@FILE` for an input of the example.
fn at_input(name: &str) -> String {
    format!("@{}", text(&example("inputs").join(name)))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

/// The id on the first line, `run ID`.
fn run_id(ended: &Ended) -> String {
    let id = ended.stdout.first().and_then(|line| line.strip_prefix("run "));
    id.filter(|id| id.starts_with("run_")).unwrap_or_else(|| panic!("the first line is not `run ID`: {ended}")).to_owned()
}

/// Each command of one process and a word of its own that its help must have.
#[test]
fn every_command_explains_itself_with_an_example() {
    for command in [
        "exec",
        "resume",
        "run start",
        "run list",
        "run show",
        "run cancel",
        "run pause",
        "run resume",
        "run signal",
        "run retry",
        "run compensate",
        "run kill",
        "dead-letter list",
        "dead-letter show",
        "dead-letter redrive",
        "dead-letter resolve",
        "tenant show",
        "tenant resolvers",
        "plugin check",
        "plugin build",
        "saga check",
        "state list",
        "state get",
        "state set",
        "audit verify",
        "audit export",
    ] {
        let ended = run_amends(command.split(' ').chain(["--help"]));
        assert_eq!(ended.code, Some(0), "{ended}");
        let help = ended.text();
        let example = help.split_once("Example").map(|(_, example)| example);
        assert!(example.is_some_and(|example| example.contains(&format!("\n  amends {command}"))), "{command}: no example: {help}");
        assert!(help.contains("--json"), "{command}: {help}");
    }
}

#[test]
fn the_program_says_what_it_is_and_which_exit_codes_it_has() {
    let help = run_amends(["--help"]);
    assert_eq!(help.code, Some(0), "{help}");
    for code in ["0 done", "1 the run did not succeed", "2 bad usage", "3 refused", "4 cannot reach the", "5 the audit chain"] {
        assert!(help.text().contains(code), "{code}: {help}");
    }
    let version = run_amends(["--version"]);
    assert_eq!((version.code, version.text()), (Some(0), format!("amends {}", env!("CARGO_PKG_VERSION"))));
}
