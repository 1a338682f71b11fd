//! What surrounds every request: its id, how long it may take, the line in the log, and the body of a problem, which names the id.

use super::Api;
use super::auth::Permit;
use super::contract::{Operation, Time};
use super::problem::Problem;
use super::{BODY_TIME_MAX, WAIT_MAX};
use crate::clock::{Clock, SystemClock};
use amends_domain::id::RequestId;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The header with the id of a request.
const ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that a request may come with.
const ID_LEN_MAX: usize = 128;
/// Longest time that an answer takes which is no stream: a body comes, a wait lasts, and something is left for the work itself.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(BODY_TIME_MAX.as_secs() + WAIT_MAX.0 / 1000 + 60);

/// What a request turned out to be: the answer carries it to the log.
#[derive(Clone)]
struct Noted {
    operation: Arc<Operation>,
    permit: Option<Permit>,
}

/// Around everything.
pub(super) async fn surround(State(api): State<Api>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = id(&request);
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let noted = response.extensions_mut().remove::<Noted>();
    let problem = response.extensions_mut().remove::<Problem>();
    let code = problem.as_ref().map(Problem::code);
    if let Some(problem) = problem {
        // What else the answer says, such as which methods there are, it says still.
        let (parts, _) = response.into_parts();
        response = problem.answer(&id);
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "content-length") {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(ID, HeaderValue::from_str(&id).expect("an id is visible ASCII"));
    let (operation, path) = noted.as_ref().map_or(("-", "-"), |noted| (noted.operation.id, noted.operation.path));
    let permit = noted.as_ref().and_then(|noted| noted.permit.as_ref());
    let tenant = permit.and_then(Permit::tenant).map(tracing::field::display);
    let who = permit.map(Permit::who);
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    if let Some(noted) = &noted {
        api.coordinator().metrics().answered(noted.operation.id, status, took);
    }
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(request = id, %method, path, operation, status, code, tenant, who, took_us, "answered");
    response
}

/// Around the handler of an operation, and all that is checked before it.
pub(super) async fn note(operation: Arc<Operation>, request: Request, next: Next) -> Response {
    let head = request.method() == axum::http::Method::HEAD;
    let mut response = match operation.time {
        Time::Stream if !head => next.run(request).await,
        Time::Stream | Time::Bounded => timeout(ANSWER_TIME_MAX, next.run(request)).await.unwrap_or_else(|_| too_slow()),
    };
    let permit = response.extensions_mut().remove::<Permit>();
    response.extensions_mut().insert(Noted { operation, permit });
    response
}

fn too_slow() -> Response {
    use axum::response::IntoResponse;
    let seconds = ANSWER_TIME_MAX.as_secs();
    Problem::new("answer_too_slow", format!("there is no answer within {seconds} s; what was asked may go on")).into_response()
}

/// The id that it came with, if that can stand in a header and a log; else one of our own.
fn id(request: &Request) -> String {
    let given = request.headers().get(ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/+=-".contains(&b);
        (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(plain)
    };
    given.filter(fits).map_or_else(new_id, str::to_owned)
}

fn new_id() -> String {
    let chance = SystemClock.chance();
    RequestId::from_parts(SystemClock.now().0, *chance.first_chunk().expect("32 bytes have ten")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn an_id_is_taken_if_it_can_stand_in_a_log_and_made_if_not() {
        let of = |given: &str| {
            let request = Request::builder().header(ID, given).body(Body::empty()).expect("a request");
            id(&request)
        };
        for good in ["a", "01HV-7_x.y:z/1+2=", &"x".repeat(128)] {
            assert_eq!(of(good), good);
        }
        for bad in ["", " ", "a b", "a\"b", "ä", &"x".repeat(129)] {
            let made = of(bad);
            assert!(made.starts_with("req_") && made.parse::<RequestId>().is_ok(), "{bad}: {made}");
        }
        assert_ne!(of(""), of(""));
    }
}
