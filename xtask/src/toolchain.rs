//! Which Rust builds the guests. Pure: facts in, the next step out; `provision` gathers the facts and takes the steps. Apart,
//! because the four ways cannot all be had on one machine, but all must be tested.

use std::path::PathBuf;

use crate::workspace::RustVersion;

/// What guests are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's Rust for WebAssembly: compiler, cargo and the source of the standard library. Debian updates them for its browsers, so
/// that they are newer than the release's own `rustc`.
pub(crate) const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// What is known about the machine.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The active toolchain has the standard library for [`TARGET`].
    pub(crate) target_installed: bool,
    /// The linker of the active toolchain. Debian's packages bring none for WebAssembly.
    pub(crate) linker: Option<PathBuf>,
    pub(crate) debian: Debian,
    /// Rustup could add the target.
    pub(crate) rustup: Means,
    /// Debian's packages could be installed.
    pub(crate) apt: Means,
    pub(crate) rust_min: RustVersion,
}

/// The state of Debian's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Debian {
    Missing,
    Installed(RustVersion),
}

/// A way to install something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Missing,
    Untried,
    Tried,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Use(Toolchain),
    AddTarget,
    InstallDebian,
    /// Nothing is left to try; the sentence tells the user why and what to install.
    GiveUp(String),
}

/// A Rust that can build guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The one that runs xtask.
    Active,
    /// Debian's, which builds the standard library from source.
    Debian { linker: PathBuf },
}

/// Chooses the next step. After [`Step::AddTarget`] and [`Step::InstallDebian`] ask again, with that means marked as tried.
///
/// What is there goes before what must be fetched: a machine whose rustup cannot download would otherwise try at every build.
pub(crate) fn next_step(facts: &Facts) -> Step {
    if facts.target_installed {
        return Step::Use(Toolchain::Active);
    }
    let debian_fits = matches!(facts.debian, Debian::Installed(version) if version >= facts.rust_min);
    if let (Some(linker), true) = (&facts.linker, debian_fits) {
        return Step::Use(Toolchain::Debian { linker: linker.clone() });
    }
    if facts.rustup == Means::Untried {
        return Step::AddTarget;
    }
    if facts.linker.is_some() && facts.apt == Means::Untried {
        return Step::InstallDebian;
    }
    Step::GiveUp(remedy(facts))
}

/// True for a variable that the running cargo or rustup set, or that picks a compiler: with it, Debian's cargo would run or load
/// the wrong one. What says where crates come from (`CARGO_HOME`, registries, proxies) stays.
pub(crate) fn belongs_to_a_toolchain(variable: &str) -> bool {
    const NAMES: [&str; 9] = [
        "CARGO",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
    ];
    const PREFIXES: [&str; 5] = ["RUSTUP_", "CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BUILD_RUSTC", "CARGO_BUILD_TARGET"];
    NAMES.contains(&variable) || PREFIXES.iter().any(|prefix| variable.starts_with(prefix)) || replaces_guest_flags(variable)
}

/// True for a variable that would silently replace the flags that `.cargo/config.toml` gives to guests, such as their stack's size.
pub(crate) fn replaces_guest_flags(variable: &str) -> bool {
    matches!(variable, "RUSTFLAGS" | "CARGO_ENCODED_RUSTFLAGS" | "CARGO_BUILD_RUSTFLAGS")
        || variable == "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS"
}

fn remedy(facts: &Facts) -> String {
    let packages = DEBIAN_PACKAGES.join(" ");
    let found = match facts.debian {
        Debian::Installed(version) if version < facts.rust_min => {
            format!(" (the installed Rust {version} of the distribution is older than {})", facts.rust_min)
        }
        Debian::Installed(_) if facts.linker.is_none() => " (the active toolchain has no rust-lld to link with)".to_owned(),
        Debian::Installed(_) | Debian::Missing => String::new(),
    };
    format!(
        "no Rust here can build guests{found}; install one of these and try again: `rustup target add {TARGET}`; on Debian, beside a \
         rustup toolchain, `apt-get install {packages}` (Rust {} or newer); or your distribution's standard library for {TARGET}",
        facts.rust_min
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST_MIN: RustVersion = RustVersion { major: 1, minor: 95 };

    fn bare_machine() -> Facts {
        Facts {
            target_installed: false,
            linker: Some(PathBuf::from("rust-lld")),
            debian: Debian::Missing,
            rustup: Means::Untried,
            apt: Means::Untried,
            rust_min: RUST_MIN,
        }
    }

    fn debian(minor: u32) -> Debian {
        Debian::Installed(RustVersion { major: 1, minor })
    }

    fn use_debian() -> Step {
        Step::Use(Toolchain::Debian { linker: PathBuf::from("rust-lld") })
    }

    fn check(facts: &Facts, expected: &Step) {
        assert_eq!(&next_step(facts), expected, "{facts:?}");
    }

    #[test]
    fn the_cheapest_way_that_is_left_comes_next() {
        let bare = bare_machine();
        check(&Facts { target_installed: true, ..bare.clone() }, &Step::Use(Toolchain::Active));
        check(&Facts { target_installed: true, debian: debian(96), ..bare.clone() }, &Step::Use(Toolchain::Active));
        check(&bare, &Step::AddTarget);
        check(&Facts { rustup: Means::Tried, ..bare.clone() }, &Step::InstallDebian);
        check(&Facts { rustup: Means::Missing, ..bare.clone() }, &Step::InstallDebian);
        check(&Facts { rustup: Means::Tried, apt: Means::Tried, debian: debian(96), ..bare.clone() }, &use_debian());
    }

    #[test]
    fn what_is_installed_goes_before_a_download() {
        check(&Facts { debian: debian(95), ..bare_machine() }, &use_debian());
        check(&Facts { debian: debian(94), ..bare_machine() }, &Step::AddTarget);
    }

    #[test]
    fn every_path_ends_within_two_installations() {
        const MEANS: [Means; 2] = [Means::Missing, Means::Untried];
        let mut paths = 0;
        for rustup in MEANS {
            for apt in MEANS {
                for linker in [None, Some(PathBuf::from("rust-lld"))] {
                    for debian in [Debian::Missing, debian(85), debian(96)] {
                        let mut facts = Facts { rustup, apt, linker: linker.clone(), debian, ..bare_machine() };
                        // Neither means brings anything: the worst case.
                        let installations = (0..3).take_while(|_| match next_step(&facts) {
                            Step::AddTarget => std::mem::replace(&mut facts.rustup, Means::Tried) == Means::Untried,
                            Step::InstallDebian => std::mem::replace(&mut facts.apt, Means::Tried) == Means::Untried,
                            Step::Use(_) | Step::GiveUp(_) => false,
                        });
                        assert!(installations.count() <= 2);
                        paths += 1;
                    }
                }
            }
        }
        assert_eq!(paths, 24);
    }

    #[test]
    fn giving_up_names_every_remedy_and_the_cause() {
        let stuck = Facts { rustup: Means::Tried, apt: Means::Tried, ..bare_machine() };
        let check = |facts: Facts, cause: &str| {
            let Step::GiveUp(sentence) = next_step(&facts) else { panic!("{facts:?} leaves something to try") };
            for part in [cause, "rustup target add wasm32-unknown-unknown", "apt-get install rustc-web cargo-web rust-web-src"] {
                assert!(sentence.contains(part), "{sentence}");
            }
        };
        check(stuck.clone(), "no Rust here can build guests;");
        check(Facts { debian: debian(85), ..stuck.clone() }, "the installed Rust 1.85 of the distribution is older than 1.95");
        check(Facts { debian: debian(96), linker: None, ..stuck }, "no rust-lld");
    }

    #[test]
    fn debian_cargo_sees_registries_but_no_other_toolchain() {
        for variable in
            ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC", "LD_LIBRARY_PATH", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTFLAGS"]
        {
            assert!(belongs_to_a_toolchain(variable), "{variable}");
        }
        for variable in
            ["CARGO_HOME", "CARGO_HTTP_PROXY", "CARGO_REGISTRIES_X_INDEX", "CARGO_NET_RETRY", "CARGO_BUILD_JOBS", "PATH"]
        {
            assert!(!belongs_to_a_toolchain(variable), "{variable}");
        }
    }
}
