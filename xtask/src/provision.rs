//! Finds a Rust that can build guests, and installs it where it is missing; valgrind too. Apart from `toolchain`, which decides: this touches
//! the machine.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Process;
use crate::toolchain::{DEBIAN_PACKAGES, Debian, Facts, Means, Step, TARGET, Toolchain, belongs_to_a_toolchain, next_step};
use crate::workspace::{RustVersion, Workspace};

/// Debian's commands, by their full names: a rustup proxy comes first in the path.
pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
pub(crate) const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A refused download ends at once; one that hangs must not hold up the other ways for long.
const RUSTUP_TIME_LIMIT: Duration = Duration::from_mins(1);
const APT_TIME_LIMIT: Duration = Duration::from_mins(15);
/// Another apt-get may be at work. `install` can wait for its lock, `update` cannot.
const APT_LOCK_WAIT: &str = "DPkg::Lock::Timeout=300";
const APT_UPDATES_MAX: u32 = 6;
const APT_UPDATE_PAUSE: Duration = Duration::from_secs(10);

/// Finds or installs a Rust that can build guests.
///
/// # Errors
/// If there is none and none can be installed; says what to install.
pub(crate) fn toolchain(workspace: &Workspace) -> Result<Toolchain> {
    let mut facts = gather(workspace)?;
    loop {
        match next_step(&facts) {
            Step::Use(toolchain) => return Ok(toolchain),
            Step::AddTarget => {
                println!("The active toolchain cannot build for {TARGET}; trying rustup.");
                note_failure("rustup could not add the target", &add_target(workspace));
                facts = Facts { rustup: Means::Tried, apt: facts.apt, ..gather(workspace)? };
            }
            Step::InstallDebian => {
                println!("Installing Debian's {} to build guests with.", DEBIAN_PACKAGES.join(", "));
                note_failure("apt-get could not install the packages", &install_debian(workspace));
                facts = Facts { apt: Means::Tried, rustup: facts.rustup, ..gather(workspace)? };
            }
            Step::GiveUp(sentence) => bail!(sentence),
        }
    }
}

fn gather(workspace: &Workspace) -> Result<Facts> {
    let sysroot = PathBuf::from(rustc(workspace, &["--print", "sysroot"])?.trim());
    let about = rustc(workspace, &["-vV"])?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let linker = sysroot.join("lib/rustlib").join(host).join("bin").join(format!("rust-lld{}", std::env::consts::EXE_SUFFIX));
    let libraries = rustc(workspace, &["--print", "target-libdir", "--target", TARGET])?;
    Ok(Facts {
        target_installed: has_standard_library(Path::new(libraries.trim())),
        linker: linker.exists().then_some(linker),
        debian: debian(workspace),
        rustup: untried_if(runs("rustup", &["--version"])),
        apt: untried_if(runs("apt-get", &["--version"]) && root_prefix().is_some()),
        rust_min: workspace.rust_min,
    })
}

fn rustc(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Ok(Process::new(program, arguments).within(workspace).keep()?.must_succeed()?.stdout)
}

fn has_standard_library(libraries: &Path) -> bool {
    let Ok(entries) = libraries.read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn debian(workspace: &Workspace) -> Debian {
    let ask = |program: &str, arguments: &[&str]| {
        let process = Process::new(program, arguments).within(workspace).without(belongs_to_a_toolchain);
        Some(process.keep().ok()?.must_succeed().ok()?.stdout)
    };
    let version = || {
        ask(DEBIAN_CARGO, &["--version"])?;
        let sysroot = ask(DEBIAN_RUSTC, &["--print", "sysroot"])?;
        let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std/Cargo.toml");
        source.exists().then_some(())?;
        RustVersion::parse(&ask(DEBIAN_RUSTC, &["--version"])?)
    };
    version().map_or(Debian::Missing, Debian::Installed)
}

fn add_target(workspace: &Workspace) -> Result<()> {
    // A refused download is nothing to debug.
    let process = Process::new("rustup", ["target", "add", TARGET]).without(|variable| variable == "RUST_BACKTRACE");
    process.within(workspace).time_limit(RUSTUP_TIME_LIMIT).show()?.must_succeed()?;
    Ok(())
}

/// Installs valgrind, which counts instructions, where it is missing. That it cannot be had is only noted: the test that needs it says so.
pub(crate) fn valgrind(workspace: &Workspace) {
    if runs("valgrind", &["--version"]) {
        return;
    }
    println!("Installing valgrind to count instructions with.");
    note_failure("apt-get could not install valgrind", &install(workspace, &["valgrind"]));
}

fn install_debian(workspace: &Workspace) -> Result<()> {
    install(workspace, &DEBIAN_PACKAGES)
}

fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    // A failed update is no reason to stop: what the machine knows already may do.
    note_failure("apt-get could not update its lists", &update_apt(workspace));
    // Debian's rustc-web takes the place of its rustc. Nobody asked us to remove that.
    let options = ["install", "--yes", "--no-remove", "--no-install-recommends", "-o", APT_LOCK_WAIT];
    apt_get(workspace, options.into_iter().chain(packages.iter().copied()))
}

fn update_apt(workspace: &Workspace) -> Result<()> {
    for _ in 1..APT_UPDATES_MAX {
        if apt_get(workspace, ["update", "-q"]).is_ok() {
            return Ok(());
        }
        thread::sleep(APT_UPDATE_PAUSE);
    }
    apt_get(workspace, ["update", "-q"])
}

fn apt_get<'word>(workspace: &Workspace, arguments: impl IntoIterator<Item = &'word str>) -> Result<()> {
    let prefix = root_prefix().context("only root may install packages")?;
    // `env` carries the variable through sudo, which drops the caller's.
    let words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).chain(arguments);
    let words: Vec<&str> = words.collect();
    let process = Process::new(words[0], &words[1..]).within(workspace).time_limit(APT_TIME_LIMIT);
    process.show()?.must_succeed()?;
    Ok(())
}

/// The words before a command that make it root's; none if this user cannot become root without a password.
fn root_prefix() -> Option<&'static [&'static str]> {
    let is_root = Process::new("id", ["-u"]).keep().is_ok_and(|ended| ended.stdout.trim() == "0");
    if is_root {
        return Some(&[]);
    }
    runs("sudo", &["-n", "true"]).then_some(&["sudo", "-n"])
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Process::new(program, arguments).keep().is_ok_and(|ended| ended.status.success())
}

fn untried_if(usable: bool) -> Means {
    if usable { Means::Untried } else { Means::Missing }
}

fn note_failure(what: &str, result: &Result<()>) {
    if let Err(error) = result {
        println!("note: {what}: {error:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_standard_library_does_not_count_as_installed() {
        assert!(!has_standard_library(Path::new("no/such/folder")));
        assert!(!has_standard_library(Path::new(env!("CARGO_MANIFEST_DIR"))));
    }

    #[test]
    fn the_standard_library_of_the_active_toolchain_is_found() {
        let ended = Process::new("rustc", ["--print", "target-libdir"]).keep().unwrap().must_succeed().unwrap();
        assert!(has_standard_library(Path::new(ended.stdout.trim())));
    }
}
