//! What is refused, and how: an exit code, a code that never changes, one sentence, and nothing left behind.

use crate::{Site, at_input, example, orders, text};
use amends::store::Store;
use amends::store::redb::RedbStore;
use harness::{Ended, run_amends};
use serde_json::Value;

/// `error[CODE]: …` on standard error, nothing on standard output.
fn assert_refused(ended: &Ended, exit: i32, code: &str) {
    assert_eq!(ended.code, Some(exit), "{ended}");
    assert!(ended.stderr.starts_with(&format!("error[{code}]: ")), "{ended}");
    assert!(ended.stdout.is_empty(), "{ended}");
}

#[test]
fn a_component_over_a_limit_is_refused_with_the_limit_and_the_value_found() {
    let site = Site::new();
    let levels: String = (1..23).fold("(component $c0)".into(), |text, level| {
        let inner = level - 1;
        let twice = format!("(instance (instantiate $c{inner}))").repeat(2);
        format!("{text} (component $c{level} (alias outer 1 $c{inner} (component $c{inner})) {twice})")
    });
    let bomb = wat::parse_str(format!("(component {levels} (instance (instantiate $c22)))")).expect("text");
    let refused = run_amends(["plugin", "check", &site.file_of("bomb.wasm", &bomb)]);
    assert_refused(&refused, 3, "component_has_too_many");
    assert!(refused.stderr.contains("8388607 nested instances, multiplied out, the limit is 64"), "{refused}");
    // What is allowed is described, and was compiled by a process.
    let described = run_amends(["plugin", "check", text(&harness::guest("orders"))]);
    assert_eq!(described.code, Some(0), "{described}");
}

/// Each case: the arguments (`DATA`, `SAGA`, `ORDERS` stand for the places), the exit code, the code.
#[test]
fn each_mistake_has_an_exit_code_and_a_code_and_leaves_nothing_behind() {
    let site = Site::new();
    let (saga, orders, data) = (example("saga.yaml"), orders(), site.data());
    let empty = site.file("empty.jsonl", "\n");
    let broken = site.file("broken.jsonl", "1\n{\n");
    let no_wasm = format!("orders={}", text(&example("README.md")));
    for (args, exit, code) in [
        ("exec nowhere.yaml --input {} --data DATA", 2, "file_not_readable"),
        ("exec SAGA --plugin orders=nowhere.wasm --input {} --data DATA", 2, "file_not_readable"),
        ("exec SAGA --plugin ORDERS --input @nowhere.json --data DATA", 2, "file_not_readable"),
        ("exec SAGA --plugin ORDERS --inputs nowhere.jsonl --data DATA", 2, "file_not_readable"),
        ("exec SAGA --plugin ORDERS --inputs EMPTY --data DATA", 2, "file_empty"),
        ("exec SAGA --plugin ORDERS --inputs BROKEN --data DATA", 3, "input_not_json"),
        ("exec SAGA --plugin ORDERS --input { --data DATA", 3, "input_not_json"),
        ("exec SAGA --plugin ORDERS --plugin ORDERS --input {} --data DATA", 2, "plugin_named_twice"),
        ("resume --data DATA", 2, "no_data_directory"),
        ("run list --data DATA", 2, "no_data_directory"),
        ("run show run_01kb0v7m4q8r5t2x9y3z6w1a0c --data DATA", 2, "no_data_directory"),
        ("state list --data DATA", 2, "no_data_directory"),
        ("state get a --data DATA", 2, "no_data_directory"),
        ("state set a { --data DATA", 3, "input_not_json"),
        ("audit verify --data DATA", 2, "no_data_directory"),
        ("audit export --data DATA --out DATA.jsonl", 2, "no_data_directory"),
        ("audit verify nowhere.jsonl", 2, "file_not_readable"),
        ("plugin check nowhere.wasm", 2, "file_not_readable"),
        ("plugin check SAGA", 3, "component_is_not_webassembly"),
        ("saga check nowhere.yaml", 2, "file_not_readable"),
        ("saga check SAGA --plugin NOWASM", 3, "component_is_not_webassembly"),
    ] {
        let args = args.split(' ').map(|word| match word {
            "SAGA" => text(&saga),
            "ORDERS" => &orders,
            "NOWASM" => &no_wasm,
            "EMPTY" => &empty,
            "BROKEN" => &broken,
            "DATA" => text(&data),
            word => word,
        });
        assert_refused(&run_amends(args), exit, code);
        assert!(!data.exists(), "{code} left a data directory behind");
    }
}

/// Each case: arguments that make no sense, and what is said about them.
#[test]
fn bad_usage_is_told_with_exit_code_2() {
    for (args, says) in [
        ("bogus", "unrecognized subcommand"),
        ("exec", "--data <DIR>"),
        ("exec saga.yaml --data d", "--input"),
        ("exec saga.yaml --data d --input 1 --inputs i.jsonl", "cannot be used with"),
        ("exec saga.yaml --data d --input 1 --plugin orders", "NAME=FILE.wasm"),
        ("exec saga.yaml --data d --input 1 --tenant Acme!", "not a name"),
        ("run show nothing --data d", "not a run id"),
        ("run list --data d --limit 0", "0 is not in"),
        (
            "run list --data d --since yesterday",
            "'--since <TIME>': `yesterday` is not an instant: write RFC 3339, such as 2026-01-31T09:00:00Z",
        ),
        (
            "run list --data d --until 2026-01-31T09:00:00",
            "'--until <TIME>': `2026-01-31T09:00:00` is not an instant: write RFC 3339",
        ),
        ("run list --data d --saga Order!", "'--saga <SAGA>'"),
        ("audit verify", "--data DIR"),
        ("state set a --data d", "JSON|@FILE"),
    ] {
        let ended = run_amends(args.split(' '));
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{args}: no `{says}`: {ended}");
        let ended = run_amends(args.split(' ').chain(["--json"]));
        let told: serde_json::Value =
            serde_json::from_str(&ended.stderr).unwrap_or_else(|error| panic!("{args}: {error}: {ended}"));
        assert!(told["message"].as_str().is_some_and(|message| message.contains(says)), "{args}: {told}");
        assert_eq!((ended.code, told["code"].is_string()), (Some(2), true), "{ended}");
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let site = Site::with_books();
    assert_refused(&site.amends(&["run", "show", "run_01kb0v7m4q8r5t2x9y3z6w1a0c"]), 3, "unknown_run");
    assert_refused(&site.amends(&["state", "get", "account/nobody"]), 3, "unknown_key");
    assert_refused(&site.amends(&["audit", "verify", "--tenant", "acme"]), 3, "unknown_tenant");
    assert_refused(&site.exec(&at_input("good.json"), &["--key", &"k".repeat(256)]), 3, "key_length");
    let long = site.file("long.json", &format!("\"{}\"", "x".repeat(256 * 1024)));
    assert_refused(&site.exec(&format!("@{long}"), &[]), 3, "input_too_long");
}

/// Every one of them is in a different part of the document.
const MISTAKEN: &str = "
saga: Order Fulfillment
compensation: { order: sideways }
defaults: { retry: { attempts: 0 } }
steps:
  - id: reserve
    uses: orders
  - id: reserve
    uses: orders/reserve-inventory
    input: { sku: \"${input.}\" }
    limits: { fule: 7 }
";
const MISTAKES: &[&str] = &[
    "saga",
    "compensation.order",
    "defaults.retry.attempts",
    "steps[0].uses",
    "steps[1].id",
    "steps[1].input.sku",
    "steps[1].limits.fule",
];

#[test]
fn all_mistakes_of_a_definition_are_told_at_once_each_with_its_path() {
    let site = Site::new();
    let saga = site.file("saga.yaml", MISTAKEN);
    for ended in [run_amends(["saga", "check", &saga]), site.exec_saga(&saga, "{}", &[])] {
        assert_refused(&ended, 3, "saga_refused");
        for path in MISTAKES {
            assert!(ended.stderr.contains(&format!("\n  {path}: ")), "no {path}: {ended}");
        }
    }
    assert!(!site.data().exists());
    let ended = run_amends(["saga", "check", &saga, "--json"]);
    let told: Value = serde_json::from_str(&ended.stderr).expect("an error is JSON where JSON is asked for");
    let mut paths: Vec<_> = told["mistakes"].as_array().expect("a list").iter().filter_map(|m| m["path"].as_str()).collect();
    paths.sort_unstable();
    let mut expected = MISTAKES.to_vec();
    expected.sort_unstable();
    assert_eq!((ended.code, &told["code"], paths), (Some(3), &Value::from("saga_refused"), expected));
}

#[test]
fn a_definition_that_does_not_fit_its_plugins_is_refused_with_every_misfit() {
    let site = Site::new();
    let saga = site.file("saga.yaml", "saga: s\nsteps:\n  - { id: a, uses: orders/fly }\n  - { id: b, uses: mail/send }\n");
    for ended in [run_amends(["saga", "check", &saga, "--plugin", &orders()]), site.exec_saga(&saga, "1", &[])] {
        assert_refused(&ended, 3, "saga_refused");
        assert!(ended.stderr.contains("steps[0].uses: plugin `orders` has no handler `fly`"), "{ended}");
        assert!(ended.stderr.contains("steps[1].uses: plugin `mail` is not installed"), "{ended}");
    }
    let alone = run_amends(["saga", "check", &saga]);
    assert_eq!(alone.code, Some(0), "what can be checked without plugins is right: {alone}");
}

#[test]
fn a_data_directory_in_use_by_another_process_is_left_alone() {
    let site = Site::with_books();
    // This process is the other one.
    let store = RedbStore::open(&site.data()).expect("nobody has it open");
    let verify = site.amends(&["audit", "verify"]);
    for ended in [
        verify,
        site.exec(&at_input("good.json"), &[]),
        site.amends(&["resume"]),
        site.amends(&["run", "list"]),
        site.amends(&["state", "list"]),
        site.amends(&["state", "set", "a", "1"]),
    ] {
        assert_refused(&ended, 1, "data_in_use");
        assert!(ended.stderr.contains("in use by another process"), "{ended}");
    }
    store.close().expect("it closes");
    drop(store);
    let free = site.amends(&["audit", "verify"]);
    assert_eq!(free.code, Some(0), "{free}");
}
