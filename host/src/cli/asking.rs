//! Who asks for something and why, when a run begins, and how long a command stays with one. Apart, so that all commands that ask
//! something of runs take it alike.

use super::error::{misuse, refused};
use crate::clock::{Clock, SystemClock};
use crate::coordinator::{Coordinator, REST_AFTER};
use amends_domain::decide::WHO_LEN_MAX;
use amends_domain::event::Author;
use amends_domain::explain::{Awaited, awaited};
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use clap::Args;

/// The variables that name the user where `--by` does not, in this order.
const NAMES: [&str; 3] = ["AMENDS_BY", "USER", "LOGNAME"];

/// Who asks, and why.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// With --data: who asks; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    pub(super) by: Option<String>,
    /// Why; it stays on record
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// The same with the same key again is asked once
    #[arg(long, value_name = "KEY", visible_alias = "id")]
    pub(super) key: Option<String>,
}

impl Asking {
    /// As it is recorded.
    pub(super) fn author(&self) -> Author {
        Author { who: who(self.by.as_deref()), why: self.reason.clone(), key: self.key.clone() }
    }
}

/// The name of whoever asks. In this process nobody can check it: whoever may write the data directory may say anything.
pub(super) fn who(by: Option<&str>) -> String {
    let variable = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    by.map(str::to_owned).or_else(|| NAMES.iter().find_map(variable)).unwrap_or_else(|| "local".to_owned())
}

/// When a run begins.
#[derive(Debug, Args)]
pub(super) struct Begin {
    /// The run does nothing before this instant: RFC 3339
    #[arg(long, value_name = "INSTANT", conflicts_with = "delay")]
    at: Option<Timestamp>,
    /// The run does nothing before this span is over, such as 90s or 2h
    #[arg(long, value_name = "SPAN")]
    delay: Option<Span>,
}

impl Begin {
    /// None: at once.
    pub(super) fn instant(&self) -> Option<Timestamp> {
        self.at.or_else(|| self.delay.map(|delay| SystemClock.now().plus(delay)))
    }
}

/// How long a command stays with a run that waits.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Patience {
    /// With --data: leave the run open when it waits longer than this for the clock; without it, the command waits. It never waits for people
    #[arg(long, value_name = "SPAN")]
    wait_max: Option<Span>,
}

impl Patience {
    /// Whether it was said.
    pub(super) fn is_said(self) -> bool {
        self.wait_max.is_some()
    }

    /// The coordinator with which runs are put aside early enough for this.
    pub(super) fn over(self, coordinator: &Coordinator) -> Coordinator {
        coordinator.resting_after(self.rest_after())
    }

    /// A run that has nothing to do for longer is put aside.
    pub(super) fn rest_after(self) -> Span {
        self.wait_max.map_or(REST_AFTER, |wait_max| wait_max.min(REST_AFTER))
    }

    /// Until when a command waits for a run that rests; none: it is left open.
    pub(super) fn until(self, run: &Run) -> Option<Timestamp> {
        let Awaited::Time { until, .. } = awaited(run) else { return None };
        let left = until.since(SystemClock.now());
        self.wait_max.is_none_or(|wait_max| left <= wait_max).then_some(until)
    }
}

/// Whether this process goes on with the run, or looks on while a server does.
#[derive(Debug, Args)]
pub(super) struct Driving {
    /// With --data: only note it; whoever finds the run next goes on with it
    #[arg(long)]
    pub(super) no_drive: bool,
    /// Print each line of the timeline as it becomes durable
    #[arg(long, conflicts_with_all = ["json", "no_drive"])]
    pub(super) follow: bool,
    /// On a server: wait so long for the end of the run; without it, the command does not wait
    #[arg(long, value_name = "SPAN", conflicts_with = "follow")]
    pub(super) wait: Option<Span>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

impl Driving {
    /// That of a command that only follows.
    pub(super) fn following() -> Self {
        Self { no_drive: false, follow: true, wait: None, patience: Patience { wait_max: None } }
    }
}

/// The same, if it can be noted.
pub(super) fn named(by: Option<&str>) -> anyhow::Result<String> {
    let by = who(by);
    if (1..=WHO_LEN_MAX).contains(&by.len()) {
        return Ok(by);
    }
    Err(refused("who_length", format!("the name of whoever says it has {} bytes: 1 to {WHO_LEN_MAX} are allowed", by.len())))
}

/// That nobody is named where a server knows who asks.
pub(super) fn nobody_said(by: Option<&str>) -> anyhow::Result<()> {
    match by {
        None => Ok(()),
        Some(_) => Err(misuse("only_in_process", "--by is for --data: a server knows who asks by their key")),
    }
}
