//! Time and chance. The only place that asks what time it is or rolls dice, so that a simulation can answer instead.

use amends_domain::id::{KeyId, RunId};
use amends_domain::time::Timestamp;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What time it is, and what the dice say.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Host time. May stand still or go back a little: nothing relies on it for order.
    fn now(&self) -> Timestamp;

    /// The id of a run born now.
    fn run_id(&self) -> RunId;

    /// 256 bits that nobody can guess.
    fn chance(&self) -> [u8; 32];

    /// The id of a key born now.
    fn key_id(&self) -> KeyId {
        let chance = self.chance();
        KeyId::from_parts(self.now().0, *chance.first_chunk().expect("32 bytes have ten"))
    }
}

/// The machine's clock and the kernel's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn run_id(&self) -> RunId {
        let mut chance = [0; 10];
        getrandom::fill(&mut chance).expect("the kernel gives random bytes");
        RunId::from_parts(self.now().0, chance)
    }

    fn chance(&self) -> [u8; 32] {
        let mut chance = [0; 32];
        getrandom::fill(&mut chance).expect("the kernel gives random bytes");
        chance
    }
}
