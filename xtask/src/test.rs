//! `cargo xtask test`: everything that must hold, in the order in which it is cheap to find out. Apart from the parts it runs.

use std::process::ExitCode;

use anyhow::Result;

use crate::process::{Process, Stopwatch};
use crate::summary::{Line, Summary, Tally, Verdict};
use crate::workspace::Workspace;
use crate::{guests, provision, release};

/// One part of the whole.
pub(crate) struct Part {
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    /// The part without which this one could only fail in the same way.
    pub(crate) needs: Option<&'static str>,
    /// Does it, and tells how many tests it saw, also when it fails.
    pub(crate) run: fn(&Workspace, &mut Tally) -> Result<()>,
}

const PARTS: [Part; 7] = [
    Part { title: "formatting", what: "cargo fmt", needs: None, run: formatting },
    Part { title: "rules", what: "unit and exhaustive tests of the rules, with overflow checks", needs: None, run: rules },
    Part { title: "xtask", what: "lints and tests of xtask itself", needs: None, run: xtask },
    Part { title: "lints", what: "clippy; warnings are errors", needs: None, run: lints },
    Part { title: "guests", what: "every plugin as a component", needs: None, run: |workspace, _| guests::build(workspace) },
    Part { title: "host", what: "the release build", needs: None, run: |workspace, _| release::build(workspace) },
    Part { title: "tests", what: "simulation, crash, sandbox and interface tests", needs: Some("host"), run: tests },
];

/// Runs all parts and prints the summary. A part that fails does not hide the others.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    run_parts(workspace, PARTS)
}

/// Like [`run`], followed by the parts `more`.
pub(crate) fn run_with(workspace: &Workspace, more: impl IntoIterator<Item = Part>) -> ExitCode {
    run_parts(workspace, PARTS.into_iter().chain(more))
}

fn run_parts(workspace: &Workspace, parts: impl IntoIterator<Item = Part>) -> ExitCode {
    let whole = Stopwatch::start();
    let mut summary = Summary::default();
    for part in parts {
        println!("\n=== {}: {} ({} so far)", part.title, part.what, whole.elapsed());
        let line = run_part(workspace, &summary, &part);
        println!("=== {}: over after {}", line.title, line.elapsed);
        summary.lines.push(line);
    }
    println!("\n=== summary after {}", whole.elapsed());
    println!("{summary}");
    if summary.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_part(workspace: &Workspace, before: &Summary, part: &Part) -> Line {
    let watch = Stopwatch::start();
    let mut tally = Tally::default();
    let verdict = match part.needs {
        Some(needs) if before.lacks(needs) => Verdict::Skipped { needs },
        Some(_) | None => match (part.run)(workspace, &mut tally) {
            Ok(()) => Verdict::Passed,
            Err(error) => Verdict::Failed { why: format!("{error:#}") },
        },
    };
    if let Verdict::Failed { why } = &verdict {
        println!("error: {why}");
    }
    Line { title: part.title, verdict, elapsed: watch.elapsed(), tally }
}

fn formatting(workspace: &Workspace, _: &mut Tally) -> Result<()> {
    cargo(workspace, "fmt --all --check")
}

fn rules(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    // The exhaustive tests print how many cases they covered.
    cargo_test(workspace, tally, "test --package amends-domain --no-fail-fast -- --show-output")
}

fn xtask(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    cargo(workspace, "clippy --package xtask --all-targets -- -D warnings")?;
    cargo_test(workspace, tally, "test --package xtask --no-fail-fast")
}

fn lints(workspace: &Workspace, _: &mut Tally) -> Result<()> {
    cargo(workspace, "clippy --release --all-targets -- -D warnings")
}

fn tests(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    provision::valgrind(workspace);
    cargo_test(workspace, tally, "test --release --no-fail-fast")
}

fn cargo(workspace: &Workspace, arguments: &str) -> Result<()> {
    Process::cargo(arguments.split(' ')).within(workspace).show()?.must_succeed()?;
    Ok(())
}

fn cargo_test(workspace: &Workspace, tally: &mut Tally, arguments: &str) -> Result<()> {
    let ended = Process::cargo(arguments.split(' ')).within(workspace).show_and_keep()?;
    *tally = Tally::of(&ended.stdout);
    ended.must_succeed()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::bail;

    use super::*;
    use crate::workspace::RustVersion;

    fn workspace() -> Workspace {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Workspace { root: folder.clone(), target: folder, plugins: Vec::new(), rust_min: RustVersion { major: 1, minor: 95 } }
    }

    #[test]
    fn what_a_part_needs_comes_before_it() {
        for (position, part) in PARTS.iter().enumerate() {
            let earlier = |needs: &str| PARTS[..position].iter().any(|earlier| earlier.title == needs);
            assert!(part.needs.is_none_or(earlier), "{}", part.title);
        }
    }

    #[test]
    fn a_failing_part_fails_the_whole_and_skips_only_what_needs_it() {
        let part = |title, needs, run| Part { title, what: "", needs, run };
        let fails = part("fails", None, |_, _| bail!("on purpose"));
        let needs_it = part("needs-it", Some("fails"), |_, _| panic!("must be skipped"));
        let goes_on = part("goes-on", None, |_, tally| {
            tally.passed = 1;
            Ok(())
        });
        let workspace = workspace();
        let mut summary = Summary::default();
        for part in [fails, needs_it, goes_on] {
            let line = run_part(&workspace, &summary, &part);
            summary.lines.push(line);
        }
        let text = summary.to_string();
        assert!(text.contains("failed: fails: on purpose\nskipped: needs-it:"), "{text}");
        assert!(text.ends_with("1 passed, 0 failed"), "{text}");
    }

    #[test]
    fn a_failing_part_fails_the_process() {
        let part = |run| Part { title: "part", what: "", needs: None, run };
        assert_eq!(run_parts(&workspace(), [part(|_, _| Ok(()))]), ExitCode::SUCCESS);
        assert_eq!(run_parts(&workspace(), [part(|_, _| bail!("on purpose"))]), ExitCode::FAILURE);
    }
}
