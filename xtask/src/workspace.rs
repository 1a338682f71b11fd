//! Where things are: the root, the target folder and the plugins, as cargo sees them. Apart, so that no other file guesses a path.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::process::Process;

/// The workspace that `cargo xtask` was called in.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) plugins: Vec<Plugin>,
    /// The oldest Rust that the workspace may be built with.
    pub(crate) rust_min: RustVersion,
}

/// A plugin's crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plugin {
    /// The name of the package and of the component's file.
    pub(crate) name: String,
    /// What cargo names the core module: the library's name.
    pub(crate) library: String,
}

/// A release of Rust, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RustVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// If cargo cannot read the workspace, or no plugin is in it.
    pub(crate) fn find() -> Result<Self> {
        let ended = Process::cargo(["metadata", "--no-deps", "--format-version", "1"]).keep()?;
        let ended = ended.must_succeed().context("call `cargo xtask` from within the checkout, and try `cargo metadata` there")?;
        Self::parse(&ended.stdout)
    }

    fn parse(metadata: &str) -> Result<Self> {
        let metadata: Metadata = serde_json::from_str(metadata).context("failed to read what `cargo metadata` prints")?;
        let folder = metadata.workspace_root.join("plugins");
        let plugins: Vec<Plugin> = metadata.packages.iter().filter_map(|package| plugin(package, &folder)).collect();
        ensure!(!plugins.is_empty(), "no package under `plugins/` is a member of the workspace with crate-type \"cdylib\"");
        let rust_min = metadata.packages.iter().filter_map(|package| RustVersion::parse(package.rust_version.as_deref()?)).max();
        let rust_min = rust_min.context("no package of the workspace names its rust-version")?;
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, plugins, rust_min })
    }

    /// Where the component of `plugin` lands.
    pub(crate) fn component(&self, plugin: &Plugin) -> PathBuf {
        self.target.join("guests").join(format!("{}.wasm", plugin.name))
    }

    /// A binary of the release build.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// `path` as a person in the root would write it.
    pub(crate) fn short<'path>(&self, path: &'path Path) -> &'path Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl RustVersion {
    /// Reads `1.95`, `1.95.0` or `rustc 1.95.0 (…)`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().trim_start_matches("rustc ").split('.');
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl std::fmt::Display for RustVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    rust_version: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

fn plugin(package: &Package, folder: &Path) -> Option<Plugin> {
    let library = package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))?;
    let is_plugin = package.manifest_path.starts_with(folder);
    is_plugin.then(|| Plugin { name: package.name.clone(), library: library.name.replace('-', "_") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_the_dynamic_libraries_under_plugins() {
        let package = |name: &str, folder: &str, kind: &str| {
            format!(
                r#"{{"name":"{name}","manifest_path":"/w/{folder}/Cargo.toml","rust_version":"1.95",
                    "targets":[{{"name":"{name}","crate_types":["{kind}","rlib"]}}]}}"#
            )
        };
        let packages = [
            package("card-payments", "plugins/card-payments", "cdylib"),
            package("words", "plugins/words", "lib"),
            package("other", "sdk/other", "cdylib"),
        ];
        let metadata = format!(r#"{{"packages":[{}],"target_directory":"/w/target","workspace_root":"/w"}}"#, packages.join(","));
        let workspace = Workspace::parse(&metadata).unwrap();
        assert_eq!(workspace.plugins, [Plugin { name: "card-payments".into(), library: "card_payments".into() }]);
        assert_eq!(workspace.rust_min, RustVersion { major: 1, minor: 95 });
        let component = workspace.component(&workspace.plugins[0]);
        assert_eq!(workspace.short(&component), Path::new("target/guests/card-payments.wasm"));
    }

    #[test]
    fn a_workspace_without_plugins_is_refused() {
        let metadata = r#"{"packages":[],"target_directory":"/w/target","workspace_root":"/w"}"#;
        let error = Workspace::parse(metadata).err().unwrap();
        assert!(error.to_string().starts_with("no package under `plugins/`"), "{error}");
    }

    #[test]
    fn versions_are_read_from_manifests_and_from_rustc() {
        let expected = Some(RustVersion { major: 1, minor: 96 });
        for text in ["1.96", "1.96.0", "rustc 1.96.0 (abc 2026-05-28) (built from a source tarball)\n"] {
            assert_eq!(RustVersion::parse(text), expected, "{text}");
        }
        assert_eq!(RustVersion::parse("nightly"), None);
        assert!(RustVersion::parse("1.100") > expected, "versions compare as numbers");
    }
}
