//! When the runs that nobody drives have something to do next. Pure: whoever holds it tells it the time. A run is in it once, with one
//! instant; about a hundred bytes each, so that a hundred thousand runs that wait for days cost ten megabytes.

use super::driven::Whose;
use amends_domain::id::{RunId, TenantId};
use amends_domain::time::{Span, Timestamp};
use std::collections::{BTreeSet, HashMap};

/// How long a run is left alone that could not be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// After the first time.
    pub first: Span,
    /// After each further time twice as long, up to this.
    pub max: Span,
}

impl Pauses {
    pub(super) fn after(self, failures: u32) -> Span {
        let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        Span(self.first.0.saturating_mul(doubled).min(self.max.0))
    }
}

/// Who is due when.
#[derive(Debug)]
pub(super) struct Schedule {
    pauses: Pauses,
    due: HashMap<Whose, Timestamp>,
    /// The same by tenant, in the order of the instants; of those the older run first.
    tenants: HashMap<TenantId, BTreeSet<(Timestamp, RunId)>>,
    /// When each of the tenants is due first.
    first: BTreeSet<(Timestamp, TenantId)>,
    /// How often in a row each run could not be gone on with.
    failures: HashMap<Whose, u32>,
}

impl Schedule {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, due: HashMap::new(), tenants: HashMap::new(), first: BTreeSet::new(), failures: HashMap::new() }
    }

    /// A run came to rest, and is due then; none: now. What failed before does not count any more.
    pub(super) fn rests(&mut self, whose: &Whose, due: Option<Timestamp>) {
        self.failures.remove(whose);
        self.put(whose, due);
    }

    /// A run was found, as it may have been a moment ago: what is known counts more.
    pub(super) fn found(&mut self, whose: &Whose, due: Option<Timestamp>) {
        if !self.due.contains_key(whose) {
            self.put(whose, due);
        }
    }

    /// A run could not be gone on with. Gives how long it is left alone.
    pub(super) fn failed(&mut self, whose: &Whose, now: Timestamp) -> Span {
        let failures = self.failures.entry(whose.clone()).or_default();
        *failures = failures.saturating_add(1);
        let pause = self.pauses.after(*failures);
        self.put(whose, Some(now.plus(pause)));
        pause
    }

    /// A run is driven. That it failed before counts until it rests.
    pub(super) fn driven(&mut self, whose: &Whose) {
        if let Some(due) = self.due.remove(whose) {
            self.change(&whose.tenant, |runs| runs.remove(&(due, whose.run)));
        }
    }

    /// A run has ended.
    pub(super) fn ended(&mut self, whose: &Whose) {
        self.driven(whose);
        self.failures.remove(whose);
    }

    /// How many runs it has.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// When a run of a tenant that may have one is due first.
    pub(super) fn next(&self, may: impl Fn(&TenantId) -> bool) -> Option<Timestamp> {
        self.first.iter().find(|(_, tenant)| may(tenant)).map(|(due, _)| *due)
    }

    /// Takes the run that has been due longest, of a tenant that may have one.
    pub(super) fn take(&mut self, now: Timestamp, may: impl Fn(&TenantId) -> bool) -> Option<Whose> {
        let due = self.first.iter().take_while(|(due, _)| *due <= now);
        let tenant = due.map(|(_, tenant)| tenant).find(|tenant| may(tenant))?.clone();
        let (_, run) = *self.tenants[&tenant].first().expect("a tenant that is due has a run");
        let whose = Whose { tenant, run };
        self.driven(&whose);
        Some(whose)
    }

    fn put(&mut self, whose: &Whose, due: Option<Timestamp>) {
        self.driven(whose);
        let due = due.unwrap_or(Timestamp(0));
        // Only somebody's demand has it go on, and that finds it without being told when.
        if due == Timestamp(u64::MAX) {
            return;
        }
        self.due.insert(whose.clone(), due);
        self.change(&whose.tenant, |runs| runs.insert((due, whose.run)));
    }

    fn change(&mut self, tenant: &TenantId, change: impl FnOnce(&mut BTreeSet<(Timestamp, RunId)>) -> bool) {
        let runs = self.tenants.entry(tenant.clone()).or_default();
        let before = runs.first().map(|(due, _)| *due);
        assert!(change(runs), "what is known of a run by itself and by its tenant is the same");
        let after = runs.first().map(|(due, _)| *due);
        if runs.is_empty() {
            self.tenants.remove(tenant);
        }
        if before != after {
            before.map(|due| self.first.remove(&(due, tenant.clone())));
            after.map(|due| self.first.insert((due, tenant.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(tenant: &str, run: u128) -> Whose {
        Whose { tenant: tenant.parse().expect("a name"), run: RunId(run) }
    }

    fn schedule() -> Schedule {
        Schedule::new(Pauses { first: Span(10), max: Span(35) })
    }

    /// Everything that is due at `now`, in order.
    fn taken(schedule: &mut Schedule, now: u64) -> Vec<u128> {
        std::iter::from_fn(|| schedule.take(Timestamp(now), |_| true)).map(|whose| whose.run.0).collect()
    }

    #[test]
    fn runs_are_taken_when_they_are_due_the_longest_due_first() {
        let mut schedule = schedule();
        for (tenant, run, due) in
            [("a", 1, Some(30)), ("b", 2, Some(20)), ("a", 3, None), ("b", 4, Some(20)), ("a", 5, Some(u64::MAX))]
        {
            schedule.rests(&whose(tenant, run), due.map(Timestamp));
        }
        assert_eq!(taken(&mut schedule, 19), [3]);
        assert_eq!(schedule.next(|_| true), Some(Timestamp(20)));
        assert_eq!(taken(&mut schedule, 30), [2, 4, 1]);
        assert_eq!((schedule.next(|_| true), schedule.due.len(), schedule.tenants.len()), (None, 0, 0));
    }

    #[test]
    fn a_tenant_that_may_have_no_more_waits_and_others_do_not() {
        let mut schedule = schedule();
        for (tenant, run, due) in [("a", 1, 1), ("a", 2, 2), ("b", 3, 3)] {
            schedule.rests(&whose(tenant, run), Some(Timestamp(due)));
        }
        let not_a = |tenant: &TenantId| tenant.as_str() != "a";
        assert_eq!(schedule.next(not_a), Some(Timestamp(3)));
        assert_eq!(schedule.take(Timestamp(9), not_a), Some(whose("b", 3)));
        assert_eq!(schedule.take(Timestamp(9), not_a), None);
        assert_eq!(taken(&mut schedule, 9), [1, 2]);
    }

    #[test]
    fn what_is_known_of_a_run_counts_more_than_what_was_found() {
        let mut schedule = schedule();
        schedule.rests(&whose("a", 1), Some(Timestamp(50)));
        schedule.found(&whose("a", 1), None);
        schedule.found(&whose("a", 2), None);
        assert_eq!(taken(&mut schedule, 49), [2]);
        schedule.rests(&whose("a", 1), Some(Timestamp(60)));
        assert_eq!((taken(&mut schedule, 59), taken(&mut schedule, 60)), (vec![], vec![1]));
    }

    #[test]
    fn a_run_that_fails_is_left_alone_for_longer_each_time_until_it_rests() {
        let mut schedule = schedule();
        let run = whose("a", 1);
        let pauses = |schedule: &mut Schedule| {
            let pause = schedule.failed(&run, Timestamp(100)).0;
            assert_eq!(taken(schedule, 99 + pause), [] as [u128; 0]);
            assert_eq!(taken(schedule, 100 + pause), [1]);
            pause
        };
        assert_eq!([pauses(&mut schedule), pauses(&mut schedule), pauses(&mut schedule), pauses(&mut schedule)], [10, 20, 35, 35]);
        schedule.rests(&run, Some(Timestamp(u64::MAX)));
        assert_eq!(pauses(&mut schedule), 10);
        schedule.ended(&run);
        assert!(schedule.failures.is_empty());
        assert_eq!(Pauses { first: Span(1), max: Span(9) }.after(u32::MAX), Span(9));
    }
}
