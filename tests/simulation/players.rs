//! Those who want something of the host: clients who start runs, an operator who changes things beside them, and whoever waits for the
//! end of a run. What they are told is checked when they hear it.

use crate::invariants::{Checked, Invariant, Violation, broken, hold, liveness, replay, told};
use crate::plants::Plant;
use crate::stage::{Play, Stage};
use crate::tidy::may_be_gone;
use amends::coordinator::{Coordinator, DriveError, Driven, Rest, StartError, StartRun, StartedRun};
use amends_domain::event::{Author, Demand, Resolvers};
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run};
use amends_domain::time::{Span, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What they remember.
#[derive(Default)]
pub(crate) struct Crowd {
    pub(crate) starts: Vec<Start>,
    /// Who watches a run: the last one who began to.
    watchers: BTreeMap<RunId, u64>,
    /// Demands that were made, to be made again.
    pub(crate) made: Vec<(TenantId, RunId, Demand, Author)>,
    /// Runs that may have been left with something to do, by a demand that was refused or that said so: who waited for one hears so.
    pub(crate) left: BTreeSet<RunId>,
}

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) tenant: TenantId,
    pub(crate) saga: SagaName,
    pub(crate) input: Value,
    pub(crate) key: Option<String>,
    /// How long after it is asked for it begins.
    pub(crate) begin: Option<Span>,
    /// How long after a life began it is asked for.
    pub(crate) at_ms: u64,
    pub(crate) heard: Heard,
}

/// What the client has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It has not asked.
    Nothing,
    /// It has asked and was not answered.
    Silence,
    /// An answer.
    Answer,
}

/// A host, as people see it.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) stage: Arc<Stage>,
    pub(crate) coordinator: Coordinator,
}

impl Host {
    /// Starts what is wanted and was not asked for, or asked for with a key and not answered.
    pub(crate) fn start_clients(&self) -> Vec<JoinHandle<()>> {
        let wanted = self.stage.act(|play| {
            let wants = |start: &Start| match start.heard {
                Heard::Nothing => true,
                Heard::Silence => start.key.is_some(),
                Heard::Answer => false,
            };
            let wanted = play.crowd.starts.iter().enumerate().filter(|(_, start)| wants(start));
            wanted.map(|(at, start)| (at, start.clone())).collect::<Vec<_>>()
        });
        let client = |(at, start)| {
            let host = self.clone();
            tokio::spawn(async move { host.client(at, start).await })
        };
        wanted.into_iter().map(client).collect()
    }

    async fn client(self, at: usize, start: Start) {
        sleep(Duration::from_millis(start.at_ms)).await;
        self.stage.act(|play| play.crowd.starts[at].heard = Heard::Silence);
        let patience = self.stage.act(Play::any_patience);
        let Ok(answered) = timeout(patience, self.start(&start)).await else {
            return self.count("start: nobody waited for the answer");
        };
        if let Some(answered) = answered {
            self.hear(|play| {
                play.crowd.starts[at].heard = Heard::Answer;
                answered
            });
        }
    }

    /// Starts a run. None if the host could not say.
    async fn start(&self, start: &Start) -> Option<Checked> {
        let (tenant, saga) = (start.tenant.clone(), start.saga.clone());
        let now = self.stage.act(|play| play.now_ms());
        let begin = start.begin.map(|span| Timestamp(now).plus(span));
        let wanted = StartRun {
            version: None,
            tenant,
            saga,
            input: Payload::from(&start.input),
            key: start.key.clone(),
            begin,
            parent: None,
        };
        match self.coordinator.start(wanted).await {
            Ok(StartedRun::New(driven)) => {
                if !self.stage.act(|play| play.is_planted(Plant::TellsEarly)) {
                    driven.accepted().await.ok()?;
                }
                let run = driven.run;
                self.watch(&start.tenant, driven);
                Some(self.told_of(run, start, Same::Yes))
            }
            Ok(StartedRun::Existing(run)) => {
                self.count("start: key repeated");
                Some(self.told_of(run, start, Same::Yes))
            }
            Err(StartError::KeyReused(run)) => {
                self.count("start: key reused");
                Some(self.told_of(run, start, Same::No))
            }
            Err(StartError::Host(error)) => {
                self.failed(&error);
                None
            }
            Err(error) => Some(broken(Invariant::Told, format!("a run was refused: {error}"))),
        }
    }

    /// A run that a client is told of, and whether it is the one that it wants.
    fn told_of(&self, run: RunId, start: &Start, same: Same) -> Checked {
        self.stage.act(|play| {
            if play.books.is_uncertain() {
                return Ok(());
            }
            let book = told::run(&play.books, run)?;
            let is_same = book.started.saga == start.saga && book.started.input == Payload::from(&start.input);
            let right = book.tenant == start.tenant && is_same == (same == Same::Yes) && book.started.key == start.key;
            hold(right, Invariant::Told, || format!("{run} was told of to who wants {start:?}"))
        })
    }

    /// Somebody hears something, if the host still lives.
    pub(crate) fn hear(&self, hear: impl FnOnce(&mut Play) -> Checked) {
        if !self.stage.is_over() {
            self.stage.act(|play| {
                let checked = hear(play);
                play.check(checked);
            });
        }
    }

    pub(crate) fn count(&self, what: &str) {
        self.stage.act(|play| play.coverage.count(what));
    }

    /// The host could not do something: that is right only if something failed.
    pub(crate) fn failed(&self, error: &impl Display) {
        let error = error.to_string();
        self.hear(|play| {
            play.coverage.count("host failed");
            let why = ["told to fail", "the power is gone"].iter().any(|why| error.contains(why));
            hold(why, Invariant::Liveness, || format!("the host fails by itself: {error}"))
        });
    }

    /// Waits for the end of a run, and has it go on when it is due.
    pub(crate) fn watch(&self, tenant: &TenantId, driven: Driven) {
        let (host, tenant, run) = (self.clone(), tenant.clone(), driven.run);
        let mine = self.stage.act(|play| play.crowd.watch(run));
        tokio::spawn(async move {
            let mut driven = driven;
            loop {
                let rest = driven.rests().await;
                let Some(pause) = host.rested(run, rest) else { return };
                sleep(pause).await;
                if host.stage.act(|play| play.crowd.watchers.get(&run) != Some(&mine)) {
                    return;
                }
                match host.adopt(&tenant, run).await {
                    Some(again) => driven = again,
                    None => return,
                }
            }
        });
    }

    /// What follows from how a run rests: how long until it is due; none if nothing follows.
    fn rested(&self, run: RunId, rest: Result<Rest, DriveError>) -> Option<Duration> {
        match rest {
            Ok(rest) => {
                self.hear(|play| play.hears_of(run, &rest));
                match rest {
                    Rest::Ended(_) => None,
                    Rest::Waiting(run) => self.until_due(&run),
                }
            }
            Err(error) if self.stage.act(|play| may_be_gone(&play.books, run, &error.to_string())) => None,
            Err(error) => {
                self.count("driver failed");
                self.failed(&error);
                Some(Duration::from_millis(self.stage.act(|play| play.dice.below(200))))
            }
        }
    }

    fn until_due(&self, run: &Run) -> Option<Duration> {
        match run.head().due {
            Some(Timestamp(u64::MAX)) => None,
            Some(due) => Some(due.since(Timestamp(self.stage.act(|play| play.now_ms()))).to_std()),
            None => Some(Duration::ZERO),
        }
    }

    /// Goes on with a run, if it is open.
    pub(crate) async fn adopt(&self, tenant: &TenantId, run: RunId) -> Option<Driven> {
        while !self.stage.is_over() {
            match self.coordinator.adopt(tenant, run) {
                Ok(driven) => return driven,
                Err(error) => self.failed(&error),
            }
            sleep(Duration::from_millis(self.stage.act(|play| 1 + play.dice.below(50)))).await;
        }
        None
    }

    /// Goes on with every run that the store lists as open.
    pub(crate) async fn adopt_all(&self, tenants: &[TenantId]) {
        for (tenant, run) in self.open_runs(tenants) {
            if self.stage.act(|play| play.dice.hits(20)) {
                sleep(Duration::from_millis(self.stage.act(|play| play.dice.below(20)))).await;
            }
            if let Some(driven) = self.adopt(&tenant, run).await {
                self.watch(&tenant, driven);
            }
        }
    }

    /// Every run that the store lists as open.
    pub(crate) fn open_runs(&self, tenants: &[TenantId]) -> Vec<(TenantId, RunId)> {
        let open = tenants.iter().flat_map(|tenant| {
            let open = self.coordinator.store().open_runs(tenant, None, 1000).expect("the disk reads");
            open.into_iter().map(|open| (tenant.clone(), open.run))
        });
        open.collect()
    }

    /// Changes something beside the runs.
    pub(crate) async fn operate(&self, tenant: &TenantId) {
        let what = self.stage.act(|play| play.dice.below(3));
        let done = match what {
            0 => {
                let rate = json!({ "rate": self.stage.act(|play| play.dice.below(100)), "of": tenant.as_str() });
                self.count("state written from outside");
                self.coordinator
                    .write_state(tenant, vec![(RATE.to_owned(), Some(Payload::from(&rate)))])
                    .await
                    .map_err(|error| error.to_string())
            }
            1 => {
                let resolvers = self.stage.act(|play| *play.dice.one(&[Resolvers::One, Resolvers::Two]));
                self.coordinator.set_resolvers(tenant, resolvers, "op".to_owned()).await.map_err(|error| error.to_string())
            }
            _ => {
                let saga = self.stage.act(|play| play.books.any_saga(&mut play.dice, tenant));
                self.coordinator.apply(tenant, &saga.definition).map(drop).map_err(|error| error.to_string())
            }
        };
        if let Err(error) = done {
            self.failed(&error);
        }
    }
}

/// What people write into the state.
pub(crate) const RATE: &str = "rate";

/// Whether a run is the one that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Same {
    Yes,
    No,
}

impl Crowd {
    pub(crate) fn new(starts: Vec<Start>) -> Self {
        Self { starts, ..Self::default() }
    }

    fn watch(&mut self, run: RunId) -> u64 {
        let watcher = self.watchers.entry(run).or_default();
        *watcher += 1;
        *watcher
    }
}

impl Play {
    /// Somebody hears how a run rests.
    fn hears_of(&mut self, run: RunId, rest: &Rest) -> Result<(), Violation> {
        let book = told::run(&self.books, run)?;
        match rest {
            Rest::Ended(live) => {
                let Phase::Ended(ended) = live.phase() else {
                    return broken(Invariant::Told, format!("{run} was told to have ended, and has not"));
                };
                told::outcome(book, ended.outcome)?;
                replay::live(book, live)
            }
            Rest::Waiting(live) => {
                replay::live(book, live)?;
                let is_newest = book.replayed == *live;
                let now = Timestamp(self.now_ms());
                let was_left = live.head().due.is_none_or(|due| due <= now) && self.crowd.left.contains(&run);
                if is_newest && !was_left {
                    liveness::rests(book, now)?;
                }
                self.coverage.count("run rests");
                Ok(())
            }
        }
    }
}
