//! A server whose tenants have webhooks, and receivers that remember what came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Arrived, Client, Reply, Server, Site};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const MASTER_KEY: (&str, &str) =
    ("AMENDS_MASTER_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
/// No test waits longer for what should come.
const PATIENCE: Duration = Duration::from_secs(40);
/// A saga of a moment, without any plugin.
const NAP: &str = r#"{"saga":"nap","steps":[{"id":"n","wait":{"for":"1ms"}}]}"#;

/// A server that can be started again.
pub(crate) struct Stage {
    folder: TempDir,
    variables: Vec<(&'static str, &'static str)>,
    server: Option<Server>,
    operator: String,
}

/// Somebody who may do everything with one tenant.
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) admin: Client,
    pub(crate) token: String,
}

impl Stage {
    pub(crate) fn new(variables: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let variables: Vec<_> = variables.iter().copied().chain([MASTER_KEY]).collect();
        let server = Server::start_with(folder.path(), variables.iter().copied());
        let operator = server.operator_token().to_owned();
        Self { folder, variables, server: Some(server), operator }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    pub(crate) fn operator(&self) -> Client {
        self.server().client(&self.operator)
    }

    /// A tenant with the saga `nap`.
    pub(crate) fn tenant(&self, name: &str) -> Tenant {
        self.operator().post("/v1/tenants", &json!({ "id": name })).expect(201);
        let key = json!({ "name": "admin", "role": "tenant-admin" });
        let key = self.operator().post(&format!("/v1/tenants/{name}/keys"), &key).expect(201);
        let token = key["token"].as_str().expect("a token").to_owned();
        let tenant = Tenant { name: name.to_owned(), admin: self.server().client(&token), token };
        tenant.admin.ask("PUT", &tenant.at("sagas/nap"), &[], NAP.as_bytes()).expect(201);
        tenant
    }

    /// The same tenant at the server that runs now.
    pub(crate) fn again(&self, tenant: &Tenant) -> Tenant {
        let (name, token) = (tenant.name.clone(), tenant.token.clone());
        Tenant { name, admin: self.server().client(&token), token }
    }

    /// Sets a webhook as an operator, who may name this machine, and gives its key.
    pub(crate) fn hook(&self, tenant: &Tenant, name: &str, url: &str, events: &[&str]) -> String {
        let set = put(&self.operator(), &tenant.at(&format!("webhooks/{name}")), &json!({ "url": url, "events": events }));
        set.expect(201)["key"].as_str().expect("it is told once").to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    pub(crate) fn stop(&mut self) {
        self.server.take().expect("it runs").stop();
    }

    /// Starts it again with another variable, which counts from now on.
    pub(crate) fn start_with(&mut self, variable: (&'static str, &'static str)) {
        self.variables.retain(|(name, _)| *name != variable.0);
        self.variables.push(variable);
        self.start();
    }

    pub(crate) fn start(&mut self) {
        self.server = Some(Server::start_with(self.folder.path(), self.variables.iter().copied()));
    }
}

impl Tenant {
    pub(crate) fn at(&self, rest: &str) -> String {
        format!("/v1/tenants/{}/{rest}", self.name)
    }

    /// Starts so many runs, one after the other.
    pub(crate) fn runs(&self, count: usize) {
        for _ in 0..count {
            let started = self.admin.post(&self.at("runs"), &json!({ "saga": "nap" }));
            assert!(matches!(started.status, 201 | 202), "{started:?}");
        }
    }

    /// The ids of all events, from the first one on, behind `after`.
    pub(crate) fn told(&self, after: Option<&str>) -> Vec<String> {
        let (mut told, mut cursor) = (Vec::new(), after.map(str::to_owned));
        loop {
            let behind = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.admin.get(&self.at(&format!("events?limit=1000{behind}"))).expect(200);
            told.extend(page["items"].as_array().expect("a list").iter().map(id));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return told,
            }
        }
    }

    pub(crate) fn shown(&self, webhook: &str) -> Value {
        self.admin.get(&self.at(&format!("webhooks/{webhook}"))).expect(200)
    }

    /// Waits until a webhook is shown as `is` wants it.
    pub(crate) fn wait_until(&self, webhook: &str, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown(webhook);
            if is(&shown) {
                return shown;
            }
            assert!(Instant::now() < until, "{shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) fn put(by: &Client, path: &str, body: &Value) -> harness::Answered {
    by.ask("PUT", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

fn id(event: &Value) -> String {
    event["id"].as_str().expect("an id").to_owned()
}

/// The events of a request.
pub(crate) fn events(arrived: &Arrived) -> Vec<Value> {
    let events: Value = serde_json::from_slice(&arrived.body).expect("it is JSON");
    events.as_array().expect("a list").clone()
}

/// The ids of all events that arrived, in the order in which they did, each once.
pub(crate) fn received(site: &Site) -> Vec<String> {
    let mut seen = HashSet::new();
    let arrived = site.arrived();
    let ids = arrived.iter().flat_map(events).map(|event| id(&event));
    ids.filter(|id| seen.insert(id.clone())).collect()
}

/// How many events arrived, those that came again among them.
pub(crate) fn arrivals(site: &Site) -> usize {
    site.arrived().iter().map(|arrived| events(arrived).len()).sum()
}

/// Waits until what arrived is `wanted`, in this order.
pub(crate) fn wait_for(site: &Site, wanted: impl Fn() -> Vec<String>) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let (received, wanted) = (received(site), wanted());
        if received == wanted {
            return received;
        }
        if Instant::now() > until {
            let at = received.iter().zip(&wanted).position(|(one, other)| one != other);
            let (got, want) = (received.len(), wanted.len());
            panic!("{got} events of {want}; the first that differs: {at:?}; last {:?} {:?}", received.last(), wanted.last());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a request is signed with a key, as Standard Webhooks has it.
pub(crate) fn is_signed(arrived: &Arrived, key: &str) -> bool {
    let header = |name: &str| arrived.header(name).unwrap_or_else(|| panic!("{name} is missing"));
    let key = STANDARD.decode(key.strip_prefix("whsec_").expect("it is a key")).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(&arrived.body);
    let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    header("webhook-signature").split(' ').any(|signature| signature == wanted)
}

/// A receiver that takes everything.
pub(crate) fn taker() -> Site {
    Site::start(|_| Reply::new(204, ""))
}
