//! Paths and queries, with what is wrong with them told as a problem.

use super::problem::Problem;
use crate::view::Kind;
use axum::extract::FromRequestParts;
use axum::extract::rejection::{PathRejection, QueryRejection};

/// What a path names.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

/// What a query says.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        // What is no name is told like what nobody has.
        Self::not_found()
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Kind::Usage, "query_malformed", rejection.body_text())
    }
}
