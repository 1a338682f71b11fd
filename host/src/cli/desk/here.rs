//! A data directory in this process: what is asked is done here, and the runs are driven here, until they end or wait for somebody.

use super::super::asking::Driving;
use super::super::drive::Stay;
use super::super::error::misuse;
use super::super::hosted::{driven, id, on, prepare};
use super::super::journal::Journal;
use super::super::output::{Exit, Format, say};
use super::{Asked, Desk, Found, Saga, Shown, Start, StateValue, Stood, Told, Wish, With, resolution, step_of};
use crate::compose::{Host, Reader};
use crate::coordinator::{
    AcceptedRun, Answered, Coordinator, Correction, DemandOf, Driven, StartError, StartRun, StartedRun, Then,
};
use crate::store::{PAGE_LEN_MAX, Store, StoreError};
use crate::view::{DeadLetterView, RunFilter, RunRow};
use amends_domain::definition::{Definition, read};
use amends_domain::event::{Confirmation, Demand, Resolve};
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::RunHead;
use anyhow::Context;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Most keys that are written at a time; more are written one lot after the other.
const WRITES_MAX: usize = 1000;

/// A data directory and whose things in it.
pub(super) struct Here {
    pub(super) data: PathBuf,
    pub(super) tenant: TenantId,
}

impl Desk for Here {
    fn tenant(&self) -> anyhow::Result<TenantId> {
        Ok(self.tenant.clone())
    }

    fn place(&self) -> String {
        let tenant = if self.tenant.as_str() == "local" { String::new() } else { format!(" --tenant {}", self.tenant) };
        format!(" --data {}{tenant}", self.data.display())
    }

    fn runs(&self, filter: &RunFilter, limit: usize) -> anyhow::Result<Found<RunRow>> {
        let reader = self.reader()?;
        let mut rows = Vec::new();
        for found in runs(&*reader, &self.tenant) {
            let (id, head) = found?;
            // One more than asked for, to know whether there are more.
            if filter.is_over(&head) || rows.len() > limit {
                break;
            }
            if filter.fits(&head) {
                rows.push(RunRow::of(id, &head));
            }
        }
        Ok(Found::of(rows, limit))
    }

    fn run(&self, run: RunId) -> anyhow::Result<Shown> {
        Ok(Shown::View(Box::new(self.journal(run)?.view()?)))
    }

    fn journal(&self, run: RunId) -> anyhow::Result<Journal> {
        Journal::read(&*self.reader()?, &self.tenant, run)
    }

    fn letters(&self, limit: usize) -> anyhow::Result<Found<DeadLetterView>> {
        let reader = self.reader()?;
        let mut letters = Vec::new();
        // One run more than there can be room for, to know whether there are more.
        for run in newest(&*reader, &self.tenant, limit.saturating_add(1))? {
            if letters.len() > limit {
                break;
            }
            let journal = Journal::read(&*reader, &self.tenant, run)?;
            letters.extend(DeadLetterView::all(&journal.replay()?, &journal.entries));
        }
        Ok(Found::of(letters, limit))
    }

    fn values(&self, prefix: &str, limit: usize) -> anyhow::Result<Found<StateValue>> {
        Ok(Found::of(values(&*self.reader()?, &self.tenant, prefix, limit.saturating_add(1))?, limit))
    }

    fn value(&self, key: &str) -> anyhow::Result<Option<StateValue>> {
        let value = self.reader()?.state(&self.tenant, key)?;
        Ok(value.map(|value| StateValue { key: key.to_owned(), value: value.value, version: value.version }))
    }

    /// Each lot is durable before the next begins: stopped in between, the lots before it are written and the others not.
    fn write(&self, values: Vec<(String, Option<Payload>)>, told: &dyn Fn() -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        on(Host::open(&self.data)?, Some(&self.data), async |coordinator| {
            for lot in values.chunks(WRITES_MAX) {
                coordinator.write_state(&self.tenant, lot.to_vec()).await?;
            }
            told()
        })
    }

    fn start(&self, start: Start<'_>, told: Told<'_>) -> anyhow::Result<Exit> {
        start.driving.stays_here()?;
        let host = match &start.saga {
            Saga::Name(_) => Host::open_existing(&self.data)?,
            Saga::Document(_) => Host::open(&self.data)?,
        };
        on(host, Some(&self.data), async |coordinator| {
            let coordinator = start.driving.patience.over(&coordinator);
            let stay = Stay { coordinator: &coordinator, tenant: &self.tenant, patience: start.driving.patience };
            let (run, noted) = begin(stay, start).await?;
            told(&Stood { journal: stay.stored(run)?, noted })
        })
    }

    fn demand(&self, asked: Asked<'_>, told: Told<'_>) -> anyhow::Result<Exit> {
        asked.driving.stays_here()?;
        on(Host::open_existing(&self.data)?, Some(&self.data), async |coordinator| {
            let coordinator = asked.driving.patience.over(&coordinator);
            let stay = Stay { coordinator: &coordinator, tenant: &self.tenant, patience: asked.driving.patience };
            let demand = demand(stay, asked.run, asked.wish).await?;
            let then = if asked.driving.no_drive { Then::Leave } else { Then::Drive };
            let of = DemandOf { tenant: self.tenant.clone(), run: asked.run, demand, by: asked.asking.author(), then };
            let (noted, driven) = match coordinator.demand(of).await? {
                Answered::Noted(driven) => (true, driven),
                Answered::Already(driven) => (false, driven),
            };
            rest(stay, asked.driving, asked.run, driven).await?;
            told(&Stood { journal: stay.stored(asked.run)?, noted })
        })
    }

    /// Here nobody else drives a run: whoever follows it does.
    fn follow(&self, run: RunId, told: Told<'_>) -> anyhow::Result<Exit> {
        let driving = Driving::following();
        on(Host::open_existing(&self.data)?, Some(&self.data), async |coordinator| {
            let coordinator = driving.patience.over(&coordinator);
            let stay = Stay { coordinator: &coordinator, tenant: &self.tenant, patience: driving.patience };
            let journal = stay.stored(run)?;
            let driven = if journal.replay()?.head().ended.is_some() { None } else { coordinator.adopt(&self.tenant, run)? };
            stay.followed(run, driven).await?;
            told(&Stood { journal: stay.stored(run)?, noted: true })
        })
    }
}

impl Here {
    fn reader(&self) -> anyhow::Result<Reader> {
        Ok(Reader::open(&self.data)?)
    }
}

async fn begin(stay: Stay<'_>, start: Start<'_>) -> anyhow::Result<(RunId, bool)> {
    let Stay { coordinator, tenant, .. } = stay;
    let definition = match start.saga {
        Saga::Name(name) => applied(coordinator, tenant, name)?,
        Saga::Document(definition) => definition,
    };
    prepare(coordinator, tenant, &definition, start.components).await?;
    let (saga, begin) = (definition.saga.clone(), start.begin.instant());
    let of = StartRun { version: None, tenant: tenant.clone(), saga, input: start.input, key: start.key, begin, parent: None };
    if start.driving.no_drive {
        return Ok(match coordinator.accept(of).await? {
            AcceptedRun::New(run) => (run, true),
            AcceptedRun::Existing(run) => (run, false),
        });
    }
    let started = coordinator.start(of).await?;
    let (run, noted) = (id(&started), matches!(started, StartedRun::New(_)));
    let driven = driven(coordinator, tenant, started)?;
    if let Some(driven) = &driven {
        driven.accepted().await?;
    }
    if start.format == Format::Text {
        say(format_args!("run {run}"))?;
    }
    rest(stay, start.driving, run, driven).await?;
    Ok((run, noted))
}

async fn rest(stay: Stay<'_>, driving: &Driving, run: RunId, driven: Option<Driven>) -> anyhow::Result<()> {
    if driving.follow {
        stay.followed(run, driven).await?;
    } else {
        stay.to_its_rest(run, driven).await?;
    }
    Ok(())
}

/// The newest version of a saga.
fn applied(coordinator: &Coordinator, tenant: &TenantId, name: SagaName) -> anyhow::Result<Arc<Definition>> {
    let store = coordinator.store();
    let Some(row) = store.saga(tenant, &name)? else { return Err(StartError::UnknownSaga(name).into()) };
    let document =
        store.definition(tenant, row.definition)?.with_context(|| format!("definition {} is not stored", row.definition))?;
    let text = std::str::from_utf8(&document.0).context("a definition that is not text")?;
    Ok(Arc::new(read(text).with_context(|| format!("definition {} cannot be read", row.definition))?))
}

/// What is asked, with the steps by their numbers.
async fn demand(stay: Stay<'_>, run: RunId, wish: Wish) -> anyhow::Result<Demand> {
    Ok(match wish {
        Wish::Cancel { in_flight } => Demand::Cancel { in_flight },
        Wish::Pause => Demand::Pause,
        Wish::Resume => Demand::Resume,
        Wish::Signal { name, payload } => Demand::Signal { name, payload },
        Wish::Retry => Demand::Retry,
        Wish::Kill => Demand::Kill,
        Wish::Compensate { from } => {
            let journal = stay.stored(run)?;
            Demand::Compensate { from: from.map(|step| step_of(&journal.definition, &step)).transpose()? }
        }
        Wish::Redrive { step, with } => {
            let step = step_of(&stay.stored(run)?.definition, &step)?;
            let correction = match with {
                With::Pinned => return Ok(Demand::Redrive { step, component: None }),
                With::Latest => Correction::Latest,
                With::Component { plugin, bytes } => Correction::Component { plugin, bytes },
            };
            let component = stay.coordinator.correct(stay.tenant, run, step, correction).await?;
            Demand::Redrive { step, component: Some(component) }
        }
        Wish::Resolve { step, resolution: said, evidence, output } => {
            let journal = stay.stored(run)?;
            let step = step_of(&journal.definition, &step)?;
            let resolution = said.map_or_else(|| resolution(&journal, step), Ok)?;
            let confirmation = Confirmation::NotNeeded;
            Demand::Resolve(Box::new(Resolve { step, resolution, evidence, output, confirmation }))
        }
    })
}

/// All runs of a tenant, newest first, page by page.
fn runs(store: &dyn Store, tenant: &TenantId) -> impl Iterator<Item = Result<(RunId, RunHead), StoreError>> {
    let mut page = Vec::new().into_iter();
    let mut before = None;
    std::iter::from_fn(move || {
        if page.len() == 0 {
            match store.runs(tenant, before, PAGE_LEN_MAX) {
                Ok(next) => page = next.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let (run, head) = page.next()?;
        before = Some(run);
        Some(Ok((run, head)))
    })
}

/// The newest runs that have dead letters, newest first. The store has them oldest first.
fn newest(store: &dyn Store, tenant: &TenantId, runs_max: usize) -> anyhow::Result<Vec<RunId>> {
    let mut newest = VecDeque::new();
    let mut after = None;
    loop {
        let page = store.runs_with_dead_letters(tenant, after, PAGE_LEN_MAX)?;
        let Some(last) = page.last() else { return Ok(newest.into_iter().rev().collect()) };
        after = Some(*last);
        newest.extend(page);
        newest.drain(..newest.len().saturating_sub(runs_max));
    }
}

/// The first `limit` keys that begin with `prefix`, and their values.
fn values(store: &dyn Store, tenant: &TenantId, prefix: &str, limit: usize) -> Result<Vec<StateValue>, StoreError> {
    let shown = |(key, value): (String, crate::store::Value)| StateValue { key, value: value.value, version: value.version };
    let mut values = Vec::new();
    let mut after = None;
    if !prefix.is_empty() {
        // The prefix itself is the first key that can begin with it, and pages begin behind a key.
        values.extend(store.state(tenant, prefix)?.map(|value| shown((prefix.to_owned(), value))));
        after = Some(prefix.to_owned());
    }
    while values.len() < limit {
        let page = store.states(tenant, after.as_deref(), PAGE_LEN_MAX.min(limit - values.len()))?;
        let Some((newest, _)) = page.last() else { break };
        after = Some(newest.clone());
        let past = !newest.starts_with(prefix);
        values.extend(page.into_iter().take_while(|(key, _)| key.starts_with(prefix)).map(shown));
        if past {
            break;
        }
    }
    Ok(values)
}

impl Driving {
    /// Refuses what only a server understands.
    fn stays_here(&self) -> anyhow::Result<()> {
        match self.wait {
            None => Ok(()),
            Some(_) => {
                Err(misuse("only_for_servers", "--wait is for servers: with --data the command stays with the run; see --wait-max"))
            }
        }
    }
}
