//! Which components nothing uses: each way of using one keeps it, and what was so once does not.

use amends_domain::audit::Body;
use amends_domain::digest::Digest;
use amends_domain::event::{Author, Demand, Demanded, Entry, Event, Started, TenantEntry, TenantEvent};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::tenant::Tenant;
use amends_domain::time::Timestamp;
use amends_domain::unused::Unused;

const AT: Timestamp = Timestamp(1_764_000_000_000);

fn component(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn unused(names: &[&str]) -> Unused {
    Unused::of((1..).zip(names).map(|(bytes, name)| (component(name), bytes)))
}

fn left(unused: &Unused, names: &[&str]) -> Vec<String> {
    let left: Vec<Digest> = unused.components().collect();
    names.iter().filter(|name| left.contains(&component(name))).map(|name| (*name).to_owned()).collect()
}

fn published(version: &str, name: &str) -> TenantEvent {
    let (plugin, version) = ("orders".parse().expect("a name"), version.parse().expect("a version"));
    TenantEvent::PluginPublished { plugin, version, component: component(name), size: 1, by: "ada".into() }
}

fn deleted(version: &str) -> TenantEvent {
    let (plugin, version) = ("orders".parse().expect("a name"), version.parse().expect("a version"));
    TenantEvent::PluginVersionDeleted { plugin, version, by: "ada".into() }
}

fn tenant(events: Vec<TenantEvent>) -> Tenant {
    let mut tenant = Tenant::default();
    for event in events {
        tenant.apply(&TenantEntry { at: AT, event }).expect("it fits");
    }
    tenant
}

fn created() -> TenantEvent {
    TenantEvent::TenantCreated { by: "ada".into() }
}

fn of_run(event: Event) -> Body {
    Body::Run { run: RunId(1), previous: 0, entries: vec![Entry { at: AT, event: Event::Adopted }, Entry { at: AT, event }] }
}

fn redriven(component: Option<Digest>) -> Event {
    Event::Demanded(Box::new(Demanded { demand: Demand::Redrive { step: StepIndex(0), component }, by: Author::default() }))
}

fn pinned(names: &[&str]) -> Event {
    let plugin = |name: &&str| (name.parse().expect("a name"), component(name));
    Event::Started(Box::new(Started {
        saga: "s".parse().expect("a name"),
        version: 1,
        definition: component("s"),
        components: names.iter().map(plugin).collect(),
        input: Payload::from("null"),
        key: None,
        parent: None,
    }))
}

#[test]
fn what_a_name_means_and_every_version_that_is_not_deleted_is_used() {
    let all = ["old", "latest", "gone", "named", "nobody"];
    let of = tenant(vec![created(), published("1", "old"), published("2", "gone"), published("3", "latest"), deleted("2")]);
    let mut found = unused(&all);
    found.hear_tenant(&of, [component("named")], 0);
    assert_eq!(left(&found, &all), ["gone", "nobody"]);
    assert_eq!((found.len(), found.bytes()), (2, 3 + 5));
    // Deleted by one tenant, published by another.
    found.hear_tenant(&tenant(vec![created(), published("9", "gone")]), [], 0);
    assert_eq!(left(&found, &all), ["nobody"]);
}

#[test]
fn a_tenant_that_was_deleted_uses_its_plugins_as_long_as_it_keeps_a_run() {
    let of = |last: TenantEvent| tenant(vec![created(), published("1", "a"), last]);
    let suspended = of(TenantEvent::TenantSuspended { reason: "unpaid".into(), by: "op".into() });
    let deleted = of(TenantEvent::TenantDeleted { by: "op".into() });
    for (tenant, runs_kept, expected) in
        [(&suspended, 0, &[][..]), (&deleted, 1, &[]), (&deleted, 0, &["a", "named"]), (&Tenant::default(), 0, &["a"])]
    {
        let mut found = unused(&["a", "named"]);
        found.hear_tenant(tenant, [component("named")], runs_kept);
        assert_eq!(left(&found, &["a", "named"]), expected, "{:?} {runs_kept}", tenant.standing());
    }
}

#[test]
fn what_a_run_that_is_kept_ever_pinned_is_used() {
    let all = ["one", "two", "three"];
    for (event, expected) in [
        (pinned(&["one", "three"]), &["two"][..]),
        (redriven(Some(component("two"))), &["one", "three"]),
        (redriven(None), &all),
        (Event::Adopted, &all),
    ] {
        let mut found = unused(&all);
        found.hear(&of_run(event));
        assert_eq!(left(&found, &all), expected);
        assert!(!found.is_empty());
    }
    let mut found = unused(&all);
    found.hear(&of_run(pinned(&all)));
    assert!(found.is_empty());
}

#[test]
fn what_a_chain_says_was_installed_once_is_not_used_by_that() {
    let installed =
        |name| TenantEvent::PluginInstalled { plugin: "orders".parse().expect("a name"), component: component(name), size: 1 };
    let mut found = unused(&["a", "b"]);
    let entries = [installed("a"), published("1", "b")].map(|event| TenantEntry { at: AT, event }).to_vec();
    found.hear(&Body::Tenant { entries });
    assert_eq!(found.len(), 2);
}
