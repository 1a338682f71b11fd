//! `cargo xtask guests`: compiles every plugin to a core module and wraps it into a component. Apart from the host's build, because
//! it has another target, another profile and possibly another Rust.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

use crate::process::{Process, Stopwatch};
use crate::provision::{self, DEBIAN_CARGO, DEBIAN_RUSTC};
use crate::toolchain::{TARGET, Toolchain, belongs_to_a_toolchain, replaces_guest_flags};
use crate::workspace::{Plugin, Workspace};

const PROFILE: &str = "guest";

/// Builds the component of every plugin; what is up to date is not written again.
///
/// # Errors
/// If no Rust can be had for guests, or a plugin does not compile or is no component.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let watch = Stopwatch::start();
    let toolchain = provision::toolchain(workspace)?;
    for plugin in &workspace.plugins {
        compile(workspace, &toolchain, plugin)?;
        let component = workspace.component(plugin);
        let bytes = wrap(&core_module(workspace, plugin)).with_context(|| format!("plugin `{}`", plugin.name))?;
        let change = write_if_changed(&component, &bytes)?;
        println!("{}  {}  {change}", workspace.short(&component).display(), size(bytes.len()));
    }
    println!("guests: {} built in {}", workspace.plugins.len(), watch.elapsed());
    Ok(())
}

/// A folder of its own: cargo locks a target folder while it builds, and guests need not wait for a build of the host.
fn build_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guests-build")
}

fn core_module(workspace: &Workspace, plugin: &Plugin) -> PathBuf {
    build_folder(workspace).join(TARGET).join(PROFILE).join(format!("{}.wasm", plugin.library))
}

fn compile(workspace: &Workspace, toolchain: &Toolchain, plugin: &Plugin) -> Result<()> {
    let build_folder = build_folder(workspace);
    // `--crate-type` leaves out the plugin's rlib: with it in the same compilation, cargo does no link-time optimisation.
    let mut arguments: Vec<&str> = "rustc --lib --crate-type cdylib --profile".split(' ').collect();
    let folder = workspace.short(&build_folder).to_str().context("the target folder's path is not UTF-8")?;
    arguments.extend([PROFILE, "--target", TARGET, "--target-dir", folder, "--package", &plugin.name]);
    let process = match toolchain {
        Toolchain::Active => Process::cargo(&arguments).without(replaces_guest_flags),
        Toolchain::Debian { linker } => {
            arguments.push("-Zbuild-std=std,panic_abort");
            Process::new(DEBIAN_CARGO, &arguments)
                .without(belongs_to_a_toolchain)
                .set("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .set("RUSTC", DEBIAN_RUSTC)
                .set("RUSTC_BOOTSTRAP", "1")
        }
    };
    process.within(workspace).show()?.must_succeed()?;
    Ok(())
}

/// Makes a component of the core module in the file `module`, by the type that wit-bindgen left in it.
fn wrap(module: &Path) -> Result<Vec<u8>> {
    let module = fs::read(module).with_context(|| format!("failed to read {}", module.display()))?;
    component(&module)
}

fn component(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    encoder
        .module(module)
        .context("the core module carries no component type; generate its bindings with the SDK or wit-bindgen")?;
    encoder.validate(true).encode().context("the core module does not fit its component type")
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<&'static str> {
    if fs::read(path).is_ok_and(|written| written == bytes) {
        return Ok("unchanged");
    }
    let folder = path.parent().expect("a component lies in a folder");
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    Ok("written")
}

fn size(bytes: usize) -> String {
    format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_core_module_becomes_no_component() {
        let error = component(b"\0asm\x0d\0\x01\0").unwrap_err();
        assert!(!format!("{error:#}").is_empty());
    }

    #[test]
    fn a_component_is_written_only_when_it_changed() {
        let folder = std::env::temp_dir().join(format!("xtask-guests-{}", std::process::id()));
        let path = folder.join("plugin.wasm");
        let changes = [b"one".as_slice(), b"one", b"two"].map(|bytes| write_if_changed(&path, bytes).unwrap());
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(changes, ["written", "unchanged", "written"]);
    }

    #[test]
    fn sizes_carry_their_unit() {
        for (bytes, text) in [(0, "0.0 KiB"), (1_536, "1.5 KiB"), (61_440, "60.0 KiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
