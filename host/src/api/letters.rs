//! Dead letters: listed, shown, redriven, resolved.

use super::Api;
use super::asked::{Path, Query};
use super::auth::{Caller, Tenant};
use super::body::{Given, payload};
use super::contract::codes::{COMPONENT, DEMAND, JOURNAL};
use super::contract::{Must, Operation, get, post};
use super::page::{Page, Wanted};
use super::problem::Problem;
use super::runs::demand::ask;
use super::runs::stored;
use crate::coordinator::Correction;
use crate::view::{DeadLetterView, StandsView};
use amends_domain::access::Action;
use amends_domain::decide::{REASON_LEN_MAX, WHO_LEN_MAX};
use amends_domain::event::{Confirmation, Demand, Resolution, Resolve};
use amends_domain::explain::{DeadLetterId, dead_letters};
use amends_domain::id::{RunId, StepIndex, TenantId};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/tenants/{tenant}/dead-letters", "listDeadLetters", list)
            .says("What waits for a person.")
            .notes("Pages end between runs: the dead letters of one run are told together, so a page may have more than `limit`.")
            .needs(Action::ListDeadLetters)
            .pages::<RunId>()
            .answers::<Page<DeadLetterView>>(200, "A page of dead letters.")
            .fails(JOURNAL),
        get("/v1/tenants/{tenant}/dead-letters/{letter}", "showDeadLetter", show)
            .says("One dead letter, and what to do about it.")
            .needs(Action::ShowDeadLetter)
            .answers::<DeadLetterView>(200, "The dead letter.")
            .fails(JOURNAL)
            .fails(&["unknown_dead_letter"]),
        post("/v1/tenants/{tenant}/dead-letters/{letter}/redrive", "redriveDeadLetter", redrive)
            .says("Has a dead letter tried again, with all its attempts.")
            .needs(Action::RedriveDeadLetter)
            .json::<Redrive>(Must::NotBe)
            .answers::<StandsView>(200, "How the run stands.")
            .fails(JOURNAL)
            .fails(DEMAND)
            .fails(COMPONENT)
            .fails(&["unknown_dead_letter", "not_a_dead_letter", "run_ended", "past_pivot", "step_waits", "plugin_not_used"])
            .fails(&["unknown_plugin", "handler_missing", "handler_not_compensating", "component_not_installed", "unknown_step"]),
        post("/v1/tenants/{tenant}/dead-letters/{letter}/resolve", "resolveDeadLetter", resolve)
            .says("Says what was done about a dead letter by hand.")
            .needs(Action::ResolveDeadLetter)
            .json::<Resolved>(Must::Be)
            .answers::<StandsView>(200, "How the run stands.")
            .fails(JOURNAL)
            .fails(DEMAND)
            .fails(&["unknown_dead_letter", "not_a_dead_letter", "run_ended", "reason_missing", "payload_not_json"])
            .fails(&["second_person_needed", "resolution_unfit", "unknown_step"]),
    ]
}

/// With which component a dead letter is tried again.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum With {
    /// The one that its run pins.
    Pinned,
    /// What the name of its plugin means now.
    Latest,
}

/// What a redrive says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Redrive {
    #[schemars(length(max = REASON_LEN_MAX))]
    reason: Option<String>,
    #[schemars(length(min = 1, max = WHO_LEN_MAX))]
    key: Option<String>,
    component: Option<With>,
}

/// What a resolution says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Resolve")]
struct Resolved {
    resolution: Resolution,
    #[schemars(length(max = REASON_LEN_MAX))]
    reason: Option<String>,
    #[schemars(length(min = 1, max = WHO_LEN_MAX))]
    key: Option<String>,
    /// What shows it: a ticket, the number of a refund.
    #[schemars(with = "Option<Value>")]
    evidence: Option<Box<RawValue>>,
    /// What the step gives, if it is done.
    #[schemars(with = "Option<Value>")]
    output: Option<Box<RawValue>>,
}

async fn list(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    let (limit, after) = (wanted.limit()?, wanted.after::<RunId>()?);
    let runs = api.coordinator().store().runs_with_dead_letters(&tenant, after, limit + 1).map_err(|error| Problem::of(&error))?;
    // Pages end between runs: the letters of one run are told together.
    let page = Page::of(runs, limit, RunId::to_string);
    let mut items = Vec::new();
    for run in page.items {
        let stored = stored(&api, &tenant, &run.to_string())?;
        items.extend(DeadLetterView::all(&stored.run, &stored.entries));
    }
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

async fn show(State(api): State<Api>, Tenant(tenant): Tenant, Path([letter]): Path<1>) -> Result<Json<DeadLetterView>, Problem> {
    let id = id(&letter)?;
    let stored = stored(&api, &tenant, &id.run.to_string())?;
    let letters = dead_letters(&stored.run, &stored.entries);
    let letter = letters.iter().find(|letter| letter.id == id).ok_or_else(|| unknown(&id))?;
    Ok(Json(DeadLetterView::of(&stored.run, letter)))
}

async fn redrive(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([letter]): Path<1>,
    Given(Redrive { reason, key, component }): Given<Redrive>,
) -> Result<Json<StandsView>, Problem> {
    let (run, step) = place(&api, &tenant, &letter)?;
    let component = match component.unwrap_or(With::Pinned) {
        With::Pinned => None,
        With::Latest => {
            let corrected = api.coordinator().correct(&tenant, run, step, Correction::Latest).await;
            Some(corrected.map_err(|error| Problem::of(&error))?)
        }
    };
    ask(&api, &tenant, run, Demand::Redrive { step, component }, caller.author(reason, key)).await
}

async fn resolve(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([letter]): Path<1>,
    Given(given): Given<Resolved>,
) -> Result<Json<StandsView>, Problem> {
    let (run, step) = place(&api, &tenant, &letter)?;
    let Resolved { resolution, reason, key, evidence, output } = given;
    let (evidence, output) = (evidence.map(payload), output.map(payload));
    let resolve = Resolve { step, resolution, evidence, output, confirmation: Confirmation::NotNeeded };
    ask(&api, &tenant, run, Demand::Resolve(Box::new(resolve)), caller.author(reason, key)).await
}

fn id(letter: &str) -> Result<DeadLetterId, Problem> {
    letter.parse().map_err(|_| Problem::not_found())
}

fn unknown(id: &DeadLetterId) -> Problem {
    Problem::new("unknown_dead_letter", format!("there is no dead letter {id}"))
}

/// Where the letter is.
fn place(api: &Api, tenant: &TenantId, letter: &str) -> Result<(RunId, StepIndex), Problem> {
    let id = id(letter)?;
    let stored = stored(api, tenant, &id.run.to_string())?;
    let step = stored.run.definition().index_of(id.step.as_str()).ok_or_else(|| unknown(&id))?;
    Ok((id.run, step))
}
