//! Dead letters: listed, shown, redriven, resolved.

use super::Api;
use super::asked::{Path, Query};
use super::auth::Caller;
use super::body::{Given, payload};
use super::page::{Page, Wanted};
use super::problem::Problem;
use super::runs::demand::ask;
use super::runs::stored;
use crate::coordinator::Correction;
use crate::view::{DeadLetterView, Kind, StandsView};
use amends_domain::access::Action;
use amends_domain::event::{Confirmation, Demand, Resolution, Resolve};
use amends_domain::explain::{DeadLetterId, dead_letters};
use amends_domain::id::{RunId, StepIndex, TenantId};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;

/// With which component a dead letter is tried again.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum With {
    /// The one that its run pins.
    Pinned,
    /// What the name of its plugin means now.
    Latest,
}

/// What a redrive says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redrive {
    reason: Option<String>,
    key: Option<String>,
    component: Option<With>,
}

/// What a resolution says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolved {
    resolution: Resolution,
    reason: Option<String>,
    key: Option<String>,
    evidence: Option<Box<RawValue>>,
    output: Option<Box<RawValue>>,
}

pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ListDeadLetters)?;
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

pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, letter)): Path<(String, String)>,
) -> Result<Json<DeadLetterView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ShowDeadLetter)?;
    let id = id(&letter)?;
    let stored = stored(&api, &tenant, &id.run.to_string())?;
    let letters = dead_letters(&stored.run, &stored.entries);
    let letter = letters.iter().find(|letter| letter.id == id).ok_or_else(|| unknown(&id))?;
    Ok(Json(DeadLetterView::of(&stored.run, letter)))
}

pub(super) async fn redrive(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, letter)): Path<(String, String)>,
    Given(Redrive { reason, key, component }): Given<Redrive>,
) -> Result<Json<StandsView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::RedriveDeadLetter)?;
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

pub(super) async fn resolve(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, letter)): Path<(String, String)>,
    Given(given): Given<Resolved>,
) -> Result<Json<StandsView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ResolveDeadLetter)?;
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
    Problem::new(Kind::Unknown, "unknown_dead_letter", format!("there is no dead letter {id}"))
}

/// Where the letter is.
fn place(api: &Api, tenant: &TenantId, letter: &str) -> Result<(RunId, StepIndex), Problem> {
    let id = id(letter)?;
    let stored = stored(api, tenant, &id.run.to_string())?;
    let step = stored.run.definition().index_of(id.step.as_str()).ok_or_else(|| unknown(&id))?;
    Ok((id.run, step))
}
