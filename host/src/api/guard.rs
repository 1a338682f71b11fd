//! What is checked before each handler, by what its operation says of itself: who asks, whether they may, whether the query has what there is
//! and the body is of a kind that is taken.

use super::auth::permit;
use super::body::read;
use super::contract::{Operation, Takes};
use super::problem::Problem;
use super::{Api, BODY_LEN_MAX};
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Longest time that is taken for the body of a request which is refused, whatever is in it.
const REFUSED_BODY_TIME_MAX: Duration = Duration::from_secs(1);

/// Lets through what may be asked.
///
/// A body that nobody wants is taken nevertheless: what is left unread when the connection is closed resets it, and the client loses the end of the
/// answer.
pub(super) async fn guard(api: Api, operation: Arc<Operation>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // What is no text is told like what nobody has.
    let Ok(path) = <RawPathParams as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &()).await else {
        return Problem::not_found().into_response();
    };
    let permit = match permit(&api, &operation, &parts, &path).await {
        Ok(permit) => permit,
        Err((problem, caller)) => {
            api.denied(&problem, caller.as_ref());
            let _ = timeout(REFUSED_BODY_TIME_MAX, read(body, BODY_LEN_MAX)).await;
            return problem.into_response();
        }
    };
    let body = if operation.takes.is_some() {
        body
    } else {
        let _ = read(body, BODY_LEN_MAX).await;
        Body::empty()
    };
    let checked = query(&operation, parts.uri.query()).and_then(|()| match &operation.takes {
        Some(takes) => media(takes, &parts.headers),
        None => Ok(()),
    });
    if let Some(permit) = &permit {
        parts.extensions.insert(permit.clone());
    }
    let mut response = match checked {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    };
    if let (Some(problem), Some(permit)) = (response.extensions().get::<Problem>(), &permit)
        && problem.code() != "not_found"
    {
        api.denied(problem, Some(permit.caller()));
    }
    if let Some(permit) = permit {
        response.extensions_mut().insert(permit);
    }
    response
}

/// A mistyped parameter must not be ignored: the answer would be to something else than was asked.
fn query(operation: &Operation, query: Option<&str>) -> Result<(), Problem> {
    let names =
        query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or(pair));
    let is_known = |name: &str| operation.query.iter().any(|parameter| parameter.name == name);
    let Some(unknown) = names.into_iter().find(|name| !is_known(name)) else { return Ok(()) };
    let known: Vec<_> = operation.query.iter().map(|parameter| parameter.name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let shown: String = unknown.chars().take(80).collect();
    Err(Problem::new("parameter_unknown", format!("the query has `{shown}`; known are: {known}")))
}

fn media(takes: &Takes, headers: &HeaderMap) -> Result<(), Problem> {
    let says =
        |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    if let Some(encoding) = says(CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
        let detail = format!("the body is encoded as `{}`: send it as it is", encoding.chars().take(80).collect::<String>());
        return Err(Problem::new("encoding_not_taken", detail));
    }
    let Some(media) = says(CONTENT_TYPE) else { return Ok(()) };
    let plain = media.split(';').next().unwrap_or_default().trim();
    if takes.media.contains(&plain) || (takes.media.contains(&"application/json") && plain.ends_with("+json")) {
        return Ok(());
    }
    let detail = format!("the body is `{}`: taken is {}", plain.chars().take(80).collect::<String>(), takes.media[0]);
    Err(Problem::new("media_type_not_taken", detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::contract::{JSON, Must};
    use axum::http::HeaderValue;

    #[test]
    fn a_body_is_taken_by_what_it_says_of_itself() {
        let takes = Takes { media: JSON, shape: None, must: Must::Be };
        let code = |name, value: &'static str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            media(&takes, &headers).map_err(|problem| problem.code())
        };
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json", "text/plain"] {
            assert_eq!(code(CONTENT_TYPE, good), Ok(()), "{good}");
        }
        for bad in ["multipart/form-data; boundary=x", "application/xml", ""] {
            assert_eq!(code(CONTENT_TYPE, bad), Err("media_type_not_taken"), "{bad}");
        }
        assert_eq!((code(CONTENT_ENCODING, "gzip"), code(CONTENT_ENCODING, "identity")), (Err("encoding_not_taken"), Ok(())));
        assert_eq!(media(&takes, &HeaderMap::new()).map_err(|problem| problem.code()), Ok(()));
    }
}
