//! `GET …/runs` and `GET …/runs/{run}`.

use super::stored;
use crate::api::Api;
use crate::api::asked::{Path, Query};
use crate::api::auth::Tenant;
use crate::api::contract::codes::JOURNAL;
use crate::api::contract::shapes::parameter;
use crate::api::contract::{Operation, get};
use crate::api::page::{Page, Wanted};
use crate::api::problem::Problem;
use crate::store::PAGE_LEN_MAX;
use crate::view::{RunFilter, RunRow, RunView, Status};
use amends_domain::access::Action;
use amends_domain::id::{RunId, SagaName};
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;

/// Most runs that one page looks at: where few fit, a page may be short, or empty, and still have a next one.
const LOOKED_AT_MAX: usize = 10 * PAGE_LEN_MAX;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/tenants/{tenant}/runs", "listRuns", list)
            .says("Runs of a tenant, newest first.")
            .notes("A page looks at 10 000 runs at most, so it may be short, or empty, and still have a next one.")
            .needs(Action::ListRuns)
            .query([
                parameter::<Status>("status", "Only those that stand so."),
                parameter::<SagaName>("saga", "Only those of this saga."),
                parameter::<Timestamp>("since", "Only those that were started at this instant or later."),
                parameter::<Timestamp>("until", "Only those that were started before this instant."),
            ])
            .pages::<RunId>()
            .answers::<Page<RunRow>>(200, "A page of runs."),
        get("/v1/tenants/{tenant}/runs/{run}", "showRun", show)
            .says("A run and all its attempts.")
            .needs(Action::ShowRun)
            .answers::<RunView>(200, "The run.")
            .fails(JOURNAL),
    ]
}

async fn list(
    State(api): State<Api>,
    Tenant(tenant): Tenant,
    Query(filter): Query<RunFilter>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<RunRow>>, Problem> {
    let (limit, mut before) = (wanted.limit()?, wanted.after::<RunId>()?);
    let (mut items, mut looked_at) = (Vec::new(), 0);
    loop {
        let heads = api.coordinator().store().runs(&tenant, before, PAGE_LEN_MAX).map_err(|error| Problem::of(&error))?;
        let is_last = heads.len() < PAGE_LEN_MAX;
        for (run, head) in heads {
            if filter.is_over(&head) {
                return Ok(Json(Page { items, next_cursor: None }));
            }
            if items.len() == limit || looked_at == LOOKED_AT_MAX {
                return Ok(Json(Page { items, next_cursor: before.map(|run| run.to_string()) }));
            }
            if filter.fits(&head) {
                items.push(RunRow::of(run, &head));
            }
            (before, looked_at) = (Some(run), looked_at + 1);
        }
        if is_last {
            return Ok(Json(Page { items, next_cursor: None }));
        }
    }
}

async fn show(State(api): State<Api>, Tenant(tenant): Tenant, Path([run]): Path<1>) -> Result<Json<RunView>, Problem> {
    Ok(Json(stored(&api, &tenant, &run)?.view()))
}
