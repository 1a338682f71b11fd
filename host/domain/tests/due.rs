//! When a run is due: whoever goes on with runs in the order of these instants must never pass over one that has something to do, at
//! whatever fact its host went away, and must find out when an idle one has.

use amends_domain::decide::{Admission, Command, admit, decide};
use amends_domain::definition::{Definition, read};
use amends_domain::digest::Digest;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Author, Demand, Ending, Entry, Event, Failure, Fault, Halt, InFlight, Resolution, Resolve, Resolvers,
    Spent, Started,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run, TrackState};
use amends_domain::time::{Span, Timestamp};
use proptest::prelude::*;
use std::sync::Arc;

const BEGIN: Timestamp = Timestamp(1_000_000);
/// Later than anything these sagas wait for.
const LATE: Timestamp = Timestamp(BEGIN.0 + 1_000_000_000);

/// Branches, waits of each kind, a pivot that may stay in doubt, a way back that is bounded.
const SAGAS: &[&str] = &[
    r#"{"saga":"s","deadline":"90s","compensation":{"deadline":"60s"},"defaults":{"retry":{"attempts":2}},"steps":[
        {"id":"a","uses":"p/h"},{"id":"b","wait":{"signal":"go","timeout":"30s","on_timeout":"continue"}},
        {"id":"c","uses":"p/h","after":["a"]},{"id":"d","wait":{"for":"20s"},"after":["c"]},{"id":"e","uses":"p/h","after":["b","d"]}]}"#,
    r#"{"saga":"s","compensation":{"on_stuck":"halt"},"defaults":{"retry":{"attempts":2}},"steps":[
        {"id":"a","uses":"p/h"},{"id":"b","uses":"p/h","after":["a"],"kind":"pivot","compensate":"none"},
        {"id":"c","uses":"p/h","kind":"retriable","retry":{"attempts":2},"after":["b"]},{"id":"d","wait":{"signal":"go"},"after":["b"]}]}"#,
    r#"{"saga":"s","compensation":{"order":"parallel","on_stuck":"halt"},"defaults":{"retry":{"attempts":1}},"steps":[
        {"id":"a","uses":"p/h"},{"id":"b","uses":"p/h","after":[]},{"id":"c","uses":"p/h","after":["a","b"]},{"id":"d","wait":{"signal":"go"}}]}"#,
];

struct World {
    run: Run,
    now: Timestamp,
}

impl World {
    fn new(definition: Arc<Definition>, delay: Option<Span>) -> Self {
        let started = Started {
            saga: definition.saga.clone(),
            version: 1,
            definition: definition.digest,
            components: vec![("p".parse().expect("a name"), Digest::of(b"p"))],
            input: Payload::from("{}"),
            key: None,
            parent: None,
        };
        let run = Run::new(RunId(7), definition, Arc::new(started), BEGIN);
        let mut world = Self { run, now: BEGIN };
        if let Some(delay) = delay {
            world.note(Event::Delayed { until: BEGIN.plus(delay) });
        }
        world.check();
        world
    }

    fn note(&mut self, event: Event) {
        self.run.apply(&Entry { at: self.now, event }).expect("a fact that fits");
        self.check();
    }

    /// The two promises, after every single fact: a host may go away behind each.
    fn check(&self) {
        let (run, due) = (&self.run, self.run.head().due);
        if matches!(run.phase(), Phase::Ended(_)) {
            assert_eq!(due, None, "an ended run");
            return;
        }
        if let Some(due) = due {
            let before = Timestamp(due.min(LATE).0 - 1).max(self.now);
            if before < due {
                let orders = decide(run, before);
                assert!(
                    orders.iter().all(|order| matches!(order, Command::WaitUntil(_))),
                    "not due before {due:?}, but {orders:?}: {}",
                    self.told()
                );
            }
        }
        let orders = decide(run, self.now);
        let wakes = orders.iter().map(|order| if let Command::WaitUntil(until) = order { Some(*until) } else { None });
        if self.running().is_empty()
            && let Some(wakes) = wakes.collect::<Option<Vec<_>>>()
        {
            let wake = wakes.into_iter().min().unwrap_or(Timestamp(u64::MAX));
            assert_eq!(due, Some(wake), "an idle run: {}", self.told());
        }
    }

    fn told(&self) -> String {
        let run = &self.run;
        let steps: Vec<_> = run.steps().map(|(_, step)| (step.forward.state, step.backward.state)).collect();
        format!(
            "{:?} at {:?}, {:?}, front {:?}, {steps:?}",
            run.phase(),
            self.now,
            run.wishes(),
            run.front().map(|(i, _)| i.0).collect::<Vec<_>>()
        )
    }

    fn running(&self) -> Vec<AttemptRef> {
        use amends_domain::event::Direction::{Backward, Forward};
        let tracks = self.run.steps().flat_map(|(step, s)| [(step, Forward, s.forward), (step, Backward, s.backward)]);
        let running = tracks.filter(|(_, _, track)| track.state == TrackState::Running);
        running.map(|(step, direction, track)| AttemptRef { step, direction, number: track.attempts }).collect()
    }

    /// Does what is ordered first, if anything is.
    fn go_on(&mut self) {
        let running = self.running();
        match decide(&self.run, self.now).into_iter().next() {
            Some(Command::Record(event)) => self.note(event),
            Some(Command::Start(start)) => self.note(start.event()),
            Some(Command::Fence(attempt)) => self.end(attempt, Ending::Halted { halt: Halt::Cancelled, message: String::new() }),
            Some(Command::WaitUntil(until)) if running.is_empty() => {
                self.now = self.now.max(until);
                self.check();
            }
            Some(Command::WaitUntil(_)) | None => {}
        }
    }

    fn end(&mut self, attempt: AttemptRef, ending: Ending) {
        let ended = AttemptEnded { attempt, ending, spent: Spent::default(), log: Vec::new(), writes: Vec::new() };
        self.note(Event::AttemptEnded(Box::new(ended)));
    }

    fn end_one(&mut self, fate: u8) {
        let Some(attempt) = self.running().get(usize::from(fate) % 3).copied() else { return };
        let failed = |failure| Ending::Failed { failure, fault: Fault::new("f", "f"), retry_after: None };
        self.end(
            attempt,
            match fate % 5 {
                0 | 1 => Ending::Ok { output: Payload::null() },
                2 => failed(Failure::Rejected),
                3 => failed(Failure::Unavailable),
                _ => failed(Failure::Uncertain),
            },
        );
    }

    fn demand(&mut self, which: u8) {
        let step = StepIndex(u16::from(which / 16) % 4);
        let resolve = |resolution| {
            let confirmation = amends_domain::event::Confirmation::NotNeeded;
            Demand::Resolve(Box::new(Resolve { step, resolution, evidence: None, output: None, confirmation }))
        };
        let demand = match which % 16 {
            0 => Demand::Cancel { in_flight: InFlight::MayEnd },
            1 => Demand::Cancel { in_flight: InFlight::EndNow },
            2 | 3 => Demand::Pause,
            4..=6 => Demand::Resume,
            7..=9 => Demand::Signal { name: "go".parse().expect("a name"), payload: Payload::null() },
            10 => Demand::Retry,
            11 => Demand::Compensate { from: Some(step).filter(|step| step.0 > 0) },
            12 => Demand::Redrive { step, component: None },
            13 => resolve(Resolution::Undone),
            14 => resolve(Resolution::Done),
            _ => Demand::Kill,
        };
        let by = Author { who: "anna".into(), why: Some("because".into()), key: None };
        if let Ok(Admission::Note(event)) = admit(&self.run, demand, by, Resolvers::One) {
            self.note(event);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn a_run_is_due_when_and_only_when_there_is_something_to_do(
        saga in 0..SAGAS.len(),
        delayed: bool,
        moves in prop::collection::vec((0..16_u8, any::<u8>()), 1..80),
    ) {
        let definition = Arc::new(read(SAGAS[saga]).expect("a definition"));
        let mut world = World::new(definition, delayed.then_some(Span(5_000)));
        for (kind, detail) in moves {
            match kind {
                0..=8 => world.go_on(),
                9..=12 => world.end_one(detail),
                13 | 14 => world.demand(detail),
                _ if matches!(world.run.phase(), Phase::Ended(_)) => {}
                _ => world.note(Event::Adopted),
            }
        }
    }
}
