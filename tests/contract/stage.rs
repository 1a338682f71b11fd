//! A server with two tenants, each with everything that there can be: plugins, sagas, runs in every state, dead letters, secrets, grants.

use crate::{Asker, Description, Seen};
use harness::{Answered, Client, Server, guest};
use serde_json::{Value, json};
use std::cell::RefCell;

/// What secrets are sealed with.
pub(crate) const MASTER_KEY: (&str, &str) =
    ("AMENDS_MASTER_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

/// Steps that wait, fail, and cannot be taken back.
pub(crate) const SAGA: &str = r#"
saga: order
steps:
  - { id: reserve, uses: orders/reserve-inventory, input: { sku: "${input.sku}", quantity: "${input.quantity}" } }
  - { id: wait, when: "${input.waits}", wait: { signal: approved } }
"#;

/// Waits, and does nothing.
pub(crate) const ASK: &str = r#"{"saga":"ask","steps":[{"id":"w","wait":{"signal":"go"}}]}"#;

/// Its second step fails past the pivot, where only a person can go on.
pub(crate) const STUCK: &str = r#"
saga: stuck
steps:
  - { id: first, wait: { for: 1ms } }
  - { id: pay, uses: orders/reserve-inventory, kind: pivot, compensate: none, input: { sku: "A", quantity: 1 } }
  - { id: reserve, uses: orders/reserve-inventory, kind: retriable, input: { sku: "MISSING", quantity: 1 }, retry: { attempts: 1 } }
"#;

/// A server and those who ask it.
pub(crate) struct Stage {
    _folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) description: Description,
    pub(crate) seen: RefCell<Seen>,
}

impl Stage {
    pub(crate) fn new(variables: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let server = Server::start_with(folder.path(), variables.iter().copied().chain([MASTER_KEY]));
        let description = Description::of(&server.stranger());
        Self { _folder: folder, server, description, seen: RefCell::default() }
    }

    pub(crate) fn asker(&self, client: Client) -> Asker<'_> {
        Asker { client, description: &self.description, seen: &self.seen }
    }

    pub(crate) fn stranger(&self) -> Asker<'_> {
        self.asker(self.server.stranger())
    }

    pub(crate) fn operator(&self) -> Asker<'_> {
        self.asker(self.server.client(self.server.operator_token()))
    }

    /// A tenant and its administrator.
    pub(crate) fn tenant(&self, name: &str) -> Asker<'_> {
        // What a test does in seconds must not be too much for a minute.
        let limits =
            json!({ "uploads_per_minute": 10_000, "starts_per_minute": 100_000, "fuel_per_minute": 1_000_000_000_000_000_u64 });
        self.operator().send("POST", "/v1/tenants", &json!({ "id": name, "limits": limits })).expect(201);
        self.key(name, "tenant-admin")
    }

    /// Somebody with a key of a tenant.
    pub(crate) fn key(&self, tenant: &str, role: &str) -> Asker<'_> {
        let key = json!({ "name": role, "role": role });
        let key = self.operator().send("POST", &format!("/v1/tenants/{tenant}/keys"), &key).expect(201);
        self.asker(self.server.client(key["token"].as_str().expect("it is told once")))
    }
}

/// Gives a tenant a plugin, sagas, state, a secret and a grant, and runs in every state: those that wait, ended and are stuck.
pub(crate) fn furnish(admin: &Asker<'_>, tenant: &str) -> Furnished {
    let at = |rest: &str| format!("/v1/tenants/{tenant}/{rest}");
    let component = std::fs::read(guest("orders")).expect("it is built");
    let wasm = [("Content-Type", "application/wasm")];
    admin.ask("PUT", &at("plugins/orders/1.0.0?wait=30s"), &wasm, &component).expect(201);
    let state = json!({ "stock/A": { "available": 100, "reserved": 0, "shipped": 0, "price_cents": 2000 } });
    admin.send("PATCH", &at("state"), &state).expect(204);
    for (saga, document) in [("order", SAGA), ("ask", ASK), ("stuck", STUCK)] {
        admin.ask("PUT", &at(&format!("sagas/{saga}")), &[], document.as_bytes()).expect(201);
    }
    admin.send("PUT", &at("secrets/token"), &json!({ "value": "hunter2" })).expect(204);
    admin.ask("PUT", &at("secrets/token/plugins/orders"), &[], b"").expect(204);
    admin.ask("PUT", &at("plugins/orders/grants/api.example.com"), &[], b"").expect(200);
    // Nobody is there: what is sent fails, and is kept.
    let webhook = json!({ "url": "https://example.invalid/hooks/secret", "events": ["workflow.saga.*"] });
    admin.send("PUT", &at("webhooks/billing"), &webhook).expect(201);
    let start = |saga: &str, input: Value, query: &str| {
        let run = admin.send("POST", &at(&format!("runs{query}")), &json!({ "saga": saga, "input": input }));
        assert!(matches!(run.status, 201 | 202), "{run:?}");
        id(&run)
    };
    Furnished {
        ended: start("order", json!({ "sku": "A", "quantity": 1, "waits": false }), "?wait=30s"),
        compensated: start("order", json!({ "sku": "MISSING", "quantity": 1, "waits": false }), "?wait=30s"),
        open: start("ask", Value::Null, ""),
        stuck: start("stuck", Value::Null, "?wait=30s"),
    }
}

/// Runs by how they stand.
pub(crate) struct Furnished {
    pub(crate) ended: String,
    pub(crate) compensated: String,
    pub(crate) open: String,
    pub(crate) stuck: String,
}

/// The id in an answer.
pub(crate) fn id(answered: &Answered) -> String {
    answered.json()["id"].as_str().expect("an id").to_owned()
}
