//! Who was denied what: a fact of the chain of whoever asked, or of the host where nobody knows who that was. Apart from the answers, because facts are
//! for ever and whoever guesses tokens could fill a chain: what is alike is added up, and becomes at most one fact a minute.

use super::Api;
use super::auth::Caller;
use super::problem::Problem;
use crate::clock::{Clock, SystemClock};
use crate::coordinator::host_tenant;
use amends_domain::access::{Scope, Standing};
use amends_domain::event::TenantEvent;
use amends_domain::id::TenantId;
use amends_domain::time::{Span, Timestamp};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// What is a denial. A `not_found` is one where it hides a tenant, before anything is looked for in it.
const CODES: [&str; 11] = [
    "token_missing",
    "token_malformed",
    "token_refused",
    "token_expired",
    "identity_unmapped",
    "key_unknown",
    "key_revoked",
    "key_expired",
    "not_allowed",
    "tenant_suspended",
    NOT_FOUND,
];
const NOT_FOUND: &str = "not_found";
/// Least time between two facts that are alike.
const PAUSE_MIN: Span = Span(60_000);
/// Most of those who ask that one chain tells apart at a time; others are added up together.
const ASKERS_MAX: usize = 16;
/// How often what was counted is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was counted and is no fact yet.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<HashMap<TenantId, HashMap<Kind, Tally>>>);

/// What is alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    who: Option<String>,
    code: &'static str,
}

#[derive(Debug)]
struct Tally {
    /// Since the last fact.
    count: u64,
    /// When the first of them was.
    since: Timestamp,
    /// When the last fact of this kind was noted.
    noted: Option<Timestamp>,
}

/// Which of them are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Those of which nothing was told for long enough.
    Due,
    /// All.
    Left,
}

impl Denials {
    /// Counts one; `chain` is whose it is.
    fn count(&self, chain: TenantId, who: Option<&str>, code: &'static str, now: Timestamp) {
        let mut chains = self.chains();
        let kinds = chains.entry(chain).or_default();
        let mut kind = Kind { who: who.map(str::to_owned), code };
        let askers = kinds.keys().filter(|kind| kind.who.is_some()).count();
        if !kinds.contains_key(&kind) && askers >= ASKERS_MAX {
            kind.who = None;
        }
        let tally = kinds.entry(kind).or_insert(Tally { count: 0, since: now, noted: None });
        if tally.count == 0 {
            tally.since = now;
        }
        tally.count += 1;
    }

    /// Takes what is to be told now, and forgets what nobody did again.
    fn take(&self, told: Told, now: Timestamp) -> Vec<(TenantId, TenantEvent)> {
        let mut facts = Vec::new();
        let is_long_ago = |noted: Option<Timestamp>| noted.is_none_or(|noted| now.since(noted) >= PAUSE_MIN);
        self.chains().retain(|chain, kinds| {
            kinds.retain(|Kind { who, code }, tally| {
                let is_due = told == Told::Left || is_long_ago(tally.noted);
                if tally.count == 0 {
                    return !is_due;
                }
                if is_due {
                    let (who, code, count) = (who.clone(), (*code).to_owned(), std::mem::take(&mut tally.count));
                    facts.push((chain.clone(), TenantEvent::RequestsDenied { who, code, count, since: tally.since }));
                    tally.noted = Some(now);
                }
                true
            });
            !kinds.is_empty()
        });
        facts
    }

    fn chains(&self) -> MutexGuard<'_, HashMap<TenantId, HashMap<Kind, Tally>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Api {
    /// Counts a problem, if it is a denial. `caller`: whoever asked, if that is known.
    pub(super) fn denied(&self, problem: &Problem, caller: Option<&Caller>) {
        let Some(code) = CODES.into_iter().find(|code| *code == problem.code()) else { return };
        let scope = caller.map(|caller| caller.principal().scope());
        if code == NOT_FOUND && !matches!(scope, Some(Scope::Tenant(_))) {
            return;
        }
        let chain = match scope {
            Some(Scope::Tenant(tenant)) if self.has_chain(tenant) => tenant.clone(),
            // A provider may vouch for somebody of a tenant that there is not.
            Some(Scope::Tenant(_) | Scope::Host) | None => host_tenant(),
        };
        self.0.denials.count(chain, caller.map(|caller| caller.principal().who()), code, SystemClock.now());
    }

    fn has_chain(&self, tenant: &TenantId) -> bool {
        matches!(self.coordinator().tenant(tenant).standing(), Standing::Open | Standing::Suspended)
    }

    /// Has denials noted as facts, for ever. Dropping the future leaves those that are no facts yet; see [`Api::note_denials_left`].
    pub async fn keep_denials(&self) -> Infallible {
        loop {
            sleep(LOOK_EVERY).await;
            self.note_denials(Told::Due);
        }
    }

    /// Has those noted that are no facts yet: at the end.
    pub fn note_denials_left(&self) {
        self.note_denials(Told::Left);
    }

    fn note_denials(&self, told: Told) {
        // What there is no room for is told when there is some.
        if !self.coordinator().may_note() {
            return;
        }
        for (chain, fact) in self.0.denials.take(told, SystemClock.now()) {
            self.coordinator().note_denied(&chain, fact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(denials: &Denials, told: Told, now: u64) -> Vec<(String, Option<String>, u64, u64)> {
        let taken = denials.take(told, Timestamp(now)).into_iter().map(|(chain, fact)| match fact {
            TenantEvent::RequestsDenied { who, count, since, .. } => (chain.to_string(), who, count, since.0),
            other => panic!("{other:?}"),
        });
        let mut facts: Vec<_> = taken.collect();
        facts.sort();
        facts
    }

    #[test]
    fn what_is_alike_is_one_fact_a_minute_with_all_that_came_since_the_last() {
        let denials = Denials::default();
        let deny = |who: &str, now: u64| denials.count("acme".parse().expect("a name"), Some(who), "not_allowed", Timestamp(now));
        let fact = |who: &str, count, since| ("acme".to_owned(), Some(who.to_owned()), count, since);
        deny("a", 1);
        deny("a", 2);
        assert_eq!(facts(&denials, Told::Due, 1_000), [fact("a", 2, 1)], "the first is told at once");
        for n in 0..100 {
            deny("a", 2_000 + n);
        }
        deny("b", 5_000);
        assert_eq!(facts(&denials, Told::Due, 60_999), [fact("b", 1, 5_000)], "of the others nothing yet");
        assert_eq!(facts(&denials, Told::Due, 61_000), [fact("a", 100, 2_000)]);
        deny("a", 61_500);
        assert_eq!(facts(&denials, Told::Left, 62_000), [fact("a", 1, 61_500)], "at the end nothing is left");
        facts(&denials, Told::Due, 200_000);
        assert!(denials.chains().is_empty(), "nothing is kept of those who do not come again");
    }

    #[test]
    fn a_thousand_askers_are_as_many_facts_as_a_few() {
        let denials = Denials::default();
        for n in 0..1000 {
            denials.count(host_tenant(), Some(&format!("asker {n}")), "not_allowed", Timestamp(1));
        }
        let told = facts(&denials, Told::Due, 1_000);
        assert_eq!(told.len(), ASKERS_MAX + 1);
        assert_eq!(told.iter().map(|fact| fact.2).sum::<u64>(), 1000, "and all of them are counted");
    }
}
