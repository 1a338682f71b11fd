//! The clock of a simulated host: it goes with the time of the runtime, which stands still while anybody has something to do. Each life
//! of the host begins later than the last one ended, or, as machines do, a little before.

use crate::stage::Stage;
use amends::clock::Clock;
use amends_domain::id::RunId;
use amends_domain::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// The clock of one life.
pub(crate) struct SimulatedClock {
    stage: Arc<Stage>,
    /// What it says at `since`.
    base_ms: u64,
    since: Instant,
}

impl SimulatedClock {
    /// A clock that says `base_ms` now. Inside the runtime of the life.
    pub(crate) fn new(stage: Arc<Stage>, base_ms: u64) -> Self {
        Self { stage, base_ms, since: Instant::now() }
    }

    fn ms(&self) -> u64 {
        self.base_ms + u64::try_from(self.since.elapsed().as_millis()).expect("days at most")
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        // Whatever is noted has an instant: somebody may be about to queue something.
        self.stage.something_may_be_queued();
        Timestamp(self.ms())
    }

    fn run_id(&self) -> RunId {
        let mut chance = [0; 10];
        chance[..8].copy_from_slice(&self.stage.act(|play| play.dice.below(u64::MAX)).to_be_bytes());
        RunId::from_parts(self.ms(), chance)
    }

    fn chance(&self) -> [u8; 32] {
        let mut chance = [0; 32];
        for part in chance.chunks_exact_mut(8) {
            part.copy_from_slice(&self.stage.act(|play| play.dice.below(u64::MAX)).to_be_bytes());
        }
        chance
    }
}

impl fmt::Debug for SimulatedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Timestamp(self.ms()))
    }
}
