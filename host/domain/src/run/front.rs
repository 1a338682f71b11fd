//! Where the work of a run is. Of a thousand steps a few can be touched at a time: those are kept at hand, so that a decision costs
//! what there is to decide and not what there is in all.
//!
//! Forward the front holds each step whose predecessors are all over, until it is over itself. Backward it holds each step that is not
//! settled and has nothing standing on it, or whose compensation has begun. A step that has nothing to settle is *clear* as soon as all
//! that was built on it is: it still stands between what comes after it and what comes before.

use super::{Run, TrackState};
use crate::definition::Order;
use crate::id::StepIndex;
use std::collections::BTreeSet;

impl Run {
    /// The front of a run that has just begun.
    pub(super) fn set_out(&mut self) {
        self.front = self.steps().filter(|(_, step)| step.waits_for == 0).map(|(index, _)| index).collect();
    }

    /// A step is over forward: those after it may be free.
    pub(super) fn passed(&mut self, step: StepIndex) {
        self.front.remove(&step);
        self.ahead -= 1;
        let definition = self.definition.clone();
        for next in &definition.step(step).before {
            let next_run = &mut self.steps[next.at()];
            next_run.waits_for -= 1;
            if next_run.waits_for == 0 {
                self.front.insert(*next);
            }
        }
        if self.is_past_pivot() {
            // It came too late.
            self.wishes.cancel = None;
        }
    }

    /// The run goes back, `from` a step on or as a whole: what was built on `from`, and it, are taken back; the rest stands.
    pub(super) fn turn(&mut self, from: Option<StepIndex>) {
        let definition = self.definition.clone();
        for index in &definition.order {
            let step = definition.step(*index);
            let behind = from.is_none_or(|from| from == *index || step.after.iter().any(|earlier| !self.step(*earlier).stands));
            let run = &mut self.steps[index.at()];
            // What was taken back before does not stand, wherever the way back begins this time.
            run.stands = !behind && run.backward.state == TrackState::Idle && run.omitted.is_none();
        }
        self.face_back();
    }

    /// The front of a run that goes back, from how its steps stand.
    pub(super) fn face_back(&mut self) {
        let definition = self.definition.clone();
        let mut front = BTreeSet::new();
        for index in definition.order.iter().rev() {
            let standing = definition.step(*index).before.iter().filter(|later| !self.is_clear(**later)).count();
            let step = &mut self.steps[index.at()];
            step.waits_for = u16::try_from(standing).expect("at most 1000 steps");
            // One that has begun goes on, though a step that was a dead letter then is tried again now.
            let free = standing == 0 || definition.compensation.order == Order::Parallel || step.backward.state != TrackState::Idle;
            if !step.is_settled() && free {
                front.insert(*index);
            }
        }
        self.front = front;
    }

    /// A step is settled: those before it may be free.
    pub(super) fn settled(&mut self, step: StepIndex) {
        self.front.remove(&step);
        let definition = self.definition.clone();
        let mut cleared: Vec<StepIndex> = Some(step).filter(|step| self.is_clear(*step)).into_iter().collect();
        while let Some(clear) = cleared.pop() {
            for earlier in &definition.step(clear).after {
                self.steps[earlier.at()].waits_for -= 1;
                if self.is_clear(*earlier) {
                    cleared.push(*earlier);
                } else if self.step(*earlier).waits_for == 0 {
                    self.front.insert(*earlier);
                }
            }
        }
    }

    fn is_clear(&self, step: StepIndex) -> bool {
        let run = self.step(step);
        run.waits_for == 0 && run.is_settled()
    }
}
