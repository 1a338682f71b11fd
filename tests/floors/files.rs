//! The form that every source file has: it begins by saying what it is for, and is short enough to be read at once.

use harness::root;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer than this, a file has more than one meaning.
const LINES_MAX: usize = 500;
/// Where our sources lie.
const FOLDERS: &[&str] = &["host", "sdk", "plugins", "xtask", "tests"];

/// Every `.rs` file below `folder`, in order.
///
/// # Panics
/// If `folder` cannot be read.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("the folder is read").path();
            match path.extension() {
                _ if path.is_dir() && !path.ends_with("target") => folders.push(path),
                Some(extension) if extension == "rs" => files.push(path),
                Some(_) | None => {}
            }
        }
    }
    files.sort();
    files
}

/// What is wrong with the form of a file; none if nothing.
fn misshape(text: &str) -> Option<String> {
    let lines = text.lines().count();
    match text.lines().next() {
        Some(first) if first.starts_with("//! ") && lines <= LINES_MAX => None,
        Some(first) if first.starts_with("//! ") => Some(format!("{lines} lines, more than {LINES_MAX}: split it by meaning")),
        Some(_) | None => Some("its first line is not `//! ` and what it is for".to_owned()),
    }
}

#[test]
fn every_source_file_says_what_it_is_for_and_is_short() {
    let files: Vec<_> = FOLDERS.iter().flat_map(|folder| rust_files(&root().join(folder))).collect();
    assert!(files.len() > 50, "only {} files were found", files.len());
    let misshapen = files.iter().filter_map(|path| {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Some(format!("{}: {}", path.strip_prefix(root()).unwrap_or(path).display(), misshape(&text)?))
    });
    let misshapen: Vec<_> = misshapen.collect();
    assert!(misshapen.is_empty(), "\n{}\n", misshapen.join("\n"));
}

#[test]
fn a_file_that_is_long_or_does_not_say_what_it_is_for_is_found() {
    let long = |lines: usize| format!("//! What it is for.\n{}", "\n".repeat(lines - 1));
    assert_eq!(misshape(&long(LINES_MAX)), None);
    for (text, says) in [
        (long(LINES_MAX + 1), "501 lines"),
        (String::new(), "first line"),
        ("// It\n".to_owned(), "first line"),
        ("use a;\n//! b".to_owned(), "first line"),
    ] {
        assert!(misshape(&text).is_some_and(|what| what.contains(says)), "{text:?}");
    }
}
