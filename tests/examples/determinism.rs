//! The same component with the same input and state does the same: each case of each example, on two hosts that know nothing of each
//! other, has attempts that answer, write, log and burn the same. Only where time itself ends something may fuel differ.

use crate::case::{Case, Example};
use crate::stage::Stage;
use amends_domain::event::{AttemptEnded, AttemptRef, Direction, Ending, Event, Halt};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which attempt, as it is ordered: its step, its direction, its number.
type Place = (u16, bool, u32);

/// Runs each case of an example on two hosts.
pub(crate) fn check(example: &Example) {
    // One sandbox each: nothing that was compiled or kept for the first is there for the second.
    let (one, other, attempts) = (Stage::new(example), Stage::new(example), AtomicUsize::new(0));
    one.each(|case| {
        let (one, other, attempts) = (&one, &other, &attempts);
        async move {
            let (one, other) = (attempts_of(one, case).await, attempts_of(other, case).await);
            // How many there are is the clock's, where it is time that bounds them.
            for (place, told) in one.iter().filter(|(place, _)| other.contains_key(place)) {
                assert_eq!(told, &other[place], "{place:?} of {case:?}");
                attempts.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let attempts = attempts.into_inner();
    println!("determinism, {}: {attempts} attempts of {} cases twice", example.folder, example.cases.len());
    assert!(attempts > example.cases.len(), "{attempts} attempts are too few to prove anything");
}

/// All that the attempts of a case did, without when and how long.
async fn attempts_of(stage: &Stage<'_>, case: &Case) -> BTreeMap<Place, String> {
    let store = stage.prepared(case).await;
    let run = stage.live(case, &store).await;
    let journal = stage.journal(&*store, run.id());
    let ended = journal.iter().filter_map(|entry| match &entry.event {
        Event::AttemptEnded(ended) => Some((place(ended.attempt), told(ended))),
        _ => None,
    });
    ended.collect()
}

fn place(attempt: AttemptRef) -> Place {
    (attempt.step.0, attempt.direction == Direction::Backward, attempt.number)
}

fn told(ended: &AttemptEnded) -> String {
    let AttemptEnded { ending, spent, log, writes, .. } = ended;
    let writes: Vec<_> = writes.iter().map(|write| (&write.key, &write.value)).collect();
    // What a trapped guest burnt is not told by its engine: it is billed by time.
    let fuel = match ending {
        Ending::Ok { .. } | Ending::Failed { .. } => Some(spent.fuel),
        Ending::Halted { halt, .. } => (*halt == Halt::OutOfFuel).then_some(spent.fuel),
    };
    format!("{ending:?}, fuel {fuel:?}, {log:?}, {writes:?}")
}
