//! Drives runs: the only place where store, sandbox and clock meet. A run enters as a journal, new or found after a crash: the same way.

mod ahead;
mod allowance;
mod attempts;
mod correct;
mod demand;
mod drain;
mod driven;
mod error;
mod executor;
mod gate;
mod grants;
mod guests;
mod health;
mod install;
mod lane;
mod lanes;
mod mailbox;
mod measured;
mod news;
mod places;
mod publish;
mod registry;
mod retention;
mod schedule;
mod scheduler;
mod secrets;
mod slices;
mod state;
mod telling;
mod tenants;
mod traced;
mod usage;
mod webhooks;

pub use allowance::Follower;
pub use correct::{CorrectError, Correction};
pub use demand::{Answered, DemandError, DemandOf, Then};
pub use driven::{Driven, Rest};
pub use error::{DriveError, InstallError, KeepError, StartError};
pub use grants::GrantRefused;
pub use guests::{Guest, Guests};
pub use health::{Holds, KeepWatch, PartReport};
pub use install::Applied;
pub use publish::PublishError;
pub use registry::Installed;
pub use retention::Removed;
pub use schedule::Pauses;
pub use scheduler::KeepDriving;
pub use secrets::{SECRET_LEN_MAX, SecretRefused};
pub use telling::{Of, OtherLane, Reader};
pub use tenants::{AlterError, HOST_TENANT, host_tenant};
pub use webhooks::{LastDelivery, Sending, WebhookChange, WebhookRefused, WebhookStatus, WebhookWish};

use crate::clock::Clock;
use crate::store::writer::{Position, Writer, WriterError};
use crate::store::{SagaRow, Store, StoreError};
use crate::telemetry::Metrics;
use crate::vault::Vault;
use amends_domain::event::{Entry, Event, Started, TraceParent};
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload};
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use drain::Going;
use driven::{Claim, Left, UnderWay, Whose};
use executor::{Executor, Place};
use gate::Gate;
use health::Health;
use lane::{NewRun, StartedBefore, Wanted};
use lanes::Lanes;
use measured::Counting;
use news::News;
use registry::Registry;
use slices::Slices;
use std::sync::Arc;
use tenants::Book;
use tokio::runtime::Handle;
use tokio::sync::watch;
use traced::Outcomes;
use webhooks::Board;

/// After so many repeats because of other runs, an attempt counts as failed: `unavailable`, code `state_conflict`.
const CONFLICTS_MAX: u32 = 100;

/// Furthest ahead that the beginning of a run may lie: ten years.
pub const BEGIN_MAX: Span = Span(3650 * 24 * 3_600_000);

/// Longest idempotency key of a start, in bytes.
pub const START_KEY_LEN_MAX: usize = 255;

/// A run that has nothing to do for longer than this is put aside, so that it costs no task and no memory.
pub const REST_AFTER: Span = Span(60_000);

/// Everything that a run needs to be driven. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator {
    parts: Arc<Parts>,
    rest_after: Span,
}

struct Parts {
    store: Arc<dyn Store>,
    writer: Arc<Writer>,
    components: Arc<dyn Guests>,
    clock: Arc<dyn Clock>,
    lanes: Lanes,
    book: Book,
    registry: Registry,
    gate: Gate,
    under_way: UnderWay,
    /// None: nobody said with which key secrets are sealed.
    vault: Option<Vault>,
    /// Where guests run: not where requests are answered, so that a looping guest starves nobody.
    guests: Handle,
    /// Who of those who want to computes there next.
    slices: Slices,
    /// Whether runs go on: who drives one looks here.
    going: watch::Sender<Going>,
    metrics: Arc<Metrics>,
    health: Health,
    outcomes: Arc<Outcomes>,
    /// Who looks at what becomes durable.
    counting: Arc<Counting>,
    news: Arc<News>,
    /// How what is sent to webhooks fares.
    board: Board,
}

/// A run to be started.
#[derive(Debug, Clone)]
pub struct StartRun {
    /// Whose.
    pub tenant: TenantId,
    /// Of which saga.
    pub saga: SagaName,
    /// Of which version of it; none: the newest.
    pub version: Option<u32>,
    /// JSON, at most [`PAYLOAD_LEN_MAX`] bytes.
    pub input: Payload,
    /// The same key and input again give the same run.
    pub key: Option<String>,
    /// The span in somebody else's trace that the start is a part of. No part of what makes a start the same again.
    pub parent: Option<TraceParent>,
    /// It does nothing before this instant; none: it begins at once.
    pub begin: Option<Timestamp>,
}

/// A run that was accepted and that nobody drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedRun {
    /// A new one.
    New(RunId),
    /// The key was used before with the same input: this is that run.
    Existing(RunId),
}

/// What starting a run gave.
#[derive(Debug)]
pub enum StartedRun {
    /// A new run, driven from now on.
    New(Driven),
    /// The key was used before with the same input: this is that run. It may be open and undriven; see [`Coordinator::adopt`].
    Existing(RunId),
}

impl Coordinator {
    /// A coordinator over a store that nobody else writes to.
    ///
    /// # Errors
    /// What the store says.
    pub fn new(
        store: Arc<dyn Store>,
        components: Arc<dyn Guests>,
        clock: Arc<dyn Clock>,
        guests: Handle,
    ) -> Result<Self, StoreError> {
        let writer = Writer::start(Arc::clone(&store))?;
        Self::over(writer, store, components, clock, guests)
    }

    /// A coordinator over a store and the only writer to it.
    ///
    /// # Errors
    /// What the store says.
    pub fn over(
        writer: Writer,
        store: Arc<dyn Store>,
        components: Arc<dyn Guests>,
        clock: Arc<dyn Clock>,
        guests: Handle,
    ) -> Result<Self, StoreError> {
        let writer = Arc::new(writer);
        let lanes = Lanes::load(Arc::clone(&store), Arc::clone(&writer), Arc::clone(&clock))?;
        let book = Book::of(&lanes);
        let registry = Registry::new(Arc::clone(&store), Arc::clone(&components));
        let gate = Gate::new(Arc::clone(&writer));
        let under_way = UnderWay::default();
        let slices = Slices::of(&guests, Arc::clone(&components));
        let (outcomes, news) = (Arc::default(), Arc::default());
        let counting = Arc::new(Counting::new(&outcomes, &news));
        writer.witnessed_by(Arc::<Counting>::clone(&counting));
        let parts = Parts {
            store,
            writer,
            components,
            clock,
            lanes,
            book,
            registry,
            gate,
            under_way,
            vault: None,
            slices,
            going: watch::Sender::new(Going::On),
            guests,
            metrics: Arc::default(),
            health: Health::default(),
            outcomes,
            counting,
            news,
            board: Board::default(),
        };
        Ok(Self { parts: Arc::new(parts), rest_after: REST_AFTER })
    }

    /// The same coordinator; a run that begins to be driven through this handle is put aside when it has nothing to do for longer than
    /// `span`.
    #[must_use]
    pub fn resting_after(&self, span: Span) -> Self {
        Self { parts: Arc::clone(&self.parts), rest_after: span }
    }

    /// The store, for reading: what it shows is durable.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.parts.store
    }

    /// Waits until nothing becomes durable any more; for ever if that never happens. Then the process should end. Dropping the future is safe.
    pub async fn failed(&self) -> WriterError {
        self.parts.writer.failed().await
    }

    /// Writes values into the tenant's state from outside any run; none removes the key.
    ///
    /// # Errors
    /// [`KeepError`]; nothing was written, unless it says that this is not known.
    pub async fn write_state(&self, tenant: &TenantId, values: Vec<(String, Option<Payload>)>) -> Result<(), KeepError> {
        let position = self.parts.lanes.of(tenant).write_state(values, self.parts.clock.now())?;
        Ok(self.parts.gate.leave(position).await.map_err(DriveError::from)?)
    }

    /// Starts a run of the newest version of a saga and drives it. A new run is not durable yet when this returns; one that there was
    /// before is.
    ///
    /// Dropping the future starts nothing, or leaves the run being driven.
    ///
    /// # Errors
    /// [`StartError`] says why there is no such run; nothing was written.
    pub async fn start(&self, start: StartRun) -> Result<StartedRun, StartError> {
        let lane = self.parts.lanes.of(&start.tenant);
        Ok(match self.begin(&lane, start).await? {
            Ok((run, claim)) => StartedRun::New(self.drive(lane, run, claim)),
            Err(before) => StartedRun::Existing(self.started_before(before).await?),
        })
    }

    /// Starts a run and leaves it as it is: whoever finds it next drives it. When this returns, its start is durable.
    ///
    /// Dropping the future leaves it started or not.
    ///
    /// # Errors
    /// As [`Coordinator::start`].
    pub async fn accept(&self, start: StartRun) -> Result<AcceptedRun, StartError> {
        let lane = self.parts.lanes.of(&start.tenant);
        match self.begin(&lane, start).await? {
            Ok((run, claim)) => {
                let id = run.id();
                match claim {
                    Claim::Mine(right, driven) => {
                        self.leave(run, right, driven.start()).await;
                        driven.accepted().await?;
                    }
                    Claim::Taken(driven) => driven.accepted().await?,
                }
                Ok(AcceptedRun::New(id))
            }
            Err(before) => Ok(AcceptedRun::Existing(self.started_before(before).await?)),
        }
    }

    /// Queues the start of a run, or finds the one that was started with its key.
    async fn begin(&self, lane: &Arc<lane::Lane>, start: StartRun) -> Result<Result<(Run, Claim), StartedBefore>, StartError> {
        check_start(&start)?;
        if *self.parts.going.borrow() != Going::On {
            return Err(StartError::Draining);
        }
        let parts = &self.parts;
        self.has_room()?;
        parts.writer.room().await.map_err(DriveError::from)?;
        let begun = self.begin_in(lane, start).await;
        if let Err(StartError::TenantSuspended | StartError::TenantDeleted) = &begun {
            // Nobody is told how the tenant stands before that is durable.
            parts.gate.settle().await.map_err(DriveError::from)?;
        }
        begun
    }

    async fn begin_in(&self, lane: &Arc<lane::Lane>, start: StartRun) -> Result<Result<(Run, Claim), StartedBefore>, StartError> {
        let parts = &self.parts;
        lane.is_open()?;
        let row = self.version(lane, &start.saga, start.version).await?;
        let definition = parts.registry.definition(&start.tenant, row.definition)?;
        let mut components = Vec::new();
        for plugin in registry::plugins(&definition) {
            let digest = lane.plugin(&plugin)?.ok_or_else(|| StartError::UnknownPlugin(plugin.clone()))?;
            parts.registry.component(digest).await?;
            components.push((plugin, digest));
        }
        let StartRun { tenant: _, saga, version: asked, input, key, parent, begin } = start;
        let started = Arc::new(Started { saga, version: row.version, definition: row.definition, components, input, key, parent });
        let (id, at) = (parts.clock.run_id(), parts.clock.now());
        let mut run = Run::new(id, definition, Arc::clone(&started), at);
        if let Some(until) = begin.filter(|begin| *begin > at) {
            if until.since(at) > BEGIN_MAX {
                return Err(StartError::BeginTooLate(until));
            }
            run.apply(&Entry { at, event: Event::Delayed { until } }).expect("a run that has just been accepted can be delayed");
        }
        let whose = Whose { tenant: lane.tenant().clone(), run: id };
        let claimed = parts.under_way.claim(whose, &parts.gate, |_| match lane.start(&run, asked) {
            Ok(NewRun::At(position)) => Ok(position),
            Ok(NewRun::Before(before)) => Err(Ok(before)),
            Err(error) => Err(Err(error)),
        });
        match claimed {
            Ok(claim) => Ok(Ok((run, claim))),
            Err(Ok(before)) => Ok(Err(before)),
            Err(Err(error)) => Err(error),
        }
    }

    /// The version that is asked for; none: the newest.
    async fn version(&self, lane: &lane::Lane, saga: &SagaName, asked: Option<u32>) -> Result<SagaRow, StartError> {
        let newest = lane.saga(saga)?.ok_or_else(|| StartError::UnknownSaga(saga.clone()))?;
        let Some(version) = asked.filter(|asked| *asked != newest.version) else { return Ok(newest) };
        if version < newest.version {
            // Only the newest is known ahead of the disk: another one may be on its way there.
            self.parts.gate.settle().await.map_err(DriveError::from)?;
        }
        let found = self.parts.store.saga_version(lane.tenant(), saga, version)?;
        found.ok_or_else(|| StartError::UnknownVersion { saga: saga.clone(), version, newest: newest.version })
    }

    /// The run that has the key, if it is the same that is wanted now: told when its start is durable, and so is that it is another.
    async fn started_before(&self, before: StartedBefore) -> Result<RunId, StartError> {
        self.parts.gate.leave(before.start).await.map_err(DriveError::from)?;
        match before.wanted {
            Wanted::Same => Ok(before.run),
            Wanted::Other => Err(StartError::KeyReused(before.run)),
        }
    }

    /// Goes on with a run that is open in the store, or joins in waiting for it if it is driven already. None if there is no such run
    /// or it has ended.
    ///
    /// # Errors
    /// [`DriveError`] if its journal cannot be read or does not make sense.
    pub fn adopt(&self, tenant: &TenantId, run: RunId) -> Result<Option<Driven>, DriveError> {
        let parts = &self.parts;
        let lane = parts.lanes.of(tenant);
        let mut found = None;
        // Read under the claim: nobody else can have brought the run further meanwhile.
        let whose = Whose { tenant: tenant.clone(), run };
        let claimed = parts.under_way.claim(whose, &parts.gate, |left| {
            let mut run = self.open_run(tenant, run).map_err(Some)?.ok_or(None)?;
            let mut position = Position::default();
            if left == Left::Unknown {
                let adopted = Entry { at: parts.clock.now(), event: Event::Adopted };
                run.apply(&adopted).map_err(|misfit| Some(DriveError::Misfit(misfit)))?;
                position = lane.append_run(&run, vec![adopted]);
            }
            found = Some(run);
            Ok(position)
        });
        match (claimed, found) {
            (Ok(Claim::Taken(driven)), _) => Ok(Some(driven)),
            (Ok(claim), Some(run)) => Ok(Some(self.drive(lane, run, claim))),
            (Ok(Claim::Mine(..)), None) | (Err(None), _) => Ok(None),
            (Err(Some(error)), _) => Err(error),
        }
    }

    fn open_run(&self, tenant: &TenantId, run: RunId) -> Result<Option<Run>, DriveError> {
        let Some(journal) = self.parts.store.journal(tenant, run)? else { return Ok(None) };
        let run = self.replay(tenant, run, &journal)?;
        Ok(run.head().ended.is_none().then_some(run))
    }

    /// The run that a journal tells of.
    ///
    /// # Errors
    /// [`DriveError`] if its definition is not there or a fact does not fit.
    pub fn replay(&self, tenant: &TenantId, run: RunId, journal: &[Entry]) -> Result<Run, DriveError> {
        let Some(Event::Started(started)) = journal.first().map(|entry| &entry.event) else {
            return Err(DriveError::NotAJournal(run));
        };
        let definition = self.parts.registry.definition(tenant, started.definition)?;
        Run::of_journal(run, definition, journal).map_err(DriveError::Misfit)
    }

    fn drive(&self, lane: Arc<lane::Lane>, run: Run, claim: Claim) -> Driven {
        match claim {
            Claim::Taken(driven) => driven,
            Claim::Mine(mut right, driven) => {
                let (sender, mailbox) = right.mailbox();
                let place = Place { parts: Arc::clone(&self.parts), lane, rest_after: self.rest_after };
                let executor = Executor::new(place, run, driven.start(), sender, mailbox);
                let slices = &self.parts.slices;
                let (claimant, clock) = (executor.claimant(), Arc::clone(&self.parts.clock));
                self.parts.guests.spawn(slices.share(claimant, async move {
                    let (rest, left) = executor.drive().await;
                    right.end(rest, left, clock.now());
                }));
                driven
            }
        }
    }

    /// Makes everything durable and lets go of the store. Runs that are still driven stop being so.
    ///
    /// # Errors
    /// If it is not known whether everything is durable.
    pub fn close(&self) -> Result<(), WriterError> {
        // Nothing is lost without it: what webhooks were sent is sent again.
        self.keep_cursors();
        self.parts.writer.close()
    }
}

fn check_start(start: &StartRun) -> Result<(), StartError> {
    if start.input.len() > PAYLOAD_LEN_MAX {
        return Err(StartError::InputTooLong(start.input.len()));
    }
    start.input.json().map_err(StartError::InputNotJson)?;
    match &start.key {
        Some(key) if key.is_empty() || key.len() > START_KEY_LEN_MAX => Err(StartError::KeyLength(key.len())),
        _ => Ok(()),
    }
}
