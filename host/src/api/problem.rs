//! What is told of a mistake: `application/problem+json` (RFC 9457) with a code that never changes. Its `type` is `about:blank`, which is left out.

use crate::clock::{Clock, SystemClock};
use crate::coordinator::{AlterError, KeepError, PublishError, StartError};
use crate::view::{Kind, verdict};
use amends_domain::access::Denied;
use amends_domain::definition::Mistakes;
use amends_domain::event::LimitName;
use amends_domain::quota::Over;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::error::Error;

/// When something is asked for again that has no time of its own: runs and attempts end when they end.
const LEVEL_WAIT_S: u64 = 1;

/// A mistake, or that something cannot be now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem(Box<Told>);

#[derive(Debug, Clone, Serialize)]
struct Told {
    title: String,
    status: u16,
    code: &'static str,
    detail: String,
    /// Where something is wrong, all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
    /// Which limit is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<LimitName>,
    /// How many seconds it takes until there is room.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// What is wrong, and where.
#[derive(Debug, Clone, Serialize)]
struct Wrong {
    path: String,
    problem: String,
}

impl Problem {
    /// Of a kind, with its code.
    pub(super) fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        let status = status(kind);
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        let (status, detail, errors) = (status.as_u16(), detail.into(), Vec::new());
        Self(Box::new(Told { title, status, code, detail, errors, limit: None, retry_after: None }))
    }

    /// There is no such thing, or it is not theirs to know.
    pub(super) fn not_found() -> Self {
        Self::from(Denied::Unknown)
    }

    /// Nobody is known by what was shown.
    pub(super) fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Usage, code, detail).in_status(StatusCode::UNAUTHORIZED)
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
        let mut problem = Self::new(kind, code, detail);
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
        let mut problem = Self::new(Kind::Refused, code, mistakes.to_string());
        problem.0.errors = wrong(mistakes);
        problem
    }

    /// The same with another status.
    pub(super) fn in_status(mut self, status: StatusCode) -> Self {
        (self.0.status, self.0.title) = (status.as_u16(), status.canonical_reason().unwrap_or("error").to_owned());
        self
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
        let status = match denied {
            Denied::Unknown => StatusCode::NOT_FOUND,
            Denied::NotAllowed { .. } | Denied::Suspended { .. } => StatusCode::FORBIDDEN,
        };
        Self::new(Kind::Refused, denied.code(), denied.to_string()).in_status(status)
    }
}

impl From<AlterError> for Problem {
    fn from(error: AlterError) -> Self {
        Self::of(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.0.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"amends\""));
        }
        response
    }
}
