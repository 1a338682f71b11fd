//! Runs that are no longer kept, in both stores.

use crate::author::{Author, Deed};
use crate::check;
use crate::facts::{ENDED, adopted, head, started, tenant, write, wrote};
use amends::store::{Commit, PAGE_LEN_MAX, Store, verify_tail};
use amends_domain::audit::Removal;
use amends_domain::event::Outcome;
use amends_domain::id::{Lane, RunId};
use amends_domain::run::RunStatus;
use amends_domain::time::Timestamp;

/// A commit that removes all runs of a lane that ended; none if there are none.
pub(crate) fn of_ended(author: &mut Author, store: &dyn Store, name: &str, lane: u32) -> Option<Commit> {
    let tenant = tenant(name);
    let mut removal = Removal::new(Timestamp(u64::MAX));
    for (run, head) in store.oldest_runs(&tenant, None, PAGE_LEN_MAX).expect("an answer") {
        // A run stays in one lane, which its number tells.
        if head.status == ENDED && run.0 % 2 == u128::from(lane) {
            removal.add(run, Outcome::Succeeded);
            for record in store.records_of_run(&tenant, run).expect("it is whole") {
                removal.add_record(record.seq, &record.entries, record.len);
            }
        }
    }
    (removal.runs() > 0).then(|| {
        let event = removal.fact(|key| store.state(&tenant, key).map(|value| value.map(|value| value.version)));
        author.commit(vec![(name, lane, Deed::Tenant(vec![event.expect("an answer")]))])
    })
}

#[test]
fn a_removed_run_leaves_its_place_in_the_chain_and_what_it_wrote_and_nothing_else() {
    check(|store| {
        let mut author = Author::default();
        let running = RunStatus::Running;
        let begun = vec![started(1, Some("key-1")), wrote(1, vec![write("k", 1, Some("1"))])];
        store.commit(&author.run("a", 2, begun, head(running, 1))).expect("it follows");
        store.commit(&author.run("a", 4, vec![started(2, Some("key-2"))], head(running, 2))).expect("it follows");
        store.commit(&author.run("a", 2, vec![adopted(2)], head(ENDED, 3))).expect("it follows");
        let (a, before) = (tenant("a"), store.usage(&tenant("a")).expect("an answer"));
        let chain = store.records(&a, Lane(0), 1, 10).expect("it is whole");
        let removal = of_ended(&mut author, store, "a", 0).expect("one ended");
        store.commit(&removal).expect("it follows");

        assert_eq!(store.run(&a, RunId(2)).expect("an answer"), None);
        assert_eq!(store.journal(&a, RunId(2)).expect("an answer"), None);
        assert_eq!(store.run_of_key(&a, "key-1").expect("an answer"), None);
        assert!(store.run_of_key(&a, "key-2").expect("an answer").is_some());
        assert!(store.journal(&a, RunId(4)).expect("it is whole").is_some());
        assert_eq!(store.state(&a, "k").expect("an answer").map(|value| value.version), Some(1));
        let thinned = store.records(&a, Lane(0), 1, 10).expect("it is whole");
        for (whole, thin) in chain.iter().zip(&thinned) {
            assert_eq!((whole.seq, whole.link, whole.kept.digest()), (thin.seq, thin.link, thin.kept.digest()));
        }
        let bodies: Vec<bool> = thinned.iter().map(|record| record.kept.body().is_some()).collect();
        assert_eq!(bodies, [false, true, false, true]);
        let after = store.usage(&a).expect("an answer");
        let freed: u64 = [0, 2].map(|at: usize| chain[at].kept.body_len() as u64).iter().sum();
        assert_eq!((after.runs, after.removed_bytes), (before.runs, freed), "what was used stays used");
        assert!(after.stored_bytes > before.stored_bytes && after.kept_bytes() < after.stored_bytes);
        verify_tail(store, u64::MAX).expect("the chain is whole");

        // Its key is free for what comes later.
        store.commit(&author.run("a", 6, vec![started(4, Some("key-1"))], head(running, 4))).expect("it follows");
        assert_eq!(store.run_of_key(&a, "key-1").expect("an answer").map(|(run, _)| run), Some(RunId(6)));
    });
}

#[test]
fn a_key_that_another_run_has_stays() {
    check(|store| {
        let mut author = Author::default();
        // The first run with a key has it.
        store.commit(&author.run("a", 2, vec![started(1, Some("key"))], head(RunStatus::Running, 1))).expect("it follows");
        store.commit(&author.run("a", 4, vec![started(2, Some("key"))], head(ENDED, 2))).expect("it follows");
        let removal = of_ended(&mut author, store, "a", 0).expect("one ended");
        store.commit(&removal).expect("it follows");
        assert_eq!(store.run_of_key(&tenant("a"), "key").expect("an answer").map(|(run, _)| run), Some(RunId(2)));
    });
}
