//! The power goes at any instant: each case of each example is cut off behind its first fact, its second, and so on, and another host goes
//! on with what is durable. The books balance at each of these points, and the run ends as it would have, or as if its last attempt had
//! failed.

use crate::case::{Case, Example};
use crate::stage::Stage;
use amends::store::memory::MemoryStore;
use amends::store::{Store, verify_tail};
use amends_domain::event::{Direction, Ending, Entry, Event, Halt};
use amends_domain::run::{Phase, Run};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was seen of an example.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Points at which the power went.
    cuts: AtomicUsize,
    /// Of these, between the beginning of a compensation and its end.
    backward: AtomicUsize,
    /// Of these, the run ended in another way, because the attempt that was lost was the last one.
    otherwise: AtomicUsize,
}

/// Cuts each case of an example off everywhere.
pub(crate) fn check(example: &Example) {
    let (stage, seen) = (Stage::new(example), Seen::default());
    stage.each(|case| cut_everywhere(&stage, case, &seen));
    println!("instants, {}: {seen:?} in {} cases", example.folder, example.cases.len());
    let [cuts, backward] = [&seen.cuts, &seen.backward].map(|count| count.load(Ordering::Relaxed));
    assert!(cuts > 4 * example.cases.len() && backward > example.cases.len(), "{seen:?} is too little to prove anything");
}

async fn cut_everywhere(stage: &Stage<'_>, case: &Case, seen: &Seen) {
    let store = stage.prepared(case).await;
    let run = stage.live(case, &store).await;
    check_end(stage, case, &store, &run, seen);
    let journal = stage.journal(&*store, run.id());
    for cut in 1..journal.len() {
        let store = stage.prepared(case).await;
        let so_far = &journal[..cut];
        stage.append(&store, run.id(), so_far).await;
        assert_eq!(stage.books(&store), (stage.example.books)(&stage.opening), "at a durable point: {so_far:#?}");
        seen.cuts.fetch_add(1, Ordering::Relaxed);
        let goes_back = so_far.iter().any(|entry| matches!(entry.event, Event::CompensationStarted { .. }));
        seen.backward.fetch_add(usize::from(goes_back), Ordering::Relaxed);
        let run = stage.live(case, &store).await;
        check_end(stage, case, &store, &run, seen);
    }
}

fn check_end(stage: &Stage<'_>, case: &Case, store: &MemoryStore, run: &Run, seen: &Seen) {
    let journal = stage.journal(store, run.id());
    let Phase::Ended(ended) = run.phase() else { panic!("{case:?} is open: {journal:#?}") };
    if ended.outcome.word() != case.outcome {
        assert!(lost_a_last_attempt(&journal), "{case:?} is {}: {journal:#?}", ended.outcome.word());
        seen.otherwise.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(stage.books(store), (stage.example.books)(&stage.opening), "{case:?}: {journal:#?}");
    if ended.outcome.word() == "compensated" {
        assert_eq!(stage.state(store), stage.opening, "{case:?} left something behind: {journal:#?}");
    }
    assert_eq!(store.runs(&stage.tenant, None, 2).expect("it reads").len(), 1, "{case:?} was started twice");
    verify_tail(store, u64::MAX).expect("the chain holds");
}

/// Whether the last attempt of any step was interrupted: then it had no other.
fn lost_a_last_attempt(journal: &[Entry]) -> bool {
    let mut last = BTreeMap::new();
    for entry in journal {
        if let Event::AttemptEnded(ended) = &entry.event {
            let is_lost = matches!(ended.ending, Ending::Halted { halt: Halt::Lost, .. });
            last.insert((ended.attempt.step, ended.attempt.direction == Direction::Backward), is_lost);
        }
    }
    last.into_values().any(|is_lost| is_lost)
}
