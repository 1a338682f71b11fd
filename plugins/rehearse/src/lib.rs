//! Failures on demand: a run's input says which handler fails in which direction and how, so that tests and the demo can show every
//! failure with the plugins that do real work. No plugin itself: the example plugins share it.
//!
//! A step rehearses after it wrote its state, which shows that a failed attempt's writes are discarded:
//!
//! ```
//! use amends_sdk::{Failure, JsonSchema, Step, state};
//! use rehearse::Rehearsals;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Light {
//!     colour: String,
//!     #[serde(default)]
//!     rehearse: Rehearsals,
//! }
//!
//! struct Switch;
//! impl Step for Switch {
//!     const NAME: &'static str = "switch";
//!     type Input = Light;
//!     type Output = String;
//!     fn execute(mut light: Light) -> Result<String, Failure> {
//!         state::set("light", &light.colour)?;
//!         rehearse::forward(&light.rehearse, &mut light.colour)?;
//!         Ok(light.colour)
//!     }
//!     fn compensate(light: Light, _: Option<String>) -> Result<(), Failure> {
//!         state::remove("light");
//!         rehearse::backward(&light.rehearse)
//!     }
//! }
//!
//! use amends_sdk::{json, testing::TestHost};
//! let input = json!({ "colour": "red", "rehearse": { "switch": { "execute": { "unavailable": { "attempts": 1 } } } } });
//! let mut host = TestHost::new();
//! assert!(host.execute::<Switch>(&input).is_err());
//! assert_eq!(host.state::<String>("light"), None);
//! assert_eq!(host.attempt(2).execute::<Switch>(&input), Ok("red".to_owned()));
//! ```

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use amends_sdk::{Failure, JsonSchema, invocation, log};
use serde::{Deserialize, Serialize};

/// Handler name → what happens to it.
pub type Rehearsals = BTreeMap<String, Rehearsal>;

/// What happens to one handler.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rehearsal {
    /// What happens when it is executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute: Option<Mishap>,
    /// What happens when it is compensated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensate: Option<Mishap>,
}

/// One way for an attempt to go wrong. Where there are `attempts`, the later ones in the same direction go well.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Mishap {
    /// Answers rejected.
    Reject,
    /// Answers unavailable.
    Unavailable {
        /// How many attempts.
        attempts: u32,
        /// How long the host is asked to wait before the next attempt, in ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// Answers uncertain.
    Uncertain {
        /// How many attempts.
        attempts: u32,
    },
    /// Panics, which is a trap.
    Trap {
        /// How many attempts.
        attempts: u32,
    },
    /// Computes for ever; ends when the fuel does.
    Loop,
    /// Takes memory until it is refused any.
    EatMemory,
    /// Asks its host for ever; ends by the clock if there is fuel enough.
    Wait,
    /// Answers more than the host takes: forward an output, backward a failure.
    Flood,
    /// Logs more than the host keeps, then goes well.
    Log,
}

/// More than any host takes as a payload.
const FLOOD_BYTES: usize = 1 << 20;
const LOG_LINES: u32 = 2_000;
const BLOCK_BYTES: usize = 1 << 20;

/// What is rehearsed for this handler's execution. `answer` is some text of the output: a flood makes it long.
///
/// # Errors
/// The failure that is rehearsed.
///
/// # Panics
/// If a trap is rehearsed.
pub fn forward(rehearsals: &Rehearsals, answer: &mut String) -> Result<(), Failure> {
    match own(rehearsals).and_then(|own| own.execute) {
        None => Ok(()),
        Some(Mishap::Flood) => {
            answer.push_str(&"~".repeat(FLOOD_BYTES));
            Ok(())
        }
        Some(mishap) => happen(mishap),
    }
}

/// What is rehearsed for this handler's compensation.
///
/// # Errors
/// The failure that is rehearsed.
///
/// # Panics
/// If a trap is rehearsed.
pub fn backward(rehearsals: &Rehearsals) -> Result<(), Failure> {
    match own(rehearsals).and_then(|own| own.compensate) {
        None => Ok(()),
        Some(mishap) => happen(mishap),
    }
}

fn own(rehearsals: &Rehearsals) -> Option<&Rehearsal> {
    // Nobody rehearses in production: then the host is not even asked which handler this is.
    if rehearsals.is_empty() { None } else { rehearsals.get(&invocation::handler()) }
}

fn happen(mishap: Mishap) -> Result<(), Failure> {
    match mishap {
        Mishap::Reject => Err(Failure::rejected("rehearsed", "rejected, as rehearsed")),
        Mishap::Unavailable { attempts, retry_after_ms } if is_within(attempts) => {
            let failure = Failure::unavailable("rehearsed", "unavailable, as rehearsed");
            Err(match retry_after_ms {
                None => failure,
                Some(ms) => failure.retry_after(Duration::from_millis(ms)),
            })
        }
        Mishap::Uncertain { attempts } if is_within(attempts) => Err(Failure::uncertain("rehearsed", "uncertain, as rehearsed")),
        Mishap::Trap { attempts } if is_within(attempts) => panic!("a trap, as rehearsed"),
        Mishap::Unavailable { .. } | Mishap::Uncertain { .. } | Mishap::Trap { .. } => Ok(()),
        Mishap::Loop => compute_for_ever(),
        Mishap::EatMemory => eat_memory(),
        Mishap::Wait => ask_for_ever(),
        Mishap::Flood => Err(Failure::rejected("rehearsed", "~".repeat(FLOOD_BYTES))),
        Mishap::Log => {
            (0..LOG_LINES).for_each(|line| log::info(format_args!("line {line} of {LOG_LINES}, as rehearsed")));
            Ok(())
        }
    }
}

fn is_within(attempts: u32) -> bool {
    invocation::attempt() <= attempts
}

fn compute_for_ever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn ask_for_ever() -> ! {
    loop {
        black_box(invocation::fuel_remaining());
    }
}

fn eat_memory() -> ! {
    let mut hoard = Vec::new();
    loop {
        // Written, not only asked for: what is never touched costs the host nothing.
        hoard.push(black_box(vec![0xA5_u8; BLOCK_BYTES]));
    }
}
