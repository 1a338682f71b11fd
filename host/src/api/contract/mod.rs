//! What an operation is: everything that there is to know about it, in one value. The router, the checks before each handler and the
//! description of the API are made of these values, so that none of the three can say something else than the others.

pub(super) mod codes;
mod document;
pub(super) mod shapes;

pub(super) use document::document;
pub(super) use shapes::{Described, Shape};

use super::Api;
use amends_domain::access::{Action, Reach, Touch};
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::Value;

/// Something that can be asked.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What it does, in one sentence.
    pub(super) summary: &'static str,
    /// What else there is to know.
    pub(super) notes: Option<&'static str>,
    pub(super) needs: Needs,
    pub(super) query: Vec<Parameter>,
    pub(super) headers: Vec<Parameter>,
    pub(super) takes: Option<Takes>,
    pub(super) answers: Vec<Answer>,
    /// The codes of the problems that it may answer.
    pub(super) codes: Vec<&'static str>,
    pub(super) time: Time,
    handler: MethodRouter<Api>,
}

/// How it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Anybody, without a token.
    Nothing,
    /// Whoever has a key.
    Key,
    /// Whoever may do this, to the host or to the tenant in the path.
    Right(Action),
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// No longer than any body may take to come and any wait to last.
    Bounded,
    /// As long as whoever reads it likes.
    Stream,
}

/// A parameter of the query or a header.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    pub(super) schema: Value,
}

/// What a body is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes {
    /// What `Content-Type` may say. The first one is what it is described as.
    pub(super) media: &'static [&'static str],
    /// What is in it; none: bytes.
    pub(super) shape: Option<Shape>,
    pub(super) must: Must,
}

/// Whether something has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// It has.
    Be,
    /// It may be left out.
    NotBe,
}

/// An answer that is no problem.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) says: &'static str,
    pub(super) content: Vec<(&'static str, Option<Shape>)>,
    pub(super) headers: Vec<Parameter>,
}

/// Bodies in JSON. Programs that say nothing, or what curl says where nobody tells it otherwise, are not sent away for it.
pub(super) const JSON: &[&str] =
    &["application/json", "application/octet-stream", "text/plain", "application/x-www-form-urlencoded"];
/// Components.
pub(super) const WASM: &[&str] = &["application/wasm", "application/octet-stream", "application/x-www-form-urlencoded"];
/// Documents of sagas.
pub(super) const DOCUMENT: &[&str] = &[
    "application/yaml",
    "application/json",
    "application/x-yaml",
    "text/yaml",
    "text/x-yaml",
    "text/plain",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
];

impl Method {
    /// As requests write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Put => MethodFilter::PUT,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {$(
        /// An operation with this method.
        pub(super) fn $name<H, T>(path: &'static str, id: &'static str, handler: H) -> Operation
        where
            H: Handler<T, Api>,
            T: 'static,
        {
            Operation::new(Method::$method, path, id, on(Method::$method.filter(), handler))
        }
    )*};
}

methods! {
    get Get;
    put Put;
    post Post;
    patch Patch;
    delete Delete;
}

impl Operation {
    fn new(method: Method, path: &'static str, id: &'static str, handler: MethodRouter<Api>) -> Self {
        Self {
            id,
            method,
            path,
            summary: "",
            notes: None,
            needs: Needs::Nothing,
            query: Vec::new(),
            headers: Vec::new(),
            takes: None,
            answers: Vec::new(),
            codes: codes::of_all(path),
            time: Time::Bounded,
            handler,
        }
    }

    /// What does it.
    pub(super) fn handler(&self) -> MethodRouter<Api> {
        self.handler.clone()
    }

    /// What it does, in one sentence.
    pub(super) fn says(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// What else there is to know.
    pub(super) fn notes(mut self, notes: &'static str) -> Self {
        self.notes = Some(notes);
        self
    }

    /// Whoever has a key may ask.
    pub(super) fn with_key(mut self) -> Self {
        self.needs = Needs::Key;
        self.fails(codes::TOKEN)
    }

    /// Whoever may do `action` may ask.
    pub(super) fn needs(mut self, action: Action) -> Self {
        self.needs = Needs::Right(action);
        let of_action = match action.right().reach {
            Reach::Host | Reach::Tenant(Touch::Reads | Touch::ReadsForGood) => codes::LOOKS,
            Reach::Tenant(Touch::Changes) => codes::CHANGES,
        };
        self.fails(codes::TOKEN).fails(&["not_allowed"]).fails(of_action)
    }

    /// It has these parameters in its query.
    pub(super) fn query(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.query.extend(parameters);
        self.fails(&["query_malformed"])
    }

    /// It gives pages, with cursors of this form.
    pub(super) fn pages<T: Described>(self) -> Self {
        self.query([shapes::limit(), shapes::cursor::<T>()]).fails(&["limit_out_of_range", "cursor_malformed"])
    }

    /// It looks at these headers.
    pub(super) fn headers(mut self, headers: impl IntoIterator<Item = Parameter>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// It takes a body in JSON; where it need not be there, an empty one is `{}`.
    pub(super) fn json<T: Described>(self, must: Must) -> Self {
        self.takes(Takes { media: JSON, shape: Some(Shape::taken::<T>()), must }).fails(&["body_malformed"])
    }

    /// It takes a body.
    pub(super) fn takes(mut self, takes: Takes) -> Self {
        self.takes = Some(takes);
        self.fails(codes::BODY)
    }

    /// It answers a value in JSON.
    pub(super) fn answers<T: Described>(self, status: u16, says: &'static str) -> Self {
        self.answer(Answer { status, says, content: vec![("application/json", Some(Shape::given::<T>()))], headers: Vec::new() })
    }

    /// It answers without a body.
    pub(super) fn empty(self, status: u16, says: &'static str) -> Self {
        self.answer(Answer { status, says, content: Vec::new(), headers: Vec::new() })
    }

    /// It answers so.
    pub(super) fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Its answers have this header, those of these statuses.
    pub(super) fn telling(mut self, header: &Parameter, statuses: &[u16]) -> Self {
        for answer in self.answers.iter_mut().filter(|answer| statuses.contains(&answer.status)) {
            answer.headers.push(header.clone());
        }
        self
    }

    /// It may answer problems with these codes.
    pub(super) fn fails(mut self, codes: &[&'static str]) -> Self {
        self.codes.extend(codes.iter().filter(|code| !self.codes.contains(code)).copied().collect::<Vec<_>>());
        self
    }

    /// Its answer may go on for as long as whoever reads it likes.
    pub(super) fn streams(mut self) -> Self {
        self.time = Time::Stream;
        self
    }
}
