//! `GET …/runs` and `GET …/runs/{run}`.

use super::stored;
use crate::api::Api;
use crate::api::asked::{Path, Query};
use crate::api::auth::Caller;
use crate::api::page::{Page, Wanted};
use crate::api::problem::Problem;
use crate::store::PAGE_LEN_MAX;
use crate::view::{RunRow, RunView, Status};
use amends_domain::access::Action;
use amends_domain::id::{RunId, SagaName};
use amends_domain::run::RunHead;
use amends_domain::time::Timestamp;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

/// Most runs that one page looks at: where few fit, a page may be short, or empty, and still have a next one.
const LOOKED_AT_MAX: usize = 10 * PAGE_LEN_MAX;

/// Which runs.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct Filter {
    status: Option<Status>,
    saga: Option<SagaName>,
    /// Started at this instant or later.
    since: Option<Timestamp>,
    /// Started before this instant.
    until: Option<Timestamp>,
}

impl Filter {
    fn fits(&self, head: &RunHead) -> bool {
        self.status.is_none_or(|status| status.is(head.status))
            && self.saga.as_ref().is_none_or(|saga| *saga == head.saga)
            && self.since.is_none_or(|since| head.started >= since)
            && self.until.is_none_or(|until| head.started < until)
    }

    /// Whether neither this run nor an older one fits.
    fn is_over(&self, head: &RunHead) -> bool {
        self.since.is_some_and(|since| head.started < since)
    }
}

pub(in crate::api) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<Filter>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<RunRow>>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ListRuns)?;
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

pub(in crate::api) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((tenant, run)): Path<(String, String)>,
) -> Result<Json<RunView>, Problem> {
    let tenant = caller.may(&api, &tenant, Action::ShowRun)?;
    Ok(Json(stored(&api, &tenant, &run)?.view()))
}
