//! `amends resume`: every run that a host left open, in the order in which they are due, to its outcome or to where only a person can
//! move it.

use super::argument::Data;
use super::asking::Patience;
use super::drive::sleep_until;
use super::error::tell;
use super::hosted::on;
use super::journal::Journal;
use super::output::{Exit, Format, remark, say};
use super::tally::{RunLine, Tally};
use crate::clock::{Clock, SystemClock};
use crate::compose::Host;
use crate::coordinator::{Coordinator, Rest};
use crate::store::{OpenRun, PAGE_LEN_MAX, Store, StoreError};
use amends_domain::id::{RunId, TenantId};
use amends_domain::time::Timestamp;
use clap::Args;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeSet;

/// Most runs that are driven at a time.
const RUNS_MAX: usize = 256;
/// Most open runs that are kept at hand, 60 bytes each.
const AGENDA_MAX: usize = 1_000_000;

const EXAMPLES: &str = "\
Examples:
  amends resume --data ./data
  amends resume --data ./data --wait-max 0s       # what can be done now, and nothing later

Prints `run ID OUTCOME` for each run as it ends. Runs go on in the order in which they are due: timers that were slept through first,
then each when its time comes. A run that only a person can move is left as it is: `run ID waiting` for a signal, `run ID paused`.
Exit code 0 if all runs succeeded or none was open, 1 if one did not, is left open or cannot be driven on.";

/// Drive every open run of every tenant to its outcome
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Resume {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    patience: Patience,
}

pub(super) fn run(resume: &Resume, format: Format) -> anyhow::Result<Exit> {
    let host = Host::open_existing(&resume.data.dir)?;
    on(host, Some(&resume.data.dir), async |coordinator| {
        let coordinator = resume.patience.over(&coordinator);
        let began = SystemClock.now();
        let mut round = Round {
            coordinator: &coordinator,
            patience: resume.patience,
            format,
            agenda: BTreeSet::new(),
            tally: Tally::default(),
        };
        round.read()?;
        round.go().await?;
        round.close(began)
    })
}

/// A run and when it is due.
type Due = (Timestamp, TenantId, RunId);

/// How driving a run came to a rest.
type Rested = (TenantId, RunId, anyhow::Result<Option<Rest>>);

/// All open runs, once.
struct Round<'a> {
    coordinator: &'a Coordinator,
    patience: Patience,
    format: Format,
    agenda: BTreeSet<Due>,
    tally: Tally,
}

impl Round<'_> {
    /// Finds the open runs. Those that nothing but a person moves soon are told and left.
    fn read(&mut self) -> anyhow::Result<()> {
        let store = &**self.coordinator.store();
        let mut more = false;
        let tenants: BTreeSet<TenantId> = store.lanes()?.into_iter().map(|row| row.tenant).collect();
        for found in tenants.into_iter().flat_map(|tenant| open_runs(store, tenant)) {
            let (tenant, OpenRun { run, due }) = found?;
            let due = due.unwrap_or(Timestamp(0));
            if due > self.soon() {
                let stands = Journal::read(store, &tenant, run)?.replay()?;
                if self.patience.until(&stands).is_none() {
                    self.tally.add(&RunLine::of(None, &tenant, &stands), self.format)?;
                    continue;
                }
            }
            self.agenda.insert((due, tenant, run));
            if self.agenda.len() > AGENDA_MAX {
                self.agenda.pop_last();
                more = true;
            }
        }
        if more {
            remark(format_args!("more than {AGENDA_MAX} runs are open: resume again for those that are due last"))?;
        }
        Ok(())
    }

    async fn go(&mut self) -> anyhow::Result<()> {
        let mut under_way: FuturesUnordered<BoxFuture<'static, Rested>> = FuturesUnordered::new();
        loop {
            while under_way.len() < RUNS_MAX
                && let Some((tenant, run)) = self.next_due()
            {
                under_way.push(drive(self.coordinator.clone(), tenant, run).boxed());
            }
            let next = self.agenda.first().filter(|_| under_way.len() < RUNS_MAX).map(|(due, ..)| self.begins(*due));
            tokio::select! {
                Some((tenant, run, rest)) = under_way.next(), if !under_way.is_empty() => self.rested(tenant, run, rest)?,
                () = sleep_until(next.unwrap_or(Timestamp(0))), if next.is_some() => {}
                else => return Ok(()),
            }
        }
    }

    /// Takes the run that is due first, if it is due.
    fn next_due(&mut self) -> Option<(TenantId, RunId)> {
        let soon = self.soon();
        let (due, tenant, run) = self.agenda.pop_first()?;
        if due <= soon {
            return Some((tenant, run));
        }
        self.agenda.insert((due, tenant, run));
        None
    }

    /// A run that is due by then is driven, and waits where it is driven.
    fn soon(&self) -> Timestamp {
        SystemClock.now().plus(self.patience.rest_after())
    }

    /// When a run is driven that is due at `due`.
    fn begins(&self, due: Timestamp) -> Timestamp {
        Timestamp(due.0.saturating_sub(self.patience.rest_after().0))
    }

    fn rested(&mut self, tenant: TenantId, run: RunId, rest: anyhow::Result<Option<Rest>>) -> anyhow::Result<()> {
        let stands = match rest {
            // It ended between the list and here.
            Ok(None) => return Ok(()),
            Ok(Some(Rest::Ended(run) | Rest::Waiting(run))) => run,
            Err(error) => {
                self.tally.refuse();
                tell(&error.context(format!("{run} of tenant `{tenant}`")), self.format);
                return Ok(());
            }
        };
        match self.patience.until(&stands) {
            Some(until) => drop(self.agenda.insert((until, tenant, run))),
            None => self.tally.add(&RunLine::of(None, &tenant, &stands), self.format)?,
        }
        Ok(())
    }

    fn close(self, began: Timestamp) -> anyhow::Result<Exit> {
        if self.format == Format::Text && self.tally == Tally::default() {
            say("no run is open")?;
            return Ok(Exit::Done);
        }
        self.tally.close(SystemClock.now().since(began), self.format)?;
        Ok(self.tally.exit())
    }
}

async fn drive(coordinator: Coordinator, tenant: TenantId, run: RunId) -> Rested {
    let rest = async {
        let Some(driven) = coordinator.adopt(&tenant, run)? else { return Ok(None) };
        Ok(Some(driven.rests().await?))
    };
    let rest = rest.await;
    (tenant, run, rest)
}

/// The open runs of a tenant, page by page.
fn open_runs(store: &dyn Store, tenant: TenantId) -> impl Iterator<Item = Result<(TenantId, OpenRun), StoreError>> {
    let mut page = Vec::new().into_iter();
    let mut after = None;
    std::iter::from_fn(move || {
        if page.len() == 0 {
            match store.open_runs(&tenant, after, PAGE_LEN_MAX) {
                Ok(next) => page = next.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let open: OpenRun = page.next()?;
        after = Some(open.run);
        Some(Ok((tenant.clone(), open)))
    })
}
