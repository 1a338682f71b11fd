//! What an error of the floors below is called, everywhere and for ever, and of what kind it is: the command line makes an exit code of
//! the kind, HTTP a status. The one place where a code belongs to an error.

use crate::coordinator::{
    AlterError, CorrectError, DemandError, DriveError, GrantRefused, InstallError, KeepError, PublishError, SecretRefused,
    StartError, WebhookRefused,
};
use crate::sandbox::{HostError, Refusal, SandboxError};
use crate::store::StoreError;
use crate::store::backup::{BackupError, RestoreError};
use crate::store::writer::WriterError;
use crate::vault::VaultError;
use amends_domain::definition::Mistakes;
use amends_domain::quota::Over;
use std::error::Error;

/// Whose the mistake is, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was asked for wrongly.
    Usage,
    /// It cannot be, as it was asked for.
    Refused,
    /// There is no such thing.
    Unknown,
    /// It does not fit how things stand now.
    Conflict,
    /// It is too long.
    TooLarge,
    /// There was too much of it; later there may be room.
    Limited,
    /// Not now; later it may.
    Unavailable,
    /// The host cannot.
    Failed,
    /// What is stored is not what was stored.
    Damaged,
}

/// Code and kind of an error of ours; none if it is somebody else's.
pub(crate) fn verdict(error: &(dyn Error + 'static)) -> Option<(&'static str, Kind)> {
    error
        .downcast_ref::<Mistakes>()
        .map(|_| ("saga_refused", Kind::Refused))
        .or_else(|| error.downcast_ref().map(of_refusal))
        .or_else(|| error.downcast_ref().map(of_install))
        .or_else(|| error.downcast_ref().map(of_publish))
        .or_else(|| error.downcast_ref().map(of_alter))
        .or_else(|| error.downcast_ref().map(of_start))
        .or_else(|| error.downcast_ref().map(of_keep))
        .or_else(|| error.downcast_ref().map(of_over))
        .or_else(|| error.downcast_ref().map(of_demand))
        .or_else(|| error.downcast_ref().map(of_correct))
        .or_else(|| error.downcast_ref().map(of_grant))
        .or_else(|| error.downcast_ref().map(of_secret))
        .or_else(|| error.downcast_ref().map(of_webhook))
        .or_else(|| error.downcast_ref().map(of_vault))
        .or_else(|| error.downcast_ref().map(of_drive))
        .or_else(|| error.downcast_ref().map(of_backup))
        .or_else(|| error.downcast_ref().map(of_restore))
        .or_else(|| error.downcast_ref().map(of_store))
        .or_else(|| error.downcast_ref().map(of_writer))
        .or_else(|| error.downcast_ref().map(of_sandbox))
}

fn of_refusal(refusal: &Refusal) -> (&'static str, Kind) {
    (refusal.code(), Kind::Refused)
}

fn of_install(error: &InstallError) -> (&'static str, Kind) {
    match error {
        InstallError::Refused(refusal) => of_refusal(refusal),
        InstallError::NotGranted { .. } => (error.code(), Kind::Refused),
        InstallError::Store(error) => of_store(error),
    }
}

fn of_publish(error: &PublishError) -> (&'static str, Kind) {
    match error {
        PublishError::Unfit(unfit) => (unfit.code, Kind::Conflict),
        PublishError::Over(over) => of_over(over),
        PublishError::Install(error) => of_install(error),
        PublishError::Host(error) => of_drive(error),
    }
}

fn of_alter(error: &AlterError) -> (&'static str, Kind) {
    match error {
        AlterError::Unfit(unfit) => (unfit.code, Kind::Conflict),
        AlterError::Host(error) => of_drive(error),
    }
}

fn of_grant(error: &GrantRefused) -> (&'static str, Kind) {
    match error {
        GrantRefused::TooMany { .. } => ("grants_too_many", Kind::Refused),
        GrantRefused::Host(error) => of_drive(error),
    }
}

fn of_secret(error: &SecretRefused) -> (&'static str, Kind) {
    match error {
        SecretRefused::TooMany => ("secrets_too_many", Kind::Refused),
        SecretRefused::Length(_) => ("secret_length", Kind::Refused),
        SecretRefused::NotPlain => ("secret_not_plain", Kind::Refused),
        SecretRefused::Unknown(_) => ("unknown_secret", Kind::Unknown),
        SecretRefused::Vault(error) => of_vault(error),
        SecretRefused::Host(error) => of_drive(error),
    }
}

fn of_webhook(error: &WebhookRefused) -> (&'static str, Kind) {
    match error {
        WebhookRefused::Unfit(unfit) => (unfit.code, Kind::Conflict),
        WebhookRefused::Vault(error) => of_vault(error),
        WebhookRefused::Host(error) => of_drive(error),
    }
}

fn of_vault(error: &VaultError) -> (&'static str, Kind) {
    match error {
        VaultError::NoKey => ("master_key_missing", Kind::Usage),
        VaultError::KeyFile { .. } => ("master_key_not_readable", Kind::Usage),
        VaultError::NotAKey => ("master_key_malformed", Kind::Usage),
        VaultError::OtherKey(_) => ("secret_of_other_key", Kind::Failed),
        VaultError::Altered(_) => ("secret_altered", Kind::Failed),
    }
}

fn of_start(error: &StartError) -> (&'static str, Kind) {
    match error {
        StartError::Host(error) => of_drive(error),
        StartError::Over(over) => of_over(over),
        StartError::UnknownSaga(_) | StartError::UnknownVersion { .. } => (error.code(), Kind::Unknown),
        StartError::Draining => (error.code(), Kind::Unavailable),
        StartError::InputTooLong(_) => (error.code(), Kind::TooLarge),
        StartError::KeyReused(_) | StartError::TenantSuspended | StartError::TenantDeleted => (error.code(), Kind::Conflict),
        StartError::UnknownPlugin(_) | StartError::InputNotJson(_) | StartError::KeyLength(_) | StartError::BeginTooLate(_) => {
            (error.code(), Kind::Refused)
        }
    }
}

fn of_keep(error: &KeepError) -> (&'static str, Kind) {
    match error {
        KeepError::Over(over) => of_over(over),
        KeepError::Host(error) => of_drive(error),
    }
}

/// What is more than the limit ever allows does not fit later either.
fn of_over(over: &Over) -> (&'static str, Kind) {
    if over.wanted > over.allowed { ("limit_too_small", Kind::Refused) } else { (Over::CODE, Kind::Limited) }
}

fn of_demand(error: &DemandError) -> (&'static str, Kind) {
    match error {
        DemandError::UnknownRun(_) => ("unknown_run", Kind::Unknown),
        DemandError::Unfit(unfit) => (unfit.code, Kind::Conflict),
        DemandError::Host(error) => of_drive(error),
    }
}

fn of_correct(error: &CorrectError) -> (&'static str, Kind) {
    match (error, error.code()) {
        (CorrectError::Install(error), _) => of_install(error),
        (CorrectError::Host(error), _) => of_drive(error),
        (_, code) => (code.unwrap_or("failed"), Kind::Refused),
    }
}

fn of_drive(error: &DriveError) -> (&'static str, Kind) {
    let code = match error {
        DriveError::Store(error) => return of_store(error),
        DriveError::Writer(error) => return of_writer(error),
        DriveError::Shared(error) => return of_drive(error),
        DriveError::DiskLow { .. } => return ("disk_low", Kind::Unavailable),
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
    (code, Kind::Failed)
}

fn of_backup(error: &BackupError) -> (&'static str, Kind) {
    match error {
        BackupError::Store(error) => of_store(error),
        BackupError::Out(_) => ("backup_not_written", Kind::Failed),
        BackupError::NothingKept => ("nothing_kept", Kind::Refused),
    }
}

fn of_restore(error: &RestoreError) -> (&'static str, Kind) {
    match error {
        RestoreError::Store(error) => of_store(error),
        RestoreError::NotEmpty(_) => ("data_exists", Kind::Refused),
        RestoreError::Read(_) => ("backup_not_readable", Kind::Usage),
        RestoreError::Damaged(_) => ("backup_damaged", Kind::Refused),
    }
}

fn of_store(error: &StoreError) -> (&'static str, Kind) {
    match error {
        StoreError::InUse(_) => ("data_in_use", Kind::Failed),
        StoreError::Format { .. } => ("data_format_unknown", Kind::Failed),
        StoreError::OutOfOrder { .. } => ("data_out_of_order", Kind::Failed),
        StoreError::Disk(_) => ("disk_failed", Kind::Failed),
        StoreError::Damaged { .. } => ("data_damaged", Kind::Damaged),
    }
}

fn of_writer(error: &WriterError) -> (&'static str, Kind) {
    match error {
        WriterError::Unknown(_) => ("durability_unknown", Kind::Failed),
        WriterError::Closed => ("closed", Kind::Failed),
        WriterError::Unmarked(_) => ("not_marked_closed", Kind::Failed),
    }
}

fn of_sandbox(_: &SandboxError) -> (&'static str, Kind) {
    ("sandbox_failed", Kind::Failed)
}
