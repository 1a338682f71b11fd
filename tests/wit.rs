//! The contract in its resolved form against `golden/wit.txt`. Changing an exported signature breaks every compiled plugin, so that no
//! edit of `wit/` may do it unseen: comments are free, everything else is a decision.

use std::path::Path;
use std::{env, fs};

use wit_component::WitPrinter;
use wit_parser::{Resolve, WorldItem};

/// Set to write the golden file anew.
const RENEW: &str = "AMENDS_RENEW_GOLDEN";

const MEANING: &str = "the contract in wit/ is no longer what tests/golden/wit.txt says.
A change of an export, or of a parameter, a field or a case anywhere, breaks every compiled plugin: it needs another package version.
A new function in an import, or a new import, is safe.
If it is meant, run the test once with AMENDS_RENEW_GOLDEN=1 and commit the golden file with the change.";

#[test]
fn the_contract_is_what_plugins_were_compiled_against() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/wit.txt");
    let resolved = resolved();
    if env::var_os(RENEW).is_some() {
        fs::write(&golden, &resolved).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if let Some((line, (now, before))) = first_difference(&resolved, &expected) {
        panic!("{MEANING}\nThe first difference is in line {line}:\n  golden: {before}\n  wit/:   {now}");
    }
}

/// A world's own functions and types would not be versioned with an interface, and could not be told apart by the host.
#[test]
fn worlds_import_and_export_interfaces_only() {
    let (resolve, package) = parsed();
    let worlds = &resolve.packages[package].worlds;
    assert_eq!(worlds.keys().collect::<Vec<_>>(), ["plugin", "described"]);
    for (name, world) in worlds {
        let world = &resolve.worlds[*world];
        for (key, item) in world.imports.iter().chain(&world.exports) {
            assert!(matches!(item, WorldItem::Interface { .. }), "world {name}: {}", resolve.name_world_key(key));
        }
    }
}

fn parsed() -> (Resolve, wit_parser::PackageId) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).unwrap_or_else(|cause| panic!("failed to read wit/: {cause:#}"));
    (resolve, package)
}

/// The package as text, in the order of `wit/`, with everything resolved that a world includes; without comments.
fn resolved() -> String {
    let (resolve, package) = parsed();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false).print(&resolve, package, &[]).expect("a resolved package can be printed");
    printer.output.to_string()
}

fn first_difference<'a>(now: &'a str, before: &'a str) -> Option<(usize, (&'a str, &'a str))> {
    let end = "(nothing)";
    let lines = now.lines().count().max(before.lines().count());
    let pairs = now.lines().chain(std::iter::repeat(end)).zip(before.lines().chain(std::iter::repeat(end)));
    (1..=lines).zip(pairs).find(|(_, (now, before))| now != before)
}
