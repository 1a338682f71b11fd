//! What lies between the host and the store that is simulated: commits fail here, reads fail here, and whatever became durable is read
//! back and taken into the books before anybody hears of it.

use crate::books::{self, Beside, Of};
use crate::coverage::of_fact;
use crate::invariants::{Checked, Invariant, broken, hold, removal, replay};
use crate::plants::Plant;
use crate::stage::{Play, Stage};
use amends::store::memory::Fate;
use amends::store::{
    Commit, LaneRow, OpenRun, PAGE_LEN_MAX, RunRecord, SagaRow, Store, StoreError, VERIFY_TAIL_LEN, Value, verify_tail,
};
use amends_domain::audit::{Kept, Sealed};
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, HostGrant, Outcome, Resolvers, TenantEntry};
use amends_domain::id::{Lane, PluginName, RunId, SagaName, SecretName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::quota::Usage;
use amends_domain::run::{RunHead, RunStatus};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// The only lane that tenants have.
const LANE: Lane = Lane(0);
/// How many reads of a thousand fail.
const READS_FAIL: u64 = 4;

/// A store that is watched.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) stage: Arc<Stage>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Watched {
    /// Whatever is found at the beginning of a life: what was durable, and all or nothing of the commit that was on its way.
    pub(crate) fn reconcile(&self) {
        let tenants: Vec<TenantId> = self.stage.act(|play| play.books.tenants.keys().cloned().collect());
        let found: Vec<(TenantId, Vec<Sealed>)> = tenants.iter().map(|tenant| (tenant.clone(), self.all_records(tenant))).collect();
        self.stage.act(|play| {
            play.books.forget_changes();
            let checked = play.found(&found);
            play.check(checked);
        });
        self.stage.act(|play| {
            let checked = found.iter().try_for_each(|(tenant, records)| removal::bodies(&play.books, tenant, records));
            play.check(checked);
        });
        let verified = verify_tail(&*self.inner, VERIFY_TAIL_LEN);
        let verified = verified.or_else(|error| broken(Invariant::Chain, format!("the host says of its disk: {error}")));
        self.stage.act(|play| play.check(verified));
        self.compare(&tenants, Of::All);
    }

    fn all_records(&self, tenant: &TenantId) -> Vec<Sealed> {
        let mut records: Vec<Sealed> = Vec::new();
        loop {
            let page = self.inner.records(tenant, LANE, records.len() as u64 + 1, PAGE_LEN_MAX).expect("the disk reads");
            if page.is_empty() {
                break;
            }
            records.extend(page);
        }
        if let Some(first) = records.first_mut().filter(|_| self.stage.act(|play| play.is_planted(Plant::LosesBody))) {
            first.kept = Kept::Digest(first.kept.digest());
        }
        records
    }

    /// A commit was answered well: what it wrote is there.
    fn take_in(&self) {
        let known: Vec<(TenantId, u64)> = self.stage.act(|play| {
            let tenants = play.books.on_the_way.iter().map(|(tenant, _)| tenant.clone());
            tenants.map(|tenant| (tenant.clone(), play.books.tenants[&tenant].chain.len())).collect()
        });
        let stored: Vec<Vec<Sealed>> = known
            .iter()
            .map(|(tenant, len)| self.inner.records(tenant, LANE, len + 1, PAGE_LEN_MAX).expect("the disk reads"))
            .collect();
        self.stage.act(|play| {
            let checked = play.committed(&stored);
            play.check(checked);
        });
        let tenants: Vec<TenantId> = known.into_iter().map(|(tenant, _)| tenant).collect();
        self.compare(&tenants, Of::Newest);
    }

    /// Rows that follow from the facts are what the facts say.
    fn compare(&self, tenants: &[TenantId], of: Of) {
        let checked = tenants.iter().try_for_each(|tenant| self.compare_tenant(tenant, of));
        self.stage.act(|play| play.check(checked));
    }

    fn compare_tenant(&self, tenant: &TenantId, of: Of) -> Checked {
        let touched = self.stage.act(|play| play.books.tenants.get_mut(tenant).expect("a tenant").states.settle())?;
        for (key, newest) in touched {
            let stored = self.inner.state(tenant, &key).expect("the disk reads").map(|value| (value.version, value.value));
            hold(stored == newest, Invariant::State, || format!("{tenant} {key} is {stored:?}, the outcomes wrote {newest:?}"))?;
        }
        let changed: Vec<RunId> = self.stage.act(|play| {
            let changed = play.books.changed(of);
            changed.into_iter().filter(|run| play.books.runs[run].tenant == *tenant).collect()
        });
        for run in changed {
            let head = self.inner.run(tenant, run).expect("the disk reads");
            let head = if self.stage.act(|play| play.is_planted(Plant::OldHead) && play.dice.hits(2)) { None } else { head };
            self.stage.act(|play| match play.books.runs[&run].kept {
                books::Kept::Whole => replay::head(&play.books.runs[&run], head.as_ref()),
                books::Kept::Removed => removal::head(&play.books.runs[&run], head.as_ref()),
            })?;
        }
        let mut used = self.inner.usage(tenant).expect("the disk reads");
        if used.removed_bytes > 0 && self.stage.act(|play| play.is_planted(Plant::ForgetsUsage)) {
            used.runs -= 1;
        }
        self.stage.act(|play| removal::used(&play.books, tenant, used))?;
        match of {
            Of::All => self.compare_journals(tenant).and_then(|()| self.compare_all(tenant)),
            Of::Newest => Ok(()),
        }
    }

    /// A journal, read back from record to record, is what became durable one commit after the other.
    fn compare_journals(&self, tenant: &TenantId) -> Checked {
        let runs: Vec<RunId> = self.stage.act(|play| play.books.changed(Of::All));
        for run in runs {
            let journal = self.inner.journal(tenant, run).expect("the disk reads");
            self.stage.act(|play| {
                let book = &play.books.runs[&run];
                let is_kept = book.tenant == *tenant && book.kept == books::Kept::Whole;
                let expected = is_kept.then_some(&book.entries);
                hold(journal.as_ref() == expected, Invariant::Chain, || format!("{tenant}: the journal of {run} is {journal:?}"))
            })?;
        }
        Ok(())
    }

    fn compare_all(&self, tenant: &TenantId) -> Checked {
        let stored = self.inner.states(tenant, None, PAGE_LEN_MAX).expect("the disk reads");
        let stored = stored.into_iter().map(|(key, value)| (key, (value.version, value.value))).collect();
        let open: Vec<RunId> =
            self.inner.open_runs(tenant, None, PAGE_LEN_MAX).expect("the disk reads").iter().map(|open| open.run).collect();
        let letters = self.inner.runs_with_dead_letters(tenant, None, PAGE_LEN_MAX).expect("the disk reads");
        let row = self.inner.lanes().expect("the disk reads").into_iter().find(|row| row.tenant == *tenant);
        self.stage.act(|play| {
            let book = &play.books.tenants[tenant];
            let expected = book.states.all();
            hold(expected == stored, Invariant::State, || format!("{tenant} has {stored:?}, the outcomes wrote {expected:?}"))?;
            let runs = || play.books.runs.values().filter(|run| run.tenant == *tenant);
            let is_open: Vec<RunId> = runs().filter(|run| run.ended.is_none()).map(|run| run.id).collect();
            hold(open == is_open, Invariant::Liveness, || format!("{tenant} has {open:?} listed as open, and {is_open:?} are"))?;
            let waits: Vec<RunId> = runs().filter(|run| run.is_waiting_for_somebody()).map(|run| run.id).collect();
            hold(letters == waits, Invariant::Liveness, || {
                format!("{letters:?} are listed as waiting for a person, {waits:?} do")
            })?;
            book.states.marks(runs())?;
            let end = row.map_or((0, book.chain.end()), |row| (row.head.seq, row.head.link));
            hold(end == (book.chain.len(), book.chain.end()), Invariant::Chain, || {
                format!("the row of {tenant} ends the chain at {end:?}")
            })
        })
    }
}

impl Play {
    fn found(&mut self, found: &[(TenantId, Vec<Sealed>)]) -> Checked {
        let mut behind = Vec::new();
        for (tenant, records) in found {
            let more = self.books.tenants[tenant].chain.behind(records)?;
            if !more.is_empty() {
                behind.push((tenant.clone(), more.to_vec()));
            }
        }
        let mut on_the_way = std::mem::take(&mut self.books.on_the_way);
        on_the_way.sort_by(|a, b| a.0.cmp(&b.0));
        if behind.is_empty() {
            return Ok(());
        }
        hold(behind == on_the_way, Invariant::Chain, || {
            format!("after a crash there is {behind:?}, and {on_the_way:?} was on its way")
        })?;
        self.coverage.count("commit found after a crash");
        self.take_all(&behind)
    }

    fn committed(&mut self, stored: &[Vec<Sealed>]) -> Checked {
        let on_the_way = std::mem::take(&mut self.books.on_the_way);
        for ((tenant, records), stored) in on_the_way.iter().zip(stored) {
            hold(records == stored, Invariant::Chain, || {
                format!("{tenant}: {} records are stored where {} were committed", stored.len(), records.len())
            })?;
        }
        self.take_all(&on_the_way)
    }

    fn take_all(&mut self, all: &[(TenantId, Vec<Sealed>)]) -> Checked {
        for (tenant, records) in all {
            for record in records {
                self.note(format_args!("{tenant} record {} {}", record.seq, record.link));
                let mut beside = Beside { outside: &mut self.outside, scenes: &self.scenes };
                self.books.take_in(&mut beside, tenant, record)?;
            }
        }
        self.tell_of_facts();
        Ok(())
    }

    /// What became durable, in the trace and in the counts.
    fn tell_of_facts(&mut self) {
        for run in self.books.changed(Of::Newest) {
            let book = &self.books.runs[&run];
            if self.trace.is_read() {
                let now = self.now_ms();
                book.news().iter().for_each(|entry| self.trace.show(now, format_args!("  {run} {} {:?}", entry.at.0, entry.event)));
            }
            book.news().iter().filter_map(of_fact).for_each(|count| self.coverage.count(&count));
        }
    }
}

impl Store for Watched {
    fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let on_the_way = commit.lanes.iter().map(|lane| {
            let records: Vec<Sealed> = lane.records.iter().map(|(sealed, _)| sealed.clone()).collect();
            (lane.tenant.clone(), records)
        });
        let fate = self.stage.act(|play| {
            play.books.on_the_way = on_the_way.collect();
            play.books.forget_changes();
            play.fate.take()
        });
        let lost = self.stage.act(|play| play.is_planted(Plant::LosesCommit) && play.dice.hits(5));
        if fate != Some(Fate::Lost) && !lost {
            self.inner.commit(commit)?;
        }
        if fate.is_some() {
            return Err(StoreError::Disk("this commit was told to fail".into()));
        }
        self.take_in();
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }

    fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        self.inner.lanes()
    }

    fn open_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<OpenRun>, StoreError> {
        let mut open = self.inner.open_runs(tenant, after, limit)?;
        if self.stage.act(|play| play.is_planted(Plant::LosesRun)) {
            open.pop();
        }
        Ok(open)
    }

    fn runs_with_dead_letters(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError> {
        self.inner.runs_with_dead_letters(tenant, after, limit)
    }

    fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunHead>, StoreError> {
        let head = self.inner.run(tenant, run)?;
        Ok(head.map(|head| self.planted_head(head)))
    }

    fn runs(&self, tenant: &TenantId, before: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.inner.runs(tenant, before, limit)
    }

    fn oldest_runs(&self, tenant: &TenantId, after: Option<RunId>, limit: usize) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.may_fail()?;
        let page = self.inner.oldest_runs(tenant, after, limit)?;
        Ok(page.into_iter().map(|(run, head)| (run, self.planted_head(head))).collect())
    }

    fn records_of_run(&self, tenant: &TenantId, run: RunId) -> Result<Vec<RunRecord>, StoreError> {
        self.may_fail()?;
        self.inner.records_of_run(tenant, run)
    }

    fn last_record(&self, tenant: &TenantId, run: RunId) -> Result<Option<u64>, StoreError> {
        self.inner.last_record(tenant, run)
    }

    fn journal(&self, tenant: &TenantId, run: RunId) -> Result<Option<Vec<Entry>>, StoreError> {
        self.may_fail()?;
        let mut journal = self.inner.journal(tenant, run)?;
        if let Some(entries) = journal.as_mut().filter(|entries| entries.len() > 1)
            && self.stage.act(|play| play.is_planted(Plant::ForgetsFact))
        {
            entries.pop();
        }
        Ok(journal)
    }

    fn records(&self, tenant: &TenantId, lane: Lane, from: u64, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.inner.records(tenant, lane, from, limit)
    }

    fn state(&self, tenant: &TenantId, key: &str) -> Result<Option<Value>, StoreError> {
        self.may_fail()?;
        self.inner.state(tenant, key)
    }

    fn states(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, StoreError> {
        self.inner.states(tenant, after, limit)
    }

    fn run_of_key(&self, tenant: &TenantId, key: &str) -> Result<Option<(RunId, Digest)>, StoreError> {
        self.inner.run_of_key(tenant, key)
    }

    fn grants(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<HostGrant>, StoreError> {
        self.inner.grants(tenant, plugin)
    }

    fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Digest)>, StoreError> {
        self.inner.secrets(tenant)
    }

    fn secret_grants(&self, tenant: &TenantId) -> Result<Vec<(SecretName, PluginName)>, StoreError> {
        self.inner.secret_grants(tenant)
    }

    fn saga(&self, tenant: &TenantId, saga: &SagaName) -> Result<Option<SagaRow>, StoreError> {
        self.inner.saga(tenant, saga)
    }

    fn saga_version(&self, tenant: &TenantId, saga: &SagaName, version: u32) -> Result<Option<SagaRow>, StoreError> {
        self.inner.saga_version(tenant, saga, version)
    }

    fn sagas(&self, tenant: &TenantId, after: Option<&SagaName>, limit: usize) -> Result<Vec<(SagaName, SagaRow)>, StoreError> {
        self.inner.sagas(tenant, after, limit)
    }

    fn definition(&self, tenant: &TenantId, digest: Digest) -> Result<Option<Payload>, StoreError> {
        self.inner.definition(tenant, digest)
    }

    fn resolvers(&self, tenant: &TenantId) -> Result<Resolvers, StoreError> {
        self.inner.resolvers(tenant)
    }

    fn plugin(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Digest>, StoreError> {
        self.inner.plugin(tenant, plugin)
    }

    fn plugins(
        &self,
        tenant: &TenantId,
        after: Option<&PluginName>,
        limit: usize,
    ) -> Result<Vec<(PluginName, Digest)>, StoreError> {
        self.inner.plugins(tenant, after, limit)
    }

    fn tenant_facts(&self, tenant: &TenantId) -> Result<Vec<TenantEntry>, StoreError> {
        self.inner.tenant_facts(tenant)
    }

    fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        self.inner.usage(tenant)
    }

    fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.component(digest)
    }
}

impl Watched {
    /// As it is, or a planted end of a run that has none.
    fn planted_head(&self, head: RunHead) -> RunHead {
        if head.ended.is_none() && self.stage.act(|play| play.is_planted(Plant::ShowsEnd)) {
            return RunHead { status: RunStatus::Ended(Outcome::Succeeded), ended: Some(head.started), ..head };
        }
        head
    }

    fn may_fail(&self) -> Result<(), StoreError> {
        if self.stage.act(|play| play.goes_wrong(READS_FAIL)) {
            self.stage.act(|play| play.coverage.count("read failed"));
            return Err(StoreError::Disk("this read was told to fail".into()));
        }
        Ok(())
    }
}
