//! What people and programs ask of a run from outside, as it is recorded: who, why, what.

use crate::digest::Digest;
use crate::id::{SignalName, StepIndex};
use crate::payload::Payload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A demand that was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demanded {
    /// What.
    pub demand: Demand,
    /// By whom and why.
    pub by: Author,
}

/// Who demands something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Author {
    /// Who, as the host knows them.
    pub who: String,
    /// Why, in their own words.
    pub why: Option<String>,
    /// A demand with the key of an earlier one is that one, said again.
    pub key: Option<String>,
}

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Take back what was done.
    Cancel {
        /// What becomes of attempts that are running.
        in_flight: InFlight,
    },
    /// Start nothing until `resume`.
    Pause,
    /// Go on.
    Resume,
    /// What a wait waits for, or will.
    Signal {
        /// Which.
        name: SignalName,
        /// What the wait gives.
        payload: Payload,
    },
    /// Start now what waits for its next attempt.
    Retry,
    /// Take back a run that succeeded.
    Compensate {
        /// From this step on: it and what was built on it. None: all of it.
        from: Option<StepIndex>,
    },
    /// Try a dead letter again, with all its attempts.
    Redrive {
        /// Which.
        step: StepIndex,
        /// With this component instead of the one that it used.
        component: Option<Digest>,
    },
    /// Say what was done about a dead letter by hand.
    Resolve(Box<Resolve>),
    /// End it without taking anything back.
    Kill,
}

/// What becomes of attempts forward that are running when a run is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InFlight {
    /// They end by themselves, by their own timeout at the latest: knowing what happened beats being quick.
    MayEnd,
    /// They are ended at once; what they sent until then decides.
    EndNow,
}

/// How a dead letter was settled by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// Which.
    pub step: StepIndex,
    /// How it stands now.
    pub resolution: Resolution,
    /// What shows it: a ticket, the number of a refund, as JSON.
    pub evidence: Option<Payload>,
    /// What the step gives, if it is done.
    pub output: Option<Payload>,
    /// Whether that is all it takes.
    pub confirmation: Confirmation,
}

/// How a dead letter stands after a person saw to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// What the step should do is done.
    Done,
    /// Whatever the step did is taken back, or it did nothing.
    Undone,
}

impl Resolution {
    /// The word for it, everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }
}

/// Whether a resolution counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// It counts: the tenant asks for one person.
    NotNeeded,
    /// A second person must say the same.
    Awaited,
    /// This is the second person.
    Given,
}

impl Demand {
    /// What tells two demands apart, by whomever they are made.
    ///
    /// # Panics
    /// Never: demands have a stored form.
    pub fn digest(&self) -> Digest {
        let mut same = self.clone();
        if let Self::Resolve(resolve) = &mut same {
            // Said again, it may find that it has become the confirmation.
            resolve.confirmation = Confirmation::NotNeeded;
        }
        Digest::of(&postcard::to_stdvec(&same).expect("a demand has a stored form"))
    }

    /// The word for it, as the interfaces write it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Signal { .. } => "signal",
            Self::Retry => "retry",
            Self::Compensate { .. } => "compensate",
            Self::Redrive { .. } => "redrive",
            Self::Resolve(_) => "resolve",
            Self::Kill => "kill",
        }
    }
}
