//! Plugins that ask for secrets that are not theirs, in every way in which a guest can name one.

use crate::site::Site;
use crate::tenancy::Many;
use amends_domain::id::{PluginName, SecretName, TenantId};
use serde_json::{Value, json};

const OF_THE_NEIGHBOUR: &str = "s3cret-of-the-neighbour";
const OF_ANOTHER_PLUGIN: &str = "s3cret-of-another-plugin";

pub(crate) fn attacks() -> Vec<Many> {
    vec![("asks for secrets of others", asks_for_secrets)]
}

fn asks_for_secrets(site: &Site) {
    let neighbour = "neighbour".parse().expect("a name");
    give(site, &neighbour, ("bank-token", OF_THE_NEIGHBOUR), "echo");
    give(site, &site.attacker, ("own-key", OF_ANOTHER_PLUGIN), "p");
    let probe = std::fs::read(harness::guest("probe")).expect("it is built");
    site.upload_as(&site.attacker, "probe", probe).expect("it is granted hosts");
    let names = ["bank-token", "own-key", "neighbour/bank-token", "../own-key", "", "OWN-KEY"];
    let asked = names.map(|name| json!({ "secret": name }));
    let sent = names.map(|name| send(site, name));
    let printed = [json!({ "print": "{secret:own-key} {secret:bank-token}" }), json!({ "complain": "{secret:own-key}" })];
    let before = site.outside.arrived().len();
    let (said, journal) = told(site, &[asked.as_slice(), &sent, &printed].concat());
    assert!(said[..names.len()].iter().all(Value::is_null), "{said:?}");
    assert!(said[names.len()..2 * names.len()].iter().all(|answer| answer["refused"].is_string()), "{said:?}");
    assert_eq!(site.outside.arrived().len(), before);
    assert!(!journal.contains(OF_THE_NEIGHBOUR) && !journal.contains(OF_ANOTHER_PLUGIN), "{journal}");
    // And in the fault of one that fails.
    let (_, journal) = told(site, &[json!({ "secret": "own-key" }), send(site, "own-key"), json!("uncertain")]);
    assert!(journal.contains("uncertain") && !journal.contains(OF_ANOTHER_PLUGIN), "{journal}");
    // Granted, it gets what it asks for, and no more.
    let (own_key, plugin) = (secret("own-key"), plugin("probe"));
    let by = || "operator".to_owned();
    site.host
        .block_on(site.host.coordinator.grant_secret(&site.attacker, &own_key, &plugin, by()))
        .expect("there is such a secret");
    let (said, _) = told(site, &[json!({ "secret": "own-key" }), json!({ "secret": "bank-token" }), send(site, "own-key")]);
    assert_eq!(said[..2], [json!(OF_ANOTHER_PLUGIN), Value::Null]);
    assert_eq!(site.outside.arrived().last().and_then(|request| request.header("x-key")), Some(OF_ANOTHER_PLUGIN));
    site.host.block_on(site.host.coordinator.remove_secret(&site.attacker, &own_key, by())).expect("there is such a secret");
}

fn secret(name: &str) -> SecretName {
    name.parse().expect("a name")
}

fn plugin(name: &str) -> PluginName {
    name.parse().expect("a name")
}

/// Sets a secret and grants it to a plugin.
fn give(site: &Site, tenant: &TenantId, (name, value): (&str, &str), to: &str) {
    let by = || "operator".to_owned();
    let coordinator = &site.host.coordinator;
    site.host.block_on(coordinator.set_secret(tenant, &secret(name), value, by())).expect("there is a vault");
    site.host.block_on(coordinator.grant_secret(tenant, &secret(name), &plugin(to), by())).expect("it is set");
}

/// A request with a secret in a header.
fn send(site: &Site, name: &str) -> Value {
    let url = format!("http://good.test:{}/", site.outside.port());
    json!({ "send": { "method": "GET", "url": url, "headers": [["x-key", format!("{{secret:{name}}}")]] } })
}

/// What the probe was told, and all that is kept of its run but its input.
fn told(site: &Site, acts: &[Value]) -> (Vec<Value>, String) {
    let run = site.host.block_on(site.run_with("sends", &json!({ "forward": acts })));
    let output = run.steps().next().and_then(|(_, step)| step.output.clone());
    let said = output.and_then(|output| output.json().ok()).and_then(|said| said.as_array().cloned()).unwrap_or_default();
    let journal = site.host.coordinator.store().journal(&site.attacker, run.id()).expect("it reads").expect("it is there");
    (said, serde_json::to_string(&journal).expect("JSON"))
}
