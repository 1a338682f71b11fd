//! HTTP: reads what is asked, asks the floors below, and tells the answer. Holds no rules: who may is decided in `access`, what fits in
//! `decide` and `tenant`, what it is called in `view`.
//!
//! `operations` is the table of everything that can be asked; the router is made of it.

mod asked;
mod auth;
mod backup;
mod body;
mod health;
mod keys;
mod letters;
mod metrics;
mod operations;
mod page;
mod plugins;
mod problem;
mod runs;
mod sagas;
mod state;
mod stream;
mod tenants;
mod usage;

use crate::coordinator::Coordinator;
use axum::Router;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longest body that is read, but for plugins.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;
/// Longest time that a body may take to arrive.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_mins(1);

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    coordinator: Coordinator,
    /// Those who follow something. Over it: not now.
    followers: Arc<Semaphore>,
    /// Components on their way in. Over it: not now.
    uploads: Semaphore,
    /// One backup at a time: each holds on to what is stored while it lasts.
    backups: Arc<Semaphore>,
}

/// Most components that are read and compiled at the same time: each may have 32 MiB.
const UPLOADS_MAX: usize = 8;
/// Most clients that follow something at the same time.
const FOLLOWERS_MAX: usize = 1024;

impl Api {
    /// Over a coordinator.
    pub fn new(coordinator: Coordinator) -> Self {
        Self(Arc::new(Shared {
            coordinator,
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            uploads: Semaphore::new(UPLOADS_MAX),
            backups: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Everything that can be asked.
    pub fn router(&self) -> Router {
        operations::router(self).with_state(self.clone())
    }

    /// Only how the host fares, for whoever asks.
    pub fn metrics_router(&self) -> Router {
        metrics::open_router().with_state(self.clone())
    }

    fn coordinator(&self) -> &Coordinator {
        &self.0.coordinator
    }
}
