//! What is told of a mistake: `application/problem+json` (RFC 9457) with a code that never changes. Its `type` is `about:blank`, which is left out.

use crate::coordinator::AlterError;
use crate::view::{Kind, verdict};
use amends_domain::access::Denied;
use amends_domain::definition::Mistakes;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::error::Error;

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
        Self(Box::new(Told { title, status, code, detail, errors }))
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
        let (mut cause, mut found, mut detail) = (Some(error), None, String::new());
        while let Some(error) = cause {
            found = found.or_else(|| verdict(error));
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
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"amends\""));
        }
        response
    }
}
