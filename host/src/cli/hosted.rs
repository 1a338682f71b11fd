//! Work on a host in this process, closed whatever ends the work. Apart, so that no command can leave a data file unclean or keep to
//! itself that it is not known what is durable.

use super::error::misuse;
use super::output::{Exit, plain, remark};
use crate::compose::{Host, Stop, Worked};
use crate::coordinator::{Coordinator, Driven, StartedRun};
use crate::store::writer::WriterError;
use amends_domain::definition::{Definition, Step};
use amends_domain::id::{PluginName, RunId, TenantId};
use amends_domain::plugin::Manifest;
use anyhow::Context;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Does `work` on `host`, and closes it. `data` is where the host keeps runs, if it keeps any: whoever stops the work is told how to go
/// on with them.
pub(super) fn on(
    host: Host,
    data: Option<&Path>,
    work: impl AsyncFnOnce(Coordinator) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let (worked, ended) = host.work(work);
    closed(worked, ended, data, |done| done)
}

/// Says how work on a host ended, and its closing: `told` says what the work gave.
pub(super) fn closed<T>(
    worked: Worked<T>,
    ended: Result<(), WriterError>,
    data: Option<&Path>,
    told: impl FnOnce(T) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let exit = match worked {
        Worked::Done(done) => told(done)?,
        Worked::Stopped(stop) => stopped(stop, data)?,
    };
    match ended {
        Ok(()) => Ok(exit),
        Err(error @ WriterError::Unmarked(_)) => {
            remark(plain(&format!("warning: {error}")))?;
            Ok(exit)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says who stopped it, and what is open in a data directory; gives the exit code for that.
pub(super) fn stopped(stop: Stop, data: Option<&Path>) -> anyhow::Result<Exit> {
    let (why, exit) = match stop {
        Stop::Interrupt => ("SIGINT", Exit::Interrupted),
        Stop::Terminate => ("SIGTERM", Exit::Terminated),
    };
    let open = data.map_or_else(String::new, |data| {
        format!(". Runs without an outcome are open: `amends resume --data {}` goes on with them", data.display())
    });
    remark(plain(&format!("stopped by {why}{open}")))?;
    Ok(exit)
}

/// Installs `components`, checks `definition` against its plugins and makes it the newest version.
pub(super) async fn prepare(
    coordinator: &Coordinator,
    tenant: &TenantId,
    definition: &Arc<Definition>,
    components: &BTreeMap<PluginName, Bytes>,
) -> anyhow::Result<()> {
    let manifests = install(coordinator, tenant, definition, components).await?;
    check(definition, &manifests)?;
    coordinator.apply(tenant, definition)?;
    Ok(())
}

/// Installs `components` and gives the manifests of all plugins that `definition` could use: those, and those installed before.
pub(super) async fn install(
    coordinator: &Coordinator,
    tenant: &TenantId,
    definition: &Definition,
    components: &BTreeMap<PluginName, Bytes>,
) -> anyhow::Result<BTreeMap<PluginName, Manifest>> {
    let mut manifests = BTreeMap::new();
    for (plugin, component) in components {
        let installed = coordinator.install(tenant, plugin, component.clone()).await;
        let installed = installed.with_context(|| format!("failed to install plugin `{plugin}`"))?;
        manifests.insert(plugin.clone(), installed.manifest);
    }
    for uses in definition.steps.iter().filter_map(Step::uses) {
        let plugin = &uses.handler.plugin;
        if !manifests.contains_key(plugin)
            && let Some(manifest) = coordinator.installed(tenant, plugin).await?
        {
            manifests.insert(plugin.clone(), manifest);
        }
    }
    Ok(manifests)
}

/// Refuses a definition that does not fit its plugins.
pub(super) fn check(definition: &Definition, manifests: &BTreeMap<PluginName, Manifest>) -> anyhow::Result<()> {
    let mistakes = amends_domain::definition::check_handlers(definition, manifests);
    if mistakes.0.is_empty() {
        return Ok(());
    }
    Err(anyhow::Error::from(mistakes).context(format!("saga `{}` is refused", definition.saga)))
}

/// The run that was started or found.
pub(super) fn id(started: &StartedRun) -> RunId {
    match started {
        StartedRun::New(driven) => driven.run,
        StartedRun::Existing(run) => *run,
    }
}

/// The driving of a run that was started or found; none if it has ended before.
pub(super) fn driven(coordinator: &Coordinator, tenant: &TenantId, started: StartedRun) -> anyhow::Result<Option<Driven>> {
    match started {
        StartedRun::New(driven) => Ok(Some(driven)),
        StartedRun::Existing(run) => Ok(coordinator.adopt(tenant, run)?),
    }
}

/// Reads a definition from a file; all its mistakes are in the error.
pub(super) fn definition(path: &Path) -> anyhow::Result<Arc<Definition>> {
    let text = super::argument::text_file(path)?;
    if text.trim().is_empty() {
        return Err(misuse("file_empty", format!("{} is empty", path.display())));
    }
    let read = amends_domain::definition::read(&text);
    Ok(Arc::new(read.with_context(|| format!("{} is refused", path.display()))?))
}
