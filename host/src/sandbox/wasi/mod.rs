//! The part of WASI 0.2 that guests get, because standard libraries ask for it: no files, no environment, no arguments, no sockets, no
//! input; output is the attempt's log, chance is seeded, time is the attempt's own. Requests go through `egress`.
//!
//! A component that imports nothing of it pays nothing: its attempts carry no context.

mod clocks;
mod context;
mod polls;
mod random;
mod streams;

pub(super) use context::Wasi;

use super::attempt::Attempt;
use polls::Polls;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks as clock, filesystem, io, random as chance};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

/// The interface behind which requests are.
const OUTGOING: &str = "http/outgoing-handler";

/// What is offered, one by one: a new interface of WASI is refused until somebody has looked at it. Sockets are not among them.
const OFFERED: [&str; 22] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    OUTGOING,
    "http/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
];

/// Whether a component may import this. In any version 0.2.N: if it names a function that came later than the ones here, linking says so.
pub(super) fn is_offered(import: &str) -> bool {
    interface(import).is_some_and(|interface| OFFERED.contains(&interface))
}

/// What the attempts of a component need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// Nothing of WASI.
    Lean,
    /// WASI, but no requests.
    Minimal,
    /// WASI and requests.
    Requests,
}

/// What a component with these imports needs.
pub(super) fn profile<'a>(imports: impl Iterator<Item = &'a str>) -> Profile {
    let needs = |import| match interface(import) {
        None => Profile::Lean,
        Some(OUTGOING) => Profile::Requests,
        Some(_) => Profile::Minimal,
    };
    imports.map(needs).fold(Profile::Lean, |most, next| match (most, next) {
        (Profile::Requests, _) | (_, Profile::Requests) => Profile::Requests,
        (Profile::Minimal, _) | (_, Profile::Minimal) => Profile::Minimal,
        (Profile::Lean, Profile::Lean) => Profile::Lean,
    })
}

/// `cli/exit` of `wasi:cli/exit@0.2.6`; none for what is not WASI 0.2.
fn interface(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix("wasi:")?.rsplit_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    ((1..=3).contains(&patch.len()) && patch.bytes().all(|byte| byte.is_ascii_digit())).then_some(interface)
}

/// Links all that is offered and nothing else.
pub(super) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    link_io(linker)?;
    link_cli(linker)?;
    clock::wall_clock::add_to_linker::<_, WasiClocks>(linker, WasiClocksView::clocks)?;
    clock::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, WasiClocksView::clocks)?;
    chance::random::add_to_linker::<_, WasiRandom>(linker, WasiRandomView::random)?;
    chance::insecure::add_to_linker::<_, WasiRandom>(linker, WasiRandomView::random)?;
    chance::insecure_seed::add_to_linker::<_, WasiRandom>(linker, WasiRandomView::random)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, WasiFilesystemView::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, WasiFilesystemView::filesystem)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

struct Polling;

impl HasData for Polling {
    type Data<'a> = Polls<'a>;
}

fn link_io(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<_, Table>(linker, |attempt| attempt.ctx().table)?;
    io::poll::add_to_linker::<_, Polling>(linker, Attempt::polls)?;
    io::streams::add_to_linker::<_, Table>(linker, |attempt| attempt.ctx().table)
}

fn link_cli(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    cli::exit::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_offered_by_name_and_in_every_version_of_0_2() {
        for (import, offered) in [
            ("wasi:cli/environment@0.2.0", true),
            ("wasi:io/streams@0.2.12", true),
            ("wasi:filesystem/preopens@0.2.6", true),
            ("wasi:http/outgoing-handler@0.2.4", true),
            ("wasi:http/incoming-handler@0.2.4", false),
            ("wasi:sockets/tcp@0.2.6", false),
            ("wasi:sockets/instance-network@0.2.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
            ("wasi:cli/environment@0.3.0", false),
            ("wasi:cli/environment@0.2", false),
            ("wasi:cli/environment@0.2.0-draft", false),
            ("wasi:cli/environment@0.2.", false),
            ("wasi:cli/environment", false),
            ("wasi:cli@0.2.0", false),
            ("acme:cli/environment@0.2.0", false),
            ("", false),
        ] {
            assert_eq!(is_offered(import), offered, "{import}");
        }
    }

    #[test]
    fn only_who_imports_wasi_needs_it_and_only_who_imports_the_way_out_sends() {
        let log = "amends:saga/log@0.1.0";
        for (imports, needed) in [
            (&[][..], Profile::Lean),
            (&[log], Profile::Lean),
            (&[log, "wasi:cli/exit@0.2.6"], Profile::Minimal),
            (&["wasi:http/types@0.2.6", log], Profile::Minimal),
            (&["wasi:io/poll@0.2.6", "wasi:http/outgoing-handler@0.2.0", log], Profile::Requests),
        ] {
            assert_eq!(profile(imports.iter().copied()), needed, "{imports:?}");
        }
    }
}
