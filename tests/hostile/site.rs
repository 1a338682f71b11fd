//! The host that is attacked, the tenant who attacks it, and what lies outside.

use crate::attack::{Attack, Way};
use crate::egress;
use amends::coordinator::{InstallError, StartRun, StartedRun};
use amends::sandbox::{CompileLimits, CompilerSettings, EgressSettings, Names, Sandbox, SandboxSettings};
use amends::store::redb::RedbStore;
use amends::store::verify_tail;
use amends::vault::Vault;
use amends_domain::definition::read;
use amends_domain::event::{AttemptEnded, Ending, Event};
use amends_domain::id::{PluginName, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use bytes::Bytes;
use harness::{Host, PATIENCE, Site as Outside};
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;

/// Threads that run guests: one that an attack keeps busy, and one.
const WORKERS: usize = 2;

/// Limits of the attacker's steps: what a tenant gets by default, but less fuel, so that the cases take seconds and not minutes.
const LIMITS: &str = r#""retry":{"attempts":1},"limits":{"fuel":300000000,"timeout":"5s","memory":"64MiB"}"#;
/// The same for steps that send requests, or wait.
const SENDING: &str = r#""retry":{"attempts":1},"limits":{"fuel":100000000,"timeout":"3s","memory":"64MiB"}"#;
/// Of the compiler: what it gets in the product, but less time.
const COMPILER: CompileLimits = CompileLimits { cpu_max_s: 3, ..CompileLimits::PLUGINS };
/// Most lines of a log, with the one that says how many were dropped; most bytes of a line, with a mark where it was cut.
const LOG_LINES_MAX: usize = 1001;
const LOG_LINE_LEN_MAX: usize = 4096 + '…'.len_utf8();
/// Most bytes of a log, with its last line.
const LOG_LEN_MAX: usize = 256 * 1024 + LOG_LINE_LEN_MAX;
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) attacker: TenantId,
    pub(crate) outside: Outside,
    _folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let store = Arc::new(RedbStore::open(folder.path()).expect("a new directory opens"));
        let outside = Outside::start(egress::answer);
        let settings = SandboxSettings {
            attempts_max: 64,
            components_max: 16,
            code_len_max: 256 << 20,
            compiler: CompilerSettings::Process { program: harness::amends(), limits: COMPILER },
            code_dir: None,
            outside: None,
            egress: EgressSettings { names: Some(egress::names() as Arc<dyn Names>), ..EgressSettings::system() },
        };
        let sandbox = Sandbox::new(settings).expect("this machine runs guests");
        let vault = Vault::of_text(KEY).expect("a key");
        let host = Host::around(sandbox, store, WORKERS, |coordinator| coordinator.with_vault(vault)).expect("a new store");
        let site = Self { host, attacker: "attacker".parse().expect("a name"), outside, _folder: folder };
        site.apply(&format!(r#"{{"saga":"one","defaults":{{{LIMITS}}},"steps":[{{"id":"a","uses":"p/p"}}]}}"#));
        site.apply(&format!(
            r#"{{"saga":"sends","defaults":{{{SENDING}}},"steps":[{{"id":"a","uses":"probe/probe","input":"${{input}}"}}]}}"#
        ));
        for grant in egress::grants(site.outside.port()) {
            let plugin = Way::Granted.plugin().parse().expect("a name");
            let granted = site.host.coordinator.grant(&site.attacker, &plugin, grant, "operator".to_owned());
            site.host.block_on(granted).expect("it is granted");
        }
        site
    }

    /// Applies a saga of the attacker's.
    pub(crate) fn apply(&self, document: &str) {
        let definition = Arc::new(read(document).unwrap_or_else(|mistakes| panic!("{mistakes}")));
        self.host.coordinator.apply(&self.attacker, &definition).expect("it is kept");
    }

    /// Uploads a component of the attacker's as plugin `p`; `Err` is the code of the refusal.
    pub(crate) fn upload(&self, component: Vec<u8>) -> Result<(), &'static str> {
        self.upload_as(&self.attacker, Way::None.plugin(), component)
    }

    /// The same for any tenant and plugin.
    pub(crate) fn upload_as(&self, tenant: &TenantId, plugin: &str, component: Vec<u8>) -> Result<(), &'static str> {
        let plugin: PluginName = plugin.parse().expect("a name");
        let installed = self.host.block_on(self.host.coordinator.install(tenant, &plugin, Bytes::from(component)));
        installed.map(drop).map_err(|error| match error {
            InstallError::Refused(refusal) => refusal.code(),
            InstallError::NotGranted { .. } => "not_granted",
            InstallError::Store(error) => panic!("{error}"),
        })
    }

    /// Uploads a component and runs it once; gives what becomes of it.
    pub(crate) fn suffer(&self, attack: &Attack) -> String {
        if let Err(code) = self.upload_as(&self.attacker, attack.way.plugin(), attack.component.clone()) {
            return format!("refused {code}");
        }
        let before = self.outside.arrived().len();
        let run = self.host.block_on(self.run_with(attack.way.saga(), &attack.input));
        let ended = self.attempts(run.id()).swap_remove(0);
        check_log(attack.name, &ended);
        match (attack.way, word(&ended.ending)) {
            (Way::None, word) => word,
            (Way::Granted, word) => format!("{word}, {} sent", self.outside.arrived().len() - before),
        }
    }

    /// Runs a saga of the attacker's to its outcome.
    pub(crate) async fn run(&self, saga: &str) -> Run {
        self.run_with(saga, &serde_json::json!({})).await
    }

    /// The same with an input.
    pub(crate) async fn run_with(&self, saga: &str, input: &Value) -> Run {
        let start = StartRun {
            version: None,
            tenant: self.attacker.clone(),
            saga: saga.parse().expect("a name"),
            input: Payload::from(input),
            key: None,
            begin: None,
            parent: None,
        };
        let StartedRun::New(driven) = self.host.coordinator.start(start).await.expect("it is accepted") else {
            panic!("a run without a key is new")
        };
        tokio::time::timeout(PATIENCE, driven.ended()).await.expect("every run ends").expect("it is driven")
    }

    /// How the attempts of a run ended, in order.
    pub(crate) fn attempts(&self, run: RunId) -> Vec<AttemptEnded> {
        let journal = self.host.coordinator.store().journal(&self.attacker, run).expect("it reads").expect("it is there");
        let ended = journal.into_iter().filter_map(|entry| match entry.event {
            Event::AttemptEnded(ended) => Some(*ended),
            _ => None,
        });
        ended.collect()
    }

    /// That the chains of both tenants hold.
    pub(crate) fn check_chains(&self) {
        verify_tail(&**self.host.coordinator.store(), u64::MAX).expect("the chains hold");
    }
}

/// The ending in a word; of one that is ok, what the guest was told of its requests, if it sent any.
fn word(ending: &Ending) -> String {
    match ending {
        Ending::Ok { output } => {
            let acts = output.json().ok().and_then(|output| output.as_array().cloned()).unwrap_or_default();
            let mut told: Vec<String> = acts.iter().filter_map(told).collect();
            told.dedup();
            if told.is_empty() { "ok".to_owned() } else { told.join(" ") }
        }
        Ending::Failed { failure, .. } => format!("{failure:?}").to_lowercase(),
        Ending::Halted { halt, .. } => serde_json::to_value(halt).expect("a word").as_str().expect("a word").to_owned(),
    }
}

/// What the probe was told of one request: the status, or the error's name.
fn told(act: &Value) -> Option<String> {
    if let Some(status) = act["status"].as_u64() {
        return Some(status.to_string());
    }
    let (how, why) = ["refused", "not_sent", "unanswered"].iter().find_map(|how| Some((how, act[*how].as_str()?)))?;
    let Some((_, name)) = why.rsplit_once("::") else { return Some((*how).to_owned()) };
    Some(name.chars().take_while(char::is_ascii_alphanumeric).collect())
}

/// Whatever a guest wrote: its log is bounded, and nothing in it or in the ending does anything to whoever reads it.
fn check_log(attack: &str, ended: &AttemptEnded) {
    let lines: Vec<&str> = ended.log.iter().map(|line| line.message.as_str()).collect();
    assert!(lines.len() <= LOG_LINES_MAX, "{attack}: {} lines", lines.len());
    assert!(lines.iter().all(|line| line.len() <= LOG_LINE_LEN_MAX), "{attack}");
    assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= LOG_LEN_MAX, "{attack}");
    let said = match &ended.ending {
        Ending::Ok { .. } => String::new(),
        Ending::Failed { fault, .. } => format!("{}{}", fault.code, fault.message),
        Ending::Halted { message, .. } => message.clone(),
    };
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    for text in lines.iter().copied().chain([said.as_str()]) {
        assert!(!text.contains(obeyed), "{attack}: {text:?}");
    }
}
