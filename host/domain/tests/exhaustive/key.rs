//! All that what follows can depend on, as bytes: worlds with the same key go on in the same ways. Instants are told by how far they are
//! from now; how often a track that is over was tried is left out.

use super::memory::{Backward, Forward, Hand, Memory, Told, Word};
use super::world::World;
use amends_domain::event::{Cause, Direction, Event, InFlight, Omission, Outcome, Resolution};
use amends_domain::id::StepIndex;
use amends_domain::run::{Caution, Phase, Run, StepRun, Track, TrackState, Verdict};
use amends_domain::time::Timestamp;

/// The key of a world.
pub(crate) fn key(world: &World<'_>) -> Box<[u8]> {
    let mut key = Key { bytes: Vec::with_capacity(96), now: world.now };
    key.run(&world.run, &world.memory.told, world);
    key.memory(&world.memory, &world.run);
    for (attempt, progress) in &world.running {
        key.bytes.extend([attempt.step.0.to_le_bytes()[0], direction(attempt.direction), *progress as u8]);
    }
    key.put(255);
    key.bytes.extend([world.left.crashes, world.left.sends, world.left.demands]);
    if world.left.crashes > 0 {
        key.tail(world);
    }
    key.bytes.into_boxed_slice()
}

struct Key {
    bytes: Vec<u8>,
    now: Timestamp,
}

impl Key {
    fn put(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn put_if(&mut self, yes: bool) {
        self.bytes.push(u8::from(yes));
    }

    fn instant(&mut self, at: Timestamp) {
        // Spans here are far below 2^31 ms.
        let far = i64::try_from(at.0).unwrap_or(i64::MAX) - i64::try_from(self.now.0).expect("not that late");
        let far = i32::try_from(far).unwrap_or(i32::MAX);
        self.bytes.extend(far.to_le_bytes());
    }

    fn instant_if(&mut self, at: Option<Timestamp>) {
        self.put_if(at.is_some());
        if let Some(at) = at {
            self.instant(at);
        }
    }

    /// What a crash may bring back.
    fn tail(&mut self, world: &World<'_>) {
        self.put(world.traceless);
        let durable = &world.durable;
        if durable.journal_len == world.journal.len() {
            return;
        }
        self.put(1);
        self.run(&durable.run, &durable.told, world);
        for entry in &world.journal[durable.journal_len..] {
            if let Event::AttemptStarted { attempt, .. } = entry.event {
                self.bytes.extend([attempt.step.0.to_le_bytes()[0], direction(attempt.direction)]);
            }
        }
        self.put(251);
        let cleared = world.cleared_by_tail().filter(|step| !world.memory.truth[step.at()].acted);
        self.bytes.extend(cleared.map(|cleared| step(Some(cleared))));
    }

    fn run(&mut self, run: &Run, told: &Told, world: &World<'_>) {
        self.phase(run);
        self.put(match run.caution() {
            Caution::None => 0,
            Caution::DurableStarts => 1,
        });
        let wishes = run.wishes();
        self.put_if(wishes.paused);
        self.put_if(wishes.kill);
        self.put(in_flight(wishes.cancel));
        self.put(wishes.compensate.map_or(255, |from| step(from).wrapping_sub(1)));
        if world.graph.definition.deadline.is_some() || world.graph.begins.is_some() {
            self.instant(run.begins_at());
        }
        if world.graph.definition.compensation.deadline.is_some() {
            self.instant(run.backward_since());
        }
        for (index, step) in run.steps() {
            self.step(step);
            let told = told.steps[index.at()];
            self.put(forward(told.forward) + 4 * backward(told.backward) + 16 * word(told.word));
        }
        for (_, at) in &told.signals {
            self.instant(*at);
        }
        self.put(254);
    }

    fn phase(&mut self, run: &Run) {
        match run.phase() {
            Phase::Forward => self.put(0),
            Phase::Backward(cause) => {
                self.put(1);
                self.cause(cause);
            }
            Phase::Ended(ended) => {
                self.put(match ended.outcome {
                    Outcome::Succeeded => 2,
                    Outcome::Compensated => 3,
                    Outcome::Stuck => 4,
                    Outcome::Killed => 5,
                });
                if let Some(cause) = &ended.cause {
                    self.cause(cause);
                }
            }
        }
    }

    /// Which step failed, and whether it was that or something else, changes nothing any more.
    fn cause(&mut self, cause: &Cause) {
        match cause {
            Cause::StepFailed(_) | Cause::DeadlinePassed | Cause::Cancelled => self.put(0),
            Cause::Requested { from } => self.bytes.extend([1, step(*from)]),
        }
    }

    fn step(&mut self, step: &StepRun) {
        self.track(&step.forward);
        self.track(&step.backward);
        // Of a step that is done, doubt changes nothing.
        self.put_if(step.doubt && step.forward.state != TrackState::Done);
        self.put_if(step.stands);
        self.put(match step.omitted {
            None => 0,
            Some(Omission::ProvenClean) => 1,
            Some(Omission::NotDeclared) => 2,
            Some(Omission::OnlyWaited) => 3,
        });
        self.put(step.settled.as_ref().map_or(0, |settled| resolution(settled.resolve.resolution)));
        if let Some(first) = &step.proposed {
            self.bytes.extend([resolution(first.resolve.resolution), first.by.who.as_bytes()[0]]);
        }
        self.put(253);
    }

    fn track(&mut self, track: &Track) {
        let open = match track.state {
            TrackState::Idle => 0,
            TrackState::Running => 1,
            TrackState::Interrupted => 2,
            TrackState::Undecided(Verdict::Final) => 3,
            TrackState::Undecided(Verdict::Retryable { ended, not_before }) => {
                self.instant(ended);
                self.instant(not_before);
                4
            }
            TrackState::Retrying(due) => {
                self.instant(due);
                5
            }
            TrackState::Waiting(due) => {
                self.instant_if(due);
                6
            }
            TrackState::Done => 10,
            TrackState::Skipped => 11,
            TrackState::GivenUp => 12,
            TrackState::Resolved => 13,
        };
        self.put(open);
        self.put_if(track.attempts > 0);
        if open < 10 {
            self.put(u8::try_from(track.counted).expect("few attempts"));
            self.put_if(track.attempts > track.counted);
        }
    }

    fn memory(&mut self, memory: &Memory, run: &Run) {
        let wanted = &memory.wanted;
        self.put_if(wanted.pause.is_some());
        self.put_if(wanted.kill.is_some());
        self.put(in_flight(wanted.cancel));
        if let Some(scope) = &wanted.scope {
            self.bytes.extend(scope.iter().map(|at| step(Some(*at))));
        }
        self.put(252);
        for (truth, (_, step)) in memory.truth.iter().zip(run.steps()) {
            self.put_if(truth.acted);
            self.put_if(truth.took_back);
            for (way, track) in [step.forward, step.backward].into_iter().enumerate() {
                let over = matches!(track.state, TrackState::Done | TrackState::GivenUp | TrackState::Resolved);
                let counted = truth.executions[way] - truth.forgotten[way];
                self.put(if over { 0 } else { u8::try_from(counted).expect("few attempts") });
            }
            match truth.hand {
                Hand::Nothing => self.put(0),
                Hand::Said(said, who) => self.bytes.extend([1, resolution(said), who]),
                Hand::Settled(said) => self.bytes.extend([2, resolution(said)]),
            }
        }
    }
}

fn step(step: Option<StepIndex>) -> u8 {
    step.map_or(0, |step| step.0.to_le_bytes()[0] + 1)
}

fn direction(direction: Direction) -> u8 {
    match direction {
        Direction::Forward => 0,
        Direction::Backward => 1,
    }
}

fn in_flight(in_flight: Option<InFlight>) -> u8 {
    match in_flight {
        None => 0,
        Some(InFlight::MayEnd) => 1,
        Some(InFlight::EndNow) => 2,
    }
}

fn resolution(resolution: Resolution) -> u8 {
    match resolution {
        Resolution::Done => 1,
        Resolution::Undone => 2,
    }
}

fn forward(forward: Forward) -> u8 {
    match forward {
        Forward::Open => 0,
        Forward::Completed => 1,
        Forward::Skipped => 2,
    }
}

fn backward(backward: Backward) -> u8 {
    match backward {
        Backward::Open => 0,
        Backward::Began => 1,
        Backward::TakenBack => 2,
    }
}

fn word(word: Word) -> u8 {
    match word {
        Word::Clean => 0,
        Word::Doubt => 1,
    }
}
