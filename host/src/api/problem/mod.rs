//! What is told of a mistake: `application/problem+json` (RFC 9457) with a code that never changes. Its `type` is where the code is explained,
//! on this very host.

mod codes;
mod page;

pub(super) use codes::{CODES, Code, code};
pub(super) use page::operations;

use crate::clock::{Clock, SystemClock};
use crate::coordinator::{AlterError, KeepError, PublishError, StartError};
use crate::view::{Kind, verdict};
use amends_domain::access::Denied;
use amends_domain::definition::Mistakes;
use amends_domain::event::LimitName;
use amends_domain::quota::Over;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::error::Error;

/// When to try again what cannot be now and is not told when.
const RETRY_AFTER_S: u64 = 5;
/// The same of a disk that is almost full: somebody must make room.
const DISK_LOW_WAIT_S: u64 = 60;
const DISK_LOW: &str = "disk_low";
/// The same of a level that is reached: runs and attempts end when they end.
const LEVEL_WAIT_S: u64 = 1;

/// A mistake, or that something cannot be now.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Told>);

/// What is told of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Told {
    /// Where the code is explained.
    #[serde(rename = "type")]
    page: String,
    /// In a few words, the same for each problem with this code.
    title: String,
    /// The status of the answer.
    status: u16,
    /// The stable code.
    code: &'static str,
    /// What happened this time, for people.
    detail: String,
    /// Where something is wrong, all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
    /// Which limit is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<LimitName>,
    /// When to try again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// The id of the request, which the log of the host has, too.
    request_id: String,
}

/// What is wrong, and where.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Wrong {
    /// Such as `steps[2].retry.factor`.
    path: String,
    /// What is wrong there, and what would be right.
    problem: String,
}

impl Problem {
    /// One with this code.
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self::known(code, StatusCode::INTERNAL_SERVER_ERROR, detail.into())
    }

    /// `otherwise`: the status of a code that is not in the table. There is none; see the test of the table.
    fn known(name: &'static str, otherwise: StatusCode, detail: String) -> Self {
        let known = code(name);
        let status = known.map_or(otherwise.as_u16(), |code| code.status);
        let title = known.map_or("Something is wrong", |code| code.title).to_owned();
        let retry_after = (status == 503).then_some(if name == DISK_LOW { DISK_LOW_WAIT_S } else { RETRY_AFTER_S });
        let (page, errors, request_id) = (format!("/errors/{name}"), Vec::new(), String::new());
        Self(Box::new(Told { page, title, status, code: name, detail, errors, limit: None, retry_after, request_id }))
    }

    /// There is no such thing, or it is not theirs to know.
    pub(super) fn not_found() -> Self {
        Self::from(Denied::Unknown)
    }

    /// Of whatever went wrong below, with its causes in one sentence.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let (mut cause, mut found, mut over, mut detail) = (Some(error), None, None, String::new());
        while let Some(error) = cause {
            found = found.or_else(|| verdict(error));
            over = over.or_else(|| error.downcast_ref::<Over>().or_else(|| over_of(error)));
            let said = error.to_string();
            if !detail.contains(&said) {
                detail = if detail.is_empty() { said } else { format!("{detail}: {said}") };
            }
            cause = error.source();
        }
        let (code, kind) = found.unwrap_or(("host_failed", Kind::Failed));
        let mut problem = Self::known(code, status(kind), detail);
        if let Some(mistakes) = error.downcast_ref::<Mistakes>() {
            problem.0.errors = wrong(mistakes);
        }
        if let Some(over) = over {
            let wait = over.free_at.map(|at| at.since(SystemClock.now()).0.div_ceil(1000).max(1));
            (problem.0.limit, problem.0.retry_after) = (Some(over.limit), wait.or((kind == Kind::Limited).then_some(LEVEL_WAIT_S)));
        }
        if matches!(kind, Kind::Failed | Kind::Damaged) {
            tracing::error!(code, error = %problem.0.detail, "a request failed");
        }
        problem
    }

    /// Of all that is wrong with something that was given.
    pub(super) fn of_mistakes(code: &'static str, mistakes: &Mistakes) -> Self {
        let mut problem = Self::new(code, mistakes.to_string());
        problem.0.errors = wrong(mistakes);
        problem
    }

    /// Its code.
    pub(super) fn code(&self) -> &'static str {
        self.0.code
    }

    /// What happened this time.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The answer to the request with this id.
    pub(super) fn answer(mut self, request: &str) -> Response {
        request.clone_into(&mut self.0.request_id);
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).expect("a problem has a form");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"amends\""));
        }
        response
    }
}

/// What was taken too much of. Errors that only pass it on are not causes of each other.
fn over_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Over> {
    let start = error.downcast_ref().and_then(|error| if let StartError::Over(over) = error { Some(over) } else { None });
    let keep = || error.downcast_ref().and_then(|error| if let KeepError::Over(over) = error { Some(over) } else { None });
    let publish = || error.downcast_ref().and_then(|error| if let PublishError::Over(over) = error { Some(over) } else { None });
    start.or_else(keep).or_else(publish)
}

fn wrong(Mistakes(mistakes): &Mistakes) -> Vec<Wrong> {
    mistakes.iter().map(|mistake| Wrong { path: mistake.path.clone(), problem: mistake.problem.clone() }).collect()
}

fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unknown => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Limited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Failed | Kind::Damaged => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code(), denied.to_string())
    }
}

impl From<AlterError> for Problem {
    fn from(error: AlterError) -> Self {
        Self::of(&error)
    }
}

/// Without a body: what knows the id of the request writes it; see `request`.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
