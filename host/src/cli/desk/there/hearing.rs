//! A run on a server, heard from its events: the facts as they become durable, in the same order and the same words as where they are stored.

use super::There;
use crate::cli::error::refused;
use crate::cli::journal::{Journal, Teller};
use crate::client::{Ask, segment};
use crate::clock::{Clock, SystemClock};
use amends_domain::catalogue::{CloudEvent, Data, Listener, started};
use amends_domain::definition::{Definition, read};
use amends_domain::event::{Direction, Entry, Event, LogLine, Started};
use amends_domain::id::{RunId, StepId};
use amends_domain::run::{Phase, Run};
use amends_domain::time::Span;
use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A page of events.
#[derive(Deserialize)]
struct Events {
    items: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// Gets each event as it is written.
type Tell<'a> = dyn FnMut(&[u8]) -> anyhow::Result<()> + 'a;

/// What was heard of a run.
pub(super) struct Heard {
    journal: Journal,
    /// The run as far as it was heard.
    run: Run,
    listener: Listener,
    /// The last event.
    last: String,
    /// Whether an attempt wrote to its log, which events do not have.
    logs_missing: bool,
}

impl There {
    /// Hears what is there of a run by now.
    pub(super) fn hear(&self, run: RunId) -> anyhow::Result<Heard> {
        self.hear_telling(run, &mut |_| Ok(()))
    }

    /// The same; `tell` gets each event as it is written.
    fn hear_telling(&self, run: RunId, tell: &mut Tell<'_>) -> anyhow::Result<Heard> {
        let mut page = self.events_behind(run, None)?;
        let first = page.items.first().with_context(|| format!("{run} has no events"))?;
        let mut heard = self.begun(run, &CloudEvent::read(first.get().as_bytes())?)?;
        tell(first.get().as_bytes())?;
        page.items.remove(0);
        loop {
            for event in page.items {
                heard.add(event.get().as_bytes())?;
                tell(event.get().as_bytes())?;
            }
            if page.next_cursor.is_none() {
                return Ok(heard);
            }
            page = self.events_behind(run, Some(&heard.last))?;
        }
    }

    /// Shows the timeline of a run while it comes, and gives all of it when the run has ended.
    pub(super) fn followed(&self, run: RunId) -> anyhow::Result<Journal> {
        let mut heard = self.hear(run)?;
        heard.fill_logs(self)?;
        let mut teller = Teller::new(&heard.journal)?;
        teller.go_on(&heard.journal)?;
        let mut stream = self.client.follow(self.path(&format!("/runs/{run}/events"))?, Some(heard.last.clone()));
        while !heard.is_over() {
            heard.add(&stream.wait()?.data)?;
            heard.fill_logs(self)?;
            teller.go_on(&heard.journal)?;
        }
        Ok(heard.journal)
    }

    /// Tells each event of a run as it is written, until the run has ended.
    pub(in crate::cli) fn told(&self, run: RunId, tell: &mut Tell<'_>) -> anyhow::Result<()> {
        let mut heard = self.hear_telling(run, tell)?;
        let mut stream = self.client.follow(self.path(&format!("/runs/{run}/events"))?, Some(heard.last.clone()));
        while !heard.is_over() {
            let event = stream.wait()?;
            heard.add(&event.data)?;
            tell(&event.data)?;
        }
        Ok(())
    }

    /// Waits until a run has ended, or so long; gives what there is of it then.
    pub(super) fn ended_within(&self, run: RunId, within: Span) -> anyhow::Result<Journal> {
        let until = SystemClock.now().plus(within);
        let mut heard = self.hear(run)?;
        let mut stream = self.client.follow(self.path(&format!("/runs/{run}/events"))?, Some(heard.last.clone()));
        while !heard.is_over() {
            let left = until.since(SystemClock.now());
            let next = if left == Span(0) { None } else { stream.wait_for(left.to_std())? };
            let Some(event) = next else { break };
            heard.add(&event.data)?;
        }
        heard.whole(self)
    }

    fn events_behind(&self, run: RunId, last: Option<&str>) -> anyhow::Result<Events> {
        let behind = last.map(|last| format!("&cursor={}", segment(last))).unwrap_or_default();
        Ok(self.ask(&Ask::get(self.path(&format!("/runs/{run}/events?limit=1000{behind}"))?))?.json()?)
    }

    fn begun(&self, run: RunId, first: &CloudEvent) -> anyhow::Result<Heard> {
        let entry = started(first)?;
        let Event::Started(begun) = &entry.event else { anyhow::bail!("the events of {run} do not begin with its start") };
        let definition = self.definition(begun)?;
        Ok(Heard {
            run: Run::new(run, Arc::clone(&definition), Arc::new(begun.as_ref().clone()), entry.at),
            listener: Listener::new(Arc::clone(&definition)),
            journal: Journal { run, entries: vec![entry], definition },
            last: first.position.to_string(),
            logs_missing: false,
        })
    }

    /// What a run runs, which is pinned by its digest.
    fn definition(&self, begun: &Started) -> anyhow::Result<Arc<Definition>> {
        #[derive(Deserialize)]
        struct Shown {
            document: Box<RawValue>,
        }
        let path = self.path(&format!("/sagas/{}?version={}", begun.saga, begun.version))?;
        let shown: Shown = self.ask(&Ask::get(path))?.json()?;
        let definition = read(shown.document.get()).with_context(|| format!("the document of saga `{}`", begun.saga))?;
        ensure!(
            definition.digest == begun.definition,
            "version {} of saga `{}` is not what the run was started with",
            begun.version,
            begun.saga
        );
        Ok(Arc::new(definition))
    }

    /// The logs of all attempts of a run.
    fn logs(&self, run: RunId) -> anyhow::Result<Vec<StepLogs>> {
        #[derive(Deserialize)]
        struct Shown {
            steps: Vec<StepLogs>,
        }
        let shown: Shown = self.ask(&Ask::get(self.path(&format!("/runs/{run}"))?))?.json()?;
        Ok(shown.steps)
    }
}

#[derive(Deserialize)]
struct StepLogs {
    id: StepId,
    attempts: Vec<AttemptLog>,
}

#[derive(Deserialize)]
struct AttemptLog {
    direction: Direction,
    number: u32,
    log_lines: Vec<LogLine>,
}

impl Heard {
    /// Hears one more event, as it is written.
    fn add(&mut self, written: &[u8]) -> anyhow::Result<()> {
        let event = CloudEvent::read(written)?;
        if let Some(entry) = self.listener.hear(&event)? {
            let strange = |error| refused("events_misfit", format!("event {} of {}: {error}", event.position, self.journal.run));
            self.run.apply(&entry).map_err(strange)?;
            self.journal.entries.push(entry);
        }
        self.logs_missing |= log_lines(&event.data) > 0;
        self.last = event.position.to_string();
        Ok(())
    }

    /// Whether the run has its outcome.
    fn is_over(&self) -> bool {
        matches!(self.run.phase(), Phase::Ended(_))
    }

    /// All that was heard, with the logs.
    pub(super) fn whole(mut self, there: &There) -> anyhow::Result<Journal> {
        self.fill_logs(there)?;
        Ok(self.journal)
    }

    fn fill_logs(&mut self, there: &There) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.logs_missing) {
            return Ok(());
        }
        let logs = there.logs(self.journal.run)?;
        let Journal { entries, definition, .. } = &mut self.journal;
        for Entry { event, .. } in entries {
            let Event::AttemptEnded(ended) = event else { continue };
            let step = &definition.step(ended.attempt.step).id;
            let of_step = logs.iter().filter(|logs| logs.id == *step).flat_map(|logs| &logs.attempts);
            let is_it = |log: &&AttemptLog| (log.direction, log.number) == (ended.attempt.direction, ended.attempt.number);
            if let Some(log) = of_step.into_iter().find(is_it) {
                ended.log.clone_from(&log.log_lines);
            }
        }
        Ok(())
    }
}

/// How many lines the attempt wrote that ends with this event.
fn log_lines(data: &Data) -> u64 {
    let cost = match data {
        Data::StepCompleted(done) | Data::StepCompensated(done) => done.cost.as_ref(),
        Data::StepFailed(failed) | Data::StepCompensationFailed(failed) => failed.cost.as_ref(),
        _ => None,
    };
    cost.map_or(0, |cost| cost.log_lines)
}
