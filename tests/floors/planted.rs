//! Violations planted on purpose, each beside what is allowed: a rule that was never broken is a guess.

use crate::plan::Crate;
use crate::rules::{check, check_domain_manifest};

/// Each case: a file, its text, and what is found: the line and a part of what is said, or nothing.
#[test]
fn each_rule_finds_its_planted_violation_and_nothing_else() {
    for (of, path, text, found) in HOST
        .iter()
        .map(|case| (Crate::Host, case))
        .chain(DOMAIN.iter().map(|case| (Crate::Domain, case)))
        .map(|(of, (path, text, found))| (of, *path, *text, *found))
    {
        let violations: Vec<_> = check(of, path, text).iter().map(ToString::to_string).collect();
        match found {
            None => assert_eq!(violations, [""; 0], "{path}: {text}"),
            Some((line, says)) => {
                assert_eq!(violations.len(), 1, "{path}: {text}: {violations:?}");
                let place = format!("{}/{path}:{line}: ", of.sources());
                assert!(violations[0].starts_with(&place) && violations[0].contains(says), "{path}: {text}: {violations:?}");
            }
        }
    }
}

type Case = (&'static str, &'static str, Option<(usize, &'static str)>);

const HOST: &[Case] = &[
    // Lower floors only.
    ("coordinator/mod.rs", "use crate::store::Store;\nuse crate::sandbox::Sandbox;", None),
    ("store/mod.rs", "\nuse crate::coordinator::Gate;", Some((2, "`store` (floor 2, edges) uses `coordinator` (floor 3, drive)"))),
    ("coordinator/lane.rs", "use crate::cli::output;", Some((1, "`coordinator` (floor 3, drive) uses `cli` (floor 6, compose)"))),
    (
        "coordinator/lane.rs",
        "use super::super::{\n    clock::Clock,\n    api::Problem,\n};",
        Some((3, "uses `api` (floor 5, faces)")),
    ),
    ("coordinator/lane.rs", "fn f() { g(crate::api::error::Problem) }", Some((1, "uses `api` (floor 5, faces)"))),
    ("api/runs.rs", "use crate::{config, coordinator};", Some((1, "`api` (floor 5, faces) uses `config` (floor 6, compose)"))),
    ("cli/exec.rs", "use crate::compose::Host;\nuse crate::store::redb::RedbStore;", None),
    ("main.rs", "use amends::cli;", None),
    ("main.rs", "use amends::chores::sweep;", Some((1, "uses `chores`, which is no module on any floor"))),
    // Edges and faces do not know each other.
    ("sandbox/imports/state.rs", "use super::super::call::Call;\nuse crate::sandbox::attempt::Attempt;", None),
    ("sandbox/imports/state.rs", "use crate::store::Store;", Some((1, "edges do not know each other"))),
    ("sandbox/mod.rs", "mod tests {\n    use super::super::clock::Clock;\n}", Some((2, "edges do not know each other"))),
    ("clock.rs", "use super::telemetry;", Some((1, "edges do not know each other"))),
    ("console/mod.rs", "use crate::api::runs;", Some((1, "faces do not know each other"))),
    // Every module has a floor, and can be seen.
    ("chores/sweep.rs", "", Some((1, "module `chores` stands on no floor"))),
    ("coordinator/mod.rs", "use crate::chores::sweep;", Some((1, "uses `chores`, which is no module on any floor"))),
    ("coordinator/mod.rs", "use crate::*;", Some((1, "uses `*`, which is no module on any floor"))),
    ("coordinator/mod.rs", "use crate as host;", Some((1, "another name"))),
    ("coordinator/mod.rs", "use super::{self as host};", Some((1, "another name"))),
    ("coordinator/mod.rs", "use amends_domain::run::Run;\nuse amends_domain::{event, id::RunId};", None),
    ("coordinator/mod.rs", "use amends_domain::clock::now;", Some((1, "uses `clock`, which is no module on any floor"))),
    // What only one module knows.
    ("store/redb/mod.rs", "use redb::Database;\nfn f(x: ::redb::Error) {}", None),
    (
        "coordinator/lane.rs",
        "use redb::Database;",
        Some((1, "`coordinator/lane` (floor 3, drive) names `redb::Database`: only store/ knows redb")),
    ),
    ("coordinator/lane.rs", "fn f(error: ::redb::Error) {}", Some((1, "only store/ knows redb"))),
    ("compose.rs", "use crate::store::redb::RedbStore;", None),
    ("compose.rs", "use redb as disk;", Some((1, "only store/ knows redb"))),
    ("sandbox/engine.rs", "use wasmtime::Engine;\nfn f(x: &[u8]) { wasmparser::Parser::is_component(x) }", None),
    ("coordinator/mod.rs", "fn f() -> wasmtime::Result<()> { Ok(()) }", Some((1, "only sandbox/ knows wasmtime"))),
    ("cli/plugin.rs", "use wasmparser::Parser;", Some((1, "only sandbox/ reads components"))),
    ("clock.rs", "fn f() { getrandom::fill(&mut []) }", None),
    ("coordinator/mod.rs", "fn f() { getrandom::fill(&mut []) }", Some((1, "only clock rolls dice"))),
    ("sandbox/code/key.rs", "fn f() { getrandom::fill(&mut []) }", None),
    ("sandbox/code/kept.rs", "fn f() { getrandom::fill(&mut []) }", Some((1, "only clock rolls dice"))),
    ("cli/exec.rs", "use anyhow::Context;\nuse clap::Args;", None),
    ("compose.rs", "use anyhow::Context;", Some((1, "errors have types"))),
    ("coordinator/mod.rs", "extern crate clap;", Some((1, "only the command line"))),
    // Time.
    ("clock.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now(); std::time::Instant::now(); }", None),
    ("sandbox/attempt.rs", "fn f() { std::time::Instant::now(); }", None),
    ("store/writer/mod.rs", "use std::time::Instant;", None),
    ("store/redb/mod.rs", "use std::time::{Duration, Instant};", Some((1, "spans are measured by"))),
    ("store/writers.rs", "use std::time::Instant;", Some((1, "spans are measured by"))),
    ("sandbox/attempt.rs", "\nfn f() { std::time::SystemTime::now(); }", Some((2, "only clock says what time it is"))),
    ("coordinator/mod.rs", "use tokio::time::Instant as I;", Some((1, "spans are measured by"))),
    ("coordinator/mod.rs", "use amends_domain::time::Timestamp;\nuse std::time::Duration;", None),
    // Channels.
    (
        "coordinator/mod.rs",
        "use tokio::sync::mpsc;\nfn f() { mpsc::channel::<u8>(64); std::sync::mpsc::sync_channel::<u8>(1); }",
        None,
    ),
    (
        "coordinator/mod.rs",
        "use tokio::sync::mpsc;\nfn f() { mpsc::unbounded_channel::<u8>(); }",
        Some((2, "no channel without a bound")),
    ),
    ("coordinator/mod.rs", "use futures_util::mpsc::unbounded;", Some((1, "no channel without a bound"))),
    ("store/writer/mod.rs", "use std::sync::mpsc::{Sender, channel};", Some((1, "no channel without a bound"))),
    ("store/writer/mod.rs", "use std::sync::mpsc::*;", Some((1, "a glob hides"))),
    ("sandbox/ticker.rs", "use std::sync::mpsc::{SyncSender, sync_channel};", None),
];

const DOMAIN: &[Case] = &[
    ("event.rs", "use crate::id::StepIndex;\nuse crate::time::Timestamp;", None),
    ("event.rs", "use crate::run::Run;", Some((1, "`event` (floor 0, words) uses `run` (floor 1, rules)"))),
    ("payload.rs", "fn f(_: &super::audit::Head) {}", Some((1, "`payload` (floor 0, words) uses `audit` (floor 1, rules)"))),
    ("decide/forward.rs", "use crate::run::{Run, StepRun};\nuse crate::event::Event;\nuse super::wait;", None),
    ("decide/forward.rs", "use crate::clock::Clock;", Some((1, "uses `clock`, which is no module on any floor"))),
    ("decide/mod.rs", "use amends::store::Store;", Some((1, "the rules use the host"))),
    ("dice.rs", "", Some((1, "module `dice` stands on no floor"))),
    ("run/mod.rs", "fn f() { std::time::SystemTime::now(); }", Some((1, "only clock says what time it is"))),
    ("run/mod.rs", "fn f() { std::time::Instant::now(); }", Some((1, "spans are measured by"))),
];

/// Each case: a manifest, and the line and the name of what does not belong there.
#[test]
fn the_rules_depend_on_nothing_that_has_a_clock_chance_threads_or_disks() {
    let check = |text: &str, found: &[(usize, &str)]| {
        let violations = check_domain_manifest(text);
        let lines: Vec<_> = violations.iter().map(|violation| violation.line).collect();
        assert_eq!(lines, found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), "{text}: {violations:?}");
        for (violation, (_, says)) in violations.iter().zip(found) {
            assert!(violation.what.contains(says), "{violation}");
        }
    };
    check("[dependencies]\nbytes.workspace = true\nserde = { version = \"1\" }\n", &[]);
    check("[dev-dependencies]\nproptest.workspace = true\n[lints]\nworkspace = true\n", &[]);
    check("[dependencies]\nbytes.workspace = true\ntokio.workspace = true\n", &[(3, "`tokio`")]);
    check(
        "[dependencies]\nwasmtime = \"48\"\nredb=\"4\"\nchrono = \"0.4\"\n",
        &[(2, "`wasmtime`"), (3, "`redb`"), (4, "`chrono`")],
    );
    check("[dependencies.getrandom]\nversion = \"0.4\"\n", &[(1, "`getrandom`")]);
    check("[target.'cfg(unix)'.dependencies]\nrand = \"0.9\"\n", &[(2, "`rand`")]);
    check("[build-dependencies]\ncc = \"1\"\n", &[(2, "`cc`")]);
    check("[dependencies]\nbytes = { package = \"tokio\", version = \"1\" }\n", &[(2, "another name")]);
}
