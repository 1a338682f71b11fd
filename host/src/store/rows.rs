//! The rows that follow from the facts of a commit. Apart, and pure, so that every store derives the same ones.

use super::{Commit, LaneCommit, StoreError, WebhookCursor};
use amends_domain::audit::{Body, Head, usage_of};
use amends_domain::catalogue::Position;
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Event, HostGrant, RemovedRun, Resolvers, TenantEntry, TenantEvent, Write};
use amends_domain::id::{Lane, PluginName, RunId, SagaName, SecretName, TenantId, WebhookName};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::{RunHead, RunStatus};
use amends_domain::time::Timestamp;
use std::collections::BTreeMap;

/// What a commit means for the rows of one tenant.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TenantRows<'a> {
    /// Every run that has a record in the commit. In the order of the ids, since that is the order of the keys.
    pub(super) runs: BTreeMap<RunId, RunChange<'a>>,
    /// Of each key of the state the write with the highest version. It replaces a row of a lower version only.
    pub(super) writes: BTreeMap<&'a str, &'a Write>,
    /// The highest version among all writes, 0 without any.
    pub(super) state_version: u64,
    /// Idempotency keys. The first run with a key has it.
    pub(super) keys: BTreeMap<&'a str, (RunId, Digest)>,
    /// Versions of sagas and the digests of their documents.
    pub(super) sagas: Vec<(&'a SagaName, u32, Digest)>,
    /// Documents by digest.
    pub(super) definitions: Vec<(Digest, &'a Payload)>,
    /// What names of plugins mean now; none: nothing any more.
    pub(super) plugins: BTreeMap<&'a PluginName, Option<Digest>>,
    /// What makes the tenant what it is, by lane, record and place in the record.
    pub(super) facts: BTreeMap<(Lane, u64, u32), &'a TenantEntry>,
    /// Grants of plugins by their places; none: it was revoked.
    pub(super) grants: BTreeMap<(&'a PluginName, String), Option<&'a HostGrant>>,
    /// What is sealed of each secret; none: it was removed.
    pub(super) secrets: BTreeMap<&'a SecretName, Option<Digest>>,
    /// Who may use which secret from now on, or not.
    pub(super) secret_grants: BTreeMap<(&'a SecretName, &'a PluginName), SecretUse>,
    /// What becomes of the cursors of webhooks.
    pub(super) webhooks: BTreeMap<&'a WebhookName, CursorChange>,
    /// What was sealed and is destroyed.
    pub(super) destroyed: Vec<Digest>,
    /// How many people settle a dead letter from now on.
    pub(super) resolvers: Option<Resolvers>,
    /// What was used.
    pub(super) usage: Usage,
    /// The runs that are no longer kept, and the lane of their records.
    pub(super) removed: Vec<(Lane, &'a RemovedRun)>,
}

/// Whether a plugin may use a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretUse {
    /// It may.
    Granted,
    /// It may not.
    Withdrawn,
}

/// What becomes of the cursor of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CursorChange {
    /// It begins here, unless there is one: then it goes on where it is.
    Begin(WebhookCursor),
    /// It begins here, whatever there was: that webhook was removed.
    BeginAnew(WebhookCursor),
    /// There is none any more.
    Remove,
}

/// What a commit means for the rows of one run.
#[derive(Debug, PartialEq)]
pub(super) struct RunChange<'a> {
    /// Where its records are.
    pub(super) lane: Lane,
    /// The number of its last record.
    pub(super) last: u64,
    /// Its head.
    pub(super) head: &'a RunHead,
    /// What becomes of its row among the open runs.
    pub(super) open: OpenChange,
    /// Whether it belongs among the runs with dead letters.
    pub(super) has_dead_letters: bool,
}

/// What becomes of a run's row among the open runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum OpenChange {
    /// It is open until this instant at least.
    Put(Option<Timestamp>),
    /// It ended.
    Remove,
    /// It began and ended inside the commit: there never was a row.
    Never,
}

/// What `commit` means for the rows of each tenant in it.
///
/// Panics if a run has a record and no head, or a head and no record, or a lane is there twice: then whoever made the commit is wrong.
pub(super) fn derive(commit: &Commit) -> BTreeMap<&TenantId, TenantRows<'_>> {
    let mut tenants: BTreeMap<&TenantId, TenantRows<'_>> = BTreeMap::new();
    for (at, lane) in commit.lanes.iter().enumerate() {
        let twice = commit.lanes[..at].iter().any(|l| l.lane == lane.lane && l.tenant == lane.tenant);
        assert!(!twice, "a commit has each lane once, and {} lane {} twice", lane.tenant, lane.lane.0);
        tenants.entry(&lane.tenant).or_default().take_lane(lane);
    }
    tenants
}

/// The head of the lane behind `lane`'s records, if they follow `head` without a gap.
///
/// # Errors
/// [`StoreError::OutOfOrder`] with the first number that is not the next one.
pub(super) fn head_behind(head: Head, lane: &LaneCommit) -> Result<Head, StoreError> {
    lane.records.iter().try_fold(head, |head, (sealed, _)| {
        let (expected, found) = (head.seq + 1, sealed.seq);
        if found == expected {
            return Ok(Head { seq: found, link: sealed.link });
        }
        Err(StoreError::OutOfOrder { tenant: lane.tenant.clone(), lane: lane.lane, expected, found })
    })
}

/// What of a journal a record holds, and where the record before it is.
pub(super) struct Part {
    /// The facts.
    pub(super) entries: Vec<Entry>,
    /// The number of the run's record before, if there is one.
    pub(super) previous: Option<u64>,
}

/// Reads `body`, record `seq`, as a part of the journal of `run`.
///
/// # Errors
/// What is wrong with it: another format, another run's, or a link that does not lead back.
pub(super) fn part_of_journal(run: RunId, seq: u64, body: &[u8]) -> Result<Part, String> {
    match Body::decode(body).map_err(|e| e.to_string())? {
        Body::Run { run: found, .. } if found != run => Err(format!("it belongs to {found} and not to {run}")),
        // A walk that does not go down would never end.
        Body::Run { previous, .. } if previous >= seq => Err(format!("it names record {previous} as the one before it")),
        Body::Run { previous, entries, .. } => Ok(Part { entries, previous: (previous > 0).then_some(previous) }),
        Body::Tenant { .. } => Err(format!("it belongs to the tenant and not to {run}")),
    }
}

impl<'a> TenantRows<'a> {
    fn take_lane(&mut self, lane: &'a LaneCommit) {
        let mut heads: BTreeMap<RunId, &RunHead> = lane.runs.iter().map(|(run, head)| (*run, head)).collect();
        for (sealed, body) in &lane.records {
            self.usage += usage_of(body, sealed.kept.body_len());
            match body {
                Body::Run { run, previous, entries } => {
                    if let Some(head) = heads.remove(run) {
                        let (open, has_dead_letters) = (open_change(head, *previous), head.dead_letters > 0);
                        self.runs.insert(*run, RunChange { lane: lane.lane, last: sealed.seq, head, open, has_dead_letters });
                    }
                    let change = self.runs.get_mut(run).expect("a run with a record has a head in the same commit");
                    change.last = sealed.seq;
                    for entry in entries {
                        self.take_entry(*run, entry);
                    }
                }
                Body::Tenant { entries } => {
                    for (at, entry) in (0_u32..).zip(entries) {
                        self.take_tenant_entry(lane.lane, entry);
                        let position = Position { lane: lane.lane, seq: sealed.seq, fact: at + 1, part: 1 };
                        self.take_webhook(&entry.event, position);
                        if is_of_tenant_itself(&entry.event) {
                            self.facts.insert((lane.lane, sealed.seq, at), entry);
                        }
                    }
                }
            }
        }
        assert!(heads.is_empty(), "a run with a head has a record in the same commit: {:?}", heads.keys());
    }

    fn take_entry(&mut self, run: RunId, entry: &'a Entry) {
        match &entry.event {
            Event::Started(started) => {
                if let Some(key) = &started.key {
                    self.keys.entry(key).or_insert((run, Digest::of(&started.input.0)));
                }
            }
            Event::AttemptEnded(ended) => self.take_writes(&ended.writes),
            Event::Adopted
            | Event::AttemptStarted { .. }
            | Event::EffectIntended { .. }
            | Event::EffectAnswered { .. }
            | Event::RetryScheduled { .. }
            | Event::StepFailed { .. }
            | Event::CompensationStarted { .. }
            | Event::CompensationOmitted { .. }
            | Event::CompensationFailed { .. }
            | Event::Ended { .. }
            | Event::Delayed { .. }
            | Event::StepSkipped { .. }
            | Event::WaitStarted { .. }
            | Event::WaitEnded { .. }
            | Event::Demanded(_) => {}
        }
    }

    fn take_tenant_entry(&mut self, lane: Lane, entry: &'a TenantEntry) {
        match &entry.event {
            TenantEvent::SagaApplied { saga, version, definition, document } => {
                self.sagas.push((saga, *version, *definition));
                self.definitions.push((*definition, document));
            }
            TenantEvent::PluginInstalled { plugin, component, .. } => {
                self.plugins.insert(plugin, Some(*component));
            }
            // What the name means without this version is installed behind it. If nothing is, it means nothing.
            TenantEvent::PluginVersionDeleted { plugin, .. } => {
                self.plugins.insert(plugin, None);
            }
            TenantEvent::StateWritten { writes } => self.take_writes(writes),
            TenantEvent::ResolversSet { resolvers, .. } => self.resolvers = Some(*resolvers),
            TenantEvent::HostGranted { plugin, grant, .. } => {
                self.grants.insert((plugin, grant.place()), Some(grant));
            }
            TenantEvent::HostRevoked { plugin, place, .. } => {
                self.grants.insert((plugin, place.clone()), None);
            }
            TenantEvent::SecretSet { secret, sealed, replaces, .. } => {
                self.secrets.insert(secret, Some(*sealed));
                self.destroyed.extend(*replaces);
            }
            TenantEvent::SecretRemoved { secret, sealed, .. } => {
                self.secrets.insert(secret, None);
                self.destroyed.push(*sealed);
            }
            TenantEvent::SecretGranted { secret, plugin, .. } => {
                self.secret_grants.insert((secret, plugin), SecretUse::Granted);
            }
            TenantEvent::SecretWithdrawn { secret, plugin, .. } => {
                self.secret_grants.insert((secret, plugin), SecretUse::Withdrawn);
            }
            TenantEvent::RunsRemoved { runs, .. } => self.removed.extend(runs.iter().map(|run| (lane, run))),
            // Whoever needs a tenant folds its facts.
            TenantEvent::TenantCreated { .. }
            | TenantEvent::LimitsSet { .. }
            | TenantEvent::TenantSuspended { .. }
            | TenantEvent::TenantReopened { .. }
            | TenantEvent::TenantDeleted { .. }
            | TenantEvent::KeyCreated { .. }
            | TenantEvent::KeyRevoked { .. }
            | TenantEvent::PluginPublished { .. }
            | TenantEvent::WebhookSet { .. }
            | TenantEvent::WebhookRemoved { .. }
            | TenantEvent::WebhookPaused { .. }
            | TenantEvent::HostPartChanged { .. }
            | TenantEvent::RequestsDenied { .. } => {}
            TenantEvent::WebhookKeysSet { destroyed, .. } => self.destroyed.extend(destroyed),
        }
    }

    /// `position`: where the fact stands.
    fn take_webhook(&mut self, event: &'a TenantEvent, position: Position) {
        if let TenantEvent::WebhookSet { webhook, .. } = event {
            let begin = WebhookCursor { position, failing: None };
            match self.webhooks.get(webhook) {
                None => drop(self.webhooks.insert(webhook, CursorChange::Begin(begin))),
                Some(CursorChange::Remove) => drop(self.webhooks.insert(webhook, CursorChange::BeginAnew(begin))),
                Some(CursorChange::Begin(_) | CursorChange::BeginAnew(_)) => {}
            }
        }
        if let TenantEvent::WebhookRemoved { webhook, .. } = event {
            self.webhooks.insert(webhook, CursorChange::Remove);
        }
    }

    fn take_writes(&mut self, writes: &'a [Write]) {
        for write in writes {
            self.state_version = self.state_version.max(write.version);
            let kept = self.writes.entry(&write.key).or_insert(write);
            if write.version > kept.version {
                *kept = write;
            }
        }
    }
}

/// Whether a fact makes the tenant what it is: what `amends_domain::tenant` folds. The others have rows of their own.
fn is_of_tenant_itself(event: &TenantEvent) -> bool {
    match event {
        TenantEvent::TenantCreated { .. }
        | TenantEvent::LimitsSet { .. }
        | TenantEvent::TenantSuspended { .. }
        | TenantEvent::TenantReopened { .. }
        | TenantEvent::TenantDeleted { .. }
        | TenantEvent::KeyCreated { .. }
        | TenantEvent::KeyRevoked { .. }
        | TenantEvent::PluginPublished { .. }
        | TenantEvent::PluginVersionDeleted { .. }
        | TenantEvent::WebhookSet { .. }
        | TenantEvent::WebhookRemoved { .. }
        | TenantEvent::WebhookKeysSet { .. }
        | TenantEvent::WebhookPaused { .. } => true,
        TenantEvent::SagaApplied { .. }
        | TenantEvent::PluginInstalled { .. }
        | TenantEvent::StateWritten { .. }
        | TenantEvent::ResolversSet { .. }
        | TenantEvent::HostGranted { .. }
        | TenantEvent::HostRevoked { .. }
        | TenantEvent::SecretSet { .. }
        | TenantEvent::SecretRemoved { .. }
        | TenantEvent::SecretGranted { .. }
        | TenantEvent::SecretWithdrawn { .. }
        | TenantEvent::HostPartChanged { .. }
        | TenantEvent::RunsRemoved { .. }
        | TenantEvent::RequestsDenied { .. } => false,
    }
}

/// `previous` is that of the run's first record in the commit.
fn open_change(head: &RunHead, previous: u64) -> OpenChange {
    match (head.status, previous) {
        (RunStatus::Running | RunStatus::Compensating | RunStatus::Waiting | RunStatus::Paused, _) => OpenChange::Put(head.due),
        (RunStatus::Ended(_), 0) => OpenChange::Never,
        (RunStatus::Ended(_), _) => OpenChange::Remove,
    }
}

/// Whether a cursor may take the place of another: none goes back.
pub(super) fn goes_on(stored: &WebhookCursor, kept: &WebhookCursor) -> bool {
    kept.position.lane == stored.position.lane && kept.position >= stored.position
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_domain::audit::Sealed;
    use amends_domain::event::Outcome;

    fn head(status: RunStatus) -> RunHead {
        let saga = SagaName::new("s").expect("a name");
        let (version, definition, started) = (1, Digest::of(b""), Timestamp(0));
        RunHead { saga, version, definition, status, started, ended: None, due: Some(Timestamp(9)), dead_letters: 0 }
    }

    fn lane(bodies: Vec<Body>, runs: Vec<(RunId, RunHead)>) -> Commit {
        let tenant = TenantId::new("t").expect("a name");
        let mut end = Head::genesis(&tenant, Lane(0));
        let records: Vec<(Sealed, Body)> = bodies.into_iter().map(|body| (end.seal(&body), body)).collect();
        Commit { lanes: vec![LaneCommit { tenant, lane: Lane(0), records, runs }], components: Vec::new() }
    }

    fn of_run(run: u128, previous: u64) -> Body {
        Body::Run { run: RunId(run), previous, entries: vec![Entry { at: Timestamp(0), event: Event::Adopted }] }
    }

    fn written(writes: &[(&str, u64)]) -> Body {
        let writes = writes.iter().map(|(key, version)| Write { key: (*key).into(), version: *version, value: None }).collect();
        Body::Tenant { entries: vec![TenantEntry { at: Timestamp(0), event: TenantEvent::StateWritten { writes } }] }
    }

    #[test]
    fn the_row_among_the_open_runs_follows_the_status_and_the_first_record() {
        let ended = RunStatus::Ended(Outcome::Succeeded);
        let cases = [
            (RunStatus::Running, vec![0], OpenChange::Put(Some(Timestamp(9)))),
            (RunStatus::Compensating, vec![4], OpenChange::Put(Some(Timestamp(9)))),
            (RunStatus::Waiting, vec![0], OpenChange::Put(Some(Timestamp(9)))),
            (RunStatus::Paused, vec![4], OpenChange::Put(Some(Timestamp(9)))),
            (ended, vec![4], OpenChange::Remove),
            (ended, vec![0], OpenChange::Never),
            (ended, vec![0, 1], OpenChange::Never),
        ];
        for (status, previous, open) in cases {
            let last = previous.len() as u64;
            let commit = lane(previous.into_iter().map(|p| of_run(7, p)).collect(), vec![(RunId(7), head(status))]);
            let rows = derive(&commit);
            let change = &rows.values().next().expect("one tenant").runs[&RunId(7)];
            assert_eq!((change.open, change.last), (open, last), "{status:?}");
        }
    }

    #[test]
    fn of_the_writes_of_a_key_the_highest_version_counts() {
        let commit = lane(vec![written(&[("a", 3), ("b", 1)]), written(&[("a", 2), ("b", 5)])], Vec::new());
        let rows = derive(&commit);
        let rows = rows.values().next().expect("one tenant");
        let versions: Vec<_> = rows.writes.values().map(|w| (w.key.as_str(), w.version)).collect();
        assert_eq!((versions, rows.state_version), (vec![("a", 3), ("b", 5)], 5));
    }

    #[test]
    fn a_commit_that_leaves_a_number_out_or_repeats_one_is_refused() {
        let commit = lane(vec![of_run(1, 0), of_run(1, 1)], vec![(RunId(1), head(RunStatus::Running))]);
        let part = &commit.lanes[0];
        let genesis = Head::genesis(&part.tenant, part.lane);
        assert_eq!(head_behind(genesis, part).expect("they follow").seq, 2);
        let ahead = Head { seq: 1, ..genesis };
        assert!(matches!(head_behind(ahead, part), Err(StoreError::OutOfOrder { expected: 2, found: 1, .. })));
    }

    #[test]
    fn a_part_of_a_journal_belongs_to_the_run_and_leads_back() {
        assert!(part_of_journal(RunId(1), 3, &of_run(1, 2).encode()).is_ok_and(|p| p.previous == Some(2)));
        assert!(part_of_journal(RunId(1), 3, &of_run(1, 0).encode()).is_ok_and(|p| p.previous.is_none()));
        for (body, words) in [(of_run(2, 0), "belongs to run_"), (of_run(1, 3), "names record 3"), (written(&[]), "to the tenant")]
        {
            assert!(part_of_journal(RunId(1), 3, &body.encode()).is_err_and(|e| e.contains(words)), "{words}");
        }
        assert!(part_of_journal(RunId(1), 3, &[]).is_err());
    }
}
