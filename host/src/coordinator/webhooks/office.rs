//! One sender for each webhook of each tenant, from when it is set until it is removed, and how far each is, kept once a second: more often would
//! cost the disk what it saves the other side, which hears a second again at most.

use super::places::Places;
use super::sender::Sender;
use crate::coordinator::Coordinator;
use crate::sandbox::Courier;
use amends_domain::id::{TenantId, WebhookName};
use amends_domain::webhook::Pace;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is kept how far webhooks are.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How many read events from the store at the same time.
const GATHERINGS_MAX: usize = 2;

/// How events are sent.
pub struct Sending {
    /// What carries them.
    pub courier: Courier,
    /// How attempts are paced.
    pub pace: Pace,
    /// How long a request may take until its answer.
    pub timeout: Duration,
    /// Most requests that are on their way.
    pub requests_max: usize,
}

/// What all senders share.
pub(super) struct Office {
    pub(super) courier: Courier,
    pub(super) places: Places,
    pub(super) gatherings: Semaphore,
    pub(super) pace: Pace,
    pub(super) timeout: Duration,
}

/// Those that send.
struct Senders {
    coordinator: Coordinator,
    office: Arc<Office>,
    tasks: JoinSet<()>,
    ids: HashMap<Id, (TenantId, WebhookName)>,
    running: BTreeMap<(TenantId, WebhookName), Id>,
}

impl Coordinator {
    /// Sends the events of all tenants to their webhooks, for ever. Dropping the future is safe: what is not known to have been taken is sent
    /// again by the next.
    pub async fn keep_sending(&self, sending: Sending) -> Infallible {
        let Sending { courier, pace, timeout, requests_max } = sending;
        let places = Places::new(requests_max);
        let office = Arc::new(Office { courier, places, gatherings: Semaphore::new(GATHERINGS_MAX), pace, timeout });
        let (tasks, ids, running) = (JoinSet::new(), HashMap::new(), BTreeMap::new());
        let mut senders = Senders { coordinator: self.clone(), office, tasks, ids, running };
        for lane in self.parts.lanes.all() {
            senders.look_at(lane.tenant());
        }
        let mut keep = interval(KEEP_EVERY);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.parts.news.changed() => changed.iter().for_each(|tenant| senders.look_at(tenant)),
                Some(ended) = senders.tasks.join_next_with_id() => senders.ended(ended),
                _ = keep.tick() => {
                    let coordinator = self.clone();
                    // What it could not keep is told there, and kept the next time.
                    let _ = spawn_blocking(move || coordinator.keep_cursors()).await;
                }
            }
        }
    }
}

impl Senders {
    /// Starts the senders that a tenant should have and has not. Those of webhooks that were removed end by themselves.
    fn look_at(&mut self, tenant: &TenantId) {
        let known = self.coordinator.tenant(tenant);
        for (webhook, _) in known.webhooks() {
            let which = (tenant.clone(), webhook.clone());
            if self.running.contains_key(&which) {
                continue;
            }
            match self.coordinator.webhook_cursor(tenant, webhook) {
                Ok(Some(cursor)) => {
                    let sender = Sender::new(self.coordinator.clone(), Arc::clone(&self.office), which.clone(), cursor);
                    let id = self.tasks.spawn(sender.run()).id();
                    self.ids.insert(id, which.clone());
                    self.running.insert(which, id);
                }
                // A webhook and its cursor become durable together, and go together.
                Ok(None) => {}
                Err(error) => tracing::error!(%tenant, %webhook, %error, "how far a webhook is cannot be read"),
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(which) = self.ids.remove(&id) else { return };
        self.running.remove(&which);
        let (tenant, webhook) = which;
        match ended {
            // It may have been set again while it ended.
            Ok(_) => self.look_at(&tenant),
            Err(error) => {
                tracing::error!(%tenant, %webhook, %error, "the sender of a webhook panicked: it is begun again when the tenant changes");
                self.coordinator.parts.board.ends(&tenant, &webhook);
            }
        }
    }
}
