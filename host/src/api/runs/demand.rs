//! `POST …/runs/{run}/…`: what people demand of a run. Whether it fits is decided below; it is told when it is durable.

use super::{id, stored};
use crate::api::Api;
use crate::api::asked::Path;
use crate::api::auth::{Caller, Tenant};
use crate::api::body::Given;
use crate::api::contract::codes::{DEMAND, JOURNAL};
use crate::api::contract::{Described, Must, Operation, post};
use crate::api::problem::Problem;
use crate::coordinator::{Answered, DemandOf, Then};
use crate::view::StandsView;
use amends_domain::access::Action;
use amends_domain::decide::{REASON_LEN_MAX, WHO_LEN_MAX};
use amends_domain::definition::Definition;
use amends_domain::event::{Author, Demand, InFlight};
use amends_domain::id::{RunId, SignalName, StepId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use axum::Json;
use axum::extract::State;
use axum::handler::Handler;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Where a run is asked for something.
macro_rules! at {
    ($word:literal) => {
        concat!("/v1/tenants/{tenant}/runs/{run}/", $word)
    };
}

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        of_run::<Cancel, _, _>(at!("cancel"), "cancelRun", cancel, Action::CancelRun)
            .says("Has a run taken back.")
            .fails(&["run_ended", "past_pivot"]),
        of_run::<Asked, _, _>(at!("pause"), "pauseRun", pause, Action::PauseRun)
            .says("Has a run stand still.")
            .fails(&["run_ended"]),
        of_run::<Asked, _, _>(at!("resume"), "resumeRun", resume, Action::ResumeRun).says("Has a run go on.").fails(&["run_ended"]),
        of_run::<Asked, _, _>(at!("retry"), "retryRun", retry, Action::RetryRun)
            .says("Has a run try again now.")
            .fails(&["run_ended", "nothing_to_retry"]),
        of_run::<Compensate, _, _>(at!("compensate"), "compensateRun", compensate, Action::CompensateRun)
            .says("Has a run that succeeded taken back.")
            .fails(&["run_ended", "run_open", "past_pivot", "unknown_step"]),
        of_run::<Asked, _, _>(at!("kill"), "killRun", kill, Action::KillRun)
            .says("Ends a run as it stands: nothing is taken back.")
            .fails(&["run_ended", "reason_missing"]),
        of_run::<Signal, _, _>(at!("signals/{name}"), "signalRun", signal, Action::SignalRun)
            .says("Tells a run what it waits for.")
            .fails(&["signal_name", "unknown_signal", "signal_not_awaited", "too_many_signals", "run_ended"])
            .fails(&["payload_too_long", "payload_not_json"]),
    ]
}

/// An operation that demands something of a run.
fn of_run<B: Described, H: Handler<T, Api>, T: 'static>(
    path: &'static str,
    id: &'static str,
    handler: H,
    action: Action,
) -> Operation {
    let operation = post(path, id, handler).needs(action).json::<B>(Must::NotBe).answers::<StandsView>(200, "How the run stands.");
    operation.fails(JOURNAL).fails(DEMAND)
}

/// Why, and what makes it safe to repeat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ask")]
struct Asked {
    #[schemars(length(max = REASON_LEN_MAX))]
    reason: Option<String>,
    #[schemars(length(min = 1, max = WHO_LEN_MAX))]
    key: Option<String>,
}

/// What a cancel says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    #[schemars(length(max = REASON_LEN_MAX))]
    reason: Option<String>,
    #[schemars(length(min = 1, max = WHO_LEN_MAX))]
    key: Option<String>,
    /// What becomes of attempts that are running; none: they may end.
    in_flight: Option<InFlight>,
}

/// What a compensate says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Compensate {
    #[schemars(length(max = REASON_LEN_MAX))]
    reason: Option<String>,
    #[schemars(length(min = 1, max = WHO_LEN_MAX))]
    key: Option<String>,
    /// Only this step and what was built on it.
    from: Option<StepId>,
}

/// What a signal says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Signal {
    #[schemars(length(max = REASON_LEN_MAX))]
    reason: Option<String>,
    /// The same signal with the same id counts once.
    #[schemars(length(min = 1, max = WHO_LEN_MAX))]
    id: Option<String>,
    #[schemars(with = "Option<Value>")]
    payload: Option<Box<RawValue>>,
}

type Answer = Result<Json<StandsView>, Problem>;

async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([run]): Path<1>,
    Given(Cancel { reason, key, in_flight }): Given<Cancel>,
) -> Answer {
    let demand = Demand::Cancel { in_flight: in_flight.unwrap_or(InFlight::MayEnd) };
    ask(&api, &tenant, id(&run)?, demand, caller.author(reason, key)).await
}

macro_rules! simple {
    ($($name:ident: $demand:ident;)*) => {
        $(async fn $name(
            State(api): State<Api>,
            caller: Caller,
            Tenant(tenant): Tenant,
    Path([run]): Path<1>,
            Given(Asked { reason, key }): Given<Asked>,
        ) -> Answer {
            ask(&api, &tenant, id(&run)?, Demand::$demand, caller.author(reason, key)).await
        })*
    };
}

simple! {
    pause: Pause;
    resume: Resume;
    retry: Retry;
    kill: Kill;
}

async fn compensate(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([run]): Path<1>,
    Given(Compensate { reason, key, from }): Given<Compensate>,
) -> Answer {
    let stored = stored(&api, &tenant, &run)?;
    let from = from.map(|step| step_of(stored.run.definition(), &step)).transpose()?;
    ask(&api, &tenant, stored.run.id(), Demand::Compensate { from }, caller.author(reason, key)).await
}

async fn signal(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([run, name]): Path<2>,
    Given(Signal { reason, id: key, payload }): Given<Signal>,
) -> Answer {
    let name: SignalName = name.parse().map_err(|error| Problem::new("signal_name", format!("the name of the signal: {error}")))?;
    let payload = payload.map_or_else(Payload::null, crate::api::body::payload);
    ask(&api, &tenant, id(&run)?, Demand::Signal { name, payload }, caller.author(reason, key)).await
}

/// The step with this id.
pub(in crate::api) fn step_of(definition: &Definition, step: &StepId) -> Result<StepIndex, Problem> {
    definition.index_of(step.as_str()).ok_or_else(|| {
        let detail = format!("saga `{}` has no step `{step}`", definition.saga);
        Problem::new("unknown_step", detail)
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
