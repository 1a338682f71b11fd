//! `POST …/runs/{run}/…`: what people demand of a run. Whether it fits is decided below; it is told when it is durable.

use super::{id, stored};
use crate::api::Api;
use crate::api::asked::Path;
use crate::api::auth::Caller;
use crate::api::body::Given;
use crate::api::problem::Problem;
use crate::coordinator::{Answered, DemandOf, Then};
use crate::view::{Kind, StandsView};
use amends_domain::access::Action;
use amends_domain::definition::Definition;
use amends_domain::event::{Author, Demand, InFlight};
use amends_domain::id::{RunId, SignalName, StepId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Why, and what makes it safe to repeat.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Asked {
    reason: Option<String>,
    key: Option<String>,
}

/// What a cancel says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Cancel {
    reason: Option<String>,
    key: Option<String>,
    /// What becomes of attempts that are running; none: they may end.
    in_flight: Option<InFlight>,
}

/// What a compensate says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Compensate {
    reason: Option<String>,
    key: Option<String>,
    /// Only this step and what was built on it.
    from: Option<StepId>,
}

/// What a signal says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Signal {
    reason: Option<String>,
    /// The same signal with the same id counts once.
    id: Option<String>,
    payload: Option<Box<RawValue>>,
}

type Answer = Result<Json<StandsView>, Problem>;
type OfRun = Path<(String, String)>;

pub(in crate::api) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, run)): OfRun,
    Given(Cancel { reason, key, in_flight }): Given<Cancel>,
) -> Answer {
    let tenant = caller.may(&api, &tenant, Action::CancelRun)?;
    let demand = Demand::Cancel { in_flight: in_flight.unwrap_or(InFlight::MayEnd) };
    ask(&api, &tenant, id(&run)?, demand, caller.author(reason, key)).await
}

macro_rules! simple {
    ($($name:ident: $action:ident, $demand:ident;)*) => {
        $(pub(in crate::api) async fn $name(
            State(api): State<Api>,
            caller: Caller,
            Path((tenant, run)): OfRun,
            Given(Asked { reason, key }): Given<Asked>,
        ) -> Answer {
            let tenant = caller.may(&api, &tenant, Action::$action)?;
            ask(&api, &tenant, id(&run)?, Demand::$demand, caller.author(reason, key)).await
        })*
    };
}

simple! {
    pause: PauseRun, Pause;
    resume: ResumeRun, Resume;
    retry: RetryRun, Retry;
    kill: KillRun, Kill;
}

pub(in crate::api) async fn compensate(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, run)): OfRun,
    Given(Compensate { reason, key, from }): Given<Compensate>,
) -> Answer {
    let tenant = caller.may(&api, &tenant, Action::CompensateRun)?;
    let stored = stored(&api, &tenant, &run)?;
    let from = from.map(|step| step_of(stored.run.definition(), &step)).transpose()?;
    ask(&api, &tenant, stored.run.id(), Demand::Compensate { from }, caller.author(reason, key)).await
}

pub(in crate::api) async fn signal(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, run, name)): Path<(String, String, String)>,
    Given(Signal { reason, id: key, payload }): Given<Signal>,
) -> Answer {
    let tenant = caller.may(&api, &tenant, Action::SignalRun)?;
    let name: SignalName =
        name.parse().map_err(|error| Problem::new(Kind::Usage, "signal_name", format!("the name of the signal: {error}")))?;
    let payload = payload.map_or_else(Payload::null, crate::api::body::payload);
    ask(&api, &tenant, id(&run)?, Demand::Signal { name, payload }, caller.author(reason, key)).await
}

/// The step with this id.
pub(in crate::api) fn step_of(definition: &Definition, step: &StepId) -> Result<StepIndex, Problem> {
    definition.index_of(step.as_str()).ok_or_else(|| {
        let detail = format!("saga `{}` has no step `{step}`", definition.saga);
        Problem::new(Kind::Refused, "unknown_step", detail)
    })
}

/// Demands it, and says how the run stands then.
pub(in crate::api) async fn ask(api: &Api, tenant: &TenantId, run: RunId, demand: Demand, by: Author) -> Answer {
    let of = DemandOf { tenant: tenant.clone(), run, demand, by, then: Then::Drive };
    let answered = api.coordinator().demand(of).await.map_err(|error| Problem::of(&error))?;
    let noted = matches!(answered, Answered::Noted(_));
    let stored = stored(api, tenant, &run.to_string())?;
    Ok(Json(StandsView::of(&stored.run, noted)))
}
