//! The rules of the floors, over what a file names. Says what is wrong so that it can be mended without reading this.

use crate::plan::{CRATES, Crate, DEEDS, DOMAIN_DEPENDENCIES, Floor, Neighbours, Reserved, floor};
use crate::source::{Named, named};
use std::fmt;

/// A rule that a line breaks.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// From the root of the checkout.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// What is wrong with a source file of `of`, which lies at `path` below its sources.
pub(crate) fn check(of: Crate, path: &str, text: &str) -> Vec<Violation> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let place = stem.strip_suffix("/mod").unwrap_or(stem);
    let module: Vec<_> = if matches!(place, "lib" | "main") { Vec::new() } else { place.split('/').collect() };
    let own = place.split('/').next().unwrap_or(place);
    let file = format!("{}/{path}", of.sources());
    let Some(here) = floor(of, own) else {
        let what = format!("module `{own}` stands on no floor: give it one in tests/floors/plan.rs");
        return vec![Violation { file, line: 1, what }];
    };
    let here = Here { of, place, own, floor: here };
    let mut violations: Vec<_> = named(text, &module)
        .iter()
        .filter_map(|named| Some(Violation { file: file.clone(), line: named.line, what: here.check(named)? }))
        .collect();
    violations.dedup();
    violations
}

/// Where a file stands.
struct Here<'a> {
    of: Crate,
    /// `store/writer/batch`
    place: &'a str,
    /// `store`
    own: &'a str,
    floor: &'static Floor,
}

impl Here<'_> {
    fn check(&self, named: &Named) -> Option<String> {
        let path: Vec<_> = named.path.iter().map(String::as_str).collect();
        let (root, rest) = path.split_first()?;
        let floors = match (self.of, *root) {
            (_, "crate") => self.check_module(self.of, rest),
            // `main.rs` is a crate of its own; the library is another one to it.
            (Crate::Host, "amends") if self.own == "main" => self.check_module(Crate::Host, rest),
            (Crate::Host, "amends_domain") if rest.is_empty() => None,
            (Crate::Host, "amends_domain") => self.check_module(Crate::Domain, rest),
            (Crate::Domain, "amends") => Some("the rules use the host".to_owned()),
            _ => None,
        };
        floors.or_else(|| self.check_reserved(&path))
    }

    fn check_module(&self, of: Crate, path: &[&str]) -> Option<String> {
        let Self { own, floor: here, .. } = self;
        let Some(module) = path.first() else {
            return Some(format!("`{own}` gives the whole crate another name, behind which floors cannot be seen"));
        };
        let Some(there) = floor(of, module) else {
            return Some(format!("`{own}` ({}) uses `{module}`, which is no module on any floor", Place(here)));
        };
        let uses = || format!("`{own}` ({}) uses `{module}` ({})", Place(here), Place(there));
        if there.number > here.number {
            return Some(format!("{}: a module uses only lower floors", uses()));
        }
        let is_neighbour = there.number == here.number && module != own;
        match here.neighbours {
            Neighbours::Strangers if is_neighbour => Some(format!("{}: {} do not know each other", uses(), here.name)),
            Neighbours::Strangers | Neighbours::Known => None,
        }
    }

    fn check_reserved(&self, path: &[&str]) -> Option<String> {
        let krate = CRATES.iter().find(|krate| path.starts_with(krate.path) && !self.is_in(krate));
        let deed = || DEEDS.iter().find(|deed| path.windows(deed.path.len()).any(|part| part == deed.path) && !self.is_in(deed));
        krate
            .or_else(deed)
            .map(|broken| format!("`{}` ({}) names `{}`: {}", self.place, Place(self.floor), path.join("::"), broken.why))
    }

    fn is_in(&self, reserved: &Reserved) -> bool {
        reserved.only.iter().any(|only| self.place.strip_prefix(only).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

/// A floor in a sentence.
struct Place(&'static Floor);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "floor {}, {}", self.0.number, self.0.name)
    }
}

/// What is wrong with the manifest of `amends-domain`.
pub(crate) fn check_domain_manifest(text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut table = String::new();
    for (index, line) in text.lines().enumerate() {
        let line_text = line.trim();
        let named = match line_text.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(header) => {
                table = header.replace('"', "");
                // `[dependencies.NAME]`
                table.rsplit_once('.').filter(|(of, _)| is_dependencies(of)).map(|(_, name)| name)
            }
            None if is_dependencies(&table) => line_text.split_once('=').map(|(name, _)| name.trim()),
            None => None,
        };
        let name = named.map(|name| name.split('.').next().unwrap_or(name).trim_matches('"'));
        let what = match name {
            Some(name) if !is_allowed(name) => {
                format!("`{name}` is not among what the rules may depend on: tests/floors/plan.rs says why")
            }
            Some(_) if line_text.contains("package") => "a dependency under another name hides what it is".to_owned(),
            Some(_) | None => continue,
        };
        violations.push(Violation { file: "host/domain/Cargo.toml".to_owned(), line: index + 1, what });
    }
    violations
}

fn is_allowed(dependency: &str) -> bool {
    DOMAIN_DEPENDENCIES.iter().any(|(name, _)| *name == dependency)
}

/// Tests may depend on more: what they use is not in the program.
fn is_dependencies(table: &str) -> bool {
    matches!(table.rsplit('.').next(), Some("dependencies" | "build-dependencies"))
}
