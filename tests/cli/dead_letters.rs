//! Dead letters as an operator meets them: found, read, tried again with what was corrected, or settled by hand.

use crate::{Site, at_input, last_line, run_id, text};
use harness::{Ended, framed_guest, small_guest};
use serde_json::{Value, json};

/// Does its work, and traps when it shall take it back.
const TRAPS_ON_THE_WAY_BACK: &str = r#"
(core module $guest
  (import "libc" "memory" (memory 1))
  (func (export "execute") (param $at i32) (param $len i32) (result i32)
    (i32.store (i32.const 4) (local.get $at))
    (i32.store (i32.const 8) (local.get $len))
    (i32.const 0))
  (func (export "compensate") (param i32 i32 i32 i32 i32) (result i32) (unreachable)))
(core instance $it (instantiate $guest (with "libc" (instance $libc))))"#;

/// The second step fails, the first one cannot be taken back, the one beside it can.
const SAGA: &str = r#"{"saga":"s","defaults":{"retry":{"attempts":2,"initial":"1ms","jitter":"0s"}},"steps":[
    {"id":"wrong","uses":"wrong/wrong","input":"a"},{"id":"right","uses":"right/right","input":"b","after":[]},
    {"id":"fails","uses":"fails/fails","input":"c","after":["wrong","right"]}]}"#;

/// A site with one stuck run, and the id of its dead letter.
fn stuck() -> (Site, String) {
    let site = Site::new();
    let saga = site.file("s.json", SAGA);
    let plugin = |name: &str, component: &[u8]| {
        let file = site.file_of(&format!("{name}.wasm"), component);
        ["--plugin".to_owned(), format!("{name}={file}")]
    };
    let plugins = [
        plugin("wrong", &framed_guest(TRAPS_ON_THE_WAY_BACK)),
        plugin("right", &small_guest("echo")),
        plugin("fails", &small_guest("trap")),
    ]
    .concat();
    let args = ["exec", &saga, "--input", "{}"].into_iter().chain(plugins.iter().map(String::as_str));
    let ended = site.amends(&args.collect::<Vec<_>>());
    assert_eq!((ended.code, ended.stdout.last().map(String::as_str)), (Some(1), Some("outcome stuck")), "{ended}");
    let letter = format!("{}.wrong", run_id(&ended));
    assert!(ended.stderr.contains(&format!("a person must decide about {letter}: amends dead-letter show {letter}")), "{ended}");
    (site, letter)
}

fn letters(site: &Site) -> Vec<Value> {
    let listed = site.amends(&["dead-letter", "list", "--json"]);
    assert_eq!(listed.code, Some(0), "{listed}");
    listed.json()["dead_letters"].as_array().expect("a list").clone()
}

fn refused(ended: &Ended, code: &str) {
    assert_eq!(ended.code, Some(3), "{ended}");
    assert!(ended.stderr.starts_with(&format!("error[{code}]: ")), "{ended}");
}

#[test]
fn a_compensation_that_traps_for_ever_is_redriven_with_a_corrected_plugin() {
    let (site, letter) = stuck();
    let run = letter.strip_suffix(".wrong").expect("it is its step");
    assert_eq!(site.statuses(run), ["compensation-failed", "compensated", "compensation-not-needed"], "the others are done");

    let found = letters(&site);
    let [found] = &found[..] else { panic!("one dead letter: {found:?}") };
    assert_eq!((&found["id"], &found["step"], &found["attempts"]), (&json!(letter), &json!("wrong"), &json!(2)), "{found}");
    let shown = site.amends(&["dead-letter", "show", &letter]).text();
    for says in [
        "handler      wrong/wrong",
        "direction    backward",
        "  trap",
        "effects      none",
        "recommended  redrive with a corrected plugin",
    ] {
        assert!(shown.contains(says), "no `{says}`: {shown}");
    }
    let command = format!("amends dead-letter redrive {letter} --plugin wrong=FILE.wasm --data ");
    assert!(shown.contains(&command), "no `{command}`: {shown}");
    let json = site.amends(&["dead-letter", "show", &letter, "--json"]).json();
    assert_eq!(json["recommended"]["action"], "redrive-corrected", "{json}");

    let again = site.amends(&["dead-letter", "redrive", &letter]);
    assert_eq!(last_line(&again), format!("run {run} stuck"), "the same component does the same");
    let other = format!("right={}", site.file_of("other.wasm", &small_guest("echo")));
    refused(&site.amends(&["dead-letter", "redrive", &letter, "--plugin", &other]), "plugin_not_used");
    let lacks = format!("wrong={}", text(&harness::guest("orders")));
    refused(&site.amends(&["dead-letter", "redrive", &letter, "--plugin", &lacks]), "handler_missing");

    let corrected = format!("wrong={}", site.file_of("corrected.wasm", &small_guest("echo")));
    let done = site.amends(&["dead-letter", "redrive", &letter, "--plugin", &corrected, "--by", "anna"]);
    assert_eq!(last_line(&done), format!("run {run} compensated"), "{done}");
    assert_eq!(site.statuses(run), ["compensated", "compensated", "compensation-not-needed"]);
    assert_eq!(letters(&site), [Value::Null; 0]);
    refused(&site.amends(&["dead-letter", "show", &letter]), "not_a_dead_letter");
    refused(&site.amends(&["dead-letter", "redrive", &letter]), "not_a_dead_letter");
    assert_eq!(site.amends(&["audit", "verify"]).code, Some(0));
}

#[test]
fn the_newest_component_of_a_plugin_can_take_the_place_of_the_pinned_one() {
    let (site, letter) = stuck();
    let corrected = format!("wrong={}", site.file_of("corrected.wasm", &small_guest("echo")));
    // A new run brings the plugin; the old one still pins what it began with.
    let saga = site.file("t.json", r#"{"saga":"t","steps":[{"id":"a","uses":"wrong/wrong"}]}"#);
    assert_eq!(site.amends(&["exec", &saga, "--input", "1", "--plugin", &corrected]).code, Some(0));
    assert!(last_line(&site.amends(&["dead-letter", "redrive", &letter])).ends_with(" stuck"));
    assert!(last_line(&site.amends(&["dead-letter", "redrive", &letter, "--latest"])).ends_with(" compensated"));
}

#[test]
fn what_was_done_by_hand_is_on_record_with_reason_and_evidence() {
    let site = Site::with_books();
    let run = run_id(&site.exec(&at_input("refund-stuck.json"), &[]));
    let letter = format!("{run}.charge-payment");
    refused(&site.amends(&["dead-letter", "resolve", &letter]), "reason_missing");
    refused(&site.amends(&["dead-letter", "resolve", &letter, "--done", "--reason", "paid"]), "resolution_unfit");
    let evidence = r#"{"refund":"R-17"}"#;
    let resolve = ["dead-letter", "resolve", &letter, "--reason", "refunded by hand", "--evidence", evidence, "--by", "anna"];
    assert_eq!(last_line(&site.amends(&resolve)), format!("run {run} compensated"));
    assert_eq!(last_line(&site.amends(&resolve)), format!("run {run} compensated (it was so already)"));
    let resolved = site.shown(&run)["steps"][1]["resolved"].clone();
    assert_eq!(
        (&resolved["resolution"], &resolved["by"], &resolved["reason"], &resolved["evidence"]),
        (&json!("undone"), &json!("anna"), &json!("refunded by hand"), &json!({ "refund": "R-17" })),
        "{resolved}"
    );
}

#[test]
fn where_the_tenant_wants_it_a_second_person_must_say_the_same() {
    let site = Site::with_books();
    assert_eq!(last_line(&site.amends(&["tenant", "show"])), "resolvers  one");
    assert_eq!(last_line(&site.amends(&["tenant", "resolvers", "two"])), "resolvers  two");
    assert_eq!(last_line(&site.amends(&["tenant", "show"])), "resolvers  two");
    let run = run_id(&site.exec(&at_input("refund-stuck.json"), &[]));
    let letter = format!("{run}.charge-payment");
    let resolve = |by: &str| site.amends(&["dead-letter", "resolve", &letter, "--reason", "refunded", "--by", by]);
    assert_eq!(last_line(&resolve("anna")), format!("run {run} stuck: {letter} awaits a second person"));
    refused(&resolve("anna"), "second_person_needed");
    assert!(site.amends(&["dead-letter", "show", &letter]).text().contains("anna"), "who proposed it is to be seen");
    assert_eq!(last_line(&resolve("bert")), format!("run {run} compensated"));
    assert_eq!(site.shown(&run)["steps"][1]["resolved"]["confirmed_by"], "bert");
}

#[test]
fn dead_letters_are_listed_with_those_of_the_newest_runs_first() {
    let site = Site::with_books();
    let [old, new] = [(); 2].map(|()| run_id(&site.exec(&at_input("refund-stuck.json"), &[])));
    let ids: Vec<_> = letters(&site).iter().map(|letter| letter["run"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, [new.clone(), old]);
    let first = site.amends(&["dead-letter", "list", "--limit", "1", "--json"]).json();
    assert_eq!((&first["dead_letters"][0]["run"], &first["more"]), (&json!(new), &json!(true)));
    assert_eq!(site.amends(&["dead-letter", "list", "--tenant", "acme", "--json"]).json()["dead_letters"], json!([]));
}
