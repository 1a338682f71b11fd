//! Demands on runs, whether this process drives them, another did, or they have ended: each is judged by how the run stands, noted with
//! who made it, and told only when it is durable.

use super::driven::{Claim, DriveRight, Driven, Left, Rest, Whose};
use super::error::DriveError;
use super::mailbox::{DemandRefused, Demanded, Message, ask};
use super::{Coordinator, lane::Lane};
use crate::store::writer::Position;
use amends_domain::decide::{Admission, Command, Unfit, admit, decide};
use amends_domain::event::{Author, Demand, Entry, Event, Resolvers};
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::{Phase, Run};
use std::sync::Arc;

/// What is demanded of which run.
#[derive(Debug, Clone)]
pub struct DemandOf {
    /// Whose run.
    pub tenant: TenantId,
    /// Which.
    pub run: RunId,
    /// What.
    pub demand: Demand,
    /// By whom and why.
    pub by: Author,
    /// Whether this process goes on with the run.
    pub then: Then,
}

/// What follows an admitted demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The run is driven on.
    Drive,
    /// It is left as it is: whoever finds it next goes on with it.
    Leave,
}

/// What became of a demand.
#[derive(Debug)]
pub enum Answered {
    /// It is noted.
    Noted(Option<Driven>),
    /// It was so already; nothing was noted.
    Already(Option<Driven>),
}

/// Why a demand is refused.
#[derive(Debug, thiserror::Error)]
pub enum DemandError {
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// It does not fit the run as it stands.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

/// What became of a demand on a run that nobody drove.
struct Judged {
    run: Run,
    said: Result<Said, Unfit>,
}

/// How a demand was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Noted,
    Already,
}

impl Coordinator {
    /// Demands something of a run. When this returns, what was noted is durable.
    ///
    /// Dropping the future leaves the demand admitted or not.
    ///
    /// # Errors
    /// [`DemandError`] says why it is refused; nothing was noted of it. What it says of the run is durable.
    pub async fn demand(&self, of: DemandOf) -> Result<Answered, DemandError> {
        if let Demand::Redrive { step, component: Some(component) } = &of.demand {
            self.check_own(&of, *step, *component)?;
            // A component that this host does not have would leave the run where nobody can go on with it.
            self.parts.registry.component(*component).await?;
        }
        let whose = Whose { tenant: of.tenant.clone(), run: of.run };
        loop {
            match self.parts.under_way.of(&whose) {
                Some(driven) => {
                    if let Some(told) = tell(&driven, &of).await {
                        return self.told(told, driven).await;
                    }
                    // It came to rest before it heard: it is found in the store then. Why it rests does not matter here.
                    let _ = driven.rests().await;
                }
                None => {
                    if let Some(answered) = self.demand_of_resting(&of).await? {
                        return Ok(answered);
                    }
                }
            }
        }
    }

    /// Says how many people it takes to settle a dead letter of the tenant from now on.
    ///
    /// # Errors
    /// [`DriveError`] if it is not known whether that is durable.
    pub async fn set_resolvers(&self, tenant: &TenantId, resolvers: Resolvers, by: String) -> Result<(), DriveError> {
        let lane = self.parts.lanes.of(tenant);
        if let Some(position) = lane.set_resolvers(resolvers, by, self.parts.clock.now())? {
            self.parts.gate.leave(position).await?;
        }
        Ok(())
    }

    /// What the driver says, when all that it goes by is durable: a refusal names a state, too.
    async fn told(&self, told: Result<Demanded, DemandRefused>, driven: Driven) -> Result<Answered, DemandError> {
        let position = match &told {
            Ok(Demanded { position, .. }) | Err(DemandRefused::Unfit(_, position)) => *position,
            Err(DemandRefused::Host(_)) => Position::default(),
        };
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        match told {
            Ok(demanded) => Ok(answer(demanded.already, Some(driven))),
            Err(DemandRefused::Unfit(unfit, _)) => Err(unfit.into()),
            Err(DemandRefused::Host(error)) => Err(error.into()),
        }
    }

    /// None if somebody began to drive it meanwhile.
    async fn demand_of_resting(&self, of: &DemandOf) -> Result<Option<Answered>, DemandError> {
        let lane = self.parts.lanes.of(&of.tenant);
        let mut judged = None;
        let whose = Whose { tenant: of.tenant.clone(), run: of.run };
        let claim = self.parts.under_way.claim(whose, &self.parts.gate, |left| {
            let (found, position) = self.judge(&lane, of, left)?;
            judged = Some(found);
            Ok::<_, DemandError>(position)
        })?;
        let (Claim::Mine(right, driven), Some(Judged { run, said })) = (claim, judged) else { return Ok(None) };
        let position = driven.start();
        let open = !matches!(run.phase(), Phase::Ended(_));
        let driven = match of.then {
            Then::Drive if open && said.is_ok() => Some(self.drive(lane, run, Claim::Mine(right, driven))),
            Then::Drive | Then::Leave => {
                self.leave(run, right, position).await;
                None
            }
        };
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        Ok(Some(answer(said? == Said::Already, driven)))
    }

    /// Holds the right to drive a run until all that was noted of it is in the store, where the next one looks; also if whoever asked does
    /// not wait so long. Who has joined in waiting for the run hears how it was left.
    pub(super) async fn leave(&self, run: Run, right: DriveRight, position: Position) {
        let parts = Arc::clone(&self.parts);
        let left = self.parts.guests.spawn(async move {
            let durable = parts.gate.leave(position).await;
            let rest = if matches!(run.phase(), Phase::Ended(_)) { Rest::Ended(run) } else { Rest::Waiting(run) };
            right.end(durable.map(|()| rest).map_err(DriveError::from), Left::Resting, parts.clock.now());
        });
        // It fails only if the runtime ends: then nobody hears anything.
        let _ = left.await;
    }

    /// Reads a run that nobody drives, brings it up to now, judges the demand and notes it all.
    fn judge(&self, lane: &Lane, of: &DemandOf, left: Left) -> Result<(Judged, Position), DemandError> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let journal = store.journal(&of.tenant, of.run).map_err(DriveError::from)?.ok_or(DemandError::UnknownRun(of.run))?;
        let mut run = self.replay(&of.tenant, of.run, &journal)?;
        let mut noted = Vec::new();
        let note = |run: &mut Run, noted: &mut Vec<Entry>, event| {
            let entry = Entry { at: now, event };
            run.apply(&entry).map_err(DriveError::Misfit)?;
            noted.push(entry);
            Ok::<_, DriveError>(())
        };
        if left == Left::Unknown && !matches!(run.phase(), Phase::Ended(_)) {
            note(&mut run, &mut noted, Event::Adopted)?;
        }
        let follow = |run: &mut Run, noted: &mut Vec<Entry>| {
            while let Some(facts) = facts(decide(run, now)) {
                for event in facts {
                    note(run, noted, event)?;
                }
            }
            Ok::<_, DriveError>(())
        };
        follow(&mut run, &mut noted)?;
        let resolvers = lane.resolvers().map_err(DriveError::from)?;
        let said = match admit(&run, of.demand.clone(), of.by.clone(), resolvers) {
            Ok(Admission::Note(event)) => {
                note(&mut run, &mut noted, event)?;
                follow(&mut run, &mut noted)?;
                Ok(Said::Noted)
            }
            Ok(Admission::Already) => Ok(Said::Already),
            // It names how the run stands: what was found out about that is noted like any other fact. If nothing was, the run is left as
            // it was found.
            Err(unfit) if noted.is_empty() => return Err(unfit.into()),
            Err(unfit) => Err(unfit),
        };
        let position = if noted.is_empty() { Position::default() } else { lane.append_run(&run, noted) };
        Ok((Judged { run, said }, position))
    }
}

/// The facts to be noted, if that is what is to be done.
fn facts(orders: Vec<Command>) -> Option<Vec<Event>> {
    let facts: Option<Vec<Event>> =
        orders.into_iter().map(|order| if let Command::Record(event) = order { Some(event) } else { None }).collect();
    facts.filter(|facts| !facts.is_empty())
}

/// Says it to whoever drives the run; none if that came to rest before it heard.
async fn tell(driven: &Driven, of: &DemandOf) -> Option<Result<Demanded, DemandRefused>> {
    ask(driven.driver(), |answer| Message::Demand { demand: of.demand.clone(), by: of.by.clone(), answer }).await
}

fn answer(already: bool, driven: Option<Driven>) -> Answered {
    if already { Answered::Already(driven) } else { Answered::Noted(driven) }
}
