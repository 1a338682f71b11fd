//! Why there is no answer, or what the server says is wrong (RFC 9457): its code, its words, and all the places.

use amends_domain::definition::{Mistake, Mistakes};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Longest text that is shown of an answer that is not ours, characters.
const SHOWN_MAX: usize = 120;

/// Why something was not done, or is not known to be done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server says no.
    #[error("{detail}")]
    Refused {
        /// Its status.
        status: u16,
        /// The code that never changes.
        code: String,
        /// What is wrong, and what helps.
        detail: String,
        /// Where, if there are places.
        #[source]
        mistakes: Option<Mistakes>,
    },
    /// There is no server, or no way to it.
    #[error("cannot reach {url}: {what}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What is in the way.
        what: String,
    },
    /// It said nothing in time.
    #[error("{url} did not answer within {} s; whether it did what was asked is not known", .within.as_secs())]
    Late {
        /// Where it is.
        url: String,
        /// How long it had.
        within: Duration,
    },
    /// The connection broke.
    #[error("the connection to {url} broke; whether it did what was asked is not known: {source}")]
    Broken {
        /// Where it is.
        url: String,
        /// How.
        source: hyper::Error,
    },
    /// Somebody answers who is not a server of ours.
    #[error("the answer ({status}) is not one of amends: {what}; does the URL name the server, and what stands between?")]
    Strange {
        /// Its status.
        status: u16,
        /// What is not as it should be.
        what: String,
    },
    /// That is no URL of a server.
    #[error("`{url}` is no URL of a server: {what}; write one such as http://127.0.0.1:7878")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// That is no token.
    #[error("the token has characters that no token has")]
    Token,
    /// What was asked cannot be written as a request.
    #[error("this cannot be asked: {0}")]
    Unfit(String),
    /// The file with certificates.
    #[error("{} cannot be believed: {what}", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Encryption.
    #[error("encryption: {0}")]
    Tls(#[source] rustls::Error),
    /// What came cannot be written to where it should go.
    #[error("what came cannot be written: {0}")]
    Out(#[source] io::Error),
    /// This process has no room for a client.
    #[error("a thread for the connection: {0}")]
    Runtime(#[source] io::Error),
}

impl ClientError {
    /// Whether it may be otherwise in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } | Self::Strange { status, .. } => *status == 429 || *status >= 500,
            Self::Unreachable { .. } | Self::Late { .. } | Self::Broken { .. } => true,
            Self::Url { .. }
            | Self::Token
            | Self::Unfit(_)
            | Self::Authority { .. }
            | Self::Tls(_)
            | Self::Out(_)
            | Self::Runtime(_) => false,
        }
    }
}

/// A problem as it is written.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    path: String,
    problem: String,
}

/// What an answer says that is no success.
pub(super) fn refused(status: StatusCode, kind: Option<&HeaderValue>, body: &[u8]) -> ClientError {
    let is_problem = kind.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.starts_with("application/problem+json"));
    let problem = if is_problem { serde_json::from_slice(body).ok() } else { None };
    let Some(Problem { code, detail, errors }) = problem else {
        let shown: String = String::from_utf8_lossy(body).chars().take(SHOWN_MAX).collect();
        return ClientError::Strange {
            status: status.as_u16(),
            what: if shown.is_empty() { "it is empty".to_owned() } else { shown },
        };
    };
    let mistakes: Vec<_> = errors.into_iter().map(|Wrong { path, problem }| Mistake { path, problem }).collect();
    let mistakes = Some(Mistakes(mistakes)).filter(|mistakes| !mistakes.0.is_empty());
    ClientError::Refused { status: status.as_u16(), code, detail, mistakes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_code_and_its_places_and_anything_else_as_not_ours() {
        let json = HeaderValue::from_static("application/problem+json");
        let body = br#"{"title":"x","status":422,"code":"saga_refused","detail":"1 mistake","errors":[{"path":"steps[0]","problem":"no"}],"more":1}"#;
        let ClientError::Refused { status: 422, code, detail, mistakes: Some(mistakes) } =
            refused(StatusCode::UNPROCESSABLE_ENTITY, Some(&json), body)
        else {
            panic!("it is a problem of ours")
        };
        assert_eq!((code.as_str(), detail.as_str(), mistakes.0.len()), ("saga_refused", "1 mistake", 1));
        for (kind, body) in [(None, &body[..]), (Some(&json), b"<html>"), (Some(&HeaderValue::from_static("text/html")), b"")] {
            let error = refused(StatusCode::BAD_GATEWAY, kind, body);
            assert!(matches!(error, ClientError::Strange { status: 502, .. }) && error.may_pass(), "{error}");
        }
    }
}
