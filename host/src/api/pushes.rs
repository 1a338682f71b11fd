//! Versions of plugins on their way: checking and compiling a component takes seconds, and whoever pushed it need not wait. What became of a push
//! is known here until the process ends; a version that is ready is known for good.

use super::problem::Problem;
use crate::coordinator::{Coordinator, PublishError};
use amends_domain::digest::Digest;
use amends_domain::event::TenantEvent;
use amends_domain::id::{PluginName, PluginVersion, TenantId};
use amends_domain::tenant::Published;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Most pushes of one tenant that are remembered; beyond, one that is over is forgotten for each that comes.
const OF_TENANT_MAX: usize = 100;

/// Which version of whose plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) tenant: TenantId,
    pub(super) plugin: PluginName,
    pub(super) version: PluginVersion,
}

/// How far a push has come.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Whether there may be such a version.
    Checking,
    /// Whether the component may be run, and as what.
    Compiling,
    /// It is there.
    Ready(Published),
    /// It is not.
    Refused(Problem),
}

/// What is known of a push.
#[derive(Debug, Clone)]
pub(super) struct Push {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) by: String,
    pub(super) stage: watch::Receiver<Stage>,
}

/// What is pushed.
pub(super) struct Pushed {
    pub(super) place: Place,
    pub(super) component: Bytes,
    pub(super) by: String,
}

/// All pushes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Pushes(Arc<Mutex<BTreeMap<Place, Push>>>);

impl Push {
    /// How far it has come.
    pub(super) fn now(&self) -> Stage {
        self.stage.borrow().clone()
    }

    fn is_over(&self) -> bool {
        match &*self.stage.borrow() {
            Stage::Checking | Stage::Compiling => false,
            Stage::Ready(_) | Stage::Refused(_) => true,
        }
    }

    /// Waits until it is ready or refused. Dropping the future is safe.
    pub(super) async fn over(&mut self) -> Stage {
        let is_over = |stage: &Stage| matches!(stage, Stage::Ready(_) | Stage::Refused(_));
        // Nobody brings it further where the host is ending.
        let _ = self.stage.wait_for(is_over).await;
        self.now()
    }
}

impl Pushes {
    /// What is known of a push.
    pub(super) fn of(&self, place: &Place) -> Option<Push> {
        self.pushes().get(place).cloned()
    }

    /// Forgets a push, so that a version that is deleted is not shown as one that is ready.
    pub(super) fn forget(&self, place: &Place) {
        self.pushes().remove(place);
    }

    /// Begins a push, or joins one of the same component. `upload` is given back when it is over.
    ///
    /// # Errors
    /// [`Problem`] if another component is being pushed there, or too many are.
    pub(super) fn begin(&self, coordinator: &Coordinator, new: Pushed, upload: OwnedSemaphorePermit) -> Result<Push, Problem> {
        let digest = Digest::of(&new.component);
        let mut pushes = self.pushes();
        if let Some(before) = pushes.get(&new.place).filter(|before| !before.is_over()) {
            return if before.digest == digest { Ok(before.clone()) } else { Err(being_pushed(&new.place, before.digest)) };
        }
        make_room(&mut pushes, &new.place.tenant)?;
        let (stages, stage) = watch::channel(Stage::Checking);
        let push = Push { digest, size: new.component.len() as u64, by: new.by.clone(), stage };
        pushes.insert(new.place.clone(), push.clone());
        let coordinator = coordinator.clone();
        // Whoever pushed it may go away; it goes on. It ends with the runtime of the server, which is when the host ends.
        tokio::spawn(async move {
            let over = match go(&coordinator, new, &stages).await {
                Ok(published) => Stage::Ready(published),
                Err(error) => Stage::Refused(Problem::of(&error)),
            };
            stages.send_replace(over);
            drop(upload);
        });
        Ok(push)
    }

    fn pushes(&self) -> MutexGuard<'_, BTreeMap<Place, Push>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn go(coordinator: &Coordinator, pushed: Pushed, stages: &watch::Sender<Stage>) -> Result<Published, PublishError> {
    let Pushed { place: Place { tenant, plugin, version }, component, by } = pushed;
    let (digest, size) = (Digest::of(&component), component.len() as u64);
    let (of, at, who) = (plugin.clone(), version.clone(), by.clone());
    let wish = TenantEvent::PluginPublished { plugin: of, version: at, component: digest, size, by: who };
    // Told apart from what the component itself is refused for, and before it costs anything.
    coordinator.would_admit(&tenant, &wish).await?;
    stages.send_replace(Stage::Compiling);
    coordinator.publish(&tenant, &plugin, version, component, by).await
}

fn make_room(pushes: &mut BTreeMap<Place, Push>, tenant: &TenantId) -> Result<(), Problem> {
    let of_tenant = pushes.iter().filter(|(place, _)| place.tenant == *tenant);
    if of_tenant.clone().count() < OF_TENANT_MAX {
        return Ok(());
    }
    let over = of_tenant.clone().find(|(_, push)| push.is_over()).map(|(place, _)| place.clone());
    let over = over.ok_or_else(|| {
        let detail = format!("{OF_TENANT_MAX} components of the tenant are being checked: wait for one of them");
        Problem::new("too_many_pushes", detail)
    })?;
    pushes.remove(&over);
    Ok(())
}

fn being_pushed(place: &Place, digest: Digest) -> Problem {
    let Place { plugin, version, .. } = place;
    let detail =
        format!("{digest} is being pushed as version {version} of plugin `{plugin}`: wait for it, or push another version");
    Problem::new("version_being_pushed", detail)
}
