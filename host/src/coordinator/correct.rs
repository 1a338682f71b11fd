//! The component with which a dead letter is tried again, in the place of the one that its run pins. Checked before anything changes: a
//! component that lacks the handler would only make another dead letter.

use super::error::{DriveError, InstallError};
use super::{Coordinator, DemandError, DemandOf, registry};
use amends_domain::decide::{Unfit, admit};
use amends_domain::definition::{Step, Uses};
use amends_domain::digest::Digest;
use amends_domain::event::{Author, Demand};
use amends_domain::id::{HandlerRef, PluginName, RunId, StepId, StepIndex, TenantId};
use amends_domain::plugin::Manifest;
use amends_domain::run::{Run, TrackState};
use bytes::Bytes;

/// What is to take the place of the component that a run pins.
#[derive(Debug, Clone)]
pub enum Correction {
    /// What the plugin's name means now.
    Latest,
    /// A component that is installed for it.
    Component {
        /// Under which name.
        plugin: PluginName,
        /// Its bytes.
        bytes: Bytes,
    },
}

/// Why a component cannot take the place of another.
#[derive(Debug, thiserror::Error)]
pub enum CorrectError {
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The step cannot be tried again, with whatever component.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The step runs no handler.
    #[error("step `{0}` uses no plugin: it waits")]
    NoPlugin(StepId),
    /// The step uses another plugin.
    #[error("the step uses plugin `{used}` and not `{named}`: name that one")]
    OtherPlugin {
        /// What was named.
        named: PluginName,
        /// What the step uses.
        used: PluginName,
    },
    /// There is no such plugin.
    #[error("plugin `{0}` is not installed: name a component for it")]
    UnknownPlugin(PluginName),
    /// The component does not have what the step uses.
    #[error("the component has no handler for `{wanted}`; it has: {has}")]
    NoHandler {
        /// What the step uses.
        wanted: HandlerRef,
        /// What there is.
        has: String,
    },
    /// The handler has no way back.
    #[error("`{0}` of the component cannot be compensated, and it is the compensation that is tried again")]
    NoCompensation(HandlerRef),
    /// The component is refused.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl CorrectError {
    /// The stable code for it; none where what is inside has one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::UnknownRun(_) => Some("unknown_run"),
            Self::Unfit(unfit) => Some(unfit.code),
            Self::NoPlugin(_) => Some("step_waits"),
            Self::OtherPlugin { .. } => Some("plugin_not_used"),
            Self::UnknownPlugin(_) => Some("unknown_plugin"),
            Self::NoHandler { .. } => Some("handler_missing"),
            Self::NoCompensation(_) => Some("handler_not_compensating"),
            Self::Install(_) | Self::Host(_) => None,
        }
    }
}

impl Coordinator {
    /// The component with which `step` of a run is to be redriven, installed if it was given. That the step is a dead letter is looked
    /// at first, so that nothing is installed for a demand that would be refused; the demand itself is judged again.
    ///
    /// # Errors
    /// [`CorrectError`] says what does not fit; nothing was installed.
    pub async fn correct(
        &self,
        tenant: &TenantId,
        run: RunId,
        step: StepIndex,
        correction: Correction,
    ) -> Result<Digest, CorrectError> {
        let run = self.judge_redrive(tenant, run, step)?;
        let uses = run.definition().step(step).uses();
        let uses = uses.ok_or_else(|| CorrectError::NoPlugin(run.definition().step(step).id.clone()))?;
        let plugin = &uses.handler.plugin;
        match correction {
            Correction::Latest => {
                let digest = self.parts.lanes.of(tenant).plugin(plugin).map_err(DriveError::from)?;
                let digest = digest.ok_or_else(|| CorrectError::UnknownPlugin(plugin.clone()))?;
                let manifest = self.installed(tenant, plugin).await?.ok_or(DriveError::NoComponent(digest))?;
                fits(&run, step, uses, &manifest)?;
                Ok(digest)
            }
            Correction::Component { plugin: named, .. } if named != *plugin => {
                Err(CorrectError::OtherPlugin { named, used: plugin.clone() })
            }
            Correction::Component { bytes, .. } => {
                let description = std::sync::Arc::clone(&self.parts.components).inspect(bytes.clone()).await;
                let manifest = registry::manifest(plugin, description.map_err(InstallError::from)?);
                fits(&run, step, uses, &manifest)?;
                Ok(self.install(tenant, plugin, bytes).await?.digest)
            }
        }
    }

    /// Refuses a component that is not what the step's plugin means for the tenant: a digest alone would reach what others uploaded.
    pub(super) fn check_own(&self, of: &DemandOf, step: StepIndex, component: Digest) -> Result<(), DemandError> {
        let journal = self.parts.store.journal(&of.tenant, of.run).map_err(DriveError::from)?;
        let run = self.replay(&of.tenant, of.run, &journal.ok_or(DemandError::UnknownRun(of.run))?)?;
        let uses = run.definition().steps.get(step.0 as usize).and_then(Step::uses);
        let lane = self.parts.lanes.of(&of.tenant);
        let own = uses.map(|uses| lane.plugin(&uses.handler.plugin)).transpose().map_err(DriveError::from)?.flatten();
        if own == Some(component) {
            return Ok(());
        }
        let message = format!("{component} is not what the plugin of the step means: install it first");
        Err(Unfit { code: "component_not_installed", message }.into())
    }

    fn judge_redrive(&self, tenant: &TenantId, run: RunId, step: StepIndex) -> Result<Run, CorrectError> {
        let journal = self.parts.store.journal(tenant, run).map_err(DriveError::from)?.ok_or(CorrectError::UnknownRun(run))?;
        let run = self.replay(tenant, run, &journal)?;
        let resolvers = self.parts.lanes.of(tenant).resolvers().map_err(DriveError::from)?;
        let nobody = Author { who: "host".to_owned(), why: None, key: None };
        admit(&run, Demand::Redrive { step, component: None }, nobody, resolvers)?;
        Ok(run)
    }
}

/// Whether a plugin has what the step uses, in the direction in which it is tried again.
fn fits(run: &Run, step: StepIndex, uses: &Uses, manifest: &Manifest) -> Result<(), CorrectError> {
    let Some(handler) = manifest.handler(&uses.handler.handler) else {
        let has: Vec<_> = manifest.handlers.iter().map(|handler| handler.name.as_str()).collect();
        return Err(CorrectError::NoHandler { wanted: uses.handler.clone(), has: has.join(", ") });
    };
    let backward = run.step(step).backward.state != TrackState::Idle;
    if backward && !handler.compensates {
        return Err(CorrectError::NoCompensation(uses.handler.clone()));
    }
    Ok(())
}
