//! Demands on runs, whether this process drives them, another did, or they have ended: each is judged by how the run stands, noted with
//! who made it, and told only when it is durable.

use super::driven::{Claim, Driven, Left};
use super::error::DriveError;
use super::mailbox::{DemandRefused, Demanded, Message};
use super::{Coordinator, lane::Lane};
use crate::store::writer::Position;
use amends_domain::decide::{Admission, Command, Unfit, admit, decide};
use amends_domain::event::{Author, Demand, Entry, Event, Resolvers};
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::{Phase, Run};
use tokio::sync::oneshot;

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

/// Where a demand on a run that nobody drove is queued.
struct Judged {
    run: Run,
    already: bool,
}

impl Coordinator {
    /// Demands something of a run. When this returns, what was noted is durable.
    ///
    /// Dropping the future leaves the demand admitted or not.
    ///
    /// # Errors
    /// [`DemandError`] says why it is refused; nothing was noted.
    pub async fn demand(&self, of: DemandOf) -> Result<Answered, DemandError> {
        if let Demand::Redrive { component: Some(component), .. } = &of.demand {
            // A component that this host does not have would leave the run where nobody can go on with it.
            self.parts.registry.component(*component).await?;
        }
        loop {
            match self.parts.under_way.of(&of.tenant, of.run) {
                Some(driven) => {
                    if let Some(answered) = tell(&driven, &of).await? {
                        self.parts.gate.leave(answered.position).await.map_err(DriveError::from)?;
                        return Ok(answer(answered.already, Some(driven)));
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

    /// None if somebody began to drive it meanwhile.
    async fn demand_of_resting(&self, of: &DemandOf) -> Result<Option<Answered>, DemandError> {
        let lane = self.parts.lanes.of(&of.tenant);
        let mut judged = None;
        let claim = self.parts.under_way.claim((&of.tenant, of.run), &self.parts.gate, |left| {
            let (found, position) = self.judge(&lane, of, left)?;
            judged = Some(found);
            Ok::<_, DemandError>(position)
        })?;
        let (Claim::Mine(right, driven), Some(Judged { run, already })) = (claim, judged) else { return Ok(None) };
        let position = driven.start();
        let open = !matches!(run.phase(), Phase::Ended(_));
        let driven = match of.then {
            Then::Drive if open => Some(self.drive(lane, run, Claim::Mine(right, driven))),
            Then::Drive | Then::Leave => {
                // The right is held until all is in the store, where the next one looks.
                self.parts.gate.leave(position).await.map_err(DriveError::from)?;
                drop(right);
                None
            }
        };
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        Ok(Some(answer(already, driven)))
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
        let admitted = admit(&run, of.demand.clone(), of.by.clone(), resolvers)?;
        let already = admitted == Admission::Already;
        if let Admission::Note(event) = admitted {
            note(&mut run, &mut noted, event)?;
            follow(&mut run, &mut noted)?;
        }
        let position = if noted.is_empty() { Position::default() } else { lane.append_run(&run, noted) };
        Ok((Judged { run, already }, position))
    }
}

/// The facts to be noted, if that is what is to be done.
fn facts(orders: Vec<Command>) -> Option<Vec<Event>> {
    let facts: Option<Vec<Event>> =
        orders.into_iter().map(|order| if let Command::Record(event) = order { Some(event) } else { None }).collect();
    facts.filter(|facts| !facts.is_empty())
}

/// Says it to whoever drives the run; none if that came to rest before it heard.
async fn tell(driven: &Driven, of: &DemandOf) -> Result<Option<Demanded>, DemandError> {
    let (answer, answered) = oneshot::channel();
    let message = Message::Demand { demand: of.demand.clone(), by: of.by.clone(), answer };
    if driven.driver().send(message).await.is_err() {
        return Ok(None);
    }
    match answered.await {
        Ok(Ok(demanded)) => Ok(Some(demanded)),
        Ok(Err(DemandRefused::Unfit(unfit))) => Err(unfit.into()),
        Ok(Err(DemandRefused::Host(error))) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn answer(already: bool, driven: Option<Driven>) -> Answered {
    if already { Answered::Already(driven) } else { Answered::Noted(driven) }
}
