//! Plugins in Python and in JavaScript in the real host: the same plugin, `places`, in both, so that both must do the same. Not built by
//! default, because they need those languages: `cargo xtask guests --dynamic --test` builds them and runs this.

use harness::{amends, root, target};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The component of each language.
const LANGUAGES: [&str; 2] = ["places-python", "places-javascript"];

/// A data directory with the state of the example, and the plugin in one language.
struct Site {
    home: TempDir,
    plugin: String,
}

impl Site {
    fn new(component: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let path = target().join("guests").join(format!("{component}.wasm"));
        assert!(path.exists(), "{} is not built: run `cargo xtask guests --dynamic`", path.display());
        let site = Self { home, plugin: format!("places={}", text(&path)) };
        site.amends(&["state", "set", "--file", &folder("state.json")], 0);
        site
    }

    /// Not by the harness, whose patience is shorter than the compiler's on a machine that does other things besides. The host ends that.
    fn amends(&self, args: &[&str], code: i32) -> Output {
        let data = self.home.path().join("data");
        let ended = Command::new(amends()).args(args).args(["--data", text(&data)]).env("XDG_CONFIG_HOME", "/nonexistent").output();
        let ended = ended.expect("the binary is there");
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {ended:?}");
        ended
    }

    /// Books a conference for so many, and gives what `exec --json` says of the run.
    fn book(&self, guests: &Value, outcome: &str) -> Value {
        let (saga, input) = (folder("saga.yaml"), json!({ "guests": guests }).to_string());
        let code = i32::from(outcome != "succeeded");
        let run = parsed(&self.amends(&["exec", &saga, "--plugin", &self.plugin, "--input", &input, "--json"], code));
        assert_eq!(run["outcome"], outcome, "{}: {run:#}", self.plugin);
        run
    }

    fn state(&self) -> Value {
        parsed(&self.amends(&["state", "list", "--json"], 0))
    }
}

fn parsed(ended: &Output) -> Value {
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn folder(name: &str) -> String {
    text(&root().join("plugins/places").join(name)).to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

/// What one run came to, without what differs between two runs that did the same: names, times, fuel.
fn essence(run: &Value) -> Value {
    let attempts = |step: &Value| -> Vec<Value> {
        let attempts = step["attempts"].as_array().expect("a list").iter();
        attempts.map(|attempt| json!([attempt["direction"], attempt["number"], attempt["result"], attempt["fault"]])).collect()
    };
    let steps = run["steps"].as_array().expect("a list").iter();
    let steps: Vec<_> = steps.map(|step| json!([step["id"], step["status"], step["output"], attempts(step)])).collect();
    json!({ "outcome": run["outcome"], "output": run["output"], "steps": steps })
}

fn statuses(run: &Value) -> Vec<&str> {
    run["steps"].as_array().expect("a list").iter().map(|step| step["status"].as_str().expect("a word")).collect()
}

/// The fault of the last attempt forward of a step.
fn fault(run: &Value, step: usize) -> &Value {
    let attempts = run["steps"][step]["attempts"].as_array().expect("a list");
    &attempts.iter().rfind(|attempt| attempt["direction"] == "forward").expect("it was tried")["fault"]
}

fn places(state: &Value) -> [Option<u64>; 3] {
    ["places/hall", "places/hotel", "places/bus"].map(|key| state[key].as_u64())
}

/// A conference that fits, one that does not fit into the bus, one that makes no sense, and the first one taken back.
fn story(component: &str) -> Vec<Value> {
    let site = Site::new(component);
    let begun = site.state();

    let fits = site.book(&json!(40), "succeeded");
    assert_eq!(fits["output"], json!({ "seats_left_in_the_bus": 10 }), "{component}");
    let after = site.state();
    assert_eq!(places(&after), [Some(260), Some(80), Some(10)], "{component}");
    let reserved = after.as_object().expect("an object").keys().filter(|key| key.starts_with("reserved/")).count();
    assert_eq!(reserved, 3, "{component}: {after}");

    let too_many = site.book(&json!(30), "compensated");
    assert_eq!(statuses(&too_many), ["compensated", "compensated", "compensation-not-needed"], "{component}: {too_many:#}");
    let sold_out =
        json!({ "code": "sold_out", "message": "30 places at `bus` wanted, 10 free", "details": { "wanted": 30, "free": 10 } });
    assert_eq!(fault(&too_many, 2), &sold_out, "{component}");
    assert_eq!(site.state(), after, "{component}: it left something behind");

    let nonsense = site.book(&json!("many"), "compensated");
    let invalid = json!({ "code": "invalid_input", "message": "`places` is no whole number from 1 to 1000" });
    assert_eq!(fault(&nonsense, 0), &invalid, "{component}");
    assert_eq!(site.state(), after, "{component}: it left something behind");

    let id = fits["run"].as_str().expect("an id");
    site.amends(&["run", "compensate", id, "--reason", "cancelled"], 0);
    assert_eq!(site.state(), begun, "{component}: it left something behind");

    [fits, too_many, nonsense].iter().map(essence).collect()
}

#[test]
#[ignore = "`cargo xtask guests --dynamic --test` builds the plugins and runs this"]
fn a_plugin_in_python_and_in_javascript_does_the_same_and_takes_it_back() {
    let [python, javascript] = LANGUAGES.map(story);
    assert_eq!(python, javascript);
}
