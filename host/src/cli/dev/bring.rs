//! Brings what is new in a developer's folder to the server. What is refused is told and tried again when it changes; nothing here ends the server.

use super::super::applied::applied;
use super::super::argument::{file, text_file};
use super::super::desk::{Desk, There};
use super::super::error::tell;
use super::super::output::{Exit, Format, plain, remark, say, say_json_line};
use super::super::pushed::pushed;
use super::super::state::values_of;
use super::super::text::{count, size};
use super::folder::{Folder, Stamp};
use super::tenant::TENANT;
use crate::client::{Ask, segment};
use crate::clock::{Clock, SystemClock};
use amends_domain::definition::{Definition, Step, read};
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, PluginVersion};
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many versions of a plugin are kept that were brought.
const VERSIONS_MAX: usize = 20;
/// How versions are called that are brought.
const VERSION: &str = "dev-";

/// What was brought, and what is to be.
pub(super) struct Bringer {
    there: There,
    folder: Folder,
    format: Format,
    /// Each file as it was when it was looked at last.
    seen: BTreeMap<PathBuf, Stamp>,
    /// Each file as it was when it was brought.
    brought: BTreeMap<PathBuf, Stamp>,
    sagas: BTreeMap<PathBuf, Arc<Definition>>,
    /// Sagas that are to be applied, when the plugins are there that they use.
    due: BTreeSet<PathBuf>,
    /// Plugins that the server has.
    present: BTreeSet<PluginName>,
    /// Plugins that a saga uses and nobody has.
    missing: BTreeSet<PluginName>,
    /// Whether it was said how a run is started.
    said: bool,
}

impl Bringer {
    pub(super) fn new(there: There, folder: Folder, format: Format) -> Self {
        Self {
            there,
            folder,
            format,
            seen: BTreeMap::new(),
            brought: BTreeMap::new(),
            sagas: BTreeMap::new(),
            due: BTreeSet::new(),
            present: BTreeSet::new(),
            missing: BTreeSet::new(),
            said: false,
        }
    }

    /// Looks once, and brings what changed and has come to rest.
    pub(super) fn look(&mut self) {
        for (path, stamp) in self.folder.documents() {
            if self.is_new(&path, stamp) {
                self.read(path, stamp);
            }
        }
        self.bring_plugins();
        let is_ready =
            |path: &PathBuf| self.sagas.get(path).is_some_and(|saga| plugins(saga).all(|plugin| self.present.contains(&plugin)));
        let ready: Vec<_> = self.due.iter().filter(|path| is_ready(path)).cloned().collect();
        for path in &ready {
            self.due.remove(path);
            self.apply(path);
        }
        if !ready.is_empty() && !self.said {
            self.said = true;
            self.bring_state();
            self.say_how();
        }
    }

    fn read(&mut self, path: PathBuf, stamp: Stamp) {
        self.brought.insert(path.clone(), stamp);
        match saga(&path) {
            Ok(None) => {}
            Ok(Some(definition)) => {
                self.sagas.insert(path.clone(), definition);
                self.due.insert(path);
            }
            Err(error) => self.refused(&path, &error),
        }
    }

    /// Whether a file is another than the one that was brought, and is not being written.
    fn is_new(&mut self, path: &Path, stamp: Stamp) -> bool {
        let rests = self.seen.insert(path.to_owned(), stamp) == Some(stamp);
        rests && self.brought.get(path) != Some(&stamp)
    }

    /// Brings the plugins that sagas use. The sagas are applied again then: they may fit now, or no more.
    fn bring_plugins(&mut self) {
        let wanted: BTreeSet<_> = self.sagas.values().flat_map(|definition| plugins(definition)).collect();
        for plugin in wanted {
            let Some((path, stamp)) = self.folder.plugin(&plugin) else {
                self.look_there(&plugin);
                continue;
            };
            if !self.is_new(&path, stamp) {
                continue;
            }
            self.brought.insert(path.clone(), stamp);
            match self.push(&plugin, &path) {
                Ok(()) => {
                    let uses = |definition: &Definition| plugins(definition).any(|name| name == plugin);
                    self.due.extend(self.sagas.iter().filter(|(_, definition)| uses(definition)).map(|(path, _)| path.clone()));
                    self.present.insert(plugin);
                }
                Err(error) => self.refused(&path, &error),
            }
        }
    }

    /// A plugin that is nowhere here may have been brought another time.
    fn look_there(&mut self, plugin: &PluginName) {
        if self.present.contains(plugin) || !self.missing.insert(plugin.clone()) {
            return;
        }
        match self.versions(plugin) {
            Ok(versions) if versions.is_empty() => self.say_missing(plugin),
            Ok(_) => drop(self.present.insert(plugin.clone())),
            Err(error) => drop(tell(&error, self.format)),
        }
    }

    /// Pushes a component, unless it is the newest version already.
    fn push(&self, plugin: &PluginName, path: &Path) -> anyhow::Result<()> {
        let component = file(path)?;
        let (len, digest) = (component.len(), Digest::of(&component).to_string());
        let versions = self.versions(plugin)?;
        if versions.last().is_none_or(|newest| newest.1 != digest) {
            let version: PluginVersion = format!("{VERSION}{}", SystemClock.now().0).parse().context("a version")?;
            pushed(&self.there, plugin, &version, component, &|_| Ok(()))?;
            self.forget(plugin, &versions)?;
        }
        match self.format {
            Format::Text => say(plain(&format!("plugin {plugin}  {}  {digest}  {}", size(len), path.display())))?,
            Format::Json => say_json_line(&json!({ "plugin": plugin, "digest": digest, "file": path }))?,
        }
        Ok(())
    }

    /// The versions of a plugin and what they are, the newest last.
    fn versions(&self, plugin: &PluginName) -> anyhow::Result<Vec<(String, String)>> {
        let all: Value = self.there.ask(&Ask::get(self.there.path("/plugins")?))?.json()?;
        let known = all["items"].as_array().into_iter().flatten().find(|known| known["plugin"] == plugin.as_str());
        let versions = known.and_then(|known| known["versions"].as_array()).into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(versions.map(|version| (text(&version["version"]), text(&version["digest"]))).collect())
    }

    /// Deletes old versions that were brought from here.
    fn forget(&self, plugin: &PluginName, versions: &[(String, String)]) -> anyhow::Result<()> {
        let brought: Vec<_> = versions.iter().filter(|(version, _)| version.starts_with(VERSION)).collect();
        for (version, _) in &brought[..brought.len().saturating_sub(VERSIONS_MAX)] {
            self.there.ask(&Ask::delete(self.there.path(&format!("/plugins/{plugin}/{}", segment(version)))?))?;
        }
        Ok(())
    }

    fn apply(&self, path: &Path) {
        let Some(definition) = self.sagas.get(path) else { return };
        let told = applied(&self.there, definition).and_then(|version| match self.format {
            Format::Text => Ok(say(plain(&format!("saga {} version {version}  {}", definition.saga, path.display())))?),
            Format::Json => say_json_line(&json!({ "saga": definition.saga, "version": version, "file": path })),
        });
        if let Err(error) = told {
            self.refused(path, &error);
        }
    }

    /// Writes the state of the folder where the tenant has none.
    fn bring_state(&self) {
        for path in self.folder.states() {
            let written = self.there.values("", 1).and_then(|there| {
                if !there.items.is_empty() {
                    return Ok(Exit::Done);
                }
                let values = values_of(&path)?;
                let keys = values.len();
                self.there.write(values, &|| {
                    match self.format {
                        Format::Text => say(plain(&format!("state {}  {}", count(keys, "key"), path.display())))?,
                        Format::Json => say_json_line(&json!({ "state": keys, "file": path }))?,
                    }
                    Ok(Exit::Done)
                })
            });
            if let Err(error) = written {
                self.refused(&path, &error);
            }
        }
    }

    /// The commands that start a run.
    fn say_how(&self) {
        if self.format == Format::Json {
            return;
        }
        for (path, definition) in &self.sagas {
            let saga = &definition.saga;
            let (input, file) = match Folder::input(path) {
                Some(file) => (format!("'\"$(cat {})\"'", file.display()), format!(" --input @{}", file.display())),
                None => ("null".to_owned(), String::new()),
            };
            let url = format!("$AMENDS_URL/v1/tenants/{TENANT}/runs?wait=30s");
            let lines = [
                format!("start a run of {saga}:"),
                format!(
                    "  curl -s \"{url}\" -H \"Authorization: Bearer $AMENDS_TOKEN\" -d '{{\"saga\":\"{saga}\",\"input\":{input}}}'"
                ),
                format!("  amends run start {saga}{file} --follow"),
            ];
            for line in lines {
                // Whoever reads may be gone; the server is not for them alone.
                let _ = say(plain(&line));
            }
        }
        let folders = self.folder.plugin_folders().iter().filter(|folder| folder.is_dir());
        let folders: Vec<_> = folders.map(|folder| folder.display().to_string()).collect();
        let _ = say(plain(&format!("watching {} for sagas, {} for plugins", self.folder.dir().display(), folders.join(", "))));
    }

    fn say_missing(&self, plugin: &PluginName) {
        let places: Vec<_> = self.folder.plugin_folders().iter().map(|folder| folder.display().to_string()).collect();
        let places = places.join(", ");
        let _ = remark(plain(&format!(
            "plugin `{plugin}` is not there yet: build it (`cargo xtask guests` builds those of this repository), so that {plugin}.wasm is in one of {places}"
        )));
    }

    fn refused(&self, path: &Path, error: &anyhow::Error) {
        let _ = remark(plain(&format!("{} is refused; what was brought before goes on", path.display())));
        tell(error, self.format);
    }
}

fn plugins(definition: &Definition) -> impl Iterator<Item = PluginName> {
    definition.steps.iter().filter_map(Step::uses).map(|uses| uses.handler.plugin.clone())
}

/// The saga in a file; none if it is something else.
fn saga(path: &Path) -> anyhow::Result<Option<Arc<Definition>>> {
    let text = text_file(path)?;
    let is_json = path.extension().is_some_and(|ends| ends == "json");
    if is_json
        && !serde_json::from_str::<Value>(&text).is_ok_and(|value| value.get("saga").is_some() && value.get("steps").is_some())
    {
        return Ok(None);
    }
    Ok(Some(Arc::new(read(&text)?)))
}
