//! Why a plugin is not installed, a run not started, or not driven on.

use crate::sandbox::{HostError, Refusal};
use crate::store::StoreError;
use crate::store::writer::WriterError;
use crate::vault::VaultError;
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, RunId, SagaName, TenantId};
use amends_domain::payload::PAYLOAD_LEN_MAX;
use amends_domain::quota::Over;
use amends_domain::run::Misfit;
use amends_domain::time::Timestamp;

/// Why this host cannot go on with a run. The run itself is not harmed: it is open, and goes on where it is found next.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was written may not be durable.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// What it owed to a guest.
    #[error(transparent)]
    Owed(#[from] HostError),
    /// The journal was not written by the rules of this release.
    #[error("the journal does not make sense: {0}")]
    Misfit(#[source] Misfit),
    /// There is no such run, or its first fact is not its start.
    #[error("{0} has no journal that begins with its start")]
    NotAJournal(RunId),
    /// A definition that the run is bound to is missing.
    #[error("definition {0} is not stored")]
    NoDefinition(Digest),
    /// A stored definition cannot be read by this release.
    #[error("definition {digest} cannot be read: {what}")]
    Definition {
        /// Which.
        digest: Digest,
        /// Why.
        what: String,
    },
    /// A component that the run is bound to is missing.
    #[error("component {0} is not stored")]
    NoComponent(Digest),
    /// A component that the run is bound to is refused by this release.
    #[error("component {digest} is refused: {refusal}")]
    Refused {
        /// Which.
        digest: Digest,
        /// Why.
        refusal: Refusal,
    },
    /// A secret that a plugin was granted cannot be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Nothing new is taken.
    #[error(
        "the disk of this host is almost full: {free} bytes are free, less than {min}. What is open goes on; new work is taken again when \
         there is room: try again in a minute"
    )]
    DiskLow {
        /// Free space, bytes.
        free: u64,
        /// The least that there should be.
        min: u64,
    },
    /// The run has nothing to do for long, or until somebody demands something of it.
    #[error("{0} waits")]
    Waits(RunId),
    /// Why a run is no longer driven, told to everybody who waits for it.
    #[error(transparent)]
    Shared(std::sync::Arc<DriveError>),
    /// This program has a mistake.
    #[error("{0} cannot go on: driving it panicked; see the log of the host")]
    Panicked(RunId),
    /// The task that drove it is gone.
    #[error("{0}")]
    Gone(String),
}

/// Why a run is not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such saga.
    #[error("there is no saga `{0}`: apply it first")]
    UnknownSaga(SagaName),
    /// The saga has no such version.
    #[error("saga `{saga}` has no version {version}: the newest one is {newest}")]
    UnknownVersion {
        /// Which saga.
        saga: SagaName,
        /// What was asked for.
        version: u32,
        /// What there is at most.
        newest: u32,
    },
    /// A plugin that the saga uses is not installed.
    #[error("the saga uses plugin `{0}`, which is not installed")]
    UnknownPlugin(PluginName),
    /// The input is too long.
    #[error("the input has {0} bytes: {PAYLOAD_LEN_MAX} are allowed")]
    InputTooLong(usize),
    /// The input is not JSON.
    #[error("the input is not JSON: {0}")]
    InputNotJson(#[source] serde_json::Error),
    /// The idempotency key is empty or too long.
    #[error("the idempotency key has {found} bytes: 1 to {limit} are allowed", found = .0, limit = super::START_KEY_LEN_MAX)]
    KeyLength(usize),
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used for {0} with another saga or input: use another key, or the same input")]
    KeyReused(RunId),
    /// The tenant stands still.
    #[error("the tenant is suspended: an operator has to reopen it first")]
    TenantSuspended,
    /// The tenant is gone.
    #[error("the tenant was deleted")]
    TenantDeleted,
    /// The tenant has taken as much as it may.
    #[error(transparent)]
    Over(#[from] Over),
    /// This host is ending.
    #[error("this host is ending and starts nothing: try again when it is back")]
    Draining,
    /// It would begin too late.
    #[error("the run would begin at {0}: at most ten years ahead are allowed")]
    BeginTooLate(Timestamp),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Host(error.into())
    }
}

impl StartError {
    /// The stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSaga(_) => "unknown_saga",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::UnknownPlugin(_) => "unknown_plugin",
            Self::InputTooLong(_) => "input_too_long",
            Self::InputNotJson(_) => "input_not_json",
            Self::KeyLength(_) => "key_length",
            Self::KeyReused(_) => "key_reused",
            Self::BeginTooLate(_) => "begin_too_late",
            Self::TenantSuspended => "tenant_suspended",
            Self::TenantDeleted => "tenant_deleted",
            Self::Over(_) => Over::CODE,
            Self::Draining => "draining",
            Self::Host(_) => "host",
        }
    }
}

/// Why something is not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The tenant has taken as much as it may.
    #[error(transparent)]
    Over(#[from] Over),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl From<StoreError> for KeepError {
    fn from(error: StoreError) -> Self {
        Self::Host(error.into())
    }
}

/// Why a component is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// What is wrong with it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It sends requests, and there is nowhere it may send them.
    #[error(
        "plugin `{plugin}` imports wasi:http/outgoing-handler, and tenant `{tenant}` granted it no host: \
         amends plugin grant {plugin} --host HOST --tenant {tenant}"
    )]
    NotGranted {
        /// Whose plugin.
        tenant: TenantId,
        /// Which.
        plugin: PluginName,
    },
    /// The host cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InstallError {
    /// The stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NotGranted { .. } => "host_not_granted",
            Self::Store(_) => "host",
        }
    }
}
