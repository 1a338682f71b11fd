//! Paths and queries, with what is wrong with them told as a problem.

use super::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

/// What a path names besides its tenant, in the order of the path.
pub(super) struct Path<const N: usize>(pub(super) [String; N]);

/// What a query says.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Path<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is no text is told like what nobody has.
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        let named: Vec<String> = path.iter().filter(|(name, _)| *name != "tenant").map(|(_, value)| value.to_owned()).collect();
        Ok(Self(named.try_into().expect("a handler takes as many as the path of its operation has")))
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new("query_malformed", rejection.body_text())
    }
}
