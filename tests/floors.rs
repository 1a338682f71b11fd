//! Keeps the floors: a module uses only lower floors, edges do not know each other, and what only one place may do is done nowhere
//! else. The compiler accepts import circles inside a crate; this does not. And keeps the form of every source file.

#[path = "floors/files.rs"]
mod files;
#[path = "floors/plan.rs"]
mod plan;
#[path = "floors/planted.rs"]
mod planted;
#[path = "floors/rules.rs"]
mod rules;
#[path = "floors/source.rs"]
mod source;

use harness::root;
use plan::{Crate, DOMAIN_DEPENDENCIES, FLOORS};
use rules::Violation;
use std::fs;
use std::path::Path;

#[test]
fn every_module_uses_only_lower_floors() {
    let violations: Vec<_> = [Crate::Domain, Crate::Host].into_iter().flat_map(check_crate).collect();
    assert_none(&violations);
}

#[test]
fn the_manifest_of_the_rules_lists_nothing_that_is_not_allowed() {
    assert_none(&rules::check_domain_manifest(&read(&root().join("host/domain/Cargo.toml"))));
}

#[test]
fn no_module_and_no_dependency_is_planned_twice() {
    for of in [Crate::Domain, Crate::Host] {
        let mut modules: Vec<_> = FLOORS.iter().filter(|floor| floor.of == of).flat_map(|floor| floor.modules).collect();
        let planned = modules.len();
        modules.sort();
        modules.dedup();
        assert_eq!(modules.len(), planned, "{modules:?}");
    }
    assert!(DOMAIN_DEPENDENCIES.is_sorted_by(|one, other| one.0 < other.0 && !one.1.is_empty()));
}

fn check_crate(of: Crate) -> Vec<Violation> {
    let sources = root().join(of.sources());
    let files = files::rust_files(&sources);
    assert!(files.len() > 10, "only {} files in {}", files.len(), sources.display());
    let check = |path: &std::path::PathBuf| {
        let place = path.strip_prefix(&sources).expect("it lies there").to_str().expect("our names are text");
        rules::check(of, place, &read(path))
    };
    files.iter().flat_map(check).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_none(violations: &[Violation]) {
    let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}
