//! What a command says when it fails: one sentence, a code that never changes, and the exit code that scripts go by. Apart, because
//! this is the one place where errors of all floors are told to people.

use super::output::{Exit, Format, plain, remark};
use crate::client::ClientError;
use crate::compose::OpenError;
use crate::config::ConfigError;
use crate::serve::ServeError;
use crate::view::Kind;
use amends_domain::definition::Mistakes;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::borrow::Cow;
use std::error::Error;

/// An error that the command line itself finds.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Complaint {
    code: &'static str,
    exit: Exit,
    message: String,
}

/// The command was called wrongly: a file that is not there, a text that cannot be read.
pub(super) fn misuse(code: &'static str, message: impl Into<String>) -> anyhow::Error {
    Complaint { code, exit: Exit::Usage, message: message.into() }.into()
}

/// What was asked for is refused, or there is no such thing.
pub(super) fn refused(code: &'static str, message: impl Into<String>) -> anyhow::Error {
    Complaint { code, exit: Exit::Refused, message: message.into() }.into()
}

/// Tells `error` on standard error, as text or as JSON, and gives the exit code for it.
pub(super) fn tell(error: &anyhow::Error, format: Format) -> Exit {
    let (code, exit) = error.chain().find_map(verdict).unwrap_or((Cow::Borrowed("failed"), Exit::NotSucceeded));
    let message = message(error);
    let told = match format {
        Format::Text => as_text(&code, &message),
        Format::Json => as_json(error, &code, &message),
    };
    // Where standard error cannot be written to, nobody is left who could be told.
    let _ = remark(told);
    exit
}

/// Tells what is wrong with the arguments, or shows the help that was asked for, and ends the process.
pub(super) fn of_usage(error: &clap::Error) -> ! {
    // Whether JSON was asked for is not known from arguments that make no sense, but it can be seen.
    if error.use_stderr() && std::env::args().any(|argument| argument == "--json") {
        let message = error.to_string();
        let exit = tell(&misuse("bad_usage", message.trim_start_matches("error: ").trim_end()), Format::Json);
        std::process::exit(exit.code().into());
    }
    error.exit()
}

/// `error[code]: message`.
pub(super) fn as_text(code: &str, message: &str) -> String {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let lines: Vec<_> = message.lines().map(plain).collect();
    format!("{red}error[{code}]{red:#}: {}", lines.join("\n"))
}

fn as_json(error: &anyhow::Error, code: &str, message: &str) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        mistakes: Vec<Mistake<'a>>,
    }
    #[derive(Serialize)]
    struct Mistake<'a> {
        path: &'a str,
        problem: &'a str,
    }
    let found = error.chain().find_map(|cause| cause.downcast_ref::<Mistakes>());
    let mistakes = found.into_iter().flat_map(|mistakes| &mistakes.0);
    let mistakes = mistakes.map(|mistake| Mistake { path: &mistake.path, problem: &mistake.problem });
    let configured = error.chain().find_map(|cause| cause.downcast_ref::<ConfigError>());
    let configured = configured.into_iter().flat_map(|error| &error.0);
    let mistakes = mistakes.chain(configured.map(|mistake| Mistake { path: &mistake.place, problem: &mistake.problem })).collect();
    plain(&serde_json::to_string(&Told { code, message, mistakes }).expect("text is JSON"))
}

/// The error and its causes in one sentence. Many causes are already named in the error above them; those are not repeated.
pub(super) fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        _ if said.contains(&cause) => said,
        _ => format!("{said}: {cause}"),
    })
}

/// Code and exit code of an error of ours; none if it is somebody else's.
fn verdict(error: &(dyn Error + 'static)) -> Option<(Cow<'static, str>, Exit)> {
    if let Some(error) = error.downcast_ref() {
        return Some(of_client(error));
    }
    let own = error.downcast_ref::<Complaint>().map(|complaint| (complaint.code, complaint.exit));
    let opened = || error.downcast_ref().map(of_open).or_else(|| error.downcast_ref().map(of_serve));
    let opened = || opened().map(|(code, kind)| (code, exit(kind)));
    let own = own.or_else(|| error.downcast_ref::<ConfigError>().map(|_| ("configuration_refused", Exit::Usage)));
    let verdict = own.or_else(|| crate::view::verdict(error).map(|(code, kind)| (code, exit(kind)))).or_else(opened);
    verdict.map(|(code, exit)| (code.into(), exit))
}

/// A server tells its own codes; exit codes are those that the same mistake has in a data directory.
fn of_client(error: &ClientError) -> (Cow<'static, str>, Exit) {
    let (code, exit) = match error {
        ClientError::Refused { status, code, .. } => return (code.clone().into(), of_status(*status)),
        ClientError::Unreachable { .. } => ("server_unreachable", Exit::Unreachable),
        ClientError::Late { .. } => ("server_too_slow", Exit::Unreachable),
        ClientError::Broken { .. } => ("connection_broken", Exit::Unreachable),
        ClientError::Strange { .. } => ("answer_not_understood", Exit::Unreachable),
        ClientError::Url { .. } => ("url_malformed", Exit::Usage),
        ClientError::Token => ("token_malformed", Exit::Usage),
        ClientError::Unfit(_) => ("bad_usage", Exit::Usage),
        ClientError::Authority { .. } => ("certificates_not_readable", Exit::Usage),
        ClientError::Out(_) => ("file_not_writable", Exit::Usage),
        ClientError::Tls(_) | ClientError::Runtime(_) => ("client_failed", Exit::NotSucceeded),
    };
    (code.into(), exit)
}

fn of_status(status: u16) -> Exit {
    match status {
        400 | 405 | 415 => Exit::Usage,
        400..500 => Exit::Refused,
        _ => Exit::NotSucceeded,
    }
}

fn of_open(error: &OpenError) -> (&'static str, Kind) {
    match error {
        OpenError::NoData(_) => ("no_data_directory", Kind::Usage),
        OpenError::Runtime(_) => ("host_failed", Kind::Failed),
        OpenError::Store(error) => verdict_of(error),
        OpenError::Sandbox(error) => verdict_of(error),
        OpenError::Vault(error) => verdict_of(error),
    }
}

fn of_serve(error: &ServeError) -> (&'static str, Kind) {
    match error {
        ServeError::Listen { .. } => ("cannot_listen", Kind::Failed),
        ServeError::FirstKey(_) | ServeError::Traces(_) => ("host_failed", Kind::Failed),
        ServeError::Identities(_) => ("identities_unreadable", Kind::Failed),
        ServeError::Drain(error) => verdict_of(error),
        ServeError::Webhooks(error) => verdict_of(error),
    }
}

fn verdict_of(error: &(dyn Error + 'static)) -> (&'static str, Kind) {
    crate::view::verdict(error).unwrap_or(("failed", Kind::Failed))
}

fn exit(kind: Kind) -> Exit {
    match kind {
        Kind::Usage => Exit::Usage,
        Kind::Refused | Kind::Unknown | Kind::Conflict | Kind::TooLarge | Kind::Limited => Exit::Refused,
        Kind::Unavailable | Kind::Failed => Exit::NotSucceeded,
        Kind::Damaged => Exit::ChainBroken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::{CorrectError, DemandError, DriveError, InstallError, StartError};
    use crate::sandbox::Refusal;
    use crate::store::StoreError;
    use amends_domain::decide::Unfit;
    use amends_domain::id::RunId;

    #[test]
    fn every_error_has_a_code_an_exit_code_and_says_each_thing_once() {
        let disk = || StoreError::Disk("no space left".into());
        let in_start = anyhow::Error::from(StartError::from(DriveError::from(disk()))).context("line 3");
        let damaged = StoreError::Damaged { place: "local lane 0 record 7".into(), what: "its link does not fit".into() };
        for (error, code, exit, says) in [
            (refused("unknown_run", "there is no run"), "unknown_run", Exit::Refused, "there is no run"),
            (in_start, "disk_failed", Exit::NotSucceeded, "line 3: the data file: no space left"),
            (OpenError::from(damaged).into(), "data_damaged", Exit::ChainBroken, "local lane 0 record 7: its link does not fit"),
            (DemandError::UnknownRun(RunId(7)).into(), "unknown_run", Exit::Refused, "run_00000000000000000000000007"),
            (
                DemandError::from(Unfit { code: "past_pivot", message: "the run is past its pivot".into() }).into(),
                "past_pivot",
                Exit::Refused,
                "past its pivot",
            ),
            (
                CorrectError::from(InstallError::from(Refusal::CoreModule)).into(),
                "component_is_core_module",
                Exit::Refused,
                "core module",
            ),
            (InstallError::from(Refusal::CoreModule).into(), "component_is_core_module", Exit::Refused, "core module"),
            (of_server(404, "unknown_saga"), "unknown_saga", Exit::Refused, "what it says"),
            (of_server(400, "wait_too_long"), "wait_too_long", Exit::Usage, "what it says"),
            (of_server(503, "draining"), "draining", Exit::NotSucceeded, "what it says"),
            (
                ClientError::Unreachable { url: "http://a".into(), what: "refused".into() }.into(),
                "server_unreachable",
                Exit::Unreachable,
                "cannot reach http://a: refused",
            ),
            (anyhow::anyhow!("something else"), "failed", Exit::NotSucceeded, "something else"),
        ] {
            assert_eq!(error.chain().find_map(verdict).unwrap_or(("failed".into(), Exit::NotSucceeded)), (code.into(), exit));
            assert_eq!(message(&error).matches(says).count(), 1, "{}", message(&error));
        }
    }

    fn of_server(status: u16, code: &str) -> anyhow::Error {
        let (code, detail) = (code.to_owned(), "what it says".to_owned());
        ClientError::Refused { status, code, detail, mistakes: None }.into()
    }

    #[test]
    fn what_is_told_is_safe_to_show_as_text_and_as_json() {
        let text = anstream::adapter::strip_str(&as_text("x", "one\u{1b}[2J\n  two")).to_string();
        assert_eq!(text, "error[x]: one\\u{1b}[2J\n  two");
        let mut mistakes = Mistakes::default();
        mistakes.add("steps[0].id", "is\u{1b} empty");
        let json = as_json(&mistakes.into(), "saga_refused", "1 mistake");
        let told: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(told["mistakes"][0]["path"], "steps[0].id");
        assert!(!json.contains('\u{1b}'));
    }
}
