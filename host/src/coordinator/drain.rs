//! How a host ends in order: nothing new is started, attempts in flight get their time, and everything that was noted becomes durable.

use super::{Coordinator, DriveError};
use std::time::Duration;
use tokio::time::timeout;

/// Whether runs go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Going {
    /// They do.
    On,
    /// No attempt begins; a run that has none in flight is put aside.
    Draining,
    /// No attempt goes on.
    Over,
}

impl Coordinator {
    /// Starts nothing any more, and puts every run aside as soon as it has no attempt in flight; those that have one for longer than `grace`
    /// lose it, and whoever goes on with the run finds it lost, as after a crash. When this returns, all that was noted is durable, nobody
    /// drives a run, and whoever waited for one has heard how it was left.
    ///
    /// Dropping the future leaves this host draining.
    ///
    /// # Errors
    /// If it is not known whether everything is durable.
    pub async fn drain(&self, grace: Duration) -> Result<(), DriveError> {
        let parts = &self.parts;
        parts.going.send_modify(|going| *going = Going::Draining.max(*going));
        // Whether they all made it in time is seen below.
        let _ = timeout(grace, parts.under_way.nobody_drives()).await;
        parts.going.send_replace(Going::Over);
        parts.under_way.nobody_drives().await;
        Ok(parts.gate.settle().await?)
    }
}
