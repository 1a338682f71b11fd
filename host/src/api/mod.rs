//! HTTP: reads what is asked, asks the floors below, and tells the answer. Holds no rules: who may is decided in `access`, what fits in
//! `decide` and `tenant`, what it is called in `view`.
//!
//! `operations` is the list of everything that can be asked: the router, the checks before each handler and the description of the API are
//! made of it. `listener` is what the requests come through.

mod asked;
mod audit;
mod auth;
mod backup;
mod body;
mod conditional;
mod contract;
mod denials;
mod grants;
mod guard;
mod health;
mod keys;
mod letters;
mod listener;
mod metrics;
mod operations;
mod page;
mod plugins;
mod problem;
mod pushes;
mod request;
mod resolvers;
mod runs;
mod sagas;
mod secrets;
mod state;
mod tenants;
mod usage;
mod webhooks;

pub use listener::{Connections, ListenError, Listening, Tls, TlsError};

use crate::coordinator::Coordinator;
use crate::oidc::Oidc;
use amends_domain::time::Span;
use axum::Router;
use bytes::Bytes;
use denials::Denials;
use pushes::Pushes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longest body that is read, but for plugins.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;
/// Longest time that a body may take to arrive.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_mins(1);
/// Longest `?wait=`.
pub(super) const WAIT_MAX: Span = Span(60_000);

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    coordinator: Coordinator,
    /// Those who follow something. Over it: not now.
    followers: Arc<Semaphore>,
    /// Components on their way in and through the compiler. Over it: not now.
    uploads: Arc<Semaphore>,
    /// One backup at a time: each holds on to what is stored while it lasts.
    backups: Arc<Semaphore>,
    pushes: Pushes,
    denials: Denials,
    /// Whom to believe besides keys; none: nobody.
    identities: Option<Arc<Oidc>>,
    /// The description of the API.
    described: Bytes,
}

/// Most components that are read and compiled at the same time: each may have 32 MiB.
const UPLOADS_MAX: usize = 8;
/// Most clients that follow something at the same time.
const FOLLOWERS_MAX: usize = 1024;

impl Api {
    /// Over a coordinator. `identities`: who opens it besides keys.
    pub fn new(coordinator: Coordinator, identities: Option<Arc<Oidc>>) -> Self {
        Self(Arc::new(Shared {
            coordinator,
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            backups: Arc::new(Semaphore::new(1)),
            pushes: Pushes::default(),
            denials: Denials::default(),
            identities,
            described: operations::described(),
        }))
    }

    /// Everything that can be asked.
    pub fn router(&self) -> Router {
        operations::router(self)
    }

    /// Only how the host fares, for whoever asks.
    pub fn metrics_router(&self) -> Router {
        metrics::open_router().with_state(self.clone())
    }

    fn coordinator(&self) -> &Coordinator {
        &self.0.coordinator
    }

    fn identities(&self) -> Option<&Oidc> {
        self.0.identities.as_deref()
    }
}
