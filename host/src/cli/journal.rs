//! A run as it is stored, brought together for showing: its definition and its facts.

use super::error::refused;
use super::output::say;
use super::timeline::Timeline;
use crate::store::Store;
use crate::view::RunView;
use amends_domain::definition::{Definition, read};
use amends_domain::event::{Entry, Event};
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Run;
use anyhow::Context;
use std::sync::Arc;

/// Everything that is known of one run.
pub(super) struct Journal {
    /// Whose facts.
    pub(super) run: RunId,
    /// The facts, oldest first; at least one.
    pub(super) entries: Vec<Entry>,
    /// What it runs.
    pub(super) definition: Arc<Definition>,
}

impl Journal {
    /// Reads the journal of a run.
    pub(super) fn read(store: &dyn Store, tenant: &TenantId, run: RunId) -> anyhow::Result<Self> {
        let entries = store.journal(tenant, run)?;
        let entries = entries.ok_or_else(|| refused("unknown_run", format!("tenant `{tenant}` has no run {run}")))?;
        let Some(Event::Started(started)) = entries.first().map(|entry| &entry.event) else {
            anyhow::bail!("the journal of {run} does not begin with its start");
        };
        let digest = started.definition;
        let document = store.definition(tenant, digest)?.with_context(|| format!("definition {digest} of {run} is not stored"))?;
        let document = std::str::from_utf8(&document.0).context("a definition that is not text")?;
        let definition = read(document).with_context(|| format!("definition {digest} of {run} cannot be read"))?;
        Ok(Self { run, entries, definition: Arc::new(definition) })
    }

    /// An empty timeline of it.
    pub(super) fn timeline(&self) -> Timeline {
        let begun = Timeline::begin(self.run, Arc::clone(&self.definition), &self.entries[0]);
        begun.expect("it was looked at when the journal was read")
    }

    /// The run at its end.
    pub(super) fn replay(&self) -> anyhow::Result<Run> {
        Ok(Run::of_journal(self.run, Arc::clone(&self.definition), &self.entries)?)
    }

    /// The run as JSON.
    pub(super) fn view(&self) -> anyhow::Result<RunView> {
        Ok(RunView::of(&self.replay()?, &self.entries))
    }

    /// Why the run last went backward, for people; none if it never did.
    pub(super) fn because(&self) -> anyhow::Result<Option<String>> {
        let mut timeline = self.timeline();
        let mut because = None;
        for entry in &self.entries[1..] {
            timeline.tell(entry)?;
            if let Event::CompensationStarted { cause } = &entry.event {
                because = Some(timeline.because(cause));
            }
        }
        Ok(because)
    }

    /// Prints the whole timeline and gives the run at its end.
    pub(super) fn say(&self) -> anyhow::Result<Run> {
        let mut teller = Teller::new(self)?;
        teller.go_on(self)?;
        for line in teller.timeline.open() {
            say(line)?;
        }
        Ok(teller.timeline.run().clone())
    }
}

/// Prints a timeline as far as it has come, and later what came since.
pub(super) struct Teller {
    timeline: Timeline,
    told: usize,
}

impl Teller {
    /// Prints the heading.
    pub(super) fn new(journal: &Journal) -> anyhow::Result<Self> {
        let timeline = journal.timeline();
        say(timeline.heading())?;
        // The first fact is the start of the run, with which the timeline began.
        Ok(Self { timeline, told: 1 })
    }

    /// Prints the facts of `journal` that were not told yet.
    pub(super) fn go_on(&mut self, journal: &Journal) -> anyhow::Result<()> {
        for entry in journal.entries.iter().skip(self.told) {
            for line in self.timeline.tell(entry)? {
                say(line)?;
            }
        }
        self.told = self.told.max(journal.entries.len());
        Ok(())
    }
}
