//! What a tenant takes of the host, counted against its limits. Pure: whoever holds an [`Account`] tells it the time and does the waiting.
//!
//! Two kinds: levels (attempts that run, bytes that are kept) are taken and given back; rates (starts in a minute, log in a day) run out by
//! themselves, and as much as a whole period allows can be taken at once. Forward is refused what does not fit. Compensations are counted and
//! never refused: what a tenant did must not stay because it has used too much, so forward waits for it instead.

mod gauge;
mod usage;

pub use usage::Usage;

use crate::event::LimitName;
use crate::tenant::TenantLimits;
use crate::time::{Span, Timestamp};
use gauge::{Level, Rate};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// What a limit is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Not at all: it says who goes first, or how long something is kept.
    Setting,
    /// How much there is at once.
    Level,
    /// How much there is in each such span.
    Rate(Span),
}

/// What something is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To do something.
    Forward,
    /// To take something back. Never refused.
    Compensation,
}

/// Something that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Of which limit.
    pub limit: LimitName,
    /// How much.
    pub amount: u64,
    /// What for.
    pub purpose: Purpose,
}

/// Why something is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which limit.
    pub limit: LimitName,
    /// How much there may be.
    pub allowed: u64,
    /// How much there is; of a rate, what has not run out.
    pub used: u64,
    /// How much was asked for.
    pub wanted: u64,
    /// When it will fit if nobody else takes anything: known of rates, and only where the limit allows that much at all.
    pub free_at: Option<Timestamp>,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Filled {
    /// Which.
    pub limit: LimitName,
    /// How much there may be.
    pub allowed: u64,
    /// How much there is; of a rate, what has not run out. More than allowed after compensations, after what was found only when it had
    /// been used, and after a limit was lowered.
    pub used: u64,
}

/// The account of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    limits: TenantLimits,
    gauges: [Gauge; LimitName::ALL.len()],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gauge {
    Setting,
    Level(Level),
    Rate(Rate),
}

const MINUTE: Span = Span(60_000);
const DAY: Span = Span(24 * 3_600_000);

impl LimitName {
    /// What it is counted by.
    pub fn measure(self) -> Measure {
        match self {
            Self::Weight | Self::EndedRunsKept => Measure::Setting,
            Self::ConcurrentAttempts
            | Self::QueuedRuns
            | Self::LiveMemory
            | Self::StoredBytes
            | Self::Plugins
            | Self::Sagas
            | Self::EventsFollowers
            | Self::Webhooks => Measure::Level,
            Self::StartsPerMinute | Self::FuelPerMinute | Self::UploadsPerMinute => Measure::Rate(MINUTE),
            Self::LogBytesPerDay => Measure::Rate(DAY),
        }
    }
}

impl Want {
    /// To do something.
    pub fn forward(limit: LimitName, amount: u64) -> Self {
        Self { limit, amount, purpose: Purpose::Forward }
    }

    /// To take something back.
    pub fn compensation(limit: LimitName, amount: u64) -> Self {
        Self { limit, amount, purpose: Purpose::Compensation }
    }
}

impl Account {
    /// The account of a tenant that has used nothing since this host began.
    pub fn new(limits: TenantLimits) -> Self {
        let gauges = std::array::from_fn(|at| match LimitName::ALL[at].measure() {
            Measure::Setting => Gauge::Setting,
            Measure::Level => Gauge::Level(Level::default()),
            Measure::Rate(period) => Gauge::Rate(Rate::new(period)),
        });
        Self { limits, gauges }
    }

    /// Takes what is wanted. Of a rate, nothing is given while more was used than is allowed, not even nothing.
    ///
    /// # Errors
    /// [`Over`]; nothing was taken.
    ///
    /// # Panics
    /// If a setting is to be taken from.
    pub fn take(&mut self, want: Want, now: Timestamp) -> Result<(), Over> {
        let Want { limit, amount, purpose } = want;
        let allowed = self.limits.get(limit);
        let (fits, used, free_at) = match self.gauge(limit, now) {
            Gauge::Setting => panic!("{} is a setting: nothing is taken of it", limit.word()),
            Gauge::Level(level) => (level.fits(amount, allowed), level.used(), None),
            Gauge::Rate(rate) => (rate.fits(amount, allowed), rate.used(), rate.free_at(amount, allowed)),
        };
        if fits || purpose == Purpose::Compensation {
            self.note(limit, amount, now);
            return Ok(());
        }
        Err(Over { limit, allowed, used, wanted: amount, free_at })
    }

    /// Takes all that is wanted, or nothing: an attempt needs its place, its memory and fuel.
    ///
    /// # Errors
    /// [`Over`] with the first that does not fit.
    pub fn take_all(&mut self, wants: &[Want], now: Timestamp) -> Result<(), Over> {
        let mut after = *self;
        for want in wants {
            after.take(*want, now)?;
        }
        *self = after;
        Ok(())
    }

    /// Counts what was used already, whether it fits or not.
    pub fn note(&mut self, limit: LimitName, amount: u64, now: Timestamp) {
        match self.gauge(limit, now) {
            Gauge::Setting => {}
            Gauge::Level(level) => level.add(amount),
            Gauge::Rate(rate) => rate.add(amount),
        }
    }

    /// Gives back what was taken: of a level what has ended, of a rate what came to nothing.
    ///
    /// # Panics
    /// If more of a level is given back than was taken.
    pub fn give_back(&mut self, limit: LimitName, amount: u64, now: Timestamp) {
        match self.gauge(limit, now) {
            Gauge::Setting => {}
            Gauge::Level(level) => level.give_back(amount),
            Gauge::Rate(rate) => rate.give_back(amount),
        }
    }

    /// Counts what is limited only after the fact: fuel and log.
    pub fn spend(&mut self, used: Usage, now: Timestamp) {
        self.note(LimitName::FuelPerMinute, used.fuel, now);
        self.note(LimitName::LogBytesPerDay, used.log_bytes, now);
    }

    /// A level is so much now: somebody else counts it.
    pub fn is_now(&mut self, limit: LimitName, used: u64) {
        if let Gauge::Level(level) = &mut self.gauges[limit as usize] {
            *level = Level::of(used);
        }
    }

    /// Has other limits from now on. What is taken stays taken.
    pub fn set_limits(&mut self, limits: TenantLimits, now: Timestamp) {
        for limit in LimitName::ALL {
            // Until now it ran out as fast as the old limit says.
            self.gauge(*limit, now);
        }
        self.limits = limits;
    }

    /// The limits.
    pub fn limits(&self) -> &TenantLimits {
        &self.limits
    }

    /// How much of it is left; nothing where more is used than allowed.
    pub fn left(&mut self, limit: LimitName, now: Timestamp) -> u64 {
        let used = match self.gauge(limit, now) {
            Gauge::Setting => 0,
            Gauge::Level(level) => level.used(),
            Gauge::Rate(rate) => rate.used(),
        };
        self.limits.get(limit).saturating_sub(used)
    }

    /// How each limit stands; settings are left out.
    pub fn filled(&mut self, now: Timestamp) -> Vec<Filled> {
        let filled = |limit: &LimitName| {
            let used = match self.gauge(*limit, now) {
                Gauge::Setting => return None,
                Gauge::Level(level) => level.used(),
                Gauge::Rate(rate) => rate.used(),
            };
            Some(Filled { limit: *limit, allowed: self.limits.get(*limit), used })
        };
        LimitName::ALL.iter().filter_map(filled).collect()
    }

    /// The gauge of a limit as it stands at `now`.
    fn gauge(&mut self, limit: LimitName, now: Timestamp) -> &mut Gauge {
        let gauge = &mut self.gauges[limit as usize];
        if let Gauge::Rate(rate) = gauge {
            rate.run_out(self.limits.get(limit), now);
        }
        gauge
    }
}

impl Over {
    /// The stable code for it.
    pub const CODE: &str = "limit_exceeded";
}

impl std::error::Error for Over {}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, allowed, used, wanted, free_at } = self;
        let shown = |amount: u64| limit.shown(amount);
        write!(f, "limit {} of {}: {} used, {} more wanted", limit.word(), shown(*allowed), shown(*used), shown(*wanted))?;
        match (free_at, limit.measure()) {
            (Some(at), _) => write!(f, "; try again at {at}"),
            (None, _) if wanted > allowed => f.write_str("; that is more than the limit: ask an operator for a higher one"),
            (None, Measure::Rate(_)) => f.write_str("; ask an operator for a higher limit"),
            (None, Measure::Level | Measure::Setting) => f.write_str("; try again when some of it has ended"),
        }
    }
}
