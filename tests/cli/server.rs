//! The same commands on a server: what a tenant does with them from its first key on, and that what they say is what they say of a data
//! directory.

use crate::{at_input, example, last_line, order, run_id, text};
use harness::{Ended, Program, Server, guest, run_amends, run_amends_with};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

/// A server with the tenant `acme`, and a token for it.
pub(crate) struct Shop {
    folder: TempDir,
    pub(crate) server: Option<Server>,
    pub(crate) url: String,
    pub(crate) operator: String,
    pub(crate) token: String,
}

impl Shop {
    /// With a tenant that has nothing.
    pub(crate) fn empty() -> Self {
        Self::with([])
    }

    /// The same; the server has these variables.
    pub(crate) fn with(variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let server = Server::start_with(&folder.path().join("data"), variables);
        let (url, operator) = (format!("http://{}", server.address()), server.operator_token().to_owned());
        let mut shop = Self { folder, server: Some(server), url, operator, token: String::new() };
        assert_eq!(shop.as_operator(&["tenant", "create", "acme"]).code, Some(0));
        let created = shop.as_operator(&["key", "create", "anna", "--role", "tenant-admin", "--tenant", "acme"]);
        last_line(&created).strip_prefix("token ").expect("it is shown once").clone_into(&mut shop.token);
        shop
    }

    /// With the plugin, the saga and the books of the example.
    pub(crate) fn new() -> Self {
        let shop = Self::empty();
        shop.fill();
        shop
    }

    /// Gives the tenant the plugin, the saga and the books of the example.
    pub(crate) fn fill(&self) {
        self.done(&["plugin", "push", "orders", "1.0.0", text(&guest("orders"))]);
        self.done(&["saga", "apply", text(&example("saga.yaml"))]);
        self.done(&["state", "set", "--file", text(&example("state.json"))]);
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    }

    pub(crate) fn amends(&self, args: &[&str]) -> Ended {
        run_amends_with([("AMENDS_URL", self.url.as_str()), ("AMENDS_TOKEN", self.token.as_str())], args)
    }

    pub(crate) fn as_operator(&self, args: &[&str]) -> Ended {
        run_amends_with([("AMENDS_URL", self.url.as_str()), ("AMENDS_TOKEN", self.operator.as_str())], args)
    }

    #[track_caller]
    pub(crate) fn done(&self, args: &[&str]) -> Ended {
        let ended = self.amends(args);
        assert_eq!(ended.code, Some(0), "{ended}");
        ended
    }

    fn watching(&self, args: &[&str]) -> Program {
        Program::start_with([("AMENDS_URL", self.url.as_str()), ("AMENDS_TOKEN", self.token.as_str())], args)
    }

    /// Starts a run of the example and waits for its end.
    pub(crate) fn order(&self, input: &str) -> String {
        run_id(&self.done(&["run", "start", "order.fulfillment", "--input", input, "--wait", "30s"]))
    }
}

#[test]
fn a_tenant_goes_by_commands_from_its_first_key_to_a_dead_letter_that_is_settled() {
    let shop = Shop::new();
    assert!(last_line(&shop.done(&["whoami"])).contains("tenant-admin of tenant acme"));
    let good =
        shop.done(&["run", "start", "order.fulfillment", "--input", &at_input("good.json"), "--key", "o-1", "--wait", "30s"]);
    let run = run_id(&good);
    assert_eq!(last_line(&good), format!("run {run} succeeded"));
    let again =
        shop.done(&["run", "start", "order.fulfillment", "--input", &at_input("good.json"), "--key", "o-1", "--wait", "30s"]);
    assert_eq!(last_line(&again), format!("run {run} succeeded (it was so already)"));
    let back = shop.done(&["run", "compensate", &run, "--reason", "it came back", "--wait", "30s"]);
    assert_eq!(last_line(&back), format!("run {run} compensated"));

    let stuck = shop.order(&at_input("refund-stuck.json"));
    let letters = shop.done(&["dead-letter", "list", "--json"]).json();
    let letter = letters["dead_letters"][0]["id"].as_str().expect("there is one").to_owned();
    assert_eq!(letter, format!("{stuck}.charge-payment"));
    let redriven = shop.done(&["dead-letter", "redrive", &letter, "--follow"]);
    assert_eq!(last_line(&redriven), format!("run {stuck} stuck"), "it is rejected again");
    assert!(redriven.text().contains("redriven by anna"), "{redriven}");
    let resolved = shop.done(&[
        "dead-letter",
        "resolve",
        &letter,
        "--reason",
        "refunded",
        "--evidence",
        "{\"r\":1}",
        "--json",
        "--wait",
        "30s",
    ]);
    assert_eq!(
        resolved.json(),
        json!({ "run": stuck, "tenant": "acme", "status": "compensated", "outcome": "compensated", "noted": true })
    );
    assert_eq!(shop.done(&["dead-letter", "list", "--json"]).json(), json!({ "dead_letters": [], "more": false }));
    let killed = shop.as_operator(&["run", "kill", &stuck, "--reason", "no", "--tenant", "acme"]);
    assert_eq!((killed.code, killed.stderr.contains("error[run_ended]")), (Some(3), true), "{killed}");
}

/// Each: what is asked, of a server and then of the data directory that it left.
#[test]
fn a_server_is_shown_as_the_data_directory_that_it_leaves() {
    let mut shop = Shop::new();
    let logs = order(
        &json!({ "charge-payment": { "execute": "log" }, "create-shipment": { "execute": { "unavailable": { "attempts": 1 } } } }),
    );
    let (logged, stuck) = (shop.order(&logs), shop.order(&at_input("refund-stuck.json")));
    let held = shop.file("held.yaml", "saga: held\nsteps: [{ id: w, wait: { signal: go, timeout: 2h } }]\n");
    let waiting = run_id(&shop.done(&["run", "start", &held, "--input", "{\"text\": \"\\u001b[2J\"}"]));
    shop.done(&["run", "pause", &waiting, "--reason", "later"]);
    let letter = format!("{stuck}.charge-payment");
    let started =
        |run: &str| shop.done(&["run", "show", run, "--json"]).json()["started_at"].as_str().expect("an instant").to_owned();
    let (second, third) = (started(&stuck), started(&waiting));
    let questions = [
        vec!["run", "list"],
        vec!["run", "list", "--status", "stuck", "--json"],
        vec!["run", "list", "--limit", "1", "--json"],
        vec!["run", "list", "--saga", "held"],
        vec!["run", "list", "--saga", "never-heard-of"],
        vec!["run", "list", "--since", &second, "--until", &third, "--json"],
        vec!["run", "list", "--since", &third, "--saga", "order.fulfillment"],
        vec!["run", "list", "--until", &second, "--status", "succeeded", "--limit", "1"],
        vec!["run", "show", &logged],
        vec!["run", "show", &logged, "--json"],
        vec!["run", "show", &stuck],
        vec!["run", "show", &waiting],
        vec!["run", "show", &waiting, "--json"],
        vec!["dead-letter", "list"],
        vec!["dead-letter", "list", "--json"],
        vec!["dead-letter", "show", &letter],
        vec!["dead-letter", "show", &letter, "--json"],
        vec!["state", "list"],
        vec!["state", "list", "--prefix", "stock/", "--json"],
        vec!["state", "list", "--limit", "2", "--json"],
        vec!["state", "get", "stock/BOOK-1", "--json"],
        vec!["state", "get", "carriers"],
        vec!["state", "get", "stock/BOOK"],
    ];
    let there: Vec<Ended> = questions.iter().map(|question| shop.amends(question)).collect();
    assert!(there[8].text().contains("info   "), "logs are shown: {}", there[8]);
    let runs = |at: usize| there[at].text().matches("run_").count();
    assert_eq!([0, 3, 4, 5, 6, 7].map(runs), [3, 1, 0, 1, 0, 1], "of three runs, those that were asked for");
    assert!(there[5].text().contains(&stuck) && there[7].text().contains(&logged), "{}{}", there[5], there[7]);
    shop.server.take().expect("it runs").stop();
    let data = shop.data();
    let place = ["--data", text(&data), "--tenant", "acme"];
    for (question, there) in questions.iter().zip(there) {
        let here = run_amends(question.iter().chain(&place));
        let shown = |ended: &Ended| format!("{}\n{}", ended.text(), ended.stderr).replace(&format!(" {}", place.join(" ")), "");
        // A correction comes with the redrive here, and before it there.
        let corrections = ["\n  amends dead-letter", "\"amends plugin push", "\"amends dead-letter redrive"];
        let cut =
            |text: String| corrections.iter().fold(text.as_str(), |text, at| text.split(at).next().unwrap_or(text)).to_owned();
        assert_eq!((cut(shown(&there)), there.code), (cut(shown(&here)), here.code), "{question:?}");
    }
}

#[test]
fn a_run_is_followed_live_and_over_an_end_of_the_server() {
    let mut shop = Shop::new();
    let document = "saga: ask\nsteps:\n  - { id: first, wait: { signal: one } }\n  - { id: second, wait: { signal: two } }\n";
    let saga = shop.file("ask.yaml", document);
    let run = run_id(&shop.done(&["run", "start", &saga, "--input", "1"]));
    let mut following = shop.watching(&["run", "follow", &run]);
    let mut events = shop.watching(&["run", "follow", &run, "--json"]);
    assert!(following.line().is_some_and(|line| line.contains("step")), "the heading");
    assert!(following.line().is_some_and(|line| line.contains("waits for signal one")));
    assert!(events.line().is_some_and(|line| line.contains("workflow.saga.started")));
    shop.done(&["run", "signal", &run, "one", "{\"by\":\"anna\"}", "--id", "mail-1"]);
    assert!(following.line().is_some_and(|line| line.contains("@ signal one by anna")));
    // The server goes away and comes back: nothing is told twice, and nothing is missing.
    let address = shop.server.as_ref().expect("it runs").address().to_string();
    shop.server.take().expect("it runs").kill();
    shop.server = Some(Server::start_at(&shop.data(), &address));
    shop.done(&["run", "signal", &run, "two", "7"]);
    let followed = following.wait();
    assert_eq!((followed.code, last_line(&followed)), (Some(0), "outcome succeeded"), "{followed}");
    let shown = shop.done(&["run", "show", &run]);
    let is_timeline = |line: &&String| line.trim_start().starts_with('+');
    let timeline = |ended: &Ended| ended.stdout.iter().filter(is_timeline).cloned().collect::<Vec<_>>();
    assert_eq!(timeline(&followed), timeline(&shown), "{followed}\n{shown}");
    let events = events.wait();
    let read = |line: &String| serde_json::from_str::<Value>(line).expect("an event")["type"].as_str().expect("a type").to_owned();
    let types: Vec<_> = events.stdout.iter().map(read).collect();
    assert_eq!((events.code, types.last().map(String::as_str)), (Some(0), Some("workflow.saga.completed")), "{types:?}");
    assert_eq!(types.iter().filter(|name| *name == "workflow.saga.signalled").count(), 2, "{types:?}");
}

#[test]
fn a_command_waits_for_the_end_of_a_run_as_long_as_it_is_told() {
    let shop = Shop::empty();
    let saga = shop.file("ask.json", r#"{"saga":"ask","steps":[{"id":"w","wait":{"signal":"go"}}]}"#);
    let open = shop.done(&["run", "start", &saga, "--wait", "300ms"]);
    let run = run_id(&open);
    assert_eq!(last_line(&open), format!("run {run} waiting for signal `go`"));
    let paused = shop.done(&["run", "pause", &run, "--wait", "200ms", "--json"]);
    assert_eq!((&paused.json()["status"], &paused.json()["awaits"]["what"]), (&json!("paused"), &json!("resume")));
    shop.done(&["run", "resume", &run]);
    let ended = shop.done(&["run", "cancel", &run, "--reason", "no", "--wait", "30s"]);
    assert_eq!(last_line(&ended), format!("run {run} compensated"));
}

#[test]
fn tenants_keys_plugins_and_sagas_are_managed_by_commands() {
    let shop = Shop::new();
    let limited = shop.as_operator(&["tenant", "limit", "acme", "live_memory=2GiB", "weight=200", "--json"]).json();
    assert_eq!((&limited["limits"]["weight"], &limited["id"]), (&json!(200), &json!("acme")), "{limited}");
    let suspended = shop.as_operator(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
    assert!(suspended.text().contains("standing   suspended"), "{suspended}");
    let refused = shop.amends(&["run", "start", "order.fulfillment", "--input", &at_input("good.json")]);
    assert_eq!((refused.code, refused.stderr.contains("error[tenant_suspended]")), (Some(3), true), "{refused}");
    assert_eq!(shop.as_operator(&["tenant", "reopen", "acme"]).code, Some(0));
    assert!(shop.as_operator(&["tenant", "list"]).text().contains("acme"));
    assert!(shop.done(&["tenant", "show"]).text().contains("weight                  200"));

    let key = shop.done(&["key", "create", "looker", "--role", "viewer", "--json"]).json();
    let (id, token) = (key["id"].as_str().expect("an id"), key["token"].as_str().expect("a token"));
    let looker = [("AMENDS_URL", shop.url.as_str()), ("AMENDS_TOKEN", token)];
    assert_eq!(run_amends_with(looker, ["run", "list"]).code, Some(0));
    assert!(shop.done(&["key", "list"]).text().contains("used 2"), "it was used");
    shop.done(&["key", "revoke", id]);
    let revoked = run_amends_with(looker, ["run", "list"]);
    assert_eq!((revoked.code, revoked.stderr.contains("error[key_revoked]")), (Some(3), true), "{revoked}");

    let pushed = shop.done(&["plugin", "push", "orders", "1.1.0", text(&guest("ledger")), "--json"]).json();
    assert_eq!((&pushed["status"], &pushed["version"]), (&json!("ready"), &json!("1.1.0")), "{pushed}");
    let shown = shop.done(&["plugin", "show", "orders"]).text();
    assert!(shown.contains("version  1.0.0") && shown.contains("handler  create-entry"), "{shown}");
    shop.done(&["plugin", "delete", "orders", "1.1.0"]);
    assert_eq!(shop.done(&["plugin", "list", "--json"]).json()["plugins"][0]["versions"].as_array().map(Vec::len), Some(1));
    let saga = shop.file("other.yaml", "saga: order.fulfillment\nsteps: [{ id: reserve-inventory, uses: orders/reserve-inventory, input: { sku: A, quantity: 1 } }]\n");
    let applied = shop.done(&["saga", "apply", &saga]);
    assert_eq!(last_line(&applied), "order.fulfillment version 2");
    assert!(applied.text().contains("breaking    steps.charge-payment"), "{applied}");
    let differs = shop.done(&["saga", "show", "order.fulfillment", "--against", "1"]).text();
    assert!(applied.text().starts_with(&differs), "{differs}");
    let followed = shop.done(&["events", "follow", "--type", "saga.applied", "--count", "2"]);
    assert_eq!(followed.stdout.len(), 2, "{followed}");
    let listed = shop.done(&["events", "list", "--type", "plugin.*", "--json"]);
    assert!(listed.text().contains("plugin.version-deleted"), "{listed}");
}
