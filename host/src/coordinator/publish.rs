//! Versions of plugins: published under a name that means the newest of them, and taken back. A run pins components and not versions, so a
//! version can go while its bytes stay.

use super::error::{DriveError, InstallError};
use super::tenants::Judged;
use super::{Coordinator, registry};
use crate::store::{PAGE_LEN_MAX, StoreError};
use amends_domain::decide::Unfit;
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEntry, TenantEvent};
use amends_domain::id::{PluginName, PluginVersion, RunId, TenantId};
use amends_domain::quota::Over;
use amends_domain::tenant::{Published, Tenant};
use bytes::Bytes;
use std::sync::Arc;

/// Why a version of a plugin is not published or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It does not fit how the tenant stands.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The tenant has taken as much as it may.
    #[error(transparent)]
    Over(#[from] Over),
    /// The component is refused.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Host(error.into())
    }
}

impl PublishError {
    /// The stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unfit(unfit) => unfit.code,
            Self::Over(_) => Over::CODE,
            Self::Install(error) => error.code(),
            Self::Host(_) => "host",
        }
    }
}

/// What a plugin's name means from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) plugin: PluginName,
    /// The component and its size in bytes; none: there is no such plugin any more.
    pub(super) installed: Option<(Digest, u64)>,
}

/// What a plugin's name means behind a fact about its versions; none if that is as it was. `tenant`: before the fact and behind it; `now`:
/// what the name means so far.
///
/// Behind a deletion it is said again, even if it is the same: without that the name would mean nothing.
pub(super) fn meaning_behind(event: &TenantEvent, tenant: (&Tenant, &Tenant), now: Option<(Digest, u64)>) -> Option<Meaning> {
    let (before, after) = tenant;
    match event {
        TenantEvent::PluginPublished { plugin, component, size, .. } => {
            let news = now.is_none_or(|(now, _)| now != *component);
            news.then(|| Meaning { plugin: plugin.clone(), installed: Some((*component, *size)) })
        }
        TenantEvent::PluginVersionDeleted { plugin, version, .. } => {
            let gone = before.version(plugin, version).map(|published| published.component);
            let has_another = after.versions(plugin).iter().any(|other| Some(other.component) == gone);
            let latest = || after.latest(plugin).map(|latest| (latest.component, latest.size));
            let is_gone = now.is_none_or(|(now, _)| Some(now) == gone) && !has_another;
            Some(Meaning { plugin: plugin.clone(), installed: if is_gone { latest() } else { now } })
        }
        _ => None,
    }
}

impl Coordinator {
    /// Checks a component, compiles it and makes it a version of a plugin, which the plugin's name means from now on. When this returns,
    /// that is durable. The same version with the same component again changes nothing.
    ///
    /// Dropping the future leaves it published or not.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was noted, unless it says that this is not known.
    pub async fn publish(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        version: PluginVersion,
        component: Bytes,
        by: String,
    ) -> Result<Published, PublishError> {
        let (digest, size) = (Digest::of(&component), component.len() as u64);
        let event = TenantEvent::PluginPublished { plugin: plugin.clone(), version, component: digest, size, by };
        self.has_room()?;
        // What is refused anyway must not cost a compilation.
        self.would_admit(tenant, &event).await?;
        let lane = self.parts.lanes.of(tenant);
        lane.allowance().upload(size)??;
        // One at a time: it is the dearest thing that a tenant can have done, and others want the compiler, too.
        let turn = lane.allowance().compiler().await;
        self.check_component(tenant, plugin, component.clone()).await?;
        drop(turn);
        let TenantEvent::PluginPublished { version, .. } = &event else { unreachable!("it was made above") };
        let version = version.clone();
        let judged = self.judge_wish(tenant, event, Some((digest, component))).await?;
        self.told_of::<PublishError>(judged).await?;
        let known = self.tenant(tenant).version(plugin, &version).cloned();
        // Somebody may have deleted it meanwhile: then it is as if it had been deleted a moment later.
        let unknown = || unfit("version_unknown", format!("version {version} of plugin `{plugin}` was deleted meanwhile"));
        Ok(known.ok_or_else(unknown)?)
    }

    /// Takes a version of a plugin back. If the plugin's name means it, it means the version that was published last of those that remain;
    /// if none does, there is no such plugin any more. When this returns, that is durable. The bytes stay: a run that is started at this
    /// moment may pin them, and others may have uploaded the same. `amends compact` removes what nothing uses.
    ///
    /// # Errors
    /// [`PublishError`]; code `version_pinned` while an open run pins its component.
    pub async fn unpublish(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        version: &PluginVersion,
        by: String,
    ) -> Result<(), PublishError> {
        let event = TenantEvent::PluginVersionDeleted { plugin: plugin.clone(), version: version.clone(), by };
        self.would_admit(tenant, &event).await?;
        let component = self.tenant_ahead(tenant).version(plugin, version).map(|published| published.component);
        if let Some(component) = component
            && let Some(run) = self.open_run_with(tenant, plugin, component).await?
        {
            let message =
                format!("{run} is open and pins version {version} of plugin `{plugin}`: delete it when the run has ended");
            return Err(unfit("version_pinned", message).into());
        }
        let judged = self.judge_wish(tenant, event, None).await?;
        self.told_of::<PublishError>(judged).await?;
        Ok(())
    }

    /// Whether a component is one that the plugin may have.
    pub(super) async fn check_component(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        component: Bytes,
    ) -> Result<crate::sandbox::Description, InstallError> {
        let description = Arc::clone(&self.parts.components).inspect(component).await?;
        if description.sends_requests && self.parts.lanes.of(tenant).grants(plugin)?.is_empty() {
            return Err(InstallError::NotGranted { tenant: tenant.clone(), plugin: plugin.clone() });
        }
        Ok(description)
    }

    /// Whether a wish about versions would be admitted now. So that what is refused anyway costs nothing.
    ///
    /// # Errors
    /// As [`Coordinator::publish`]; what a refusal goes by is durable.
    pub async fn would_admit(&self, tenant: &TenantId, event: &TenantEvent) -> Result<(), PublishError> {
        let Err(unfit) = self.tenant_ahead(tenant).admit(event, self.parts.clock.now()) else { return Ok(()) };
        self.parts.gate.settle().await.map_err(DriveError::from)?;
        Err(unfit.into())
    }

    /// Judges a wish about versions, with what its component is.
    async fn judge_wish(
        &self,
        tenant: &TenantId,
        event: TenantEvent,
        component: Option<(Digest, Bytes)>,
    ) -> Result<Judged, DriveError> {
        let parts = &self.parts;
        parts.writer.room().await?;
        let wish = TenantEntry { at: parts.clock.now(), event };
        Ok(parts.lanes.of(tenant).alter(&parts.book, wish, component)?)
    }

    /// An open run that pins a component of a plugin. Costs a journal for each open run of a saga that uses the plugin.
    async fn open_run_with(&self, tenant: &TenantId, plugin: &PluginName, component: Digest) -> Result<Option<RunId>, DriveError> {
        let parts = &self.parts;
        // Runs are read from the store: what was started before this must be there.
        parts.gate.settle().await?;
        let mut last = None;
        loop {
            let page = parts.store.open_runs(tenant, last, PAGE_LEN_MAX)?;
            for open in &page {
                if self.pins(tenant, open.run, (plugin, component))? {
                    return Ok(Some(open.run));
                }
                // There may be many, and others want this thread.
                tokio::task::yield_now().await;
            }
            let Some(open) = page.last() else { return Ok(None) };
            last = Some(open.run);
        }
    }

    fn pins(&self, tenant: &TenantId, run: RunId, (plugin, component): (&PluginName, Digest)) -> Result<bool, DriveError> {
        let Some(head) = self.parts.store.run(tenant, run)? else { return Ok(false) };
        let definition = self.parts.registry.definition(tenant, head.definition)?;
        if !registry::plugins(&definition).contains(plugin) {
            return Ok(false);
        }
        let Some(run) = self.open_run(tenant, run)? else { return Ok(false) };
        // Asked step by step: a dead letter may have been tried again with another component than the run began with.
        let uses = |step| definition.step(step).uses().is_some_and(|uses| uses.handler.plugin == *plugin);
        let pinned = run.steps().any(|(step, _)| uses(step) && run.component(step) == Some(component));
        Ok(pinned)
    }
}

fn unfit(code: &'static str, message: String) -> Unfit {
    Unfit { code, message }
}
