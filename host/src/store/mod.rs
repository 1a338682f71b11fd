//! What is kept, and the promise of each call. Everything that a commit holds becomes durable together or not at all; rows that can
//! be derived from facts (state, idempotency keys, sagas, plugins) are derived here, in the same transaction, so that there is no
//! second source of truth.

pub mod backup;
pub mod memory;
pub mod redb;
mod rows;
mod verify;
pub mod writer;

pub use verify::{VERIFY_TAIL_LEN, verify_lane, verify_tail};

use amends_domain::audit::{Body, Head, Sealed};
use amends_domain::catalogue::Position;
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, HostGrant, Resolvers, TenantEntry};
use amends_domain::id::{Lane, PluginName, RunId, SagaName, SecretName, TenantId, WebhookName};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::RunHead;
use amends_domain::time::Timestamp;
use amends_domain::webhook::Failing;
use bytes::Bytes;

/// Most rows that one call of a list gives.
pub const PAGE_LEN_MAX: usize = 1000;

/// A place where runs, chains and state are kept. Calls block for microseconds to milliseconds; none waits for a lock that is held
/// over a commit. A `PostgreSQL` store fits behind it: nothing here assumes that one process is alone.
///
/// Any answer may be [`StoreError::Disk`] or [`StoreError::Damaged`] instead.
#[expect(clippy::missing_errors_doc, reason = "said once, above; where there is more to say it is said")]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Makes `commit` durable, all of it or nothing. Of two commits that write the same key of the state, the later one must have
    /// the higher version: a removed key leaves no row that could refuse an older write. Inside a commit any order will do.
    ///
    /// # Errors
    /// [`StoreError::OutOfOrder`] if a lane is not where the commit begins: nothing was written. After any other error it is not
    /// known whether the commit is durable: the caller must not go on with this store.
    fn commit(&self, commit: &Commit) -> Result<(), StoreError>;

    /// Notes that everything was written and nothing will follow, so that the next open need not check the chains. A commit behind
    /// it is a bug and panics.
    ///
    /// # Errors
    /// If the note could not be written; the next open checks.
    fn close(&self) -> Result<(), StoreError>;

    /// Writes everything that is stored to `out`, as it is at one commit, while others read and commit. What is written is whole when this
    /// returns; see [`backup`]. Takes as long as `out` does, so it is not for threads that answer.
    ///
    /// # Errors
    /// [`BackupError`](backup::BackupError); what was written by then is no backup.
    fn back_up(&self, out: &mut dyn std::io::Write) -> Result<backup::Summary, backup::BackupError> {
        let _ = out;
        Err(backup::BackupError::NothingKept)
    }

    /// How much there is, for those who watch the host. Zero is what a store does not know.
    fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts::default())
    }

    /// Every lane there is. The scheduler's; the only call that does not name a tenant.
    fn lanes(&self) -> Result<Vec<LaneRow>, StoreError>;

    /// Where a lane of a tenant ends.
    fn head(&self, tenant: &TenantId, lane: Lane) -> Result<Head, StoreError> {
        let found = self.lanes()?.into_iter().find(|row| row.tenant == *tenant && row.lane == lane);
        Ok(found.map_or_else(|| Head::genesis(tenant, lane), |row| row.head))
    }

    /// Open runs of a tenant in the order of their ids, behind `after`; at most `limit` and [`PAGE_LEN_MAX`].
    fn open_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<OpenRun>, StoreError>;

    /// Runs of a tenant in which a step waits for a person, in the order of their ids, behind `after`.
    fn runs_with_dead_letters(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError>;

    /// The head of a run.
    fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunHead>, StoreError>;

    /// Heads of runs, newest first, older than `before`.
    fn runs(&self, tenant: &TenantId, before: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError>;

    /// Heads of runs, oldest first, behind `after`; at most `limit` and [`PAGE_LEN_MAX`].
    fn oldest_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError>;

    /// The number, in the run's lane, of its newest record. Its next record names it.
    fn last_record(&self, tenant: &TenantId, run: RunId) -> Result<Option<u64>, StoreError>;

    /// All facts of a run, oldest first; none if there is no such run.
    fn journal(&self, tenant: &TenantId, run: RunId) -> Result<Option<Vec<Entry>>, StoreError> {
        let records = self.records_of_run(tenant, run)?;
        Ok((!records.is_empty()).then(|| records.into_iter().flat_map(|record| record.entries).collect()))
    }

    /// All records of a run with what they say, oldest first; none if there is no such run.
    fn records_of_run(&self, tenant: &TenantId, run: RunId) -> Result<Vec<RunRecord>, StoreError>;

    /// Records of a chain from number `from` on.
    fn records(&self, tenant: &TenantId, lane: Lane, from: u64, limit: usize) -> Result<Vec<Sealed>, StoreError>;

    /// A value of the tenant's state. A removed key has no row.
    fn state(&self, tenant: &TenantId, key: &str) -> Result<Option<Value>, StoreError>;

    /// Keys and values in the order of the keys, behind `after`.
    fn states(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, StoreError>;

    /// The run that was started with an idempotency key, and the digest of its input.
    fn run_of_key(&self, tenant: &TenantId, key: &str) -> Result<Option<(RunId, Digest)>, StoreError>;

    /// The newest version of a saga.
    fn saga(&self, tenant: &TenantId, saga: &SagaName) -> Result<Option<SagaRow>, StoreError>;

    /// One version of a saga.
    fn saga_version(&self, tenant: &TenantId, saga: &SagaName, version: u32) -> Result<Option<SagaRow>, StoreError>;

    /// The newest version of each saga in the order of their names, behind `after`; at most `limit` and [`PAGE_LEN_MAX`].
    fn sagas(&self, tenant: &TenantId, after: Option<&SagaName>, limit: usize) -> Result<Vec<(SagaName, SagaRow)>, StoreError>;

    /// The document with this digest, if the tenant applied it.
    fn definition(&self, tenant: &TenantId, digest: Digest) -> Result<Option<Payload>, StoreError>;

    /// How many people it takes to settle a dead letter of the tenant.
    fn resolvers(&self, tenant: &TenantId) -> Result<Resolvers, StoreError>;

    /// Where a plugin may send requests, in the order of the places.
    fn grants(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<HostGrant>, StoreError>;

    /// The secrets of a tenant in the order of their names, and the digest of what is sealed of each: that is found as a component is.
    fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Digest)>, StoreError>;

    /// Which plugin may use which secret, in the order of the secrets' names.
    fn secret_grants(&self, tenant: &TenantId) -> Result<Vec<(SecretName, PluginName)>, StoreError>;

    /// The component that a plugin's name means now.
    fn plugin(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Digest>, StoreError>;

    /// What names of plugins mean now, in the order of the names, behind `after`; at most `limit` and [`PAGE_LEN_MAX`].
    fn plugins(&self, tenant: &TenantId, after: Option<&PluginName>, limit: usize)
    -> Result<Vec<(PluginName, Digest)>, StoreError>;

    /// The facts that make the tenant what it is, in their order: see `amends_domain::tenant`. All of them: a tenant is known whole or not
    /// at all.
    fn tenant_facts(&self, tenant: &TenantId) -> Result<Vec<TenantEntry>, StoreError>;

    /// How far each webhook of a tenant is, in the order of their names. One begins behind the fact that set it first.
    fn webhook_cursors(&self, tenant: &TenantId) -> Result<Vec<(WebhookName, WebhookCursor)>, StoreError> {
        let _ = tenant;
        Ok(Vec::new())
    }

    /// Notes how far webhooks are. Not part of any commit: what is lost of it is sent again. One that was removed is let be, and none ever goes
    /// back. A store that keeps none does nothing.
    fn keep_webhook_cursors(&self, cursors: &[(TenantId, WebhookName, WebhookCursor)]) -> Result<(), StoreError> {
        let _ = cursors;
        Ok(())
    }

    /// What the tenant used since it was created.
    fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError>;

    /// The bytes of a component, or of what is sealed of a secret. Components are shared between tenants: who may ask for which is decided by whoever pinned it.
    fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError>;
}

/// A record of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its number in the lane.
    pub seq: u64,
    /// How many bytes its body has.
    pub len: usize,
    /// What it says.
    pub entries: Vec<Entry>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs without an outcome.
    pub open_runs: u64,
    /// Runs in which a step waits for a person.
    pub runs_with_dead_letters: u64,
    /// Length of the data file, bytes.
    pub file_len: u64,
}

/// How far a webhook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookCursor {
    /// Everything up to this event was taken by the other side, or was not for it.
    pub position: Position,
    /// Since when nothing is delivered, and how often it was tried; none: it is.
    pub failing: Option<Failing>,
}

/// What one transaction makes durable.
#[derive(Debug, Default)]
pub struct Commit {
    /// The part of each lane, each lane once.
    pub lanes: Vec<LaneCommit>,
    /// Components that are not stored yet, and what is sealed of secrets, named by the digest of their bytes.
    pub components: Vec<(Digest, Bytes)>,
}

/// What a commit adds to one lane.
#[derive(Debug)]
pub struct LaneCommit {
    /// Whose lane.
    pub tenant: TenantId,
    /// Which.
    pub lane: Lane,
    /// The new records, each with what its body says.
    pub records: Vec<(Sealed, Body)>,
    /// The heads of the runs that they change, each once.
    pub runs: Vec<(RunId, RunHead)>,
}

/// A lane and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// Whose lane.
    pub tenant: TenantId,
    /// Which.
    pub lane: Lane,
    /// The end of its chain.
    pub head: Head,
    /// The highest version that any write to the tenant's state has had.
    pub state_version: u64,
}

/// A run without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Which.
    pub run: RunId,
    /// Nothing is to be done before this instant unless something comes in.
    pub due: Option<Timestamp>,
}

/// A value of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The version of the write that made it.
    pub version: u64,
    /// The value.
    pub value: Payload,
}

/// A version of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRow {
    /// Its number, from 1.
    pub version: u32,
    /// The digest of its document.
    pub definition: Digest,
}

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory open.
    #[error("the data file {0} is in use by another process: stop that one first, or name another directory")]
    InUse(String),
    /// A later release wrote the file.
    #[error("the data file has format {found}, this release reads {known}: use the release that wrote it, or a newer one")]
    Format {
        /// In the file.
        found: u32,
        /// The newest that this release reads.
        known: u32,
    },
    /// The records of a commit do not follow the last one of their lane: somebody else has written to it.
    #[error("{tenant} lane {}: the commit has record {found} where record {expected} belongs", lane.0)]
    OutOfOrder {
        /// Whose lane.
        tenant: TenantId,
        /// Which.
        lane: Lane,
        /// The number of the next record.
        expected: u64,
        /// The number that the commit has there.
        found: u64,
    },
    /// The disk, or the file on it.
    #[error("the data file: {0}")]
    Disk(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read cannot be what was written.
    #[error("{place}: {what}")]
    Damaged {
        /// Table and key.
        place: String,
        /// What is wrong.
        what: String,
    },
}
