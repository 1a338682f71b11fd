//! The host that is attacked, and the tenant who attacks it.

use crate::attack::Attack;
use amends::coordinator::{InstallError, StartRun, StartedRun};
use amends::store::verify_tail;
use amends_domain::definition::read;
use amends_domain::event::{Ending, Event};
use amends_domain::id::{PluginName, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use bytes::Bytes;
use harness::{Host, PATIENCE};
use std::sync::Arc;
use tempfile::TempDir;

/// Threads that run guests: one that an attack keeps busy, and one.
const WORKERS: usize = 2;

/// Limits of the attacker's steps: what a tenant gets by default, but less fuel, so that the cases take seconds and not minutes.
const LIMITS: &str = r#""retry":{"attempts":1},"limits":{"fuel":300000000,"timeout":"5s","memory":"64MiB"}"#;

pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) attacker: TenantId,
    _folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let host = Host::open(folder.path(), WORKERS).expect("a new directory opens");
        let site = Self { host, attacker: "attacker".parse().expect("a name"), _folder: folder };
        site.apply(&format!(r#"{{"saga":"one","defaults":{{{LIMITS}}},"steps":[{{"id":"a","uses":"p/p"}}]}}"#));
        site
    }

    /// Applies a saga of the attacker's.
    pub(crate) fn apply(&self, document: &str) {
        let definition = Arc::new(read(document).unwrap_or_else(|mistakes| panic!("{mistakes}")));
        self.host.coordinator.apply(&self.attacker, &definition).expect("it is kept");
    }

    /// Uploads a component of the attacker's; `Err` is the code of the refusal.
    pub(crate) fn upload(&self, component: Vec<u8>) -> Result<(), &'static str> {
        let plugin: PluginName = "p".parse().expect("a name");
        let installed = self.host.block_on(self.host.coordinator.install(&self.attacker, &plugin, Bytes::from(component)));
        installed.map(drop).map_err(|error| match error {
            InstallError::Refused(refusal) => refusal.code(),
            InstallError::NotGranted { .. } => "not_granted",
            InstallError::Store(error) => panic!("{error}"),
        })
    }

    /// Uploads a component and runs it once; gives what becomes of it.
    pub(crate) fn suffer(&self, attack: &Attack) -> String {
        if let Err(code) = self.upload(attack.component.clone()) {
            return format!("refused {code}");
        }
        let run = self.host.block_on(self.run("one"));
        self.ending(run.id())
    }

    /// Runs a saga of the attacker's to its outcome.
    pub(crate) async fn run(&self, saga: &str) -> Run {
        let start = StartRun {
            tenant: self.attacker.clone(),
            saga: saga.parse().expect("a name"),
            input: Payload::from("{}"),
            key: None,
            begin: None,
        };
        let StartedRun::New(driven) = self.host.coordinator.start(start).await.expect("it is accepted") else {
            panic!("a run without a key is new")
        };
        tokio::time::timeout(PATIENCE, driven.ended()).await.expect("every run ends").expect("it is driven")
    }

    /// How the first attempt of a run ended.
    fn ending(&self, run: RunId) -> String {
        let journal = self.host.coordinator.store().journal(&self.attacker, run).expect("it reads").expect("it is there");
        let ending = journal.iter().find_map(|entry| match &entry.event {
            Event::AttemptEnded(ended) => Some(ended.ending.clone()),
            _ => None,
        });
        match ending.expect("there was an attempt") {
            Ending::Ok { .. } => "ok".to_owned(),
            Ending::Failed { failure, .. } => format!("{failure:?}").to_lowercase(),
            Ending::Halted { halt, .. } => serde_json::to_value(halt).expect("a word").as_str().expect("a word").to_owned(),
        }
    }

    /// That the chains of both tenants hold.
    pub(crate) fn check_chains(&self) {
        verify_tail(&**self.host.coordinator.store(), u64::MAX).expect("the chains hold");
    }
}
