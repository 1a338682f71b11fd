//! What is in a developer's folder: sagas, plugins, a state, inputs. Only looks; nothing is read but what a file is and when it changed.

use super::super::error::misuse;
use amends_domain::id::PluginName;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most files that are looked at.
const FILES_MAX: usize = 2000;
/// Folders in the developer's folder that have no sagas.
const OTHERS: &[&str] = &["inputs", "signals", "plugins", "target", "src", "node_modules"];

/// A developer's folder, and where plugins may be.
pub(super) struct Folder {
    dir: PathBuf,
    plugins: Vec<PathBuf>,
}

/// What a file was when it was looked at: changed if any of it is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Seconds and nanoseconds since 1970.
    changed: (i64, i64),
    len: u64,
}

impl Folder {
    /// `plugins`: where they are looked for first.
    pub(super) fn new(dir: &Path, plugins: &[PathBuf]) -> anyhow::Result<Self> {
        for folder in plugins.iter().map(PathBuf::as_path).chain([dir]) {
            if !folder.is_dir() {
                return Err(misuse("no_directory", format!("there is no folder {}", folder.display())));
            }
        }
        let own = [dir.join("plugins"), dir.to_owned()];
        // Where `cargo xtask guests` puts them, if the folder is in a repository like ours, or this process is.
        let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let built = full.ancestors().chain([Path::new(".")]).map(|folder| folder.join("target/guests")).find(|path| path.is_dir());
        Ok(Self { dir: dir.to_owned(), plugins: plugins.iter().cloned().chain(own).chain(built).collect() })
    }

    /// Where plugins are looked for, in this order.
    pub(super) fn plugin_folders(&self) -> &[PathBuf] {
        &self.plugins
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The files that may be sagas: YAML, and JSON that is no state.
    pub(super) fn documents(&self) -> BTreeMap<PathBuf, Stamp> {
        let is_document = |path: &Path| {
            let ends = path.extension().and_then(|ends| ends.to_str());
            matches!(ends, Some("yaml" | "yml" | "json")) && path.file_name().is_some_and(|name| name != "state.json")
        };
        self.folders().iter().flat_map(|folder| files(folder)).filter(|(path, _)| is_document(path)).take(FILES_MAX).collect()
    }

    /// Files with state, the first of which counts.
    pub(super) fn states(&self) -> impl Iterator<Item = PathBuf> {
        self.folders().into_iter().map(|folder| folder.join("state.json")).filter(|path| path.is_file())
    }

    /// The component of a plugin.
    pub(super) fn plugin(&self, name: &PluginName) -> Option<(PathBuf, Stamp)> {
        self.plugins.iter().map(|folder| folder.join(format!("{name}.wasm"))).find_map(|path| Some((path.clone(), stamp(&path)?)))
    }

    /// An input beside a saga: `good.json` if there is one.
    pub(super) fn input(saga: &Path) -> Option<PathBuf> {
        let inputs = saga.parent()?.join("inputs");
        let good = inputs.join("good.json");
        if good.is_file() {
            return Some(good);
        }
        let is_json = |path: &PathBuf| path.extension().is_some_and(|ends| ends == "json");
        files(&inputs).into_iter().map(|(path, _)| path).find(is_json)
    }

    /// The folder, and those right in it.
    fn folders(&self) -> Vec<PathBuf> {
        let inner = fs::read_dir(&self.dir).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let is_one = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".");
            path.is_dir() && !name.starts_with('.') && !OTHERS.contains(&name)
        };
        let mut inner: Vec<_> = inner.filter(is_one).take(FILES_MAX).collect();
        inner.sort();
        std::iter::once(self.dir.clone()).chain(inner).collect()
    }
}

/// The files right in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<(PathBuf, Stamp)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter_map(|path| Some((path.clone(), stamp(&path)?))).take(FILES_MAX).collect();
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
}

/// None: there is no such file.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp { changed: (about.mtime(), about.mtime_nsec()), len: about.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_sagas_a_state_inputs_and_plugins_and_the_first_plugin_counts() {
        let dir = std::env::temp_dir().join(format!("amends-folder-{}", std::process::id()));
        let other = dir.join("elsewhere");
        for (folder, name) in [
            ("", "saga.yaml"),
            ("", "state.json"),
            ("", "p.wasm"),
            ("", "notes.md"),
            ("two", "more.yml"),
            ("inputs", "bad.json"),
            ("inputs", "good.json"),
            (".git", "x.yaml"),
            ("target", "y.yaml"),
            ("plugins", "p.wasm"),
            ("plugins", "q.wasm"),
            ("elsewhere", "q.wasm"),
        ] {
            fs::create_dir_all(dir.join(folder)).and_then(|()| fs::write(dir.join(folder).join(name), "x")).expect("there is room");
        }
        let folder = Folder::new(&dir, std::slice::from_ref(&other)).expect("it is there");
        let found: Vec<_> = folder.documents().into_keys().collect();
        assert_eq!(found, [dir.join("saga.yaml"), dir.join("two/more.yml")]);
        assert_eq!(folder.states().collect::<Vec<_>>(), [dir.join("state.json")]);
        let plugin = |name: &str| folder.plugin(&name.parse().expect("a name")).map(|(path, _)| path);
        assert_eq!((plugin("p"), plugin("q"), plugin("r")), (Some(dir.join("plugins/p.wasm")), Some(other.join("q.wasm")), None));
        assert_eq!(Folder::input(&dir.join("saga.yaml")), Some(dir.join("inputs/good.json")));
        assert!(Folder::new(&dir.join("nothing"), &[]).is_err());
        fs::remove_dir_all(dir).expect("it was made here");
    }
}
