//! What a command says when it fails: one sentence, a code that never changes, and the exit code that scripts go by. Apart, because
//! this is the one place where errors of all floors are told to people.

use super::output::{Exit, Format, plain, remark};
use crate::compose::OpenError;
use crate::coordinator::{CorrectError, DemandError, DriveError, GrantRefused, InstallError, SecretRefused, StartError};
use crate::sandbox::{HostError, Refusal, SandboxError};
use crate::store::StoreError;
use crate::store::writer::WriterError;
use crate::vault::VaultError;
use amends_domain::definition::Mistakes;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
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
    let (code, exit) = error.chain().find_map(verdict).unwrap_or(("failed", Exit::NotSucceeded));
    let message = message(error);
    let told = match format {
        Format::Text => as_text(code, &message),
        Format::Json => as_json(error, code, &message),
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
    let mistakes = mistakes.map(|mistake| Mistake { path: &mistake.path, problem: &mistake.problem }).collect();
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
fn verdict(error: &(dyn Error + 'static)) -> Option<(&'static str, Exit)> {
    error
        .downcast_ref::<Complaint>()
        .map(|complaint| (complaint.code, complaint.exit))
        .or_else(|| error.downcast_ref::<Mistakes>().map(|_| ("saga_refused", Exit::Refused)))
        .or_else(|| error.downcast_ref().map(of_refusal))
        .or_else(|| error.downcast_ref().map(of_install))
        .or_else(|| error.downcast_ref().map(of_start))
        .or_else(|| error.downcast_ref().map(of_demand))
        .or_else(|| error.downcast_ref().map(of_correct))
        .or_else(|| error.downcast_ref().map(of_grant))
        .or_else(|| error.downcast_ref().map(of_secret))
        .or_else(|| error.downcast_ref().map(of_vault))
        .or_else(|| error.downcast_ref().map(of_drive))
        .or_else(|| error.downcast_ref().map(of_open))
        .or_else(|| error.downcast_ref().map(of_store))
        .or_else(|| error.downcast_ref().map(of_writer))
        .or_else(|| error.downcast_ref().map(of_sandbox))
}

fn of_refusal(refusal: &Refusal) -> (&'static str, Exit) {
    (refusal.code(), Exit::Refused)
}

fn of_install(error: &InstallError) -> (&'static str, Exit) {
    match error {
        InstallError::Refused(refusal) => of_refusal(refusal),
        InstallError::NotGranted { .. } => (error.code(), Exit::Refused),
        InstallError::Store(error) => of_store(error),
    }
}

fn of_grant(error: &GrantRefused) -> (&'static str, Exit) {
    match error {
        GrantRefused::TooMany { .. } => ("grants_too_many", Exit::Refused),
        GrantRefused::Host(error) => of_drive(error),
    }
}

fn of_secret(error: &SecretRefused) -> (&'static str, Exit) {
    match error {
        SecretRefused::TooMany => ("secrets_too_many", Exit::Refused),
        SecretRefused::Length(_) => ("secret_length", Exit::Refused),
        SecretRefused::NotPlain => ("secret_not_plain", Exit::Refused),
        SecretRefused::Unknown(_) => ("unknown_secret", Exit::Refused),
        SecretRefused::Vault(error) => of_vault(error),
        SecretRefused::Host(error) => of_drive(error),
    }
}

fn of_vault(error: &VaultError) -> (&'static str, Exit) {
    match error {
        VaultError::NoKey => ("master_key_missing", Exit::Usage),
        VaultError::KeyFile { .. } => ("master_key_not_readable", Exit::Usage),
        VaultError::NotAKey => ("master_key_malformed", Exit::Usage),
        VaultError::OtherKey(_) => ("secret_of_other_key", Exit::NotSucceeded),
        VaultError::Altered(_) => ("secret_altered", Exit::NotSucceeded),
    }
}

fn of_start(error: &StartError) -> (&'static str, Exit) {
    match error {
        StartError::Host(error) => of_drive(error),
        StartError::UnknownSaga(_)
        | StartError::UnknownVersion { .. }
        | StartError::UnknownPlugin(_)
        | StartError::TenantSuspended
        | StartError::TenantDeleted
        | StartError::Draining
        | StartError::InputTooLong(_)
        | StartError::InputNotJson(_)
        | StartError::KeyLength(_)
        | StartError::KeyReused(_)
        | StartError::BeginTooLate(_) => (error.code(), Exit::Refused),
    }
}

fn of_demand(error: &DemandError) -> (&'static str, Exit) {
    match error {
        DemandError::UnknownRun(_) => ("unknown_run", Exit::Refused),
        DemandError::Unfit(unfit) => (unfit.code, Exit::Refused),
        DemandError::Host(error) => of_drive(error),
    }
}

fn of_correct(error: &CorrectError) -> (&'static str, Exit) {
    match (error, error.code()) {
        (CorrectError::Install(error), _) => of_install(error),
        (CorrectError::Host(error), _) => of_drive(error),
        (_, code) => (code.unwrap_or("failed"), Exit::Refused),
    }
}

fn of_drive(error: &DriveError) -> (&'static str, Exit) {
    let code = match error {
        DriveError::Store(error) => return of_store(error),
        DriveError::Writer(error) => return of_writer(error),
        DriveError::Shared(error) => return of_drive(error),
        DriveError::Owed(HostError::State(_)) => "state_not_readable",
        DriveError::Owed(HostError::Effect(_)) => "effect_not_noted",
        DriveError::Vault(error) => return of_vault(error),
        DriveError::Waits(_) => "run_waits",
        DriveError::Misfit(_) | DriveError::NotAJournal(_) => "journal_not_readable",
        DriveError::NoDefinition(_) | DriveError::Definition { .. } => "definition_not_readable",
        DriveError::NoComponent(_) => "component_not_stored",
        DriveError::Refused { refusal, .. } => refusal.code(),
        DriveError::Gone(_) | DriveError::Panicked(_) => "host_failed",
    };
    (code, Exit::NotSucceeded)
}

fn of_open(error: &OpenError) -> (&'static str, Exit) {
    match error {
        OpenError::NoData(_) => ("no_data_directory", Exit::Usage),
        OpenError::Store(error) => of_store(error),
        OpenError::Sandbox(error) => of_sandbox(error),
        OpenError::Vault(error) => of_vault(error),
        OpenError::Runtime(_) => ("host_failed", Exit::NotSucceeded),
    }
}

fn of_store(error: &StoreError) -> (&'static str, Exit) {
    match error {
        StoreError::InUse(_) => ("data_in_use", Exit::NotSucceeded),
        StoreError::Format { .. } => ("data_format_unknown", Exit::NotSucceeded),
        StoreError::OutOfOrder { .. } => ("data_out_of_order", Exit::NotSucceeded),
        StoreError::Disk(_) => ("disk_failed", Exit::NotSucceeded),
        StoreError::Damaged { .. } => ("data_damaged", Exit::ChainBroken),
    }
}

fn of_writer(error: &WriterError) -> (&'static str, Exit) {
    match error {
        WriterError::Unknown(_) => ("durability_unknown", Exit::NotSucceeded),
        WriterError::Closed => ("closed", Exit::NotSucceeded),
        WriterError::Unmarked(_) => ("not_marked_closed", Exit::NotSucceeded),
    }
}

fn of_sandbox(_: &SandboxError) -> (&'static str, Exit) {
    ("sandbox_failed", Exit::NotSucceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
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
            (anyhow::anyhow!("something else"), "failed", Exit::NotSucceeded, "something else"),
        ] {
            assert_eq!(error.chain().find_map(verdict).unwrap_or(("failed", Exit::NotSucceeded)), (code, exit));
            assert_eq!(message(&error).matches(says).count(), 1, "{}", message(&error));
        }
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
